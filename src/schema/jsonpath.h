/* jsonpath.h - values at a JSONPath, as kubectl and the columns of custom resources mean it. */
#ifndef K1S_SCHEMA_JSONPATH_H
#define K1S_SCHEMA_JSONPATH_H
#include "wire/json.h"

struct jsonpath_results {
    const struct json **v; /* into the tree */
    size_t n, cap;
};
/* Adds what the path leads to from `current` ("@", or no sign), or from root ("$"). Results are in the arena.
 * Errors: BAD_REQUEST with client-go's wording: an index out of bounds, a bracket without its end. */
MUST_USE struct err *jsonpath_find(struct arena *a, str path, const struct json *root,
                                   const struct json *current, struct jsonpath_results *ret);
#endif
