/* hooks.h - the functions that rows of the kind table name, by the file that has them. */
#ifndef K1S_API_HOOKS_H
#define K1S_API_HOOKS_H
#include "api/kinds.h"

/* prepare.c */
kind_prepare_fn pod_prepare_create, pod_prepare_update, pod_prepare_status,
    namespace_prepare_create, namespace_prepare_update, secret_prepare, pv_prepare_create,
    pvc_prepare_create, job_prepare_create, csr_prepare_create, csr_prepare_update,
    slice_prepare_update, daemonset_default, pvc_prepare_update, hpa_default, lease_prepare,
    csidriver_prepare, node_default, node_prepare, pod_default, resourceslice_default;
/* pod_prepare.c */
void pod_spec_drop(struct write *w); /* of every kind with a pod spec */
struct json pod_completed(struct arena *a, const struct json *pod);
/* certificates.c (prepare functions above) */
kind_admit_fn csr_admit;
/* service.c */
kind_prepare_fn service_prepare_create, service_prepare_update;
kind_admit_fn service_allocate;
struct err *service_claim(struct write *w, int64_t revision, struct store_change *ret);
void service_settled(struct api *api, const struct json *obj, const struct json *old, bool ok,
                     bool claimed);
kind_warn_fn service_warn; /* warnings/service.c */
/* service_addresses.c */
struct err *addresses_release(struct api *api, struct arena *a, const struct json *service,
                              int64_t revision, struct store_change *ret);
/* service_prepare.c */
bool service_wants_node_ports(const struct json *spec);
bool service_wants_health_port(const struct json *spec);
struct err *service_families(struct write *w, struct json *spec);
/* reviews.c */
void token_review(struct req *q, struct json *obj);
void self_review(struct req *q, struct json *obj);
void access_review(struct req *q, struct json *obj);
void rules_review(struct req *q, struct json *obj);
void component_statuses(struct req *q);
/* binding.c */
void binding_create(struct req *q, struct json *obj);
/* rbac.c */
kind_admit_fn rbac_admit;
#endif
