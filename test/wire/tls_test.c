/* tls_test.c - certificates, tokens, and TLS over a pair of streams under the virtual clock. */
#include "test/test.h"
#include "wire/json.h"
#include "wire/tls.h"
#include <openssl/pem.h>

#define NOW_S INT64_C(1790000000)
#define YEAR_S INT64_C(31536000)

static wall_time at(int64_t s)
{
    return (wall_time){s * NS_PER_S};
}

struct authority {
    struct buf ca_key, ca, key, cert, client_key, client, stranger_key, stranger, old;
};

static void authority_fini(struct authority *a)
{
    struct buf *all = (struct buf *)a;

    for (size_t i = 0; i < sizeof *a / sizeof *all; i++)
        buf_fini(&all[i]);
}

static void authority_init(struct authority *a)
{
    static const str names[] = {STR("localhost"), STR("kubernetes.default.svc")},
                     ips[] = {STR("127.0.0.1"), STR("::1")};
    static const str masters[] = {STR("system:masters"), STR("second")};
    struct pki_cert_options o = {.common_name = STR("test-ca"),
                                 .is_ca = true,
                                 .not_before = at(NOW_S - 60),
                                 .not_after = at(NOW_S + YEAR_S)};

    memset(a, 0, sizeof *a);
    CHECK_OK(pki_key_new(&a->ca_key));
    CHECK_OK(pki_cert_new(&o, buf_view(&a->ca_key), STR_NONE, STR_NONE, &a->ca));
    o = (struct pki_cert_options){.common_name = STR("server"),
                                  .dns_names = names,
                                  .n_dns_names = 2,
                                  .ip_addresses = ips,
                                  .n_ip_addresses = 2,
                                  .server = true,
                                  .not_before = at(NOW_S - 60),
                                  .not_after = at(NOW_S + YEAR_S)};
    CHECK_OK(pki_key_new(&a->key));
    CHECK_OK(pki_cert_new(&o, buf_view(&a->key), buf_view(&a->ca), buf_view(&a->ca_key), &a->cert));
    o = (struct pki_cert_options){.common_name = STR("admin"),
                                  .organizations = masters,
                                  .n_organizations = 2,
                                  .client = true,
                                  .not_before = at(NOW_S - 60),
                                  .not_after = at(NOW_S + YEAR_S)};
    CHECK_OK(pki_key_new(&a->client_key));
    CHECK_OK(pki_cert_new(&o, buf_view(&a->client_key), buf_view(&a->ca), buf_view(&a->ca_key),
                          &a->client));
    o.not_after = at(NOW_S - 1);
    CHECK_OK(pki_cert_new(&o, buf_view(&a->client_key), buf_view(&a->ca), buf_view(&a->ca_key),
                          &a->old));
    o.not_after = at(NOW_S + YEAR_S);
    CHECK_OK(pki_key_new(&a->stranger_key));
    CHECK_OK(pki_cert_new(&o, buf_view(&a->stranger_key), STR_NONE, STR_NONE, &a->stranger));
}

/* ---- certificates ---- */

TEST(pki, certificate_says_when_it_ends)
{
    struct authority a;
    wall_time end = {0};

    authority_init(&a);
    CHECK_OK(pki_cert_not_after(buf_view(&a.cert), &end));
    CHECK_INT(end.ns, (NOW_S + YEAR_S) * NS_PER_S);
    authority_fini(&a);
}

TEST(pki, refuses_an_issuer_whose_key_is_another_one)
{
    struct pki_cert_options o = {
        .common_name = STR("x"), .not_before = at(NOW_S), .not_after = at(NOW_S + 1)};
    struct buf out = BUF_INIT;
    struct authority a;
    struct err *err;

    authority_init(&a);
    err = pki_cert_new(&o, buf_view(&a.key), buf_view(&a.ca), buf_view(&a.key), &out);
    CHECK(err != NULL);
    CHECK_INT(out.n, 0);
    err_free(err);
    authority_fini(&a);
}

/* openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj
 * "/O=system:nodes/CN=system:node:n1" -addext
 * "subjectAltName=DNS:n1,IP:10.0.0.7,IP:fd00::7,URI:spiffe://x" */
static const char csr_pem[] = "-----BEGIN CERTIFICATE REQUEST-----\n"
                              "MIIBLzCB1gIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5\n"
                              "c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9ubTVGY0Lhim\n"
                              "nQdR8UrzXUyIcW/0IkRkbf1zMjeJJyLweoKdXBvigkgVnb8ocpDchV6yFzErOG/8\n"
                              "q64ZxYDtS6BEMEIGCSqGSIb3DQEJDjE1MDMwMQYDVR0RBCowKIICbjGHBAoAAAeH\n"
                              "EP0AAAAAAAAAAAAAAAAAAAeGCnNwaWZmZTovL3gwCgYIKoZIzj0EAwIDSAAwRQIh\n"
                              "ANvTm0/66E/W01nT2FfxwmmEr+u3tZHIiQrMcODJdoyuAiAxXqJ0yOdDsfak/x7M\n"
                              "bU3iFqpqdudJ7KJS+yaUTQy1Ng==\n"
                              "-----END CERTIFICATE REQUEST-----\n";

TEST(pki, request_tells_its_subject_and_names)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct pki_csr csr;

    CHECK_OK(pki_csr_parse(a, str_of(csr_pem), &csr));
    CHECK_STRZ(csr.common_name, "system:node:n1");
    CHECK_INT(csr.n_organizations, 1);
    CHECK_STRZ(csr.organizations[0], "system:nodes");
    CHECK_INT(csr.n_dns_names, 1);
    CHECK_STRZ(csr.dns_names[0], "n1");
    CHECK_INT(csr.n_ip_addresses, 2);
    CHECK_STRZ(csr.ip_addresses[0], "10.0.0.7");
    CHECK_STRZ(csr.ip_addresses[1], "fd00::7");
    CHECK_INT(csr.n_other_sans, 1);
}

TEST(pki, signs_requests_and_refuses_forged_ones)
{
    CLEANUP(buf) struct buf cert = BUF_INIT, bad = BUF_INIT;
    struct authority a;
    struct err *err;
    wall_time end;

    authority_init(&a);
    CHECK_OK(pki_cert_sign_request(str_of(csr_pem), buf_view(&a.ca), buf_view(&a.ca_key),
                                   PKI_SERVER_AUTH | PKI_CLIENT_AUTH, at(NOW_S), at(NOW_S + 100),
                                   &cert));
    CHECK_OK(pki_cert_not_after(buf_view(&cert), &end));
    CHECK_INT(end.ns / NS_PER_S, NOW_S + 100);
    buf_z(&bad, csr_pem);
    /* A letter in the middle of the base64: the subject or key is another than what was signed. */
    bad.p[150] = bad.p[150] == 'A' ? 'B' : 'A';
    cert.n = 0;
    err = pki_cert_sign_request(buf_view(&bad), buf_view(&a.ca), buf_view(&a.ca_key),
                                PKI_SERVER_AUTH, at(NOW_S), at(NOW_S + 100), &cert);
    CHECK(err && err->reason == REASON_BAD_REQUEST);
    CHECK_INT(cert.n, 0);
    err_free(err);
    err = pki_cert_sign_request(S("junk"), buf_view(&a.ca), buf_view(&a.ca_key), PKI_SERVER_AUTH,
                                at(NOW_S), at(NOW_S + 100), &cert);
    CHECK(err && err->reason == REASON_BAD_REQUEST);
    err_free(err);
    buf_fini(&bad);
    authority_fini(&a);
}

/* ---- tokens ---- */

static void rsa_key_new(struct buf *pem)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;
    long n;

    CHECK(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    n = BIO_get_mem_data(bio, &p);
    buf_add(pem, p, (size_t)n);
    BIO_free_all(bio);
    EVP_PKEY_free(key);
}

static void token_goes_round(str key)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf other = BUF_INIT;
    str kid, token, public_pem, payload = STR_NONE, keys[2];
    struct err *err;
    char *forged;

    CHECK_OK(pki_key_new(&other));
    CHECK_OK(jwt_key_id(a, key, &kid));
    CHECK_INT(kid.n, 43);
    CHECK_OK(jwt_sign(a, key, kid, S("{\"sub\":\"system:serviceaccount:a:b\"}"), &token));
    CHECK_OK(jwt_public_pem(a, key, &public_pem));
    keys[0] = buf_view(&other);
    keys[1] = public_pem;
    CHECK_OK(jwt_verify(a, token, keys, 2, &payload));
    CHECK_STRZ(payload, "{\"sub\":\"system:serviceaccount:a:b\"}");
    err = jwt_verify(a, token, keys, 1, &payload);
    CHECK(err && err->reason == REASON_UNAUTHORIZED);
    err_free(err);
    /* Another payload under the same signature. */
    forged = arena_dupz(a, token);
    forged[token.n - 100] ^= 1;
    err = jwt_verify(a, str_of(forged), keys, 2, &payload);
    CHECK(err != NULL);
    err_free(err);
}

TEST(jwt, es256_token_is_verified_by_its_key_only)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    CHECK_OK(pki_key_new(&key));
    token_goes_round(buf_view(&key));
}

TEST(jwt, rs256_token_is_verified_by_its_key_only)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    rsa_key_new(&key);
    token_goes_round(buf_view(&key));
}

TEST(jwt, malformed_and_unsigned_tokens_are_unauthorized)
{
    static const char *const tokens[] = {
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        "eyJhbGciOiJub25lIn0.e30.",
        "eyJhbGciOiJub25lIn0.e30",
        "bm90anNvbg.e30.AAAA",
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
        "eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
    };
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf key = BUF_INIT;
    str keys[1], payload;

    CHECK_OK(pki_key_new(&key));
    keys[0] = buf_view(&key);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        CLEANUP(err) struct err *err = jwt_verify(a, str_of(tokens[i]), keys, 1, &payload);

        CHECK(err && err->reason == REASON_UNAUTHORIZED);
    }
}

TEST(jwt, jwk_has_the_public_part_only)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf key = BUF_INIT;
    struct json *jwk;
    str text, kid;

    CHECK_OK(pki_key_new(&key));
    CHECK_OK(jwt_jwk(a, buf_view(&key), &text));
    CHECK_OK(jwt_key_id(a, buf_view(&key), &kid));
    CHECK_OK(json_parse(a, text, NULL, NULL, &jwk));
    CHECK_STRZ(json_get_str(jwk, "kty"), "EC");
    CHECK_STRZ(json_get_str(jwk, "crv"), "P-256");
    CHECK_STRZ(json_get_str(jwk, "alg"), "ES256");
    CHECK_STRZ(json_get_str(jwk, "use"), "sig");
    CHECK_STR(json_get_str(jwk, "kid"), kid);
    CHECK_INT(json_get_str(jwk, "x").n, 43);
    CHECK_INT(json_get_str(jwk, "y").n, 43);
    CHECK(!json_findz(jwk, "d"));
    buf_clear(&key);
    rsa_key_new(&key);
    CHECK_OK(jwt_jwk(a, buf_view(&key), &text));
    CHECK_OK(json_parse(a, text, NULL, NULL, &jwk));
    CHECK_STRZ(json_get_str(jwk, "kty"), "RSA");
    CHECK_STRZ(json_get_str(jwk, "e"), "AQAB");
    CHECK(json_get_str(jwk, "n").n >= 342);
}

TEST(sha256, is_lower_case_hex)
{
    char hex[65];

    sha256_hex(S("abc"), hex);
    CHECK_STRZ(str_of(hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* ---- streams ---- */

struct end {
    struct stream *s;
    struct tls_peer peer;
    struct buf got;
    int ready, error, ended, end_error, written;
    char why[128];
};
struct talk {
    struct loop *loop;
    struct end server, client;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
};

static void on_ready(void *ctx, int error, const char *why, struct stream *s,
                     const struct tls_peer *peer)
{
    struct end *e = ctx;

    e->ready++;
    e->error = error;
    snprintf(e->why, sizeof e->why, "%s", why);
    e->s = s;
    if (peer)
        e->peer = *peer;
}

static void talk_init(struct talk *t, const struct tls_server_options *so,
                      const struct tls_client_options *co, const char *name)
{
    struct stream *a, *b;

    memset(t, 0, sizeof *t);
    t->loop = loop_new_virtual(1, at(NOW_S));
    CHECK_OK(tls_server_new(so, &t->tls_server));
    CHECK_OK(tls_client_new(co, &t->tls_client));
    stream_pair(t->loop, &a, &b);
    tls_accept(t->tls_server, t->loop, a, 0, on_ready, &t->server);
    tls_connect(t->tls_client, t->loop, b, str_of(name), 0, on_ready, &t->client);
    loop_virtual_run(t->loop, 5 * NS_PER_S, NULL, NULL);
}

static void talk_fini(struct talk *t)
{
    if (t->server.s)
        stream_close(t->server.s, NULL, NULL);
    if (t->client.s)
        stream_close(t->client.s, NULL, NULL);
    loop_virtual_run(t->loop, 1000 * NS_PER_S, NULL, NULL);
    buf_fini(&t->server.got);
    buf_fini(&t->client.got);
    tls_server_free(t->tls_server);
    tls_client_free(t->tls_client);
    loop_free(t->loop);
}

static void on_data(void *ctx, const char *p, size_t n)
{
    buf_add(&((struct end *)ctx)->got, p, n);
}

static void on_end(void *ctx, int error)
{
    struct end *e = ctx;

    e->ended++;
    e->end_error = error;
}

static const struct stream_events events = {.data = on_data, .end = on_end};

static void on_written(void *ctx, int error)
{
    struct end *e = ctx;

    CHECK_INT(error, 0);
    e->written++;
}

TEST(tls, both_ends_know_each_other)
{
    struct authority a;
    struct talk t;

    authority_init(&a);
    talk_init(&t,
              &(struct tls_server_options){.cert_pem = buf_view(&a.cert),
                                           .key_pem = buf_view(&a.key),
                                           .client_ca_pem = buf_view(&a.ca),
                                           .http2 = true},
              &(struct tls_client_options){.ca_pem = buf_view(&a.ca),
                                           .cert_pem = buf_view(&a.client),
                                           .key_pem = buf_view(&a.client_key),
                                           .http2 = true},
              "127.0.0.1");
    CHECK_INT(t.server.error, 0);
    CHECK_INT(t.client.error, 0);
    CHECK_STRZ(str_of(t.client.why), "");
    CHECK(t.server.s && t.client.s);
    CHECK(t.server.peer.verified);
    CHECK_STRZ(t.server.peer.common_name, "admin");
    CHECK_INT(t.server.peer.n_organizations, 2);
    CHECK_STRZ(t.server.peer.organizations[0], "system:masters");
    CHECK_STRZ(t.server.peer.organizations[1], "second");
    CHECK_INT(t.server.peer.cert_hash.n, 64);
    CHECK_INT(t.server.peer.not_after_s, NOW_S + YEAR_S);
    CHECK_STRZ(t.server.peer.alpn, "h2");
    CHECK_STRZ(t.client.peer.alpn, "h2");
    CHECK(t.client.peer.verified);
    CHECK_STRZ(t.client.peer.common_name, "server");
    talk_fini(&t);
    authority_fini(&a);
}

TEST(tls, bytes_go_both_ways_and_the_end_is_clean)
{
    struct authority a;
    struct talk t;
    CLEANUP(buf) struct buf big = BUF_INIT;
    const struct bytes *shared;

    authority_init(&a);
    talk_init(
        &t,
        &(struct tls_server_options){.cert_pem = buf_view(&a.cert), .key_pem = buf_view(&a.key)},
        &(struct tls_client_options){.ca_pem = buf_view(&a.ca)}, "localhost");
    CHECK(t.server.s && t.client.s);
    for (int i = 0; i < 300000; i++)
        buf_fmt(&big, "%07d\n", i);
    shared = bytes_new(buf_view(&big));
    stream_start(t.server.s, &events, &t.server);
    stream_write(t.client.s, S("hello "), on_written, &t.client);
    stream_write(t.client.s, S(""), on_written, &t.client);
    stream_write(t.client.s, S("server"), on_written, &t.client);
    /* More than may wait as ciphertext, as shared bytes and as a copy, and a small one behind. */
    stream_write_bytes(t.server.s, shared, on_written, &t.server);
    bytes_unref(shared);
    stream_write(t.server.s, buf_view(&big), on_written, &t.server);
    stream_write(t.server.s, S("end"), on_written, &t.server);
    stream_shutdown(t.server.s);
    CHECK(stream_queued(t.server.s) >= big.n);
    stream_start(t.client.s, &events, &t.client);
    loop_virtual_run(t.loop, 100 * NS_PER_S, NULL, NULL);
    CHECK_STRZ(buf_view(&t.server.got), "hello server");
    CHECK_INT(t.client.written, 3);
    CHECK_INT(t.server.written, 3);
    CHECK_INT(t.client.got.n, 2 * big.n + 3);
    CHECK(!memcmp(t.client.got.p, big.p, big.n) && !memcmp(t.client.got.p + big.n, big.p, big.n));
    CHECK_INT(t.client.ended, 1);
    CHECK_INT(t.client.end_error, 0);
    CHECK_INT(t.server.ended, 0);
    stream_shutdown(t.client.s);
    loop_virtual_run(t.loop, 200 * NS_PER_S, NULL, NULL);
    CHECK_INT(t.server.ended, 1);
    CHECK_INT(t.server.end_error, 0);
    talk_fini(&t);
    authority_fini(&a);
}

static void on_data_pause(void *ctx, const char *p, size_t n)
{
    struct end *e = ctx;

    buf_add(&e->got, p, n);
    stream_pause(e->s);
}

TEST(tls, paused_stream_delivers_nothing_and_loses_nothing)
{
    static const struct stream_events one_by_one = {.data = on_data_pause, .end = on_end};
    CLEANUP(buf) struct buf big = BUF_INIT;
    struct authority a;
    struct talk t;
    int turns = 0;

    authority_init(&a);
    talk_init(
        &t,
        &(struct tls_server_options){.cert_pem = buf_view(&a.cert), .key_pem = buf_view(&a.key)},
        &(struct tls_client_options){.ca_pem = buf_view(&a.ca)}, "localhost");
    CHECK(t.server.s && t.client.s);
    for (int i = 0; i < 20000; i++)
        buf_fmt(&big, "%07d\n", i);
    stream_write(t.server.s, buf_view(&big), NULL, NULL);
    stream_shutdown(t.server.s);
    while (t.client.got.n < big.n && turns < 1000) {
        size_t before = t.client.got.n;

        stream_start(t.client.s, &one_by_one, &t.client);
        loop_virtual_run(t.loop, loop_virtual_elapsed_ns(t.loop) + NS_PER_S, NULL, NULL);
        CHECK(t.client.got.n - before <= 16384);
        turns++;
    }
    CHECK(turns >= 10);
    CHECK_STR(buf_view(&t.client.got), buf_view(&big));
    stream_start(t.client.s, &one_by_one, &t.client);
    loop_virtual_run(t.loop, loop_virtual_elapsed_ns(t.loop) + NS_PER_S, NULL, NULL);
    CHECK_INT(t.client.ended, 1);
    talk_fini(&t);
    authority_fini(&a);
}

TEST(tls, unknown_and_expired_client_certificates_connect_but_are_not_verified)
{
    struct authority a;
    struct talk t;

    authority_init(&a);
    for (int i = 0; i < 2; i++) {
        talk_init(
            &t,
            &(struct tls_server_options){.cert_pem = buf_view(&a.cert),
                                         .key_pem = buf_view(&a.key),
                                         .client_ca_pem = buf_view(&a.ca)},
            &(struct tls_client_options){.ca_pem = buf_view(&a.ca),
                                         .cert_pem = buf_view(i ? &a.stranger : &a.old),
                                         .key_pem = buf_view(i ? &a.stranger_key : &a.client_key)},
            "kubernetes.default.svc");
        CHECK_INT(t.server.error, 0);
        CHECK(!t.server.peer.verified);
        CHECK_INT(t.server.peer.cert_hash.n, 64);
        talk_fini(&t);
    }
    authority_fini(&a);
}

TEST(tls, proxies_in_front_are_verified_against_an_authority_of_their_own)
{
    struct authority a, front;
    struct talk t;

    authority_init(&a);
    authority_init(&front);
    for (int i = 0; i < 3; i++) {
        const struct authority *of = i == 0 ? &front : &a;

        talk_init(
            &t,
            &(struct tls_server_options){.cert_pem = buf_view(&a.cert),
                                         .key_pem = buf_view(&a.key),
                                         .client_ca_pem = buf_view(&a.ca),
                                         .front_ca_pem = i == 2 ? STR_NONE : buf_view(&front.ca)},
            &(struct tls_client_options){.ca_pem = buf_view(&a.ca),
                                         .cert_pem = buf_view(&of->client),
                                         .key_pem = buf_view(&of->client_key)},
            "kubernetes.default.svc");
        CHECK_INT(t.server.error, 0);
        CHECK(t.server.peer.verified == (i != 0));
        CHECK(t.server.peer.front_verified == (i == 0));
        talk_fini(&t);
    }
    authority_fini(&front);
    authority_fini(&a);
}

TEST(tls, client_refuses_servers_it_cannot_verify)
{
    static const struct {
        const char *name;
        bool own_ca;
        const char *why;
    } cases[] = {
        {"localhost", false, "x509: certificate signed by unknown authority"},
        {"example.org", true, "x509: certificate is not valid for the name of the server"},
        {"127.0.0.2", true, "x509: certificate is not valid for the address of the server"},
        {"", true, "x509: certificate is not valid for the name of the server"},
    };
    struct authority a;
    struct talk t;

    authority_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        talk_init(
            &t,
            &(struct tls_server_options){.cert_pem = buf_view(&a.cert),
                                         .key_pem = buf_view(&a.key)},
            &(struct tls_client_options){.ca_pem = buf_view(cases[i].own_ca ? &a.ca : &a.stranger)},
            cases[i].name);
        CHECK_INT(t.client.error, -EPROTO);
        CHECK_STRZ(str_of(t.client.why), cases[i].why);
        CHECK(!t.client.s);
        talk_fini(&t);
    }
    talk_init(
        &t,
        &(struct tls_server_options){.cert_pem = buf_view(&a.cert), .key_pem = buf_view(&a.key)},
        &(struct tls_client_options){.insecure = true}, "example.org");
    CHECK_INT(t.client.error, 0);
    talk_fini(&t);
    authority_fini(&a);
}

TEST(tls, handshake_has_a_deadline_and_can_be_cancelled)
{
    struct end end = {0};
    struct tls_server *server;
    struct stream *s, *peer;
    struct authority a;
    struct loop *loop = loop_new_virtual(1, at(NOW_S));

    authority_init(&a);
    CHECK_OK(tls_server_new(
        &(struct tls_server_options){.cert_pem = buf_view(&a.cert), .key_pem = buf_view(&a.key)},
        &server));
    stream_pair(loop, &s, &peer);
    tls_accept(server, loop, s, 0, on_ready, &end);
    loop_virtual_run(loop, 9 * NS_PER_S, NULL, NULL);
    CHECK_INT(end.ready, 0);
    loop_virtual_run(loop, 11 * NS_PER_S, NULL, NULL);
    CHECK_INT(end.ready, 1);
    CHECK_INT(end.error, -ETIMEDOUT);
    stream_close(peer, NULL, NULL);
    stream_pair(loop, &s, &peer);
    tls_cancel(tls_accept(server, loop, s, 0, on_ready, &end));
    loop_virtual_run(loop, 30 * NS_PER_S, NULL, NULL);
    CHECK_INT(end.ready, 1);
    stream_close(peer, NULL, NULL);
    loop_virtual_run(loop, 40 * NS_PER_S, NULL, NULL);
    tls_server_free(server);
    loop_free(loop);
    authority_fini(&a);
}

TEST(tls, plain_http_is_told_to_use_https_and_garbage_is_hung_up_on)
{
    static const char *const said[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                       "\x01\x02garbage that is no TLS at all"};
    struct authority a;
    struct tls_server *server;
    struct loop *loop = loop_new_virtual(1, at(NOW_S));

    authority_init(&a);
    CHECK_OK(tls_server_new(
        &(struct tls_server_options){.cert_pem = buf_view(&a.cert), .key_pem = buf_view(&a.key)},
        &server));
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct end server_end = {0}, peer_end = {0};
        struct stream *s, *peer;

        stream_pair(loop, &s, &peer);
        tls_accept(server, loop, s, 0, on_ready, &server_end);
        stream_start(peer, &events, &peer_end);
        stream_write(peer, str_of(said[i]), NULL, NULL);
        loop_virtual_run(loop, loop_virtual_elapsed_ns(loop) + NS_PER_S, NULL, NULL);
        CHECK_INT(server_end.error, -EPROTO);
        CHECK_INT(peer_end.ended, 1);
        if (i == 0)
            CHECK_STRZ(buf_view(&peer_end.got), "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an "
                                                "HTTP request to an HTTPS server.\n");
        buf_fini(&peer_end.got);
        stream_close(peer, NULL, NULL);
        loop_virtual_run(loop, loop_virtual_elapsed_ns(loop) + NS_PER_S, NULL, NULL);
    }
    tls_server_free(server);
    loop_free(loop);
    authority_fini(&a);
}

TEST_MAIN
