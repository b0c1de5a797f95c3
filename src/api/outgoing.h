/* outgoing.h - calls of the API server to others: webhooks and aggregated API servers. */
#ifndef K1S_API_OUTGOING_H
#define K1S_API_OUTGOING_H
#include "api/api_internal.h"

#define OUTGOING_PEERS_MAX 16           /* TLS configurations with connections kept */
#define OUTGOING_TIMEOUT_S 30           /* of webhooks that name none */
#define OUTGOING_ANSWER_MAX (16u << 20) /* bytes of an answer that is read as a whole */
#define OUTGOING_RETRIES_MAX 10         /* of a call whose server says when to come back */
#define OUTGOING_ERROR_TEXT_MAX 2048    /* bytes of an answer that messages quote, as client-go */

/* Who is called. Strings are borrowed; they have to live until the call has begun. */
struct outgoing_target {
    str url; /* as called and as messages name it: "https://hook.ns.svc:443/path?timeout=10s" */
    str service_ns, service_name; /* not empty: connects to one of this Service's endpoints */
    int64_t service_port;
    str ca_pem; /* empty: the system's roots */
    bool insecure;
    bool front_proxy; /* shows the aggregator's client certificate */
};
/* Of a WebhookClientConfig. query ("timeout=10s", may be empty) is added to the URL. */
MUST_USE struct err *outgoing_target_of(struct arena *a, const struct json *client_config,
                                        str query, struct outgoing_target *ret);

/* Where a Service's port is served: "10.42.0.7:8443", one of the ready endpoints at random. Errors:
 * NOT_FOUND, UNAVAILABLE with the texts of k8s.io/apiserver/pkg/util/proxy. */
MUST_USE struct err *outgoing_resolve(struct api *api, struct arena *a, str ns, str name,
                                      int64_t port, str *ret_address);

/* POSTs JSON. fn runs once, never before the call has returned, and not after outgoing_cancel().
 * err: the text is that of Go's REST client (`Post "https://…": dial tcp …`, `the server could not
 * find the requested resource`, or the message of a Status that came); owned by fn. body: what a 2xx
 * answer carried, not yet parsed, never empty; borrowed. An answer 429 or 5xx with Retry-After is waited for within the time.
 * When the server ends, calls still under way fail. */
struct outgoing_call; /* valid until fn runs or it is cancelled */
typedef void outgoing_fn(void *ctx, struct err *err, str body);
struct outgoing_call *outgoing_post(struct api *api, const struct outgoing_target *t, str json,
                                    int64_t timeout_ns, outgoing_fn *fn, void *ctx);
void outgoing_cancel(struct outgoing_call *c);

/* For those who pass bytes on: the HTTP client for a target, kept with its connections for the
 * next. Hold it while calls run. */
struct outgoing_peer;
MUST_USE struct err *outgoing_peer_get(struct api *api, const struct outgoing_target *t,
                                       struct outgoing_peer **ret);
struct http_client *outgoing_peer_client(struct outgoing_peer *p);
void outgoing_peer_put(struct outgoing_peer *p);

/* The error that an answer which is no 2xx means to Go's REST client. */
struct err *outgoing_status_error(struct arena *a, const char *method, int status, str content_type,
                                  str body);
void outgoing_free(struct outgoing *o); /* NULL: nothing */
#endif
