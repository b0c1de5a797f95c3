/* limits.c - LimitRanger and ResourceQuota: what a namespace may use, per object and in sum.
 *
 * LimitRanger fills in a container's requests and limits and checks the bounds. Quota counts what
 * is stored (from memory) plus what is being written; status.used is kept by the quota controller,
 * which this does not depend on. API: https://kubernetes.io/docs/concepts/policy/limit-range/,
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/ */
#include "api/admission.h"

struct problems {
    struct buf text;
    unsigned n;
};

static void problem(struct problems *p, const char *fmt, ...) PRINTF(2, 3);
static void problem(struct problems *p, const char *fmt, ...)
{
    va_list ap;

    if (p->n++)
        buf_z(&p->text, ", ");
    va_start(ap, fmt);
    buf_vfmt(&p->text, fmt, ap);
    va_end(ap);
}

static bool amount(const struct json *list, str name, struct quantity *ret)
{
    const struct json *v = json_find(list, name);

    return json_is(v, JSON_STRING) && quantity_parse(v->s, ret);
}

static str text_of(struct arena *a, const struct quantity *q, bool binary)
{
    struct buf b = BUF_INIT;
    str out;

    buf_quantity(&b, q, binary ? 'b' : 'd');
    out = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return out;
}

/* ---- LimitRanger ---- */

struct ranges {
    struct arena *a;
    struct json *list[64];
    size_t n;
};

static bool range_keep(void *ctx, const struct obj *o)
{
    struct ranges *r = ctx;

    if (r->n < ARRAY_LEN(r->list))
        r->list[r->n++] = object_parse(r->a, arena_dup(r->a, o->data));
    return true;
}

static void ranges_load(struct write *w, struct ranges *r)
{
    r->a = w->a;
    r->n = 0;
    store_each(w->api->store, api_core(w->api, "limitranges")->r->storage_resource, w->ns, NULL,
               range_keep, r);
}

/* Names that were filled in, sorted and joined. */
static void note_set(struct buf *notes, struct json *names, const char *what,
                     const char *container_kind, str container)
{
    if (!names->n)
        return;
    for (uint32_t i = 1; i < names->n; i++)
        for (uint32_t k = i; k > 0 && str_cmp(names->items[k - 1].s, names->items[k].s) > 0; k--) {
            struct json t = names->items[k];

            names->items[k] = names->items[k - 1];
            names->items[k - 1] = t;
        }
    if (notes->n)
        buf_z(notes, "; ");
    JSON_EACH(n, names)
        buf_fmt(notes, "%s" PRI_STR, n == names->items ? "" : ", ", STR_ARG(n->s));
    buf_fmt(notes, " %s for %s " PRI_STR, what, container_kind, STR_ARG(container));
}

static void fill(struct arena *a, struct json *container, const char *list,
                 const struct json *defaults, struct json *set)
{
    JSON_EACH_MEMBER(m, defaults) {
        struct json *to;

        if (json_find(json_at(container, "resources", list, NULL), m->key))
            continue;
        to = json_make(a, json_make(a, container, "resources", JSON_OBJECT), list, JSON_OBJECT);
        json_set(a, to, m->key, m->value);
        json_append(a, set, json_string(m->key));
    }
}

/* Defaults of the range, in the form the API shows them (a limit is the request's default, too). */
static void default_containers(struct write *w, const struct ranges *r)
{
    static const struct {
        const char *list, *word;
    } lists[] = {{"containers", "container"}, {"initContainers", "init container"}};
    struct buf notes = BUF_INIT;

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_at(w->obj, "spec", lists[l].list, NULL)) {
            struct json requests = json_array(), limits = json_array();

            for (size_t i = 0; i < r->n; i++)
                JSON_EACH(item, json_at(r->list[i], "spec", "limits", NULL)) {
                    if (!str_is(json_get_str(item, "type"), "Container"))
                        continue;
                    fill(w->a, c, "requests", json_findz(item, "defaultRequest"), &requests);
                    fill(w->a, c, "limits", json_findz(item, "default"), &limits);
                }
            note_set(&notes, &requests, "request", lists[l].word, json_get_str(c, "name"));
            note_set(&notes, &limits, "limit", lists[l].word, json_get_str(c, "name"));
        }
    if (notes.n) {
        struct json *ann = json_make(w->a, w->obj, "metadata.annotations", JSON_OBJECT);

        json_setz(w->a, ann, "kubernetes.io/limit-ranger",
                  json_string(arena_fmt(w->a, "LimitRanger plugin set: " PRI_STR,
                                        STR_ARG(buf_view(&notes)))));
    }
    buf_fini(&notes);
}

static bool is_binary(str name)
{
    return str_is(name, "memory") || str_is(name, "storage") || str_is(name, "ephemeral-storage") ||
           str_has_prefix(name, S("hugepages-"));
}

static void check_bounds(struct write *w, const struct json *item, str type,
                         const struct json *requests, const struct json *limits, struct problems *p)
{
    struct arena *a = w->a;

    JSON_EACH_MEMBER(m, json_findz(item, "min")) {
        struct quantity min, req, lim;
        bool has_req = amount(requests, m->key, &req), has_lim = amount(limits, m->key, &lim);

        if (!quantity_parse(json_str(&m->value), &min))
            continue;
        if (!has_req)
            problem(p,
                    "minimum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                    ".  No request is specified",
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)));
        else if (quantity_cmp(&req, &min) < 0)
            problem(p,
                    "minimum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                    ", but request is " PRI_STR,
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)),
                    STR_ARG(text_of(a, &req, is_binary(m->key))));
        else if (has_lim && quantity_cmp(&lim, &min) < 0)
            problem(p,
                    "minimum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                    ", but limit is " PRI_STR,
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)),
                    STR_ARG(text_of(a, &lim, is_binary(m->key))));
    }
    JSON_EACH_MEMBER(m, json_findz(item, "max")) {
        struct quantity max, req, lim;
        bool has_req = amount(requests, m->key, &req), has_lim = amount(limits, m->key, &lim),
             claim = str_is(type, "PersistentVolumeClaim");

        if (!quantity_parse(json_str(&m->value), &max))
            continue;
        if (claim) {
            if (has_req && quantity_cmp(&req, &max) > 0)
                problem(p,
                        "maximum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                        ", but request is " PRI_STR,
                        STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)),
                        STR_ARG(text_of(a, &req, is_binary(m->key))));
            continue;
        }
        if (!has_lim)
            problem(p,
                    "maximum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                    ".  No limit is specified",
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)));
        else if (quantity_cmp(&lim, &max) > 0)
            problem(p,
                    "maximum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                    ", but limit is " PRI_STR,
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)),
                    STR_ARG(text_of(a, &lim, is_binary(m->key))));
        else if (has_req && quantity_cmp(&req, &max) > 0)
            problem(p,
                    "maximum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                    ", but request is " PRI_STR,
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)),
                    STR_ARG(text_of(a, &req, is_binary(m->key))));
    }
    JSON_EACH_MEMBER(m, json_findz(item, "maxLimitRequestRatio")) {
        struct quantity max, req, lim;
        double ratio;

        if (!quantity_parse(json_str(&m->value), &max))
            continue;
        if (!amount(limits, m->key, &lim) || lim.nano == 0) {
            problem(p,
                    PRI_STR " max limit to request ratio per " PRI_STR " is " PRI_STR
                            ", but no limit is specified or limit is 0",
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)));
            continue;
        }
        if (!amount(requests, m->key, &req) || req.nano == 0) {
            problem(p,
                    PRI_STR " max limit to request ratio per " PRI_STR " is " PRI_STR
                            ", but no request is specified or request is 0",
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)));
            continue;
        }
        ratio = (double)lim.nano / (double)req.nano;
        if (ratio > (double)max.nano / 1e9)
            problem(p,
                    PRI_STR " max limit to request ratio per " PRI_STR " is " PRI_STR
                            ", but provided ratio is %f",
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)), ratio);
    }
}

static void sum_into(struct arena *a, struct json *sum, const struct json *list, bool maximum)
{
    JSON_EACH_MEMBER(m, list) {
        struct quantity have = {0}, add;

        if (!quantity_parse(json_str(&m->value), &add))
            continue;
        amount(sum, m->key, &have);
        if (maximum) {
            if (quantity_cmp(&add, &have) > 0)
                have = add;
        } else
            quantity_add(&have, &add);
        json_set(a, sum, m->key, json_string(text_of(a, &have, is_binary(m->key))));
    }
}

/* A pod's requests or limits: the sum of its containers or the largest init container. */
static struct json pod_sum(struct arena *a, const struct json *pod, const char *which)
{
    struct json sum = json_object();

    JSON_EACH(c, json_at(pod, "spec", "containers", NULL))
        sum_into(a, &sum, json_at(c, "resources", which, NULL), false);
    JSON_EACH(c, json_at(pod, "spec", "initContainers", NULL)) {
        bool sidecar = str_is(json_get_str(c, "restartPolicy"), "Always");

        sum_into(a, &sum, json_at(c, "resources", which, NULL), !sidecar);
    }
    return sum;
}

static struct err *check_ranges(struct write *w, const struct ranges *r)
{
    static const char *const lists[] = {"containers", "initContainers"};
    bool pod = str_is(w->kind->r->plural, "pods");
    struct problems p = {.text = BUF_INIT};
    struct err *e = NULL;

    for (size_t i = 0; i < r->n && !e; i++) {
        JSON_EACH(item, json_at(r->list[i], "spec", "limits", NULL)) {
            str type = json_get_str(item, "type");

            if (pod && str_is(type, "Container"))
                for (size_t l = 0; l < ARRAY_LEN(lists); l++)
                    JSON_EACH(c, json_at(w->obj, "spec", lists[l], NULL))
                        check_bounds(w, item, type, json_at(c, "resources", "requests", NULL),
                                     json_at(c, "resources", "limits", NULL), &p);
            else if (pod && str_is(type, "Pod")) {
                struct json req = pod_sum(w->a, w->obj, "requests"),
                            lim = pod_sum(w->a, w->obj, "limits");

                check_bounds(w, item, type, &req, &lim, &p);
            } else if (!pod && str_is(type, "PersistentVolumeClaim"))
                check_bounds(w, item, type, json_at(w->obj, "spec", "resources", "requests", NULL),
                             json_at(w->obj, "spec", "resources", "limits", NULL), &p);
        }
        if (p.n)
            e = err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"), "%s%s%s",
                              p.n > 1 ? "[" : "", buf_cstr(&p.text), p.n > 1 ? "]" : "");
    }
    buf_fini(&p.text);
    return e;
}

static bool limited_kind(const struct write *w)
{
    return !w->kind->r->group.n && !w->subresource.n &&
           (str_is(w->kind->r->plural, "pods") ||
            str_is(w->kind->r->plural, "persistentvolumeclaims"));
}

struct err *limit_ranger_mutate(struct write *w)
{
    struct ranges r;

    if (!limited_kind(w))
        return NULL;
    ranges_load(w, &r);
    if (!r.n)
        return NULL;
    if (str_is(w->kind->r->plural, "pods"))
        default_containers(w, &r);
    return check_ranges(w, &r);
}

struct err *limit_ranger_update(struct write *w)
{
    struct ranges r;

    if (!limited_kind(w) || str_is(w->kind->r->plural, "pods"))
        return NULL;
    ranges_load(w, &r);
    return r.n ? check_ranges(w, &r) : NULL;
}

/* ---- ResourceQuota ---- */

struct usage {
    struct write *w;
    const struct json *quota;
    struct json used;
    const struct kind *kind;
    str skip;
};

/* What one object counts for under a quota's names. */
static void count_object(struct arena *a, const struct kind *k, const struct json *obj,
                         struct json *sum)
{
    struct json one = json_object();
    str plural = k->r->plural;
    static const char *const plain[] = {"pods",
                                        "services",
                                        "configmaps",
                                        "secrets",
                                        "persistentvolumeclaims",
                                        "replicationcontrollers",
                                        "resourcequotas"};

    for (size_t i = 0; !k->r->group.n && i < ARRAY_LEN(plain); i++)
        if (str_is(plural, plain[i]))
            json_setz(a, &one, plain[i], json_z("1"));
    json_set(a, &one,
             k->r->group.n
                 ? arena_fmt(a, "count/" PRI_STR "." PRI_STR, STR_ARG(plural), STR_ARG(k->r->group))
                 : arena_fmt(a, "count/" PRI_STR, STR_ARG(plural)),
             json_z("1"));
    if (!k->r->group.n && str_is(plural, "services")) {
        str type = json_get_str(obj, "spec.type");
        int64_t ports = 0;

        JSON_EACH(p, json_at(obj, "spec", "ports", NULL))
            ports += str_is(type, "NodePort") || json_get_int(p, "nodePort", 0) != 0;
        if (str_is(type, "LoadBalancer"))
            json_setz(a, &one, "services.loadbalancers", json_z("1"));
        if (ports)
            json_setz(a, &one, "services.nodeports",
                      json_string(arena_fmt(a, "%lld", (long long)ports)));
    } else if (!k->r->group.n && str_is(plural, "persistentvolumeclaims")) {
        const struct json *storage = json_at(obj, "spec", "resources", "requests", "storage", NULL);

        if (storage)
            json_setz(a, &one, "requests.storage", *storage);
    } else if (!k->r->group.n && str_is(plural, "pods")) {
        static const char *const which[] = {"requests", "limits"};
        str phase = json_get_str(obj, "status.phase");

        if (str_is(phase, "Succeeded") || str_is(phase, "Failed")) {
            json_removez(&one, "pods");
        } else
            for (size_t i = 0; i < 2; i++) {
                struct json s = pod_sum(a, obj, which[i]);

                JSON_EACH_MEMBER(m, &s) {
                    json_set(a, &one, arena_fmt(a, "%s." PRI_STR, which[i], STR_ARG(m->key)),
                             m->value);
                    if (i == 0)
                        json_set(a, &one, m->key, m->value);
                }
            }
    }
    sum_into(a, sum, &one, false);
}

static bool in_scope(const struct json *quota, const struct json *obj, bool is_pod)
{
    JSON_EACH(s, json_at(quota, "spec", "scopes", NULL)) {
        str scope = json_str(s), qos = json_get_str(obj, "status.qosClass");
        bool ends = json_at(obj, "spec", "activeDeadlineSeconds", NULL) != NULL,
             best = str_is(qos, "BestEffort");

        if (!is_pod)
            return false;
        if ((str_is(scope, "Terminating") && !ends) || (str_is(scope, "NotTerminating") && ends) ||
            (str_is(scope, "BestEffort") && !best) || (str_is(scope, "NotBestEffort") && best))
            return false;
    }
    JSON_EACH(x, json_at(quota, "spec", "scopeSelector", "matchExpressions", NULL)) {
        str op = json_get_str(x, "operator"), class = json_get_str(obj, "spec.priorityClassName");
        bool in = false;

        if (!is_pod)
            return false;
        if (!str_is(json_get_str(x, "scopeName"), "PriorityClass"))
            continue;
        JSON_EACH(v, json_findz(x, "values"))
            in |= str_eq(json_str(v), class);
        if ((str_is(op, "In") && !in) || (str_is(op, "NotIn") && in) ||
            (str_is(op, "Exists") && !class.n) || (str_is(op, "DoesNotExist") && class.n))
            return false;
    }
    return true;
}

static bool count_stored(void *ctx, const struct obj *o)
{
    struct usage *u = ctx;
    struct json *v;

    if (str_eq(o->key.name, u->skip))
        return true;
    v = object_parse(u->w->a, arena_dup(u->w->a, o->data));
    if (in_scope(u->quota, v, str_is(u->kind->r->plural, "pods")))
        count_object(u->w->a, u->kind, v, &u->used);
    return true;
}

static struct err *check_quota(struct write *w, const struct json *quota)
{
    const struct json *hard = json_at(quota, "status", "hard", NULL);
    struct json ask = json_object(), before = json_object(), over = json_array();
    struct usage u = {.w = w,
                      .quota = quota,
                      .used = json_object(),
                      .kind = w->kind,
                      .skip = w->old ? w->name : S("")};
    struct buf requested = BUF_INIT, used = BUF_INIT, limited = BUF_INIT;
    bool touches = false, is_pod = str_is(w->kind->r->plural, "pods");
    struct err *e = NULL;

    if (!json_count(hard))
        hard = json_at(quota, "spec", "hard", NULL);
    if (!in_scope(quota, w->obj, is_pod))
        return NULL;
    count_object(w->a, w->kind, w->obj, &ask);
    if (w->old)
        count_object(w->a, w->kind, w->old, &before);
    JSON_EACH_MEMBER(m, hard)
        touches |= json_find(&ask, m->key) != NULL;
    /* Compute resources under quota must be named by every pod. */
    if (is_pod && !w->old) {
        JSON_EACH_MEMBER(m, hard) {
            static const char *const must[] = {
                "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"};

            for (size_t i = 0; i < ARRAY_LEN(must); i++)
                if (str_is(m->key, must[i]) && !json_find(&ask, m->key))
                    json_append(w->a, &over, json_string(m->key));
        }
        if (over.n) {
            struct buf names = BUF_INIT;

            json_sort_keys(&over);
            JSON_EACH(n, &over)
                buf_fmt(&names, "%s" PRI_STR " for: " PRI_STR, n == over.items ? "" : ",",
                        STR_ARG(n->s),
                        STR_ARG(json_get_str(
                            json_item(json_at(w->obj, "spec", "containers", NULL), 0), "name")));
            e = err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                              "failed quota: " PRI_STR ": must specify %s",
                              STR_ARG(meta_str(quota, "name")), buf_cstr(&names));
            buf_fini(&names);
            return e;
        }
    }
    if (!touches)
        return NULL;
    store_each(w->api->store, w->kind->r->storage_resource, w->ns, NULL, count_stored, &u);
    JSON_EACH_MEMBER(m, hard) {
        struct quantity max, have = {0}, add, was = {0};
        bool bin = is_binary(m->key) || str_find(m->key, S("memory")) >= 0 ||
                   str_find(m->key, S("storage")) >= 0;

        if (!quantity_parse(json_str(&m->value), &max) || !amount(&ask, m->key, &add))
            continue;
        amount(&u.used, m->key, &have);
        amount(&before, m->key, &was);
        /* An update that does not ask for more always passes. */
        if (w->old && quantity_cmp(&add, &was) <= 0)
            continue;
        {
            struct quantity sum = have;

            quantity_add(&sum, &add);
            if (quantity_cmp(&sum, &max) <= 0)
                continue;
        }
        buf_fmt(&requested, "%s" PRI_STR "=" PRI_STR, requested.n ? "," : "", STR_ARG(m->key),
                STR_ARG(text_of(w->a, &add, bin)));
        buf_fmt(&used, "%s" PRI_STR "=" PRI_STR, used.n ? "," : "", STR_ARG(m->key),
                STR_ARG(text_of(w->a, &have, bin)));
        buf_fmt(&limited, "%s" PRI_STR "=" PRI_STR, limited.n ? "," : "", STR_ARG(m->key),
                STR_ARG(json_str(&m->value)));
    }
    if (requested.n)
        e = err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                          "exceeded quota: " PRI_STR ", requested: %s, used: %s, limited: %s",
                          STR_ARG(meta_str(quota, "name")), buf_cstr(&requested), buf_cstr(&used),
                          buf_cstr(&limited));
    buf_fini(&requested);
    buf_fini(&used);
    buf_fini(&limited);
    return e;
}

struct err *resource_quota(struct write *w)
{
    struct ranges quotas = {.a = w->a};

    if (!w->kind->r->namespaced || w->subresource.n || (w->kind->hooks->flags & KIND_VIRTUAL))
        return NULL;
    store_each(w->api->store, api_core(w->api, "resourcequotas")->r->storage_resource, w->ns, NULL,
               range_keep, &quotas);
    for (size_t i = 0; i < quotas.n; i++) {
        struct err *e = check_quota(w, quotas.list[i]);

        if (e)
            return e;
    }
    return NULL;
}
