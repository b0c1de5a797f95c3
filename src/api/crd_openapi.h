/* crd_openapi.h - OpenAPI documents of custom kinds. */
#ifndef K1S_API_CRD_OPENAPI_H
#define K1S_API_CRD_OPENAPI_H
#include "api/api_internal.h"

/* Paths and schemas of a served custom kind, as members of the two objects (v3: for components; else as v2 has them). */
void crd_openapi_kind(struct arena *a, const struct kind *k, bool v3, struct json *paths,
                      struct json *schemas);
/* The v3 document of a custom group-version. */
void crd_openapi_v3(struct api *api, struct arena *a, str group, str version, struct buf *out);
/* A built-in v2 document (JSON text) with all custom kinds in it. */
void crd_openapi_v2(struct api *api, struct arena *a, str builtin, struct buf *out);
/* What is to be appended to the v2 document in protobuf. */
void crd_openapi_v2_proto(struct api *api, struct arena *a, struct buf *out);
#endif
