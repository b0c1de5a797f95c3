/* check.h - what validation is written with: places in an object, complaints about them, the rules of names.
 *
 * A check walks the decoded, defaulted tree and complains; nothing stops at the first complaint. Texts and reasons are
 * those of k8s.io/apimachinery/pkg/util/validation and .../validation/field. */
#ifndef K1S_API_VALIDATION_CHECK_H
#define K1S_API_VALIDATION_CHECK_H
#include "schema/schema.h"

/* A place: chained on the stack, turned into "spec.ports[0].name" only when something is wrong there. */
struct at {
    const struct at *up;
    const char *name; /* a field; NULL: an index or key */
    str key;          /* [key] when p is set */
    int64_t index;
};
void buf_place(struct buf *b, const struct at *at);
#define AT(up_, name_) (&(struct at){(up_), (name_), STR_NONE, 0})
#define AT_INDEX(up_, index_) (&(struct at){(up_), NULL, STR_NONE, (index_)})
#define AT_KEY(up_, key_) (&(struct at){(up_), NULL, (key_), 0})

/* Fields of the decoded tree; one that Go writes as null is not there. */
static inline const struct json *present(const struct json *v)
{
    return v && v->type != JSON_NULL ? v : NULL;
}
static inline const struct json *field(const struct json *obj, const char *name)
{
    return present(json_findz(obj, name));
}
static inline const struct json *field_at(const struct json *obj, const char *dotted)
{
    return present(json_path(obj, dotted));
}

/* Neither null nor an empty string or list. */
static inline bool is_there(const struct json *v)
{
    return v && !(v->type == JSON_STRING && !v->s.n) && !(v->type == JSON_ARRAY && !v->n);
}

struct check {
    struct arena *a;
    struct err **errs;
};
unsigned check_count(const struct check *c);                                 /* complaints so far */
void bad_required(struct check *c, const struct at *at, const char *detail); /* detail may be "" */
void bad_invalid(struct check *c, const struct at *at, struct json value, const char *fmt, ...)
    PRINTF(4, 5);
/* The value as it is to be shown: of a type that has another form in Go than on the wire. */
void bad_invalid_text(struct check *c, const struct at *at, str value, const char *fmt, ...)
    PRINTF(4, 5);
void bad_invalid_omitted(struct check *c, const struct at *at, str detail); /* shows no value */
void bad_forbidden(struct check *c, const struct at *at, const char *fmt, ...) PRINTF(3, 4);
void bad_duplicate(struct check *c, const struct at *at, struct json value, const char *detail);
void bad_not_found(struct check *c, const struct at *at, struct json value, const char *detail);
void bad_too_long(struct check *c, const struct at *at, int64_t max_bytes);
void bad_too_many(struct check *c, const struct at *at, uint32_t got, uint32_t max);
/* supported: NULL-terminated, in the order to be shown. */
void bad_unsupported(struct check *c, const struct at *at, struct json value,
                     const char *const *supported);

/* ---- forms of names: NULL when s has the form, else the text that Kubernetes gives ---- */
const char *not_dns_label(str s);
const char *not_dns_subdomain(str s);
const char *not_dns1035_label(str s);
const char *not_label_value(str s);
const char *not_config_map_key(str s);
const char *not_env_name(str s);
const char *not_ip(str s);
/* Complains with every text that applies (length and form are separate complaints). */
void check_dns_label(struct check *c, const struct at *at, str s);
void check_dns1035_label(struct check *c, const struct at *at, str s);
void check_dns_subdomain(struct check *c, const struct at *at, str s);
void check_qualified_name(struct check *c, const struct at *at, str s);
void check_label_value(struct check *c, const struct at *at, str s);
void check_port_name(struct check *c, const struct at *at, str s);
bool check_port(struct check *c, const struct at *at, int64_t port); /* complains unless 1-65535 */
void check_port_or_name(struct check *c, const struct at *at, const struct json *v);
void check_ip(struct check *c, const struct at *at, str s);
void check_canonical_ip(struct check *c, const struct at *at,
                        str s); /* and written as Go writes it */
void check_cidr(struct check *c, const struct at *at, str s);
void check_special_ip(struct check *c, const struct at *at,
                      str s); /* unspecified, loopback, link-local */
void check_domain_path(struct check *c, const struct at *at, str s); /* "acme.io/foo" */
/* 1.2.3.4/24: an address, and how long its network's prefix is. */
void check_interface_address(struct check *c, const struct at *at, str s);
bool is_ip(str s);
bool is_loose_ip(str s); /* also with leading zeros */
bool is_ipv6(str s);
#define IP_TEXT_MAX 46 /* bytes, with the end */
/* The one text that Go writes of an address; false: not even a loose one. */
bool ip_usual_text(str s, char ret[static IP_TEXT_MAX]);

bool one_of(str s, const char *const *list);
void check_object_prefix(struct check *c, const struct at *at, str s);
void check_dns_search(struct check *c, const struct at *at, str s);
void check_config_key(struct check *c, const struct at *at, str s);
bool check_no_backsteps(struct check *c, const struct at *at, str path);    /* no ".." inside */
void check_local_path(struct check *c, const struct at *at, str path);      /* and relative */
void check_local_free_path(struct check *c, const struct at *at, str path); /* nor "..x" at first */

/* ---- common pieces ---- */
/* A value of a core/v1 type as Kubernetes' messages show it. */
struct json go_value(struct check *c, const char *type, const struct json *v);
struct json go_values(struct check *c, const char *type, const struct json *list);
void check_required_enum(struct check *c, const struct at *at, const struct json *v,
                         const char *const *supported); /* absent or empty: Required */
void check_not_negative_quantity(struct check *c, const struct at *at, str text);
bool check_positive_quantity(struct check *c, const struct at *at, str text);
void check_id(struct check *c, const struct at *at, const struct json *v); /* of a user or group */
void check_enum(struct check *c, const struct at *at, const struct json *v,
                const char *const *supported); /* absent is fine */
void check_not_negative(struct check *c, const struct at *at,
                        const struct json *v); /* absent is fine */
/* Of a structure, which is shown as Kubernetes has it inside: type as go_form() has it. */
void check_immutable_struct(struct check *c, const struct at *at, const char *type,
                            const struct json *now, const struct json *old);
void check_immutable(struct check *c, const struct at *at, const struct json *now,
                     const struct json *old);
void check_labels(struct check *c, const struct at *at, const struct json *labels);
void check_annotations(struct check *c, const struct at *at, const struct json *annotations);
/* Of an object within a custom one; it need not have a name (metadata.c). */
void meta_check_embedded(struct check *c, const struct at *at, const struct json *meta);
void check_label_selector(struct check *c, const struct at *at, const struct json *selector);
void check_int_or_percent(struct check *c, const struct at *at, const struct json *v);
void check_object_name(struct check *c, const struct at *at,
                       str s); /* a referenced object: DNS subdomain */
struct json selector_copy(
    struct arena *a,
    const struct json *selector); /* a LabelSelector likewise: only its labels are a map */
struct json sorted_copy(struct arena *a,
                        const struct json *v); /* as Go prints maps in messages; NULL: null */
#endif
