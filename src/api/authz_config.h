/* authz_config.h - which authorizers are asked, in which order. */
#ifndef K1S_API_AUTHZ_CONFIG_H
#define K1S_API_AUTHZ_CONFIG_H
#include "base/base.h"

enum authz_mode { AUTHZ_NONE, AUTHZ_NODE, AUTHZ_RBAC, AUTHZ_ALWAYS_ALLOW, AUTHZ_ALWAYS_DENY };
#define AUTHZ_MODES 4
struct authz_config {
    enum authz_mode modes[AUTHZ_MODES];
    size_t n;
};
/* BAD_REQUEST: what is wrong, in Kubernetes' words; kinds of authorizers that k1s has not. */
MUST_USE struct err *authz_config_of_flag(str list, struct authz_config *ret);
MUST_USE struct err *authz_config_parse(str yaml, struct authz_config *ret);
#endif
