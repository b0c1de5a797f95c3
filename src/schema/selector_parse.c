/* selector_parse.c - label and field selectors from text: "a=b,c!=d,e in (f,g),!h".
 *
 * The grammar and every complaint are those of Kubernetes' labels.Parse and fields.ParseSelector: a client sees the
 * texts in a 400. Terms come out sorted by key, values sorted and without duplicates.
 *
 * Not here: matching (selector.c). */
#include "schema/selector_internal.h"

enum token {
    TOKEN_ERROR,
    TOKEN_END,
    TOKEN_CLOSED,
    TOKEN_COMMA,
    TOKEN_NOT,
    TOKEN_DOUBLE_EQUALS,
    TOKEN_EQUALS,
    TOKEN_GREATER,
    TOKEN_IDENTIFIER,
    TOKEN_IN,
    TOKEN_LESS,
    TOKEN_NOT_EQUALS,
    TOKEN_NOT_IN,
    TOKEN_OPEN,
};

static const struct {
    str text;
    enum token token;
} tokens[] = {
    {STR(")"), TOKEN_CLOSED},      {STR(","), TOKEN_COMMA},
    {STR("!"), TOKEN_NOT},         {STR("=="), TOKEN_DOUBLE_EQUALS},
    {STR("="), TOKEN_EQUALS},      {STR(">"), TOKEN_GREATER},
    {STR("in"), TOKEN_IN},         {STR("<"), TOKEN_LESS},
    {STR("!="), TOKEN_NOT_EQUALS}, {STR("notin"), TOKEN_NOT_IN},
    {STR("("), TOKEN_OPEN},
};

struct lexeme {
    enum token token;
    str text;
};

struct parser {
    struct arena *arena;
    str rest;
    struct lexeme next;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(char c)
{
    return c && memchr("=!(),><", c, 7);
}

static enum token find_token(str text)
{
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        if (str_eq(tokens[i].text, text))
            return tokens[i].token;
    return TOKEN_ERROR;
}

/* Moves on to the next lexeme. A NUL ends the text, as upstream's lexer has it. */
static void advance(struct parser *p)
{
    size_t n = 0;

    while (p->rest.n && is_space(*p->rest.p))
        p->rest = str_skip(p->rest, 1);
    if (!p->rest.n || !*p->rest.p) {
        p->next = (struct lexeme){TOKEN_END, S("")};
        p->rest.n = 0;
        return;
    }
    if (!is_special(*p->rest.p)) {
        while (n < p->rest.n && p->rest.p[n] && !is_special(p->rest.p[n]) &&
               !is_space(p->rest.p[n]))
            n++;
        p->next = (struct lexeme){TOKEN_IDENTIFIER, str_slice(p->rest, 0, n)};
        if (str_is(p->next.text, "in") || str_is(p->next.text, "notin"))
            p->next.token = find_token(p->next.text);
    } else {
        /* The longest operator: every special character is one, so there always is. */
        for (n = 1;
             n < p->rest.n && is_special(p->rest.p[n]) && find_token(str_slice(p->rest, 0, n + 1));
             n++)
            ;
        p->next = (struct lexeme){find_token(str_slice(p->rest, 0, n)), str_slice(p->rest, 0, n)};
    }
    p->rest = str_skip(p->rest, n);
}

/* in and notin are operators only where an operator is due. */
static enum token peek_value(const struct parser *p)
{
    return p->next.token == TOKEN_IN || p->next.token == TOKEN_NOT_IN ? TOKEN_IDENTIFIER
                                                                      : p->next.token;
}

static struct lexeme take(struct parser *p)
{
    struct lexeme l = {peek_value(p), p->next.text};

    advance(p);
    return l;
}

static struct err *unexpected(str text, const char *expected)
{
    return err_new(REASON_BAD_REQUEST, "unable to parse requirement: found '" PRI_STR "'%s",
                   STR_ARG(text), expected);
}

/* Keeps values in order and each once. Room doubles: it is full whenever n is a power of two. */
static void add_value(struct arena *a, struct selector_term *t, str value)
{
    size_t low = 0, high = t->n_values, n = t->n_values;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (str_cmp(t->values[mid], value) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < n && str_eq(t->values[low], value))
        return;
    if ((n & (n - 1)) == 0)
        t->values = n ? arena_grow(a, t->values, n * sizeof *t->values, 2 * n * sizeof *t->values)
                      : arena_alloc(a, sizeof *t->values);
    memmove(t->values + low + 1, t->values + low, (n - low) * sizeof *t->values);
    t->values[low] = value;
    t->n_values++;
}

static struct err *parse_values(struct parser *p, struct selector_term *t)
{
    struct lexeme l = take(p), first;

    if (l.token != TOKEN_OPEN)
        return unexpected(l.text, " expected: '('");
    first = (struct lexeme){peek_value(p), p->next.text};
    if (first.token == TOKEN_CLOSED) {
        take(p);
        add_value(p->arena, t, S(""));
        return NULL;
    }
    if (first.token != TOKEN_IDENTIFIER && first.token != TOKEN_COMMA)
        return unexpected(first.text, ", expected: ',', ')' or identifier");
    for (;;) {
        l = take(p);
        if (l.token == TOKEN_IDENTIFIER) {
            add_value(p->arena, t, l.text);
            if (t->n_values > SELECTOR_VALUES_MAX)
                return err_new(REASON_BAD_REQUEST, "selector has more than %d values for one key",
                               SELECTOR_VALUES_MAX);
            if (peek_value(p) == TOKEN_COMMA)
                continue;
            if (peek_value(p) == TOKEN_CLOSED)
                break;
            return unexpected(p->next.text, ", expected: ',' or ')'");
        }
        if (l.token != TOKEN_COMMA)
            return unexpected(l.text, ", expected: ',', or identifier");
        if (!t->n_values)
            add_value(p->arena, t, S(""));
        if (peek_value(p) == TOKEN_CLOSED) {
            add_value(p->arena, t, S(""));
            break;
        }
        if (peek_value(p) == TOKEN_COMMA) {
            take(p);
            add_value(p->arena, t, S(""));
        }
    }
    take(p);
    return NULL;
}

static struct err *parse_exact_value(struct parser *p, struct selector_term *t)
{
    struct lexeme l;

    if (peek_value(p) == TOKEN_END || peek_value(p) == TOKEN_COMMA) {
        add_value(p->arena, t, S(""));
        return NULL;
    }
    l = take(p);
    if (l.token != TOKEN_IDENTIFIER)
        return unexpected(l.text, ", expected: identifier");
    add_value(p->arena, t, l.text);
    return NULL;
}

static const struct {
    enum token token;
    enum selector_op op;
} operators[] = {
    {TOKEN_IN, SELECTOR_IN},
    {TOKEN_EQUALS, SELECTOR_EQ},
    {TOKEN_DOUBLE_EQUALS, SELECTOR_EQ},
    {TOKEN_GREATER, SELECTOR_GT},
    {TOKEN_LESS, SELECTOR_LT},
    {TOKEN_NOT_IN, SELECTOR_NOT_IN},
    {TOKEN_NOT_EQUALS, SELECTOR_NEQ},
};

static struct err *parse_requirement(struct parser *p, struct selector_term *t)
{
    CLEANUP(buf) struct buf problem = BUF_INIT;
    struct lexeme l = take(p), op;
    bool negated = l.token == TOKEN_NOT;
    struct err *err = NULL;
    size_t i;

    if (negated)
        l = take(p);
    if (l.token != TOKEN_IDENTIFIER)
        return unexpected(l.text, ", expected: identifier");
    label_key_problem(&problem, S("<nil>"), l.text);
    if (problem.n)
        return err_new(REASON_BAD_REQUEST, "unable to parse requirement: %s", buf_cstr(&problem));
    t->key = l.text;
    if (peek_value(p) == TOKEN_END || peek_value(p) == TOKEN_COMMA) {
        t->op = negated ? SELECTOR_NOT_EXISTS : SELECTOR_EXISTS;
        return NULL;
    }
    if (negated) { /* "!a=b": the key stands alone, and the caller finds the rest unexpected */
        t->op = SELECTOR_NOT_EXISTS;
        return NULL;
    }
    op = p->next;
    advance(p);
    for (i = 0; i < ARRAY_LEN(operators) && operators[i].token != op.token; i++)
        ;
    if (i == ARRAY_LEN(operators))
        return unexpected(op.text, ", expected: in, notin, =, ==, !=, gt, lt");
    t->op = operators[i].op;
    err = t->op == SELECTOR_IN || t->op == SELECTOR_NOT_IN ? parse_values(p, t)
                                                           : parse_exact_value(p, t);
    if (err)
        return err;
    selector_term_problem(&problem, t);
    if (problem.n)
        return err_new(REASON_BAD_REQUEST, "unable to parse requirement: %s", buf_cstr(&problem));
    return NULL;
}

/* Each object of a list and each event of a watch is asked for every term. Who writes selectors by hand or by program
 * needs a few; the limit is for those who need the work. */
static struct err *check_terms(const struct selector *s)
{
    if (s->n_terms < SELECTOR_TERMS_MAX)
        return NULL;
    return err_new(REASON_BAD_REQUEST, "selector has more than %d requirements",
                   SELECTOR_TERMS_MAX);
}

static struct selector_term *add_term(struct arena *a, struct selector *s, size_t *cap)
{
    if (s->n_terms == *cap) {
        size_t bigger = *cap ? *cap * 2 : 4;

        s->terms = *cap
                       ? arena_grow(a, s->terms, *cap * sizeof *s->terms, bigger * sizeof *s->terms)
                       : arena_alloc(a, bigger * sizeof *s->terms);
        *cap = bigger;
    }
    memset(&s->terms[s->n_terms], 0, sizeof *s->terms);
    return &s->terms[s->n_terms++];
}

struct err *selector_parse(struct arena *a, str text, struct selector *ret)
{
    struct parser p = {.arena = a, .rest = arena_dup(a, text)};
    struct selector s = {0};
    size_t cap = 0;

    advance(&p);
    for (;;) {
        struct lexeme l = {peek_value(&p), p.next.text};
        struct err *err;

        if (l.token == TOKEN_END)
            break;
        if (l.token != TOKEN_IDENTIFIER && l.token != TOKEN_NOT)
            return err_new(REASON_BAD_REQUEST,
                           "found '" PRI_STR "', expected: !, identifier, or 'end of string'",
                           STR_ARG(l.text));
        err = check_terms(&s);
        if (!err)
            err = parse_requirement(&p, add_term(a, &s, &cap));
        if (err)
            return err;
        l = take(&p);
        if (l.token == TOKEN_END)
            break;
        if (l.token != TOKEN_COMMA)
            return err_new(REASON_BAD_REQUEST,
                           "found '" PRI_STR "', expected: ',' or 'end of string'",
                           STR_ARG(l.text));
        if (peek_value(&p) != TOKEN_IDENTIFIER && peek_value(&p) != TOKEN_NOT)
            return err_new(REASON_BAD_REQUEST,
                           "found '" PRI_STR "', expected: identifier after ','",
                           STR_ARG(p.next.text));
    }
    selector_sort(&s);
    *ret = s;
    return NULL;
}

/* ---- field selectors ---- */

/* Undoes \\ \, and \=; *ret shares text where there is none. */
static struct err *unescape(struct arena *a, str text, str *ret)
{
    char *out;
    size_t n = 0;

    if (!str_has_char(text, '\\') && !str_has_char(text, '=') && !str_has_char(text, ',')) {
        *ret = text;
        return NULL;
    }
    out = arena_alloc(a, text.n + 1);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == '=' || c == ',')
            return err_new(REASON_BAD_REQUEST,
                           "invalid field selector: unescaped character in value: %d", c);
        if (c == '\\') {
            if (++i == text.n)
                return err_new(REASON_BAD_REQUEST,
                               "invalid field selector: invalid escape sequence: \\");
            c = text.p[i];
            if (c != '\\' && c != ',' && c != '=')
                return err_new(REASON_BAD_REQUEST,
                               "invalid field selector: invalid escape sequence: \\%c", c);
        }
        out[n++] = c;
    }
    out[n] = 0;
    *ret = (str){out, n};
    return NULL;
}

static struct err *parse_field_term(struct arena *a, str text, str part, struct selector_term *t)
{
    static const struct {
        str text;
        enum selector_op op;
    } field_operators[] = {
        {STR("!="), SELECTOR_NEQ}, {STR("=="), SELECTOR_EQ}, {STR("="), SELECTOR_EQ}};

    for (size_t i = 0; i < part.n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(field_operators); k++) {
            str value;
            struct err *err;

            if (!str_has_prefix(str_skip(part, i), field_operators[k].text))
                continue;
            t->key = str_slice(part, 0, i);
            t->op = field_operators[k].op;
            err = unescape(a, str_skip(part, i + field_operators[k].text.n), &value);
            if (!err)
                add_value(a, t, value);
            return err;
        }
    }
    return err_new(REASON_BAD_REQUEST,
                   "invalid selector: '" PRI_STR "'; can't understand '" PRI_STR "'", STR_ARG(text),
                   STR_ARG(part));
}

struct err *field_selector_parse(struct arena *a, str text, struct selector *ret)
{
    str all = arena_dup(a, text);
    struct selector s = {0};
    size_t cap = 0, start = 0;

    for (size_t i = 0; i <= all.n; i++) {
        if (i < all.n && all.p[i] == '\\') {
            i++;
            continue;
        }
        if (i < all.n && all.p[i] != ',')
            continue;
        if (i > start) {
            struct err *err = check_terms(&s);

            if (!err)
                err = parse_field_term(a, all, str_slice(all, start, i), add_term(a, &s, &cap));
            if (err)
                return err;
        }
        start = i + 1;
    }
    /* A backslash at the very end skips past it: what is left is a term all the same. */
    if (start < all.n && all.p[all.n - 1] == '\\') {
        struct err *err = parse_field_term(a, all, str_skip(all, start), add_term(a, &s, &cap));

        if (err)
            return err;
    }
    selector_sort(&s);
    *ret = s;
    return NULL;
}
