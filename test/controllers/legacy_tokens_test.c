/* legacy_tokens_test.c - which token Secrets of accounts are marked, and which go. */
#include "test/controllers/plans.h"

/* The world's clock stands at 2026-01-01. */
#define OLD "2024-01-01T00:00:00Z"
#define INVALID(day) "\"kubernetes.io/legacy-token-invalid-since\":\"" day "\""
#define USED(day) "\"kubernetes.io/legacy-token-last-used\":\"" day "\""
#define MARK                                                                                       \
    "patch secrets default/t {\"metadata\":{\"uid\":\"u-t\",\"labels\":{" INVALID(                 \
        "2026-01-01") "}}}\n"

/* In kube-system, unlike what have() puts. */
static void track(struct world *w, const char *day)
{
    informer_put(w->caches[K_CONFIGMAPS],
                 arena_fmt(w->a,
                           "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"
                           "\"kube-apiserver-legacy-service-account-token-tracking\",\"namespace\":"
                           "\"kube-system\",\"uid\":\"u-k\",\"resourceVersion\":\"%" PRId64
                           "\"},\"data\":{\"since\":\"%s\"}}",
                           ++w->revision, day));
}

static void secret(struct world *w, const char *made, const char *labels, const char *type)
{
    have(w, K_SECRETS,
         "{\"metadata\":{\"name\":\"t\",\"creationTimestamp\":\"%s\",\"labels\":{%s},"
         "\"annotations\":"
         "{\"kubernetes.io/service-account.name\":\"sa\",\"kubernetes.io/service-account.uid\":"
         "\"u-sa\"}},\"type\":\"%s\"}",
         made, labels, type);
}

/* The plan without when to look again. */
static str done_to(struct world *w)
{
    str plan = plan_of(w, &legacy_tokens_controller, "default", "t");
    ptrdiff_t at = str_find(plan, S("requeue "));

    return at < 0 ? plan : str_slice(plan, 0, (size_t)at);
}

TEST(legacy_tokens, are_marked_when_unused_and_go_when_that_was_long_ago)
{
    static const struct {
        const char *since, *made, *labels, *plan;
    } cases[] = {
        {"2024-06-01", OLD, "", MARK},
        {"2024-12-31", OLD, "", MARK},
        {"2025-01-01", OLD, "", ""}, /* not tracked for a year and a day */
        {"nonsense", OLD, "", ""},
        {"2024-06-01", "2025-06-01T00:00:00Z", "", ""},
        {"2024-06-01", OLD, USED("2024-12-31"), MARK},
        {"2024-06-01", OLD, USED("2025-01-01"), ""},
        {"2024-06-01", OLD, USED("today"), ""}, /* nobody knows when */
        {"2024-06-01", OLD, INVALID("2025-01-01"), ""},
        {"2024-06-01", OLD, INVALID("never"), MARK},
        {"2024-06-01", OLD, INVALID("2024-12-31"), "delete secrets default/t\n"},
        {"2024-06-01", OLD, USED("2025-12-01") "," INVALID("2024-12-31"), ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;

        world_init(&w);
        track(&w, cases[i].since);
        have(&w, K_SERVICEACCOUNTS,
             "{\"metadata\":{\"name\":\"sa\"},\"secrets\":[{\"name\":\"t\"}]}");
        secret(&w, cases[i].made, cases[i].labels, "kubernetes.io/service-account-token");
        CHECK_STRZ(done_to(&w), cases[i].plan);
        world_fini(&w);
    }
}

TEST(legacy_tokens, are_looked_at_again_when_their_time_has_come)
{
    struct world w;

    world_init(&w);
    track(&w, "2024-06-01");
    secret(&w, "2025-01-01T00:00:59Z", "", "kubernetes.io/service-account-token");
    CHECK_STRZ(plan_of(&w, &legacy_tokens_controller, "default", "t"), "requeue 60000ms\n");
    world_fini(&w);
}

TEST(legacy_tokens, stay_that_people_made_or_pods_use)
{
    struct world w;

    world_init(&w);
    track(&w, "2024-06-01");
    secret(&w, OLD, "", "kubernetes.io/service-account-token");
    CHECK_STRZ(done_to(&w), ""); /* no account */
    have(&w, K_SERVICEACCOUNTS, "{\"metadata\":{\"name\":\"sa\"},\"secrets\":[{\"name\":\"x\"}]}");
    CHECK_STRZ(done_to(&w), "");
    have(&w, K_SERVICEACCOUNTS, "{\"metadata\":{\"name\":\"sa\"},\"secrets\":[{\"name\":\"t\"}]}");
    CHECK_STRZ(done_to(&w), MARK);
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"volumes\":[{\"name\":\"v\","
         "\"secret\":{\"secretName\":\"t\"}}]}}");
    CHECK_STRZ(done_to(&w), "");
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"env\":[{\"name\":"
         "\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"t\",\"key\":\"k\"}}}]}]}}");
    CHECK_STRZ(done_to(&w), "");
    have(&w, K_PODS,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"imagePullSecrets\":[{\"name\":"
         "\"other\"}]}}");
    CHECK_STRZ(done_to(&w), MARK);
    secret(&w, OLD, "", "Opaque");
    CHECK_STRZ(done_to(&w), "");
    world_fini(&w);
}

TEST_MAIN
