/* lookup.c - finds fields, types, kinds and resources in the generated tables.
 *
 * All tables are sorted by the generator; nothing is built at run time and nothing is allocated. */
#include "schema/schema_internal.h"

static int name_cmp(str a, str b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return memcmp(a.p, b.p, a.n);
}

const struct schema_field *schema_find_field(const struct schema_type *t, str json_name)
{
    if (t->sorted) {
        size_t lo = 0, hi = t->n_sorted;

        while (lo < hi) {
            size_t mid = (lo + hi) / 2;
            const struct schema_field *f = &t->fields[t->sorted[mid]];
            int c = name_cmp(json_name, f->name);

            if (!c)
                return f;
            if (c < 0)
                hi = mid;
            else
                lo = mid + 1;
        }
        if (!t->has_inline)
            return NULL;
    }
    for (uint32_t i = 0; i < t->n_fields; i++) {
        const struct schema_field *f = &t->fields[i], *inner;

        if (f->flags & FIELD_INLINE) {
            inner = schema_find_field(f->type, json_name);
            if (inner)
                return inner;
        } else if (!t->sorted && str_eq(f->name, json_name))
            return f;
    }
    return NULL;
}

const struct schema_type *schema_find_type(str openapi_name)
{
    size_t lo = 0, hi = schema_n_types;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = str_cmp(openapi_name, schema_types[mid].name);

        if (!c)
            return &schema_types[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct schema_type *schema_find_message(str proto_name)
{
    const struct schema_type *t = schema_find_type(proto_name);

    return t && t->kind == SCHEMA_STRUCT && t->proto3 ? t : NULL;
}

const struct schema_type *schema_find_gvk(str group, str version, str kind)
{
    size_t lo = 0, hi = schema_n_kinds;

    /* The first row of this kind. */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (str_cmp(schema_kinds[mid].kind, kind) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < schema_n_kinds && str_eq(schema_kinds[lo].kind, kind); lo++) {
        const struct schema_kind_row *k = &schema_kinds[lo];

        if (k->everywhere || (str_eq(k->group, group) && str_eq(k->version, version)))
            return k->type;
    }
    return NULL;
}

const struct resource *schema_find_resource(str group, str version, str plural)
{
    for (size_t i = 0; i < schema_n_resources; i++) {
        const struct resource *r = &schema_resources[i];

        if (str_eq(r->plural, plural) && str_eq(r->version, version) && str_eq(r->group, group))
            return r;
    }
    return NULL;
}

const struct resource *schema_find_kind(str group, str version, str kind)
{
    for (size_t i = 0; i < schema_n_resources; i++) {
        const struct resource *r = &schema_resources[i];

        if (str_eq(r->kind, kind) && str_eq(r->version, version) && str_eq(r->group, group))
            return r;
    }
    return NULL;
}

const struct resource *schema_find_storage(const struct resource *r)
{
    str plural, group = r->storage_resource;

    if (r->custom || !str_cut(&group, '.', &plural))
        return r;
    if (!group.p) /* no dot: the core group */
        group = S("");
    if (str_eq(group, r->group) && str_eq(plural, r->plural) &&
        str_eq(r->version, r->storage_version))
        return r;
    for (size_t i = 0; i < schema_n_resources; i++) {
        const struct resource *s = &schema_resources[i];

        if (str_eq(s->group, group) && str_eq(s->plural, plural) &&
            str_eq(s->version, r->storage_version))
            return s;
    }
    return r;
}
