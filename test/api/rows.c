/* rows.c - see rows.h. */
#include "test/api/rows.h"
#include "api/validation/check.h"

#define PERCENT                                                                                    \
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "   \
    "'93%', regex used for validation is '[0-9]+%')"
#define WILDCARD                                                                                   \
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "      \
    "which must consist of lower case alphanumeric characters, '-' or '.' and end with an "        \
    "alphanumeric character (e.g. '*.example.com', regex used for validation is "                  \
    "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define QUALIFIED                                                                                  \
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "  \
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "     \
    "for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

/* The text with short words for the long forms. */
static str shortened(struct arena *a, str text)
{
    const struct {
        const char *text, *word;
    } forms[] = {
        {not_dns_label(S("A")), "{label}"},
        {not_dns_subdomain(S("A")), "{subdomain}"},
        {not_dns1035_label(S("A")), "{1035}"},
        {not_label_value(S("-")), "{value}"},
        {QUALIFIED, "{qualified}"},
        {PERCENT, "{percent}"},
        {WILDCARD, "{wildcard}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        str form = str_of(forms[i].text);
        ptrdiff_t at = str_find(text, form);

        if (at >= 0)
            return arena_fmt(a, PRI_STR "%s" PRI_STR, STR_ARG(str_slice(text, 0, (size_t)at)),
                             forms[i].word, STR_ARG(str_skip(text, (size_t)at + form.n)));
    }
    return text;
}

static struct json *parse(struct arena *a, const char *quoted)
{
    char *p = arena_dupz(a, str_of(quoted));
    struct json *v = NULL;

    for (char *c = p; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    CHECK_OK(json_parse(a, str_of(p), NULL, NULL, &v));
    return v;
}

static const char *encode(struct arena *a, const struct json *v)
{
    struct buf b = BUF_INIT;
    const char *p;

    json_encode(&b, v);
    p = arena_dupz(a, buf_view(&b));
    buf_fini(&b);
    return p;
}

static void merge(struct arena *a, struct json *doc, const struct json *patch)
{
    JSON_EACH_MEMBER(m, patch) {
        struct json *have = json_find(doc, m->key);

        if (m->value.type == JSON_NULL)
            json_remove(doc, m->key);
        else if (json_is(have, JSON_OBJECT) && m->value.type == JSON_OBJECT)
            merge(a, have, &m->value);
        else
            json_set(a, doc, m->key, json_copy(a, &m->value));
    }
}

static void answer(struct world *w, struct call *c, struct buf *ret)
{
    const struct json *v = c->body.n ? call_json(c) : NULL;

    if (c->status == 200 || c->status == 201)
        return;
    if (c->status != 422)
        buf_fmt(ret, "%d " PRI_STR "\n", c->status, STR_ARG(json_get_str(v, "message")));
    JSON_EACH(cause, json_path(v, "details.causes"))
        buf_fmt(ret, PRI_STR ": " PRI_STR "\n", STR_ARG(json_get_str(cause, "field")),
                STR_ARG(shortened(w->arena, json_get_str(cause, "message"))));
}

static void check_row(struct world *w, const struct kind_row *k, const struct row *r)
{
    struct json *obj = parse(w->arena, k->object);
    struct buf got = BUF_INIT;
    str want = str_of(r->want);
    const char *path;
    struct call *c;

    merge(w->arena, obj, parse(w->arena, r->patch));
    path = arena_fmt(w->arena, "%s%s", k->path, r->then ? "" : "?dryRun=All").p;
    c = world_call(w, "POST", path, encode(w->arena, obj), NULL);
    if (r->then) {
        CHECK_INT(c->status, 201);
        call_free(c);
        path =
            arena_fmt(w->arena, "%s/" PRI_STR, k->path, STR_ARG(json_get_str(obj, "metadata.name")))
                .p;
        c = world_call(w, "PATCH",
                       arena_fmt(w->arena, "%s%s%s", path, r->subresource ? "/" : "",
                                 r->subresource ? r->subresource : "")
                           .p,
                       encode(w->arena, parse(w->arena, r->then)),
                       "Content-Type: application/merge-patch+json");
    }
    answer(w, c, &got);
    call_free(c);
    if (str_has_suffix(want, S("...\n"))) {
        want = str_slice(want, 0, want.n - 4);
        if (got.n > want.n)
            got.n = want.n;
    }
    if (!str_eq(buf_view(&got), want))
        test_fail(__FILE__, __LINE__, "%s %s %s\n  got:\n" PRI_STR "  want:\n%s", r->kind, r->patch,
                  r->then ? r->then : "", STR_ARG(buf_view(&got)), r->want);
    buf_fini(&got);
    if (r->then)
        world_status(
            w, "DELETE",
            arena_fmt(w->arena, "%s?gracePeriodSeconds=0&propagationPolicy=Background", path).p,
            NULL);
}

void rows_check(const struct kind_row *kinds, size_t n_kinds, const struct row *rows, size_t n_rows)
{
    struct world w;

    world_init(&w);
    for (size_t i = 0; i < n_kinds; i++) /* as they stand they are fine */
        if (!*kinds[i].kind)
            CHECK_INT(world_status(&w, "POST", kinds[i].path,
                                   encode(w.arena, parse(w.arena, kinds[i].object))),
                      201);
        else
            check_row(&w, &kinds[i],
                      &(struct row){.kind = kinds[i].kind, .patch = "{}", .want = ""});
    for (size_t i = 0; i < n_rows; i++) {
        const struct kind_row *k = NULL;

        for (size_t n = 0; n < n_kinds; n++)
            if (!strcmp(kinds[n].kind, rows[i].kind))
                k = &kinds[n];
        CHECK(k);
        if (k)
            check_row(&w, k, &rows[i]);
    }
    world_fini(&w);
}
