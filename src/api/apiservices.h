/* apiservices.h - APIService objects: which group-versions are served here, and which by others.
 *
 *     request ──▶ authenticate, authorize ──▶ group-version of a remote APIService? ── no ──▶ served here
 *                                                  │ yes
 *                                                  ▼
 *               its Service's endpoint, over TLS with the front proxy's certificate; the user in X-Remote-* headers
 *
 * API: https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/ , k8s.io/kube-aggregator */
#ifndef K1S_API_APISERVICES_H
#define K1S_API_APISERVICES_H
#include "api/outgoing.h"

#define CUSTOM_GROUP_PRIORITY 1000 /* of custom group-versions, as Kubernetes */

struct apiservice {
    struct apiservices *set;
    const struct obj *obj; /* newest version */
    struct arena *arena;   /* of the strings */
    str name, group, version;
    str service_ns, service_name, ca_pem;
    int64_t service_port, group_priority, version_priority;
    str spec; /* its text: to see whether it changes */
    bool remote, insecure, available, automanaged;
    /* What its server says it has (apiservice_check.c). */
    struct arena *found;    /* of the following */
    struct json *resources; /* as aggregated discovery has them; NULL: not known */
    str resources_text;     /* to see whether they change */
    str openapi_hash;       /* of its v3 document; empty: it has none */
    bool fresh;             /* told by the last check */
    struct apiservice_check *check;
};
struct apiservices {
    struct api *api;
    const struct kind *kind;
    struct map by_name;                            /* "v1.example.com" -> struct apiservice */
    struct store_watch *watch, *services, *slices; /* the latter two while there are remote ones */
    struct loop_timer *timer;                      /* custom group-versions are to be registered */
    struct list writes;
    size_t n_remote;
};
MUST_USE struct err *apiservices_new(struct api *api, struct apiservices **ret);
void apiservices_free(struct apiservices *s); /* NULL: nothing */
/* Custom group-versions have local APIServices: they follow, later. s may be NULL. */
void apiservices_kinds_changed(struct apiservices *s);
/* false: served here. */
bool apiservices_handle(struct req *q);
/* The remote APIService of a group-version; NULL: none. */
struct apiservice *apiservices_remote(const struct api *api, str group, str version);
/* The n-th remote one, the most important first; NULL: no more. For discovery. */
const struct apiservice *apiservices_remote_at(const struct api *api, size_t n);

struct outgoing_target apiservice_target(const struct apiservice *s, struct arena *a, str path);
/* Writes the condition Available, unless it is there. */
void apiservice_condition(struct apiservice *s, bool available, const char *reason, str message);

/* ---- apiservice_check.c: is a remote one there, and what does it have? ---- */
void apiservice_check_soon(struct apiservice *s);
void apiservice_check_end(struct apiservice *s);
#endif
