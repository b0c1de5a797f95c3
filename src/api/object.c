/* object.c - between value trees and stored bytes.
 *
 * Stored bytes begin with kind and apiVersion (struct kind's `head`), so that a list can leave both
 * out of its items by cutting a prefix, and have metadata second, so that resourceVersion is found
 * without parsing. */
#include "api/api_internal.h"
#include "api/conversion.h"

#define REVISION_TEXT_MAX 24

struct json *object_parse(struct arena *a, str data)
{
    static const struct json_limits limits = {JSON_DEPTH_MAX, 64u << 20};
    struct json *v = NULL;
    struct err *e = json_parse(a, data, &limits, NULL, &v);

    BUG_ON(e); /* our own bytes */
    return v;
}

void object_encode(struct buf *b, const struct kind *k, const struct json *obj)
{
    buf_str(b, k->head);
    JSON_EACH_MEMBER(m, obj) {
        if (str_is(m->key, "kind") || str_is(m->key, "apiVersion"))
            continue;
        buf_char(b, ',');
        json_encode_string(b, m->key);
        buf_char(b, ':');
        json_encode(b, &m->value);
    }
    buf_char(b, '}');
}

static void pack(struct buf *b, const char *label, str value)
{
    buf_z(b, label);
    buf_char(b, 0);
    buf_str(b, value);
    buf_char(b, 0);
}

static bool pack_text(struct arena *a, const struct json *obj, const char *path, str *ret)
{
    const struct json *v = path ? json_path(obj, path) : NULL;

    if (json_is(v, JSON_STRING) && v->s.n)
        *ret = v->s;
    else if (json_is(v, JSON_INT))
        *ret = arena_fmt(a, "%lld", (long long)v->i);
    else if (json_is(v, JSON_BOOL))
        *ret = v->b ? S("true") : S("false");
    else
        return false;
    return true;
}

static void pack_fields(struct arena *a, struct buf *b, const struct field_label *fields,
                        const struct json *obj)
{
    for (const struct field_label *f = fields; f && f->label; f++) {
        str text = str_of(f->otherwise);

        if (!pack_text(a, obj, f->path, &text))
            pack_text(a, obj, f->or_path, &text);
        pack(b, f->label, text);
    }
}

struct err *object_store(struct arena *a, const struct kind *k, struct json *obj, int64_t revision,
                         struct store_change *ret)
{
    struct buf b = BUF_INIT;
    struct json *meta = meta_of(a, obj);
    struct err *e;

    json_setz(a, meta, "resourceVersion", json_string(arena_fmt(a, "%lld", (long long)revision)));
    /* Once more through the table: what hooks and defaults added comes into its place. */
    e = schema_decode(a, k->storage->r->type, obj, NULL);
    if (e)
        return err_note(e, "canonical form of a " PRI_STR, STR_ARG(k->r->kind));
    object_encode(&b, k->storage, obj);
    ret->data = arena_dup(a, buf_view(&b));
    buf_clear(&b);
    meta = json_findz(obj, "metadata");
    ret->uid = json_str(json_findz(meta, "uid"));
    buf_packed_labels(&b, json_findz(meta, "labels"));
    ret->labels = arena_dup(a, buf_view(&b));
    buf_clear(&b);
    pack_fields(a, &b, k->storage->hooks->fields, obj);
    pack_fields(a, &b, k->storage->hooks->more_fields, obj);
    ret->fields = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return NULL;
}

/* The bytes of another revision: metadata precedes anything a user can write, so the first match is
 * the right one. */
str object_with_revision(struct arena *a, str data, int64_t from, int64_t to)
{
    char want[64];
    int n = snprintf(want, sizeof want, "\"resourceVersion\":\"%lld\"", (long long)from);
    ptrdiff_t at;

    BUG_ON(n <= 0 || (size_t)n >= sizeof want);
    at = str_find(data, (str){want, (size_t)n});
    if (at < 0)
        return data;
    return arena_fmt(a, PRI_STR "\"resourceVersion\":\"%lld\"" PRI_STR,
                     STR_ARG(str_slice(data, 0, (size_t)at)), (long long)to,
                     STR_ARG(str_skip(data, (size_t)at + (size_t)n)));
}

static str field_value(const struct obj *o, str key)
{
    str v = S("");

    if (str_is(key, "metadata.name"))
        return o->key.name;
    if (str_is(key, "metadata.namespace"))
        return o->key.ns;
    packed_get(o->fields, key, &v);
    return v;
}

bool object_matches(const struct obj *o, const struct selector *labels,
                    const struct selector *fields)
{
    if (labels && !selector_matches_packed(labels, o->labels))
        return false;
    for (size_t i = 0; fields && i < fields->n_terms; i++) {
        const struct selector_term *t = &fields->terms[i];
        bool same = str_eq(field_value(o, t->key), t->n_values ? t->values[0] : S(""));

        if (same != (t->op == SELECTOR_EQ))
            return false;
    }
    return true;
}

/* Kinds without fields of their own share a text; of the others, two have one of their own. Sources:
 * apimachinery/pkg/runtime/conversion.go, DefaultMetaV1FieldSelectorConversion(); pkg/apis/batch/v1/conversion.go;
 * pkg/apis/resource/v1/conversion.go. */
static struct err *unknown_field(const struct kind *k, str key)
{
    if (!k->hooks->fields && !k->r->custom)
        return err_new(REASON_BAD_REQUEST,
                       "\"" PRI_STR "\" is not a known field selector: only \"metadata.name\", "
                       "\"metadata.namespace\"",
                       STR_ARG(key));
    if (str_is(k->r->kind, "Job") && !k->r->custom)
        return err_new(REASON_BAD_REQUEST,
                       "field label \"" PRI_STR "\" not supported for batchv1.Job", STR_ARG(key));
    if (str_is(k->r->kind, "ResourceSlice") && !k->r->custom)
        return err_new(REASON_BAD_REQUEST,
                       "field label not supported for " PRI_STR ", Kind=ResourceSlice: " PRI_STR,
                       STR_ARG(k->api_version), STR_ARG(key));
    return err_new(REASON_BAD_REQUEST, "field label not supported: " PRI_STR, STR_ARG(key));
}

struct err *field_selector_check(const struct kind *k, const struct selector *s)
{
    bool own = k->hooks->fields || k->r->custom;

    for (size_t i = 0; i < s->n_terms; i++) {
        str key = s->terms[i].key;
        bool known = str_is(key, "metadata.name") ||
                     (str_is(key, "metadata.namespace") && (k->r->namespaced || !own));

        for (const struct field_label *f = k->hooks->fields; f && f->label && !known; f++)
            known = str_is(key, f->label);
        if (!known)
            return unknown_field(k, key);
    }
    return NULL;
}

/* Custom objects: by webhook, or just by name; then what the version's schema does not know goes, and its defaults come. */
static struct err *custom_to(struct req *q, struct arena *a, const struct kind *k,
                             const struct kind *to, struct json *obj)
{
    struct err *e = NULL;

    if (k->converter && !str_eq(json_get_str(obj, "apiVersion"), to->api_version))
        e = convert(q, a, k, to->api_version, obj);
    if (e)
        return e;
    json_setz(a, obj, "kind", json_string(to->r->kind));
    json_setz(a, obj, "apiVersion", json_string(to->api_version));
    e = schema_decode(a, to->r->type, obj, NULL);
    if (!e)
        schema_default(a, to->r, obj);
    return e;
}

struct err *object_to_served(struct req *q, struct arena *a, const struct kind *k, struct json *obj)
{
    if (k->storage == k)
        return NULL;
    if (k->r->custom)
        return custom_to(q, a, k, k, obj);
    return schema_convert(a, k->storage->r, k->r, obj);
}

struct err *object_to_storage(struct req *q, struct arena *a, const struct kind *k,
                              struct json *obj)
{
    if (k->storage == k)
        return NULL;
    if (k->r->custom)
        return custom_to(q, a, k, k->storage, obj);
    return schema_convert(a, k->r, k->storage->r, obj);
}
