/* http1_fuzz.c - HTTP/1.1 messages: however the input is cut, the result is the same, and
 * nothing is read out of bounds. */
#include "wire/http1_parse.h"
#include "test/fuzz/fuzz.h"

const str fuzz_seeds[] = {
    STR("GET /a%20b?x=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
        "SPDY/3.1\r\n\r\n"),
    STR("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nhello\r\n0010;e=\"a\"\r\n, world of chunk\r\n0\r\nT: x\r\n\r\n"),
    STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    {NULL, 0},
};

static void fuzz_head(const char *p, size_t n, size_t step)
{
    size_t scanned = 0, whole_scanned = 0, length = 0,
           whole = http1_head_length(p, n, &whole_scanned);
    CLEANUP(arena) struct arena *a = arena_new();
    struct http1_head head;

    for (size_t at = step; !length && at < n; at += step)
        length = http1_head_length(p, at, &scanned);
    if (!length)
        length = http1_head_length(p, n, &scanned);
    BUG_ON(length != whole);
    if (!whole)
        return;
    /* A copy of the exact size lets the sanitizer see a read behind the end. */
    p = mem_dup(p, whole);
    if (!http1_parse_request(a, (str){p, whole}, &head).status) {
        BUG_ON(!head.method.n || head.n_headers > HTTP1_HEADERS_MAX + 1);
        BUG_ON(head.chunked && head.content_length >= 0);
    }
    if (!http1_parse_response(a, (str){p, whole}, &head).status)
        BUG_ON(head.status < 100 || head.status > 999);
    mem_free((void *)(uintptr_t)p);
}

static enum http1_chunk dechunk(const char *p, size_t n, size_t step, struct buf *out)
{
    struct http1_chunked c = {0};
    enum http1_chunk r = HTTP1_CHUNK_MORE;
    str data;

    for (size_t at = 0; at < n && r == HTTP1_CHUNK_MORE; at += step) {
        const char *piece = p + at;
        size_t left = MIN(step, n - at);

        while ((r = http1_chunk_next(&c, &piece, &left, &data)) == HTTP1_CHUNK_DATA)
            buf_str(out, data);
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf) struct buf whole = BUF_INIT;
    CLEANUP(buf) struct buf cut = BUF_INIT;
    const char *p = (const char *)data + 1;
    size_t n = size - 1, step;

    if (size < 2)
        return 0;
    step = 1 + data[0] % 16;
    fuzz_head(p, n, step);
    BUG_ON(dechunk(p, n, n, &whole) != dechunk(p, n, step, &cut));
    BUG_ON(!str_eq(buf_view(&whole), buf_view(&cut)));
    return 0;
}
