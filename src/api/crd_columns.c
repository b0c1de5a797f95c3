/* crd_columns.c - printer columns of custom resources: simple JSONPaths and what their values look like in a table.
 *
 * API: k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor */
#include "api/crd.h"
#include "api/columns.h"

static str quoted_part(const char **p, char quote)
{
    const char *from = ++*p;
    str s;

    while (**p && **p != quote)
        ++*p;
    s = (str){from, (size_t)(*p - from)};
    if (**p)
        ++*p;
    return s;
}

/* A name up to '.' or '['; a backslash takes the next byte as it is. */
static str name_part(const char **p, char *buf, size_t size)
{
    size_t n = 0;

    while (**p && **p != '.' && **p != '[') {
        if (**p == '\\' && (*p)[1])
            ++*p;
        if (n < size)
            buf[n++] = **p;
        ++*p;
    }
    return (str){buf, n};
}

static const struct json *find_at(const struct json *v, const char *p, int depth);

/* [?(@.a=="b")]: the first item that has it. */
static const struct json *filtered(const struct json *v, const char *p, int depth)
{
    const char *at = strstr(p, "@."), *op = strstr(p, "=="), *end = strstr(p, ")]");
    char path[128];
    str want;
    size_t n;

    if (!at || !op || !end || at > op || op > end)
        return NULL;
    n = (size_t)(op - (at + 1));
    while (n && at[n] == ' ')
        n--;
    if (n >= sizeof path)
        return NULL;
    memcpy(path, at + 1, n);
    path[n] = 0;
    op += 2;
    while (*op == ' ')
        op++;
    if (*op == '"' || *op == '\'')
        want = quoted_part(&op, *op);
    else
        want = str_trim((str){op, (size_t)(end - op)});
    JSON_EACH(i, v) {
        const struct json *x = find_at(i, path, depth + 1);

        if (json_is(x, JSON_STRING)
                ? str_eq(x->s, want)
                : json_is(x, JSON_BOOL) && str_is(want, x->b ? "true" : "false")) {
            const struct json *found = find_at(i, end + 2, depth + 1);

            if (found)
                return found;
        }
    }
    return NULL;
}

static const struct json *find_at(const struct json *v, const char *p, int depth)
{
    char buf[256];

    while (v && *p && depth < 16) {
        if (*p == '.') {
            p++;
            if (*p && *p != '[')
                v = json_find(v, name_part(&p, buf, sizeof buf));
        } else if (p[0] == '[' && p[1] == '?')
            return filtered(v, p, depth);
        else if (p[0] == '[' && p[1] == '*') {
            const char *rest = strchr(p, ']');

            if (!rest)
                return NULL;
            JSON_EACH(i, v) {
                const struct json *x = find_at(i, rest + 1, depth + 1);

                if (x)
                    return x;
            }
            return NULL;
        } else if (*p == '[') {
            p++;
            if (*p == '\'' || *p == '"')
                v = json_find(v, quoted_part(&p, *p));
            else {
                uint32_t i = 0;

                for (; *p >= '0' && *p <= '9'; p++)
                    i = i * 10 + (uint32_t)(*p - '0');
                v = json_item(v, i);
            }
            if (*p != ']')
                return NULL;
            p++;
        } else
            v = json_find(v, name_part(&p, buf, sizeof buf));
    }
    return v;
}

const struct json *crd_path_find(const struct json *v, const char *path)
{
    return find_at(v, path, 0);
}

void crd_cell(struct arena *a, const struct column *c, const struct json *obj, wall_time now,
              struct json *ret)
{
    const struct json *v = crd_path_find(obj, c->json_path);

    *ret = json_null();
    if (!v || v->type == JSON_NULL)
        return;
    if (!strcmp(c->type, "string"))
        *ret = json_string(column_text(a, v));
    else if (!strcmp(c->type, "integer")) {
        if (v->type == JSON_INT)
            *ret = *v;
        else if (v->type == JSON_DOUBLE)
            *ret = json_int((int64_t)v->d);
    } else if (!strcmp(c->type, "number")) {
        if (v->type == JSON_INT || v->type == JSON_DOUBLE)
            *ret = *v;
    } else if (!strcmp(c->type, "boolean")) {
        if (v->type == JSON_BOOL)
            *ret = *v;
    } else if (!strcmp(c->type, "date") && v->type == JSON_STRING) {
        wall_time t;

        *ret =
            rfc3339_parse(v->s, &t) ? json_string(column_since(a, v->s, now)) : json_z("<invalid>");
    }
}
