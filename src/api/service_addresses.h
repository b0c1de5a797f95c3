/* service_addresses.h - who has which cluster address: the API server's own part.
 *
 * An address is taken while an IPAddress object of its name exists; there is no other record of
 * it. service_addresses.c gives addresses out, service_repair.c sets right what others have
 * changed. */
#ifndef K1S_API_SERVICE_ADDRESSES_H
#define K1S_API_SERVICE_ADDRESSES_H
#include "api/api_internal.h"

struct addresses;

MUST_USE struct err *addresses_new(struct api *api, struct addresses **ret);
void addresses_free(struct addresses *x); /* NULL: nothing */

/* Picks an address for w->obj or looks whether the one it asks for may be had. */
MUST_USE struct err *addresses_give(struct write *w, struct json *spec);
/* In the function of a write that will be stored: IPAddresses come and go with what w->obj has
 * more and less than w->old. */
MUST_USE struct err *addresses_claim(struct write *w, int64_t revision, struct store_change *ret);
/* The same for a Service that ends. */
MUST_USE struct err *addresses_release(struct api *api, struct arena *a, const struct json *service,
                                       int64_t revision, struct store_change *ret);

/* ---- for the repair ---- */
const struct kind *address_kind(struct api *api);
bool service_has_address(const struct json *service, str ip);
bool address_in_any_range(struct api *api, str ip); /* whether or not it is ready */
struct json *address_object(struct arena *a, str ip, str ns, str service);
/* A request of the server itself. */
struct req *own_request(struct api *api, struct arena *a);

#define DEFAULT_RANGE "kubernetes" /* the ServiceCIDR of what the server was started with */
/* Somebody has deleted it: it is made again. */
void repair_default_range(struct api *api);

struct repair;
/* Watches from now on, and looks at everything once: the store has what every cluster has. */
MUST_USE struct err *repair_start(struct api *api, struct repair **ret);
void repair_free(struct repair *r); /* NULL: nothing */
#endif
