/* http1_parse.c - heads and chunked bodies of HTTP/1.1: see http1_parse.h. */
#include "wire/http1_parse.h"

/* RFC 9110, 5.6.2: tchar. */
static bool is_token_char(unsigned char c)
{
    static const uint32_t set[8] = {
        0,
        0x03ff6cfa /* !#$%&'*+-. 0-9 */,
        0xc7fffffe /* A-Z ^ _ */,
        0x57ffffff /* ` a-z | ~ */,
        0,
        0,
        0,
        0,
    };

    return set[c >> 5] >> (c & 31) & 1;
}

static bool is_token(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token_char((unsigned char)s.p[i]))
            return false;
    return s.n > 0;
}

size_t http1_head_length(const char *p, size_t n, size_t *scanned)
{
    size_t at = *scanned;

    while (at < n) {
        const char *lf = memchr(p + at, '\n', n - at);
        size_t next = lf ? (size_t)(lf - p) + 1 : n;

        *scanned = lf ? next - 1 : n; /* a line's end is looked at again with what follows it */
        if (!lf || next == n)
            return 0;
        if (p[next] == '\n')
            return next + 1;
        if (p[next] == '\r') {
            if (next + 1 == n)
                return 0;
            if (p[next + 1] == '\n')
                return next + 2;
        }
        at = next;
    }
    return 0;
}

/* Cuts the next line, without its end, off *rest. */
static str line_cut(str *rest)
{
    const char *lf = memchr(rest->p, '\n', rest->n);
    str line = {rest->p, lf ? (size_t)(lf - rest->p) : rest->n};

    *rest = str_skip(*rest, lf ? line.n + 1 : line.n);
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static bool value_is_clean(str v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static str blank_trim(str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_skip(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool list_has(str list, str token)
{
    str item;

    while (str_cut(&list, ',', &item))
        if (str_eq_nocase(blank_trim(item), token))
            return true;
    return false;
}

#define PROBLEM(status, text) ((struct http1_problem){status, text})
#define NO_PROBLEM PROBLEM(0, NULL)

struct head_parse {
    struct http1_head *head;
    bool is_request;
    unsigned n_host, n_transfer_encoding;
    bool close, keep_alive;
};

static struct http1_problem on_content_length(struct head_parse *hp, str value)
{
    int64_t n = 0;

    /* Digits only: no sign, no list. The same length twice is harmless and Go takes it. */
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < '0' || value.p[i] > '9')
            return PROBLEM(400, NULL);
    if (!str_to_int64(value, &n) ||
        (hp->head->content_length >= 0 && hp->head->content_length != n))
        return PROBLEM(400, NULL);
    hp->head->content_length = n;
    return NO_PROBLEM;
}

static struct http1_problem on_transfer_encoding(struct head_parse *hp, str value)
{
    if (++hp->n_transfer_encoding > 1 || !str_eq_nocase(value, S("chunked")))
        return PROBLEM(501, "Unsupported transfer encoding");
    hp->head->chunked = true;
    return NO_PROBLEM;
}

static struct http1_problem on_connection(struct head_parse *hp, str value)
{
    hp->close |= list_has(value, S("close"));
    hp->keep_alive |= list_has(value, S("keep-alive"));
    hp->head->connection_upgrade |= list_has(value, S("upgrade"));
    return NO_PROBLEM;
}

static struct http1_problem on_host(struct head_parse *hp, str value)
{
    if (++hp->n_host > 1 && hp->is_request)
        return PROBLEM(400, "too many Host headers");
    hp->head->host = value;
    return NO_PROBLEM;
}

static struct http1_problem on_expect(struct head_parse *hp, str value)
{
    if (!hp->is_request)
        return NO_PROBLEM;
    if (!str_eq_nocase(value, S("100-continue")))
        return PROBLEM(417, NULL);
    hp->head->expect_continue = true;
    return NO_PROBLEM;
}

static struct http1_problem on_upgrade(struct head_parse *hp, str value)
{
    hp->head->upgrade = value;
    return NO_PROBLEM;
}

static const struct {
    str name;
    struct http1_problem (*fn)(struct head_parse *hp, str value);
} known_headers[] = {
    {STR("Host"), on_host},
    {STR("Expect"), on_expect},
    {STR("Upgrade"), on_upgrade},
    {STR("Connection"), on_connection},
    {STR("Content-Length"), on_content_length},
    {STR("Transfer-Encoding"), on_transfer_encoding},
};

static struct http1_problem header_line(struct head_parse *hp, str line)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct http_header *h = &hp->head->headers[hp->head->n_headers];

    /* A line that begins with a blank continues the one before: obsolete, and read differently
     * by different servers. */
    if (!colon || line.p[0] == ' ' || line.p[0] == '\t')
        return PROBLEM(400, NULL);
    h->name = (str){line.p, (size_t)(colon - line.p)};
    h->value = blank_trim(str_skip(line, h->name.n + 1));
    if (!is_token(h->name))
        return PROBLEM(400, "invalid header name");
    if (!value_is_clean(h->value))
        return PROBLEM(400, "invalid header value");
    hp->head->n_headers++;
    for (size_t i = 0; i < ARRAY_LEN(known_headers); i++)
        if (h->name.n == known_headers[i].name.n && str_eq_nocase(h->name, known_headers[i].name))
            return known_headers[i].fn(hp, h->value);
    return NO_PROBLEM;
}

static struct http1_problem header_lines(struct arena *a, struct head_parse *hp, str rest)
{
    struct http1_head *head = hp->head;
    struct http1_problem problem;
    size_t n_lines = 0;
    str line;

    for (const char *p = rest.p, *end = rest.p + rest.n;
         p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        n_lines++;
    if (n_lines > HTTP1_HEADERS_MAX + 1)
        return PROBLEM(431, NULL);
    head->headers = arena_alloc(a, (n_lines + 1) * sizeof *head->headers);
    while (rest.n) {
        line = line_cut(&rest);
        if (line.n == 0)
            break;
        problem = header_line(hp, line);
        if (problem.status)
            return problem;
    }
    /* Two framings in one message are how requests are smuggled; no honest client sends them. */
    if (head->chunked && (head->content_length >= 0 || head->minor == 0))
        return PROBLEM(400, NULL);
    head->keep_alive = head->minor ? !hp->close : hp->keep_alive && !hp->close;
    return NO_PROBLEM;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1": false when it does not look like one at all. */
static bool version_parse(str s, int *ret_major, int *ret_minor)
{
    if (s.n != 8 || memcmp(s.p, "HTTP/", 5) || !is_digit(s.p[5]) || s.p[6] != '.' ||
        !is_digit(s.p[7]))
        return false;
    *ret_major = s.p[5] - '0';
    *ret_minor = s.p[7] - '0';
    return true;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The target's path and query; false where Go's url.ParseRequestURI fails. */
static bool target_split(str target, bool is_connect, str *ret_path, str *ret_query)
{
    str path = target;
    ptrdiff_t at;

    for (size_t i = 0; i < target.n; i++)
        if ((unsigned char)target.p[i] <= 0x20 || target.p[i] == 0x7f)
            return false;
    if (is_connect) {
        *ret_path = target;
        *ret_query = str_slice(target, target.n, target.n);
        return target.n > 0;
    }
    if (str_has_prefix(path, S("http://")) || str_has_prefix(path, S("https://"))) {
        path = str_skip(path, (size_t)str_find(path, S("//")) + 2);
        at = str_index(path, '/');
        path = at < 0 ? S("/") : str_skip(path, (size_t)at);
    }
    if (!str_has_prefix(path, S("/")) && !str_is(path, "*"))
        return false;
    at = str_index(path, '?');
    *ret_query = at < 0 ? str_slice(path, path.n, path.n) : str_skip(path, (size_t)at + 1);
    if (at >= 0)
        path.n = (size_t)at;
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '%' &&
            (path.n - i < 3 || !is_hex(path.p[i + 1]) || !is_hex(path.p[i + 2])))
            return false;
    *ret_path = path;
    return true;
}

struct http1_problem http1_parse_request(struct arena *a, str head, struct http1_head *ret)
{
    struct head_parse hp = {.head = ret, .is_request = true};
    struct http1_problem problem;
    str line = line_cut(&head), version;
    int major;

    *ret = (struct http1_head){.content_length = -1};
    if (!str_cut(&line, ' ', &ret->method) || !line.p || !str_cut(&line, ' ', &ret->target) ||
        !line.p)
        return PROBLEM(400, NULL);
    version = line;
    if (!is_token(ret->method) || !version_parse(version, &major, &ret->minor) ||
        !target_split(ret->target, str_is(ret->method, "CONNECT"), &ret->path, &ret->query))
        return PROBLEM(400, NULL);
    if (major != 1)
        return PROBLEM(505, "unsupported protocol version");
    problem = header_lines(a, &hp, head);
    if (problem.status)
        return problem;
    if (ret->minor >= 1 && !hp.n_host)
        return PROBLEM(400, "missing required Host header");
    return NO_PROBLEM;
}

struct http1_problem http1_parse_response(struct arena *a, str head, struct http1_head *ret)
{
    struct head_parse hp = {.head = ret};
    str line = line_cut(&head), version;
    int major;

    *ret = (struct http1_head){.content_length = -1};
    if (!str_cut(&line, ' ', &version) || !line.p || !version_parse(version, &major, &ret->minor) ||
        major != 1)
        return PROBLEM(502, "malformed HTTP version");
    if (line.n < 3 || !is_digit(line.p[0]) || !is_digit(line.p[1]) || !is_digit(line.p[2]) ||
        (line.n > 3 && line.p[3] != ' '))
        return PROBLEM(502, "malformed HTTP status code");
    ret->status = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
    if (ret->status < 100)
        return PROBLEM(502, "malformed HTTP status code");
    return header_lines(a, &hp, head);
}

/* ---- chunked bodies ---- */

enum {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_BODY,
    CHUNK_BODY_CR,
    CHUNK_BODY_LF,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LINE,
    CHUNK_LAST_LF,
    CHUNK_DONE,
    CHUNK_BROKEN
};
#define CHUNK_SIZE_MAX (UINT64_C(1) << 60)

static int hex_value(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One byte of framing; the next state. */
static unsigned chunk_step(struct http1_chunked *c, char ch)
{
    int v;

    switch (c->state) {
    case CHUNK_SIZE:
        v = hex_value(ch);
        if (v >= 0) {
            c->line_n++;
            c->left = c->left << 4 | (uint64_t)v;
            return c->left > CHUNK_SIZE_MAX || c->line_n > 16 ? CHUNK_BROKEN : CHUNK_SIZE;
        }
        if (c->line_n == 0)
            return CHUNK_BROKEN;
        if (ch == '\r')
            return CHUNK_SIZE_LF;
        return ch == ';' || ch == ' ' || ch == '\t' ? CHUNK_EXTENSION : CHUNK_BROKEN;
    case CHUNK_EXTENSION:
        if (ch == '\r')
            return CHUNK_SIZE_LF;
        return ch == '\n' || ++c->line_n > HTTP1_CHUNK_LINE_MAX ? CHUNK_BROKEN : CHUNK_EXTENSION;
    case CHUNK_SIZE_LF:
        c->line_n = 0;
        return ch != '\n' ? CHUNK_BROKEN : c->left ? CHUNK_BODY : CHUNK_TRAILER;
    case CHUNK_BODY_CR:
        return ch == '\r' ? CHUNK_BODY_LF : CHUNK_BROKEN;
    case CHUNK_BODY_LF:
        return ch == '\n' ? CHUNK_SIZE : CHUNK_BROKEN;
    case CHUNK_TRAILER: /* at the start of a line */
        if (ch == '\r')
            return CHUNK_LAST_LF;
        return ch == '\n' || ++c->line_n > HTTP1_TRAILERS_MAX ? CHUNK_BROKEN : CHUNK_TRAILER_LINE;
    case CHUNK_TRAILER_LINE:
        return ++c->line_n > HTTP1_TRAILERS_MAX ? CHUNK_BROKEN
               : ch == '\n'                     ? CHUNK_TRAILER
                                                : CHUNK_TRAILER_LINE;
    case CHUNK_LAST_LF:
        return ch == '\n' ? CHUNK_DONE : CHUNK_BROKEN;
    default:
        return CHUNK_BROKEN;
    }
}

enum http1_chunk http1_chunk_next(struct http1_chunked *c, const char **p, size_t *n, str *ret_data)
{
    for (;;) {
        if (c->state == CHUNK_DONE)
            return HTTP1_CHUNK_END;
        if (c->state == CHUNK_BROKEN)
            return HTTP1_CHUNK_BAD;
        if (*n == 0)
            return HTTP1_CHUNK_MORE;
        if (c->state == CHUNK_BODY) {
            size_t take = (size_t)MIN((uint64_t)*n, c->left);

            *ret_data = (str){*p, take};
            *p += take;
            *n -= take;
            c->left -= take;
            if (c->left == 0)
                c->state = CHUNK_BODY_CR;
            return HTTP1_CHUNK_DATA;
        }
        c->state = chunk_step(c, **p);
        (*p)++;
        (*n)--;
    }
}

/* ---- status lines ---- */

static const struct {
    int status;
    const char *text;
} status_texts[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Requested Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Entity"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(status_texts); i++)
        if (status_texts[i].status == status)
            return status_texts[i].text;
    return "";
}
