/* fake_api.c - a small API server in memory; see fake_api.h. */
#include "test/kubelet/fake_api.h"

#include "schema/schema.h"

struct object {
    struct arena *arena;
    struct json *tree;
    char *path;
    int64_t revision;
};
struct watcher {
    struct list link;
    struct fake_api *api;
    struct http_exchange *ex;
    char *collection, *fields;
};
struct fake_api {
    struct loop *loop;
    struct tree *objects; /* path -> struct object */
    struct list watchers;
    struct list events_unused;
    struct arena *arena;
    struct json events;
    int64_t revision, uids;
    const char *refused; /* path */
    int refusals;
};

struct fake_api *fake_api_new(struct loop *loop)
{
    struct fake_api *api = NEW(struct fake_api);

    api->loop = loop;
    api->objects = tree_new();
    list_init(&api->watchers);
    api->arena = arena_new();
    api->events = json_array();
    api->revision = 1;
    return api;
}

static void object_free(struct object *o)
{
    if (!o)
        return;
    arena_free(o->arena);
    mem_free(o->path);
    mem_free(o);
}

void fake_api_free(struct fake_api *api)
{
    struct watcher *w, *next;

    LIST_EACH_SAFE(w, next, &api->watchers, link) {
        list_del(&w->link);
        w->ex->on_gone = NULL;
        http_end(w->ex);
        mem_free(w->collection);
        mem_free(w->fields);
        mem_free(w);
    }
    for (const struct tree_node *n = tree_first_from(api->objects, STR_NONE); n; n = tree_next(n))
        object_free(tree_value(n));
    tree_free(api->objects);
    arena_free(api->arena);
    mem_free(api);
}

static bool is_in(str path, str collection)
{
    ptrdiff_t at;
    str rest;

    if (str_has_prefix(path, collection) && path.n > collection.n && path.p[collection.n] == '/')
        return !str_has_char(str_skip(path, collection.n + 1), '/');
    /* "/api/v1/pods" has those of every namespace. */
    at = str_rindex(collection, '/');
    rest = str_skip(collection, (size_t)at);
    if (at > 0 && str_has_prefix(path, str_slice(collection, 0, (size_t)at)) &&
        str_has_prefix(str_skip(path, (size_t)at), S("/namespaces/"))) {
        str tail = str_skip(path, (size_t)at + strlen("/namespaces/"));
        ptrdiff_t slash = str_index(tail, '/');

        tail = slash < 0 ? STR_NONE : str_skip(tail, (size_t)slash);
        return str_has_prefix(tail, rest) && tail.n > rest.n && tail.p[rest.n] == '/';
    }
    return false;
}

static bool fields_match(const struct json *tree, str fields)
{
    str rest = fields, one, key;

    if (!fields.n)
        return true;
    while (str_cut(&rest, ',', &one))
        if (str_cut(&one, '=', &key)) {
            char *dotted = str_dupz(key);
            bool same = str_eq(json_get_str(tree, dotted), one);

            mem_free(dotted);
            if (!same)
                return false;
        }
    return true;
}

static void publish(struct fake_api *api, const char *type, const struct object *o)
{
    struct watcher *w;

    LIST_EACH(w, &api->watchers, link) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        if (!is_in(str_of(o->path), str_of(w->collection)) ||
            !fields_match(o->tree, str_of(w->fields)))
            continue;
        buf_fmt(&b, "{\"type\":\"%s\",\"object\":", type);
        json_encode(&b, o->tree);
        buf_z(&b, "}\n");
        http_write(w->ex, buf_view(&b));
    }
}

static void stamp(struct fake_api *api, struct object *o)
{
    o->revision = ++api->revision;
    json_set(o->arena, json_make(o->arena, o->tree, "metadata", JSON_OBJECT), S("resourceVersion"),
             json_string(arena_fmt(o->arena, "%lld", (long long)o->revision)));
}

/* Takes the tree's arena. */
static struct object *store(struct fake_api *api, str path, struct arena *a, struct json *tree)
{
    struct object *o = NEW(struct object), *old;

    o->arena = a;
    o->tree = tree;
    o->path = str_dupz(path);
    if (!json_get_str(tree, "metadata.uid").n)
        json_set(a, json_make(a, tree, "metadata", JSON_OBJECT), S("uid"),
                 json_string(arena_fmt(a, "uid-%lld", (long long)++api->uids)));
    stamp(api, o);
    old = tree_put(api->objects, path, o);
    publish(api, old ? "MODIFIED" : "ADDED", o);
    object_free(old);
    return o;
}

static void drop(struct fake_api *api, str path)
{
    struct object *o = tree_del(api->objects, path);

    if (!o)
        return;
    stamp(api, o);
    publish(api, "DELETED", o);
    object_free(o);
}

void fake_api_put(struct fake_api *api, const char *collection, const char *text)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    struct arena *a = arena_new();
    struct json *v = NULL;
    struct err *err = json_parse(a, arena_dup(a, str_of(text)), NULL, NULL, &v);

    if (err) {
        fprintf(stderr, "fake_api_put: %s\n", err_text(err));
        abort();
    }
    buf_fmt(&path, "%s/" PRI_STR, collection, STR_ARG(json_get_str(v, "metadata.name")));
    store(api, buf_view(&path), a, v);
}

void fake_api_delete(struct fake_api *api, const char *path)
{
    drop(api, str_of(path));
}

static struct json *copy_of(const struct object *o, struct arena *a)
{
    return json_new(a, json_copy(a, o->tree));
}

void fake_api_delete_gracefully(struct fake_api *api, const char *path, int64_t grace_s)
{
    struct object *o = tree_find(api->objects, str_of(path));
    CLEANUP(buf) struct buf now = BUF_INIT;
    struct arena *a;
    struct json *v, *meta;

    if (!o)
        return;
    a = arena_new();
    v = copy_of(o, a);
    meta = json_make(a, v, "metadata", JSON_OBJECT);
    buf_rfc3339(&now, loop_wall(api->loop));
    json_setz(a, meta, "deletionTimestamp", json_string(arena_dup(a, buf_view(&now))));
    json_setz(a, meta, "deletionGracePeriodSeconds", json_int(grace_s));
    store(api, str_of(path), a, v);
}

void fake_api_refuse_patches(struct fake_api *api, const char *path, int n)
{
    api->refused = path;
    api->refusals = n;
}

const struct json *fake_api_find(const struct fake_api *api, const char *path)
{
    const struct object *o = tree_find(api->objects, str_of(path));

    return o ? o->tree : NULL;
}

size_t fake_api_count_events(const struct fake_api *api, const char *reason)
{
    size_t n = 0;

    JSON_EACH(e, &api->events)
        n += str_is(json_get_str(e, "reason"), reason);
    return n;
}

void fake_api_print_events(const struct fake_api *api)
{
    JSON_EACH(e, &api->events)
        printf("  %.*s %.*s %.*s %.*s: %.*s\n", STR_ARG(json_get_str(e, "type")),
               STR_ARG(json_get_str(e, "involvedObject.name")),
               STR_ARG(json_get_str(e, "involvedObject.fieldPath")),
               STR_ARG(json_get_str(e, "reason")), STR_ARG(json_get_str(e, "message")));
}

/* ---- requests ---- */

static void reply_status(struct http_exchange *ex, int code, const char *reason)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b,
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"%s\","
            "\"message\":\"%s\",\"code\":%d}",
            reason, reason, code);
    http_reply(ex, code, "application/json", buf_view(&b));
}

static void reply_object(struct http_exchange *ex, int code, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    http_reply(ex, code, "application/json", buf_view(&b));
}

static void on_gone(void *user, struct http_exchange *ex)
{
    struct watcher *w = user;

    list_del(&w->link);
    http_end(ex);
    mem_free(w->collection);
    mem_free(w->fields);
    mem_free(w);
}

static void list_or_watch(struct fake_api *api, struct http_exchange *ex, str collection)
{
    static const struct http_header json_type[] = {{STR("Content-Type"), STR("application/json")}};
    CLEANUP(buf) struct buf b = BUF_INIT;
    str fields = STR_NONE, watch = STR_NONE;
    bool first = true;

    http_query(ex->arena, ex->req.query, "fieldSelector", &fields);
    if (http_query(ex->arena, ex->req.query, "watch", &watch) &&
        (str_is(watch, "true") || str_is(watch, "1"))) {
        struct watcher *w = NEW(struct watcher);
        str since = STR_NONE;
        int64_t from = 0;

        w->api = api;
        w->ex = ex;
        w->collection = str_dupz(collection);
        w->fields = str_dupz(fields);
        ex->user = w;
        ex->on_gone = on_gone;
        http_start(ex, 200, json_type, 1);
        list_add_tail(&api->watchers, &w->link);
        if (http_query(ex->arena, ex->req.query, "resourceVersion", &since))
            str_to_int64(since, &from);
        for (const struct tree_node *n = tree_first_from(api->objects, STR_NONE); n;
             n = tree_next(n)) {
            struct object *o = tree_value(n);

            if (o->revision > from && is_in(tree_key(n), collection) &&
                fields_match(o->tree, fields)) {
                buf_clear(&b);
                buf_z(&b, "{\"type\":\"ADDED\",\"object\":");
                json_encode(&b, o->tree);
                buf_z(&b, "}\n");
                http_write(ex, buf_view(&b));
            }
        }
        return;
    }
    buf_fmt(&b,
            "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"%lld\"},"
            "\"items\":[",
            (long long)api->revision);
    for (const struct tree_node *n = tree_first_from(api->objects, STR_NONE); n; n = tree_next(n)) {
        struct object *o = tree_value(n);

        if (!is_in(tree_key(n), collection) || !fields_match(o->tree, fields))
            continue;
        buf_z(&b, first ? "" : ",");
        first = false;
        json_encode(&b, o->tree);
    }
    buf_z(&b, "]}");
    http_reply(ex, 200, "application/json", buf_view(&b));
}

static bool is_item(str path)
{
    str rest = path, part;
    int n = 0;
    bool namespaced = false;

    while (str_cut(&rest, '/', &part)) {
        n += part.n > 0;
        namespaced |= str_is(part, "namespaces") && rest.p;
    }
    if (str_has_prefix(path, S("/apis")))
        n--;
    return namespaced && n > 4 ? n >= 6 : !namespaced && n >= 4;
}

void fake_api_handle(void *ctx, struct http_exchange *ex)
{
    struct fake_api *api = ctx;
    str path = ex->req.path, method = ex->req.method;
    bool status = str_has_suffix(path, S("/status"));
    struct object *o;
    struct arena *a;
    struct json *v = NULL, *body = NULL;
    struct err *err;

    if (status)
        path.n -= strlen("/status");
    o = tree_find(api->objects, path);
    if (str_is(method, "GET")) {
        if (o)
            reply_object(ex, 200, o->tree);
        else if (is_item(path))
            reply_status(ex, 404, "NotFound");
        else
            list_or_watch(api, ex, path);
        return;
    }
    if (str_is(method, "DELETE")) {
        if (!o) {
            reply_status(ex, 404, "NotFound");
            return;
        }
        drop(api, path);
        http_reply(ex, 200, "application/json", S("{\"kind\":\"Status\",\"status\":\"Success\"}"));
        return;
    }
    if (api->refusals && str_is(method, "PATCH") && str_is(path, api->refused)) {
        api->refusals--;
        reply_status(ex, 500, "InternalError");
        return;
    }
    a = arena_new();
    err = json_parse(a, arena_dup(a, ex->req.body), NULL, NULL, &body);
    if (err) {
        err_free(err);
        arena_free(a);
        reply_status(ex, 400, "BadRequest");
        return;
    }
    if (str_is(method, "POST") && str_has_suffix(path, S("/token"))) {
        CLEANUP(buf) struct buf b = BUF_INIT;
        CLEANUP(buf) struct buf at = BUF_INIT;

        buf_rfc3339(&at, (wall_time){loop_wall(api->loop).ns + 3600 * NS_PER_S});
        buf_fmt(&b,
                "{\"kind\":\"TokenRequest\",\"status\":{\"token\":\"a.b.c\","
                "\"expirationTimestamp\":\"%s\"}}",
                buf_cstr(&at));
        http_reply(ex, 201, "application/json", buf_view(&b));
        arena_free(a);
        return;
    }
    if (str_is(method, "POST")) {
        CLEANUP(buf) struct buf item = BUF_INIT;

        if (str_has_suffix(path, S("/events")))
            json_append(api->arena, &api->events, json_copy(api->arena, body));
        buf_fmt(&item, PRI_STR "/" PRI_STR, STR_ARG(path),
                STR_ARG(json_get_str(body, "metadata.name")));
        if (tree_find(api->objects, buf_view(&item))) {
            arena_free(a);
            reply_status(ex, 409, "AlreadyExists");
            return;
        }
        o = store(api, buf_view(&item), a, body);
        reply_object(ex, 201, o->tree);
        return;
    }
    if (str_is(method, "PATCH") && o) {
        const struct schema_type *type = schema_find_gvk(
            STR_NONE, S("v1"), str_find(path, S("/pods/")) >= 0 ? S("Pod") : S("Node"));
        str content = http_header(&ex->req, "Content-Type");

        v = copy_of(o, a);
        if (str_has_prefix(content, S("application/strategic")) && type)
            err = patch_strategic(a, type, v, body);
        else
            err = patch_merge(a, v, body);
        if (err) {
            fprintf(stderr, "patch: %s\n", err_text(err));
            err_free(err);
            arena_free(a);
            reply_status(ex, 422, "Invalid");
            return;
        }
        *v = json_copy(a, v);
        o = store(api, path, a, v);
        reply_object(ex, 200, o->tree);
        return;
    }
    arena_free(a);
    reply_status(ex, o ? 405 : 404, o ? "MethodNotAllowed" : "NotFound");
}
