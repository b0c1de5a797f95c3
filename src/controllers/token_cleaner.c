/* token_cleaner.c - removes bootstrap tokens that have expired.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
#include "controllers/controllers_internal.h"

bool bootstrap_token_is(const struct obj *o)
{
    return str_is(o->key.ns, "kube-system") &&
           str_is(client_text_find(o->data, "type"), "bootstrap.kubernetes.io/token");
}

str bootstrap_token_datum(struct arena *a, const struct json *secret, const char *name)
{
    str out;

    return base64_decode(a, json_str(json_findz(json_findz(secret, "data"), name)), &out) ? out
                                                                                          : S("");
}

bool bootstrap_token_expired(struct arena *a, const struct json *secret, wall_time now,
                             int64_t *ret_left_ns)
{
    str text = bootstrap_token_datum(a, secret, "expiration");
    wall_time end;

    *ret_left_ns = 0;
    if (!text.n)
        return false;
    if (!rfc3339_parse(text, &end) || end.ns <= now.ns)
        return true;
    *ret_left_ns = end.ns - now.ns;
    return false;
}

static void reconcile(struct reconcile *r)
{
    const struct obj *o = look_up(r, K_SECRETS, r->ns, r->name);
    int64_t left_ns;

    if (!o || !bootstrap_token_is(o))
        return;
    if (bootstrap_token_expired(r->a, tree_of(r->a, o), r->now, &left_ns))
        plan_delete(&r->plan, K_SECRETS, o)->flags = ACT_IGNORE_NOT_FOUND;
    else if (left_ns)
        plan_requeue(&r->plan, left_ns);
}

const struct controller_type token_cleaner_controller = {
    .name = "token-cleaner",
    .component = "token-cleaner",
    .primary = K_SECRETS,
    .reconcile = reconcile,
    .parallel = 4,
};
