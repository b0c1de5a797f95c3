/* convert.h - the parts of convert.c that have files of their own. */
#ifndef K1S_SCHEMA_CONVERT_H
#define K1S_SCHEMA_CONVERT_H
#include "schema/schema_internal.h"

struct err *convert_hpa_to_v2(struct arena *a, const struct resource *from,
                              const struct resource *to, struct json *v);
struct err *convert_hpa_to_v1(struct arena *a, const struct resource *from,
                              const struct resource *to, struct json *v);

#endif
