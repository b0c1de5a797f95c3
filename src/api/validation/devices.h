/* devices.h - rules that the kinds of resource.k8s.io share: names of drivers, pools and attributes, taints, selectors. */
#ifndef K1S_API_VALIDATION_DEVICES_H
#define K1S_API_VALIDATION_DEVICES_H
#include "api/validation/rules.h"

#define DEVICE_TAINTS_MAX 16
#define DEVICE_LIST_MAX 32 /* requests, constraints, configurations, selectors, results */

/* The list is too long? Then that is the only complaint about it. */
bool check_list_size(struct check *c, const struct at *at, const struct json *list, uint32_t max);
void check_pool_name(struct check *c, const struct at *at, str s);
void check_device_qualified_name(struct check *c, const struct at *at, str s);
void check_device_selectors(struct check *c, const struct at *at, const struct json *selectors);
void check_opaque(struct check *c, const struct at *at, const struct json *config);
/* An object of any members; NULL or empty: missing. */
void check_raw(struct check *c, const struct at *at, const struct json *v, size_t max_bytes);
void check_binding_conditions(struct check *c, const struct at *at, const struct json *v);
/* One of NoExecute, NoSchedule and None; `missing`: it has to be there. */
void check_device_effect(struct check *c, const struct at *at, str effect, bool required);
#endif
