/* aggregated_kinds.c - the kinds that other API servers have: see custom_kinds.h.
 *
 * Each available APIService that names a Service is asked, through our own API server, what its group-version has; again when the
 * APIService changes, and every half minute, since its server does not say when it has learned something new. What can be
 * listed, watched and deleted is handed on. While a server does not answer its kinds stay: their objects may be there. When it is
 * no longer named, its objects are not known to have gone either: nothing is deleted for want of them.
 *
 * Source: k8s.io/kubernetes/pkg/controller/garbagecollector (Sync, GetDeletableResources). */
#include "controllers/custom_kinds.h"

#define REFRESH_NS (30 * NS_PER_S)

struct remote { /* a group-version */
    struct aggregated_kinds *g;
    struct arena *arena; /* of all that follows */
    str group, version;
    struct json names; /* of the kinds that it has: "flunders.wardle.example.com" */
    struct client_call *call;
};

struct aggregated_kinds {
    struct client *client;
    struct custom_kinds *kinds;
    struct informer *services;
    struct map remotes; /* name of the APIService -> struct remote */
    struct loop_timer *refresh;
};

/* ---- what a group-version has ---- */

static bool can(const struct json *resource, const char *verb)
{
    JSON_EACH(v, json_findz(resource, "verbs"))
        if (str_is(json_str(v), verb))
            return true;
    return false;
}

static str kind_name(struct arena *a, str plural, str group)
{
    return arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(plural), STR_ARG(group));
}

static void put(struct remote *r, const struct json *resource, str name)
{
    struct arena *a = arena_new();
    struct json *versions = json_new(a, json_array());
    struct resource kind = {.group = arena_dup(a, r->group),
                            .version = arena_dup(a, r->version),
                            .kind = arena_dup(a, json_get_str(resource, "kind")),
                            .plural = arena_dup(a, json_get_str(resource, "name")),
                            .storage_resource = arena_dup(a, name),
                            .namespaced = json_get_bool(resource, "namespaced", false),
                            .verbs =
                                VERB_LIST | VERB_WATCH | VERB_DELETE |
                                (can(resource, "deletecollection") ? VERB_DELETECOLLECTION : 0),
                            .custom = true};

    json_append(a, versions, json_string(kind.version));
    custom_kinds_put(r->g->kinds, name, &kind, versions, true, a);
}

/* Another group-version may have the same kind: the one that came first keeps it. */
static bool is_taken(const struct remote *r, str name)
{
    MAP_EACH(e, &r->g->remotes) {
        const struct remote *other = e->value;

        if (other == r || !str_eq(other->group, r->group))
            continue;
        JSON_EACH(v, &other->names)
            if (str_eq(json_str(v), name))
                return true;
    }
    return false;
}

static bool has(const struct json *names, str name)
{
    JSON_EACH(v, names)
        if (str_eq(json_str(v), name))
            return true;
    return false;
}

static void take_resources(struct remote *r, const struct json *list)
{
    struct arena *a = arena_new();
    struct json names = json_array();

    JSON_EACH(resource, json_findz(list, "resources")) {
        str plural = json_get_str(resource, "name"), name = kind_name(a, plural, r->group);

        if (!plural.n || str_has_char(plural, '/') || !can(resource, "list") ||
            !can(resource, "watch") || !can(resource, "delete") || is_taken(r, name))
            continue;
        json_append(a, &names, json_string(name));
        put(r, resource, name);
    }
    JSON_EACH(v, &r->names)
        if (!has(&names, json_str(v)))
            custom_kinds_drop(r->g->kinds, json_str(v), false);
    r->group = arena_dup(a, r->group);
    r->version = arena_dup(a, r->version);
    arena_free(r->arena);
    r->arena = a;
    r->names = names;
}

static void on_resources(void *ctx, struct err *err, int status, str body)
{
    struct remote *r = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *list = NULL;

    (void)status;
    r->call = NULL;
    if (!err)
        err = json_parse(a, arena_dup(a, body), NULL, NULL, &list);
    if (err)
        log_debug("gc", "resources of " PRI_STR "/" PRI_STR ": %s", STR_ARG(r->group),
                  STR_ARG(r->version), err_text(err));
    else
        take_resources(r, list);
    err_free(err);
}

static void ask(struct remote *r)
{
    CLEANUP(buf) struct buf path = BUF_INIT;

    if (r->call)
        return;
    buf_fmt(&path, "/apis/" PRI_STR "/" PRI_STR, STR_ARG(r->group), STR_ARG(r->version));
    r->call =
        client_do(r->g->client, &(struct client_request){.method = "GET", .path = buf_view(&path)},
                  on_resources, r);
}

static void on_refresh(void *ctx)
{
    struct aggregated_kinds *g = ctx;

    MAP_EACH(e, &g->remotes)
        ask(e->value);
    if (g->remotes.n)
        loop_timer_set(g->refresh, REFRESH_NS);
}

/* ---- which group-versions ---- */

static void remote_free(struct remote *r)
{
    if (r->call)
        client_cancel(r->call);
    arena_free(r->arena);
    mem_free(r);
}

static void remote_drop(struct aggregated_kinds *g, str name)
{
    struct remote *r = map_del(&g->remotes, name);

    if (!r)
        return;
    JSON_EACH(v, &r->names)
        custom_kinds_drop(g->kinds, json_str(v), false);
    remote_free(r);
}

static bool is_available(const struct json *service)
{
    JSON_EACH(c, json_path(service, "status.conditions"))
        if (str_is(json_get_str(c, "type"), "Available"))
            return str_is(json_get_str(c, "status"), "True");
    return false;
}

static void on_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    struct aggregated_kinds *g = ctx;
    str name = (obj ? obj : prev)->key.name;
    struct remote *r = map_find(&g->remotes, name);
    struct arena *a = arena_new();
    struct json *service = NULL;

    if (obj)
        err_free(json_parse(a, obj->data, NULL, NULL, &service));
    if (!service || !json_is(json_path(service, "spec.service"), JSON_OBJECT)) {
        remote_drop(g, name);
    } else if (is_available(service)) {
        if (!r) {
            r = NEW(struct remote);
            r->g = g;
            r->arena = arena_new();
            r->group = arena_dup(r->arena, json_get_str(service, "spec.group"));
            r->version = arena_dup(r->arena, json_get_str(service, "spec.version"));
            r->names = json_array();
            map_put(&g->remotes, name, r);
        }
        ask(r);
        if (!loop_timer_is_set(g->refresh))
            loop_timer_set(g->refresh, REFRESH_NS);
    }
    arena_free(a);
}

struct aggregated_kinds *aggregated_kinds_new(struct client *c, struct custom_kinds *kinds)
{
    static const struct informer_handler handler = {.changed = on_changed};
    struct aggregated_kinds *g = NEW(struct aggregated_kinds);

    g->client = c;
    g->kinds = kinds;
    map_init(&g->remotes);
    g->refresh = loop_timer_new(client_loop(c), on_refresh, g);
    g->services = informer_new(c, &(struct informer_options){.group = S("apiregistration.k8s.io"),
                                                             .version = S("v1"),
                                                             .plural = S("apiservices")});
    informer_add_handler(g->services, &handler, g);
    informer_start(g->services);
    return g;
}

void aggregated_kinds_free(struct aggregated_kinds *g)
{
    if (!g)
        return;
    informer_free(g->services);
    MAP_EACH(e, &g->remotes)
        remote_free(e->value);
    map_fini(&g->remotes);
    loop_timer_free(g->refresh);
    mem_free(g);
}
