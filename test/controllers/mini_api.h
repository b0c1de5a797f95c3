/* mini_api.h - just enough of an API server for controllers: objects in memory, list, watch,
 * patches, finalizers, graceful nothing. Deterministic: names and uids are numbered. What it leaves
 * out (validation, defaults, admission) is tested with the real one. */
#ifndef TEST_MINI_API_H
#define TEST_MINI_API_H
#include "client/client.h"
#include "schema/schema.h"
#include "test/test.h"

#include <inttypes.h>

struct mini_watch {
    struct list link;
    struct http_exchange *ex;
    struct mini_api *api;
    char *prefix;
};
struct mini_api {
    struct tree *objects; /* "/apis/apps/v1|ns/name|plural"... -> struct bytes */
    struct list watches;
    int64_t revision;
    int n_names, n_requests, refuse_pods;
    struct loop *loop;
    struct buf log; /* writes */
};

struct mini_path {
    str group_version, plural, ns, name, sub; /* group_version "api/v1" or "apis/apps/v1" */
};

static void mini_split(str path, struct mini_path *ret)
{
    str rest = str_skip(path, 1), part;
    const char *start = rest.p;

    *ret = (struct mini_path){0};
    str_cut(&rest, '/', &part);
    if (!str_is(part, "api"))
        str_cut(&rest, '/', &part);
    str_cut(&rest, '/', &part);
    ret->group_version = (str){start, (size_t)(part.p + part.n - start)};
    str_cut(&rest, '/', &ret->plural);
    if (str_is(ret->plural, "namespaces") && str_has_char(rest, '/')) {
        str ns = STR_NONE;

        str_cut(&rest, '/', &ns);
        if (str_is(rest, "finalize") || str_is(rest, "status")) {
            ret->name = ns;
            ret->sub = rest;
            return;
        }
        ret->ns = ns;
        str_cut(&rest, '/', &ret->plural);
    }
    if (rest.p)
        str_cut(&rest, '/', &ret->name);
    if (rest.p)
        ret->sub = rest;
}

/* Key order: kind, namespace, name. */
static str mini_key(struct arena *a, const struct mini_path *p)
{
    return arena_fmt(a, PRI_STR "/" PRI_STR "|" PRI_STR "|" PRI_STR, STR_ARG(p->group_version),
                     STR_ARG(p->plural), STR_ARG(p->ns), STR_ARG(p->name));
}

static void mini_error(struct http_exchange *ex, int code, const char *reason)
{
    http_reply(ex, code, "application/json",
               arena_fmt(ex->arena,
                         "{\"kind\":\"Status\",\"reason\":\"%s\",\"message\":\"%s\",\"code\":%d}",
                         reason, reason, code));
}

static void mini_tell(struct mini_api *api, str key, const char *type, str data)
{
    struct mini_watch *w;
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b, "{\"type\":\"%s\",\"object\":" PRI_STR "}\n", type, STR_ARG(data));
    LIST_EACH(w, &api->watches, link)
        if (str_has_prefix(key, str_of(w->prefix)))
            http_write(w->ex, buf_view(&b));
}

static const struct bytes *mini_store(struct mini_api *api, struct arena *a, str key,
                                      struct json *tree, const char *type)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    const struct bytes *bytes;

    json_make(a, tree, "metadata", JSON_OBJECT);
    json_setz(a, json_findz(tree, "metadata"), "resourceVersion",
              json_string(arena_fmt(a, "%" PRId64, ++api->revision)));
    json_encode(&b, tree);
    bytes = bytes_new(buf_view(&b));
    if (strcmp(type, "DELETED"))
        bytes_unref(tree_put(api->objects, key, (void *)bytes));
    else
        bytes_unref(tree_del(api->objects, key));
    buf_fmt(&api->log, "%s " PRI_STR "\n", type, STR_ARG(key));
    mini_tell(api, key, type, bytes_str(bytes));
    if (strcmp(type, "DELETED"))
        return bytes;
    bytes_unref(bytes);
    return NULL;
}

static void mini_remove(struct mini_api *api, struct arena *a, str key, struct json *tree)
{
    struct json *meta = json_findz(tree, "metadata");

    if (json_count(json_findz(meta, "finalizers")) ||
        json_count(json_path(tree, "spec.finalizers"))) {
        if (!json_findz(meta, "deletionTimestamp")) {
            json_setz(a, meta, "deletionTimestamp", json_z("2026-01-01T00:00:00Z"));
            mini_store(api, a, key, tree, "MODIFIED");
        }
        return;
    }
    mini_store(api, a, key, tree, "DELETED");
}

static void mini_write(struct mini_api *api, struct http_exchange *ex, str key, struct json *tree)
{
    const struct json *meta = json_findz(tree, "metadata");
    const struct bytes *b;

    if (json_findz(meta, "deletionTimestamp") && !json_count(json_findz(meta, "finalizers")) &&
        !json_count(json_path(tree, "spec.finalizers"))) {
        CLEANUP(buf) struct buf text = BUF_INIT;

        json_encode(&text, tree);
        mini_store(api, ex->arena, key, tree, "DELETED");
        http_reply(ex, 200, "application/json", buf_view(&text));
        return;
    }
    b = mini_store(api, ex->arena, key, tree, "MODIFIED");
    http_reply(ex, 200, "application/json", bytes_str(b));
}

static void mini_create(struct mini_api *api, struct http_exchange *ex, struct mini_path *p)
{
    struct arena *a = ex->arena;
    struct json *tree = NULL, *meta;
    const struct bytes *b;
    str key;

    CHECK_OK(json_parse(a, ex->req.body, NULL, NULL, &tree));
    if (str_is(p->plural, "events")) {
        http_reply(ex, 201, "application/json", ex->req.body);
        return;
    }
    if (api->refuse_pods && str_is(p->plural, "pods")) {
        mini_error(ex, 403, "Forbidden");
        return;
    }
    meta = json_make(a, tree, "metadata", JSON_OBJECT);
    meta = json_findz(tree, "metadata");
    if (!json_get_str(meta, "name").n)
        json_setz(
            a, meta, "name",
            json_string(arena_fmt(a, PRI_STR "%05d", STR_ARG(json_get_str(meta, "generateName")),
                                  ++api->n_names)));
    if (p->ns.n)
        json_setz(a, meta, "namespace", json_string(p->ns));
    json_setz(a, meta, "uid", json_string(arena_fmt(a, "uid-%" PRId64, api->revision + 1)));
    json_setz(a, meta, "generation", json_int(1));
    json_setz(a, meta, "creationTimestamp",
              json_string(arena_fmt(a, "2026-01-01T00:00:%02dZ", (int)(api->revision % 60))));
    p->name = json_get_str(meta, "name");
    key = mini_key(a, p);
    if (tree_find(api->objects, key)) {
        mini_error(ex, 409, "AlreadyExists");
        return;
    }
    b = mini_store(api, a, key, tree, "ADDED");
    http_reply(ex, 201, "application/json", bytes_str(b));
}

static void mini_change(struct mini_api *api, struct http_exchange *ex, struct mini_path *p,
                        str key, const struct bytes *now)
{
    struct arena *a = ex->arena;
    struct json *tree = NULL, *body = NULL;
    str type = http_header(&ex->req, "Content-Type");
    struct err *err = NULL;

    CHECK_OK(json_parse(a, arena_dup(a, bytes_str(now)), NULL, NULL, &tree));
    CHECK_OK(json_parse(a, ex->req.body, NULL, NULL, &body));
    if (str_is(ex->req.method, "PUT")) {
        str rv = json_get_str(body, "metadata.resourceVersion");

        if (rv.n && !str_eq(rv, json_get_str(tree, "metadata.resourceVersion"))) {
            mini_error(ex, 409, "Conflict");
            return;
        }
        if (str_is(p->sub, "status")) {
            if (json_path(body, "metadata.annotations"))
                json_setz(a, json_findz(tree, "metadata"), "annotations",
                          *json_path(body, "metadata.annotations"));
            json_setz(a, tree, "status",
                      json_findz(body, "status") ? *json_findz(body, "status") : json_object());
        } else {
            bool same = json_equal(json_findz(tree, "spec"), json_findz(body, "spec"));
            int64_t generation = json_get_int(tree, "metadata.generation", 1);
            struct json status =
                json_findz(tree, "status") ? *json_findz(tree, "status") : json_null();

            tree = body;
            json_setz(a, json_findz(tree, "metadata"), "generation", json_int(generation + !same));
            if (status.type != JSON_NULL)
                json_setz(a, tree, "status", status);
        }
    } else if (str_has_prefix(type, S("application/strategic"))) {
        str rest = p->group_version, group = STR_NONE, part;
        const struct resource *r;

        str_cut(&rest, '/', &part);
        if (str_is(part, "apis"))
            str_cut(&rest, '/', &group);
        r = schema_find_resource(group, rest, p->plural);
        err = patch_strategic(a, r->type, tree, body);
    } else {
        err = patch_merge(a, tree, body);
    }
    if (err) {
        mini_error(ex, err->code, "Invalid");
        err_free(err);
        return;
    }
    mini_write(api, ex, key, tree);
}

static void mini_list(struct mini_api *api, struct http_exchange *ex, str prefix)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool first = true;

    buf_fmt(&b,
            "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"%" PRId64
            "\"},\"items\":[",
            api->revision);
    for (const struct tree_node *n = tree_first_from(api->objects, prefix);
         n && str_has_prefix(tree_key(n), prefix); n = tree_next(n)) {
        if (!first)
            buf_char(&b, ',');
        first = false;
        buf_str(&b, bytes_str(tree_value(n)));
    }
    buf_z(&b, "]}");
    http_reply(ex, 200, "application/json", buf_view(&b));
}

static void mini_watch_gone(void *user, struct http_exchange *ex)
{
    struct mini_watch *w = user;

    list_del(&w->link);
    mem_free(w->prefix);
    mem_free(w);
    http_end(ex);
}

static void mini_delete_all(struct mini_api *api, struct http_exchange *ex, str prefix)
{
    const struct tree_node *n, *next;

    for (n = tree_first_from(api->objects, prefix); n && str_has_prefix(tree_key(n), prefix);
         n = next) {
        struct json *tree = NULL;

        next = tree_next(n);
        CHECK_OK(json_parse(ex->arena, arena_dup(ex->arena, bytes_str(tree_value(n))), NULL, NULL,
                            &tree));
        mini_remove(api, ex->arena, arena_dup(ex->arena, tree_key(n)), tree);
    }
    http_reply(ex, 200, "application/json", S("{\"kind\":\"Status\",\"status\":\"Success\"}"));
}

static void mini_handle(void *ctx, struct http_exchange *ex)
{
    struct mini_api *api = ctx;
    struct mini_path p;
    const struct bytes *now;
    str key, prefix, watch;

    api->n_requests++;
    mini_split(ex->req.path, &p);
    key = mini_key(ex->arena, &p);
    prefix = p.ns.n ? arena_fmt(ex->arena, PRI_STR "/" PRI_STR "|" PRI_STR "|",
                                STR_ARG(p.group_version), STR_ARG(p.plural), STR_ARG(p.ns))
                    : arena_fmt(ex->arena, PRI_STR "/" PRI_STR "|", STR_ARG(p.group_version),
                                STR_ARG(p.plural));
    if (str_is(ex->req.method, "POST")) {
        mini_create(api, ex, &p);
        return;
    }
    if (!p.name.n && str_is(ex->req.method, "GET")) {
        struct mini_watch *w;

        if (!http_query(ex->arena, ex->req.query, "watch", &watch)) {
            mini_list(api, ex, prefix);
            return;
        }
        w = NEW(struct mini_watch);
        w->ex = ex;
        w->api = api;
        w->prefix = str_dupz(prefix);
        list_add_tail(&api->watches, &w->link);
        ex->user = w;
        ex->on_gone = mini_watch_gone;
        http_start(ex, 200, NULL, 0);
        return;
    }
    if (!p.name.n) {
        mini_delete_all(api, ex, prefix);
        return;
    }
    now = tree_find(api->objects, key);
    if (!now) {
        mini_error(ex, 404, "NotFound");
    } else if (str_is(ex->req.method, "GET")) {
        http_reply(ex, 200, "application/json", bytes_str(now));
    } else if (str_is(ex->req.method, "DELETE")) {
        struct json *tree = NULL, *options = NULL, *meta;
        str policy;

        CHECK_OK(json_parse(ex->arena, arena_dup(ex->arena, bytes_str(now)), NULL, NULL, &tree));
        if (ex->req.body.n)
            CHECK_OK(json_parse(ex->arena, ex->req.body, NULL, NULL, &options));
        policy = json_get_str(options, "propagationPolicy");
        meta = json_findz(tree, "metadata");
        if (str_is(policy, "Foreground") || str_is(policy, "Orphan")) {
            if (!json_findz(meta, "finalizers"))
                json_setz(ex->arena, meta, "finalizers", json_array());
            json_append(ex->arena, json_findz(meta, "finalizers"),
                        json_z(str_is(policy, "Orphan") ? "orphan" : "foregroundDeletion"));
        }
        mini_remove(api, ex->arena, key, tree);
        http_reply(ex, 200, "application/json", S("{\"kind\":\"Status\",\"status\":\"Success\"}"));
    } else {
        mini_change(api, ex, &p, key, now);
    }
}

static UNUSED void mini_init(struct mini_api *api, struct loop *loop)
{
    *api = (struct mini_api){.objects = tree_new(), .revision = 100, .loop = loop, .log = BUF_INIT};
    list_init(&api->watches);
}

static UNUSED void mini_fini(struct mini_api *api)
{
    for (const struct tree_node *n = tree_first_from(api->objects, S("")); n; n = tree_next(n))
        bytes_unref(tree_value(n));
    tree_free(api->objects);
    buf_fini(&api->log);
}

/* Number of objects whose key begins so: "apis/apps/v1/replicasets|default|". */
static UNUSED size_t mini_count(struct mini_api *api, const char *prefix)
{
    size_t n = 0;

    for (const struct tree_node *t = tree_first_from(api->objects, str_of(prefix));
         t && str_has_prefix(tree_key(t), str_of(prefix)); t = tree_next(t))
        n++;
    return n;
}
#endif
