/* flow_status.c - the condition Dangling of FlowSchemas: is the priority level there that they name?
 *
 * Written by the server itself, as the part of kube-apiserver that does it there, and only when it
 * is not what it should be. Source: k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go. */
#include "api/flow.h"

void flow_status_track(struct arena *a, struct json *obj, wall_time now)
{
    static const str manager = STR("api-priority-and-fairness-config-consumer-v1");
    struct json *list = json_make(a, obj, "metadata.managedFields", JSON_ARRAY);
    uint32_t i = 0;

    JSON_EACH(m, list) {
        if (str_eq(json_get_str(m, "manager"), manager)) {
            json_remove_item(list, i);
            break;
        }
        i++;
    }
    json_insert(
        a, list, 0,
        *object_parse(
            a, arena_fmt(a,
                         "{\"manager\":\"" PRI_STR
                         "\",\"operation\":\"Apply\",\"apiVersion\":\"flowcontrol.apiserver.k8s.io/"
                         "v1\",\"time\":\"" PRI_STR
                         "\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:status\":{\"f:"
                         "conditions\":{\"k:{\\\"type\\\":\\\"Dangling\\\"}\":{\".\":{},\"f:"
                         "lastTransitionTime\":{},\"f:message\":{},\"f:reason\":{},\"f:status\":{},"
                         "\"f:type\":{}}}}},\"subresource\":\"status\"}",
                         STR_ARG(manager), STR_ARG(now_text(a, now)))));
}

static struct json *condition_of(const struct json *schema)
{
    JSON_EACH(c, json_path(schema, "status.conditions"))
        if (str_is(json_get_str(c, "type"), "Dangling"))
            return c;
    return NULL;
}

struct fixing {
    struct api *api;
};

static str level_of(const struct json *schema)
{
    return json_get_str(schema, "spec.priorityLevelConfiguration.name");
}

static bool level_exists(struct api *api, str name)
{
    const struct kind *k = api_find_kind(api, S("flowcontrol.apiserver.k8s.io"), S("v1"),
                                         S("prioritylevelconfigurations"));

    return store_find(api->store, kind_key(k, S(""), name)) != NULL;
}

static bool is_right(struct api *api, const struct json *schema)
{
    const struct json *c = condition_of(schema);
    bool found = level_exists(api, level_of(schema));

    return c && str_is(json_get_str(c, "status"), found ? "False" : "True") &&
           str_find(json_get_str(c, "message"), level_of(schema)) >=
               0; /* it may name another one now */
}

static struct err *put(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                       struct store_change *ret)
{
    struct fixing *f = ctx;
    struct json *v, *list, *c, cond = json_object();
    wall_time now = loop_wall(f->api->loop);
    bool found, turned;

    if (!current)
        return NULL;
    v = object_parse(a, arena_dup(a, current->data));
    if (is_right(f->api, v))
        return NULL;
    found = level_exists(f->api, level_of(v));
    c = condition_of(v);
    turned = !c || !str_is(json_get_str(c, "status"), found ? "False" : "True");
    json_setz(a, &cond, "type", json_z("Dangling"));
    json_setz(a, &cond, "status", json_z(found ? "False" : "True"));
    json_setz(a, &cond, "lastTransitionTime",
              json_string(turned ? now_text(a, now) : json_get_str(c, "lastTransitionTime")));
    json_setz(a, &cond, "reason", json_z(found ? "Found" : "NotFound"));
    json_setz(a, &cond, "message",
              json_string(arena_fmt(a,
                                    "This FlowSchema references the PriorityLevelConfiguration "
                                    "object named \"" PRI_STR "\" %s",
                                    STR_ARG(level_of(v)),
                                    found ? "and it exists" : "but there is no such object")));
    if (c)
        *c = cond;
    else {
        list = json_make(a, v, "status.conditions", JSON_ARRAY);
        json_append(a, list, cond);
    }
    flow_status_track(a, v, now);
    ret->op = STORE_PUT;
    return object_store(
        a, api_find_kind(f->api, S("flowcontrol.apiserver.k8s.io"), S("v1"), S("flowschemas")), v,
        revision, ret);
}

static void fixed(void *ctx, struct err *e, const struct obj *result)
{
    (void)result;
    if (e)
        log_debug("api", "status of a flow schema: %s", err_text(e));
    err_free(e);
    mem_free(ctx);
}

static bool look(void *ctx, const struct obj *o)
{
    struct api *api = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    struct fixing *f;

    if (is_right(api, object_parse(a, arena_dup(a, o->data))))
        return true;
    f = NEW(struct fixing);
    f->api = api;
    store_update(api->store, o->key, put, fixed, f);
    return true;
}

void flow_status_sync(struct api *api)
{
    store_each(api->store,
               api_find_kind(api, S("flowcontrol.apiserver.k8s.io"), S("v1"), S("flowschemas"))
                   ->r->storage_resource,
               S(""), NULL, look, api);
}
