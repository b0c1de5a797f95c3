/* apiservices.c - follows APIServices, registers those of custom group-versions, and sends requests on to remote ones.
 *
 * Invariants
 *   (1) A request goes to a backend only while its APIService's stored status says Available, as in Kubernetes: else it is 503.
 *   (2) What clients say in X-Remote-* headers is never passed on: backends believe them of us.
 *
 * Not here: finding out whether a backend is there (apiservice_check.c).
 * API: k8s.io/kube-aggregator/pkg/{apiserver/handler_proxy.go,controllers/autoregister} */
#include "api/apiservices.h"
#include "api/crd.h"
#include "api/forward.h"

#define CUSTOM_VERSION_PRIORITY 100
#define AUTOMANAGED "kube-aggregator.kubernetes.io/automanaged"

enum what { WRITE_CONDITION, WRITE_CREATE, WRITE_DELETE };
struct service_write {
    struct list link;
    struct apiservices *set; /* NULL: the server has ended */
    struct arena *a;
    struct key key;
    enum what what;
    bool available;
    const char *reason;
    str message;
    struct req req;
    struct user user;
    struct write w;
    str reply;
};

/* ---- writes ---- */

static void written(void *ctx, struct err *e, const struct obj *result)
{
    struct service_write *x = ctx;

    (void)result;
    if (e)
        log_warning("api", "APIService " PRI_STR ": %s", STR_ARG(x->key.name), err_text(e));
    err_free(e);
    list_del(&x->link);
    arena_free(x->a);
}

static struct err *put_condition(struct service_write *x, struct arena *a,
                                 const struct obj *current, int64_t revision,
                                 struct store_change *ret)
{
    struct api *api = x->set->api;
    wall_time now = loop_wall(api->loop);
    const struct apply_options o = {.manager = S("kube-apiserver"),
                                    .subresource = S("status"),
                                    .api_version = x->set->kind->api_version,
                                    .now = now};
    struct json *was = object_parse(a, arena_dup(a, current->data)),
                *obj = json_new(a, json_copy(a, was)),
                *list = json_make(a, obj, "status.conditions", JSON_ARRAY), *c = NULL;
    const char *truth = x->available ? "True" : "False";
    struct err *e;

    JSON_EACH(i, list)
        if (str_is(json_get_str(i, "type"), "Available"))
            c = i;
    if (c && str_is(json_get_str(c, "status"), truth) &&
        str_is(json_get_str(c, "reason"), x->reason) &&
        str_eq(json_get_str(c, "message"), x->message))
        return NULL;
    if (!c)
        c = json_append(a, list, json_object());
    if (!str_is(json_get_str(c, "status"), truth))
        json_setz(a, c, "lastTransitionTime", json_string(now_text(a, now)));
    json_setz(a, c, "message", json_string(x->message));
    json_setz(a, c, "reason", json_z(x->reason));
    json_setz(a, c, "status", json_z(truth));
    json_setz(a, c, "type", json_z("Available"));
    e = apply_track_update(a, x->set->kind->r, was, obj, &o);
    if (!e)
        e = object_store(a, x->set->kind, obj, revision, ret);
    if (!e)
        ret->op = STORE_PUT;
    return e;
}

static struct err *write_one(void *ctx, struct arena *a, const struct obj *current,
                             int64_t revision, struct store_change *ret)
{
    struct service_write *x = ctx;

    ret->op = STORE_KEEP;
    if (!x->set)
        return NULL;
    switch (x->what) {
    case WRITE_CONDITION:
        return current ? put_condition(x, a, current, revision, ret) : NULL;
    case WRITE_CREATE:
        return current ? NULL : write_put(&x->w, NULL, revision, ret, &x->reply);
    case WRITE_DELETE:
        if (current)
            *ret = (struct store_change){
                STORE_DELETE,
                object_with_revision(a, arena_dup(a, current->data), current->revision, revision),
                current->uid, current->labels, current->fields};
        return NULL;
    }
    return NULL;
}

static struct service_write *write_new(struct apiservices *s, enum what what, str name)
{
    struct arena *a = arena_new();
    struct service_write *x = ARENA_NEW(a, struct service_write);

    x->a = a;
    x->set = s;
    x->what = what;
    x->key = kind_key(s->kind, S(""), arena_dup(a, name));
    list_add_tail(&s->writes, &x->link);
    return x;
}

static void write_submit(struct service_write *x)
{
    store_update(x->set->api->store, x->key, write_one, written, x);
}

void apiservice_condition(struct apiservice *s, bool available, const char *reason, str message)
{
    struct service_write *x = write_new(s->set, WRITE_CONDITION, s->name);

    x->available = available;
    x->reason = reason;
    x->message = arena_dup(x->a, message);
    write_submit(x);
}

/* ---- custom group-versions are registered, and no longer ---- */

static str name_of(struct arena *a, str group, str version)
{
    return arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(version), STR_ARG(group));
}

static void create_local(struct apiservices *s, str group, str version, str name)
{
    struct service_write *x = write_new(s, WRITE_CREATE, name);
    struct arena *a = x->a;
    struct json *obj, condition;
    struct err *e;

    obj = object_parse(
        a, arena_fmt(a,
                     "{\"kind\":\"APIService\",\"apiVersion\":\"" PRI_STR
                     "\",\"metadata\":{\"name\":\"" PRI_STR "\",\"labels\":{\"" AUTOMANAGED
                     "\":\"true\"}},\"spec\":{\"group\":\"" PRI_STR "\",\"version\":\"" PRI_STR
                     "\",\"groupPriorityMinimum\":%d,\"versionPriority\":%d}}",
                     STR_ARG(s->kind->api_version), STR_ARG(name), STR_ARG(group), STR_ARG(version),
                     CUSTOM_GROUP_PRIORITY, CUSTOM_VERSION_PRIORITY));
    x->user = (struct user){.name = S("system:apiserver"), .masters = true};
    x->req = (struct req){.api = s->api,
                          .a = a,
                          .user = &x->user,
                          .warnings = json_array(),
                          .wo = {.manager = S("kube-apiserver")}};
    x->w = (struct write){.api = s->api,
                          .req = &x->req,
                          .a = a,
                          .kind = s->kind,
                          .name = x->key.name,
                          .obj = obj,
                          .bootstrap = true,
                          .now = loop_wall(s->api->loop)};
    e = write_create_steps(&x->w);
    if (e) {
        written(x, e, NULL);
        return;
    }
    condition = json_object();
    json_setz(a, &condition, "type", json_z("Available"));
    json_setz(a, &condition, "status", json_z("True"));
    json_setz(a, &condition, "lastTransitionTime", json_string(now_text(a, x->w.now)));
    json_setz(a, &condition, "reason", json_z("Local"));
    json_setz(a, &condition, "message", json_z("Local APIServices are always available"));
    json_append(a, json_make(a, x->w.obj, "status.conditions", JSON_ARRAY), condition);
    write_submit(x);
}

static bool is_served(const struct apiservices *s, str group, str version)
{
    for (size_t i = 0; i < crds_count(s->api->crds); i++) {
        const struct resource *r = crds_at(s->api->crds, i)->r;

        if (str_eq(r->group, group) && str_eq(r->version, version))
            return true;
    }
    return false;
}

static void register_custom(void *ctx)
{
    struct apiservices *s = ctx;
    struct arena *a = arena_new();

    for (size_t i = 0; i < crds_count(s->api->crds); i++) { /* sorted by group and version */
        const struct resource *r = crds_at(s->api->crds, i)->r,
                              *before = i ? crds_at(s->api->crds, i - 1)->r : NULL;
        str name = name_of(a, r->group, r->version);

        if ((!before || !str_eq(before->group, r->group) || !str_eq(before->version, r->version)) &&
            !map_find(&s->by_name, name))
            create_local(s, r->group, r->version, name);
    }
    MAP_EACH(e, &s->by_name) {
        const struct apiservice *x = e->value;

        if (x->automanaged && !x->remote && !is_served(s, x->group, x->version))
            write_submit(write_new(s, WRITE_DELETE, x->name));
    }
    arena_free(a);
}

void apiservices_kinds_changed(struct apiservices *s)
{
    if (s)
        loop_timer_set(s->timer, 0);
}

/* ---- the objects ---- */

/* true: it wants something else than before. */
static bool service_read(struct apiservice *s)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct arena *a = arena_new();
    bool changed;
    struct json *v = object_parse(a, arena_dup(a, s->obj->data));
    const struct json *spec = json_findz(v, "spec"), *service = json_findz(spec, "service");
    str ca = json_get_str(spec, "caBundle");

    if (spec)
        json_encode(&text, spec);
    changed = !s->arena || !str_eq(s->spec, buf_view(&text));
    if (s->arena)
        arena_free(s->arena);
    s->arena = a;
    s->spec = arena_dup(a, buf_view(&text));
    s->name = meta_str(v, "name");
    s->group = json_get_str(spec, "group");
    s->version = json_get_str(spec, "version");
    s->remote = json_is(service, JSON_OBJECT);
    s->service_ns = json_get_str(service, "namespace");
    s->service_name = json_get_str(service, "name");
    s->service_port = json_get_int(service, "port", 443);
    s->insecure = json_get_bool(spec, "insecureSkipTLSVerify", false);
    s->ca_pem = S("");
    if (ca.n && !base64_decode(a, ca, &s->ca_pem))
        s->ca_pem = S("-"); /* nothing is trusted */
    s->group_priority = json_get_int(spec, "groupPriorityMinimum", 0);
    s->version_priority = json_get_int(spec, "versionPriority", 0);
    s->automanaged =
        str_is(json_str(json_find(json_at(v, "metadata", "labels", NULL), S(AUTOMANAGED))), "true");
    s->available = false;
    JSON_EACH(c, json_at(v, "status", "conditions", NULL))
        if (str_is(json_get_str(c, "type"), "Available"))
            s->available = str_is(json_get_str(c, "status"), "True");
    return changed;
}

static void service_free(struct apiservice *s)
{
    apiservice_check_end(s);
    s->set->n_remote -= s->remote;
    if (s->found)
        arena_free(s->found);
    if (s->arena)
        arena_free(s->arena);
    obj_unref(s->obj);
    mem_free(s);
}

static void on_backend(void *ctx, const struct store_event *e);

/* Services and EndpointSlices are looked at only while somebody depends on them. */
static void watch_backends(struct apiservices *s)
{
    static const struct store_watch_events events = {.event = on_backend};
    const struct kind *services = api_core(s->api, "services"),
                      *slices = api_find_kind(s->api, S("discovery.k8s.io"), S("v1"),
                                              S("endpointslices"));
    int64_t now = store_revision(s->api->store);
    struct err *e = NULL;

    if (s->n_remote && !s->services) {
        e = store_watch(s->api->store, services->r->storage_resource, S(""), now, &events, s,
                        &s->services);
        if (!e && slices)
            e = store_watch(s->api->store, slices->r->storage_resource, S(""), now, &events, s,
                            &s->slices);
    } else if (!s->n_remote && s->services) {
        store_watch_close(TAKE(s->services));
        if (s->slices)
            store_watch_close(TAKE(s->slices));
    }
    if (e)
        log_warning("api", "watching the backends of APIServices: %s", err_text(e));
    err_free(e);
}

static void on_backend(void *ctx, const struct store_event *e)
{
    struct apiservices *s = ctx;
    str service = e->obj->key.name, rest = e->obj->labels, name, value;

    if (!str_is(e->obj->key.resource, "services"))
        while (str_cut(&rest, '\0', &name) && str_cut(&rest, '\0', &value))
            if (str_is(name, "kubernetes.io/service-name"))
                service = value;
    MAP_EACH(m, &s->by_name) {
        struct apiservice *x = m->value;

        if (x->remote && str_eq(x->service_ns, e->obj->key.ns) && str_eq(x->service_name, service))
            apiservice_check_soon(x);
    }
}

static void service_changed(struct apiservices *set, const struct obj *o)
{
    struct apiservice *s = map_find(&set->by_name, o->key.name);
    bool was_remote = s && s->remote, changed;

    if (!s) {
        s = NEW(struct apiservice);
        s->set = set;
        map_put(&set->by_name, o->key.name, s);
    }
    obj_unref(s->obj);
    s->obj = obj_ref(o);
    changed = service_read(s);
    set->n_remote += s->remote;
    set->n_remote -= was_remote;
    if (s->remote) {
        if (changed)
            apiservice_check_soon(s);
    } else {
        apiservice_check_end(s);
        apiservice_condition(s, true, "Local", S("Local APIServices are always available"));
        if (s->automanaged && !is_served(set, s->group, s->version))
            apiservices_kinds_changed(set);
    }
    if (changed && (s->remote || was_remote))
        discovery_again(set->api);
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct apiservices *set = ctx;
    struct apiservice *s;

    if (e->type != STORE_DELETED) {
        service_changed(set, e->obj);
    } else {
        s = map_find(&set->by_name, e->obj->key.name);
        map_del(&set->by_name, e->obj->key.name);
        if (s) {
            bool remote = s->remote;

            service_free(s);
            if (remote)
                discovery_again(set->api);
        }
        apiservices_kinds_changed(set);
    }
    watch_backends(set);
}

static bool on_existing(void *ctx, const struct obj *o)
{
    service_changed(ctx, o);
    return true;
}

struct err *apiservices_new(struct api *api, struct apiservices **ret)
{
    static const struct store_watch_events events = {.event = on_event};
    struct apiservices *s = NEW(struct apiservices);
    struct err *e;

    s->api = api;
    s->kind = api_find_kind(api, S("apiregistration.k8s.io"), S("v1"), S("apiservices"));
    BUG_ON(!s->kind);
    map_init(&s->by_name);
    list_init(&s->writes);
    s->timer = loop_timer_new(api->loop, register_custom, s);
    *ret = s;
    store_each(api->store, s->kind->r->storage_resource, S(""), NULL, on_existing, s);
    watch_backends(s);
    apiservices_kinds_changed(s);
    e = store_watch(api->store, s->kind->r->storage_resource, S(""), store_revision(api->store),
                    &events, s, &s->watch);
    return e ? err_note(e, "watching APIServices") : NULL;
}

void apiservices_free(struct apiservices *s)
{
    struct service_write *x;

    if (!s)
        return;
    if (s->watch)
        store_watch_close(s->watch);
    if (s->services)
        store_watch_close(s->services);
    if (s->slices)
        store_watch_close(s->slices);
    loop_timer_free(s->timer);
    LIST_EACH(x, &s->writes, link)
        x->set = NULL;
    list_del(&s->writes);
    MAP_EACH(e, &s->by_name)
        service_free(e->value);
    map_fini(&s->by_name);
    mem_free(s);
}

/* ---- who serves what ---- */

struct apiservice *apiservices_remote(const struct api *api, str group, str version)
{
    struct apiservices *set = api->apiservices;

    if (!set || !set->n_remote || !version.n)
        return NULL;
    MAP_EACH(e, &set->by_name) {
        struct apiservice *s = e->value;

        if (s->remote && str_eq(s->group, group) && str_eq(s->version, version))
            return s;
    }
    return NULL;
}

static bool before(const struct apiservice *x, const struct apiservice *y)
{
    if (x->group_priority != y->group_priority)
        return x->group_priority > y->group_priority;
    if (!str_eq(x->group, y->group))
        return str_cmp(x->group, y->group) < 0;
    if (x->version_priority != y->version_priority)
        return x->version_priority > y->version_priority;
    return str_cmp(x->version, y->version) < 0;
}

const struct apiservice *apiservices_remote_at(const struct api *api, size_t n)
{
    struct apiservices *set = api->apiservices;

    if (!set || n >= set->n_remote)
        return NULL;
    MAP_EACH(e, &set->by_name) {
        const struct apiservice *s = e->value;
        size_t rank = 0;

        if (!s->remote)
            continue;
        MAP_EACH(o, &set->by_name) {
            const struct apiservice *other = o->value;

            rank += other->remote && before(other, s);
        }
        if (rank == n)
            return s;
    }
    return NULL;
}

/* ---- requests ---- */

struct outgoing_target apiservice_target(const struct apiservice *s, struct arena *a, str path)
{
    return (struct outgoing_target){
        .url = arena_fmt(a, "https://" PRI_STR "." PRI_STR ".svc:%lld" PRI_STR,
                         STR_ARG(s->service_name), STR_ARG(s->service_ns),
                         (long long)s->service_port, STR_ARG(path)),
        .service_ns = s->service_ns,
        .service_name = s->service_name,
        .service_port = s->service_port,
        .ca_pem = s->ca_pem,
        .insecure = s->insecure,
        .front_proxy = true};
}

static void peer_over(void *ctx)
{
    outgoing_peer_put(ctx);
}

/* What a header's name cannot have is escaped, as in a URL. */
static str extra_header(struct arena *a, str key)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_z(&b, "X-Remote-Extra-");
    for (size_t i = 0; i < key.n; i++) {
        unsigned char ch = (unsigned char)key.p[i];

        if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
            (ch && strchr("!#$&'*+-.^_`|~", ch)))
            buf_char(&b, (char)ch);
        else
            buf_fmt(&b, "%%%02X", ch);
    }
    return arena_dup(a, buf_view(&b));
}

static struct http_header *user_headers(struct req *q, size_t *ret_n)
{
    const struct user *u = q->user;
    size_t n = 2 + u->n_groups, k = 0;
    struct http_header *h;

    for (size_t i = 0; i < u->n_extra; i++)
        n += u->extra[i].n_values;
    h = ARENA_NEW_N(q->a, struct http_header, n);
    h[k++] = (struct http_header){S("X-Remote-User"), u->name};
    if (u->uid.n)
        h[k++] = (struct http_header){S("X-Remote-Uid"), u->uid};
    for (size_t i = 0; i < u->n_groups; i++)
        h[k++] = (struct http_header){S("X-Remote-Group"), u->groups[i]};
    for (size_t i = 0; i < u->n_extra; i++)
        for (size_t v = 0; v < u->extra[i].n_values; v++)
            h[k++] =
                (struct http_header){extra_header(q->a, u->extra[i].key), u->extra[i].values[v]};
    *ret_n = k;
    return h;
}

static void send_on(struct req *q, struct apiservice *s)
{
    static const str dropped[] = {STR("X-Remote-")};
    struct forward_target f = {
        .drop = dropped, .n_drop = ARRAY_LEN(dropped), .plain_errors = true, .over = peer_over};
    struct outgoing_target t = apiservice_target(s, q->a, q->ex->req.target);
    struct outgoing_peer *peer;
    struct err *e = NULL;

    if (!s->available) {
        reply_plain_error(q, 503, S("service unavailable"));
        return;
    }
    e = outgoing_resolve(q->api, q->a, s->service_ns, s->service_name, s->service_port, &f.address);
    if (!e)
        e = outgoing_peer_get(q->api, &t, &peer);
    if (e) {
        log_debug("api", "APIService " PRI_STR ": %s", STR_ARG(s->name), err_text(e));
        err_free(e);
        reply_plain_error(q, 503, S("service unavailable"));
        return;
    }
    f.ctx = peer;
    f.client = outgoing_peer_client(peer);
    f.url = t.url;
    f.add = user_headers(q, &f.n_add);
    forward_request(q, &f);
}

/* /apis/GROUP/VERSION and below, and the document that describes it. */
bool apiservices_handle(struct req *q)
{
    struct apiservices *set = q->api->apiservices;
    str path = q->route.path, first, group, version;
    struct apiservice *s;

    if (!set || !set->n_remote)
        return false;
    if (str_has_prefix(path, S("/openapi/v3/")))
        path = str_skip(path, strlen("/openapi/v3"));
    path = str_skip(path, 1);
    if (!str_cut(&path, '/', &first) || !str_is(first, "apis") || !str_cut(&path, '/', &group) ||
        !str_cut(&path, '/', &version))
        return false;
    s = apiservices_remote(q->api, group, version);
    if (s)
        send_on(q, s);
    return s != NULL;
}
