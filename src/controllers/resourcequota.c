/* resourcequota.c - counts what a namespace uses of what its ResourceQuotas limit.
 *
 * Admission counts up; this counts anew, so that what has gone is given back.
 * API: https://kubernetes.io/docs/concepts/policy/resource-quotas/ */
#include "controllers/framework.h"

#include <inttypes.h>

static const struct {
    const char *name;
    enum kind_id kind;
} counted[] = {
    {"pods", K_PODS},
    {"services", K_SERVICES},
    {"configmaps", K_CONFIGMAPS},
    {"secrets", K_SECRETS},
    {"persistentvolumeclaims", K_PVCS},
    {"replicationcontrollers", K_REPLICATIONCONTROLLERS},
    {"resourcequotas", K_RESOURCEQUOTAS},
};

struct sum {
    struct reconcile *r;
    const struct json *quota;
    struct quantity total;
    str side, what;           /* "requests", "cpu" */
    const char *service_type; /* "NodePort", ... */
    int64_t n;
};

static bool is_best_effort(const struct json *pod)
{
    JSON_EACH(c, json_path(pod, "spec.containers"))
        if (json_count(json_path(c, "resources.requests")) ||
            json_count(json_path(c, "resources.limits")))
            return false;
    return true;
}

static bool in_scope(const struct json *quota, const struct json *pod)
{
    bool terminating = json_path(pod, "spec.activeDeadlineSeconds") != NULL;

    JSON_EACH(scope, json_path(quota, "spec.scopes")) {
        str s = json_str(scope);

        if ((str_is(s, "Terminating") && !terminating) ||
            (str_is(s, "NotTerminating") && terminating) ||
            (str_is(s, "BestEffort") && !is_best_effort(pod)) ||
            (str_is(s, "NotBestEffort") && is_best_effort(pod)))
            return false;
    }
    return true;
}

static void add_quantity(struct quantity *to, const struct json *v)
{
    struct quantity q;
    str text = json_str(v);
    char number[32];

    if (json_is(v, JSON_INT)) {
        int n = snprintf(number, sizeof number, "%" PRId64, v->i);

        text = (str){number, (size_t)n};
    }
    if (text.n && quantity_parse(text, &q))
        quantity_add(to, &q);
}

static bool sum_pod(void *ctx, const struct obj *o)
{
    struct sum *s = ctx;
    const struct json *pod;
    struct quantity init = {0}, one, sum = {0};
    struct pod p;

    pod_read(o, &p);
    if (p.phase == POD_SUCCEEDED || p.phase == POD_FAILED)
        return true;
    pod = tree_of(s->r->a, o);
    if (!in_scope(s->quota, pod))
        return true;
    s->n++;
    if (!s->what.n)
        return true;
    JSON_EACH(c, json_path(pod, "spec.containers"))
        add_quantity(&sum, json_find(json_find(json_findz(c, "resources"), s->side), s->what));
    JSON_EACH(c, json_path(pod, "spec.initContainers")) {
        one = (struct quantity){0};
        add_quantity(&one, json_find(json_find(json_findz(c, "resources"), s->side), s->what));
        if (str_is(json_get_str(c, "restartPolicy"), "Always"))
            quantity_add(&sum, &one);
        else if (quantity_cmp(&one, &init) > 0)
            init = one;
    }
    if (quantity_cmp(&init, &sum) > 0)
        sum = init;
    add_quantity(&sum, json_find(json_path(pod, "spec.overhead"), s->what));
    quantity_add(&s->total, &sum);
    return true;
}

static bool count_one(void *ctx, const struct obj *o)
{
    ((struct sum *)ctx)->n++;
    return true;
}

static bool count_service(void *ctx, const struct obj *o)
{
    struct sum *s = ctx;
    str type = client_text_find(o->data, "spec.type");

    if (str_is(type, s->service_type))
        s->n++;
    else if (!strcmp(s->service_type, "NodePort") && str_is(type, "LoadBalancer"))
        s->n++;
    return true;
}

static bool sum_claim(void *ctx, const struct obj *o)
{
    struct sum *s = ctx;

    add_quantity(&s->total, json_path(tree_of(s->r->a, o), "spec.resources.requests.storage"));
    return true;
}

/* "count/deployments.apps" of the kinds in our caches. */
static const struct kind *counted_kind(str resource)
{
    for (int k = 0; k < K_N; k++) {
        str group = STR_NONE, plural = resource;

        if (str_has_char(resource, '.')) {
            group = resource;
            str_cut(&group, '.', &plural);
        }
        if (k != K_LEASES && kinds[k].namespaced && str_eq(kinds[k].plural, plural) &&
            str_eq(kinds[k].group, group))
            return &kinds[k];
    }
    return NULL;
}

/* false: a resource that nobody counts here; its last figure stays. */
static bool usage(struct sum *s, str resource, str *ret)
{
    struct reconcile *r = s->r;
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool binary;

    for (size_t i = 0; i < ARRAY_LEN(counted); i++)
        if (str_is(resource, counted[i].name)) {
            informer_each(r->caches[counted[i].kind], r->ns,
                          counted[i].kind == K_PODS ? sum_pod : count_one, s);
            *ret = arena_fmt(r->a, "%" PRId64, s->n);
            return true;
        }
    if (str_has_prefix(resource, S("count/"))) {
        const struct kind *k = counted_kind(str_skip(resource, 6));

        if (!k && r->custom_count) {
            s->n = r->custom_count(r->custom_ctx, r->ns, str_skip(resource, 6));
            *ret = arena_fmt(r->a, "%" PRId64, s->n);
            return s->n >= 0;
        }
        if (!k || !r->caches[k - kinds])
            return false;
        informer_each(r->caches[k - kinds], r->ns, count_one, s);
        *ret = arena_fmt(r->a, "%" PRId64, s->n);
        return true;
    }
    if (str_is(resource, "services.nodeports") || str_is(resource, "services.loadbalancers")) {
        s->service_type = str_is(resource, "services.nodeports") ? "NodePort" : "LoadBalancer";
        informer_each(r->caches[K_SERVICES], r->ns, count_service, s);
        *ret = arena_fmt(r->a, "%" PRId64, s->n);
        return true;
    }
    if (str_is(resource, "requests.storage")) {
        informer_each(r->caches[K_PVCS], r->ns, sum_claim, s);
        binary = true;
    } else {
        s->side = S("requests");
        s->what = resource;
        if (str_has_prefix(resource, S("requests.")))
            s->what = str_skip(resource, 9);
        if (str_has_prefix(resource, S("limits."))) {
            s->side = S("limits");
            s->what = str_skip(resource, 7);
        }
        binary = str_is(s->what, "memory") || str_is(s->what, "ephemeral-storage") ||
                 str_has_prefix(s->what, S("hugepages-"));
        informer_each(r->caches[K_PODS], r->ns, sum_pod, s);
    }
    buf_quantity(&b, &s->total, binary ? 'b' : 'd');
    *ret = arena_dup(r->a, buf_view(&b));
    return true;
}

static void reconcile(struct reconcile *r)
{
    struct json *quota = look_tree(r, K_RESOURCEQUOTAS, r->ns, r->name), *status,
                used = json_object(), before;
    const struct json *hard;

    if (!quota)
        return;
    hard = json_path(quota, "spec.hard");
    json_make(r->a, quota, "status", JSON_OBJECT);
    status = json_findz(quota, "status");
    before = json_copy(r->a, status);
    JSON_EACH_MEMBER(m, hard) {
        struct sum s = {.r = r, .quota = quota};
        str text;

        if (usage(&s, m->key, &text))
            json_set(r->a, &used, m->key, json_string(text));
        else if (json_find(json_findz(status, "used"), m->key))
            json_set(r->a, &used, m->key, *json_find(json_findz(status, "used"), m->key));
    }
    if (hard)
        json_setz(r->a, status, "hard", *hard);
    json_setz(r->a, status, "used", used);
    if (!json_equal(&before, status))
        plan_update_status(&r->plan, K_RESOURCEQUOTAS, quota);
}

static bool wake_each(void *ctx, const struct obj *o)
{
    wake(ctx, o->key.ns, o->key.name);
    return true;
}

/* What is added was counted by admission; what goes, or ends, is what admission cannot see. Both
 * are looked at, since it is cheap. */
static void used_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (!obj || !prev)
        informer_each(controller_cache(c, K_RESOURCEQUOTAS), (obj ? obj : prev)->key.ns, wake_each,
                      c);
}

static void pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    struct pod now, before;

    if (obj && prev) {
        pod_read(obj, &now);
        pod_read(prev, &before);
        if (now.phase == before.phase)
            return;
    }
    informer_each(controller_cache(c, K_RESOURCEQUOTAS), (obj ? obj : prev)->key.ns, wake_each, c);
}

static void custom_counted(void *ctx, const struct resource *r, str ns)
{
    struct controller *c = ctx;

    if (r->custom)
        informer_each(controller_cache(c, K_RESOURCEQUOTAS), ns, wake_each, c);
}

static void *state_new(struct controller *c)
{
    gc_on_count(c->m->gc, custom_counted, c);
    return NULL;
}

static const struct trigger triggers[] = {
    {K_PODS, pod_changed},         {K_SERVICES, used_changed},
    {K_CONFIGMAPS, used_changed},  {K_SECRETS, used_changed},
    {K_PVCS, used_changed},        {K_REPLICATIONCONTROLLERS, used_changed},
    {K_DEPLOYMENTS, used_changed}, {K_REPLICASETS, used_changed},
    {K_JOBS, used_changed},        {K_STATEFULSETS, used_changed},
    {K_CRONJOBS, used_changed},
};

const struct controller_type resourcequota_controller = {
    .name = "resourcequota",
    .component = "resourcequota-controller",
    .primary = K_RESOURCEQUOTAS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .state_new = state_new,
};
