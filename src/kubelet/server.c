#include "kubelet/kubelet_internal.h"
struct kubelet_server { int port; };
struct err *kubelet_server_start(struct kubelet *k, struct kubelet_server **ret) { *ret = NEW(struct kubelet_server); return NULL; }
void kubelet_server_free(struct kubelet_server *s) { mem_free(s); }
int kubelet_server_port(const struct kubelet_server *s) { return s->port; }
