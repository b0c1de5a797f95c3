/* access_fuzz.c - what decides about access and comes from outside: key sets of a provider, tokens
 * signed by them, certificates in a status, sealed rows, audit policies. */
#include "api/audit.h"
#include "store/engine.h"
#include "test/fuzz/fuzz.h"
#include "wire/json.h"
#include "wire/tls.h"

const str fuzz_seeds[] = {
    STR("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\",\"kid\":\"x\"},{\"kty\":\"EC\","
        "\"crv\":\"P-256\",\"x\":\"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY\",\"y\":"
        "\"T-NC4v4af5uO5-tKfA-eVivOM1drMV7Oy7ZAaDe_UfU\"}]}"),
    STR("eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJhIn0.AAAA"),
    STR("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    STR("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- "
        "level: "
        "Request\n  verbs: [get]\n  namespaces: [n]\n  resources: [{group: \"\", resources: "
        "[pods/*, '*/log'], resourceNames: [p]}]\n- level: None\n  nonResourceURLs: ['/a*']\n"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str token = STR("eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJhIn0.AAAA"),
                     any = STR("RS256,PS256,ES256,ES384,ES512");
    static const struct store_key key = {{1}};
    static const char *const resources[] = {"secrets", NULL};
    struct store_cipher cipher = {
        .resources = resources, .keys = &key, .n_keys = 1, .encrypts = true};
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf plain = BUF_INIT;
    str in = {(const char *)data, size}, payload;
    struct json *keys = NULL, none = json_array();
    struct audit_policy *policy = NULL;
    const struct access x = {.is_resource = true,
                             .verb = S("get"),
                             .resource = S("pods"),
                             .subresource = S("log"),
                             .ns = S("n"),
                             .name = S("p")};
    bool unknown;
    struct err *err = json_parse(a, in, NULL, NULL, &keys);

    if (err)
        err_free(err);
    else
        err_free(jwt_verify_jwks(a, token, json_findz(keys, "keys"), any, &payload, &unknown));
    err_free(jwt_verify_jwks(a, in, &none, any, &payload, &unknown));
    err_free(jwt_payload(a, in, &payload));
    err = audit_policy_parse(a, in, &policy);
    if (err)
        err_free(err);
    else
        audit_policy_ask(policy, NULL, &x);
    pki_certs_check(a, in);
    pki_csr_check(in);
    jws_detached(a, in, in, in);
    cipher_open(&cipher, S("secrets\0ns\0name"), 1, in, &plain);
    return 0;
}
