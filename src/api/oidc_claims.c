/* oidc_claims.c - what a token's claims come to: a user, or the reason why there is none.
 *
 * Source: k8s.io/apiserver/plugin/pkg/authenticator/token/oidc, AuthenticateToken. */
#include "api/oidc.h"

struct mapping { /* one token */
    const struct authn_config *c;
    const struct jwt_issuer *issuer;
    struct arena *a;
    struct loop *loop;
    const struct json *claims;
    struct cel_vars *vars; /* over the claims; NULL: no expression has needed them yet */
};

static struct err *refused(const char *fmt, ...) PRINTF(1, 2);
static struct err *refused(const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    return err_new(REASON_UNAUTHORIZED, "oidc: %s", buf_cstr(&b));
}

/* ---- expressions ---- */

static struct err *evaluate(struct cel_vars *vars, const struct cel_program *p, const char *what,
                            struct cel_value *ret)
{
    struct cel_result r = cel_eval(p, vars);

    if (!r.ok)
        return refused("error evaluating %s expression: expression '" PRI_STR
                       "' resulted in error: " PRI_STR,
                       what, STR_ARG(cel_program_text(p)), STR_ARG(r.error));
    *ret = r.value;
    return NULL;
}

static struct err *of_claims(struct mapping *m, const struct cel_program *p, const char *what,
                             struct cel_value *ret)
{
    if (!m->vars) {
        m->vars = cel_vars_new(m->a, m->c->claims_env);
        cel_vars_loop(m->vars, m->loop);
        cel_bind_json(m->vars, m->c->claims_var, m->claims);
    }
    return evaluate(m->vars, p, what, ret);
}

/* A string, a list of strings, or null; empty strings count as nothing. */
static struct err *strings_of(struct mapping *m, struct cel_value v, const char *what,
                              struct json *ret)
{
    struct json *tree = NULL;
    struct err *e = cel_to_json(m->a, v, &tree);
    bool ok =
        !e && (tree->type == JSON_STRING || tree->type == JSON_ARRAY || tree->type == JSON_NULL);

    err_free(e);
    *ret = json_array();
    if (ok && tree->type == JSON_STRING && tree->s.n)
        json_append(m->a, ret, *tree);
    if (ok && tree->type == JSON_ARRAY)
        JSON_EACH(item, tree) {
            ok &= item->type == JSON_STRING;
            if (ok && item->s.n)
                json_append(m->a, ret, *item);
        }
    return ok ? NULL
              : refused("error evaluating %s expression: expression must return a string or a "
                        "list of strings",
                        what);
}

static struct err *string_of(struct mapping *m, const struct cel_program *p, const char *what,
                             str *ret)
{
    struct cel_value v;
    struct err *e = of_claims(m, p, what, &v);

    if (e)
        return e;
    if (v.kind != CEL_STRING)
        return refused("error evaluating %s expression: %s expression must return a string", what,
                       what);
    *ret = cel_string_of(v);
    return NULL;
}

/* ---- claims ---- */

static struct err *string_claim(struct mapping *m, str name, const char *what, str *ret)
{
    const struct json *v = json_find(m->claims, name);

    if (!json_str(v).n && (!v || v->type == JSON_STRING))
        return refused("parse %s \"" PRI_STR "\": claim not present", what, STR_ARG(name));
    if (v->type != JSON_STRING)
        return refused("parse %s \"" PRI_STR "\": not a string", what, STR_ARG(name));
    *ret = v->s;
    return NULL;
}

static struct err *user_name(struct mapping *m, str *ret)
{
    const struct jwt_mapping *u = &m->issuer->username;
    const struct json *verified;
    struct err *e;

    if (u->expression)
        return string_of(m, u->expression, "username claim", ret);
    e = string_claim(m, u->claim, "username claims", ret);
    if (e)
        return e;
    if (str_is(u->claim, "email")) {
        verified = json_findz(m->claims, "email_verified");
        if (verified && !(json_is(verified, JSON_BOOL) && verified->b))
            return refused("email not verified");
    }
    *ret = arena_fmt(m->a, PRI_STR PRI_STR, STR_ARG(u->prefix), STR_ARG(*ret));
    return NULL;
}

static void group_add(struct mapping *m, struct user *u, str group)
{
    user_group_add(
        m->a, u,
        arena_fmt(m->a, PRI_STR PRI_STR, STR_ARG(m->issuer->groups.prefix), STR_ARG(group)));
}

static struct err *user_groups(struct mapping *m, struct user *u)
{
    const struct jwt_mapping *g = &m->issuer->groups;
    const struct json *claim = g->claim.n ? json_find(m->claims, g->claim) : NULL;
    struct cel_value v;
    struct json list;
    struct err *e;

    if (json_is(claim, JSON_STRING))
        group_add(m, u, claim->s);
    JSON_EACH(one, claim) {
        if (!json_is(one, JSON_STRING))
            return refused("parse groups claim \"" PRI_STR "\": not a list of strings",
                           STR_ARG(g->claim));
        group_add(m, u, one->s);
    }
    if (!g->expression)
        return NULL;
    e = of_claims(m, g->expression, "group claim", &v);
    if (!e)
        e = strings_of(m, v, "group claim", &list);
    if (!e)
        JSON_EACH(one, &list)
            user_group_add(m->a, u, one->s);
    return e;
}

static struct err *user_uid(struct mapping *m, struct user *u)
{
    const struct jwt_mapping *uid = &m->issuer->uid;

    if (uid->claim.n)
        return string_claim(m, uid->claim, "uid claim", &u->uid);
    return uid->expression ? string_of(m, uid->expression, "uid claim", &u->uid) : NULL;
}

static struct err *user_extra(struct mapping *m, struct user *u)
{
    str jti = json_get_str(m->claims, "jti");

    if (jti.n)
        user_extra_add(m->a, u, S("authentication.kubernetes.io/credential-id"),
                       arena_fmt(m->a, "JTI=" PRI_STR, STR_ARG(jti)));
    for (size_t i = 0; i < m->issuer->n_extra; i++) {
        struct cel_value v;
        struct json list;
        struct err *e = of_claims(m, m->issuer->extra[i].value, "extra claim", &v);

        if (!e)
            e = strings_of(m, v, "extra claim", &list);
        if (e)
            return e;
        JSON_EACH(one, &list)
            user_extra_add(m->a, u, m->issuer->extra[i].key, one->s);
    }
    return NULL;
}

/* ---- rules ---- */

static struct err *rule_failed(const struct jwt_rule *r, const char *what)
{
    return refused("error evaluating %s: validation expression '" PRI_STR "' failed: " PRI_STR,
                   what, STR_ARG(cel_program_text(r->expression)), STR_ARG(r->message));
}

static struct err *claim_rules(struct mapping *m)
{
    for (size_t i = 0; i < m->issuer->n_rules; i++) {
        const struct jwt_rule *r = &m->issuer->rules[i];
        const struct json *got = r->claim.n ? json_find(m->claims, r->claim) : NULL;
        struct cel_value v;
        struct err *e;

        if (r->expression) {
            e = of_claims(m, r->expression, "claim validation", &v);
            if (e)
                return e;
            if (!cel_is_true(v))
                return rule_failed(r, "claim validation expression");
        } else if (!json_is(got, JSON_STRING)) {
            return refused("required claim " PRI_STR " not present in ID token", STR_ARG(r->claim));
        } else if (!str_eq(got->s, r->value)) {
            return refused("required claim " PRI_STR " value does not match. Got = " PRI_STR
                           ", want = " PRI_STR,
                           STR_ARG(r->claim), STR_ARG(got->s), STR_ARG(r->value));
        }
    }
    return NULL;
}

static struct json *user_tree(struct arena *a, const struct user *u)
{
    struct json *tree = json_new(a, json_object()), *groups, *extra;

    json_setz(a, tree, "username", json_string(u->name));
    json_setz(a, tree, "uid", json_string(u->uid.p ? u->uid : S("")));
    groups = json_make(a, tree, "groups", JSON_ARRAY);
    for (size_t i = 0; i < u->n_groups; i++)
        json_append(a, groups, json_string(u->groups[i]));
    extra = json_make(a, tree, "extra", JSON_OBJECT);
    for (size_t i = 0; i < u->n_extra; i++) {
        struct json values = json_array();

        for (size_t k = 0; k < u->extra[i].n_values; k++)
            json_append(a, &values, json_string(u->extra[i].values[k]));
        json_set(a, extra, u->extra[i].key, values);
    }
    return tree;
}

static struct err *user_rules(struct mapping *m, const struct user *u)
{
    struct cel_vars *vars;

    if (!m->issuer->n_user_rules)
        return NULL;
    vars = cel_vars_new(m->a, m->c->user_env);
    cel_vars_loop(vars, m->loop);
    cel_bind_json(vars, m->c->user_var, user_tree(m->a, u));
    for (size_t i = 0; i < m->issuer->n_user_rules; i++) {
        const struct jwt_rule *r = &m->issuer->user_rules[i];
        struct cel_value v;
        struct err *e = evaluate(vars, r->expression, "user info validation", &v);

        if (e)
            return e;
        if (!cel_is_true(v))
            return rule_failed(r, "user info validation rule");
    }
    return NULL;
}

struct err *oidc_user(const struct authn_config *c, const struct jwt_issuer *issuer,
                      struct loop *loop, struct arena *a, const struct json *claims,
                      struct user **ret)
{
    struct mapping m = {.c = c, .issuer = issuer, .a = a, .loop = loop, .claims = claims};
    struct user *u;
    str name = S("");
    struct err *e = user_name(&m, &name);

    if (e)
        return e;
    u = user_named(a, name);
    e = user_groups(&m, u);
    if (!e)
        e = user_uid(&m, u);
    if (!e)
        e = user_extra(&m, u);
    if (!e)
        e = claim_rules(&m);
    if (!e)
        e = user_rules(&m, u);
    if (!e)
        *ret = u;
    return e;
}
