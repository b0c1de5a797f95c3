/* fake_api.h - as much of an API server as the node agent needs, in memory: objects, list, watch, patch, delete. */
#ifndef K1S_TEST_FAKE_API_H
#define K1S_TEST_FAKE_API_H
#include "client/client.h"

struct fake_api;
struct fake_api *fake_api_new(struct loop *loop);
void fake_api_free(struct fake_api *api);
void fake_api_handle(void *api, struct http_exchange *ex); /* http_handler_fn */
/* Creates or replaces; path is the collection's: "/api/v1/namespaces/default/pods". Fills in uid and resourceVersion. */
void fake_api_put(struct fake_api *api, const char *collection, const char *json);
void fake_api_delete(struct fake_api *api, const char *path);
/* Asks for a graceful end as the real one does: deletionTimestamp and grace. */
void fake_api_delete_gracefully(struct fake_api *api, const char *path, int64_t grace_s);
/* The next n patches of that object or of its status get 500. */
void fake_api_refuse_patches(struct fake_api *api, const char *path, int n);
/* NULL: absent. Borrowed until the object changes. */
const struct json *fake_api_find(const struct fake_api *api, const char *path);
size_t fake_api_count_events(const struct fake_api *api, const char *reason);
void fake_api_print_events(const struct fake_api *api);
#endif
