/* server.c - the API server as a whole: made, asked, closed.
 *
 * A request's way: who (authn.c), may he (authz.c), what (route.c, request.c), then the verb. Every
 * path ends in exactly one reply_*(), watch or tunnel, which ends the exchange. */
#include "api/quota_sums.h"
#include "api/authn.h"
#include "api/apiservices.h"
#include "api/crd.h"
#include "api/dynamic/dynamic.h"
#include "api/outgoing.h"
#include "api/pod_security.h"
#include "api/service_addresses.h"

static str keep(struct arena *a, str s)
{
    return s.p ? arena_dup(a, s) : S("");
}

static void oidc_keep(struct arena *a, struct oidc_options *o)
{
    str *all[] = {&o->issuer_url,      &o->client_id,    &o->username_claim,
                  &o->username_prefix, &o->groups_claim, &o->groups_prefix,
                  &o->required_claims, &o->signing_algs, &o->ca_pem};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        *all[i] = keep(a, *all[i]);
}

/* Nothing said of headers: those that kubeadm sets. Otherwise just what is said, as for kube-apiserver. */
static void request_header_keep(struct arena *a, struct request_header_options *o)
{
    if (!o->username_headers.n && !o->uid_headers.n && !o->group_headers.n &&
        !o->extra_prefixes.n) {
        o->username_headers = S("X-Remote-User");
        o->uid_headers = S("X-Remote-Uid");
        o->group_headers = S("X-Remote-Group");
        o->extra_prefixes = S("X-Remote-Extra-");
    }
    o->allowed_names = keep(a, o->allowed_names);
    o->username_headers = keep(a, o->username_headers);
    o->uid_headers = keep(a, o->uid_headers);
    o->group_headers = keep(a, o->group_headers);
    o->extra_prefixes = keep(a, o->extra_prefixes);
}

static void options_keep(struct api *api, const struct api_options *o)
{
    struct arena *a = api->arena;

    api->o = *o;
    api->o.service_cidr = keep(a, o->service_cidr.n ? o->service_cidr : S("10.43.0.0/16"));
    api->o.cluster_domain = keep(a, o->cluster_domain.n ? o->cluster_domain : S("cluster.local"));
    api->o.advertise_address = keep(a, o->advertise_address);
    api->o.service_account_key_pem = keep(a, o->service_account_key_pem);
    api->o.service_account_issuer =
        keep(a, o->service_account_issuer.n ? o->service_account_issuer
                                            : S("https://kubernetes.default.svc.cluster.local"));
    api->o.ca_pem = keep(a, o->ca_pem);
    api->o.ca_key_pem = keep(a, o->ca_key_pem);
    api->o.token_file = keep(a, o->token_file);
    api->o.api_audiences = keep(a, o->api_audiences);
    oidc_keep(a, &api->o.oidc);
    api->o.authorization_config = keep(a, o->authorization_config);
    api->o.authorization_modes = keep(a, o->authorization_modes);
    api->o.authentication_config = keep(a, o->authentication_config);
    api->o.admission_config = keep(a, o->admission_config);
    api->o.audit_policy = keep(a, o->audit_policy);
    api->o.audit_log_path = keep(a, o->audit_log_path);
    api->o.kubelet_client_cert_pem = keep(a, o->kubelet_client_cert_pem);
    api->o.kubelet_client_key_pem = keep(a, o->kubelet_client_key_pem);
    request_header_keep(a, &api->o.request_header);
    api->o.front_proxy_ca_pem = keep(a, o->front_proxy_ca_pem);
    api->o.front_proxy_cert_pem = keep(a, o->front_proxy_cert_pem);
    api->o.front_proxy_key_pem = keep(a, o->front_proxy_key_pem);
    if (!api->o.node_port_min)
        api->o.node_port_min = 30000;
    if (!api->o.node_port_max)
        api->o.node_port_max = 32767;
}

static void api_free(struct api *api)
{
    outgoing_free(api->outgoing); /* first: requests that wait for an answer end now */
    flow_free(api->flow);
    node_authorizer_free(api->nodes);
    rbac_free(api->rbac);
    authn_free(api->authn);
    repair_free(api->repair);
    addresses_free(api->addresses);
    node_ports_free(api->node_ports);
    event_ttl_free(api->event_ttl);
    quota_sums_free(api->quota_sums);
    flowschemas_free(api->flowschemas);
    dynamic_free(api->dynamic);
    discovery_fini(api);
    apiservices_free(api->apiservices);
    crds_free(api->crds);
    if (api->kubelets)
        http_client_free(api->kubelets);
    if (api->kubelet_tls)
        tls_client_free(api->kubelet_tls);
    map_fini(&api->kind_by_path);
    for (struct api_check *c = api->checks, *next; c; c = next) {
        next = c->next;
        mem_free(c->name);
        mem_free(c);
    }
    arena_free(api->arena);
    mem_free(api);
}

struct err *api_new(struct loop *loop, const struct api_options *o, struct api **ret)
{
    struct api *api = NEW(struct api);
    struct err *e;

    api->loop = loop;
    api->store = o->store;
    api->arena = arena_new();
    api->started = loop_wall(loop);
    list_init(&api->watchers);
    options_keep(api, o);
    api_kinds_init(api);
    api->nodes = node_authorizer_new(api);
    e = authz_new(api);
    if (!e)
        e = security_config_parse(api->arena, api->o.admission_config, &api->security);
    if (!e)
        e = authn_new(api, &api->authn);
    if (!e)
        e = audit_new(api, &api->audit);
    if (!e)
        e = flow_new(api, &api->flow);
    if (!e)
        e = rbac_new(api, &api->rbac);
    if (!e)
        e = addresses_new(api, &api->addresses);
    if (!e)
        e = event_ttl_new(api, &api->event_ttl);
    if (!e)
        e = quota_sums_new(api, &api->quota_sums);
    if (!e)
        e = flowschemas_new(api, &api->flowschemas);
    if (!e)
        e = crds_new(api, &api->crds);
    if (!e)
        e = apiservices_new(api, &api->apiservices);
    if (!e)
        e = dynamic_new(api, &api->dynamic);
    if (e) {
        api_free(api);
        return err_note(e, "API server");
    }
    api->node_ports = node_ports_new(api);
    discovery_init(api);
    *ret = api;
    return NULL;
}

struct closing {
    struct api *api;
    loop_fn *closed;
    void *ctx;
};

/* After the turn in which the watches were told to end, nothing refers to the server any more. */
static void close_done(void *ctx)
{
    struct closing *c = ctx;
    loop_fn *closed = c->closed;
    void *user = c->ctx;

    api_free(c->api);
    mem_free(c);
    if (closed)
        closed(user);
}

void api_close(struct api *api, loop_fn *closed, void *ctx)
{
    struct closing *c = NEW(struct closing);

    *c = (struct closing){api, closed, ctx};
    api->closing = true;
    dynamic_stop(api->dynamic);
    watch_close_all(api);
    flow_stop(api->flow);
    token_requests_resume(api);
    if (api->audit)
        audit_close(api->audit, close_done, c);
    else
        loop_defer(api->loop, close_done, c);
}

struct api_check *api_check_add(struct api *api, const char *name)
{
    struct api_check *c = NEW(struct api_check), **at = &api->checks;

    c->name = mem_strdup(name);
    while (*at)
        at = &(*at)->next;
    *at = c;
    return c;
}

void api_check_set(struct api_check *c, bool ok)
{
    c->ok = ok;
}

/* ---- dispatch ---- */

static bool is_duration_unit(str s)
{
    static const char *const units[] = {"ns", "us", "\xc2\xb5s", "\xce\xbcs", "ms", "s", "m", "h"};

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_is(s, units[i]))
            return true;
    return false;
}

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '.';
}

/* The texts are those of Go's time.ParseDuration. */
static struct err *check_timeout(struct req *q)
{
    str t = query_str(q, "timeout"), rest = t, unit = S("");
    const char *what = "invalid";
    int64_t ns;

    if (!t.n || str_to_duration(t, &ns))
        return NULL;
    if (rest.p[0] == '-' || rest.p[0] == '+')
        rest = str_skip(rest, 1);
    while (rest.n && is_number_char(rest.p[0]) && str_is(unit, "")) {
        while (rest.n && is_number_char(rest.p[0]))
            rest = str_skip(rest, 1);
        for (unit = rest; rest.n && !is_number_char(rest.p[0]);)
            rest = str_skip(rest, 1);
        unit.n -= rest.n;
        if (!unit.n)
            what = "missing unit in";
        else if (is_duration_unit(unit))
            unit = S("");
    }
    if (unit.n)
        return err_new(
            REASON_BAD_REQUEST,
            "invalid timeout specified in the request URL - time: unknown unit \"" PRI_STR
            "\" in duration \"" PRI_STR "\"",
            STR_ARG(unit), STR_ARG(t));
    return err_new(REASON_BAD_REQUEST,
                   "invalid timeout specified in the request URL - time: %s duration \"" PRI_STR
                   "\"",
                   what, STR_ARG(t));
}

/* Whether the path names something that exists, with whichever method: then a wrong method is 405,
 * else 404. */
static bool path_exists(const struct route *r)
{
    uint32_t verbs = r->kind->r->verbs;

    if (r->subresource.n)
        return r->sub != NULL && (!r->kind->r->namespaced || r->ns.n);
    if (r->name.n)
        return (verbs & (VERB_GET | VERB_UPDATE | VERB_PATCH | VERB_DELETE)) &&
               (!r->kind->r->namespaced || r->ns.n);
    return true;
}

static uint32_t verb_bit(str verb)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } bits[] = {{"create", VERB_CREATE},
                {"delete", VERB_DELETE},
                {"deletecollection", VERB_DELETECOLLECTION},
                {"get", VERB_GET},
                {"list", VERB_LIST},
                {"patch", VERB_PATCH},
                {"update", VERB_UPDATE},
                {"watch", VERB_WATCH}};

    for (size_t i = 0; i < ARRAY_LEN(bits); i++)
        if (str_is(verb, bits[i].name))
            return bits[i].bit;
    return 0;
}

/* Methods that a collection or an item has not, whatever the kind allows elsewhere. */
static bool method_fits(const struct route *r, str method)
{
    const struct kind *k = r->kind;
    bool item = r->name.n > 0, scoped = !k->r->namespaced || r->ns.n;

    if (str_is(r->subresource, "proxy"))
        return true; /* what is behind it decides */
    if (str_is(method, "HEAD") || str_is(method, "OPTIONS"))
        return false;
    if (item)
        return r->subresource.n || !str_is(method, "POST");
    if (str_is(method, "PUT") || str_is(method, "PATCH"))
        return false;
    if (str_is(method, "POST") || str_is(method, "DELETE"))
        return scoped && !r->watch_prefix;
    return true;
}

static void handle_resource(struct req *q)
{
    static const struct {
        const char *verb;
        void (*run)(struct req *q);
        bool list_like;
    } verbs[] = {{"get", verb_get, false},       {"list", verb_list, true},
                 {"watch", verb_watch, true},    {"create", verb_create, false},
                 {"update", verb_update, false}, {"patch", verb_patch, false},
                 {"delete", verb_delete, false}, {"deletecollection", verb_deletecollection, true}};
    const struct route *r = &q->route;
    struct err *e;

    if (r->malformed || !r->kind || !path_exists(r)) {
        if (!r->malformed && !api_group_is_served(q->api, r->group, r->version) && r->group.n)
            reply_page_not_found(q);
        else
            reply_error(q, err_no_route());
        return;
    }
    if (!method_fits(r, q->ex->req.method) ||
        (!r->subresource.n && !(r->kind->r->verbs & verb_bit(r->verb)))) {
        reply_error(q, err_no_method());
        return;
    }
    if (r->kind->r->deprecated_warning.n)
        req_warn(q, r->kind->r->deprecated_warning);
    else if (r->kind->hooks->deprecated)
        req_warn(q, str_of(r->kind->hooks->deprecated));
    e = check_timeout(q);
    if (e) {
        reply_error(q, e);
        return;
    }
    /* A name that a URL needed escapes for, or that cannot be one. */
    if (r->subresource.n && !str_is(r->subresource, "status")) {
        verb_subresource(q);
        return;
    }
    if (r->subresource.n && !(r->sub->verbs & verb_bit(r->verb))) {
        reply_error(q, err_no_method());
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_is(r->verb, verbs[i].verb)) {
            e = accept_parse(q, verbs[i].list_like, verbs[i].run == verb_watch);
            if (e)
                reply_error(q, e);
            else if (r->kind->hooks->read &&
                     (verbs[i].run == verb_get || verbs[i].run == verb_list))
                r->kind->hooks->read(q);
            else
                verbs[i].run(q);
            return;
        }
    reply_error(q, err_no_method());
}

void api_serve(struct req *q)
{
    struct err *e;

    if (q->api->closing)
        e = err_new(REASON_UNAVAILABLE, "apiserver is shutting down");
    else
        e = authz_request(q);
    if (e) {
        reply_error(q, e);
        return;
    }
    q->api->n_requests++;
    if (apiservices_handle(q))
        return;
    if (q->route.is_resource) {
        handle_resource(q);
        return;
    }
    if (health_handle(q) || discovery_handle(q))
        return;
    reply_page_not_found(q);
}

static void handle(struct req *q)
{
    struct err *e = authn_impersonate(q);

    if (e)
        reply_error(q, e);
    else if (flow_admit(q))
        api_serve(q);
}

static struct req *req_new(struct api *api, struct http_exchange *ex)
{
    struct req *q = ARENA_NEW(ex->arena, struct req);

    q->api = api;
    q->ex = ex;
    q->a = ex->arena;
    q->warnings = json_array();
    route_parse(api, q->a, &ex->req, &q->route);
    if (q->route.kind && q->route.kind->r->custom)
        crds_hold(q->route.kind, q->a);
    return q;
}

void api_handle(void *ctx, struct http_exchange *ex)
{
    struct api *api = ctx;
    struct req *q = req_new(api, ex);
    struct err *e;

    BUG_ON(!loop_is_mine(api->loop));
    audit_id(q);
    if (api->closing) {
        reply_error(q, err_new(REASON_UNAVAILABLE, "apiserver is shutting down"));
        return;
    }
    e = authn_request(q);
    if (api->audit)
        audit_begin(q);
    if (e)
        reply_error(q, e);
    else
        handle(q);
}

void api_handle_as(struct api *api, struct http_exchange *ex, const struct api_identity *who)
{
    struct req *q = req_new(api, ex);
    struct user *u = ARENA_NEW(q->a, struct user);

    u->name = arena_dup(q->a, who->name);
    u->uid = arena_dup(q->a, who->uid);
    u->groups = ARENA_NEW_N(q->a, str, who->n_groups + 1);
    for (size_t i = 0; i < who->n_groups; i++) {
        u->groups[u->n_groups++] = arena_dup(q->a, who->groups[i]);
        u->masters |= str_is(who->groups[i], "system:masters");
    }
    q->user = u;
    if (api->audit && !api->closing)
        audit_begin(q);
    if (api->closing)
        reply_error(q, err_new(REASON_UNAVAILABLE, "apiserver is shutting down"));
    else
        handle(q);
}
