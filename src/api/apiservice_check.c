/* apiservice_check.c - is the server behind a remote APIService there, and what does it say it has?
 *
 * A check looks at the Service and its endpoints, then asks the server for its resources, as a client would. It is made when the
 * APIService, the Service or its endpoints change; after a failure again with growing pauses; and every CHECK_AGAIN_NS, since a server
 * can fail without anybody writing it down. Without remote APIServices there is nothing to look at.
 *
 * API: k8s.io/kube-aggregator/pkg/controllers/status/remote, .../pkg/apiserver/handler_discovery.go */
#include "api/apiservices.h"

#define CHECK_TIMEOUT_NS (5 * NS_PER_S)
#define CHECK_AGAIN_NS (30 * NS_PER_S)
#define CHECK_FIRST_PAUSE_NS (NS_PER_S)
#define DISCOVERY_MAX (4u << 20) /* bytes of its resources, or of its OpenAPI index */

struct apiservice_check {
    struct apiservice *s;
    struct loop_timer *timer;
    struct http_call *call; /* NULL: none is out */
    struct outgoing_peer *peer;
    int64_t pause_ns; /* after the next failure */
    bool again, ended;
    str url; /* of the call, in the arena */
    struct arena *a;
};

static void check_free(struct apiservice_check *c)
{
    loop_timer_free(c->timer);
    if (c->a)
        arena_free(c->a);
    mem_free(c);
}

static void check_done(struct apiservice_check *c, bool available, const char *reason, str message)
{
    int64_t pause = CHECK_AGAIN_NS;

    if (!available) {
        c->s->fresh = false;
        pause = c->pause_ns;
        c->pause_ns = MIN(2 * c->pause_ns, CHECK_AGAIN_NS);
    } else
        c->pause_ns = CHECK_FIRST_PAUSE_NS;
    apiservice_condition(c->s, available, reason, message);
    loop_timer_set(c->timer, c->again ? 0 : pause);
    c->again = false;
}

/* ---- what it has ---- */

static struct json verbs_of(struct arena *a, const struct json *r)
{
    const struct json *v = json_findz(r, "verbs");

    return v ? json_copy(a, v) : json_array();
}

static struct json response_kind(struct arena *a, const struct json *r)
{
    static const char *const fields[] = {"group", "version", "kind"};
    struct json v = json_object();

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        json_setz(a, &v, fields[i], json_string(arena_dup(a, json_get_str(r, fields[i]))));
    return v;
}

static struct json *resource_named(struct json *list, str name)
{
    JSON_EACH(r, list)
        if (str_eq(json_get_str(r, "resource"), name))
            return r;
    return NULL;
}

/* An APIResourceList as aggregated discovery has it. */
static struct json *aggregated_form(struct arena *a, const struct json *list)
{
    static const char *const copied[] = {"shortNames", "categories"};
    struct json *out = json_new(a, json_array());

    JSON_EACH(r, json_findz(list, "resources")) {
        str name = arena_dup(a, json_get_str(r, "name")), rest = name, parent;
        struct json v = json_object(), *of;

        str_cut(&rest, '/', &parent);
        of = resource_named(out, parent);
        if (!of) {
            json_setz(a, &v, "resource", json_string(parent));
            json_setz(a, &v, "responseKind", response_kind(a, r));
            json_setz(a, &v, "scope",
                      json_z(json_get_bool(r, "namespaced", false) ? "Namespaced" : "Cluster"));
            json_setz(a, &v, "singularResource",
                      json_string(arena_dup(a, json_get_str(r, "singularName"))));
            json_setz(a, &v, "verbs", rest.p ? json_array() : verbs_of(a, r));
            for (size_t i = 0; i < ARRAY_LEN(copied) && !rest.p; i++)
                if (json_count(json_findz(r, copied[i])))
                    json_setz(a, &v, copied[i], json_copy(a, json_findz(r, copied[i])));
            of = json_append(a, out, v);
        }
        if (!rest.p)
            continue;
        v = json_object();
        json_setz(a, &v, "subresource", json_string(rest));
        json_setz(a, &v, "responseKind", response_kind(a, r));
        json_setz(a, &v, "verbs", verbs_of(a, r));
        json_append(a, json_make(a, of, "subresources", JSON_ARRAY), v);
    }
    return out;
}

/* true: other resources than before. */
static bool resources_take(struct apiservice *s, const struct json *list)
{
    struct arena *a = arena_new();
    struct json *resources = aggregated_form(a, list);
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool changed;

    json_encode(&b, resources);
    changed = !s->resources || !str_eq(s->resources_text, buf_view(&b));
    if (!changed) {
        arena_free(a);
        return false;
    }
    if (s->found)
        arena_free(s->found);
    s->found = a;
    s->resources = resources;
    s->resources_text = arena_dup(a, buf_view(&b));
    s->openapi_hash = S("");
    return true;
}

/* ---- asking ---- */

static void ask(struct apiservice_check *c, str path, http_fetch_fn *fn, str address)
{
    static const struct http_header headers[] = {
        {STR("Accept"), STR("application/json")},
        {STR("X-Remote-User"), STR("system:kube-aggregator")},
        {STR("X-Remote-Group"), STR("system:masters")}};
    struct outgoing_target t = apiservice_target(c->s, c->a, path);

    c->url = t.url;
    c->call = http_fetch(outgoing_peer_client(c->peer),
                         &(struct http_call_options){.method = S("GET"),
                                                     .url = t.url,
                                                     .headers = headers,
                                                     .n_headers = ARRAY_LEN(headers),
                                                     .address = address,
                                                     .timeout_ns = CHECK_TIMEOUT_NS},
                         DISCOVERY_MAX, fn, c);
}

/* true: the check has been ended meanwhile. */
static bool over(struct apiservice_check *c, struct err *e)
{
    c->call = NULL;
    if (!c->ended)
        return false;
    err_free(e);
    outgoing_peer_put(c->peer);
    check_free(c);
    return true;
}

static void passed(struct apiservice_check *c)
{
    outgoing_peer_put(TAKE(c->peer));
    check_done(c, true, "Passed", S("all checks passed"));
}

static void on_index(void *ctx, struct err *e, const struct http_response *r, str body)
{
    struct apiservice_check *c = ctx;
    struct apiservice *s = c->s;
    struct json *v = NULL;
    str url, hash;
    ptrdiff_t at;

    if (over(c, e))
        return;
    if (!e && r->status == 200) {
        e = json_parse(c->a, arena_dup(c->a, body), NULL, NULL, &v);
        url = e ? S("")
                : json_get_str(json_find(json_findz(v, "paths"),
                                         arena_fmt(c->a, "apis/" PRI_STR "/" PRI_STR,
                                                   STR_ARG(s->group), STR_ARG(s->version))),
                               "serverRelativeURL");
        at = str_find(url, S("hash="));
        hash = at < 0 ? url : str_skip(url, (size_t)at + 5);
        s->openapi_hash = hash.n ? arena_dup(s->found, hash) : S("");
    }
    err_free(e);
    passed(c);
}

static void on_resources(void *ctx, struct err *e, const struct http_response *r, str body)
{
    struct apiservice_check *c = ctx;
    struct apiservice *s = c->s;
    struct json *v = NULL;
    str why, address;

    if (over(c, e))
        return;
    if (!e && (r->status < 200 || r->status > 299))
        e = err_new(REASON_UNAVAILABLE, "bad status from " PRI_STR ": %d", STR_ARG(c->url),
                    r->status);
    if (e) {
        why = arena_fmt(c->a, "failing or missing response from " PRI_STR ": %s", STR_ARG(c->url),
                        err_text(e));
        err_free(e);
        outgoing_peer_put(TAKE(c->peer));
        if (s->fresh)
            discovery_again(s->set->api);
        check_done(c, false, "FailedDiscoveryCheck", why);
        return;
    }
    e = json_parse(c->a, arena_dup(c->a, body), NULL, NULL, &v);
    err_free(e);
    if (v && resources_take(s, v)) {
        s->fresh = true;
        discovery_again(s->set->api);
    } else if (v && !s->fresh) {
        s->fresh = true;
        discovery_again(s->set->api);
    }
    e = outgoing_resolve(s->set->api, c->a, s->service_ns, s->service_name, s->service_port,
                         &address);
    if (e || !s->found || s->openapi_hash.n) {
        err_free(e);
        passed(c);
    } else
        ask(c, S("/openapi/v3"), on_index, address);
}

/* ---- the Service ---- */

static bool names_port(const struct json *service, int64_t port, str *ret_name)
{
    JSON_EACH(p, json_at(service, "spec", "ports", NULL))
        if (json_get_int(p, "port", 0) == port) {
            *ret_name = json_get_str(p, "name");
            return true;
        }
    return false;
}

static void check(void *ctx)
{
    struct apiservice_check *c = ctx;
    struct apiservice *s = c->s;
    struct api *api = s->set->api;
    const struct obj *o;
    struct json *service;
    struct outgoing_target t;
    str port_name = S(""), address, at;
    struct err *e;

    if (c->call) {
        c->again = true;
        return;
    }
    if (c->a)
        arena_free(c->a);
    c->a = arena_new();
    at = arena_fmt(c->a, "service/" PRI_STR " in \"" PRI_STR "\"", STR_ARG(s->service_name),
                   STR_ARG(s->service_ns));
    o = store_find(api->store, kind_key(api_core(api, "services"), s->service_ns, s->service_name));
    if (!o) {
        check_done(c, false, "ServiceNotFound",
                   arena_fmt(c->a, PRI_STR " is not present", STR_ARG(at)));
        return;
    }
    service = object_parse(c->a, arena_dup(c->a, o->data));
    if (!names_port(service, s->service_port, &port_name)) {
        check_done(c, false, "ServicePortError",
                   arena_fmt(c->a, PRI_STR " is not listening on port %lld", STR_ARG(at),
                             (long long)s->service_port));
        return;
    }
    e = outgoing_resolve(api, c->a, s->service_ns, s->service_name, s->service_port, &address);
    if (e) {
        err_free(e);
        check_done(c, false, "MissingEndpoints",
                   arena_fmt(c->a,
                             "endpoints for " PRI_STR " have no addresses with port name \"" PRI_STR
                             "\"",
                             STR_ARG(at), STR_ARG(port_name)));
        return;
    }
    t = apiservice_target(s, c->a, S("/"));
    e = outgoing_peer_get(api, &t, &c->peer);
    if (e) {
        check_done(c, false, "FailedDiscoveryCheck",
                   arena_fmt(c->a, "failing or missing response from " PRI_STR ": %s",
                             STR_ARG(t.url), err_text(e)));
        err_free(e);
        return;
    }
    ask(c, arena_fmt(c->a, "/apis/" PRI_STR "/" PRI_STR, STR_ARG(s->group), STR_ARG(s->version)),
        on_resources, address);
}

void apiservice_check_soon(struct apiservice *s)
{
    struct apiservice_check *c = s->check;

    if (!c) {
        c = s->check = NEW(struct apiservice_check);
        c->s = s;
        c->pause_ns = CHECK_FIRST_PAUSE_NS;
        c->timer = loop_timer_new(s->set->api->loop, check, c);
    }
    if (c->call)
        c->again = true;
    else
        loop_timer_set(c->timer, 0);
}

void apiservice_check_end(struct apiservice *s)
{
    struct apiservice_check *c = TAKE(s->check);

    if (!c)
        return;
    loop_timer_stop(c->timer);
    c->ended = true;
    if (c->call)
        http_call_cancel(c->call); /* over() frees it */
    else
        check_free(c);
}
