/* legacy_tokens.c - removes generated token Secrets of ServiceAccounts that nobody has used for a year: first they are marked invalid, and
 * a year later they go.
 *
 * Generated is what the account itself lists; Secrets that people made stay. Since when use is written down stands in a ConfigMap
 * of the API server, the last use in a label (api/service_account.c).
 *
 * Source: k8s.io/kubernetes/pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#legacy-serviceaccount-token-cleaner */
#include "controllers/controllers_internal.h"

#define PERIOD_NS                                                                                  \
    (365 * DAY_NS) /* kube-controller-manager --legacy-service-account-token-clean-up-period */
#define DAY_NS (INT64_C(86400) * NS_PER_S)
#define TRACKING "kube-apiserver-legacy-service-account-token-tracking"
#define LAST_USED "kubernetes.io/legacy-token-last-used"
#define INVALID_SINCE "kubernetes.io/legacy-token-invalid-since"

/* "2006-01-02": its beginning; false: no day. */
static bool day_of(struct arena *a, str text, int64_t *ret_ns)
{
    wall_time t;

    if (!rfc3339_parse(arena_fmt(a, PRI_STR "T00:00:00Z", STR_ARG(text)), &t))
        return false;
    *ret_ns = t.ns;
    return true;
}

/* Whether it may be looked at, and when: a period after it was made, last used, and tracking had begun for a whole day. */
static bool due_of(struct reconcile *r, const struct json *secret, int64_t *ret_ns)
{
    const struct obj *tracking = look_up(r, K_CONFIGMAPS, S("kube-system"), S(TRACKING));
    str used = meta_get(secret, "labels", S(LAST_USED));
    int64_t since, used_day = INT64_MIN;
    wall_time made;

    if (!tracking || !day_of(r->a, json_get_str(tree_of(r->a, tracking), "data.since"), &since) ||
        !rfc3339_parse(json_get_str(secret, "metadata.creationTimestamp"), &made))
        return false;
    if (used.n && !day_of(r->a, used, &used_day))
        return false;
    *ret_ns = MAX(since + DAY_NS, made.ns + NS_PER_S);
    if (used.n)
        *ret_ns = MAX(*ret_ns, used_day + DAY_NS);
    *ret_ns += PERIOD_NS;
    return true;
}

static bool is_generated(struct reconcile *r, const struct json *secret)
{
    const struct obj *account =
        look_up(r, K_SERVICEACCOUNTS, r->ns,
                meta_get(secret, "annotations", S("kubernetes.io/service-account.name")));
    str uid = meta_get(secret, "annotations", S("kubernetes.io/service-account.uid"));

    if (!account || (uid.n && !str_eq(uid, account->uid)))
        return false;
    JSON_EACH(s, json_findz(tree_of(r->a, account), "secrets"))
        if (str_eq(json_get_str(s, "name"), r->name))
            return true;
    return false;
}

/* Does anything inside refer to a Secret of this name? */
static bool refers(const struct json *v, str name)
{
    static const char *const members[] = {"secret", "secretRef", "secretKeyRef",
                                          "nodePublishSecretRef"};

    JSON_EACH(item, v)
        if (refers(item, name))
            return true;
    JSON_EACH_MEMBER(m, v) {
        for (size_t i = 0; i < ARRAY_LEN(members); i++)
            if (str_is(m->key, members[i]) && (str_eq(json_get_str(&m->value, "name"), name) ||
                                               str_eq(json_get_str(&m->value, "secretName"), name)))
                return true;
        if (str_is(m->key, "imagePullSecrets"))
            JSON_EACH(s, &m->value)
                if (str_eq(json_get_str(s, "name"), name))
                    return true;
        if (str_is(m->key, "azureFile") && str_eq(json_get_str(&m->value, "secretName"), name))
            return true;
        if (refers(&m->value, name))
            return true;
    }
    return false;
}

struct search {
    struct arena *a;
    str name;
    bool found;
};

static bool search_pod(void *ctx, const struct obj *o)
{
    struct search *s = ctx;

    s->found = refers(json_findz(tree_of(s->a, o), "spec"), s->name);
    arena_reset(s->a);
    return !s->found;
}

static bool is_mounted(struct reconcile *r)
{
    struct search s = {arena_new(), r->name, false};

    informer_each(r->caches[K_PODS], r->ns, search_pod, &s);
    arena_free(s.a);
    return s.found;
}

static void mark_invalid(struct reconcile *r, const struct obj *o)
{
    CLEANUP(buf) struct buf today = BUF_INIT;
    struct json *patch = json_new(r->a, json_object()), *labels;

    buf_rfc3339(&today, r->now);
    json_setz(r->a, json_make(r->a, patch, "metadata", JSON_OBJECT), "uid", json_string(o->uid));
    labels = json_make(r->a, patch, "metadata.labels", JSON_OBJECT);
    json_setz(r->a, labels, INVALID_SINCE,
              json_string(arena_dup(r->a, str_slice(buf_view(&today), 0, strlen("2006-01-02")))));
    plan_patch(&r->plan, &kinds[K_SECRETS], r->ns, r->name, STR_NONE, PATCH_MERGE, patch)->flags =
        ACT_IGNORE_NOT_FOUND;
}

static void reconcile(struct reconcile *r)
{
    const struct obj *o = look_up(r, K_SECRETS, r->ns, r->name);
    const struct json *secret;
    int64_t due_ns, invalid_day;

    if (!o || !str_is(client_text_find(o->data, "type"), "kubernetes.io/service-account-token"))
        return;
    secret = tree_of(r->a, o);
    if (json_path(secret, "metadata.deletionTimestamp") || !due_of(r, secret, &due_ns))
        return;
    if (r->now.ns < due_ns) {
        plan_requeue(&r->plan, due_ns - r->now.ns);
        return;
    }
    plan_requeue(&r->plan, DAY_NS); /* what holds it now may have gone */
    if (!is_generated(r, secret) || is_mounted(r))
        return;
    if (!day_of(r->a, meta_get(secret, "labels", S(INVALID_SINCE)), &invalid_day))
        mark_invalid(r, o);
    else if (r->now.ns >= invalid_day + DAY_NS + PERIOD_NS)
        plan_delete(&r->plan, K_SECRETS, o)->flags = ACT_IGNORE_NOT_FOUND | ACT_IGNORE_CONFLICT;
}

static const enum kind_id reads[] = {K_CONFIGMAPS, K_SERVICEACCOUNTS, K_PODS, K_N};

const struct controller_type legacy_tokens_controller = {
    .name = "legacy-tokens",
    .component = "legacy-service-account-token-cleaner",
    .primary = K_SECRETS,
    .reads = reads,
    .reconcile = reconcile,
};
