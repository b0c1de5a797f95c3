/* http_server_fuzz.c - the whole server, HTTP/1.1 and HTTP/2, fed with anything in pieces over a
 * pair of streams. */
#include "wire/http.h"
#include "test/fuzz/fuzz.h"

const str fuzz_seeds[] = {
    STR("\x40GET /?a=%41 HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: "
        "3\r\n\r\nabc"),
    STR("\x05POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    STR("\xffGET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nrest"),
    STR("\x20GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x89\x81\x01\x02\x03\x04?\x88\x80\x01\x02\x03\x04"),
    STR("\x40PRI * "
        "HTTP/"
        "2."
        "0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x0d\x01\x05\x00\x00\x00"
        "\x01\x82\x84\x87\x41\x08\x61\x3a\x62\x63\x64\x65\x66\x67\x00\x00\x04\x08\x00\x00\x00\x00"
        "\x00\x00\x00\x00\x05"),
    {NULL, 0},
};

static void on_gone(void *user, struct http_exchange *ex)
{
    http_end(ex);
}

static void handler(void *ctx, struct http_exchange *ex)
{
    str value;

    http_query(ex->arena, ex->req.query, "a", &value);
    if (http_messages(ex, NULL, 0, !ex->req.query.n)) {
        http_write(ex, S("hello"));
        ex->on_gone = on_gone; /* until the client goes */
    } else if (ex->req.is_upgrade) {
        struct stream *s = http_upgrade(ex, NULL, 0);

        if (s)
            stream_close(s, NULL, NULL);
        else
            http_end(ex);
    } else if (str_is(ex->req.method, "POST")) {
        http_start(ex, 200, NULL, 0);
        http_write(ex, ex->req.body);
        http_end(ex);
    } else {
        http_reply(ex, 200, "text/plain", ex->req.target);
    }
}

static void on_data(void *ctx, const char *p, size_t n) {}

static void on_end(void *ctx, int error) {}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stream_events events = {.data = on_data, .end = on_end};
    struct http_server *server;
    struct stream *client, *conn;
    struct loop *loop;
    size_t step;

    if (size < 2)
        return 0;
    step = 1 + (size_t)data[0] * 4;
    loop = loop_new_virtual(data[0], (wall_time){INT64_C(1790000000) * NS_PER_S});
    server = http_server_new(loop,
                             &(struct http_server_options){
                                 .body_limit = 4096, .head_limit = 4096, .status_errors = true},
                             handler, NULL);
    stream_pair(loop, &client, &conn);
    http_server_serve_stream(server, conn);
    stream_start(client, &events, NULL);
    for (size_t at = 1; at < size; at += step) {
        stream_write(client, (str){(const char *)data + at, MIN(step, size - at)}, NULL, NULL);
        loop_virtual_run(loop, loop_virtual_elapsed_ns(loop) + NS_PER_MS, NULL, NULL);
    }
    stream_close(client, NULL, NULL);
    loop_virtual_run(loop, loop_virtual_elapsed_ns(loop) + NS_PER_S, NULL, NULL);
    http_server_close(server, NULL, NULL);
    loop_virtual_run(loop, loop_virtual_elapsed_ns(loop) + 200 * NS_PER_S, NULL, NULL);
    loop_free(loop);
    return 0;
}
