/* frames_fuzz.c - WebSocket and SPDY frames of anybody: nothing is read out of bounds, and every frame taken is a part of what came. */
#include "wire/spdy.h"
#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int from_client = 0; from_client < 2; from_client++) {
        CLEANUP(buf) struct buf in = BUF_INIT;
        struct websocket_frame f;

        buf_add(&in, data, size);
        while (in.n && websocket_take(&in, from_client, &f) > 0) {
            BUG_ON(f.size > in.n || f.payload.n > f.size ||
                   f.payload.p + f.payload.n > in.p + in.n);
            buf_drop(&in, f.size);
        }
    }
    {
        CLEANUP(buf) struct buf in = BUF_INIT;
        struct spdy_frame f;

        buf_add(&in, data, size);
        while (in.n && spdy_take(&in, &f)) {
            BUG_ON(f.size > in.n || f.payload.n > f.size);
            buf_drop(&in, f.size);
        }
    }
    return 0;
}
