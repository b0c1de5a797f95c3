/* token.c - Secrets of type kubernetes.io/service-account-token: fills them with a token, and
 * removes them with their account.
 *
 * The token is of the old form: it lives as long as the Secret, and the API server accepts it only
 * while the Secret holds it. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#token-controller
 */
#include "controllers/controllers_internal.h"
#include "wire/tls.h"

#define ANNOTATION_NAME "kubernetes.io/service-account.name"
#define ANNOTATION_UID "kubernetes.io/service-account.uid"
#define CLAIM "kubernetes.io/serviceaccount/"

static bool is_token(const struct obj *o)
{
    return str_is(client_text_find(o->data, "type"), "kubernetes.io/service-account-token");
}

/* true: it was different. */
static bool put_data(struct arena *a, struct json *secret, const char *name, str value)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *data = json_make(a, secret, "data", JSON_OBJECT);

    buf_base64(&b, value);
    if (str_eq(json_str(json_findz(data, name)), buf_view(&b)))
        return false;
    json_setz(a, data, name, json_string(arena_dup(a, buf_view(&b))));
    return true;
}

static struct err *make_token(struct reconcile *r, const struct obj *account, str *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json v = json_object();
    struct err *err;
    str key_id;

    json_setz(r->a, &v, "iss", json_z("kubernetes/serviceaccount"));
    json_setz(r->a, &v, CLAIM "namespace", json_string(r->ns));
    json_setz(r->a, &v, CLAIM "secret.name", json_string(r->name));
    json_setz(r->a, &v, CLAIM "service-account.name", json_string(account->key.name));
    json_setz(r->a, &v, CLAIM "service-account.uid", json_string(account->uid));
    json_setz(r->a, &v, "sub",
              json_string(arena_fmt(r->a, "system:serviceaccount:" PRI_STR ":" PRI_STR,
                                    STR_ARG(r->ns), STR_ARG(account->key.name))));
    json_encode(&b, &v);
    err = jwt_key_id(r->a, r->config->token_key_pem, &key_id);
    return err ? err : jwt_sign(r->a, r->config->token_key_pem, key_id, buf_view(&b), ret);
}

static void reconcile(struct reconcile *r)
{
    const struct obj *o = look_up(r, K_SECRETS, r->ns, r->name), *account;
    struct json *secret;
    struct err *err;
    bool changed;
    str uid, token;

    if (!o || !is_token(o))
        return;
    secret = tree_of(r->a, o);
    account =
        look_up(r, K_SERVICEACCOUNTS, r->ns, meta_get(secret, "annotations", S(ANNOTATION_NAME)));
    uid = meta_get(secret, "annotations", S(ANNOTATION_UID));
    if (!account || (uid.n && !str_eq(uid, account->uid))) {
        plan_delete(&r->plan, K_SECRETS, o)->flags = ACT_IGNORE_NOT_FOUND;
        return;
    }
    changed = meta_set(r->a, secret, "annotations", S(ANNOTATION_UID), account->uid);
    changed |= put_data(r->a, secret, "ca.crt", r->config->ca_pem);
    changed |= put_data(r->a, secret, "namespace", r->ns);
    if (!json_get_str(json_findz(secret, "data"), "token").n && r->config->token_key_pem.n) {
        err = make_token(r, account, &token);
        if (err) {
            log_warning("token", PRI_STR "/" PRI_STR ": %s", STR_ARG(r->ns), STR_ARG(r->name),
                        err_text(err));
            err_free(err);
            return;
        }
        changed |= put_data(r->a, secret, "token", token);
    }
    if (changed)
        plan_update(&r->plan, K_SECRETS, secret)->flags =
            ACT_IGNORE_CONFLICT | ACT_IGNORE_NOT_FOUND;
}

static bool wake_token(void *ctx, const struct obj *o)
{
    if (is_token(o))
        wake(ctx, o->key.ns, o->key.name);
    return true;
}

static void account_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (!obj || !prev)
        informer_each(controller_cache(c, K_SECRETS), (obj ? obj : prev)->key.ns, wake_token, c);
}

static const struct trigger triggers[] = {{K_SERVICEACCOUNTS, account_changed}};

const struct controller_type token_controller = {
    .name = "token",
    .component = "serviceaccount-token-controller",
    .primary = K_SECRETS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .parallel = 4,
};
