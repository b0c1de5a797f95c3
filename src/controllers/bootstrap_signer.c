/* bootstrap_signer.c - signs the ConfigMap kube-public/cluster-info with each bootstrap token that may
 * sign, so that a machine that knows the token can tell the right cluster from a wrong one.
 *
 * A signature is a detached JSON Web Signature (HS256) of data.kubeconfig under the key
 * jws-kubeconfig-ID. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#configmap-signing */
#include "controllers/controllers_internal.h"
#include "wire/tls.h"

#define NAME "cluster-info"
#define SIGNATURE "jws-kubeconfig-"

struct signing {
    struct reconcile *r;
    str kubeconfig;
    struct json wanted; /* key -> signature */
};

static bool sign(void *ctx, const struct obj *o)
{
    struct signing *s = ctx;
    struct arena *a = s->r->a;
    const struct json *secret;
    int64_t left_ns;
    str id;

    if (!bootstrap_token_is(o))
        return true;
    secret = tree_of(a, o);
    id = bootstrap_token_datum(a, secret, "token-id");
    if (!str_eq(o->key.name, arena_fmt(a, "bootstrap-token-" PRI_STR, STR_ARG(id))) ||
        !str_is(bootstrap_token_datum(a, secret, "usage-bootstrap-signing"), "true") ||
        bootstrap_token_expired(a, secret, s->r->now, &left_ns))
        return true;
    if (left_ns)
        plan_requeue(&s->r->plan, left_ns);
    json_set(a, &s->wanted, arena_fmt(a, SIGNATURE PRI_STR, STR_ARG(id)),
             json_string(jws_detached(a, bootstrap_token_datum(a, secret, "token-secret"), id,
                                      s->kubeconfig)));
    return true;
}

static void reconcile(struct reconcile *r)
{
    struct json *map, *data, next = json_object();
    struct signing s = {.r = r, .wanted = json_object()};

    if (!str_is(r->ns, "kube-public") || !str_is(r->name, NAME))
        return;
    map = look_tree(r, K_CONFIGMAPS, r->ns, r->name);
    data = json_findz(map, "data");
    s.kubeconfig = json_str(json_findz(data, "kubeconfig"));
    if (!s.kubeconfig.n)
        return;
    informer_each(r->caches[K_SECRETS], S("kube-system"), sign, &s);
    JSON_EACH_MEMBER(m, data)
        if (!str_has_prefix(m->key, S(SIGNATURE)))
            json_set(r->a, &next, m->key, m->value);
    JSON_EACH_MEMBER(m, &s.wanted)
        json_set(r->a, &next, m->key, m->value);
    if (json_equal(&next, data))
        return;
    json_setz(r->a, map, "data", next);
    plan_update(&r->plan, K_CONFIGMAPS, map)->flags = ACT_IGNORE_CONFLICT | ACT_IGNORE_NOT_FOUND;
}

static void token_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (bootstrap_token_is(obj ? obj : prev))
        wake(c, S("kube-public"), S(NAME));
}

static const struct trigger triggers[] = {{K_SECRETS, token_changed}};

const struct controller_type bootstrap_signer_controller = {
    .name = "bootstrap-signer",
    .component = "bootstrap-signer",
    .primary = K_CONFIGMAPS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .parallel = 1,
};
