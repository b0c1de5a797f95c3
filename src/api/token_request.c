/* token_request.c - POST serviceaccounts/NAME/token: a token for a while, bound to what it is for.
 *
 * Source: k8s.io/kubernetes/pkg/registry/core/serviceaccount/storage/token.go. API:
 * authentication.k8s.io/v1 TokenRequest */
#include "api/admission.h"
#include "api/authn.h"
#include "api/dynamic/dynamic.h"

#define TOKEN_MIN_S 600
#define TOKEN_MAX_S (INT64_C(1) << 32)
#define TOKEN_DEFAULT_S 3600

static void put_ref(struct req *q, struct json *bound, const char *claim, str name, str uid)
{
    struct json v = json_object();

    json_setz(q->a, &v, "name", json_string(arena_dup(q->a, name)));
    if (uid.n)
        json_setz(q->a, &v, "uid", json_string(arena_dup(q->a, uid)));
    json_setz(q->a, bound, claim, v);
}

/* A pod's token tells the node too. */
static struct err *bind_pod(struct req *q, const struct obj *pod, struct json *bound)
{
    const struct obj *node;
    str account, node_name;

    if (!packed_get(pod->fields, S("spec.serviceAccountName"), &account) ||
        !str_eq(account, q->route.name))
        return err_new(REASON_BAD_REQUEST,
                       "cannot bind token for serviceaccount \"" PRI_STR
                       "\" to pod running with different serviceaccount name.",
                       STR_ARG(q->route.name));
    if (!packed_get(pod->fields, S("spec.nodeName"), &node_name) || !node_name.n)
        return NULL;
    node = store_find(q->api->store, kind_key(api_core(q->api, "nodes"), S(""), node_name));
    put_ref(q, bound, "node", node_name, node ? node->uid : S(""));
    return NULL;
}

static struct err *bind_object(struct req *q, const struct json *ref, struct json *bound)
{
    static const struct {
        const char *kind, *plural, *claim;
        bool namespaced;
    } kinds[] = {{"Pod", "pods", "pod", true},
                 {"Secret", "secrets", "secret", true},
                 {"Node", "nodes", "node", false}};
    str kind = json_get_str(ref, "kind"), version = json_get_str(ref, "apiVersion"),
        name = json_get_str(ref, "name"), uid = json_get_str(ref, "uid");
    size_t i = 0;
    const struct kind *k;
    const struct obj *o;
    struct err *e;

    while (i < ARRAY_LEN(kinds) && !(str_is(kind, kinds[i].kind) && !str_has_char(version, '/')))
        i++;
    if (i == ARRAY_LEN(kinds)) {
        str group = version, number;

        str_cut(&group, '/', &number);
        return err_new(REASON_BAD_REQUEST,
                       "cannot bind token to object of type " PRI_STR "/" PRI_STR ", Kind=" PRI_STR,
                       STR_ARG(group.p ? number : S("")), STR_ARG(group.p ? group : number),
                       STR_ARG(kind));
    }
    if (!name.n) /* apiserver/pkg/registry/generic/registry/store.go, NamespaceKeyFunc() */
        return err_new(REASON_BAD_REQUEST, "Name parameter required.");
    k = api_core(q->api, kinds[i].plural);
    o = store_find(q->api->store, kind_key(k, kinds[i].namespaced ? q->route.ns : S(""), name));
    if (!o)
        return err_not_found(k, name);
    if (i == 0) {
        e = bind_pod(q, o, bound);
        if (e)
            return e;
    }
    if (uid.n && !str_eq(uid, o->uid))
        return err_details(err_new(REASON_CONFLICT,
                                   "Operation cannot be fulfilled on " PRI_STR " \"" PRI_STR
                                   "\": the UID in the bound object reference (" PRI_STR
                                   ") does not match the UID in record. The object might have "
                                   "been deleted and then recreated",
                                   STR_ARG(kind), STR_ARG(name), STR_ARG(uid)),
                           S(""), kind, name);
    put_ref(q, bound, kinds[i].claim, name, o->uid);
    return NULL;
}

/* A token request has managed fields like any other body, under its own kind. */
static struct err *track(struct req *q, const struct schema_type *t, struct json *obj)
{
    const struct resource r = {.group = S("authentication.k8s.io"),
                               .version = S("v1"),
                               .kind = S("TokenRequest"),
                               .type = t,
                               .namespaced = true};
    const struct apply_options o = {.manager = req_manager(q),
                                    .subresource = S("token"),
                                    .api_version = S("authentication.k8s.io/v1"),
                                    .now = loop_wall(q->api->loop)};
    struct json *spec = json_make(q->a, obj, "spec", JSON_OBJECT);

    json_removez(obj, "status");
    if (!json_findz(spec, "expirationSeconds"))
        json_setz(q->a, spec, "expirationSeconds", json_int(TOKEN_DEFAULT_S));
    return apply_track_update(q->a, &r, NULL, obj, &o);
}

static struct err *validate(int64_t seconds)
{
    struct err *errs = NULL;

    if (seconds < TOKEN_MIN_S)
        cause(&errs, CAUSE_INVALID, S("spec.expirationSeconds"),
              "Invalid value: %lld: may not specify a duration less than 10 minutes",
              (long long)seconds);
    if (seconds > TOKEN_MAX_S)
        cause(&errs, CAUSE_INVALID, S("spec.expirationSeconds"),
              "Invalid value: %lld: may not specify a duration larger than 2^32 seconds",
              (long long)seconds);
    return err_invalid(errs, S("authentication.k8s.io"), S("TokenRequest"), S(""));
}

static void fill_metadata(struct req *q, struct json *obj, str uid)
{
    struct json *meta = meta_of(q->a, obj);

    json_setz(q->a, meta, "name", json_string(q->route.name));
    json_setz(q->a, meta, "namespace", json_string(q->route.ns));
    json_setz(q->a, meta, "uid", json_string(uid));
    json_setz(q->a, meta, "creationTimestamp",
              json_string(now_text(q->a, loop_wall(q->api->loop))));
}

static int64_t shorten(struct req *q, struct json *spec)
{
    int64_t seconds = json_get_int(spec, "expirationSeconds", TOKEN_DEFAULT_S),
            max_s = q->api->o.token_max_expiration_ns / NS_PER_S;

    if (max_s && seconds > max_s) {
        req_warn(q,
                 arena_fmt(q->a, "requested expiration of %lld seconds shortened to %lld seconds",
                           (long long)seconds, (long long)max_s));
        seconds = max_s;
    }
    json_setz(q->a, spec, "expirationSeconds", json_int(seconds));
    return seconds;
}

/* What the body says of itself must be what the URL says. */
static struct err *check_names(struct req *q, const struct json *obj)
{
    str ns = meta_str(obj, "namespace"), name = meta_str(obj, "name");
    struct err *errs = NULL;

    if (ns.n && !str_eq(ns, q->route.ns))
        return err_other_namespace();
    if (!name.n || str_eq(name, q->route.name))
        return NULL;
    cause(&errs, CAUSE_INVALID, S("metadata.name"),
          "Invalid value: \"" PRI_STR "\": must match the service account name if specified",
          STR_ARG(name));
    return err_invalid(errs, S("authentication.k8s.io"), S("TokenRequest"), q->route.name);
}

/* Of an account that was deleted and made again, perhaps. */
static struct err *check_uid(struct req *q, const struct json *obj, str uid)
{
    str said = meta_str(obj, "uid");

    if (!said.n || str_eq(said, uid))
        return NULL;
    return err_details(
        err_new(REASON_CONFLICT,
                "Operation cannot be fulfilled on TokenRequest.authentication.k8s.io \"" PRI_STR
                "\": the UID in the token request (" PRI_STR
                ") does not match the UID of the service account (" PRI_STR ")",
                STR_ARG(q->route.name), STR_ARG(said), STR_ARG(uid)),
        S("authentication.k8s.io"), S("TokenRequest"), q->route.name);
}

static struct err *answer(struct req *q, const struct schema_type *t, struct json *obj)
{
    struct json *spec = json_make(q->a, obj, "spec", JSON_OBJECT), status = json_object(),
                bound = json_object(), *ref = json_findz(spec, "boundObjectRef");
    const struct obj *account;
    int64_t seconds, now_ns = loop_wall(q->api->loop).ns;
    str uid, text, id;
    struct err *e;

    account = store_find(q->api->store, kind_key(q->route.kind, q->route.ns, q->route.name));
    if (!account)
        return err_not_found(q->route.kind, q->route.name);
    uid = arena_dup(q->a, account->uid);
    e = check_uid(q, obj, uid);
    if (e)
        return e;
    e = validate(json_get_int(spec, "expirationSeconds", TOKEN_DEFAULT_S));
    if (e)
        return e;
    if (json_is(ref, JSON_OBJECT)) {
        e = bind_object(q, ref, &bound);
        if (e)
            return e;
    }
    fill_metadata(q, obj, uid);
    spec = json_make(q->a, obj, "spec", JSON_OBJECT);
    if (!json_count(json_findz(spec, "audiences")))
        json_setz(q->a, spec, "audiences", authn_audiences(q->api, q->a));
    seconds = shorten(q, spec);
    e = token_issue(q->api, q->a, q->route.ns, q->route.name, uid, json_findz(spec, "audiences"),
                    &bound, seconds, &text, &id);
    if (e)
        return e;
    audit_note(q, S("authentication.kubernetes.io/issued-credential-id"),
               arena_fmt(q->a, "JTI=" PRI_STR, STR_ARG(id)));
    json_setz(q->a, &status, "token", json_string(text));
    json_setz(q->a, &status, "expirationTimestamp",
              json_string(now_text(q->a, (wall_time){now_ns + seconds * NS_PER_S})));
    json_setz(q->a, obj, "status", status);
    return schema_decode(q->a, t, obj, NULL);
}

static const struct schema_type *type_of_request(void)
{
    return schema_find_gvk(S("authentication.k8s.io"), S("v1"), S("TokenRequest"));
}

struct asked {
    struct req *q;
    struct json *obj;
};

static void admitted(void *ctx)
{
    struct asked *x = ctx;
    struct err *e = answer(x->q, type_of_request(), x->obj);

    if (e)
        reply_error(x->q, e);
    else
        reply_tree(x->q, 201, type_of_request(), x->obj);
}

static void run(struct req *q)
{
    const struct schema_type *type = type_of_request();
    struct asked *x = ARENA_NEW(q->a, struct asked);
    struct attributes t;
    struct err *e;

    x->q = q;
    e = write_options_parse(q, "CreateOptions");
    if (!e)
        e = body_decode(q, NULL, type, S("authentication.k8s.io"), S("v1"), S("TokenRequest"),
                        &x->obj);
    if (!e)
        e = check_names(q, x->obj);
    if (!e)
        e = node_restriction_token(q, json_findz(x->obj, "spec"));
    if (!e)
        e = track(q, type, x->obj);
    if (e) {
        reply_error(q, e);
        return;
    }
    t = (struct attributes){.req = q,
                            .a = q->a,
                            .kind = q->route.kind,
                            .ns = q->route.ns,
                            .name = q->route.name,
                            .subresource = S("token"),
                            .op = ADMIT_CREATE,
                            .type = type,
                            .group = S("authentication.k8s.io"),
                            .version = S("v1"),
                            .kind_name = S("TokenRequest"),
                            .obj = x->obj,
                            .dry_run = q->wo.dry_run};
    dynamic_admit_then(&t, admitted, x);
}

/* ---- the first moments of a new cluster: its key is being made ---- */

struct waiting {
    struct list link;
    struct req *q;
};

static void gone(void *user, struct http_exchange *ex)
{
    struct waiting *w = user;

    list_del(&w->link);
    http_end(ex);
}

void subresource_token(struct req *q)
{
    struct waiting *w;

    if (authn_key_pem(q->api).n || q->api->closing) {
        run(q);
        return;
    }
    w = ARENA_NEW(q->a, struct waiting);
    w->q = q;
    list_add_tail(&q->api->authn->awaiting_key, &w->link);
    q->ex->user = w;
    q->ex->on_gone = gone;
}

void token_requests_resume(struct api *api)
{
    struct list *all = &api->authn->awaiting_key;

    while (!list_is_empty(all)) {
        struct waiting *w = LIST_ITEM(all->next, struct waiting, link);

        list_del(&w->link);
        w->q->ex->on_gone = NULL;
        run(w->q);
    }
}
