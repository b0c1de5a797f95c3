/* volume_test.c - pods with claims. */
#include "test/scheduler/world.h"

#define WITH_CLAIM                                                                                 \
    "\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]"
#define NOT_HELPFUL(n)                                                                             \
    " no new claims to deallocate, preemption: 0/" n " nodes are available: " n                    \
    " Preemption is not helpful for scheduling.\n"

static void put_claim(struct world *w, const char *annotations, const char *spec)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b,
            "{\"metadata\":{\"name\":\"data\",\"namespace\":\"default\",\"uid\":\"c\","
            "\"resourceVersion\":\"%lld\",\"annotations\":{%s}},\"spec\":{%s}}",
            (long long)++w->revision, annotations, spec);
    informer_put(w->s->claim_informer, buf_view(&b));
}

static void put_volume(struct world *w, const char *spec)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(
        &b,
        "{\"metadata\":{\"name\":\"pv\",\"uid\":\"v\",\"resourceVersion\":\"%lld\"},\"spec\":{%s}}",
        (long long)++w->revision, spec);
    informer_put(w->s->volume_informer, buf_view(&b));
}

static bool said(struct world *w, const char *text)
{
    return str_find(buf_view(&w->log), str_of(text)) >= 0;
}

TEST(volumes, a_pod_waits_for_its_claim_and_goes_where_its_volume_is)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n1", ",\"disk\":\"a\"", "", ROOMY);
    put_node(&w, "n2", ",\"disk\":\"b\"", "", ROOMY);
    put_pod(&w, "p", "", WITH_CLAIM);
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "condition p: 0/2 nodes are available: persistentvolumeclaim \"data\" not "
                   "found." NOT_HELPFUL("2")));
    put_claim(&w, "", "\"storageClassName\":\"manual\"");
    settle(&w, 2 * NS_PER_S);
    CHECK(said(&w, "condition p: 0/2 nodes are available: pod has unbound immediate "
                   "PersistentVolumeClaims." NOT_HELPFUL("2")));
    put_volume(&w, "\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{"
                   "\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"b\"]}]}]}}");
    put_claim(&w, "\"pv.kubernetes.io/bind-completed\":\"yes\"",
              "\"storageClassName\":\"manual\",\"volumeName\":\"pv\"");
    settle(&w, 5 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "p")), "n2");
    world_close(&w);
}

TEST(volumes, a_volume_elsewhere_and_a_volume_gone_are_told)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n1", "", "", ROOMY);
    put_claim(&w, "\"pv.kubernetes.io/bind-completed\":\"yes\"", "\"volumeName\":\"pv\"");
    put_pod(&w, "p", "", WITH_CLAIM);
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "0/1 nodes are available: 1 node(s) unavailable due to one or more pvc(s) bound "
                   "to non-existent pv(s)." NOT_HELPFUL("1")));
    put_volume(&w, "\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{"
                   "\"key\":\"disk\",\"operator\":\"Exists\"}]}]}}");
    settle(&w, 2 * NS_PER_S);
    CHECK(said(&w, "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node "
                   "affinity." NOT_HELPFUL("1")));
    put_volume(&w, "\"capacity\":{}");
    settle(&w, 5 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "p")), "n1");
    world_close(&w);
}
