/* frames_test.c - claims about WebSocket and SPDY frames. */
#include "wire/spdy.h"
#include "wire/websocket.h"

#include <zlib.h>

#include "test/test.h"

TEST(websocket, accepts_a_key_as_the_rfc_does)
{
    CLEANUP(arena) struct arena *a = arena_new();

    CHECK_STRZ(websocket_accept(a, S("dGhlIHNhbXBsZSBub25jZQ==")), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(websocket, frames_of_every_length_form_come_back_in_pieces)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 200000};
    static const unsigned char mask[] = {1, 2, 3, 250};

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        for (int masked = 0; masked < 2; masked++) {
            CLEANUP(buf) struct buf text = BUF_INIT, wire = BUF_INIT, in = BUF_INIT;
            struct websocket_frame f;

            for (size_t n = 0; n < lengths[i]; n++)
                buf_char(&text, (char)(n * 7));
            websocket_frame(&wire, WEBSOCKET_BINARY, buf_view(&text), masked ? mask : NULL);
            buf_add(&in, wire.p, wire.n - 1);
            CHECK_INT(websocket_take(&in, masked, &f), 0);
            buf_add(&in, wire.p + wire.n - 1, 1);
            CHECK_INT(websocket_take(&in, masked, &f), 1);
            CHECK_INT(f.opcode, WEBSOCKET_BINARY);
            CHECK(f.final);
            CHECK_INT(f.size, wire.n);
            CHECK(str_eq(f.payload, buf_view(&text)));
        }
}

TEST(websocket, a_frame_that_breaks_the_rules_ends_the_reading)
{
    static const unsigned char mask[] = {0, 0, 0, 0};
    CLEANUP(buf) struct buf b = BUF_INIT, endless = BUF_INIT;
    struct websocket_frame f;

    websocket_frame(&b, WEBSOCKET_TEXT, S("x"), mask);
    CHECK_INT(websocket_take(&b, false, &f), -1); /* servers do not mask */
    buf_add(&endless, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10);
    CHECK_INT(websocket_take(&endless, false, &f), -1);
}

/* What a runtime's decompressor makes of the header blocks: one zlib stream over all of them. */
TEST(spdy, header_blocks_are_one_zlib_stream)
{
    static const char *const first[] = {"streamtype", "error"}, *const second[] = {"streamtype",
                                                                                   "stdin"};
    static const char *const want[] = {"\0\0\0\1\0\0\0\12streamtype\0\0\0\5error",
                                       "\0\0\0\1\0\0\0\12streamtype\0\0\0\5stdin"};
    struct spdy_writer w = {0};
    struct spdy_frame f;
    z_stream z = {0};

    CHECK_INT(inflateInit(&z), Z_OK);
    spdy_syn_stream(&w, 1, first, 2);
    spdy_syn_stream(&w, 3, second, 2);
    for (int i = 0; i < 2; i++) {
        char plain[64];

        CHECK(spdy_take(&w.out, &f));
        CHECK_INT(f.type, SPDY_SYN_STREAM);
        CHECK_INT(f.id, 1 + 2 * i);
        z.next_in = (unsigned char *)(uintptr_t)f.payload.p + 10;
        z.avail_in = (unsigned)f.payload.n - 10;
        z.next_out = (unsigned char *)plain;
        z.avail_out = sizeof plain;
        CHECK_INT(inflate(&z, Z_SYNC_FLUSH), Z_OK);
        CHECK_INT(z.avail_in, 0); /* Go's reader insists on that */
        CHECK_INT(sizeof plain - z.avail_out, 27);
        CHECK(!memcmp(plain, want[i], 27));
        buf_drop(&w.out, f.size);
    }
    CHECK_INT(w.out.n, 0);
    inflateEnd(&z);
    buf_fini(&w.out);
}

TEST(spdy, data_has_its_stream_and_its_end)
{
    struct spdy_writer w = {0};
    struct spdy_frame f;

    spdy_data(&w, 5, 0, S("abc"));
    spdy_data(&w, 5, SPDY_FIN, S(""));
    CHECK(spdy_take(&w.out, &f));
    CHECK_INT(f.type, SPDY_DATA);
    CHECK_INT(f.id, 5);
    CHECK_STRZ(f.payload, "abc");
    buf_drop(&w.out, f.size);
    CHECK(spdy_take(&w.out, &f));
    CHECK_INT(f.flags, SPDY_FIN);
    CHECK_INT(f.payload.n, 0);
    buf_drop(&w.out, f.size);
    CHECK(!spdy_take(&w.out, &f));
    buf_fini(&w.out);
}

TEST_MAIN
