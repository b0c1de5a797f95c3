/* quota.c - ResourceQuota: what the objects of a namespace may use in sum.
 *
 * What a quota limits is what its status says (the quota controller puts it there). What is used is
 * what is stored (quota_sums.c) and no less than the status says, and what other writes that are
 * under way will use: so no burst gets past it. An admitted write adds to status.used, in the same
 * transaction.
 *
 * Unlike in Kubernetes, a write that fails after it was admitted leaves status.used as it was.
 * API: https://kubernetes.io/docs/concepts/policy/resource-quotas/. Source:
 * k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go */
#include "api/admission.h"
#include "api/quota_sums.h"

#define QUOTAS_MAX 64 /* of a namespace; more are not looked at */

/* What one write has been granted of one quota, until it is settled. */
struct quota_grant {
    struct quota_grant *next;
    str quota, uid;
    uint64_t account;
    struct json reserved; /* only what grows */
    struct json change;   /* of status.used */
};

static struct json uses_of(const struct write *w, const struct json *obj)
{
    return quota_uses(w->a, w->kind->r->group, w->kind->r->plural, obj, w->now);
}

/* ---- what must be said: cpu and memory under quota, by every container ---- */

static bool says(const struct json *c, const char *name)
{
    const struct json *resources = json_findz(c, "resources");

    if (!strncmp(name, "limits.", 7))
        return json_at(resources, "limits", name + 7, NULL) != NULL;
    if (!strncmp(name, "requests.", 9))
        name += 9;
    return json_at(resources, "requests", name, NULL) != NULL;
}

static int compare_names(const void *x, const void *y)
{
    return str_cmp(((const struct json *)x)->s, ((const struct json *)y)->s);
}

/* "a,b": the containers that do not say it, sorted; NULL: all do. */
static const char *silent(struct arena *a, const struct json *spec, const char *name)
{
    static const char *const lists[] = {"containers", "initContainers"};
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json names = json_array();

    if (says(spec, name)) /* of the pod as a whole */
        return NULL;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_findz(spec, lists[l]))
            if (!says(c, name))
                json_append(a, &names, json_string(json_get_str(c, "name")));
    if (!names.n)
        return NULL;
    qsort(names.items, names.n, sizeof *names.items, compare_names);
    JSON_EACH(n, &names)
        buf_fmt(&b, "%s" PRI_STR, b.n ? "," : "", STR_ARG(n->s));
    return arena_dupz(a, buf_view(&b));
}

static struct err *check_said(struct write *w, const struct json *quota, const struct json *hard)
{
    static const char *const must[] = {"cpu",    "limits.cpu",   "limits.memory",
                                       "memory", "requests.cpu", "requests.memory"};
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(must); i++) {
        const char *who =
            json_findz(hard, must[i]) ? silent(w->a, json_findz(w->obj, "spec"), must[i]) : NULL;

        if (who)
            buf_fmt(&b, "%s%s for: %s", b.n ? "; " : "", must[i], who);
    }
    if (!b.n)
        return NULL;
    return err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                         "failed quota: " PRI_STR ": must specify " PRI_STR,
                         STR_ARG(meta_str(quota, "name")), STR_ARG(buf_view(&b)));
}

/* ---- the sum ---- */

/* What the write changes, names that come out at nothing left out. */
static struct json change_of(struct write *w, const struct json *now)
{
    struct json before = w->old ? uses_of(w, w->old) : json_object(), ret = json_object();

    if (!w->old)
        return *now;
    for (int pass = 0; pass < 2; pass++)
        JSON_EACH_MEMBER(m, pass ? &before : now) {
            struct quantity to = {0}, from = {0};

            if (pass && json_find(now, m->key))
                continue;
            amount_of(now, m->key, &to);
            amount_of(&before, m->key, &from);
            quantity_sub(&to, &from);
            if (to.nano)
                json_set(w->a, &ret, m->key,
                         json_string(amount_text(w->a, &to, quota_is_in_bytes(m->key))));
        }
    return ret;
}

static struct json growing(struct arena *a, const struct json *change)
{
    struct json ret = json_object();

    JSON_EACH_MEMBER(m, change) {
        struct quantity q;

        if (quantity_parse(json_str(&m->value), &q) && q.nano > 0)
            json_set(a, &ret, m->key, m->value);
    }
    json_sort_keys(&ret);
    return ret;
}

/* The amount under a name: as the status says, or as it was counted when that is more; and what is
 * under way. */
static str used_text(struct arena *a, const struct json *status, const struct quota_account *t,
                     str name, struct quantity *ret)
{
    struct quantity counted, reserved;
    str said = json_str(json_find(json_findz(status, "used"), name));
    bool has = quantity_parse(said, ret);

    quota_account_read(t, name, &counted, &reserved);
    if (has && !reserved.nano && quantity_cmp(&counted, ret) <= 0)
        return said;
    if (!has || quantity_cmp(&counted, ret) > 0)
        *ret = counted;
    quantity_add(ret, &reserved);
    return amount_text(a, ret, quota_is_in_bytes(name));
}

static struct err *unknown_status(struct write *w, const struct json *quota,
                                  const struct json *uses)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    const struct json *status = json_findz(quota, "status");

    JSON_EACH_MEMBER(m, uses)
        if (json_find(json_findz(status, "hard"), m->key) &&
            !json_find(json_findz(status, "used"), m->key))
            buf_fmt(&b, "%s" PRI_STR, b.n ? "," : "", STR_ARG(m->key));
    return b.n ? err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                               "status unknown for quota: " PRI_STR ", resources: " PRI_STR,
                               STR_ARG(meta_str(quota, "name")), STR_ARG(buf_view(&b)))
               : NULL;
}

static struct err *check_sum(struct write *w, const struct json *quota,
                             const struct quota_account *t, const struct json *add)
{
    const struct json *status = json_findz(quota, "status"), *hard = json_findz(status, "hard");
    CLEANUP(buf) struct buf requested = BUF_INIT, used = BUF_INIT, limited = BUF_INIT;

    JSON_EACH_MEMBER(m, add) {
        const struct json *max_text = json_find(hard, m->key);
        struct quantity max, have = {0}, sum, more;
        const char *comma = requested.n ? "," : "";
        str have_text;

        if (!max_text || !quantity_parse(json_str(max_text), &max) ||
            !quantity_parse(json_str(&m->value), &more))
            continue;
        have_text = used_text(w->a, status, t, m->key, &have);
        sum = have;
        quantity_add(&sum, &more);
        if (quantity_cmp(&sum, &max) <= 0)
            continue;
        buf_fmt(&requested, "%s" PRI_STR "=" PRI_STR, comma, STR_ARG(m->key),
                STR_ARG(json_str(&m->value)));
        buf_fmt(&used, "%s" PRI_STR "=" PRI_STR, comma, STR_ARG(m->key), STR_ARG(have_text));
        buf_fmt(&limited, "%s" PRI_STR "=" PRI_STR, comma, STR_ARG(m->key),
                STR_ARG(json_str(max_text)));
    }
    return requested.n
               ? err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                               "exceeded quota: " PRI_STR ", requested: " PRI_STR ", used: " PRI_STR
                               ", limited: " PRI_STR,
                               STR_ARG(meta_str(quota, "name")), STR_ARG(buf_view(&requested)),
                               STR_ARG(buf_view(&used)), STR_ARG(buf_view(&limited)))
               : NULL;
}

/* ---- the plugin ---- */

struct quotas {
    struct arena *a;
    struct json *list[QUOTAS_MAX];
    size_t n;
};

static bool quota_keep(void *ctx, const struct obj *o)
{
    struct quotas *q = ctx;

    if (q->n < ARRAY_LEN(q->list))
        q->list[q->n++] = object_parse(q->a, arena_dup(q->a, o->data));
    return true;
}

/* Most objects count when they are made; only these may come to use more. */
static bool counts_now(const struct write *w, bool is_pod)
{
    if (!w->kind->r->namespaced || (w->kind->hooks->flags & KIND_VIRTUAL) || w->bootstrap ||
        str_is(w->kind->r->kind,
               "Event")) /* never counted: k8s.io/kubernetes/pkg/quota/v1/install */
        return false;
    if (is_pod)
        return w->old ? str_is(w->subresource, "resize") : !w->subresource.n;
    if (w->subresource.n)
        return false;
    return !w->old || quota_looks_inside(w->kind->r->group, w->kind->r->plural);
}

/* What is written, as quotas see it. */
struct usage {
    struct json now, change, add;
    bool is_pod;
};

static bool touches(const struct json *hard, const struct json *change)
{
    JSON_EACH_MEMBER(m, change)
        if (json_find(hard, m->key))
            return true;
    return false;
}

/* *ret stays NULL when this quota has nothing to do with the write. */
static struct err *check_quota(struct write *w, const struct json *quota, const struct usage *u,
                               struct quota_account **ret)
{
    const struct json *hard = json_at(quota, "status", "hard", NULL);
    const struct resource *r = w->kind->r;
    struct err *e = NULL;

    if (!json_count(hard) ||
        !quota_is_about(json_findz(quota, "spec"), r->group, r->plural, w->obj))
        return NULL;
    if (u->is_pod)
        e = check_said(w, quota, hard);
    if (!e)
        e = unknown_status(w, quota, &u->now);
    if (e || !touches(hard, &u->change))
        return e;
    *ret = quota_account_of(w->api->quota_sums, quota, w->ns, w->kind, w->now);
    return check_sum(w, quota, *ret, &u->add);
}

static void grant(struct write *w, const struct json *quota, struct quota_account *t,
                  const struct usage *u)
{
    struct quota_grant *g = ARENA_NEW(w->a, struct quota_grant);

    g->quota = meta_str(quota, "name");
    g->uid = meta_str(quota, "uid");
    g->reserved = u->add;
    g->change = u->change;
    g->account = quota_reserve(t, &g->reserved);
    g->next = w->grants;
    w->grants = g;
}

struct err *resource_quota(struct write *w)
{
    struct quotas quotas = {.a = w->a};
    struct quota_account *accounts[QUOTAS_MAX] = {NULL};
    struct usage u = {.is_pod = !w->kind->r->group.n && str_is(w->kind->r->plural, "pods")};

    quota_settled(w); /* what an earlier run of the steps was granted */
    if (!counts_now(w, u.is_pod))
        return NULL;
    store_each(w->api->store, api_core(w->api, "resourcequotas")->r->storage_resource, w->ns, NULL,
               quota_keep, &quotas);
    if (!quotas.n)
        return NULL;
    u.now = uses_of(w, w->obj);
    u.change = change_of(w, &u.now);
    u.add = growing(w->a, &u.change);
    for (size_t i = 0; i < quotas.n; i++) {
        struct err *e = check_quota(w, quotas.list[i], &u, &accounts[i]);

        if (e)
            return e;
    }
    for (size_t i = 0; i < quotas.n && !w->dry_run; i++)
        if (accounts[i])
            grant(w, quotas.list[i], accounts[i], &u);
    return NULL;
}

void quota_settled(struct write *w)
{
    for (struct quota_grant *g = TAKE(w->grants); g; g = g->next)
        quota_release(w->api->quota_sums, w->ns, g->account, &g->reserved);
}

/* ---- status.used ---- */

struct used_write {
    struct api *api;
    struct arena *a;
    str name, uid;
    struct json change;
};

static void change_used(struct arena *a, struct json *status, const struct json *change)
{
    struct json *used = json_findz(status, "used");

    JSON_EACH_MEMBER(m, change) {
        const struct json *was = json_find(used, m->key);
        struct quantity sum, q;
        bool binary;

        if (!was || !json_find(json_findz(status, "hard"), m->key) ||
            !quantity_parse(json_str(was), &sum) || !quantity_parse(json_str(&m->value), &q))
            continue;
        /* Shown as it was shown; what was nothing takes the form of what is added. */
        binary = str_has_suffix(json_str(sum.nano ? was : &m->value), S("i"));
        quantity_add(&sum, &q);
        if (sum.nano < 0)
            sum = (struct quantity){0};
        json_set(a, used, m->key, json_string(amount_text(a, &sum, binary)));
    }
}

static struct err *put_used(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                            struct store_change *ret)
{
    struct used_write *u = ctx;
    const struct kind *k = api_core(u->api, "resourcequotas");
    const struct apply_options o = {.manager = S("kube-apiserver"),
                                    .subresource = S("status"),
                                    .api_version = k->api_version,
                                    .now = loop_wall(u->api->loop)};
    struct json *obj, *old;
    struct err *e;

    (void)a;
    ret->op = STORE_KEEP;
    if (!current || !str_eq(current->uid, u->uid))
        return NULL;
    obj = object_parse(u->a, arena_dup(u->a, current->data));
    old = json_new(u->a, json_copy(u->a, obj));
    change_used(u->a, json_findz(obj, "status"), &u->change);
    if (json_equal(old, obj))
        return NULL;
    e = apply_track_update(u->a, k->r, old, obj, &o);
    if (!e)
        e = object_store(u->a, k, obj, revision, ret);
    if (!e)
        ret->op = STORE_PUT;
    return e;
}

static void used_put(void *ctx, struct err *e, const struct obj *result)
{
    struct used_write *u = ctx;

    (void)result;
    /* The sums are right, and the controller will say so. */
    if (e)
        log_warning("api", "status.used of quota " PRI_STR ": %s", STR_ARG(u->name), err_text(e));
    err_free(e);
    arena_free(u->a);
}

void quota_written(struct write *w)
{
    if (!w->stored)
        return;
    for (const struct quota_grant *g = w->grants; g; g = g->next) {
        struct arena *a = arena_new();
        struct used_write *u = ARENA_NEW(a, struct used_write);

        *u = (struct used_write){w->api, a, arena_dup(a, g->quota), arena_dup(a, g->uid),
                                 json_copy(a, &g->change)};
        store_update(w->api->store, kind_key(api_core(w->api, "resourcequotas"), w->ns, u->name),
                     put_used, used_put, u);
    }
}
