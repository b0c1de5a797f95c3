/* openapi.c - finds and uncompresses the OpenAPI documents; see openapi.h. */
#include "schema/openapi.h"

#include <zlib.h>

const struct openapi_doc *openapi_find(str path)
{
    for (size_t i = 0; i < openapi_n_docs; i++)
        if (str_eq(openapi_docs[i].path, path))
            return &openapi_docs[i];
    return NULL;
}

void openapi_text(const struct openapi_doc *doc, struct buf *out)
{
    z_stream z;
    int rc;

    memset(&z, 0, sizeof z);
    BUG_ON(inflateInit2(&z, 15 + 16) != Z_OK);
    buf_reserve(out, doc->size);
    z.next_in = (unsigned char *)doc->gzip.p;
    z.avail_in = (uInt)doc->gzip.n;
    do {
        unsigned char chunk[16384];

        z.next_out = chunk;
        z.avail_out = sizeof chunk;
        rc = inflate(&z, Z_NO_FLUSH);
        buf_add(out, chunk, sizeof chunk - z.avail_out);
    } while (rc == Z_OK);
    BUG_ON(rc != Z_STREAM_END); /* we compressed it ourselves */
    inflateEnd(&z);
}
