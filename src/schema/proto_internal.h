/* proto_internal.h - what writing (proto.c) and reading (proto_read.c) protobuf share. */
#ifndef K1S_SCHEMA_PROTO_INTERNAL_H
#define K1S_SCHEMA_PROTO_INTERNAL_H
#include "schema/schema_internal.h"

enum wire {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5
};

static inline bool is_varint(enum schema_kind k)
{
    return k == SCHEMA_BOOL || k == SCHEMA_INT32 || k == SCHEMA_INT64 || k == SCHEMA_UINT32 ||
           k == SCHEMA_UINT64 || k == SCHEMA_ENUM || k == SCHEMA_DURATION;
}

/* One value with its tag; v NULL: the zero value. */
void proto_put_value(struct buf *b, const struct schema_type *t, uint32_t number,
                     const struct json *v);

#endif
