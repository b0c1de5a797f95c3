/* go_form.h - API objects as Kubernetes' own process sees them: for messages that show such values. */
#ifndef K1S_API_GO_FORM_H
#define K1S_API_GO_FORM_H
#include "schema/schema.h"

/* The internal form of a value: Go's names, Go's order, every field written. `type` is the short name
 * of a type of core/v1 ("PodSpec", "Taint"), else "batch.v1.SuccessPolicy". */
struct json go_form(struct arena *a, const char *type, const struct json *v);
/* What changed between two values, as lines of their internal form; empty when nothing did. */
str go_diff(struct arena *a, const char *type, const struct json *old, const struct json *now);
/* Lines of two texts that differ, three lines around them, as difflib writes them without a header. */
str unified_diff(struct arena *a, str old, str now);
#endif
