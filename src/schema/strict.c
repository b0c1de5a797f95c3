/* strict.c - what a strict decoder tells: unknown and duplicate fields, in the order of the document.
 *
 * The parser finds keys that come again, the decoder those that its type does not know; a key's place in the text brings both
 * into one order. A field that is unknown is skipped with all that is in it, so nothing in there is told, nor that it came
 * again. As sigs.k8s.io/json, whose lists end after 100 problems. Source: its decoder's saveStrictError; Kubernetes'
 * test/integration/apiserver/field_validation_test.go. */
#include "schema/schema.h"

#define STRICT_PROBLEMS_MAX 100

static void tell(struct arena *a, struct schema_warnings *w, const char *what, str path)
{
    str text = arena_fmt(a, "%s field \"" PRI_STR "\"", what, STR_ARG(path));

    if (w->list->n >= STRICT_PROBLEMS_MAX)
        return;
    JSON_EACH(seen, w->list)
        if (str_eq(seen->s, text))
            return;
    json_append(a, w->list, json_string(text));
}

static bool lies_in_unknown(const struct schema_warnings *w, str path)
{
    JSON_EACH(told, w->list) {
        str unknown = told->s;

        if (!str_has_prefix(unknown, S("unknown field \"")))
            continue;
        unknown = str_slice(unknown, strlen("unknown field \""), unknown.n - 1);
        if (str_has_prefix(path, unknown) &&
            (path.n == unknown.n || path.p[unknown.n] == '.' || path.p[unknown.n] == '['))
            return true;
    }
    return false;
}

/* Those before a place in the text. */
static void tell_duplicates(struct arena *a, struct schema_warnings *w, int64_t end)
{
    for (; w->duplicates && w->n_told < w->duplicates->n; w->n_told++) {
        const struct json_member *m = &w->duplicates->members[w->n_told];

        if (m->value.i >= end)
            return;
        if (!lies_in_unknown(w, m->key))
            tell(a, w, "duplicate", m->key);
    }
}

void schema_warn_unknown(struct arena *a, struct schema_warnings *w, str path, str key)
{
    /* A key with escapes is not a slice of the text; what is before it is told with the next one. */
    if (w->text.n && key.p >= w->text.p && key.p < w->text.p + w->text.n)
        tell_duplicates(a, w, key.p - w->text.p);
    tell(a, w, "unknown", path);
}

void schema_warn_rest(struct arena *a, struct schema_warnings *w)
{
    tell_duplicates(a, w, INT64_MAX);
}
