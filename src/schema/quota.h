/* quota.h - what objects use of what a ResourceQuota limits: one way to count, for admission and
 * for the quota controller. Pure functions of trees; all text is in the arena or borrowed from the
 * object. */
#ifndef K1S_SCHEMA_QUOTA_H
#define K1S_SCHEMA_QUOTA_H
#include "schema/schema.h"

/* ---- quota.c ---- */
/* name -> amount of all that this object uses; nothing for a pod that has ended by `now`. obj may
 * be NULL for kinds that are only counted (!quota_looks_inside()). */
struct json quota_uses(struct arena *a, str group, str plural, const struct json *obj,
                       wall_time now);
/* Do two objects of this kind use different amounts, or may one come to use another amount? */
bool quota_looks_inside(str group, str plural);
/* When a pod that is being deleted ends to count, even if nobody says that it is gone. */
bool quota_pod_deadline(const struct json *pod, wall_time *ret);
/* Is the object in all scopes of the quota's spec? */
bool quota_has_scopes(const struct json *spec);
bool quota_is_about(const struct json *spec, str group, str plural, const struct json *obj);
/* The kind that uses something of this name: "pods", "deployments.apps". */
str quota_counted_kind(str name);
bool quota_is_in_bytes(str name); /* "limits.memory": shown in Ki, Mi, ... */

/* ---- amounts.c: name -> amount ---- */
bool amount_of(const struct json *list, str name, struct quantity *ret);
str amount_text(struct arena *a, const struct quantity *q, bool binary);
bool is_in_bytes(str resource); /* shown in Ki, Mi, ... */
/* A pod's "requests" or "limits". all: as the scheduler and quotas count, with what its class adds
 * and, while its size is being changed, the most of what is wanted, granted and in force. */
struct json pod_amounts(struct arena *a, const struct json *pod, const char *which, bool all);
/* What one of its containers (of `list`: "containers", "initContainers") counts for, that most
 * included; and what is said of the pod as a whole, NULL: nothing. Borrowed from the pod, or in the
 * arena. Source: component-helpers resource.PodRequests() with UseStatusResources. */
const struct json *container_amounts(struct arena *a, const struct json *pod, const char *list,
                                     const struct json *container, const char *which);
const struct json *pod_level_amounts(struct arena *a, const struct json *pod, const char *which);
void amounts_add(struct arena *a, struct json *sum, const struct json *list);
const char *pod_qos(const struct json *spec); /* Guaranteed, Burstable or BestEffort */
#endif
