/* crd_fuzz.c - definitions of custom kinds and their objects: the rules for schemas come to an end whatever a schema says, and by one
 * that they let pass objects are pruned, given defaults, checked and published.
 *
 * Bytes are choices on the way through the keywords of a schema, and then through values. */
#include "api/crd_internal.h"
#include "api/crd_openapi.h"
#include "schema/crd.h"
#include "test/fuzz/fuzz.h"

#define DEPTH_MAX 6
#define NODES_MAX 400

/* Nothing but many different bytes. */
const str fuzz_seeds[] = {
    STR("ksnQG8u/c =Ts>d=LlG/TvSB<>-PB:yDYCz/+SddI7Gy,R4RTkBnC7zQ 8;:a8RkpWz8w2"
        "PlX6Ykuvqdt}6s:.7Rt((qcbn=r2yAdFAK-D}OG>0qhS5{/0-q<t=*c3x,atws7;p)hO/="
        ")8n)hEyIfm-4)di3O:-,*zI4*<8-E/G)z4r0pX3NjD1jALptTsFr6BmX9uBu2*YQ0zSNlT"),
    STR("FjGD C5+Vj8Jf:!zj.sPFL;[rb8h9HmA9K/J666p(zMk7cK5j-4HW  j{ls=GTq,!*IoTC"
        "+9Xdua94YLs0RVNpPaOQXpzbKFUiXW}jT1IgIngJtEH2*NyU1d!Y(( kgZ4:rJ9g(qv70Q"
        "JLFGYDL8)Xpvuj -+(B4P41r(yElwQ)lNDUG[zcZWZ= VHQh+I]Tq-=!AlHEWY42Mcqe17"),
    STR("Zie8(>Ou1njG;k m0+4wCr05;D<pKKI[HUFGz3ExEDtJ{yOiXFE-=Cm6ena7C4UfKCpgy."
        "{yjU*w4,Gan.;RAeUQsf Fe. bOZUx;Mj e+(8iZmX(t<luXHZJM0gM[S00cTzXY a2u1o"
        "lY]T5uqbg(sXl];U-vsRJu/vinW9zLqf8Ng,Wl;uB;Y:z7x[AfY/uWSptEyf)eOpW.5(!M"),
    {NULL, 0},
};

struct source {
    const uint8_t *p;
    size_t n, nodes;
    struct arena *a;
    bool sound; /* only what fits together, mostly */
};

static unsigned choose(struct source *s, unsigned n)
{
    unsigned b = 0;

    if (s->n) {
        b = *s->p++;
        s->n--;
    }
    return b % n;
}

#define PICK(s, list) (list)[choose((s), ARRAY_LEN(list))]

static const char *const names[] = {"a", "b", "metadata", "apiVersion", "kind", "spec", "name"};

static struct json value(struct source *s, int depth)
{
    static const char *const words[] = {"",    "a",  "b",   "10",
                                        "3Gi", "v1", "Pod", "2024-01-01T00:00:00Z"};
    static const int64_t numbers[] = {0, 1, -1, 3, INT64_MAX};
    struct json v;

    if (++s->nodes > NODES_MAX || depth > DEPTH_MAX)
        return json_null();
    switch (choose(s, depth ? 8 : 1)) {
    default: /* objects make the most of a schema */
        v = json_object();
        for (unsigned n = choose(s, 5); n > 0; n--) {
            const char *name = PICK(s, names);
            struct json item = value(s, depth + 1);

            json_setz(s->a, &v, name, item);
        }
        return v;
    case 3:
        v = json_array();
        for (unsigned n = choose(s, 4); n > 0; n--) {
            struct json item = value(s, depth + 1);

            json_append(s->a, &v, item);
        }
        return v;
    case 4:
        return json_z(PICK(s, words));
    case 5:
        return json_int(PICK(s, numbers));
    case 6:
        return json_bool(choose(s, 2));
    case 7:
        return json_null();
    }
}

/* One that the schema has in mind, mostly. */
static struct json fitting(struct source *s, const struct json *t, int depth)
{
    str type = json_get_str(t, "type");
    struct json v;

    if (++s->nodes > NODES_MAX || depth > DEPTH_MAX || !choose(s, 12))
        return value(s, depth);
    if (str_is(type, "object")) {
        const struct json *more = json_findz(t, "additionalProperties");

        v = json_object();
        JSON_EACH_MEMBER(prop, json_findz(t, "properties"))
            if (choose(s, 4)) {
                struct json x = fitting(s, &prop->value, depth + 1);

                json_set(s->a, &v, prop->key, x);
            }
        for (unsigned n = more ? choose(s, 3) : 0; n > 0; n--) {
            const char *name = PICK(s, names);
            struct json x = fitting(s, more, depth + 1);

            json_setz(s->a, &v, name, x);
        }
        return v;
    }
    if (str_is(type, "array")) {
        v = json_array();
        for (unsigned n = choose(s, 4); n > 0; n--) {
            struct json x = fitting(s, json_findz(t, "items"), depth + 1);

            json_append(s->a, &v, x);
        }
        return v;
    }
    if (str_is(type, "string"))
        return json_z(choose(s, 2) ? "a" : "b");
    if (str_is(type, "boolean"))
        return json_bool(choose(s, 2));
    if (type.n)
        return json_int(choose(s, 4));
    return value(s, depth);
}

static struct json schema(struct source *s, int depth);

static struct json schemas(struct source *s, int depth)
{
    struct json list = json_array();

    for (unsigned n = choose(s, 3); n > 0; n--) {
        struct json one = schema(s, depth);

        json_append(s->a, &list, one);
    }
    return list;
}

/* What one keyword says. */
static struct json keyword(struct source *s, const char *word, int depth)
{
    static const char *const flags[] = {"x-kubernetes-preserve-unknown-fields", "nullable",
                                        "uniqueItems", "x-kubernetes-int-or-string",
                                        "x-kubernetes-embedded-resource"};
    static const char *const bounds[] = {"maxLength", "minItems", "maxProperties", "minimum",
                                         "multipleOf"};
    static const char *const patterns[] = {"^a*$", "(", "[a-z]+", "(?i)x"};
    static const char *const formats[] = {"int32", "date-time", "byte", "other"};
    static const char *const lists[] = {"map", "set", "atomic", "granular"};
    static const char *const rules[] = {"self == oldSelf", "self.a == self.b", "self.size() > 0",
                                        "has(self.a)", "("};
    struct json list = json_array(), rule = json_object();

    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (!strcmp(word, flags[i]))
            return json_bool(choose(s, 8) > 0);
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        if (!strcmp(word, bounds[i]))
            return json_int((int64_t)choose(s, 5) - 1);
    if (!strcmp(word, "pattern"))
        return json_z(PICK(s, patterns));
    if (!strcmp(word, "format"))
        return json_z(PICK(s, formats));
    if (str_has_suffix(str_of(word), S("-type")))
        return json_z(PICK(s, lists));
    if (!strcmp(word, "required") || str_has_suffix(str_of(word), S("-keys"))) {
        for (unsigned n = choose(s, 3); n > 0; n--)
            json_append(s->a, &list, json_z(PICK(s, names)));
        return list;
    }
    if (!strcmp(word, "enum")) {
        for (unsigned n = choose(s, 3); n > 0; n--)
            json_append(s->a, &list, value(s, depth + 1));
        return list;
    }
    if (!strcmp(word, "x-kubernetes-validations")) {
        json_setz(s->a, &rule, "rule", json_z(PICK(s, rules)));
        if (choose(s, 2))
            json_setz(s->a, &rule, "messageExpression", json_z("'no ' + string(self)"));
        if (choose(s, 2))
            json_setz(s->a, &rule, "fieldPath", json_z(choose(s, 2) ? ".a" : ".spec['b']"));
        json_append(s->a, &list, rule);
        return list;
    }
    return str_has_suffix(str_of(word), S("Of")) ? schemas(s, depth + 1) : schema(s, depth + 1);
}

static const char *keyword_name(struct source *s, const struct json *v)
{
    static const char *const words[] = {"x-kubernetes-preserve-unknown-fields",
                                        "nullable",
                                        "uniqueItems",
                                        "x-kubernetes-int-or-string",
                                        "x-kubernetes-embedded-resource",
                                        "maxLength",
                                        "minItems",
                                        "maxProperties",
                                        "minimum",
                                        "multipleOf",
                                        "pattern",
                                        "format",
                                        "x-kubernetes-list-type",
                                        "x-kubernetes-map-type",
                                        "x-kubernetes-list-map-keys",
                                        "default",
                                        "required",
                                        "enum",
                                        "allOf",
                                        "anyOf",
                                        "oneOf",
                                        "not",
                                        "x-kubernetes-validations",
                                        "additionalProperties"};
    static const char *const of_objects[] = {"x-kubernetes-preserve-unknown-fields",
                                             "nullable",
                                             "maxProperties",
                                             "x-kubernetes-map-type",
                                             "default",
                                             "required",
                                             "x-kubernetes-validations"};
    static const char *const of_lists[] = {"nullable",
                                           "minItems",
                                           "x-kubernetes-list-type",
                                           "x-kubernetes-list-map-keys",
                                           "default",
                                           "x-kubernetes-validations"};
    static const char *const of_strings[] = {"maxLength", "pattern", "format",
                                             "default",   "enum",    "x-kubernetes-validations"};
    static const char *const of_numbers[] = {"minimum", "multipleOf", "default",
                                             "x-kubernetes-validations"};
    str type = json_get_str(v, "type");

    if (!s->sound || !choose(s, 12))
        return PICK(s, words);
    if (str_is(type, "object"))
        return PICK(s, of_objects);
    if (str_is(type, "array"))
        return PICK(s, of_lists);
    return str_is(type, "string") ? PICK(s, of_strings) : PICK(s, of_numbers);
}

static struct json schema(struct source *s, int depth)
{
    static const char *const types[] = {"object", "string",  "array",  "integer", "object",
                                        "array",  "boolean", "number", "null"};
    struct json v = json_object(), props = json_object();
    const char *type = depth ? types[choose(s, ARRAY_LEN(types) - s->sound)] : "object";

    if (++s->nodes > NODES_MAX || depth > DEPTH_MAX) {
        json_setz(s->a, &v, "type", json_z("string"));
        return v;
    }
    if (s->sound || choose(s, 16))
        json_setz(s->a, &v, "type", json_z(type));
    if (!strcmp(type, "array") && (s->sound || choose(s, 16))) {
        struct json items = schema(s, depth + 1);

        json_setz(s->a, &v, "items", items);
    }
    if (!strcmp(type, "object"))
        for (unsigned n = choose(s, 5); n > 0; n--) {
            const char *name = depth && s->sound ? PICK(s, names) : names[choose(s, 2)];
            struct json prop = schema(s, depth + 1);

            json_setz(s->a, &props, name, prop);
        }
    if (json_count(&props))
        json_setz(s->a, &v, "properties", props);
    else if (!strcmp(type, "object") && depth && choose(s, 3)) {
        struct json more = schema(s, depth + 1);

        json_setz(s->a, &v, "additionalProperties", more);
    }
    for (unsigned n = choose(s, 3); n > 0; n--) {
        const char *word = keyword_name(s, &v);
        struct json x = strcmp(word, "default") ? keyword(s, word, depth) : fitting(s, &v, depth);

        json_setz(s->a, &v, word, x);
    }
    return v;
}

static struct json *definition(struct source *s)
{
    static const char text[] = "{\"metadata\":{\"name\":\"as.b.example\",\"generation\":1},"
                               "\"spec\":{\"group\":\"b.example\",\"scope\":\"Namespaced\","
                               "\"conversion\":{\"strategy\":\"None\"},\"names\":{\"plural\":"
                               "\"as\",\"singular\":\"a\",\"kind\":\"A\",\"listKind\":\"AList\"},"
                               "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true}]},"
                               "\"status\":{\"storedVersions\":[\"v1\"],"
                               "\"acceptedNames\":{\"plural\":\"as\",\"singular\":\"a\",\"kind\":"
                               "\"A\",\"listKind\":\"AList\"}}}";
    struct json *v = NULL, holder = json_object(), made;

    BUG_ON(json_parse(s->a, str_of(text), NULL, NULL, &v));
    s->sound = choose(s, 4) > 0;
    made = schema(s, 0);
    json_setz(s->a, &holder, "openAPIV3Schema", made);
    JSON_EACH(version, json_at(v, "spec", "versions", NULL))
        json_setz(s->a, (struct json *)version, "schema", holder);
    return v;
}

static str encoded(struct arena *a, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    return arena_dup(a, buf_view(&b));
}

static bool wrong(struct arena *a, const struct kind *k, struct json *crd, const struct json *old)
{
    struct err *errs = NULL;
    struct write w = {.a = a, .kind = k, .obj = crd, .old = old};
    bool bad;

    crd_rules(&w, &errs);
    bad = errs != NULL;
    err_free(errs);
    return bad;
}

/* An object of the kind, as it comes from a stranger. */
static void object(struct source *s, const struct resource *r, struct json *v,
                   const struct json *old)
{
    struct err *errs = NULL, *e = schema_decode(s->a, r->type, v, NULL);
    str once;

    if (e) {
        err_free(e);
        return;
    }
    schema_default(s->a, r, v);
    once = encoded(s->a, v);
    schema_default(s->a, r, v);
    BUG_ON(!str_eq(once, encoded(s->a, v)));
    BUG_ON(schema_decode(s->a, r->type, v, NULL)); /* defaults are known fields */
    BUG_ON(!str_eq(once, encoded(s->a, v)));
    crd_validate(s->a, r->type, v, old, &errs);
    if (!errs)
        crd_validate_rules(s->a, NULL, r->type, v, old, NULL, &errs);
    err_free(errs);
    errs = NULL;
    crd_validate(s->a, r->type, v, v, &errs);
    err_free(errs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct source s = {.p = data, .n = size, .a = a};
    struct json *crd = definition(&s), *other = definition(&s), x, y, paths = json_object(),
                published = json_object();
    struct kind k = {.r = schema_find_resource(S("apiextensions.k8s.io"), S("v1"),
                                               S("customresourcedefinitions"))};
    const struct json *root;
    struct crd_set *set;
    struct obj *o;

    k.storage = &k;
    (void)wrong(a, &k, other, crd);
    if (wrong(a, &k, crd, NULL))
        return 0;
    o = obj_new((struct key){S("customresourcedefinitions"), S(""), S("as.b.example")}, 1, S("u"),
                encoded(a, crd), S(""), S(""));
    set = crd_set_new(o);
    obj_unref(o);
    BUG_ON(set->n != 1);
    s.nodes = 0;
    root = ((const struct crd_type *)set->kinds[0].resource.type)->schema;
    x = fitting(&s, root, 0);
    y = fitting(&s, root, 0);
    object(&s, &set->kinds[0].resource, &x, NULL);
    object(&s, &set->kinds[0].resource, &y, &x);
    crd_openapi_kind(a, &set->kinds[0].kind, true, &paths, &published);
    crd_openapi_kind(a, &set->kinds[0].kind, false, &paths, &published);
    crd_set_unref(set);
    return 0;
}
