/* values_fuzz.c - small languages in strings: cron schedules, JSONPath of columns, URLs and queries, DNS messages, times.
 *
 * The first byte chooses one; the rest is its text. */
#include "schema/cron.h"
#include "dns/dns_internal.h"
#include "schema/jsonpath.h"
#include "schema/schema_internal.h"
#include "test/fuzz/fuzz.h"
#include "wire/http.h"

const str fuzz_seeds[] = {
    STR("c*/5 1-3,7 * jan-mar mon"),
    STR("c@every 1h30m"),
    STR("c@yearly"),
    STR("c0 0 31 2 *"),
    STR("j.spec.containers[0].image"),
    STR("j.status.conditions[?(@.type==\"Ready\")].status"),
    STR("j.a['b.c'][*].d[-1]"),
    STR("qlabelSelector=a%3Db%2Cc+d&watch=1&x&y=%zz"),
    STR("t2026-11-25T23:40:00.123456789+01:30"),
    STR("t2026-11-25T23:40:00Z"),
    STR("d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03www\x07"
        "example\x03"
        "com\x00\x00\x01\x00\x01\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00"),
    {NULL, 0},
};

static void cron(struct arena *a, str text)
{
    struct cron c;

    if (!cron_parse(a, text, &c)) {
        int64_t next = cron_next(&c, NULL, INT64_C(1790000000));

        BUG_ON(next && next <= INT64_C(1790000000));
    }
}

static void path(struct arena *a, str text)
{
    static const char object[] =
        "{\"spec\":{\"containers\":[{\"image\":\"a\",\"n\":1}]},\"status\":{"
        "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]},\"a\":{\"b.c\":[{\"d\":[1]}]}}";
    struct jsonpath_results found = {0};
    struct json *v = NULL;

    BUG_ON(json_parse(a, str_of(object), NULL, NULL, &v));
    err_free(jsonpath_find(a, text, v, v, &found));
    for (size_t i = 0; i < found.n; i++)
        BUG_ON(!found.v[i]);
}

static void query(struct arena *a, str text)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    str value;
    size_t n;

    for (struct http_header *h = http_query_all(a, text, &n); h->name.p; h++) {
        buf_clear(&b);
        http_percent_encode(&b, h->value);
        BUG_ON(!http_percent_decode(a, buf_view(&b), true, &value) || !str_eq(value, h->value));
    }
    (void)http_query(a, text, "watch", &value);
}

static void when(struct arena *a, str text)
{
    struct schema_time t;
    int64_t plain;
    str error;

    for (int micro = 0; micro < 2; micro++) {
        bool ok = schema_time_parse(a, text, micro, &t, &error);

        if (!micro && schema_time_plain(text, &plain))
            BUG_ON(!ok || t.s != plain || t.ns || t.zero ||
                   !str_eq(schema_time_format(a, &t, false), text));
        if (ok && !t.zero)
            BUG_ON(!schema_time_parse(a, schema_time_format(a, &t, micro), micro, &t, &error));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct dns_query q;
    struct dns_name name;
    char *copy;
    str text;

    if (!size)
        return 0;
    copy = size > 1 ? mem_dup(data + 1, size - 1) : NULL;
    text = (str){copy, size - 1};
    switch (data[0]) {
    case 'c':
        cron(a, text);
        break;
    case 'j':
        path(a, text);
        break;
    case 'q':
        query(a, text);
        break;
    case 't':
        when(a, text);
        break;
    default:
        (void)dns_query_parse(text, &q);
        (void)dns_name_parse(text, &name);
    }
    mem_free(copy);
    return 0;
}
