/* subresources.c - what hangs below an object besides its status: scale, finalize, approval,
 * resize, binding, token...
 *
 * Those that are a view of the object (part_*) go the way of any update, with everything they do
 * not own put back. Scale is a kind of its own; TokenRequest is in token_request.c. Eviction and Binding are in
 * binding.c; what needs a connection to the node in proxy.c. */
#include "api/conversion.h"
#include "api/dynamic/dynamic.h"
#include "api/hooks.h"

/* ---- scale ---- */

struct scale_paths {
    const char *replicas, *status_replicas, *selector;
};

static struct scale_paths scale_paths_of(const struct kind *k)
{
    if (k->r->custom)
        return (struct scale_paths){k->scale_replicas, k->scale_status, k->scale_selector};
    if (str_is(k->r->plural, "replicationcontrollers"))
        return (struct scale_paths){"spec.replicas", "status.replicas", "spec.selector"};
    return (struct scale_paths){"spec.replicas", "status.replicas", "spec.selector"};
}

/* A LabelSelector (or plain map) as text, terms sorted by key as Kubernetes prints them. */
static str selector_text(struct arena *a, const struct json *s)
{
    static const struct {
        const char *op, *before, *between, *after;
    } forms[] = {{"In", " in (", ",", ")"},
                 {"NotIn", " notin (", ",", ")"},
                 {"Exists", "", "", ""},
                 {"DoesNotExist", "", "", ""}};
    const struct json *labels = json_findz(s, "matchLabels"),
                      *exprs = json_findz(s, "matchExpressions");
    str *terms;
    size_t n = 0;
    struct buf b = BUF_INIT;
    str out;

    if (!labels && !exprs)
        labels = s;
    terms = ARENA_NEW_N(a, str, json_count(labels) + json_count(exprs) + 1);
    JSON_EACH_MEMBER(m, labels)
        terms[n++] =
            arena_fmt(a, PRI_STR "=" PRI_STR, STR_ARG(m->key), STR_ARG(json_str(&m->value)));
    JSON_EACH(x, exprs) {
        str op = json_get_str(x, "operator"), key = json_get_str(x, "key");

        for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
            bool first = true;

            if (!str_is(op, forms[i].op))
                continue;
            buf_clear(&b);
            buf_fmt(&b, "%s" PRI_STR "%s", i == 3 ? "!" : "", STR_ARG(key), forms[i].before);
            JSON_EACH(v, json_findz(x, "values")) {
                buf_z(&b, first ? "" : forms[i].between);
                first = false;
                buf_str(&b, json_str(v));
            }
            buf_z(&b, forms[i].after);
            terms[n++] = arena_dup(a, buf_view(&b));
        }
    }
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && str_cmp(terms[k - 1], terms[k]) > 0; k--) {
            str t = terms[k];

            terms[k] = terms[k - 1];
            terms[k - 1] = t;
        }
    buf_clear(&b);
    for (size_t i = 0; i < n; i++) {
        buf_z(&b, i ? "," : "");
        buf_str(&b, terms[i]);
    }
    out = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return out;
}

struct scale_answer {
    struct req *q;
    str data;
};

static struct json *scale_of(struct req *q, const struct json *obj)
{
    static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion",
                                       "creationTimestamp"};
    struct scale_paths p = scale_paths_of(q->route.kind);
    struct json *v = json_new(q->a, json_object()), *meta, *spec, *status;
    const struct json *from = json_findz(obj, "metadata"),
                      *selector = p.selector ? json_path(obj, p.selector) : NULL;

    json_setz(q->a, v, "kind", json_z("Scale"));
    json_setz(q->a, v, "apiVersion", json_z("autoscaling/v1"));
    meta = json_setz(q->a, v, "metadata", json_object());
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const struct json *x = json_findz(from, kept[i]);

        if (x)
            json_setz(q->a, meta, kept[i], *x);
    }
    spec = json_setz(q->a, v, "spec", json_object());
    if (json_get_int(obj, p.replicas, 0))
        json_setz(q->a, spec, "replicas", json_int(json_get_int(obj, p.replicas, 0)));
    status = json_setz(q->a, v, "status", json_object());
    json_setz(q->a, status, "replicas", json_int(json_get_int(obj, p.status_replicas, 0)));
    if (selector) {
        str text = selector->type == JSON_STRING ? selector->s : selector_text(q->a, selector);

        if (text.n)
            json_setz(q->a, status, "selector", json_string(text));
    }
    return v;
}

static const struct schema_type *scale_type(void)
{
    return schema_find_gvk(S("autoscaling"), S("v1"), S("Scale"));
}

struct scaling {
    struct write w;
    struct json *scale;        /* PUT: the body */
    const struct json *given;  /* as it came, where the steps may run more than once */
    struct patching *patching; /* PATCH */
    struct answers *answers; /* about the Scale: the object behind it is not what is asked about */
    str reply;
};

static struct attributes scale_attributes(struct scaling *s, struct json *next,
                                          const struct json *live)
{
    struct write *w = &s->w;

    return (struct attributes){.req = w->req,
                               .a = w->a,
                               .kind = w->kind,
                               .ns = w->ns,
                               .name = w->name,
                               .subresource = w->subresource,
                               .op = ADMIT_UPDATE,
                               .type = scale_type(),
                               .group = S("autoscaling"),
                               .version = S("v1"),
                               .kind_name = S("Scale"),
                               .obj = next,
                               .old = live,
                               .dry_run = w->dry_run,
                               .answers = s->answers};
}

/* The stored object as the version of the URL has it: that is where the paths lead. */
static struct err *scale_object(struct req *q, struct arena *a, const struct json *stored,
                                struct json **ret)
{
    struct json *v = json_new(a, json_copy(a, stored));
    struct err *e = q->route.kind->r->custom ? object_to_served(q, a, q->route.kind, v) : NULL;

    if (!e)
        *ret = v;
    return e;
}

static void scale_reply_now(void *ctx, struct err *e)
{
    struct scale_answer *s = ctx;
    struct json *v = NULL;

    if (!e)
        e = scale_object(s->q, s->q->a, object_parse(s->q->a, s->data), &v);
    if (e)
        reply_error(s->q, e);
    else
        /* Kubernetes prints the Scale of a custom resource with the columns of the resource. */
        reply_made(s->q,
                   s->q->route.kind->r->custom ? NULL : columns_find(S("autoscaling"), S("scale")),
                   scale_type(), scale_of(s->q, v));
}

static void scale_reply(struct req *q, str data)
{
    struct scale_answer *s = ARENA_NEW(q->a, struct scale_answer);

    *s = (struct scale_answer){q, arena_dup(q->a, data)};
    convert_then(q, q->route.kind, &s->data, 1, scale_reply_now, s);
}

static struct resource scale_resource(void)
{
    return (struct resource){.group = S("autoscaling"),
                             .version = S("v1"),
                             .kind = S("Scale"),
                             .type = scale_type(),
                             .namespaced = true};
}

static struct apply_options scale_options(const struct scaling *s)
{
    return (struct apply_options){.manager = req_manager(s->w.req),
                                  .force = s->w.req->wo.force,
                                  .subresource = S("scale"),
                                  .api_version = S("autoscaling/v1"),
                                  .now = s->w.now};
}

static void scale_set_entries(struct arena *a, struct json *obj, struct json entries)
{
    struct json *meta = meta_of(a, obj);

    if (entries.n)
        json_setz(a, meta, "managedFields", entries);
    else
        json_removez(meta, "managedFields");
}

static struct err *scale_apply(struct scaling *s, const struct json *config,
                               const struct json *live, struct json **ret)
{
    struct write *w = &s->w;
    const struct resource r = scale_resource();
    const struct apply_options o = scale_options(s);
    struct json *copy = json_new(w->a, json_share(w->a, config));
    struct err *e = apply_merge(w->a, &r, live, copy, &o, ret);

    if (e && e->reason == REASON_CONFLICT)
        err_details(e, S(""), S(""), S(""));
    return e ? e : schema_decode(w->a, r.type, *ret, NULL);
}

/* Sources: apiserver/pkg/endpoints/handlers/{update,patch}.go; UpdatedObject() of pkg/registry/apps/deployment/storage. */
static struct err *scale_check(const struct scaling *s, const struct json *next,
                               const struct obj *current)
{
    const struct write *w = &s->w;
    str name = meta_str(next, "name"), ns = meta_str(next, "namespace"),
        uid = meta_str(next, "uid"), rv = meta_str(next, "resourceVersion");
    int64_t wanted;
    struct err *e;

    e = ns.n && !str_eq(ns, w->ns) ? err_other_namespace() : check_url_name(name, w->name);
    if (e)
        return e;
    if (uid.n && !str_eq(uid, current->uid)) {
        struct resource r = *w->kind->r;
        struct kind k = *w->kind;

        if (!s->patching || w->kind->r->custom)
            return err_uid_mismatch(w->kind, w->ns, w->name, uid, current->uid);
        r.plural = arena_fmt(w->a, PRI_STR "/scale", STR_ARG(r.plural));
        k.r = &r;
        k.status_name =
            r.group.n ? arena_fmt(w->a, PRI_STR "." PRI_STR, STR_ARG(r.plural), STR_ARG(r.group))
                      : r.plural;
        return err_conflict(&k, w->name,
                            arena_fmt(w->a,
                                      "Precondition failed: UID in precondition: " PRI_STR
                                      ", UID in object meta: " PRI_STR,
                                      STR_ARG(uid), STR_ARG(current->uid))
                                .p);
    }
    if (rv.n && (!str_to_int64(rv, &wanted) || (wanted && wanted != current->revision)))
        return err_conflict(w->kind, w->name,
                            "the object has been modified; please apply your changes to the latest "
                            "version and try again");
    return NULL;
}

static struct err *scale_write(void *ctx, struct arena *a, const struct obj *current,
                               int64_t revision, struct store_change *ret)
{
    struct scaling *s = ctx;
    struct write *w = &s->w;
    const struct scale_paths paths = scale_paths_of(w->kind);
    const struct resource r = scale_resource();
    const struct apply_options o = scale_options(s);
    struct json *live, *served, *next = s->scale;
    const struct json *entries, *config;
    struct attributes t;
    int64_t replicas;
    struct err *e = NULL;

    (void)a;
    if (!current)
        return err_not_found(w->kind, w->name);
    w->old = object_parse(w->a, arena_dup(w->a, current->data));
    e = scale_object(w->req, w->a, w->old, &served);
    if (e)
        return e;
    live = scale_of(w->req, served);
    entries = json_at(w->old, "metadata", "managedFields", NULL);
    scale_set_entries(w->a, live, scale_entries(w->a, entries, paths.replicas));
    config = s->patching ? patch_config(s->patching) : NULL;
    if (config)
        e = scale_apply(s, config, live, &next);
    else if (s->patching)
        e = patch_tree(s->patching, w->a, live, &next);
    if (!e)
        e = scale_check(s, next, current);
    if (e)
        return e;
    if (!config) {
        e = apply_track_update(w->a, &r, live, next, &o);
        if (e)
            return e;
    }
    if (s->answers) {
        t = scale_attributes(s, next, live);
        e = dynamic_mutate(&t, NULL, NULL);
        if (e)
            return e;
    }
    replicas = json_get_int(next, "spec.replicas", 0);
    if (replicas < 0) {
        cause(&e, CAUSE_INVALID, S("spec.replicas"),
              "Invalid value: %lld: must be greater than or equal to 0", (long long)replicas);
        return err_invalid(e, S("autoscaling"), S("Scale"), w->name);
    }
    w->obj = served;
    *json_make(w->a, w->obj, paths.replicas, JSON_INT) = json_int(replicas);
    scale_set_entries(w->a, w->obj,
                      scale_entries_back(w->a, entries,
                                         json_at(next, "metadata", "managedFields", NULL),
                                         paths.replicas, w->kind->api_version));
    w->applied = true;
    e = write_update_steps(w);
    if (!e && s->answers) {
        /* What only looks sees what has become of the object. */
        t = scale_attributes(s, scale_of(w->req, w->obj), scale_of(w->req, w->old));
        e = dynamic_validate(&t);
    }
    if (e)
        return e;
    return write_put(w, current, revision, ret, &s->reply);
}

static void scale_run(void *ctx, struct err *e);

static void scaled(void *ctx, struct err *e, const struct obj *result)
{
    struct scaling *s = ctx;
    struct req *q = s->w.req;

    if (answers_wait(s->answers, e, scale_run, s))
        return;
    if (e) {
        reply_error(q, e);
        return;
    }
    scale_reply(q, s->reply.n ? s->reply : result->data);
}

static void scale_run(void *ctx, struct err *e)
{
    struct scaling *s = ctx;
    struct write *w = &s->w;

    if (e) {
        reply_error(w->req, e);
        return;
    }
    answers_begin(s->answers);
    if (s->answers) {
        if (s->given)
            s->scale = json_new(w->a, json_copy(w->a, s->given));
        s->reply = S("");
    }
    store_update(w->api->store, kind_key(w->kind, w->ns, w->name), scale_write, scaled, s);
}

static const struct kind *scale_kind(struct req *q)
{
    struct resource *r = ARENA_NEW(q->a, struct resource);
    struct kind *k = ARENA_NEW(q->a, struct kind);

    *r = scale_resource();
    k->r = r;
    k->api_version = S("autoscaling/v1");
    k->storage = k;
    return k;
}

static struct err *scale_begin(struct req *q, struct scaling *s)
{
    struct err *e;

    if (!str_is(q->route.verb, "update"))
        return patch_begin(q, scale_kind(q), &s->patching);
    e = write_options_parse(q, "UpdateOptions");
    if (!e)
        e = body_decode(q, NULL, scale_type(), S("autoscaling"), S("v1"), S("Scale"), &s->scale);
    s->given = s->scale;
    return e;
}

static void scale(struct req *q)
{
    const struct kind *k = q->route.kind;
    struct scaling *s;
    struct err *e;

    if (str_is(q->route.verb, "get")) {
        const struct obj *o = store_find(q->api->store, kind_key(k, q->route.ns, q->route.name));

        if (!o)
            reply_error(q, err_not_found(k, q->route.name));
        else
            scale_reply(q, o->data);
        return;
    }
    s = ARENA_NEW(q->a, struct scaling);
    e = scale_begin(q, s);
    if (e) {
        reply_error(q, e);
        return;
    }
    s->w = (struct write){.api = q->api,
                          .req = q,
                          .a = q->a,
                          .kind = k,
                          .ns = q->route.ns,
                          .name = q->route.name,
                          .subresource = S("scale"),
                          .dry_run = q->wo.dry_run,
                          .now = loop_wall(q->api->loop)};
    s->answers = answers_new(q, k, S("scale"), ADMIT_UPDATE, ADMIT_UPDATE);
    s->w.a = answers_arena(s->answers, q);
    scale_run(s, NULL);
}

/* ---- views of the object itself: ephemeralcontainers, resize, approval, finalize ---- */

/* What such a view may change, as dot paths; all else is put back. */
static const struct part {
    const char *plural, *sub, *owns;
} parts[] = {
    {"pods", "ephemeralcontainers", "spec.ephemeralContainers"},
    {"pods", "resize", "spec.containers spec.initContainers spec.resources"},
    {"certificatesigningrequests", "approval", "status.conditions"},
    {"namespaces", "finalize", "spec.finalizers"},
};

const char *subresource_owns(str plural, str sub)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_is(plural, parts[i].plural) && str_is(sub, parts[i].sub))
            return parts[i].owns;
    return NULL;
}

/* ---- dispatch ---- */

static uint32_t verb_bit(str verb)
{
    return str_is(verb, "get")      ? VERB_GET
           : str_is(verb, "create") ? VERB_CREATE
           : str_is(verb, "update") ? VERB_UPDATE
           : str_is(verb, "patch")  ? VERB_PATCH
           : str_is(verb, "delete") ? VERB_DELETE
                                    : 0;
}

void verb_subresource(struct req *q)
{
    static const struct {
        const char *sub;
        void (*run)(struct req *q);
        bool connects; /* its body is not ours: no negotiation, admitted as a connection */
    } table[] = {{"scale", scale, false},
                 {"token", subresource_token, false},
                 {"binding", subresource_binding, false},
                 {"eviction", subresource_eviction, false},
                 {"log", proxy_log, true},
                 {"exec", proxy_exec, true},
                 {"attach", proxy_exec, true},
                 {"portforward", proxy_exec, true},
                 {"proxy", proxy_any, true}};
    const struct route *r = &q->route;
    struct err *e;

    if (!(r->sub->verbs & verb_bit(r->verb)) || str_is(q->ex->req.method, "HEAD") ||
        str_is(q->ex->req.method, "OPTIONS")) {
        /* Proxies take every method. */
        if (!str_is(r->subresource, "proxy")) {
            reply_error(q, err_no_method());
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (str_is(r->subresource, table[i].sub)) {
            if (!table[i].connects) {
                e = accept_parse(q, false, false);
                if (e) {
                    reply_error(q, e);
                    return;
                }
            }
            if (table[i].connects)
                dynamic_connect(q, table[i].run);
            else
                table[i].run(q);
            return;
        }
    if (subresource_owns(r->kind->r->plural, r->subresource)) {
        e = accept_parse(q, false, false);
        if (e)
            reply_error(q, e);
        else if (str_is(r->verb, "get"))
            verb_get(q);
        else if (str_is(r->verb, "update"))
            verb_update(q);
        else
            verb_patch(q);
        return;
    }
    reply_error(q, err_new(REASON_INTERNAL, "subresource " PRI_STR " is not implemented",
                           STR_ARG(r->subresource)));
}
