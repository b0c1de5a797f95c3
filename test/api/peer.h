/* peer.h - a server outside, as webhooks and aggregated API servers are: HTTPS on the virtual loop,
 * with answers that a test chooses. */
#ifndef K1S_TEST_API_PEER_H
#define K1S_TEST_API_PEER_H
#include "test/api/world.h"

struct peer {
    struct world *w;
    struct http_server *server;
    struct tls_server *tls;
    struct buf key, cert; /* its own CA too */
    str client;           /* common name of the last caller's certificate; empty: none */
    unsigned n_calls;
    str path, body; /* of the last call; in the world's arena */
    struct http_header *headers;
    size_t n_headers;
    /* Answers: by a function, or always the same. */
    void (*answer)(struct peer *p, struct http_exchange *ex);
    int status;
    const char *type, *text;
    bool silent; /* never answers */
};
/* Listens on 10.9.9.9:8443 as the Service ns/hook, which it makes in the world with an EndpointSlice; port 443 of it leads here.
 */
void peer_init(struct peer *p, struct world *w);
void peer_init_with(struct peer *p, struct world *w, str client_ca);
void peer_fini(struct peer *p);
str peer_ca_base64(struct peer *p); /* a caBundle that trusts it; in the world's arena */
str peer_header(const struct peer *p, const char *name);
#endif
