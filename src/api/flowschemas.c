/* flowschemas.c - the one condition of FlowSchemas: whether the level that they name is missing.
 *
 * Kubernetes' part for priority and fairness applies it under a name of its own; so it is here, a moment after either was written.
 *
 * API: k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go */
#include "api/api_internal.h"

#define LOOK_DELAY_NS (5 * NS_PER_MS) /* a schema and its level often come together */

struct flowschemas {
    struct api *api;
    const struct kind *kind, *level;
    struct store_watch *watch, *level_watch;
    struct loop_timer *timer;
    struct list writes; /* under way */
};
struct condition_write {
    struct list link;
    struct flowschemas *f; /* NULL: the server has ended */
    struct arena *arena;
    struct key key;
    str level;
    bool missing; /* as it was when looked at */
};

static void written(void *ctx, struct err *e, const struct obj *result)
{
    struct condition_write *w = ctx;

    (void)result;
    if (e)
        log_debug("api", "condition of a flow schema: %s", err_text(e));
    err_free(e);
    list_del(&w->link);
    arena_free(w->arena);
}

static const struct json *condition_of(const struct json *schema)
{
    JSON_EACH(c, json_path(schema, "status.conditions"))
        if (str_is(json_get_str(c, "type"), "Dangling"))
            return c;
    return NULL;
}

static str message(struct arena *a, str level, bool missing)
{
    return arena_fmt(
        a,
        "This FlowSchema references the PriorityLevelConfiguration object named \"" PRI_STR "\" %s",
        STR_ARG(level), missing ? "but there is no such object" : "and it exists");
}

static bool tells(struct arena *a, const struct json *schema, str level, bool missing)
{
    const struct json *c = condition_of(schema);

    return str_is(json_get_str(c, "status"), missing ? "True" : "False") &&
           str_is(json_get_str(c, "reason"), missing ? "NotFound" : "Found") &&
           str_eq(json_get_str(c, "message"), message(a, level, missing));
}

static struct json *configuration(struct condition_write *w, const struct json *schema,
                                  wall_time now)
{
    struct arena *a = w->arena;
    struct json *o = json_new(a, json_object()), c = json_object();

    json_setz(a, o, "apiVersion", json_string(w->f->kind->api_version));
    json_setz(a, o, "kind", json_z("FlowSchema"));
    json_setz(a, json_make(a, o, "metadata", JSON_OBJECT), "name",
              json_string(meta_str(schema, "name")));
    json_setz(a, &c, "type", json_z("Dangling"));
    json_setz(a, &c, "status", json_z(w->missing ? "True" : "False"));
    json_setz(a, &c, "lastTransitionTime", json_string(now_text(a, now)));
    json_setz(a, &c, "reason", json_z(w->missing ? "NotFound" : "Found"));
    json_setz(a, &c, "message", json_string(message(a, w->level, w->missing)));
    json_append(a, json_make(a, o, "status.conditions", JSON_ARRAY), c);
    return o;
}

static struct err *write_condition(void *ctx, struct arena *a, const struct obj *current,
                                   int64_t revision, struct store_change *ret)
{
    struct condition_write *w = ctx;
    struct json *schema, *merged;
    struct err *e;

    ret->op = STORE_KEEP;
    if (!current || !w->f)
        return NULL;
    schema = object_parse(a, arena_dup(a, current->data));
    if (!str_eq(json_get_str(schema, "spec.priorityLevelConfiguration.name"), w->level) ||
        tells(a, schema, w->level, w->missing))
        return NULL;
    {
        const wall_time now = loop_wall(w->f->api->loop);
        const struct apply_options o = {.manager =
                                            S("api-priority-and-fairness-config-consumer-v1"),
                                        .force = true,
                                        .subresource = S("status"),
                                        .api_version = w->f->kind->api_version,
                                        .now = now};

        e = apply_merge(a, w->f->kind->r, schema, configuration(w, schema, now), &o, &merged);
    }
    if (!e)
        e = object_store(a, w->f->kind, merged, revision, ret);
    if (!e)
        ret->op = STORE_PUT;
    return e;
}

static bool look_at(void *ctx, const struct obj *o)
{
    struct flowschemas *f = ctx;
    struct arena *a = arena_new();
    const struct json *schema = object_parse(a, arena_dup(a, o->data));
    str level = json_get_str(schema, "spec.priorityLevelConfiguration.name");
    bool missing =
        !store_find(f->api->store, (struct key){f->level->r->storage_resource, S(""), level});
    struct condition_write *w;

    if (tells(a, schema, level, missing)) {
        arena_free(a);
        return true;
    }
    w = ARENA_NEW(a, struct condition_write);
    *w = (struct condition_write){.f = f, .arena = a, .level = level, .missing = missing};
    w->key = (struct key){arena_dup(a, o->key.resource), S(""), arena_dup(a, o->key.name)};
    list_add_tail(&f->writes, &w->link);
    return true;
}

static void look(void *ctx)
{
    struct flowschemas *f = ctx;
    struct condition_write *w;

    if (!list_is_empty(&f->writes)) {
        loop_timer_set(f->timer, LOOK_DELAY_NS);
        return;
    }
    store_each(f->api->store, f->kind->r->storage_resource, S(""), NULL, look_at, f);
    LIST_EACH(w, &f->writes, link)
        store_update(f->api->store, w->key, write_condition, written, w);
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct flowschemas *f = ctx;

    (void)e;
    if (!loop_timer_is_set(f->timer))
        loop_timer_set(f->timer, LOOK_DELAY_NS);
}

struct err *flowschemas_new(struct api *api, struct flowschemas **ret)
{
    static const struct store_watch_events events = {.event = on_event};
    static const str group = STR("flowcontrol.apiserver.k8s.io");
    struct flowschemas *f = NEW(struct flowschemas);
    int64_t from = store_revision(api->store);
    struct err *e;

    f->api = api;
    f->kind = api_find_kind(api, group, S("v1"), S("flowschemas"));
    f->level = api_find_kind(api, group, S("v1"), S("prioritylevelconfigurations"));
    BUG_ON(!f->kind || !f->level);
    list_init(&f->writes);
    f->timer = loop_timer_new(api->loop, look, f);
    *ret = f;
    e = store_watch(api->store, f->kind->r->storage_resource, S(""), from, &events, f, &f->watch);
    if (!e)
        e = store_watch(api->store, f->level->r->storage_resource, S(""), from, &events, f,
                        &f->level_watch);
    return e ? err_note(e, "watching flow schemas") : NULL;
}

void flowschemas_free(struct flowschemas *f)
{
    struct condition_write *w;

    if (!f)
        return;
    if (f->watch)
        store_watch_close(f->watch);
    if (f->level_watch)
        store_watch_close(f->level_watch);
    loop_timer_free(f->timer);
    LIST_EACH(w, &f->writes, link)
        w->f = NULL;
    list_del(&f->writes);
    mem_free(f);
}
