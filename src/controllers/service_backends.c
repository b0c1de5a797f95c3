/* service_backends.c - which pods stand behind a Service, at which ports.
 *
 * API: https://kubernetes.io/docs/concepts/services-networking/service/ */
#include "controllers/endpoints.h"

static void read_ports(struct service *s)
{
    const struct json *list = json_path(s->tree, "spec.ports");

    s->ports = ARENA_NEW_N(s->r->a, struct service_port, json_count(list) + 1);
    JSON_EACH(p, list) {
        const struct json *target = json_findz(p, "targetPort");
        struct service_port *sp = &s->ports[s->n_ports];

        if (s->n_ports == BACKEND_PORTS_MAX)
            break;
        s->n_ports++;
        sp->name = json_get_str(p, "name");
        sp->protocol = json_get_str(p, "protocol").n ? json_get_str(p, "protocol") : S("TCP");
        sp->app_protocol = json_get_str(p, "appProtocol");
        if (json_is(target, JSON_STRING))
            sp->target_name = target->s;
        else
            sp->target =
                json_is(target, JSON_INT) && target->i ? target->i : json_get_int(p, "port", 0);
    }
}

bool service_read(struct reconcile *r, struct service *ret)
{
    struct service s = {.r = r, .obj = look_up(r, K_SERVICES, r->ns, r->name)};

    if (!s.obj)
        return false;
    s.tree = tree_of(r->a, s.obj);
    if (str_is(json_get_str(s.tree, "spec.type"), "ExternalName") ||
        !json_count(json_path(s.tree, "spec.selector")))
        return false;
    s.headless = str_is(json_get_str(s.tree, "spec.clusterIP"), "None");
    s.publish_not_ready = json_get_bool(s.tree, "spec.publishNotReadyAddresses", false);
    read_ports(&s);
    *ret = s;
    return true;
}

static int64_t find_named_port(const struct json *pod, const struct service_port *sp)
{
    static const char *const lists[] = {"containers", "initContainers"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_findz(json_findz(pod, "spec"), lists[i])) {
            if (i == 1 && !str_is(json_get_str(c, "restartPolicy"), "Always"))
                continue; /* only sidecars serve */
            JSON_EACH(p, json_findz(c, "ports")) {
                str protocol = json_get_str(p, "protocol");

                if (str_eq(json_get_str(p, "name"), sp->target_name) &&
                    str_eq(protocol.n ? protocol : S("TCP"), sp->protocol))
                    return json_get_int(p, "containerPort", 0);
            }
        }
    return 0;
}

static void find_ports(struct service *s, struct backend *b)
{
    const struct json *pod = NULL;

    b->ports = ARENA_NEW_N(s->r->a, int64_t, s->n_ports + 1);
    for (uint32_t i = 0; i < s->n_ports; i++) {
        if (!s->ports[i].target && !pod)
            pod = tree_of(s->r->a, b->pod.obj);
        b->ports[i] = s->ports[i].target ? s->ports[i].target : find_named_port(pod, &s->ports[i]);
    }
}

static str address_of(str ips, bool v6)
{
    str ip;

    while (str_cut(&ips, ',', &ip))
        if (ip.n && str_has_char(ip, ':') == v6)
            return ip;
    return STR_NONE;
}

struct scan {
    struct service *s;
    bool v6;
};

static bool add_backend(void *ctx, const struct obj *o)
{
    struct scan *scan = ctx;
    struct service *s = scan->s;
    struct backend b = {0};

    JSON_EACH_MEMBER(m, json_path(s->tree, "spec.selector")) {
        str value;

        if (!packed_get(o->labels, m->key, &value) || !str_eq(value, json_str(&m->value)))
            return true;
    }
    pod_read(o, &b.pod);
    b.ip = address_of(b.pod.ips, scan->v6);
    if (!b.ip.n || b.pod.phase == POD_SUCCEEDED || b.pod.phase == POD_FAILED)
        return true;
    b.ready = b.pod.ready || s->publish_not_ready;
    find_ports(s, &b);
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 8;

        s->backends = arena_grow(s->r->a, s->backends, s->cap * sizeof *s->backends,
                                 cap * sizeof *s->backends);
        s->cap = cap;
    }
    s->backends[s->n++] = b;
    return true;
}

void service_find_backends(struct service *s, bool v6)
{
    s->n = 0;
    informer_each(s->r->caches[K_PODS], s->r->ns, add_backend, &(struct scan){s, v6});
}

struct json service_target_ref(struct arena *a, const struct backend *b)
{
    struct json ref = json_object();

    json_setz(a, &ref, "kind", json_z("Pod"));
    json_setz(a, &ref, "namespace", json_string(b->pod.obj->key.ns));
    json_setz(a, &ref, "name", json_string(b->pod.obj->key.name));
    json_setz(a, &ref, "uid", json_string(b->pod.obj->uid));
    return ref;
}

/* ---- the time of the change that is being reported: network programming latency is measured from
 * it ---- */

struct trigger_state {
    struct map seen; /* "ns/name" -> struct seen */
};
struct seen {
    int64_t created_s, ready_s;
};

void *trigger_state_new(struct controller *c)
{
    struct trigger_state *t = NEW(struct trigger_state);

    map_init(&t->seen);
    return t;
}

void trigger_state_free(void *state)
{
    struct trigger_state *t = state;

    MAP_EACH(e, &t->seen)
        mem_free(e->value);
    map_fini(&t->seen);
    mem_free(t);
}

void service_find_trigger(struct service *s)
{
    struct trigger_state *t = s->r->state;
    str key = arena_fmt(s->r->a, PRI_STR "/" PRI_STR, STR_ARG(s->r->ns), STR_ARG(s->r->name));
    struct seen *seen = map_find(&t->seen, key);
    int64_t ready_s = 0, first = INT64_MAX;
    wall_time created = {0};

    if (!seen) {
        seen = NEW(struct seen);
        map_put(&t->seen, key, seen);
    }
    time_of(json_path(s->tree, "metadata.creationTimestamp"), &created);
    if (created.ns / NS_PER_S > seen->created_s)
        first = created.ns / NS_PER_S;
    for (uint32_t i = 0; i < s->n; i++) {
        int64_t at = s->backends[i].pod.ready_since_s;

        ready_s = MAX(ready_s, at);
        if (at > seen->ready_s)
            first = MIN(first, at);
    }
    *seen = (struct seen){created.ns / NS_PER_S, MAX(ready_s, seen->ready_s)};
    s->trigger_s = first == INT64_MAX ? 0 : first;
}

/* ---- wake-ups: a pod concerns the Services whose selector matches it, before or now ---- */

struct match {
    struct controller *c;
    const struct obj *obj, *prev;
};

static bool selects(const struct json *selector, const struct obj *o)
{
    if (!o)
        return false;
    JSON_EACH_MEMBER(m, selector) {
        str value;

        if (!packed_get(o->labels, m->key, &value) || !str_eq(value, json_str(&m->value)))
            return false;
    }
    return true;
}

static bool wake_if_selecting(void *ctx, const struct obj *service)
{
    struct match *m = ctx;
    CLEANUP(arena) struct arena *a = NULL;
    str text = client_text_find(client_text_find(service->data, "spec"), "selector");
    struct json *selector = NULL;
    struct err *err;

    if (!text.n)
        return true;
    a = arena_new();
    err = json_parse(a, text, NULL, NULL, &selector);
    err_free(err);
    if (json_count(selector) && (selects(selector, m->obj) || selects(selector, m->prev)))
        wake(m->c, service->key.ns, service->key.name);
    return true;
}

void endpoints_pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    const struct obj *any = obj ? obj : prev;

    if (obj && prev && str_eq(obj->fields, prev->fields) && str_eq(obj->labels, prev->labels))
        return; /* nothing that an endpoint shows */
    informer_each(controller_cache(c, K_SERVICES), any->key.ns, wake_if_selecting,
                  &(struct match){c, obj, prev});
}
