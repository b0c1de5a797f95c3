/* yaml_internal.h - what YAML's reader and writer share: what a plain scalar means, since the writer must quote the rest. */
#ifndef K1S_WIRE_YAML_INTERNAL_H
#define K1S_WIRE_YAML_INTERNAL_H
#include "wire/json_internal.h"
#include "wire/yaml.h"

enum yaml_kind { YAML_KIND_NULL, YAML_KIND_BOOL, YAML_KIND_INT, YAML_KIND_FLOAT, YAML_KIND_STRING };
/* What go-yaml v2 makes of a plain scalar; *ret stays untouched for strings. */
enum yaml_kind yaml_resolve(str text, struct json *ret);
/* Whether go-yaml v2 takes the plain scalar for a timestamp: read as a string, but written quoted. */
bool yaml_is_timestamp(str text);
#endif
