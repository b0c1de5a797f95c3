/* openapi_proto.h - OpenAPI v2 as protobuf. */
#ifndef K1S_SCHEMA_OPENAPI_PROTO_H
#define K1S_SCHEMA_OPENAPI_PROTO_H
#include "wire/json.h"

/* The whole of a v2 document of ours. */
void openapi_proto_document(struct arena *a, str v2_text, struct buf *out);
/* Paths and definitions alone. Readers merge messages that follow each other: appended to a document, these belong to it. */
void openapi_proto_parts(struct buf *out, const struct json *paths, const struct json *definitions);
#endif
