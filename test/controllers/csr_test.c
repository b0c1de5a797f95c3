/* csr_test.c - which certificate requests are signed, for how long, and what becomes of the others. */
#include "test/controllers/plans.h"
#include "wire/tls.h"

/* Requests of one EC key, made with openssl req. */
#define BOB                                                                                        \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISU1IQUNBUUF3RGpFTU1Bb0dBMVVFQXd3RFltOWlN" \
    "Rmt3RXdZSEtvWkl6ajBDQVFZSUtvWkl6ajBEQVFjRApRZ0FFb2RzYmlnZWlhOXdTMyt1Um1WK3Rha2xpaHdiY29GRzVQ" \
    "Tmd4WG85dXB2QkNZV3hscXVkRHBOTGNYTkhnCmpoVlg0eFhvSnlIcGN1b1dBWHk2eFZraDBLQUFNQW9HQ0NxR1NNNDlC" \
    "QU1DQTBnQU1FVUNJUURHYzVTdnFpd0gKcWRIZW5RczhxUHVtKzQzR05qRU54NkhNS3lJd0gzNTAzd0lnRDFWRk5qMUNW" \
    "YWZIb1ppY25NZ2t0M21DNkZENQppNUc0bW5qZWtaRlBkSkE9Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0t" \
    "LQo="
#define NODE                                                                                       \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIck1JR1NBZ0VBTURBeEZUQVRCZ05WQkFvTURITjVj" \
    "M1JsYlRwdWIyUmxjekVYTUJVR0ExVUVBd3dPYzNsegpkR1Z0T201dlpHVTZiakV3V1RBVEJnY3Foa2pPUFFJQkJnZ3Fo" \
    "a2pPUFFNQkJ3TkNBQVNoMnh1S0I2SnIzQkxmCjY1R1pYNjFxU1dLSEJ0eWdVYms4MkRGZWoyNm04RUpoYkdXcTUwT2sw" \
    "dHhjMGVDT0ZWZmpGZWduSWVseTZoWUIKZkxyRldTSFFvQUF3Q2dZSUtvWkl6ajBFQXdJRFNBQXdSUUloQUw3c0RjMUxB" \
    "ZzVva0MxMllyUjFuSnFHRkVvTgpLOFFaODI1dTZBN3JDMlc3QWlBY1NnOVBmMzhpK0l6cGo5cmhJMGQyRGtPZ0xCaFFK" \
    "SDBxZG5tMnB1UG4zUT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo="
#define NODE_WITH_NAMES                                                                            \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQkVqQ0J1QUlCQURBd01SVXdFd1lEVlFRS0RBeHpl" \
    "WE4wWlcwNmJtOWtaWE14RnpBVkJnTlZCQU1NRG5ONQpjM1JsYlRwdWIyUmxPbTR4TUZrd0V3WUhLb1pJemowQ0FRWUlL" \
    "b1pJemowREFRY0RRZ0FFb2RzYmlnZWlhOXdTCjMrdVJtVit0YWtsaWh3YmNvRkc1UE5neFhvOXVwdkJDWVd4bHF1ZERw" \
    "TkxjWE5IZ2poVlg0eFhvSnlIcGN1b1cKQVh5NnhWa2gwS0FtTUNRR0NTcUdTSWIzRFFFSkRqRVhNQlV3RXdZRFZSMFJC" \
    "QXd3Q29JQ2JqR0hCQW9BQUFFdwpDZ1lJS29aSXpqMEVBd0lEU1FBd1JnSWhBTFp6Ty9TY2o1OHRXQlVabldaSUo5a1k1" \
    "REgxRWxYcmtGYmFsbDNsCkJtZDRBaUVBNlFSM2JGaEhlbCtabyt2emc3OGZkYlJrOUJJU0NWKzNsV2tIanRqbmVwQT0K" \
    "LS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg=="
#define NODE_WITH_MAIL                                                                             \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQkVUQ0J1UUlCQURBd01SVXdFd1lEVlFRS0RBeHpl" \
    "WE4wWlcwNmJtOWtaWE14RnpBVkJnTlZCQU1NRG5ONQpjM1JsYlRwdWIyUmxPbTR4TUZrd0V3WUhLb1pJemowQ0FRWUlL" \
    "b1pJemowREFRY0RRZ0FFb2RzYmlnZWlhOXdTCjMrdVJtVit0YWtsaWh3YmNvRkc1UE5neFhvOXVwdkJDWVd4bHF1ZERw" \
    "TkxjWE5IZ2poVlg0eFhvSnlIcGN1b1cKQVh5NnhWa2gwS0FuTUNVR0NTcUdTSWIzRFFFSkRqRVlNQll3RkFZRFZSMFJC" \
    "QTB3QzRJQ2JqR0JCV0ZBWWk1agpNQW9HQ0NxR1NNNDlCQU1DQTBjQU1FUUNJRkRDNmltbTQwVVNrMVcyWnBHazV2T0N4" \
    "cGtMdy8ybm1EZW1wekEwCjlqMnRBaUFFbHFUNFJENlg5NmZkVTN6d2o3YVd0UlFKWTkyQXhrdm5KMzZWbGhnOWFnPT0K" \
    "LS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg=="
#define NO_NODE                                                                                    \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIL01JR21BZ0VBTUNReEZUQVRCZ05WQkFvTURITjVj" \
    "M1JsYlRwdWIyUmxjekVMTUFrR0ExVUVBd3dDYmpFdwpXVEFUQmdjcWhrak9QUUlCQmdncWhrak9QUU1CQndOQ0FBU2gy" \
    "eHVLQjZKcjNCTGY2NUdaWDYxcVNXS0hCdHlnClViazgyREZlajI2bThFSmhiR1dxNTBPazB0eGMwZUNPRlZmakZlZ25J" \
    "ZWx5NmhZQmZMckZXU0hRb0NBd0hnWUoKS29aSWh2Y05BUWtPTVJFd0R6QU5CZ05WSFJFRUJqQUVnZ0p1TVRBS0JnZ3Fo" \
    "a2pPUFFRREFnTklBREJGQWlFQQo2bnlTLzNPM3BmaytlWUNkVHNGZ1RSVWtwZjBOTnEzNUxyYWhubDByVVM0Q0lCMWdB" \
    "aHJ4aWp6Q09XenRrT2IwCjlnTHBlS3Z5YWxYUFZjY2dTb3crNzJQegotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNU" \
    "LS0tLS0K"

#define CLIENT "kubernetes.io/kube-apiserver-client"
#define KUBELET "kubernetes.io/kube-apiserver-client-kubelet"
#define SERVING "kubernetes.io/kubelet-serving"

struct ca {
    struct buf key, cert;
};

static void start(struct world *w, struct ca *ca)
{
    *ca = (struct ca){BUF_INIT, BUF_INIT};
    world_init(w);
    CHECK_OK(pki_key_new(&ca->key));
    CHECK_OK(pki_cert_new(
        &(struct pki_cert_options){.common_name = S("ca"),
                                   .is_ca = true,
                                   .not_after = {w->now.ns + 400 * INT64_C(86400) * NS_PER_S}},
        buf_view(&ca->key), STR_NONE, STR_NONE, &ca->cert));
    w->config.ca_pem = buf_view(&ca->cert);
    w->config.ca_key_pem = buf_view(&ca->key);
}

static void stop(struct world *w, struct ca *ca)
{
    world_fini(w);
    buf_fini(&ca->key);
    buf_fini(&ca->cert);
}

static str plan_for(struct world *w, const char *signer, const char *request, const char *usages,
                    const char *more)
{
    have(w, K_CSRS,
         "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"signerName\":\"%s\",\"request\":\"%s\","
         "\"usages\":[%s]%s},\"status\":{\"conditions\":[{\"type\":\"Approved\",\"status\":"
         "\"True\"}]}}",
         signer, request, usages, more);
    return plan_of(w, &csr_signer_controller, "", "r");
}

/* Seconds that the certificate in a plan lives; 0: there is none. */
static int64_t life_of(struct world *w, str plan)
{
    ptrdiff_t at = str_find(plan, S("\"certificate\":\""));
    wall_time end;
    str text, pem;

    if (at < 0)
        return 0;
    text = str_skip(plan, (size_t)at + strlen("\"certificate\":\""));
    str_cut(&text, '"', &pem);
    CHECK(base64_decode(w->a, pem, &pem));
    CHECK_OK(pki_cert_not_after(pem, &end));
    return (end.ns - w->now.ns) / NS_PER_S;
}

TEST(csr, is_signed_when_it_has_the_form_that_its_signer_is_for)
{
    static const struct {
        const char *signer, *request, *usages, *wrong; /* wrong NULL: signed */
    } cases[] = {
        {CLIENT, BOB, "\"client auth\"", NULL},
        {CLIENT, BOB, "\"digital signature\",\"key encipherment\",\"client auth\"", NULL},
        {CLIENT, BOB, "\"client auth\",\"any\"", "invalid usage for client certificate: any"},
        {CLIENT, BOB, "\"digital signature\"",
         "missing required usage for client certificate: client auth"},
        {KUBELET, NODE, "\"digital signature\",\"client auth\"", NULL},
        {KUBELET, NODE, "\"digital signature\",\"key encipherment\",\"client auth\"", NULL},
        {KUBELET, NODE, "\"client auth\"",
         "usages did not match [client auth digital signature key encipherment]"},
        {KUBELET, NODE, "\"digital signature\",\"client auth\",\"server auth\"",
         "usages did not match [client auth digital signature key encipherment]"},
        {KUBELET, BOB, "\"digital signature\",\"client auth\"",
         "subject organization is not system:nodes"},
        {KUBELET, NODE_WITH_NAMES, "\"digital signature\",\"client auth\"",
         "DNS subjectAltNames are not allowed"},
        {SERVING, NODE_WITH_NAMES, "\"digital signature\",\"server auth\"", NULL},
        {SERVING, NODE, "\"digital signature\",\"server auth\"",
         "DNS or IP subjectAltName is required"},
        {SERVING, NODE_WITH_MAIL, "\"digital signature\",\"server auth\"",
         "Email subjectAltNames are not allowed"},
        {SERVING, NODE_WITH_NAMES, "\"digital signature\",\"client auth\"",
         "usages did not match [digital signature key encipherment server auth]"},
        {SERVING, NO_NODE, "\"digital signature\",\"server auth\"",
         "subject common name does not begin with system:node:"},
    };
    struct world w;
    struct ca ca;

    start(&w, &ca);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str plan = plan_for(&w, cases[i].signer, cases[i].request, cases[i].usages, "");

        CHECK((life_of(&w, plan) > 0) == !cases[i].wrong);
        if (cases[i].wrong)
            CHECK(str_find(plan, arena_fmt(w.a,
                                           "{\"type\":\"Failed\",\"status\":\"True\",\"reason\":"
                                           "\"SignerValidationFailure\",\"message\":\"%s\"",
                                           cases[i].wrong)) >= 0);
    }
    CHECK_STRZ(plan_for(&w, "acme.io/x", BOB, "\"client auth\"", ""), "");
    stop(&w, &ca);
}

TEST(csr, lives_as_long_as_was_asked_for_within_bounds)
{
    static const struct {
        const char *asked;
        int64_t life_s;
    } cases[] = {
        {"", 365 * 86400 - 300}, /* counted from its beginning, five minutes ago */
        {",\"expirationSeconds\":60", 600},
        {",\"expirationSeconds\":3600", 3600}, /* a short one: from now */
        {",\"expirationSeconds\":28800", 28800 - 300},
        {",\"expirationSeconds\":99999999", 365 * 86400 - 300},
    };
    struct world w;
    struct ca ca;

    start(&w, &ca);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_INT(life_of(&w, plan_for(&w, CLIENT, BOB, "\"client auth\"", cases[i].asked)),
                  cases[i].life_s);
    w.now.ns += 399 * INT64_C(86400) * NS_PER_S;
    CHECK_INT(life_of(&w, plan_for(&w, CLIENT, BOB, "\"client auth\"", "")),
              86400); /* the CA's end */
    stop(&w, &ca);
}

TEST_MAIN
