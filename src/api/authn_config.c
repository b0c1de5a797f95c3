/* authn_config.c - AuthenticationConfiguration: reads it and finds everything that is wrong with it.
 *
 * Not here: tokens (oidc.c), what their claims come to (oidc_claims.c).
 * Source: k8s.io/apiserver/pkg/apis/apiserver/validation. API:
 * https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#AuthenticationConfiguration */
#include "api/authn_config.h"
#include "api/config_form.h"
#include "api/validation/check.h"

#define ISSUERS_MAX 64
#define ALGS_DEFAULT "RS256,RS384,RS512,ES256,ES384,ES512,PS256,PS384,PS512"

/* ---- the form ---- */

static const struct form issuer_form[] = {{"url", 's', NULL},
                                          {"discoveryURL", 's', NULL},
                                          {"certificateAuthority", 's', NULL},
                                          {"audiences", 'S', NULL},
                                          {"audienceMatchPolicy", 's', NULL},
                                          {"egressSelectorType", 's', NULL},
                                          FORM_END};
static const struct form rule_form[] = {{"claim", 's', NULL},
                                        {"requiredValue", 's', NULL},
                                        {"expression", 's', NULL},
                                        {"message", 's', NULL},
                                        FORM_END};
static const struct form user_rule_form[] = {
    {"expression", 's', NULL}, {"message", 's', NULL}, FORM_END};
static const struct form prefixed_form[] = {
    {"claim", 's', NULL}, {"prefix", 's', NULL}, {"expression", 's', NULL}, FORM_END};
static const struct form uid_form[] = {{"claim", 's', NULL}, {"expression", 's', NULL}, FORM_END};
static const struct form extra_form[] = {
    {"key", 's', NULL}, {"valueExpression", 's', NULL}, FORM_END};
static const struct form mappings_form[] = {{"username", 'o', prefixed_form},
                                            {"groups", 'o', prefixed_form},
                                            {"uid", 'o', uid_form},
                                            {"extra", 'l', extra_form},
                                            FORM_END};
static const struct form jwt_form[] = {{"issuer", 'o', issuer_form},
                                       {"claimValidationRules", 'l', rule_form},
                                       {"claimMappings", 'o', mappings_form},
                                       {"userValidationRules", 'l', user_rule_form},
                                       FORM_END};
static const struct form condition_form[] = {{"path", 's', NULL}, FORM_END};
static const struct form anonymous_form[] = {
    {"enabled", 'b', NULL}, {"conditions", 'l', condition_form}, FORM_END};
static const struct form config_form[] = {{"apiVersion", 's', NULL},
                                          {"kind", 's', NULL},
                                          {"jwt", 'l', jwt_form},
                                          {"anonymous", 'o', anonymous_form},
                                          FORM_END};

/* ---- the rules ---- */

struct reading {
    struct authn_config *c;
    struct check check;
    const struct json *disallowed;
    bool uses_email, uses_verified; /* of the issuer being read */
};

static void check_url(struct reading *r, const struct at *at, str url,
                      const struct json *disallowed)
{
    struct json v = json_string(url);
    str rest = url, authority;
    CLEANUP(buf) struct buf own = BUF_INIT;
    bool overlaps = false;

    JSON_EACH(d, disallowed) {
        overlaps |= str_eq(json_str(d), url);
        buf_fmt(&own, "%s" PRI_STR, own.n ? " " : "", STR_ARG(json_str(d)));
    }
    if (overlaps)
        bad_invalid(&r->check, at, v, "URL must not overlap with disallowed issuers: [%s]",
                    buf_cstr(&own));
    if (!str_has_prefix(url, S("https://")))
        bad_invalid(&r->check, at, v, "URL scheme must be https");
    if (str_find(url, S("://")) >= 0)
        rest = str_skip(url, (size_t)str_find(url, S("://")) + 3);
    authority = rest;
    for (size_t i = 0; i < rest.n; i++)
        if (strchr("/?#", rest.p[i])) {
            authority = str_slice(rest, 0, i);
            break;
        }
    if (str_has_char(authority, '@'))
        bad_invalid(&r->check, at, v, "URL must not contain a username or password");
    str_cut(&rest, '#', &authority); /* what is before the fragment */
    if (str_has_char(authority, '?') && authority.p[authority.n - 1] != '?')
        bad_invalid(&r->check, at, v, "URL must not contain a query");
    if (rest.n)
        bad_invalid(&r->check, at, v, "URL must not contain a fragment");
}

static str without_slashes(str url)
{
    while (url.n && url.p[url.n - 1] == '/')
        url.n--;
    return url;
}

static int compare_strings(const void *x, const void *y)
{
    return str_cmp(((const struct json *)x)->s, ((const struct json *)y)->s);
}

static void read_audiences(struct reading *r, const struct at *at, const struct json *issuer,
                           struct jwt_issuer *ret)
{
    const struct at *place = AT(at, "audiences"), *policy_at = AT(at, "audienceMatchPolicy");
    str policy = json_get_str(issuer, "audienceMatchPolicy");
    bool any = str_is(policy, "MatchAny");
    int64_t i = 0;

    ret->audiences = json_array();
    JSON_EACH(one, field(issuer, "audiences")) {
        const struct at *here = AT_INDEX(place, i++);
        bool twice = false;

        if (!json_str(one).n)
            bad_required(&r->check, here, "");
        JSON_EACH(other, &ret->audiences)
            twice |= str_eq(json_str(other), json_str(one));
        if (twice)
            bad_duplicate(&r->check, here, *one, "");
        json_append(r->c->a, &ret->audiences, *one);
    }
    if (!i) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        buf_place(&b, place);
        bad_required(
            &r->check, place,
            arena_dupz(r->c->a, arena_fmt(r->c->a, "at least one %s is required", buf_cstr(&b))));
        return;
    }
    if (i > 1 && !any)
        bad_invalid(&r->check, policy_at, json_string(policy),
                    "audienceMatchPolicy must be MatchAny for multiple audiences");
    if (i == 1 && policy.n && !any)
        bad_invalid(&r->check, policy_at, json_string(policy),
                    "audienceMatchPolicy must be empty or MatchAny for single audience");
    qsort(ret->audiences.items, ret->audiences.n, sizeof *ret->audiences.items, compare_strings);
}

static void read_issuer(struct reading *r, const struct at *at, const struct json *issuer,
                        struct jwt_issuer *ret)
{
    str egress = json_get_str(issuer, "egressSelectorType");

    ret->url = json_get_str(issuer, "url");
    ret->discovery_url = json_get_str(issuer, "discoveryURL");
    ret->ca_pem = json_get_str(issuer, "certificateAuthority");
    ret->algs = S(ALGS_DEFAULT);
    if (!ret->url.n)
        bad_required(&r->check, AT(at, "url"), "");
    else
        check_url(r, AT(at, "url"), ret->url, r->disallowed);
    if (ret->discovery_url.n) {
        if (ret->url.n && str_eq(without_slashes(ret->url), without_slashes(ret->discovery_url)))
            bad_invalid(&r->check, AT(at, "discoveryURL"), json_string(ret->discovery_url),
                        "discoveryURL must be different from URL");
        check_url(r, AT(at, "discoveryURL"), ret->discovery_url, NULL);
    }
    read_audiences(r, at, issuer, ret);
    if (ret->ca_pem.n) {
        struct tls_client *tls = NULL;
        struct err *e = tls_client_new(&(struct tls_client_options){.ca_pem = ret->ca_pem}, &tls);

        tls_client_free(tls);
        if (e)
            bad_invalid_text(&r->check, AT(at, "certificateAuthority"), S("\"<omitted>\""),
                             "data does not contain any valid RSA or ECDSA certificates");
        err_free(e);
    }
    /* There is no --egress-selector-config-file to select from. */
    if (egress.n)
        bad_invalid(&r->check, AT(at, "egressSelectorType"), json_string(egress),
                    "egress selector is not supported");
}

/* NULL: it does not compile, and that has been said. */
static const struct cel_program *compile(struct reading *r, const struct at *at, str text,
                                         bool user, const struct cel_type *want)
{
    const struct cel_program *p = NULL;
    struct err *e = cel_compile(user ? r->c->user_env : r->c->claims_env, text, want, &p);

    if (!e)
        return p;
    bad_invalid(&r->check, at, json_string(text), "%s", err_text(e));
    err_free(e);
    return NULL;
}

static void note_verified(struct reading *r, const struct cel_program *p)
{
    r->uses_verified |= p && cel_program_selects(p, r->c->claims_var, S("email_verified"));
}

static void read_rule(struct reading *r, const struct at *at, const struct json *list, uint32_t i,
                      struct jwt_issuer *ret)
{
    const struct json *v = json_item(list, i);
    struct jwt_rule rule = {.claim = json_get_str(v, "claim"),
                            .value = json_get_str(v, "requiredValue"),
                            .message = json_get_str(v, "message")};
    str text = json_get_str(v, "expression");

    if (rule.claim.n && text.n) {
        bad_invalid(&r->check, at, json_string(rule.claim),
                    "claim and expression can't both be set");
    } else if (!rule.claim.n && !text.n) {
        bad_required(&r->check, at, "claim or expression is required");
    } else if (rule.claim.n) {
        if (rule.message.n)
            bad_invalid(&r->check, AT(at, "message"), json_string(rule.message),
                        "may not be specified when claim is set");
        if (config_form_repeats(list, i, "claim"))
            bad_duplicate(&r->check, AT(at, "claim"), json_string(rule.claim), "");
    } else {
        if (rule.value.n)
            bad_invalid(&r->check, AT(at, "requiredValue"), json_string(rule.value),
                        "may not be specified when expression is set");
        if (config_form_repeats(list, i, "expression")) {
            bad_duplicate(&r->check, AT(at, "expression"), json_string(text), "");
            return;
        }
        rule.expression = compile(r, AT(at, "expression"), text, false, cel_bool);
        note_verified(r, rule.expression);
    }
    ret->rules[ret->n_rules++] = rule;
}

static void read_mapping(struct reading *r, const struct at *at, const struct json *v, bool needed,
                         struct jwt_mapping *ret)
{
    str text = json_get_str(v, "expression");

    ret->claim = json_get_str(v, "claim");
    ret->prefix = json_get_str(v, "prefix");
    if (text.n && ret->claim.n) {
        bad_invalid(&r->check, at, json_string(S("")), "claim and expression can't both be set");
    } else if (text.n) {
        if (field(v, "prefix"))
            bad_invalid(&r->check, AT(at, "prefix"), *field(v, "prefix"),
                        "may not be specified when expression is set");
        ret->expression = compile(r, AT(at, "expression"), text, false, NULL);
    } else if (ret->claim.n && !field(v, "prefix")) {
        bad_required(&r->check, AT(at, "prefix"),
                     "prefix is required when claim is set. It can be set to an empty string to "
                     "disable prefixing");
    } else if (!ret->claim.n && needed) {
        bad_required(&r->check, at, "claim or expression is required");
    }
}

static bool is_kubernetes_domain(str key)
{
    str domain;

    if (!str_has_char(key, '/'))
        return false;
    str_cut(&key, '/', &domain);
    return str_is(domain, "kubernetes.io") || str_has_suffix(domain, S(".kubernetes.io")) ||
           str_is(domain, "k8s.io") || str_has_suffix(domain, S(".k8s.io"));
}

static void read_extra(struct reading *r, const struct at *at, const struct json *list, uint32_t i,
                       struct jwt_issuer *ret)
{
    const struct json *v = json_item(list, i);
    str key = json_get_str(v, "key"), text = json_get_str(v, "valueExpression");
    const struct at *key_at = AT(at, "key");
    const struct cel_program *p;
    bool upper = false;

    for (size_t k = 0; k < key.n; k++)
        upper |= key.p[k] >= 'A' && key.p[k] <= 'Z';
    check_domain_path(&r->check, key_at, key);
    if (upper)
        bad_invalid(&r->check, key_at, json_string(key), "must be lowercase");
    if (is_kubernetes_domain(key))
        bad_invalid(&r->check, key_at, json_string(key),
                    "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use");
    if (config_form_repeats(list, i, "key")) {
        bad_duplicate(&r->check, key_at, json_string(key), "");
        return;
    }
    if (!text.n) {
        bad_required(&r->check, AT(at, "valueExpression"), "");
        return;
    }
    p = compile(r, AT(at, "valueExpression"), text, false, NULL);
    note_verified(r, p);
    ret->extra[ret->n_extra++] = (struct jwt_extra){key, p};
}

static void read_mappings(struct reading *r, const struct at *at, const struct json *v,
                          struct jwt_issuer *ret)
{
    const struct json *uid = field(v, "uid"), *extra = field(v, "extra"),
                      *name = field(v, "username");
    str text = json_get_str(uid, "expression");
    unsigned before = check_count(&r->check);

    read_mapping(r, AT(at, "username"), name, true, &ret->username);
    if (check_count(&r->check) == before && ret->username.expression) {
        r->uses_email = cel_program_selects(ret->username.expression, r->c->claims_var, S("email"));
        note_verified(r, ret->username.expression);
    }
    read_mapping(r, AT(at, "groups"), field(v, "groups"), false, &ret->groups);
    ret->uid.claim = json_get_str(uid, "claim");
    if (ret->uid.claim.n && text.n)
        bad_invalid(&r->check, AT(at, "uid"), json_string(S("")),
                    "claim and expression can't both be set");
    else if (text.n)
        ret->uid.expression = compile(r, AT(AT(at, "uid"), "expression"), text, false, NULL);
    ret->extra = ARENA_NEW_N(r->c->a, struct jwt_extra, json_count(extra) + 1);
    for (uint32_t i = 0; i < json_count(extra); i++)
        read_extra(r, AT_INDEX(AT(at, "extra"), i), extra, i, ret);
    if (r->uses_email && !r->uses_verified)
        bad_invalid(&r->check, AT(AT(at, "username"), "expression"),
                    json_string(json_get_str(name, "expression")),
                    "claims.email_verified must be used in claimMappings.username.expression or "
                    "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression "
                    "when claims.email is used in claimMappings.username.expression");
}

static void read_user_rule(struct reading *r, const struct at *at, const struct json *list,
                           uint32_t i, struct jwt_issuer *ret)
{
    const struct json *v = json_item(list, i);
    struct jwt_rule rule = {.message = json_get_str(v, "message")};
    str text = json_get_str(v, "expression");
    const struct at *place = AT(at, "expression");

    if (!text.n) {
        bad_required(&r->check, place, "");
    } else if (config_form_repeats(list, i, "expression")) {
        bad_duplicate(&r->check, place, json_string(text), "");
    } else {
        rule.expression = compile(r, place, text, true, cel_bool);
        ret->user_rules[ret->n_user_rules++] = rule;
    }
}

static void read_jwt(struct reading *r, const struct at *at, const struct json *list, uint32_t i)
{
    const struct json *v = json_item(list, i), *rules = field(v, "claimValidationRules"),
                      *user_rules = field(v, "userValidationRules");
    struct jwt_issuer *ret = &r->c->issuers[i];
    const struct at *issuer_at = AT(at, "issuer");

    r->uses_email = r->uses_verified = false;
    read_issuer(r, issuer_at, field(v, "issuer"), ret);
    ret->rules = ARENA_NEW_N(r->c->a, struct jwt_rule, json_count(rules) + 1);
    for (uint32_t k = 0; k < json_count(rules); k++)
        read_rule(r, AT_INDEX(AT(at, "claimValidationRules"), k), rules, k, ret);
    read_mappings(r, AT(at, "claimMappings"), field(v, "claimMappings"), ret);
    ret->user_rules = ARENA_NEW_N(r->c->a, struct jwt_rule, json_count(user_rules) + 1);
    for (uint32_t k = 0; k < json_count(user_rules); k++)
        read_user_rule(r, AT_INDEX(AT(at, "userValidationRules"), k), user_rules, k, ret);
    for (uint32_t k = 0; k < i; k++) {
        const struct jwt_issuer *other = &r->c->issuers[k];

        if (str_eq(other->url, ret->url))
            bad_duplicate(&r->check, AT(issuer_at, "url"), json_string(ret->url), "");
        if (ret->discovery_url.n && str_eq(other->discovery_url, ret->discovery_url))
            bad_duplicate(&r->check, AT(issuer_at, "discoveryURL"), json_string(ret->discovery_url),
                          "");
    }
}

static void read_anonymous(struct reading *r, const struct json *v)
{
    const struct json *conditions = field(v, "conditions");

    r->c->has_anonymous = v != NULL;
    r->c->anonymous = json_get_bool(v, "enabled", false);
    r->c->anonymous_paths = json_array();
    JSON_EACH(c, conditions)
        json_append(r->c->a, &r->c->anonymous_paths, json_string(json_get_str(c, "path")));
    if (v && !r->c->anonymous && json_count(conditions))
        bad_invalid(&r->check, AT(AT(NULL, "anonymous"), "conditions"), *conditions,
                    "enabled should be set to true when conditions are defined");
}

static void environments_make(struct authn_config *c)
{
    struct cel_env *u = c->user_env = cel_env_new(CEL_RULES);
    const struct cel_type *strings = cel_list_of(u, cel_string);
    const struct cel_field fields[] = {{STR("username"), cel_string},
                                       {STR("uid"), cel_string},
                                       {STR("groups"), strings},
                                       {STR("extra"), cel_map_of(u, cel_string, strings)}};

    c->claims_env = cel_env_new(CEL_RULES);
    c->claims_var =
        cel_declare(c->claims_env, S("claims"), cel_map_of(c->claims_env, cel_string, cel_dyn));
    c->user_var = cel_declare(
        u, S("user"), cel_object_of(u, S("kubernetes.UserInfo"), fields, ARRAY_LEN(fields)));
}

static struct err *config_read(struct authn_config *c, const struct json *tree,
                               const struct json *disallowed)
{
    const struct json *list = field(tree, "jwt");
    struct err *errs = NULL;
    struct reading r = {.c = c, .check = {.a = c->a, .errs = &errs}, .disallowed = disallowed};

    environments_make(c);
    if (json_count(list) > ISSUERS_MAX) {
        bad_too_many(&r.check, AT(NULL, "jwt"), json_count(list), ISSUERS_MAX);
    } else {
        c->n = json_count(list);
        c->issuers = ARENA_NEW_N(c->a, struct jwt_issuer, c->n + 1);
        for (uint32_t i = 0; i < c->n; i++)
            read_jwt(&r, AT_INDEX(AT(NULL, "jwt"), i), list, i);
        read_anonymous(&r, field(tree, "anonymous"));
    }
    return config_form_aggregate(errs);
}

struct err *authn_config_parse(str yaml, const struct json *disallowed, struct authn_config **ret)
{
    struct authn_config *c = NEW(struct authn_config);
    struct json *tree = NULL;
    struct err *e;

    c->a = arena_new();
    e = config_form_read(c->a, yaml, "AuthenticationConfiguration", config_form, &tree);
    if (!e)
        e = config_read(c, tree, disallowed);
    if (e) {
        authn_config_free(c);
        return e;
    }
    *ret = c;
    return NULL;
}

/* The flags as Kubernetes reads them: k8s.io/kubernetes/pkg/kubeapiserver/options, ToAuthenticationConfig. */
static struct json flags_tree(struct arena *a, const struct oidc_options *o)
{
    struct json tree = json_object(), jwt = json_array(), one = json_object();
    str claim = o->username_claim.n ? o->username_claim : S("sub"), prefix = S(""),
        lines = o->required_claims, line;
    struct json *rules = json_make(a, &one, "claimValidationRules", JSON_ARRAY), *m;

    /* A name from elsewhere must not be taken for one of the cluster's; addresses speak for themselves. */
    if (o->has_username_prefix)
        prefix = str_is(o->username_prefix, "-") ? S("") : o->username_prefix;
    else if (!str_is(claim, "email"))
        prefix = arena_fmt(a, PRI_STR "#", STR_ARG(o->issuer_url));
    while (lines.n && str_cut(&lines, '\n', &line)) {
        struct json rule = json_object();
        str value = line, key;

        str_cut(&value, '=', &key);
        json_setz(a, &rule, "claim", json_string(key));
        json_setz(a, &rule, "requiredValue", json_string(value.p ? value : S("")));
        json_append(a, rules, rule);
    }
    m = json_make(a, &one, "issuer", JSON_OBJECT);
    json_setz(a, m, "url", json_string(o->issuer_url));
    json_setz(a, m, "certificateAuthority", json_string(o->ca_pem));
    json_append(a, json_make(a, m, "audiences", JSON_ARRAY), json_string(o->client_id));
    m = json_make(a, &one, "claimMappings.username", JSON_OBJECT);
    json_setz(a, m, "claim", json_string(claim));
    json_setz(a, m, "prefix", json_string(prefix));
    if (o->groups_claim.n) {
        m = json_make(a, &one, "claimMappings.groups", JSON_OBJECT);
        json_setz(a, m, "claim", json_string(o->groups_claim));
        json_setz(a, m, "prefix", json_string(o->groups_prefix));
    }
    json_append(a, &jwt, one);
    json_setz(a, &tree, "jwt", jwt);
    return tree;
}

struct err *authn_config_of_flags(const struct oidc_options *o, const struct json *disallowed,
                                  struct authn_config **ret)
{
    struct authn_config *c = NEW(struct authn_config);
    struct json tree;
    struct err *e;

    c->a = arena_new();
    tree = flags_tree(c->a, o);
    e = config_read(c, &tree, disallowed);
    if (e) {
        authn_config_free(c);
        return e;
    }
    c->issuers[0].algs = o->signing_algs.n ? o->signing_algs : S("RS256");
    *ret = c;
    return NULL;
}

void authn_config_free(struct authn_config *c)
{
    if (!c)
        return;
    if (c->claims_env)
        cel_env_free(c->claims_env);
    if (c->user_env)
        cel_env_free(c->user_env);
    arena_free(c->a);
    mem_free(c);
}
