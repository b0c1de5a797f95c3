/* selector.c - what label selectors mean: matching, LabelSelector objects, and the rules of label keys and values.
 *
 * A term about an absent key matches for !=, notin and !key only. Field selectors are matched by their owners, who know
 * the fields.
 *
 * Not here: selectors in text form (selector_parse.c).
 * API: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
#include "schema/selector_internal.h"

#define NAME_MAX_BYTES 63
#define PREFIX_MAX_BYTES 253
#define NAME_PATTERN "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
#define NAME_RULE                                                                                  \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character"
#define NAME_EXAMPLES                                                                              \
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" NAME_PATTERN "')"
#define SUBDOMAIN_RULE                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end "                                                                 \
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "            \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define VALUE_RULE                                                                                 \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start and end with "                                                            \
    "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "      \
    "validation is "                                                                               \
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

/* ---- rules ---- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(str s)
{
    if (!s.n || !is_alnum(s.p[0]) || !is_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return true;
}

static bool is_subdomain(str s)
{
    str label;

    while (str_cut(&s, '.', &label)) {
        if (!label.n || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!is_alnum(label.p[i]) && label.p[i] != '-')
                return false;
        for (size_t i = 0; i < label.n; i++)
            if (label.p[i] >= 'A' && label.p[i] <= 'Z')
                return false;
    }
    return true;
}

/* Reasons after the first are joined by "; ". */
static void PRINTF(3, 4) add_reason(struct buf *b, size_t start, const char *fmt, ...)
{
    va_list ap;

    if (b->n > start)
        buf_z(b, "; ");
    va_start(ap, fmt);
    buf_vfmt(b, fmt, ap);
    va_end(ap);
}

static void name_reasons(struct buf *b, str key)
{
    ptrdiff_t slash = str_index(key, '/');
    size_t start = b->n;
    str name = key;

    if (slash >= 0) {
        str prefix = str_slice(key, 0, (size_t)slash);

        name = str_skip(key, (size_t)slash + 1);
        if (str_has_char(name, '/')) {
            add_reason(b, start,
                       "a qualified name %s %s with an optional DNS subdomain prefix and '/' (e.g. "
                       "'example.com/MyName')",
                       NAME_RULE, NAME_EXAMPLES);
            return;
        }
        if (!prefix.n) {
            add_reason(b, start, "prefix part must be non-empty");
        } else {
            if (prefix.n > PREFIX_MAX_BYTES)
                add_reason(b, start, "prefix part must be no more than %d bytes", PREFIX_MAX_BYTES);
            if (!is_subdomain(prefix))
                add_reason(b, start, "prefix part %s", SUBDOMAIN_RULE);
        }
    }
    if (!name.n)
        add_reason(b, start, "name part must be non-empty");
    else if (name.n > NAME_MAX_BYTES)
        add_reason(b, start, "name part must be no more than %d bytes", NAME_MAX_BYTES);
    if (!is_name(name))
        add_reason(b, start, "name part %s %s", NAME_RULE, NAME_EXAMPLES);
}

static void value_reasons(struct buf *b, str value)
{
    size_t start = b->n;

    if (value.n > NAME_MAX_BYTES)
        add_reason(b, start, "must be no more than %d bytes", NAME_MAX_BYTES);
    if (value.n && !is_name(value))
        add_reason(b, start, "%s", VALUE_RULE);
}

static void add_invalid(struct buf *b, str path, str value, str reasons)
{
    buf_str(b, path);
    buf_z(b, ": Invalid value: ");
    buf_quoted(b, value);
    buf_z(b, ": ");
    buf_str(b, reasons);
}

void label_key_problem(struct buf *b, str path, str key)
{
    CLEANUP(buf) struct buf reasons = BUF_INIT;

    name_reasons(&reasons, key);
    if (reasons.n)
        add_invalid(b, path, key, buf_view(&reasons));
}

/* Collects messages as Go's error aggregate prints them: alone as it is, several in brackets, each once. */
struct problems {
    struct buf text;
    int n;
};

static void add_problem(struct problems *p, str text)
{
    if (p->n && str_find(buf_view(&p->text), text) >= 0)
        return;
    if (p->n++)
        buf_z(&p->text, ", ");
    buf_str(&p->text, text);
}

void selector_term_problem(struct buf *b, const struct selector_term *t)
{
    struct problems all = {.text = BUF_INIT};
    CLEANUP(buf) struct buf one = BUF_INIT;
    CLEANUP(buf) struct buf reasons = BUF_INIT;
    CLEANUP(buf) struct buf path = BUF_INIT;

    label_key_problem(&one, S("key"), t->key);
    if (one.n)
        add_problem(&all, buf_view(&one));
    if ((t->op == SELECTOR_IN || t->op == SELECTOR_NOT_IN) && !t->n_values)
        add_problem(
            &all,
            S("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"));
    if ((t->op == SELECTOR_EXISTS || t->op == SELECTOR_NOT_EXISTS) && t->n_values) {
        buf_clear(&one);
        buf_z(&one, "values: Invalid value: [");
        for (size_t i = 0; i < t->n_values; i++) {
            buf_z(&one, i ? "," : "");
            json_encode_string(&one, t->values[i]);
        }
        buf_z(&one, "]: values set must be empty for exists and does not exist");
        add_problem(&all, buf_view(&one));
    }
    for (size_t i = 0; i < t->n_values; i++) {
        int64_t ignored;

        if ((t->op != SELECTOR_GT && t->op != SELECTOR_LT) || str_to_int64(t->values[i], &ignored))
            continue;
        buf_clear(&one);
        buf_clear(&path);
        buf_fmt(&path, "values[%zu]", i);
        add_invalid(&one, buf_view(&path), t->values[i],
                    S("for 'Gt', 'Lt' operators, the value must be an integer"));
        add_problem(&all, buf_view(&one));
    }
    for (size_t i = 0; i < t->n_values; i++) {
        buf_clear(&reasons);
        value_reasons(&reasons, t->values[i]);
        if (!reasons.n)
            continue;
        buf_clear(&one);
        buf_clear(&path);
        buf_fmt(&path, "values[%zu][" PRI_STR "]", i, STR_ARG(t->key));
        add_invalid(&one, buf_view(&path), t->values[i], buf_view(&reasons));
        add_problem(&all, buf_view(&one));
    }
    if (all.n > 1)
        buf_char(b, '[');
    buf_str(b, buf_view(&all.text));
    if (all.n > 1)
        buf_char(b, ']');
    buf_fini(&all.text);
}

static int compare_terms(const void *x, const void *y)
{
    const struct selector_term *a = x, *b = y;
    int c = str_cmp(a->key, b->key);

    if (c || a->op != b->op)
        return c ? c : (int)a->op - (int)b->op;
    return a->n_values && b->n_values ? str_cmp(a->values[0], b->values[0]) : 0;
}

void selector_sort(struct selector *s)
{
    if (s->n_terms > 1)
        qsort(s->terms, s->n_terms, sizeof *s->terms, compare_terms);
}

/* ---- LabelSelector objects ---- */

static const struct {
    str name;
    enum selector_op op;
} expression_ops[] = {
    {STR("In"), SELECTOR_IN},
    {STR("NotIn"), SELECTOR_NOT_IN},
    {STR("Exists"), SELECTOR_EXISTS},
    {STR("DoesNotExist"), SELECTOR_NOT_EXISTS},
};

static struct err *check_term(const struct selector_term *t)
{
    CLEANUP(buf) struct buf problem = BUF_INIT;

    selector_term_problem(&problem, t);
    return problem.n ? err_new(REASON_BAD_REQUEST, "%s", buf_cstr(&problem)) : NULL;
}

struct err *selector_from_object(struct arena *a, const struct json *label_selector,
                                 struct selector *ret)
{
    const struct json *labels = json_findz(label_selector, "matchLabels");
    const struct json *expressions = json_findz(label_selector, "matchExpressions");
    struct selector s = {0};
    struct err *err;

    if (!json_is(label_selector, JSON_OBJECT)) {
        *ret = (struct selector){.nothing = true};
        return NULL;
    }
    s.terms =
        ARENA_NEW_N(a, struct selector_term, json_count(labels) + json_count(expressions) + 1);
    JSON_EACH_MEMBER(m, labels) {
        struct selector_term *t = &s.terms[s.n_terms++];

        *t = (struct selector_term){.key = m->key, .op = SELECTOR_EQ, .n_values = 1};
        t->values = ARENA_NEW(a, str);
        t->values[0] = json_str(&m->value);
        err = check_term(t);
        if (err)
            return err;
    }
    JSON_EACH(e, expressions) {
        struct selector_term *t = &s.terms[s.n_terms++];
        const struct json *values = json_findz(e, "values");
        str op = json_str(json_findz(e, "operator"));
        size_t i;

        for (i = 0; i < ARRAY_LEN(expression_ops) && !str_eq(expression_ops[i].name, op); i++)
            ;
        if (i == ARRAY_LEN(expression_ops))
            return err_new(REASON_BAD_REQUEST,
                           "\"" PRI_STR "\" is not a valid label selector operator", STR_ARG(op));
        *t = (struct selector_term){.key = json_str(json_findz(e, "key")),
                                    .op = expression_ops[i].op};
        t->values = ARENA_NEW_N(a, str, json_count(values) + 1);
        JSON_EACH(v, values)
            t->values[t->n_values++] = json_str(v);
        err = check_term(t);
        if (err)
            return err;
    }
    selector_sort(&s);
    *ret = s;
    return NULL;
}

/* ---- matching ---- */

#define INDEX_FROM 24 /* terms from which looking them up in an index pays */

static bool has_value(const struct selector_term *t, str value)
{
    for (size_t i = 0; i < t->n_values; i++)
        if (str_eq(t->values[i], value))
            return true;
    return false;
}

/* value NULL: the label is absent. */
static bool term_matches(const struct selector_term *t, const str *value)
{
    int64_t have, limit;

    switch (t->op) {
    case SELECTOR_EQ:
    case SELECTOR_IN:
        return value && has_value(t, *value);
    case SELECTOR_NEQ:
    case SELECTOR_NOT_IN:
        return !value || !has_value(t, *value);
    case SELECTOR_EXISTS:
        return value;
    case SELECTOR_NOT_EXISTS:
        return !value;
    case SELECTOR_GT:
    case SELECTOR_LT:
        if (!value || t->n_values != 1 || !str_to_int64(*value, &have) ||
            !str_to_int64(t->values[0], &limit))
            return false;
        return t->op == SELECTOR_GT ? have > limit : have < limit;
    }
    return false;
}

/* The value of key in "k\0v\0..."; false when absent. */
static bool find_packed(str packed, str key, str *ret)
{
    const char *p = packed.p, *end = packed.p + packed.n;

    while (p < end) {
        const char *key_end = memchr(p, 0, (size_t)(end - p)), *value_end;

        if (!key_end)
            return false;
        value_end = memchr(key_end + 1, 0, (size_t)(end - key_end - 1));
        if (!value_end)
            value_end = end;
        if ((size_t)(key_end - p) == key.n && memcmp(p, key.p, key.n) == 0) {
            *ret = (str){key_end + 1, (size_t)(value_end - key_end - 1)};
            return true;
        }
        p = value_end + 1;
    }
    return false;
}

bool selector_matches_packed(const struct selector *s, str packed)
{
    if (s->nothing)
        return false;
    for (size_t i = 0; i < s->n_terms; i++) {
        str value;
        bool found = find_packed(packed, s->terms[i].key, &value);

        if (!term_matches(&s->terms[i], found ? &value : NULL))
            return false;
    }
    return true;
}

bool selector_matches_map(const struct selector *s, const struct json *labels)
{
    struct json_index index = {.obj = (struct json *)labels};
    bool matches = !s->nothing;

    for (size_t i = 0; i < s->n_terms && matches; i++) {
        const struct json *v = s->n_terms > INDEX_FROM ? json_index_find(&index, s->terms[i].key)
                                                       : json_find(labels, s->terms[i].key);
        str value = json_str(v);

        matches = term_matches(&s->terms[i], v ? &value : NULL);
    }
    json_index_fini(&index);
    return matches;
}

bool labels_include(const struct json *labels, const struct json *wanted)
{
    if (!json_count(wanted))
        return false;
    JSON_EACH_MEMBER(m, wanted) {
        const struct json *v = json_find(labels, m->key);

        if (!v || !str_eq(json_str(v), json_str(&m->value)))
            return false;
    }
    return true;
}

void buf_packed_labels(struct buf *b, const struct json *labels)
{
    JSON_EACH_MEMBER(m, labels) {
        buf_str(b, m->key);
        buf_char(b, 0);
        buf_str(b, json_str(&m->value));
        buf_char(b, 0);
    }
}

str selector_go_text(struct arena *a, const struct json *label_selector)
{
    const struct json *labels = json_findz(label_selector, "matchLabels");
    struct json sorted = labels ? json_share(a, labels) : json_object();
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_sort_keys(&sorted);
    buf_z(&b, "&LabelSelector{MatchLabels:map[string]string{");
    JSON_EACH_MEMBER(m, &sorted)
        buf_fmt(&b, PRI_STR ": " PRI_STR ",", STR_ARG(m->key), STR_ARG(json_str(&m->value)));
    buf_z(&b, "},MatchExpressions:[]LabelSelectorRequirement{");
    JSON_EACH(e, json_findz(label_selector, "matchExpressions")) {
        const char *separator = "";

        buf_fmt(&b, "LabelSelectorRequirement{Key:" PRI_STR ",Operator:" PRI_STR ",Values:[",
                STR_ARG(json_get_str(e, "key")), STR_ARG(json_get_str(e, "operator")));
        JSON_EACH(v, json_findz(e, "values")) {
            buf_fmt(&b, "%s" PRI_STR, separator, STR_ARG(json_str(v)));
            separator = " ";
        }
        buf_z(&b, "],},");
    }
    buf_z(&b, "},}");
    return arena_dup(a, buf_view(&b));
}
