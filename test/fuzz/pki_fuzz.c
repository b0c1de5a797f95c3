/* pki_fuzz.c - what strangers send to be parsed by OpenSSL and us: certificate requests and
 * tokens. */
#include "wire/tls.h"
#include "test/fuzz/fuzz.h"

const str fuzz_seeds[] = {
    STR("-----BEGIN CERTIFICATE "
        "REQUEST-----\nMIHFMG0CAQAwCzEJMAcGA1UEAwwAMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END "
        "CERTIFICATE REQUEST-----\n"),
    STR("eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJhIn0.AAAA"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str key = STR("-----BEGIN PUBLIC KEY-----\n"
                               "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
                               "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
                               "-----END PUBLIC KEY-----\n");
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf pem = BUF_INIT;
    str in = {(const char *)data, size}, payload;
    struct pki_csr csr;
    wall_time end;

    buf_z(&pem, "-----BEGIN CERTIFICATE REQUEST-----\n");
    buf_base64(&pem, in);
    buf_z(&pem, "\n-----END CERTIFICATE REQUEST-----\n");
    err_free(pki_csr_parse(a, buf_view(&pem), &csr));
    err_free(pki_csr_parse(a, in, &csr));
    err_free(pki_cert_not_after(in, &end));
    err_free(jwt_verify(a, in, &key, 1, &payload));
    return 0;
}
