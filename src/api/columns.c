/* columns.c - finds the columns of a kind, and the cells that many kinds share.
 *
 * Cells and their texts are those of Kubernetes' printers (pkg/printers/internalversion/printers.go); the columns' descriptions
 * are ours. */
#include "api/columns.h"

static const struct column_set *const sets[] = {columns_core, columns_workloads, columns_other,
                                                columns_cluster};

const struct column *columns_find(str group, str plural)
{
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        for (const struct column_set *s = sets[i]; s->plural; s++)
            if (str_is(plural, s->plural) && str_is(group, s->group))
                return s->columns;
    return NULL;
}

void column_name(struct arena *a, const struct json *obj, wall_time now, struct json *ret)
{
    *ret = json_string(json_get_str(obj, "metadata.name"));
}

str column_since(struct arena *a, str rfc3339, wall_time now)
{
    wall_time then;

    if (rfc3339.n == 0 || !rfc3339_parse(rfc3339, &then))
        return S("<unknown>");
    return duration_text(a, (now.ns - then.ns) / NS_PER_S);
}

void column_age(struct arena *a, const struct json *obj, wall_time now, struct json *ret)
{
    *ret = json_string(column_since(a, json_get_str(obj, "metadata.creationTimestamp"), now));
}

static int by_key(const void *x, const void *y, void *ctx)
{
    return str_cmp(((const struct json_member *)x)->key, ((const struct json_member *)y)->key);
}

str column_labels(struct arena *a, const struct json *labels)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json_member *sorted;
    uint32_t n = json_count(labels);

    if (n == 0 || labels->type != JSON_OBJECT)
        return S("<none>");
    sorted = arena_alloc(a, n * sizeof *sorted);
    memcpy(sorted, labels->members, n * sizeof *sorted);
    sort_with(sorted, n, sizeof *sorted, by_key, NULL);
    for (uint32_t i = 0; i < n; i++)
        buf_fmt(&b, "%s" PRI_STR "=" PRI_STR, i ? "," : "", STR_ARG(sorted[i].key),
                STR_ARG(json_str(&sorted[i].value)));
    return arena_dup(a, buf_view(&b));
}

static int by_text(const void *x, const void *y, void *ctx)
{
    return str_cmp(*(const str *)x, *(const str *)y);
}

/* labels.Requirement as text: "a=b", "a in (b,c)", "!a". */
static str requirement(struct arena *a, const struct json *e)
{
    str key = json_get_str(e, "key"), op = json_get_str(e, "operator"), joined;
    const struct json *values = json_findz(e, "values");
    struct json sorted = json_array();
    str *texts = ARENA_NEW_N(a, str, json_count(values) + 1);
    uint32_t n = 0;

    JSON_EACH(v, values)
        texts[n++] = json_str(v);
    sort_with(texts, n, sizeof *texts, by_text, NULL);
    for (uint32_t i = 0; i < n; i++)
        json_append(a, &sorted, json_string(texts[i]));
    joined = column_join(a, &sorted, ",", 0);
    if (str_is(op, "Exists"))
        return key;
    if (str_is(op, "DoesNotExist"))
        return arena_fmt(a, "!" PRI_STR, STR_ARG(key));
    return arena_fmt(a, PRI_STR " %s (" PRI_STR ")", STR_ARG(key),
                     str_is(op, "NotIn") ? "notin" : "in", STR_ARG(joined));
}

/* Requirements are sorted by key, as labels.Selector keeps them. */
str column_selector(struct arena *a, const struct json *s)
{
    const struct json *labels = json_findz(s, "matchLabels"),
                      *expressions = json_findz(s, "matchExpressions");
    uint32_t n = 0;
    struct json_member *all;
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!s)
        return S("<none>");
    all = ARENA_NEW_N(a, struct json_member, json_count(labels) + json_count(expressions) + 1);
    JSON_EACH_MEMBER(m, labels)
        all[n++] = (struct json_member){
            m->key, json_string(arena_fmt(a, PRI_STR "=" PRI_STR, STR_ARG(m->key),
                                          STR_ARG(json_str(&m->value))))};
    JSON_EACH(e, expressions)
        all[n++] = (struct json_member){json_get_str(e, "key"), json_string(requirement(a, e))};
    if (n == 0)
        return S("<none>");
    sort_with(all, n, sizeof *all, by_key, NULL);
    for (uint32_t i = 0; i < n; i++)
        buf_fmt(&b, "%s" PRI_STR, i ? "," : "", STR_ARG(all[i].value.s));
    return arena_dup(a, buf_view(&b));
}

str column_text(struct arena *a, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!v || v->type == JSON_NULL)
        return S("");
    if (v->type == JSON_STRING)
        return v->s;
    json_encode(&b, v);
    return arena_dup(a, buf_view(&b));
}

str column_text_or(str s, const char *otherwise)
{
    return s.n ? s : str_of(otherwise);
}

struct json column_at_path(struct arena *a, const struct column *c, const struct json *obj)
{
    const struct json *v = json_path(obj, c->path);
    bool is_set = v && v->type != JSON_NULL;

    switch (c->show) {
    case SHOW_AS_IS:
        return v ? json_share(a, v) : json_null();
    case SHOW_VALUE:
        return is_set ? json_share(a, v) : json_z(c->otherwise);
    case SHOW_TEXT:
        return json_string(column_text_or(column_text(a, v), c->otherwise));
    case SHOW_INT:
        return json_int(json_get_int(obj, c->path, 0));
    case SHOW_BOOL:
        return json_bool(json_get_bool(obj, c->path, false));
    case SHOW_COUNT:
        return json_int(json_count(v));
    case SHOW_LABELS:
        return json_string(column_labels(a, v));
    case SHOW_SELECTOR:
        return json_string(column_selector(a, v));
    }
    BUG_ON(true);
}

str column_join(struct arena *a, const struct json *array, const char *separator, uint32_t max)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    uint32_t i = 0;

    JSON_EACH(v, array) {
        if (max && i == max) {
            buf_fmt(&b, " + %u more...", json_count(array) - max);
            break;
        }
        buf_fmt(&b, "%s" PRI_STR, i ? separator : "", STR_ARG(column_text(a, v)));
        i++;
    }
    return arena_dup(a, buf_view(&b));
}

str column_load_balancer(struct arena *a, const struct json *obj)
{
    const struct json *points = json_path(obj, "status.loadBalancer.ingress");
    str *texts = ARENA_NEW_N(a, str, json_count(points) + 1);
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t n = 0;

    JSON_EACH(i, points) {
        str ip = json_get_str(i, "ip"), text = ip.n ? ip : json_get_str(i, "hostname");

        if (text.n)
            texts[n++] = text;
    }
    sort_with(texts, n, sizeof *texts, by_text, NULL);
    for (size_t i = 0; i < n; i++)
        if (!i || !str_eq(texts[i], texts[i - 1]))
            buf_fmt(&b, "%s" PRI_STR, b.n ? "," : "", STR_ARG(texts[i]));
    return arena_dup(a, buf_view(&b));
}

str column_group_kind(struct arena *a, str group, str kind)
{
    char *text = arena_dupz(
        a, arena_fmt(a, PRI_STR "%s" PRI_STR, STR_ARG(kind), group.n ? "." : "", STR_ARG(group)));

    for (char *c = text; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    return str_of(text);
}

const struct json *column_pod_spec(const struct json *obj)
{
    const struct json *job = json_path(obj, "spec.jobTemplate.spec.template.spec"),
                      *spec = json_path(obj, "spec.template.spec");

    if (job)
        return job;
    return spec ? spec : json_path(obj, "template.spec");
}

static void of_containers(struct arena *a, const struct json *obj, const char *field,
                          struct json *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    JSON_EACH(c, json_findz(column_pod_spec(obj), "containers"))
        buf_fmt(&b, "%s" PRI_STR, b.n ? "," : "", STR_ARG(json_get_str(c, field)));
    *ret = json_string(arena_dup(a, buf_view(&b)));
}

void column_containers(struct arena *a, const struct json *obj, wall_time now, struct json *ret)
{
    of_containers(a, obj, "name", ret);
}

void column_images(struct arena *a, const struct json *obj, wall_time now, struct json *ret)
{
    of_containers(a, obj, "image", ret);
}
