/* validate.h - forms of names and numbers with Kubernetes' words for what is wrong with them. */
#ifndef K1S_SCHEMA_VALIDATE_H
#define K1S_SCHEMA_VALIDATE_H
#include "schema/schema.h"

#define FORMAT_PROBLEMS_MAX 3
/* The texts that apply to a value of a format, at most FORMAT_PROBLEMS_MAX; 0: it has the form.
 * Unknown formats accept everything. Texts live in `a` or are constant. Formats: dns-label,
 * dns-subdomain, dns-1035-label, qualified-name, label-value, config-key, env-name, port-name, ip,
 * cidr, c-identifier, path-segment, percent. */
size_t format_problems(struct arena *a, str format, str value, str ret[FORMAT_PROBLEMS_MAX]);
#endif
