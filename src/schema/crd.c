/* crd.c - custom resources: the table of types, pruning, defaulting.
 *
 * API: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting,objectmeta} */
#include "schema/crd.h"
#include "schema/cel/cel.h"
#include "schema/cel/rules.h"
#include "schema/schema_internal.h"

#define DEPTH_MAX 200 /* values within values */

static const struct schema_type any_type = {.name = STR("any"), .kind = SCHEMA_ANY};
static const struct schema_type string_type = {.name = STR("string"), .kind = SCHEMA_STRING};
static const struct schema_type bool_type = {.name = STR("bool"), .kind = SCHEMA_BOOL};
static const struct schema_type int_type = {.name = STR("int64"), .kind = SCHEMA_INT64};
static const struct schema_type double_type = {.name = STR("float64"), .kind = SCHEMA_DOUBLE};
static const struct schema_type int_or_string_type = {.name = STR("IntOrString"),
                                                      .kind = SCHEMA_INT_OR_STRING};

static const struct schema_type *meta_type(void)
{
    return schema_find_type(S("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
}

/* ---- the table ---- */

static const struct schema_type *type_of(struct arena *a, const struct json *s);

static struct schema_field field_of(struct arena *a, str name, const struct json *s)
{
    struct schema_field f = {.name = name,
                             .type = type_of(a, s),
                             .flags = FIELD_OMITEMPTY | FIELD_POINTER,
                             .list_type = SCHEMA_LIST_ATOMIC};
    str list = json_get_str(s, "x-kubernetes-list-type");
    const struct json *keys = json_findz(s, "x-kubernetes-list-map-keys"),
                      *def = json_findz(s, "default");
    struct schema_more *more = NULL;
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (str_is(list, "set"))
        f.list_type = SCHEMA_LIST_SET;
    else if (str_is(list, "map") && json_count(keys))
        f.list_type = SCHEMA_LIST_MAP;
    if (f.list_type == SCHEMA_LIST_MAP || def)
        f.more = more = ARENA_NEW(a, struct schema_more);
    if (f.list_type == SCHEMA_LIST_MAP) {
        JSON_EACH(k, keys) {
            if (b.n)
                buf_char(&b, 0);
            buf_str(&b, json_str(k));
        }
        more->list_keys = arena_dup(a, buf_view(&b));
    }
    if (def) {
        buf_clear(&b);
        json_encode(&b, def);
        more->default_json = arena_dup(a, buf_view(&b));
    }
    return f;
}

static bool resource_member(str key)
{
    return str_is(key, "apiVersion") || str_is(key, "kind") || str_is(key, "metadata");
}

static void fill_struct(struct arena *a, struct schema_type *t, const struct json *s, bool resource)
{
    const struct json *props = json_findz(s, "properties");
    struct schema_field *f = ARENA_NEW_N(a, struct schema_field, json_count(props) + 3);
    uint32_t n = 0;

    if (resource) {
        f[n++] = (struct schema_field){.name = S("apiVersion"),
                                       .type = &string_type,
                                       .flags = FIELD_OMITEMPTY | FIELD_POINTER};
        f[n++] = (struct schema_field){
            .name = S("kind"), .type = &string_type, .flags = FIELD_OMITEMPTY | FIELD_POINTER};
        f[n++] = (struct schema_field){
            .name = S("metadata"), .type = meta_type(), .flags = FIELD_OMITEMPTY | FIELD_POINTER};
    }
    JSON_EACH_MEMBER(m, props)
        if (!resource || !resource_member(m->key))
            f[n++] = field_of(a, m->key, &m->value);
    t->kind = SCHEMA_STRUCT;
    t->fields = f;
    t->n_fields = n;
    t->preserve_unknown = json_get_bool(s, "x-kubernetes-preserve-unknown-fields", false);
    t->atomic = str_is(json_get_str(s, "x-kubernetes-map-type"), "atomic");
}

static const struct schema_type *type_of(struct arena *a, const struct json *s)
{
    str type = json_get_str(s, "type");
    const struct json *more = json_findz(s, "additionalProperties"),
                      *items = json_findz(s, "items");
    struct schema_type *t;

    if (json_get_bool(s, "x-kubernetes-int-or-string", false))
        return &int_or_string_type;
    if (str_is(type, "string"))
        return &string_type;
    if (str_is(type, "boolean"))
        return &bool_type;
    if (str_is(type, "integer"))
        return &int_type;
    if (str_is(type, "number"))
        return &double_type;
    t = ARENA_NEW(a, struct schema_type);
    t->name = S("object");
    if (str_is(type, "array")) {
        t->name = S("array");
        t->kind = SCHEMA_LIST;
        t->item = items ? type_of(a, items) : &any_type;
        return t;
    }
    if (!str_is(type, "object"))
        return &any_type;
    if (!json_count(json_findz(s, "properties")) && more &&
        !(json_is(more, JSON_BOOL) && !more->b)) {
        t->kind = SCHEMA_MAP;
        t->item = json_is(more, JSON_OBJECT) ? type_of(a, more) : &any_type;
        t->atomic = str_is(json_get_str(s, "x-kubernetes-map-type"), "atomic");
        return t;
    }
    fill_struct(a, t, s, json_get_bool(s, "x-kubernetes-embedded-resource", false));
    return t;
}

/* ---- patterns ---- */

static void collect_patterns(struct arena *a, struct map *m, const struct json *s)
{
    if (json_is(s, JSON_ARRAY)) {
        JSON_EACH(i, s)
            collect_patterns(a, m, i);
        return;
    }
    JSON_EACH_MEMBER(x, s) {
        str problem;

        if (str_is(x->key, "pattern") && x->value.type == JSON_STRING) {
            if (!map_find(m, x->value.s)) {
                void *re = cel_regex_new(a, x->value.s, &problem);

                if (re)
                    map_put(m, x->value.s, re);
            }
        } else if (x->value.type == JSON_OBJECT || x->value.type == JSON_ARRAY)
            collect_patterns(a, m, &x->value);
    }
}

static void type_fini(void *ctx)
{
    struct crd_type *t = ctx;

    map_fini(&t->patterns);
    cel_rules_free(t->rules);
}

const struct schema_type *crd_type_new(struct arena *a, str name, const struct json *schema)
{
    static const struct json everything = {.type = JSON_OBJECT};
    struct crd_type *t = ARENA_NEW(a, struct crd_type);

    t->schema = schema;
    map_init(&t->patterns);
    arena_at_end(a, type_fini, t);
    if (schema)
        collect_patterns(a, &t->patterns, schema);
    t->has_rules = schema && crd_has_rules(schema);
    fill_struct(a, &t->type, schema ? schema : &everything, true);
    t->type.name = name;
    t->type.custom = true;
    if (!schema)
        t->type.preserve_unknown = true;
    return &t->type;
}

void crd_validate_rules(struct arena *a, struct loop *loop, const struct schema_type *t,
                        const struct json *v, const struct json *old, struct json *warnings,
                        struct err **errs)
{
    struct crd_type *x = (struct crd_type *)(uintptr_t)CONTAINER_OF(t, struct crd_type, type);

    if (x->has_rules && !x->rules)
        x->rules = cel_rules_new(x->schema);
    if (x->rules)
        cel_rules_validate(a, loop, x->rules, v, old, warnings, errs);
}

bool crd_has_rules(const struct json *s)
{
    if (json_is(s, JSON_ARRAY)) {
        JSON_EACH(i, s)
            if (crd_has_rules(i))
                return true;
        return false;
    }
    JSON_EACH_MEMBER(m, s)
        if ((str_is(m->key, "x-kubernetes-validations") && json_count(&m->value)) ||
            crd_has_rules(&m->value))
            return true;
    return false;
}

/* ---- pruning ---- */

struct pruning {
    struct arena *a;
    struct json *found; /* paths of what was dropped; NULL: not wanted */
    struct buf path;
    struct err *err;
    int depth;
};

static void dropped(struct pruning *p, str key)
{
    if (p->found)
        json_append(p->a, p->found,
                    json_string(arena_fmt(p->a, "unknown field \"" PRI_STR "%s" PRI_STR "\"",
                                          STR_ARG(buf_view(&p->path)), p->path.n ? "." : "",
                                          STR_ARG(key))));
}

static size_t enter(struct pruning *p, str key)
{
    size_t was = p->path.n;

    if (was)
        buf_char(&p->path, '.');
    buf_str(&p->path, key);
    return was;
}

static void leave(struct pruning *p, size_t was)
{
    if (p->path.n > was) {
        p->path.n = was;
        p->path.p[was] = 0;
    }
}

/* metadata has the one form it has everywhere. */
static void prune_metadata(struct pruning *p, struct json *meta)
{
    struct json list = json_array();
    struct schema_warnings w = {.list = &list};
    static const str head = STR("unknown field \"");

    if (!json_is(meta, JSON_OBJECT))
        return;
    p->err = schema_decode(p->a, meta_type(), meta, p->found ? &w : NULL);
    JSON_EACH(x, &list)
        if (p->found)
            json_append(p->a, p->found,
                        json_string(arena_fmt(p->a, "unknown field \"" PRI_STR "." PRI_STR,
                                              STR_ARG(buf_view(&p->path)),
                                              STR_ARG(str_skip(x->s, head.n)))));
}

static void prune(struct pruning *p, const struct json *s, struct json *v, bool root);

static void prune_object(struct pruning *p, const struct json *s, struct json *v, bool resource)
{
    const struct json *props = json_findz(s, "properties"),
                      *more = json_findz(s, "additionalProperties");
    bool keep = json_get_bool(s, "x-kubernetes-preserve-unknown-fields", false) ||
                (json_is(more, JSON_BOOL) && more->b);
    uint32_t n = 0;

    for (uint32_t i = 0; i < v->n && !p->err; i++) {
        struct json_member *m = &v->members[i];
        const struct json *sub = json_find(props, m->key);
        size_t was;

        if (resource && resource_member(m->key)) {
            if (str_is(m->key, "metadata")) {
                was = enter(p, m->key);
                prune_metadata(p, &m->value);
                leave(p, was);
            }
            v->members[n++] = *m;
            continue;
        }
        if (!sub && json_is(more, JSON_OBJECT))
            sub = more;
        if (!sub && !keep) {
            dropped(p, m->key);
            continue;
        }
        if (sub) {
            was = enter(p, m->key);
            prune(p, sub, &m->value, false);
            leave(p, was);
        }
        v->members[n++] = *m;
    }
    if (!p->err)
        v->n = n;
}

static void prune(struct pruning *p, const struct json *s, struct json *v, bool root)
{
    if (p->depth >= DEPTH_MAX) {
        p->err = err_new(REASON_BAD_REQUEST, "json: exceeded max depth");
        return;
    }
    p->depth++;
    if (v->type == JSON_OBJECT)
        prune_object(p, s, v, root || json_get_bool(s, "x-kubernetes-embedded-resource", false));
    else if (v->type == JSON_ARRAY) {
        const struct json *items = json_findz(s, "items");

        for (uint32_t i = 0; items && i < v->n && !p->err; i++) {
            size_t was = p->path.n;

            buf_fmt(&p->path, "[%u]", i);
            prune(p, items, &v->items[i], false);
            leave(p, was);
        }
    }
    p->depth--;
}

static int by_text(const void *x, const void *y, void *ctx)
{
    return str_cmp(((const struct json *)x)->s, ((const struct json *)y)->s);
}

struct err *crd_decode(struct arena *a, const struct schema_type *t, struct json *v,
                       struct schema_warnings *warnings)
{
    const struct crd_type *c = CONTAINER_OF(t, struct crd_type, type);
    struct json found = json_array(), *meta, copy;
    struct pruning p = {.a = a, .found = warnings && c->schema ? &found : NULL, .path = BUF_INIT};

    if (v->type != JSON_OBJECT)
        return err_new(REASON_BAD_REQUEST,
                       "json: cannot unmarshal into Go value of type map[string]interface {}");
    if (c->schema)
        prune(&p, c->schema, v, true);
    else {
        meta = json_findz(v, "metadata");
        if (meta)
            prune_metadata(&p, meta);
    }
    buf_fini(&p.path);
    if (p.err)
        return p.err;
    /* The decoder of untyped objects tells of keys before anybody asks which fields there are. */
    if (warnings)
        schema_warn_rest(a, warnings);
    sort_with(found.items, found.n, sizeof *found.items, by_text, NULL);
    JSON_EACH(x, &found)
        json_append(a, warnings->list, *x);
    /* Sorted, but metadata before everything that a user names: stored bytes count on it. */
    json_sort_keys(v);
    meta = json_findz(v, "metadata");
    if (meta) {
        uint32_t at = (uint32_t)(CONTAINER_OF(meta, struct json_member, value) - v->members);
        struct json_member m;

        copy = *meta;
        m = v->members[at];
        m.value = copy;
        memmove(v->members + 1, v->members, at * sizeof *v->members);
        v->members[0] = m;
    }
    return NULL;
}

bool crd_is_pruned(struct arena *a, const struct json *schema, const struct json *v)
{
    struct json *copy = ARENA_NEW(a, struct json);
    struct pruning p = {.a = a, .path = BUF_INIT};

    *copy = json_copy(a, v);
    prune(&p, schema, copy, false);
    buf_fini(&p.path);
    err_free(p.err);
    return json_equal(copy, v);
}

/* ---- defaults ---- */

/* null where the schema allows none: the default takes its place; without one the member goes (prunenulls.go and
 * algorithm.go of apiextensions' defaulting). */
static bool is_forbidden_null(const struct json *schema, const struct json *v)
{
    return v->type == JSON_NULL && !json_get_bool(schema, "nullable", false);
}

static struct json default_of(struct arena *a, const struct json *schema)
{
    const struct json *def = json_findz(schema, "default");
    struct json copy = def ? json_copy(a, def) : json_null();

    json_sort_keys(&copy);
    return copy;
}

/* Where it belongs: objects stay as decoding has sorted them. */
static void put_default(struct arena *a, struct json *v, str key, const struct json *schema,
                        bool root)
{
    uint32_t at, first;
    struct json_member m;

    json_set(a, v, key, default_of(a, schema));
    at = (uint32_t)(CONTAINER_OF(json_find(v, key), struct json_member, value) - v->members);
    first = root && str_is(v->members[0].key, "metadata");
    m = v->members[at];
    while (at > first && str_cmp(v->members[at - 1].key, key) > 0) {
        v->members[at] = v->members[at - 1];
        at--;
    }
    v->members[at] = m;
}

static void fill(struct arena *a, const struct json *s, struct json *v, bool resource, int depth)
{
    const struct json *props = json_findz(s, "properties"),
                      *more = json_findz(s, "additionalProperties"),
                      *items = json_findz(s, "items");
    uint32_t kept = 0;

    if (depth >= DEPTH_MAX)
        return;
    if (v->type == JSON_ARRAY && items)
        JSON_EACH(i, v) {
            if (is_forbidden_null(items, i))
                *i = default_of(a, items);
            fill(a, items, i, json_get_bool(items, "x-kubernetes-embedded-resource", false),
                 depth + 1);
        }
    if (v->type != JSON_OBJECT)
        return;
    JSON_EACH_MEMBER(p, props) {
        const struct json *is;

        if (!json_findz(&p->value, "default") || (resource && resource_member(p->key)))
            continue;
        is = json_find(v, p->key);
        if (!is || is_forbidden_null(&p->value, is))
            put_default(a, v, p->key, &p->value, !depth);
    }
    for (uint32_t i = 0; i < v->n; i++) {
        struct json_member *m = &v->members[i];
        const struct json *sub = json_find(props, m->key);

        if (!sub && json_is(more, JSON_OBJECT))
            sub = more;
        if (sub && !(resource && resource_member(m->key))) {
            if (is_forbidden_null(sub, &m->value)) {
                m->value = default_of(a, sub);
                if (m->value.type == JSON_NULL)
                    continue;
            }
            fill(a, sub, &m->value, json_get_bool(sub, "x-kubernetes-embedded-resource", false),
                 depth + 1);
        }
        v->members[kept++] = *m;
    }
    v->n = kept;
}

void crd_default(struct arena *a, const struct schema_type *t, struct json *v)
{
    const struct crd_type *c = CONTAINER_OF(t, struct crd_type, type);

    if (c->schema)
        fill(a, c->schema, v, true, 0);
}
