/* obj.c - one object version: a single allocation, immutable, shared between threads by reference. */
#include "store/store_internal.h"

static str place(char **at, str s)
{
    str placed = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return placed;
}

struct obj *obj_new(struct key key, int64_t revision, str uid, str data, str labels, str fields)
{
    size_t n = key.resource.n + key.ns.n + key.name.n + uid.n + data.n + 1 + labels.n + fields.n;
    struct obj *o = slab_alloc(sizeof *o + n);
    char *at = (char *)(o + 1);

    *o = (struct obj){.refs = 1, .revision = revision};
    o->key.resource = place(&at, key.resource);
    o->key.ns = place(&at, key.ns);
    o->key.name = place(&at, key.name);
    o->uid = place(&at, uid);
    o->labels = place(&at, labels);
    o->fields = place(&at, fields);
    o->data = place(&at, data);
    *at = '\0';
    return o;
}

struct obj *obj_new_over(const struct obj *base, str fields)
{
    struct obj *o = slab_alloc(sizeof *o + fields.n);
    char *at = (char *)(o + 1);

    /* Member by member: other threads count references to `base` meanwhile. */
    *o = (struct obj){.refs = 1,
                      .flags = base->flags,
                      .revision = base->revision,
                      .key = base->key,
                      .uid = base->uid,
                      .data = base->data,
                      .labels = base->labels};
    o->base = obj_ref(base->base ? base->base : base);
    o->fields = place(&at, fields);
    return o;
}

const struct obj *obj_ref(const struct obj *o)
{
    __atomic_fetch_add(&((struct obj *)o)->refs, 1, __ATOMIC_RELAXED);
    return o;
}

/* Bytes of its block. */
static size_t own_size(const struct obj *o)
{
    return o->base ? sizeof *o + o->fields.n : obj_size(o);
}

void obj_unref(const struct obj *o)
{
    while (o && __atomic_fetch_sub(&((struct obj *)o)->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        const struct obj *base = o->base;

        slab_free((void *)o, own_size(o));
        o = base;
    }
}

size_t obj_size(const struct obj *o)
{
    return sizeof *o + o->key.resource.n + o->key.ns.n + o->key.name.n + o->uid.n + o->labels.n +
           o->fields.n + o->data.n + 1;
}

bool packed_get(str packed, str key, str *ret_value)
{
    str name, value;

    while (packed.n) {
        if (!str_cut(&packed, '\0', &name) || !str_cut(&packed, '\0', &value))
            return false;
        if (str_eq(name, key)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}
