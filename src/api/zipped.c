/* zipped.c - compressed answers: whole ones, and lists while they are made.
 *
 * Level 1, as Kubernetes: most of the gain for little time.
 * API: k8s.io/apiserver/pkg/endpoints/handlers/responsewriters (gzip above 128 KiB; no length is told then) */
#include "api/api_internal.h"

#include <zlib.h>

#define GZIP_PIECE (64u << 10) /* bytes of compressed text that are written at a time */

bool wants_gzip(struct req *q)
{
    str enc = http_header(&q->ex->req, "accept-encoding"), part;

    if (audit_keeps_body(q))
        return false;
    /* Nobody weighs them: with a weight it is another word. Source: responsewriters/writers.go, negotiateContentEncoding(). */
    while (enc.p && str_cut(&enc, ',', &part))
        if (str_is(str_trim(part), "gzip"))
            return true;
    return false;
}

static bool begin(z_stream *z)
{
    return deflateInit2(z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

bool gzip_all(struct buf *out, str in)
{
    z_stream z = {0};
    int rc;

    if (!begin(&z))
        return false;
    buf_reserve(out, deflateBound(&z, in.n));
    z.next_in = (unsigned char *)(uintptr_t)in.p;
    z.avail_in = (unsigned)in.n;
    z.next_out = (unsigned char *)out->p;
    z.avail_out = (unsigned)out->cap;
    rc = deflate(&z, Z_FINISH);
    out->n = z.total_out;
    deflateEnd(&z);
    return rc == Z_STREAM_END;
}

size_t stream_headers(struct req *q, struct http_header *h, const struct zipper *zip, size_t length)
{
    size_t n = 0;

    if (zip) {
        h[n++] = (struct http_header){S("Content-Encoding"), S("gzip")};
        h[n++] = (struct http_header){S("Vary"), S("Accept-Encoding")};
    } else if (length != SIZE_MAX)
        h[n++] = (struct http_header){S("Content-Length"), arena_fmt(q->a, "%zu", length)};
    return n;
}

struct zipper {
    z_stream z;
    char out[GZIP_PIECE];
};

struct zipper *zipper_new(void)
{
    struct zipper *zip = NEW(struct zipper);

    if (begin(&zip->z))
        return zip;
    mem_free(zip);
    return NULL;
}

void zipper_free(struct zipper *zip)
{
    if (!zip)
        return;
    deflateEnd(&zip->z);
    mem_free(zip);
}

void zipper_write(struct zipper *zip, struct http_exchange *ex, str piece, bool last)
{
    z_stream *z = &zip->z;

    z->next_in = (unsigned char *)(uintptr_t)piece.p;
    z->avail_in = (unsigned)piece.n;
    do {
        z->next_out = (unsigned char *)zip->out;
        z->avail_out = sizeof zip->out;
        /* With room to write it cannot fail, and it is done when it leaves some of that. */
        deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
        if (z->avail_out < sizeof zip->out)
            http_write(ex, (str){zip->out, sizeof zip->out - z->avail_out});
    } while (!z->avail_out);
}
