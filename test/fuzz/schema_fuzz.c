/* schema_fuzz.c - typed decoding and protobuf: nothing a stranger sends crashes them, and what one
 * form says the other says.
 *
 * The first byte chooses the way in (JSON or protobuf), the second and third the type. */
#include "schema/schema.h"
#include "schema/schema_internal.h"
#include "test/fuzz/fuzz.h"

const str fuzz_seeds[] = {
    STR("\x00\x00\x10{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":null,\"labels\":{\"b\":"
        "\"c\"}},\"spec\":{\"replicas\":3,\"x\":1}}"),
    STR("\x03\x00\x10\x0a\x05\x0a\x01"
        "a\x12\x00\x12\x06\x08\x96\x01\x12\x01z"),
    STR("\x01\x00\x10k8s\x00\x0a\x0a\x0a\x02v1\x12\x03Pod\x12\x05\x0a\x03\x0a\x01"
        "a\x1a\x00\x22\x00"),
    {NULL, 0},
};

static str encoded(struct arena *a, const struct json *v)
{
    struct buf b = BUF_INIT;
    str s;

    json_encode(&b, v);
    s = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

/* Decoding what was decoded changes nothing. */
static void check_settled(struct arena *a, const struct schema_type *t, const struct json *v)
{
    struct json again = json_copy(a, v);
    struct err *err = schema_decode(a, t, &again, NULL);

    BUG_ON(err);
    BUG_ON(!str_eq(encoded(a, v), encoded(a, &again)));
}

static void check_proto(struct arena *a, const struct schema_type *t, const struct json *v)
{
    struct buf once = BUF_INIT, twice = BUF_INIT;
    struct json *back = NULL;
    struct err *err;

    proto_encode(&once, t, v);
    err = proto_decode(a, t, buf_view(&once), &back);
    if (err) { /* nesting beyond what protobuf may have; nothing else */
        err_free(err);
    } else {
        proto_encode(&twice, t, back);
        BUG_ON(!str_eq(buf_view(&once), buf_view(&twice)));
    }
    buf_fini(&once);
    buf_fini(&twice);
}

static void from_json(struct arena *a, const struct schema_type *t, str text)
{
    struct schema_warnings warnings = {.list = NULL};
    struct json *v = NULL;
    struct err *err = json_parse(a, text, NULL, NULL, &v), *errs = NULL;

    if (!err)
        err = schema_decode(a, t, v, &warnings);
    if (err) {
        err_free(err);
        return;
    }
    if (v->type != JSON_OBJECT)
        return;
    check_settled(a, t, v);
    check_proto(a, t, v);
    for (size_t i = 0; i < schema_n_resources; i++)
        if (schema_resources[i].type == t) {
            schema_default(a, &schema_resources[i], v);
            check_settled(a, t, v);
            break;
        }
    schema_validate(a, t, v, S(""), &errs);
    err_free(errs);
}

static void from_proto(struct arena *a, const struct schema_type *t, str bytes)
{
    struct json *v = NULL;
    struct err *err = proto_decode(a, t, bytes, &v);

    if (err) {
        err_free(err);
        return;
    }
    check_proto(a, t, v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct schema_type *t;
    str rest;

    if (size < 3)
        return 0;
    t = &schema_types[(size_t)(data[1] << 8 | data[2]) % schema_n_types];
    rest = arena_dup(a, (str){(const char *)data + 3, size - 3});
    if (data[0] & 1) {
        struct json *v = NULL;
        struct err *err = proto_decode_envelope(a, rest, &v);

        err_free(err);
    }
    if (t->kind != SCHEMA_STRUCT)
        return 0;
    if (data[0] & 2)
        from_proto(a, t, rest);
    else if (!t->proto3)
        from_json(a, t, rest);
    return 0;
}
