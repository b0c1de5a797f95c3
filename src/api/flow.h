/* flow.h - priority and fairness: what the files of it share. */
#ifndef K1S_API_FLOW_H
#define K1S_API_FLOW_H
#include "api/api_internal.h"

struct flow_level;
struct flow_schema { /* one FlowSchema, ready to be asked */
    str name, uid;
    struct flow_level *level;
    int64_t precedence;
    char distinguisher; /* 'U'ser, 'N'amespace, 0: none */
    struct flow_rule *rules;
    size_t n_rules;
};
/* ---- flow_schema.c ---- */
struct flow_schema *flow_schema_parse(struct arena *a, const struct obj *o, str *ret_level);
bool flow_schema_fits(const struct flow_schema *s, const struct user *u, const struct access *x);
/* ---- flow_status.c ---- */
/* Writes the condition Dangling where it is not right. */
void flow_status_sync(struct api *api);
/* The condition's owner, first among the managed fields. */
void flow_status_track(struct arena *a, struct json *obj, wall_time now);
#endif
