/* endpoints.h - a Service's backends, as Endpoints and EndpointSlices need them. */
#ifndef K1S_CONTROLLERS_ENDPOINTS_H
#define K1S_CONTROLLERS_ENDPOINTS_H
#include "controllers/controllers_internal.h"

#define LABEL_SERVICE "kubernetes.io/service-name"
#define LABEL_HEADLESS "service.kubernetes.io/headless"
#define LABEL_SLICE_MANAGER "endpointslice.kubernetes.io/managed-by"
#define ANNOTATION_TRIGGER "endpoints.kubernetes.io/last-change-trigger-time"

#define BACKEND_PORTS_MAX 100 /* of one Service; the API allows no more by far */

struct service_port {
    str name, protocol, app_protocol;
    int64_t target; /* number; 0: by name */
    str target_name;
};
struct backend {
    struct pod pod;
    str ip;
    bool ready;     /* or published anyway */
    int64_t *ports; /* per service port; 0: this pod has no such port */
};
struct service {
    struct reconcile *r;
    struct json *tree;
    const struct obj *obj;
    bool headless, publish_not_ready;
    struct service_port *ports;
    uint32_t n_ports;
    struct backend *backends; /* with an IP of the family asked for, not terminal; by name */
    uint32_t n, cap;
    int64_t trigger_s; /* what changed first since the last look; 0: unknown */
};
/* false: not there, or none of ours (no selector, ExternalName). */
bool service_read(struct reconcile *r, struct service *ret);
/* v6: which address of each pod. */
void service_find_backends(struct service *s, bool v6);
struct json service_target_ref(struct arena *a, const struct backend *b);
/* Remembers per Service what has been reported: controller_type.state_new of both. */
void *trigger_state_new(struct controller *c);
void trigger_state_free(void *state);
void service_find_trigger(struct service *s);
void endpoints_pod_changed(struct controller *c, const struct obj *obj, const struct obj *prev);
#endif
