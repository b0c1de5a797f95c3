/* http_util.c - what every transport of an exchange shares: headers, queries, escapes, whole
 * answers. */
#include "wire/http.h"
#include "wire/websocket.h"

str http_header(const struct http_request *r, const char *name)
{
    str wanted = str_of(name);

    for (size_t i = 0; i < r->n_headers; i++)
        if (r->headers[i].name.n == wanted.n && str_eq_nocase(r->headers[i].name, wanted))
            return r->headers[i].value;
    return STR_NONE;
}

/* ---- percent-encoding (RFC 3986) ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool http_percent_decode(struct arena *a, str in, bool plus_is_space, str *ret)
{
    char *out;
    size_t n = 0;

    if (!str_has_char(in, '%') && !(plus_is_space && str_has_char(in, '+'))) {
        *ret = in;
        return true;
    }
    out = arena_alloc(a, in.n + 1);
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '%') {
            int high = i + 2 <= in.n - 1 ? hex_value(in.p[i + 1]) : -1,
                low = i + 2 <= in.n - 1 ? hex_value(in.p[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    *ret = (str){out, n};
    return true;
}

void http_percent_encode(struct buf *b, str in)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.' || c == '~') {
            buf_char(b, (char)c);
        } else {
            buf_char(b, '%');
            buf_char(b, digits[c >> 4]);
            buf_char(b, digits[c & 15]);
        }
    }
}

/* ---- queries ---- */

/* The next name=value, still encoded. Empty parts ("a=1&&b") are skipped, as by Go. */
static bool query_next(str *rest, str *ret_name, str *ret_value)
{
    str part;

    while (str_cut(rest, '&', &part)) {
        ptrdiff_t at = str_index(part, '=');

        if (!part.n)
            continue;
        *ret_name = at < 0 ? part : str_slice(part, 0, (size_t)at);
        *ret_value = at < 0 ? str_slice(part, part.n, part.n) : str_skip(part, (size_t)at + 1);
        return true;
    }
    return false;
}

static str query_text(struct arena *a, str encoded)
{
    str text;

    return http_percent_decode(a, encoded, true, &text) ? text : encoded;
}

bool http_query(struct arena *a, str query, const char *name, str *ret)
{
    str part, value;

    while (query_next(&query, &part, &value))
        if (str_is(query_text(a, part), name)) {
            *ret = query_text(a, value);
            return true;
        }
    return false;
}

struct http_header *http_query_all(struct arena *a, str query, size_t *ret_n)
{
    struct http_header *all;
    size_t n = 0, cap = 1;
    str name, value;

    for (size_t i = 0; i < query.n; i++)
        cap += query.p[i] == '&';
    all = ARENA_NEW_N(a, struct http_header, cap + 1);
    while (query_next(&query, &name, &value))
        all[n++] = (struct http_header){query_text(a, name), query_text(a, value)};
    *ret_n = n;
    return all;
}

/* ---- answers ---- */

static void start(struct http_exchange *ex, int status, const struct http_header *headers, size_t n,
                  bool has_body)
{
    struct http_header *all;

    BUG_ON(ex->started);
    ex->started = true;
    if (!ex->mark.name.n) {
        ex->ops->start(ex, status, headers, n, has_body);
        return;
    }
    all = ARENA_NEW_N(ex->arena, struct http_header, n + 1);
    if (n)
        memcpy(all, headers, n * sizeof *all);
    all[n] = ex->mark;
    ex->ops->start(ex, status, all, n + 1, has_body);
}

void http_start(struct http_exchange *ex, int status, const struct http_header *headers, size_t n)
{
    start(ex, status, headers, n, true);
}

void http_write(struct http_exchange *ex, str data)
{
    BUG_ON(!ex->started);
    if (data.n || ex->messages)
        ex->ops->write(ex, data);
}

void http_write_bytes(struct http_exchange *ex, const struct bytes *b)
{
    BUG_ON(!ex->started);
    if (b->n)
        ex->ops->write_bytes(ex, b);
}

void http_share(struct http_exchange *ex, const struct obj *o, bool deleted)
{
    BUG_ON(!ex->started || !ex->shares);
    ex->ops->share(ex, o, deleted);
}

size_t http_queued(const struct http_exchange *ex)
{
    return ex->ops->queued(ex);
}

void http_end(struct http_exchange *ex)
{
    /* An exchange that ends without an answer is a bug of its handler, but the peer must not
     * hang on it. */
    if (!ex->started && !ex->gone) {
        static const struct http_header empty = {STR("Content-Length"), STR("0")};

        log_error("http", "no answer to " PRI_STR " " PRI_STR, STR_ARG(ex->req.method),
                  STR_ARG(ex->req.target));
        start(ex, 500, &empty, 1, false);
    }
    ex->ops->end(ex);
}

void http_abort(struct http_exchange *ex)
{
    ex->broken = ex->started;
    http_end(ex);
}

/* Starts an answer whose length is known. */
static void reply_start(struct http_exchange *ex, int status, const char *content_type, size_t n)
{
    struct http_header headers[2];
    char length[24];
    size_t n_headers = 0;
    bool has_body = content_type && status != 204 && status != 304;

    if (content_type)
        headers[n_headers++] = (struct http_header){S("Content-Type"), str_of(content_type)};
    if (status != 204 && status != 304) {
        int len = snprintf(length, sizeof length, "%zu", has_body ? n : 0);

        headers[n_headers++] = (struct http_header){S("Content-Length"), {length, (size_t)len}};
    }
    start(ex, status, headers, n_headers, has_body);
}

void http_reply(struct http_exchange *ex, int status, const char *content_type, str body)
{
    reply_start(ex, status, content_type, body.n);
    if (content_type && body.n)
        ex->ops->write(ex, body);
    ex->ops->end(ex);
}

void http_reply_bytes(struct http_exchange *ex, int status, const char *content_type,
                      const struct bytes *body)
{
    reply_start(ex, status, content_type, body->n);
    if (content_type && body->n)
        ex->ops->write_bytes(ex, body);
    ex->ops->end(ex);
}

struct stream *http_upgrade(struct http_exchange *ex, const struct http_header *headers, size_t n)
{
    if (!ex->req.is_upgrade || ex->gone || !ex->ops->upgrade)
        return NULL;
    start(ex, 101, headers, n, false);
    return ex->ops->upgrade(ex);
}

bool http_wants_websocket(const struct http_request *r)
{
    return r->is_upgrade && str_eq_nocase(http_header(r, "Upgrade"), S("websocket"));
}

bool http_messages(struct http_exchange *ex, const struct http_header *headers, size_t n, bool text)
{
    str key = http_header(&ex->req, "Sec-WebSocket-Key");
    struct http_header *h;

    if (!http_wants_websocket(&ex->req) || !key.n || ex->gone || !ex->ops->messages)
        return false;
    h = ARENA_NEW_N(ex->arena, struct http_header, n + 3);
    h[0] = (struct http_header){S("Upgrade"), S("websocket")};
    h[1] = (struct http_header){S("Connection"), S("Upgrade")};
    h[2] = (struct http_header){S("Sec-WebSocket-Accept"), websocket_accept(ex->arena, key)};
    for (size_t i = 0; i < n; i++)
        h[3 + i] = headers[i];
    start(ex, 101, h, n + 3, false);
    ex->messages = true;
    ex->ops->messages(ex, text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY);
    return true;
}
