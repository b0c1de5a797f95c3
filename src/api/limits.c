/* limits.c - LimitRanger: what one object may ask for.
 *
 * It fills in a container's requests and limits and checks the bounds. API:
 * https://kubernetes.io/docs/concepts/policy/limit-range/. Source:
 * plugin/pkg/admission/limitranger/admission.go */
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

static void check_bounds(struct write *w, const struct json *item, str type,
                         const struct json *requests, const struct json *limits, struct problems *p)
{
    struct arena *a = w->a;

    JSON_EACH_MEMBER(m, json_findz(item, "min")) {
        struct quantity min, req, lim;
        bool has_req = amount_of(requests, m->key, &req), has_lim = amount_of(limits, m->key, &lim);

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
                    STR_ARG(amount_text(a, &req, is_in_bytes(m->key))));
        else if (has_lim && quantity_cmp(&lim, &min) < 0)
            problem(p,
                    "minimum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                    ", but limit is " PRI_STR,
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)),
                    STR_ARG(amount_text(a, &lim, is_in_bytes(m->key))));
    }
    JSON_EACH_MEMBER(m, json_findz(item, "max")) {
        struct quantity max, req, lim;
        bool has_req = amount_of(requests, m->key, &req), has_lim = amount_of(limits, m->key, &lim),
             claim = str_is(type, "PersistentVolumeClaim");

        if (!quantity_parse(json_str(&m->value), &max))
            continue;
        if (claim) {
            if (!has_req)
                problem(p,
                        "maximum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                        ".  No request is specified",
                        STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)));
            else if (quantity_cmp(&req, &max) > 0)
                problem(p,
                        "maximum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                        ", but request is " PRI_STR,
                        STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)),
                        STR_ARG(amount_text(a, &req, is_in_bytes(m->key))));
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
                    STR_ARG(amount_text(a, &lim, is_in_bytes(m->key))));
        else if (has_req && quantity_cmp(&req, &max) > 0)
            problem(p,
                    "maximum " PRI_STR " usage per " PRI_STR " is " PRI_STR
                    ", but request is " PRI_STR,
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)),
                    STR_ARG(amount_text(a, &req, is_in_bytes(m->key))));
    }
    JSON_EACH_MEMBER(m, json_findz(item, "maxLimitRequestRatio")) {
        struct quantity max, req, lim;
        double ratio;

        if (!quantity_parse(json_str(&m->value), &max))
            continue;
        if (!amount_of(requests, m->key, &req) || req.nano == 0) {
            problem(p,
                    PRI_STR " max limit to request ratio per " PRI_STR " is " PRI_STR
                            ", but no request is specified or request is 0",
                    STR_ARG(m->key), STR_ARG(type), STR_ARG(json_str(&m->value)));
            continue;
        }
        if (!amount_of(limits, m->key, &lim) || lim.nano == 0) {
            problem(p,
                    PRI_STR " max limit to request ratio per " PRI_STR " is " PRI_STR
                            ", but no limit is specified or limit is 0",
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
                struct json req = pod_amounts(w->a, w->obj, "requests", false),
                            lim = pod_amounts(w->a, w->obj, "limits", false);

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

    /* What a pod asks for changes by a resize alone. */
    if (str_is(w->kind->r->plural, "pods") ? !str_is(w->subresource, "resize") : !limited_kind(w))
        return NULL;
    if (w->kind->r->group.n || meta_str(w->obj, "deletionTimestamp").n)
        return NULL;
    ranges_load(w, &r);
    return r.n ? check_ranges(w, &r) : NULL;
}
