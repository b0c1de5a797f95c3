/* node_match.h - whether a pod may be on a node. */
#ifndef K1S_CONTROLLERS_NODE_MATCH_H
#define K1S_CONTROLLERS_NODE_MATCH_H
#include "controllers/controllers_internal.h"

bool node_selected(const struct json *pod_spec,
                   const struct obj *node); /* nodeSelector and required node affinity */
bool toleration_tolerates(const struct json *toleration, const struct json *taint);
bool taint_tolerated(const struct json *tolerations, const struct json *taint);
#endif
