/* json_go.c - decoded JSON in the words of Go, which texts of errors carry. */
#include "wire/json.h"
#include "wire/yaml.h"

const char *json_word(const struct json *v)
{
    static const char *const words[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "bool",     [JSON_INT] = "number",
        [JSON_DOUBLE] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object",
    };

    return words[v->type];
}

const char *json_go_type(const struct json *v)
{
    static const char *const names[] = {
        [JSON_NULL] = "<nil>",
        [JSON_BOOL] = "bool",
        [JSON_INT] = "int64",
        [JSON_DOUBLE] = "float64",
        [JSON_STRING] = "string",
        [JSON_ARRAY] = "[]interface {}",
        [JSON_OBJECT] = "map[string]interface {}",
    };

    return names[v->type];
}

static int by_key(const void *x, const void *y, void *ctx)
{
    (void)ctx;
    return str_cmp((*(const struct json_member *const *)x)->key,
                   (*(const struct json_member *const *)y)->key);
}

static void buf_go_map(struct buf *b, const struct json *v)
{
    const struct json_member **sorted = mem_alloc(sizeof *sorted * (v->n + 1));
    uint32_t n = 0;

    JSON_EACH_MEMBER(m, v)
        sorted[n++] = m;
    sort_with(sorted, n, sizeof *sorted, by_key, NULL);
    buf_z(b, "map[");
    for (uint32_t i = 0; i < n; i++) {
        buf_fmt(b, "%s" PRI_STR ":", i ? " " : "", STR_ARG(sorted[i]->key));
        buf_go(b, &sorted[i]->value);
    }
    buf_char(b, ']');
    mem_free(sorted);
}

void buf_go(struct buf *b, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL:
        buf_z(b, "<nil>");
        return;
    case JSON_BOOL:
    case JSON_INT:
        json_encode(b, v);
        return;
    case JSON_DOUBLE:
        yaml_encode_double(b, v->d, false); /* the same shortest form */
        return;
    case JSON_STRING:
        buf_str(b, v->s);
        return;
    case JSON_ARRAY:
        buf_char(b, '[');
        JSON_EACH(i, v) {
            buf_z(b, i == v->items ? "" : " ");
            buf_go(b, i);
        }
        buf_char(b, ']');
        return;
    case JSON_OBJECT:
        buf_go_map(b, v);
        return;
    }
}
