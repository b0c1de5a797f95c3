/* oidc_test.c - ID tokens of a provider that lives in the same virtual world: good ones, and every
 * kind of bad one. */
#include "api/authn_config.h"
#include "test/api/world.h"
#include "wire/json.h"

#define ISSUER "https://127.0.0.1:8443"
#define OTHER "https://issuer.example.test"
#define SELF "/apis/authentication.k8s.io/v1/selfsubjectreviews"

struct provider {
    struct tls_server *tls;
    struct http_server *server;
    struct buf ca, key[3]; /* EC, RSA, and one that it never publishes */
    bool has_second;       /* the RSA key is in the set */
    int asked_for_keys;
    bool garbage;
};
static struct provider provider;

static void serve(void *ctx, struct http_exchange *ex)
{
    struct provider *p = ctx;
    struct buf b = BUF_INIT;
    str jwk;

    if (p->garbage) {
        http_reply(ex, 200, "application/json",
                   S("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AA\"},7],}"));
        return;
    }
    if (str_is(ex->req.path, "/.well-known/openid-configuration")) {
        http_reply(ex, 200, "application/json",
                   S("{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" ISSUER "/keys\"}"));
        return;
    }
    if (str_is(ex->req.path, "/discovery/other")) {
        http_reply(ex, 200, "application/json",
                   S("{\"issuer\":\"" OTHER "\",\"jwks_uri\":\"" ISSUER "/keys\"}"));
        return;
    }
    p->asked_for_keys++;
    buf_z(&b, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}");
    for (int i = 0; i < 1 + p->has_second; i++) {
        CHECK_OK(jwt_jwk(ex->arena, buf_view(&p->key[i]), &jwk));
        buf_char(&b, ',');
        buf_str(&b, jwk);
    }
    buf_z(&b, "]}");
    http_reply(ex, 200, "application/json", buf_view(&b));
    buf_fini(&b);
}

static void configure(struct world *w, struct api_options *o)
{
    static const str ips[] = {STR("127.0.0.1")};
    CLEANUP(buf) struct buf key = BUF_INIT, cert = BUF_INIT, ca_key = BUF_INIT;
    struct pki_cert_options c = {
        .common_name = STR("ca"), .is_ca = true, .not_after = {INT64_C(2000000000) * NS_PER_S}};
    struct provider *p = &provider;

    *p = (struct provider){0};
    CHECK_OK(pki_key_new(&ca_key));
    CHECK_OK(pki_key_new(&key));
    CHECK_OK(pki_key_new(&p->key[0]));
    CHECK_OK(pki_rsa_key_new(&p->key[1]));
    CHECK_OK(pki_key_new(&p->key[2]));
    CHECK_OK(pki_cert_new(&c, buf_view(&ca_key), STR_NONE, STR_NONE, &p->ca));
    c = (struct pki_cert_options){.common_name = STR("provider"),
                                  .ip_addresses = ips,
                                  .n_ip_addresses = 1,
                                  .server = true,
                                  .not_after = c.not_after};
    CHECK_OK(pki_cert_new(&c, buf_view(&key), buf_view(&p->ca), buf_view(&ca_key), &cert));
    CHECK_OK(tls_server_new(
        &(struct tls_server_options){.cert_pem = buf_view(&cert), .key_pem = buf_view(&key)},
        &p->tls));
    CHECK_INT(http_server_open(w->loop, S("127.0.0.1:8443"),
                               &(struct http_server_options){.tls = p->tls}, serve, p, &p->server),
              0);
    o->oidc = (struct oidc_options){.issuer_url = S(ISSUER),
                                    .client_id = S("k1s"),
                                    .username_claim = S("email"),
                                    .groups_claim = S("groups"),
                                    .groups_prefix = S("oidc:"),
                                    .required_claims = S("hd=example.test\n"),
                                    .signing_algs = S("RS256,ES256"),
                                    .ca_pem = buf_view(&p->ca)};
}

static void start(struct world *w)
{
    world_init_with(w, configure);
    world_run(w, NS_PER_S);
}

static void stop(struct world *w)
{
    struct provider *p = &provider;

    http_server_close(p->server, NULL, NULL);
    world_run(w, 1);
    world_fini(w);
    tls_server_free(p->tls);
    buf_fini(&p->ca);
    for (int i = 0; i < 3; i++)
        buf_fini(&p->key[i]);
}

static str sign(struct world *w, int key, const char *claims)
{
    str kid, token;

    CHECK_OK(jwt_key_id(w->arena, buf_view(&provider.key[key]), &kid));
    CHECK_OK(jwt_sign(w->arena, buf_view(&provider.key[key]), kid, str_of(claims), &token));
    return token;
}

static int login(struct world *w, str token, struct json **ret)
{
    struct call *c =
        world_call(w, "POST", SELF, "{}",
                   arena_dupz(w->arena, arena_fmt(w->arena, "Authorization: Bearer " PRI_STR,
                                                  STR_ARG(token))));
    int status = c->status;

    if (ret)
        *ret = call_json(c);
    call_free(c);
    return status;
}

#define CLAIMS(aud, exp, more)                                                                     \
    "{\"iss\":\"" ISSUER "\",\"aud\":" aud ",\"exp\":" exp ",\"email\":\"jane@example.test\","     \
    "\"groups\":[\"dev\",\"ops\"],\"hd\":\"example.test\"" more "}"
#define GOOD CLAIMS("[\"x\",\"k1s\"]", "1790003600", ",\"jti\":\"7\"")

TEST(oidc, takes_name_and_groups_from_the_claims)
{
    struct world w;
    struct json *v;

    start(&w);
    CHECK_INT(login(&w, sign(&w, 0, GOOD), &v), 201);
    CHECK_STRZ(json_get_str(v, "status.userInfo.username"), "jane@example.test");
    CHECK_STRZ(json_str(json_item(json_path(v, "status.userInfo.groups"), 0)), "oidc:dev");
    CHECK_STRZ(json_str(json_item(json_path(v, "status.userInfo.groups"), 2)),
               "system:authenticated");
    stop(&w);
}

TEST(oidc, refuses_what_is_expired_early_for_others_unverified_or_incomplete)
{
    static const char *const bad[] = {
        CLAIMS("\"k1s\"", "1789999999", ""),
        CLAIMS("\"k1s\"", "\"1790003600\"", ""),
        CLAIMS("\"k1s\"", "1790003600", ",\"nbf\":1790000900"),
        CLAIMS("\"other\"", "1790003600", ""),
        CLAIMS("[]", "1790003600", ""),
        CLAIMS("\"k1s\"", "1790003600", ",\"email_verified\":false"),
        CLAIMS("\"k1s\"", "1790003600", ",\"hd\":\"evil.test\""),
        CLAIMS("\"k1s\"", "1790003600", ",\"groups\":[7]"),
        CLAIMS("\"k1s\"", "1790003600", ",\"email\":\"\""),
        "{\"iss\":\"" ISSUER "\",\"aud\":\"k1s\",\"exp\":1790003600,\"hd\":\"example.test\"}",
        "[\"" ISSUER "\"]",
    };
    struct world w;

    start(&w);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK_INT(login(&w, sign(&w, 0, bad[i]), NULL), 401);
    stop(&w);
}

TEST(oidc, believes_only_signatures_of_published_keys)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;
    str token;

    start(&w);
    CHECK_INT(login(&w, sign(&w, 2, GOOD), NULL), 401);
    /* Nobody's signature. */
    buf_base64url(&b, S("{\"alg\":\"none\"}"));
    buf_char(&b, '.');
    buf_base64url(&b, S(GOOD));
    buf_char(&b, '.');
    CHECK_INT(login(&w, buf_view(&b), NULL), 401);
    /* The public key as a shared secret. */
    buf_clear(&b);
    buf_base64url(&b, S("{\"alg\":\"HS256\",\"kid\":\"\"}"));
    buf_char(&b, '.');
    buf_base64url(&b, S(GOOD));
    buf_z(&b, ".AAAA");
    CHECK_INT(login(&w, buf_view(&b), NULL), 401);
    /* A good one that was changed, cut, or has too much. */
    token = sign(&w, 0, GOOD);
    CHECK_INT(login(&w, str_slice(token, 0, token.n - 4), NULL), 401);
    CHECK_INT(login(&w, arena_fmt(w.arena, PRI_STR ".x", STR_ARG(token)), NULL), 401);
    CHECK_INT(login(&w, token, NULL), 201);
    stop(&w);
}

TEST(oidc, asks_for_new_keys_when_a_token_has_one_but_not_for_each_token)
{
    struct world w;
    str token;
    int before;

    start(&w);
    CHECK_INT(provider.asked_for_keys, 1);
    token = sign(&w, 1, GOOD);
    provider.has_second = true;
    for (int i = 0; i < 20; i++)
        CHECK_INT(login(&w, token, NULL), 401);
    CHECK_INT(provider.asked_for_keys, 1); /* the last time is not ten seconds ago */
    world_run(&w, 11 * NS_PER_S);
    CHECK_INT(provider.asked_for_keys, 2);
    CHECK_INT(login(&w, token, NULL), 201);
    before = provider.asked_for_keys;
    world_run(&w, 3000 * NS_PER_S); /* nothing is asked for without need */
    CHECK_INT(provider.asked_for_keys, before);
    CHECK_INT(login(&w, token, NULL), 201);
    world_run(&w, 700 * NS_PER_S);
    CHECK_INT(login(&w, token, NULL), 401); /* remembered is not longer good than signed */
    stop(&w);
}

TEST(oidc, survives_a_provider_that_talks_nonsense)
{
    struct world w;

    start(&w);
    provider.garbage = true;
    CHECK_INT(login(&w, sign(&w, 1, GOOD), NULL), 401);
    world_run(&w, 30 * NS_PER_S);
    CHECK_INT(login(&w, sign(&w, 0, GOOD), NULL), 201); /* the keys of before are still good */
    provider.garbage = false;
    provider.has_second = true;
    world_run(&w, 30 * NS_PER_S);
    CHECK_INT(login(&w, sign(&w, 1, GOOD), NULL), 201);
    stop(&w);
}

/* ---- AuthenticationConfiguration ---- */

#define CONFIG "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"

/* A document that names the provider's authority where it says CA. */
static str config_text(struct arena *a, const char *text)
{
    CLEANUP(buf) struct buf b = BUF_INIT, ca = BUF_INIT;
    str rest = str_of(text), line;

    json_encode_string(&ca, buf_view(&provider.ca));
    while (rest.n && str_cut(&rest, '\n', &line)) {
        if (str_is(str_trim(line), "CA"))
            buf_fmt(&b, "    certificateAuthority: %s\n", buf_cstr(&ca));
        else
            buf_fmt(&b, PRI_STR "\n", STR_ARG(line));
    }
    return arena_dup(a, buf_view(&b));
}

static const char two_issuers[] =
    CONFIG "jwt:\n"
           "- issuer:\n"
           "    url: " ISSUER "\n"
           "    audiences: [k1s, other]\n"
           "    audienceMatchPolicy: MatchAny\n"
           "    CA\n"
           "  claimValidationRules:\n"
           "  - claim: hd\n"
           "    requiredValue: example.test\n"
           "  - expression: claims.exp - claims.iat <= 3600\n"
           "    message: too long\n"
           "  claimMappings:\n"
           "    username: {expression: 'claims.?email_verified.orValue(true) ? claims.email : "
           "claims.sub'}\n"
           "    groups: {expression: 'claims.groups.map(g, \"oidc:\" + g)'}\n"
           "    uid: {claim: sub}\n"
           "    extra:\n"
           "    - {key: example.test/teams, valueExpression: claims.groups}\n"
           "    - {key: example.test/none, valueExpression: '\"\"'}\n"
           "  userValidationRules:\n"
           "  - expression: \"!user.username.startsWith('system:') && user.groups.all(g, g != "
           "'oidc:bad')\"\n"
           "    message: reserved\n"
           "- issuer:\n"
           "    url: " OTHER "\n"
           "    discoveryURL: " ISSUER "/discovery/other\n"
           "    audiences: [k1s]\n"
           "    CA\n"
           "  claimMappings:\n"
           "    username: {claim: sub, prefix: 'other:'}\n"
           "anonymous:\n"
           "  enabled: true\n"
           "  conditions: [{path: /livez}]\n";

static void configure_two(struct world *w, struct api_options *o)
{
    configure(w, o);
    o->oidc = (struct oidc_options){0};
    o->authentication_config = config_text(w->arena, two_issuers);
}

#define JANE(more)                                                                                 \
    "{\"iss\":\"" ISSUER                                                                           \
    "\",\"aud\":\"other\",\"iat\":1789999990,\"exp\":1790003000,\"sub\":\"u7\","                   \
    "\"hd\":\"example.test\"," more "}"

TEST(authn_config, believes_each_issuer_by_its_own_rules)
{
    static const struct {
        const char *claims;
        int status;
    } cases[] = {
        {JANE("\"email\":\"jane\",\"groups\":[\"dev\"]"), 201},
        {JANE("\"email\":\"system:admin\",\"groups\":[\"dev\"]"), 401},
        {JANE("\"email\":\"jane\",\"groups\":[\"bad\"]"), 401},
        {JANE("\"email\":\"jane\",\"groups\":[7]"), 401},
        {JANE("\"email\":7,\"groups\":[\"dev\"]"), 401},
        {JANE("\"groups\":[\"dev\"]"), 401}, /* no such key: email */
        {"{\"iss\":\"" ISSUER
         "\",\"aud\":\"k1s\",\"iat\":1789990000,\"exp\":1790003000,\"sub\":\"u7\","
         "\"hd\":\"example.test\",\"email\":\"jane\",\"groups\":[]}",
         401}, /* too long */
        {"{\"iss\":\"" OTHER "\",\"aud\":\"k1s\",\"exp\":1790003000,\"sub\":\"joe\"}", 201},
        {"{\"iss\":\"" OTHER "\",\"aud\":\"other\",\"exp\":1790003000,\"sub\":\"joe\"}", 401},
    };
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct world w;
    struct json *v;
    struct call *c;

    world_init_with(&w, configure_two);
    world_run(&w, NS_PER_S);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CHECK_INT(login(&w, sign(&w, 0, cases[i].claims), &v), cases[i].status);
        if (i == 0)
            json_encode(&b, json_path(v, "status.userInfo"));
        if (i == 7)
            CHECK_STRZ(json_get_str(v, "status.userInfo.username"), "other:joe");
    }
    CHECK_STRZ(buf_view(&b),
               "{\"username\":\"jane\",\"uid\":\"u7\",\"groups\":[\"oidc:dev\","
               "\"system:authenticated\"],\"extra\":{\"example.test/teams\":[\"dev\"]}}");
    c = world_call(&w, "GET", "/livez", NULL, "Authorization: none");
    CHECK_INT(c->status, 200);
    call_free(c);
    c = world_call(&w, "GET", "/version", NULL, "Authorization: none");
    CHECK_INT(c->status, 401);
    call_free(c);
    stop(&w);
}

TEST(authn_config, changes_while_the_server_runs)
{
    static const char one[] = CONFIG "jwt:\n- issuer:\n    url: " ISSUER
                                     "\n    audiences: [k1s]\n    CA\n  claimMappings:\n"
                                     "    username: {claim: sub, prefix: ''}\n"
                                     "anonymous: {enabled: true, conditions: [{path: /livez}]}\n";
    static const char token[] =
        "{\"iss\":\"" ISSUER "\",\"aud\":\"k1s\",\"exp\":1790003000,\"sub\":\"plain\"}";
    struct world w;
    struct json *v;
    struct err *e;

    world_init_with(&w, configure_two);
    world_run(&w, NS_PER_S);
    CHECK_INT(login(&w, sign(&w, 0, token), NULL), 401);
    e = api_set_authentication_config(w.api, S(CONFIG "jwt: [{}]\n"));
    CHECK(e != NULL);
    err_free(e);
    CHECK_OK(api_set_authentication_config(w.api, config_text(w.arena, one)));
    CHECK_INT(login(&w, sign(&w, 0, token), NULL), 401); /* its keys have not come */
    world_run(&w, NS_PER_S);
    CHECK_INT(login(&w, sign(&w, 0, token), &v), 201);
    CHECK_STRZ(json_get_str(v, "status.userInfo.username"), "plain");
    CHECK_INT(
        login(&w,
              sign(&w, 0,
                   "{\"iss\":\"" OTHER "\",\"aud\":\"k1s\",\"exp\":1790003000,\"sub\":\"joe\"}"),
              NULL),
        401); /* not believed any more */
    stop(&w);
}

#define JWT(issuer, rest) CONFIG "jwt:\n- issuer: " issuer "\n" rest
#define SUB "  claimMappings: {username: {claim: sub, prefix: ''}}\n"
#define FINE "{url: 'https://a', audiences: [x]}"

TEST(authn_config, says_everything_that_is_wrong)
{
    static const struct {
        const char *yaml, *wrong;
    } cases[] = {
        {"kind: X\napiVersion: v1\n", "no kind \"X\" is registered for version \"v1\""},
        {CONFIG, NULL},
        {JWT(FINE, SUB), NULL},
        {JWT("{url: 'https://a', audiences: [x], nosuch: 1}", SUB "  foo: 1\n"),
         "strict decoding error: unknown field \"jwt[0].issuer.nosuch\", unknown field "
         "\"jwt[0].foo\""},
        {JWT("{audiences: ['', x, x]}", SUB),
         "[jwt[0].issuer.url: Required value, jwt[0].issuer.audiences[0]: Required value, "
         "jwt[0].issuer.audiences[2]: Duplicate value: \"x\", "
         "jwt[0].issuer.audienceMatchPolicy: Invalid value: \"\": audienceMatchPolicy must be "
         "MatchAny for multiple audiences]"},
        {JWT("{url: 'http://u@a?q=1#f'}", SUB),
         "[jwt[0].issuer.url: Invalid value: \"http://u@a?q=1#f\": URL scheme must be https, "
         "jwt[0].issuer.url: Invalid value: \"http://u@a?q=1#f\": URL must not contain a username "
         "or password, jwt[0].issuer.url: Invalid value: \"http://u@a?q=1#f\": URL must not "
         "contain "
         "a query, jwt[0].issuer.url: Invalid value: \"http://u@a?q=1#f\": URL must not contain a "
         "fragment, jwt[0].issuer.audiences: Required value: at least one "
         "jwt[0].issuer.audiences is required]"},
        {JWT("{url: 'https://self', audiences: [x], discoveryURL: 'https://self/'}", SUB),
         "[jwt[0].issuer.url: Invalid value: \"https://self\": URL must not overlap with "
         "disallowed issuers: [https://self], jwt[0].issuer.discoveryURL: Invalid value: "
         "\"https://self/\": discoveryURL must be different from URL]"},
        {JWT("{url: 'https://a', audiences: [x], certificateAuthority: none}", SUB),
         "jwt[0].issuer.certificateAuthority: Invalid value: \"<omitted>\": data does not contain "
         "any valid RSA or ECDSA certificates"},
        {JWT(FINE, "  claimMappings: {}\n"),
         "jwt[0].claimMappings.username: Required value: claim or expression is required"},
        {JWT(FINE, "  claimMappings: {username: {claim: sub}, uid: {claim: a, expression: b}}\n"),
         "[jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is "
         "set. It can be set to an empty string to disable prefixing, "
         "jwt[0].claimMappings.uid: Invalid value: \"\": claim and expression can't both be set]"},
        {JWT(FINE, "  claimMappings: {username: {expression: claims.email}}\n"),
         "jwt[0].claimMappings.username.expression: Invalid value: \"claims.email\": "
         "claims.email_verified must be used in claimMappings.username.expression or "
         "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when "
         "claims.email is used in claimMappings.username.expression"},
        {JWT(FINE, "  claimMappings: {username: {expression: claims.email}, extra: [{key: a.b/c, "
                   "valueExpression: 'string(claims.email_verified)'}]}\n"),
         NULL},
        {JWT(FINE, "  claimMappings: {username: {claim: sub, prefix: ''}, extra: [{key: K, "
                   "valueExpression: claims.a}, {key: a.k8s.io/x}]}\n"),
         "[jwt[0].claimMappings.extra[0].key: Invalid value: \"K\": must be a domain-prefixed path "
         "(such as \"acme.io/foo\"), jwt[0].claimMappings.extra[0].key: Invalid value: \"K\": must "
         "be lowercase, jwt[0].claimMappings.extra[1].key: Invalid value: \"a.k8s.io/x\": k8s.io, "
         "kubernetes.io and their subdomains are reserved for Kubernetes use, "
         "jwt[0].claimMappings.extra[1].valueExpression: Required value]"},
        {JWT(FINE, SUB "  claimValidationRules: [{}, {claim: a, message: m}, {claim: a}, "
                       "{expression: claims.a}, {expression: 'true', requiredValue: x}]\n"),
         "[jwt[0].claimValidationRules[0]: Required value: claim or expression is required, "
         "jwt[0].claimValidationRules[1].message: Invalid value: \"m\": may not be specified when "
         "claim is set, jwt[0].claimValidationRules[2].claim: Duplicate value: \"a\", "
         "jwt[0].claimValidationRules[3].expression: Invalid value: \"claims.a\": must evaluate to "
         "bool, jwt[0].claimValidationRules[4].requiredValue: Invalid value: \"x\": may not be "
         "specified when expression is set]"},
        {JWT(FINE, SUB "  userValidationRules: [{}, {expression: user.username.size()}, "
                       "{expression: claims.a}]\n"),
         "[jwt[0].userValidationRules[0].expression: Required value, "
         "jwt[0].userValidationRules[1].expression: Invalid value: \"user.username.size()\": must "
         "evaluate to bool, jwt[0].userValidationRules[2].expression: Invalid value: \"claims.a\": "
         "compilation failed: ERROR: <input>:1:1: undeclared reference to 'claims' (in container "
         "'')\n | claims.a\n | ^]"},
        {JWT(FINE, SUB "- issuer: " FINE "\n" SUB),
         "jwt[1].issuer.url: Duplicate value: \"https://a\""},
        {CONFIG "anonymous: {enabled: false, conditions: [{path: /}]}\n",
         "anonymous.conditions: Invalid value: [{\"path\":\"/\"}]: enabled should be set to true "
         "when conditions are defined"},
    };
    CLEANUP(arena) struct arena *a = arena_new();
    struct json own = json_array();

    json_append(a, &own, json_string(S("https://self")));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct authn_config *c = NULL;
        struct err *e = authn_config_parse(str_of(cases[i].yaml), &own, &c);

        CHECK_STRZ(str_of(e ? err_text(e) : ""), cases[i].wrong ? cases[i].wrong : "");
        err_free(e);
        authn_config_free(c);
    }
}

TEST_MAIN
