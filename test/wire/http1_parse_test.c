/* http1_parse_test.c - HTTP/1.1 messages taken apart, and what exchanges share. */
#include "test/test.h"
#include "wire/http.h"
#include "wire/http1_parse.h"

/* ---- messages ---- */

static struct http1_problem parse(struct arena *a, const char *text, struct http1_head *head)
{
    size_t scanned = 0, n = http1_head_length(text, strlen(text), &scanned);

    CHECK_INT(n, strlen(text));
    return http1_parse_request(a, (str){text, n}, head);
}

TEST(http1, head_is_found_however_it_is_cut)
{
    static const char text[] = "GET / HTTP/1.1\r\nA: b\r\n\r\nrest";

    for (size_t cut = 0; cut <= sizeof text - 1; cut++) {
        size_t scanned = 0, n;

        for (size_t i = 0; i < cut; i++)
            n = http1_head_length(text, i, &scanned);
        n = http1_head_length(text, cut, &scanned);
        CHECK_INT(n, cut >= 24 ? 24 : 0);
    }
}

TEST(http1, request_head_is_taken_apart)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct http1_head h;

    CHECK_INT(parse(a,
                    "POST /a%20b?x=1&y HTTP/1.1\r\nHost: h:1\r\nX-Y: \t v w \t\r\nContent-Length: "
                    "12\r\nConnection: Upgrade , close\r\n"
                    "Upgrade: SPDY/3.1\r\nExpect: 100-Continue\r\n\r\n",
                    &h)
                  .status,
              0);
    CHECK_STRZ(h.method, "POST");
    CHECK_STRZ(h.path, "/a%20b");
    CHECK_STRZ(h.query, "x=1&y");
    CHECK_STRZ(h.host, "h:1");
    CHECK_INT(h.n_headers, 6);
    CHECK_STRZ(h.headers[1].name, "X-Y");
    CHECK_STRZ(h.headers[1].value, "v w");
    CHECK_INT(h.content_length, 12);
    CHECK(h.connection_upgrade && !h.keep_alive && h.expect_continue && !h.chunked);
    CHECK_STRZ(h.upgrade, "SPDY/3.1");
    CHECK_INT(parse(a, "GET http://host/p?q HTTP/1.0\nConnection: keep-alive\n\n", &h).status, 0);
    CHECK_STRZ(h.path, "/p");
    CHECK_STRZ(h.query, "q");
    CHECK(h.keep_alive && h.minor == 0);
}

TEST(http1, malformed_requests_are_refused_with_gos_status)
{
    static const struct {
        const char *text;
        int status;
        const char *why;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400, "missing required Host header"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "too many Host headers"},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported protocol version"},
        {"GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 400, NULL},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL},
        {"GET /\r\nHost: a\r\n\r\n", 400, NULL},
        {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL},
        {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL},
        {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL},
        {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL},
        {"GET / HTTP/1.1\r\nHost: a\r\nB : c\r\n\r\n", 400, "invalid header name"},
        {"GET / HTTP/1.1\r\nHost: a\r\nB: c\x01\r\n\r\n", 400, "invalid header value"},
        {"GET / HTTP/1.1\r\nHost: a\r\nB: c\rd\r\n\r\n", 400, "invalid header value"},
        {"GET / HTTP/1.1\r\nHost: a\r\nB\r\n\r\n", 400, NULL},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400, NULL},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400, NULL},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400, NULL},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", 400, NULL},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400, NULL},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, NULL},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400, NULL},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
         "chunked\r\n\r\n",
         501, "Unsupported transfer encoding"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501,
         "Unsupported transfer encoding"},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL},
        {"POST / HTTP/1.1\r\nHost: a\r\nExpect: a cake\r\n\r\n", 417, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct http1_head h;
        struct http1_problem p = parse(a, cases[i].text, &h);

        if (p.status != cases[i].status || !!p.text != !!cases[i].why ||
            (p.text && strcmp(p.text, cases[i].why)))
            test_fail(__FILE__, __LINE__, "%s: %d %s", cases[i].text, p.status,
                      p.text ? p.text : "");
    }
}

static enum http1_chunk dechunk(const char *text, size_t step, struct buf *out)
{
    struct http1_chunked c = {0};
    enum http1_chunk r = HTTP1_CHUNK_MORE;
    size_t total = strlen(text);
    str data;

    for (size_t at = 0; at < total && r == HTTP1_CHUNK_MORE; at += step) {
        const char *p = text + at;
        size_t n = MIN(step, total - at);

        while ((r = http1_chunk_next(&c, &p, &n, &data)) == HTTP1_CHUNK_DATA)
            buf_str(out, data);
    }
    return r;
}

TEST(http1, chunks_are_joined_however_they_are_cut)
{
    for (size_t step = 1; step < 60; step++) {
        CLEANUP(buf) struct buf out = BUF_INIT;

        CHECK_INT(
            dechunk("5\r\nhello\r\n0010;ext=\"a\"\r\n, world of chunk\r\n0\r\nTrailer: x\r\n\r\n",
                    step, &out),
            HTTP1_CHUNK_END);
        CHECK_STRZ(buf_view(&out), "hello, world of chunk");
    }
}

TEST(http1, broken_chunks_are_refused)
{
    static const char *const bad[] = {
        "\r\n",
        "x\r\n",
        "5\nhello\r\n",
        "5\r\nhelloX",
        "5\r\nhello\nX",
        "-1\r\n",
        "0x5\r\nhello",
        "fffffffffffffffff\r\n",
        "ffffffffffffffff\r\n",
        "1;a\nb\r\n",
        "0\r\n\nx",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(buf) struct buf out = BUF_INIT;

        if (dechunk(bad[i], 1, &out) != HTTP1_CHUNK_BAD)
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
    }
}

/* ---- helpers of exchanges ---- */

TEST(http_util, query_parameters_are_decoded)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct http_header *all;
    size_t n;
    str v;

    CHECK(http_query(a, S("watch=1&labelSelector=a%3Db%2Cc+d&&x&y=%zz"), "labelSelector", &v));
    CHECK_STRZ(v, "a=b,c d");
    CHECK(http_query(a, S("a=%41"), "a", &v));
    CHECK_STRZ(v, "A");
    CHECK(!http_query(a, S("ab=1"), "a", &v));
    CHECK(!http_query(a, S(""), "a", &v));
    all = http_query_all(a, S("a=1&&b&a=%zz&a=%4"), &n);
    CHECK_INT(n, 4);
    CHECK_STRZ(all[1].name, "b");
    CHECK_STRZ(all[1].value, "");
    CHECK_STRZ(all[2].value, "%zz");
    CHECK_STRZ(all[3].value, "%4");
    CHECK(all[4].name.p == NULL);
}

TEST(http_util, escapes_go_round)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    str s;

    http_percent_encode(&b, S("a b/\xc3\xa4~"));
    CHECK_STRZ(buf_view(&b), "a%20b%2F%C3%A4~");
    CHECK(http_percent_decode(a, buf_view(&b), false, &s));
    CHECK_STRZ(s, "a b/\xc3\xa4~");
    CHECK(!http_percent_decode(a, S("%4"), false, &s));
    CHECK(!http_percent_decode(a, S("%"), false, &s));
    CHECK(http_percent_decode(a, S("a+b"), false, &s));
    CHECK_STRZ(s, "a+b");
}
