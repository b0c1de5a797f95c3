/* nft.c - one batch of nft commands as one transaction, through libnftables: no process is started.
 *
 * A context is made for each batch: it costs a fraction of a millisecond and keeps no cache of the table in our memory.
 * Thread: a worker; the library blocks on netlink. It acts in the network namespace of the thread. */
#include "proxy/proxy_internal.h"
#include <nftables/libnftables.h>

#define NFT_ERROR_SHOWN 600 /* bytes of the library's complaint kept in our error */

struct err *nft_apply(const char *batch)
{
    struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    struct err *err = NULL;

    if (!ctx)
        return err_new(REASON_INTERNAL, "libnftables gives no context");
    nft_ctx_buffer_output(ctx);
    nft_ctx_buffer_error(ctx);
    if (nft_run_cmd_from_buffer(ctx, batch) != 0) {
        str why = str_trim(str_of(nft_ctx_get_error_buffer(ctx)));
        err = err_new(REASON_INTERNAL, "nftables: " PRI_STR,
                      STR_ARG(str_slice(why, 0, NFT_ERROR_SHOWN)));
    }
    nft_ctx_free(ctx);
    return err;
}
