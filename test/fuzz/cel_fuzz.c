/* cel_fuzz.c - expressions from strangers: compiled and run under small limits over an object of every shape, whatever they say. */
#include "schema/cel/cel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char object_text[] =
    "{\"metadata\":{\"name\":\"n\",\"labels\":{\"a\":\"b\"}},\"when\":\"2021-01-01T00:00:00Z\","
    "\"every\":"
    "\"1m30s\",\"ratio\":2,\"port\":80,\"data\":\"aGk=\",\"map\":{\"x\":1,\"y\":2},\"list\":[{"
    "\"name\":\"a\"},"
    "{\"name\":\"b\"}],\"set\":[\"a\",\"b\"],\"text\":\"h\\u00e9llo\",\"none\":null,\"big\":1e300}";
static const char schema_text[] =
    "{\"type\":\"object\",\"properties\":{\"when\":{\"type\":\"string\",\"format\":\"date-time\"},"
    "\"every\":{"
    "\"type\":\"string\",\"format\":\"duration\"},\"ratio\":{\"type\":\"number\"},\"port\":{\"x-"
    "kubernetes-"
    "int-or-string\":true},\"data\":{\"type\":\"string\",\"format\":\"byte\"},\"map\":{\"type\":"
    "\"object\","
    "\"additionalProperties\":{\"type\":\"integer\"}},\"list\":{\"type\":\"array\",\"x-kubernetes-"
    "list-type\":"
    "\"map\",\"x-kubernetes-list-map-keys\":[\"name\"],\"items\":{\"type\":\"object\","
    "\"properties\":{"
    "\"name\":{\"type\":\"string\"}}}},\"set\":{\"type\":\"array\",\"x-kubernetes-list-type\":"
    "\"set\","
    "\"items\":{\"type\":\"string\"}},\"text\":{\"type\":\"string\",\"maxLength\":9}}}";

static void answer(void *ctx, struct arena *a, const struct cel_authz_query *q,
                   struct cel_authz_answer *ret)
{
    (void)ctx;
    (void)a;
    ret->allowed = q->verb.n % 2;
    ret->reason = q->resource;
}

static void run(struct arena *a, str text, unsigned flags, const struct json *object,
                const struct json *schema)
{
    struct cel_env *env = cel_env_new(flags);
    struct cel_authz authz = {answer, NULL};
    unsigned o = cel_declare(env, S("object"), cel_dyn),
             s = cel_declare(env, S("self"), cel_type_structural(env, S("t"), schema, true)),
             z = cel_declare(env, S("authorizer"), cel_authorizer);
    const struct cel_program *p;
    struct cel_vars *vars;
    struct cel_result r;
    struct json *j;
    struct err *err = cel_compile(env, text, NULL, &p);

    if (!err) {
        vars = cel_vars_new(a, env);
        cel_vars_limit(vars, 20000);
        cel_bind_json(vars, o, object);
        cel_bind_json(vars, s, object);
        cel_bind_authorizer(vars, z, &authz);
        r = cel_eval(p, vars);
        BUG_ON(r.ok == (r.error.n > 0));
        if (r.ok)
            err = cel_to_json(a, r.value, &j);
    }
    err_free(err);
    cel_env_free(env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *object = NULL, *schema = NULL;
    str text = {(const char *)data, size};

    if (size > 4096)
        return 0;
    BUG_ON(json_parse(a, str_of(object_text), NULL, NULL, &object) != NULL);
    BUG_ON(json_parse(a, str_of(schema_text), NULL, NULL, &schema) != NULL);
    run(a, text, CEL_POLICY, object, schema);
    run(a, text, CEL_MUTATION, object, schema);
    return 0;
}
