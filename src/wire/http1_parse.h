/* http1_parse.h - HTTP/1.1 messages as bytes: heads and chunked bodies, for the server, the
 * client and the fuzzer.
 *
 * Pure functions over memory; no limit on size is checked but where it is named here. Strict
 * where leniency has been used to smuggle requests past proxies: one framing per message, no
 * white space before a colon, no folded lines, CRLF around chunks. A bare LF ends a line of a
 * head, as in Go. Source: RFC 9110, RFC 9112, Go's net/http. */
#ifndef K1S_WIRE_HTTP1_PARSE_H
#define K1S_WIRE_HTTP1_PARSE_H
#include "wire/http.h"

#define HTTP1_HEADERS_MAX 1000
#define HTTP1_CHUNK_LINE_MAX 4096 /* bytes of a chunk's size line with its extensions */
#define HTTP1_TRAILERS_MAX 65536  /* bytes of trailer fields; they are read and dropped */

/* Length of the head at the start of (p, n), its empty line included; 0: not all there.
 * `scanned` starts at 0 and keeps what has been looked at, so that slow senders cost linear
 * time. */
size_t http1_head_length(const char *p, size_t n, size_t *scanned);

struct http1_head {
    str method, target, path, query; /* requests */
    int status;                      /* responses */
    int minor;                       /* HTTP/1.minor */
    struct http_header *headers;     /* slices of the head */
    size_t n_headers;
    str host, upgrade;
    int64_t content_length; /* -1: not given */
    bool chunked, keep_alive, expect_continue, connection_upgrade;
};
struct http1_problem {
    int status;       /* what a server answers; 0: no problem */
    const char *text; /* NULL: nothing beyond the status */
};
/* head: from http1_head_length(); outlives the result. Empty lines before a request are the
 * caller's to skip. */
struct http1_problem http1_parse_request(struct arena *a, str head, struct http1_head *ret);
struct http1_problem http1_parse_response(struct arena *a, str head, struct http1_head *ret);
const char *http_status_text(int status); /* "Not Found"; "" for unknown ones */

struct http1_chunked { /* zeroed to start */
    unsigned state;
    uint64_t left;
    size_t line_n;
};
enum http1_chunk { HTTP1_CHUNK_DATA, HTTP1_CHUNK_MORE, HTTP1_CHUNK_END, HTTP1_CHUNK_BAD };
/* Takes bytes off (*p, *n) until there is data, the end, or nothing left. */
enum http1_chunk http1_chunk_next(struct http1_chunked *c, const char **p, size_t *n,
                                  str *ret_data);
#endif
