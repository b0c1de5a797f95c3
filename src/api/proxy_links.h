/* proxy_links.h - links in the answers of what is reached through pods/x/proxy, services/x/proxy and nodes/x/proxy.
 *
 * What runs behind a proxy does not know that it does: its absolute links and redirects would lead to the API server's own paths. They get
 * the proxy's path before them, in pages (text/html) and in the header Location.
 * Source: k8s.io/apimachinery/pkg/util/proxy/transport.go */
#ifndef K1S_API_PROXY_LINKS_H
#define K1S_API_PROXY_LINKS_H
#include "base/base.h"

struct proxy_links {
    str prefix; /* the proxy's own path: "/api/v1/namespaces/ns/pods/x:80/proxy" */
    str target; /* host:port that is asked: a link there is one of ours */
    str host;   /* the client's Host header: likewise */
};
/* The link as the client must follow it; a link to elsewhere or a relative one as it is. */
str proxy_link(struct arena *a, const struct proxy_links *l, str url);
/* The page with its links so; everything else as it came. */
void proxy_page(struct buf *out, const struct proxy_links *l, str page);
#endif
