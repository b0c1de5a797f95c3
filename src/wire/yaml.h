/* yaml.h - YAML 1.1 as Kubernetes reads it (sigs.k8s.io/yaml: YAML to JSON), on libyaml.
 *
 * Anchors, aliases (expansion limited), merge keys, block scalars, 1.1 booleans (yes/no/on/off), octal and hex
 * numbers; keys become strings. Errors carry the line. */
#ifndef K1S_WIRE_YAML_H
#define K1S_WIRE_YAML_H
#include "wire/json.h"
/* One document. Empty input gives JSON_NULL. duplicates may be NULL; otherwise an array that gets a text for each key that came
 * again, as the strict decoder inside sigs.k8s.io/yaml words it: `line 5: key "name" already set in map`. The last value counts. */
MUST_USE struct err *yaml_parse(struct arena *a, str text, struct json *duplicates,
                                struct json **ret);
/* A stream of documents; *ret is a JSON_ARRAY of the non-empty ones. JSON documents in it are fine too. */
MUST_USE struct err *yaml_parse_all(struct arena *a, str text, struct json **ret);
/* As sigs.k8s.io/yaml marshals: keys sorted, two-space indent, sequences not indented below their key, block scalars for multi-line strings. */
void yaml_encode(struct buf *b, const struct json *v);
/* As Go's FormatFloat(d, 'g', -1, 64), or of a float32 when `single`. */
void yaml_encode_double(struct buf *b, double d, bool single);
#endif
