/* text_fuzz.c - walking stored text without a tree agrees with the tree, and stays inside any other text.
 *
 * The first two bytes choose a type; the rest is JSON. */
#include "schema/schema_internal.h"
#include "test/fuzz/fuzz.h"
#include "wire/json_scan.h"

const str fuzz_seeds[] = {
    STR("\x00\x01{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"y<\\n\"},\"managedFields\":[{"
        "\"manager\":\"m\",\"operation\":\"Update\","
        "\"apiVersion\":\"v1\",\"time\":\"2026-11-25T23:40:00Z\",\"fieldsType\":\"FieldsV1\","
        "\"fieldsV1\":{\"f:spec\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}}]},"
        "\"spec\":{\"replicas\":3,\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\","
        "\"ports\":[{\"containerPort\":80}],\"resources\":"
        "{\"limits\":{\"cpu\":\"1\"}}}],\"initContainers\":[]}}},\"data\":{\"k\":\"dg==\"}}"),
    STR("\x01\x00{\"a\":[1,2.5,-3,true,null,\"\\\\\\\"\"],\"b\":{\"c\":{}}}"),
    {NULL, 0},
};

static void scan_anything(str text)
{
    const char *p = text.p, *end = text.p + text.n;
    bool escaped;
    str key, value, raw;
    char *out = mem_alloc(text.n + 1);

    (void)json_skip(p, end);
    (void)json_scan_find(text, S("metadata"));
    if (json_scan_string(p, end, &raw, &escaped))
        (void)json_unescape(out, raw);
    while (json_scan_member(&p, end, &key, &value))
        ;
    mem_free(out);
}

/* What was encoded is walked as it was built. */
static void scan_ours(const struct json *v, str text)
{
    const char *p = text.p;
    str key, value;

    BUG_ON(json_skip(text.p, text.p + text.n) != text.p + text.n);
    JSON_EACH_MEMBER(m, v) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        BUG_ON(!json_scan_member(&p, text.p + text.n, &key, &value));
        json_encode(&b, &m->value);
        BUG_ON(!str_eq(value, buf_view(&b)));
    }
    if (json_is(v, JSON_OBJECT))
        BUG_ON(json_scan_member(&p, text.p + text.n, &key, &value));
}

static void protobuf(struct arena *a, const struct schema_type *t, struct json *v)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    CLEANUP(buf) struct buf tree = BUF_INIT;
    CLEANUP(buf) struct buf walked = BUF_INIT;
    struct err *err = schema_decode(a, t, v, NULL);

    if (err || v->type != JSON_OBJECT) {
        err_free(err);
        return;
    }
    json_encode(&text, v);
    proto_encode(&tree, t, v);
    if (proto_encode_text(&walked, t, buf_view(&text), a))
        BUG_ON(!str_eq(buf_view(&tree), buf_view(&walked)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf ours = BUF_INIT;
    CLEANUP(buf) struct buf any = BUF_INIT;
    const struct schema_type *t;
    struct json *v = NULL;
    struct err *err;
    char *copy;
    str text;

    if (size < 3)
        return 0;
    t = &schema_types[(size_t)(data[0] << 8 | data[1]) % schema_n_types];
    copy = mem_dup(data + 2, size - 2);
    text = (str){copy, size - 2};
    scan_anything(text);
    if (t->kind == SCHEMA_STRUCT && !t->proto3)
        (void)!proto_encode_text(&any, t, text, a);
    err = json_parse(a, text, NULL, NULL, &v);
    if (!err) {
        json_encode(&ours, v);
        scan_ours(v, buf_view(&ours));
        if (t->kind == SCHEMA_STRUCT && !t->proto3)
            protobuf(a, t, v);
    }
    err_free(err);
    mem_free(copy);
    return 0;
}
