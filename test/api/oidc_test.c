/* oidc_test.c - ID tokens of a provider that lives in the same virtual world: good ones, and every
 * kind of bad one. */
#include "test/api/world.h"
#include "wire/json.h"

#define ISSUER "https://127.0.0.1:8443"
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

TEST_MAIN
