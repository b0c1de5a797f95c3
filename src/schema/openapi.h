/* openapi.h - the OpenAPI documents of the built-in kinds, made at build time and kept compressed.
 *
 * A client that accepts gzip can be sent the bytes as they are. Custom resources' schemas are not
 * in them. */
#ifndef K1S_SCHEMA_OPENAPI_H
#define K1S_SCHEMA_OPENAPI_H
#include "base/base.h"

struct openapi_doc {
    str path;    /* "v2", "v2.pb" (the same as protobuf, for old clients), or below /openapi/:
                    "v3/api/v1", "v3/apis/apps", "v3/apis/apps/v1", "v3/version" */
    str gzip;    /* the document (JSON, but for v2.pb), compressed */
    size_t size; /* bytes when uncompressed */
    str etag;    /* upper-case hex, without quotes: the hash in /openapi/v3's index, too */
    bool legacy; /* of a removed group-version: exists only with --legacy-apis */
};
extern const struct openapi_doc openapi_docs[];
extern const size_t openapi_n_docs;
const struct openapi_doc *openapi_find(str path); /* NULL: none */
/* The uncompressed text, appended to out. */
void openapi_text(const struct openapi_doc *doc, struct buf *out);
#endif
