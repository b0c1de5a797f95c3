/* schema_internal.h - what the generated tables and the interpreters in this folder share. */
#ifndef K1S_SCHEMA_INTERNAL_H
#define K1S_SCHEMA_INTERNAL_H
#include "schema/schema.h"

struct schema_kind_row {
    str group, version, kind;
    const struct schema_type *type;
    bool everywhere; /* Status, DeleteOptions, WatchEvent: known in every group-version */
};
extern const struct schema_type schema_types[]; /* sorted by name */
extern const size_t schema_n_types;
extern const struct schema_kind_row schema_kinds[]; /* sorted by kind, group, version */
extern const size_t schema_n_kinds;

/* ---- times as Go reads and writes them (time.c) ---- */
struct schema_time {
    int64_t s; /* since 1970 */
    int32_t ns;
    bool zero; /* Go's zero time: 0001-01-01T00:00:00Z, written as null */
};
/* "2006-01-02T15:04:05Z" alone, from year 2 on; false: anything else. */
bool schema_time_plain(str s, int64_t *ret_s);
/* Parses as time.Parse(RFC3339) does; micro: with exactly six decimals. On failure *ret_error is Go's text. */
bool schema_time_parse(struct arena *a, str text, bool micro, struct schema_time *ret,
                       str *ret_error);
str schema_time_format(struct arena *a, const struct schema_time *t, bool micro); /* UTC */

/* ---- the form of a struct: its members in Go's order with Go's omissions (form.c) ----
 * A struct's values wait in slots, one for each field, those of inlined structs in their place (so that there are
 * form_slots() of them); NULL: absent. */
uint32_t form_slots(const struct schema_type *t);
/* Slot of a member, or -1; *ret_field is its field. hint: slot expected next (members mostly come in order). */
int form_slot(const struct schema_type *t, str name, const struct schema_field **ret_field);
/* Builds the object of the slots: drops what Go omits, adds what Go writes although it is zero. */
struct json form_object(struct arena *a, const struct schema_type *t, struct json *const *slots,
                        uint32_t n_extra);
struct json form_zero(struct arena *a, const struct schema_type *t); /* the zero value of an item */
/* Puts a member where Go would have it, replacing what is there. */
void form_set(struct arena *a, const struct schema_type *t, struct json *obj, str name,
              struct json v);

/* ---- computed defaults (defaults_<area>.c); named in api/ with defaults=NAME, where NAME is without "default_" ----
 * v is an object of type t; its own static defaults are set already, those of what is below it are not. */
typedef void schema_default_fn(struct arena *a, const struct schema_type *t, struct json *v);
extern schema_default_fn *const schema_default_fns[];
schema_default_fn default_container, default_volume, default_pod_spec, default_pod, default_service,
    default_namespace, default_node_status, default_persistent_volume, default_limit_range_item,
    default_replication_controller, default_rolling_update, default_stateful_set_spec, default_job,
    default_hpa_spec, default_network_policy_spec, default_rbac_subject, default_device_request,
    default_crd_spec;
/* Absent, null, or zero where Go has no pointer. */
bool default_is_unset(const struct schema_type *t, const struct json *obj, const char *name);
/* Sets a member unless it is set; the value's text is JSON. */
void default_set(struct arena *a, const struct schema_type *t, struct json *obj, const char *name,
                 struct json v);
void default_json(struct arena *a, const struct schema_type *t, struct json *obj, const char *name,
                  const char *json);

#endif
