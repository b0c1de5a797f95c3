/* server_internal.h - the agent's HTTPS port: what its files share. */
#ifndef K1S_KUBELET_SERVER_INTERNAL_H
#define K1S_KUBELET_SERVER_INTERNAL_H
#include "kubelet/kubelet_internal.h"

struct kubelet_server {
    struct kubelet *k;
    struct tls_server *tls;
    struct http_server *http;
    int port;
    struct list followers;  /* logs in reading (server_logs.c) */
    struct map cpu_samples; /* id -> struct cpu_sample (server_stats.c) */
};
struct request { /* a routed request: "/exec/ns/pod[/uid]/container" */
    struct kubelet_server *s;
    struct http_exchange *ex;
    str ns, pod, container;
};
void server_text(struct http_exchange *ex, int status, const char *fmt, ...) PRINTF(3, 4);
/* NULL (and answered): there is no such pod. */
struct pod_worker *server_find_pod(struct request *r);
/* Query parameter as a flag: "1", "true". Either name. */
bool server_flag(struct http_exchange *ex, const char *name, const char *other);

/* server_translate.c: WebSocket v5 to the runtime's SPDY */
struct translate_streams {
    bool in, out, err, tty;
};
bool translate_is_wanted(const struct http_request *r);
const struct http_header *
translate_request(size_t *ret_n); /* headers of the upgrade at the runtime */
/* Upgrades the caller and joins it to the runtime's SPDY connection, which it then owns. false: the caller has gone. */
bool translate_begin(struct loop *loop, struct http_exchange *ex, struct arena *a,
                     const struct translate_streams *want, struct stream *runtime);

void server_logs(struct request *r);
void server_followers_free(struct kubelet_server *s);
void server_exec(struct request *r);
void server_attach(struct request *r);
void server_port_forward(struct request *r);
void server_run(struct request *r);
void server_stats_summary(struct request *r);
void server_metrics_resource(struct request *r);
void server_metrics(struct request *r);
void server_stats_free(struct kubelet_server *s);
#endif
