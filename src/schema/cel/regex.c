/* regex.c - regular expressions with RE2's syntax, matched by PCRE2.
 *
 * What RE2 has not is refused with Go's words before PCRE2 sees it; what the two write differently is translated. Matching is
 * bounded: PCRE2 counts its steps anew from each place of the text, so the pattern gets a prefix that takes any text, and the match
 * is anchored. Where that takes too many steps PCRE2's other algorithm, which does not backtrack, is asked when a yes or no is
 * enough; it may keep as many states as the length of the text allows. Beyond that there is no answer.
 *
 * Source: https://github.com/google/re2/wiki/Syntax, Go's regexp/syntax for the texts. */
#include "schema/cel/functions.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <math.h>

#define MATCH_LIMIT_STEPS 500000
#define DEPTH_LIMIT 100000
#define HEAP_LIMIT_KB 8192
#define REPEAT_MAX 1000
#define PATTERN_MAX 65536
#define DFA_INTS_MIN 120              /* of its workspace: 20 states */
#define DFA_INTS_MAX 4096             /* 682 states */
#define DFA_PAIRS UINT64_C(100000000) /* it compares each state with each at each character */

struct cel_regex_state {
    pcre2_match_data *data;
    pcre2_match_context *limits;
    str pattern; /* the last one that was no constant */
    pcre2_code *code;
};

struct scan {
    struct arena *a;
    str s;
    size_t i;
    struct buf *out;
    str problem;
    unsigned depth;
};

static bool refuse(struct scan *c, const char *what, str part)
{
    c->problem = arena_fmt(c->a, "error parsing regexp: %s: `" PRI_STR "`", what, STR_ARG(part));
    return false;
}

static void copy(struct scan *c, size_t n)
{
    buf_str(c->out, str_slice(c->s, c->i, c->i + n));
    c->i += n;
}

/* An escape at the backslash. */
static bool scan_escape(struct scan *c, bool in_class)
{
    char e;
    size_t end;

    if (c->i + 1 >= c->s.n)
        return refuse(c, "trailing backslash at end of expression", S(""));
    e = c->s.p[c->i + 1];
    if (e == 'Q' && !in_class) {
        ptrdiff_t at = str_find(str_skip(c->s, c->i), S("\\E"));

        copy(c, at < 0 ? c->s.n - c->i : (size_t)at + 2);
        return true;
    }
    if (e == 'v') {
        buf_z(c->out, "\\x0b");
        c->i += 2;
        return true;
    }
    if (e == 's' || e == 'S') { /* RE2's white space has no vertical tab */
        if (in_class)
            buf_z(c->out, e == 's' ? "\\t\\n\\f\\r\\x20" : "\\S");
        else
            buf_z(c->out, e == 's' ? "[\\t\\n\\f\\r\\x20]" : "[^\\t\\n\\f\\r\\x20]");
        c->i += 2;
        return true;
    }
    if (e == 'p' || e == 'P' || e == 'x') {
        end = c->i + 2;
        if (end < c->s.n && c->s.p[end] == '{') {
            while (end < c->s.n && c->s.p[end] != '}')
                end++;
            if (end >= c->s.n)
                return refuse(
                    c, e == 'x' ? "invalid escape sequence" : "invalid character class range",
                    str_skip(c->s, c->i));
            end++;
        } else {
            end += e == 'x' ? 2 : 1;
        }
        copy(c, MIN(end, c->s.n) - c->i);
        return true;
    }
    if ((e >= '1' && e <= '9') &&
        !(c->i + 2 < c->s.n && c->s.p[c->i + 2] >= '0' && c->s.p[c->i + 2] <= '7' && e <= '7'))
        return refuse(c, "invalid escape sequence", str_slice(c->s, c->i, c->i + 2));
    if ((e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z')) {
        if (!strchr(in_class ? "aftnrdDwW" : "aftnrdDwWAzbBC", e))
            return refuse(c, "invalid escape sequence", str_slice(c->s, c->i, c->i + 2));
    }
    copy(c, 2);
    return true;
}

static bool scan_class(struct scan *c)
{
    size_t start = c->i;

    copy(c, 1);
    if (c->i < c->s.n && c->s.p[c->i] == '^')
        copy(c, 1);
    if (c->i < c->s.n && c->s.p[c->i] == ']') {
        buf_z(c->out, "\\]");
        c->i++;
    }
    while (c->i < c->s.n && c->s.p[c->i] != ']') {
        if (c->s.p[c->i] == '\\') {
            if (!scan_escape(c, true))
                return false;
        } else if (c->s.p[c->i] == '[' && c->i + 1 < c->s.n && c->s.p[c->i + 1] == ':') {
            ptrdiff_t at = str_find(str_skip(c->s, c->i), S(":]"));

            copy(c, at < 0 ? 1 : (size_t)at + 2);
        } else if (c->s.p[c->i] == '[') {
            buf_z(c->out, "\\[");
            c->i++;
        } else {
            copy(c, 1);
        }
    }
    if (c->i >= c->s.n)
        return refuse(c, "missing closing ]", str_skip(c->s, start));
    copy(c, 1);
    return true;
}

static bool scan_group(struct scan *c)
{
    str rest = str_skip(c->s, c->i);
    size_t n;

    if (++c->depth > 250)
        return refuse(c, "expression nests too deeply", c->s);
    if (!str_has_prefix(rest, S("(?"))) {
        if (str_has_prefix(rest, S("(*"))) /* a verb of PCRE2's */
            return refuse(c, "missing argument to repetition operator", S("*"));
        copy(c, 1);
        return true;
    }
    if (str_has_prefix(rest, S("(?P<")) ||
        (str_has_prefix(rest, S("(?<")) && rest.n > 3 && rest.p[3] != '=' && rest.p[3] != '!')) {
        for (n = 3; n < rest.n && rest.p[n] != '>';)
            n++;
        if (n >= rest.n)
            return refuse(c, "invalid named capture", rest);
        copy(c, n + 1);
        return true;
    }
    for (n = 2; n < rest.n && strchr("imsU-", rest.p[n]) && rest.p[n];)
        n++;
    if (n >= rest.n)
        return refuse(c, "missing closing )", c->s);
    if (rest.p[n] != ':' && rest.p[n] != ')')
        return refuse(c, "invalid or unsupported Perl syntax", str_slice(rest, 0, n + 1));
    if (rest.p[n] == ')')
        c->depth--;
    copy(c, n + 1);
    return true;
}

/* {n}, {n,} and {n,m} are repeats; other braces are themselves. */
static size_t repeat_length(str s, unsigned *ret_max)
{
    size_t i = 1;
    unsigned v = 0;
    bool any = false;

    *ret_max = 0;
    for (; i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == ','); i++) {
        if (s.p[i] == ',') {
            if (!any)
                return 0;
            v = 0;
            continue;
        }
        any = true;
        v = MIN(v * 10 + (unsigned)(s.p[i] - '0'), 100000u);
        *ret_max = MAX(*ret_max, v);
    }
    return any && i < s.n && s.p[i] == '}' ? i + 1 : 0;
}

static bool scan_repeat(struct scan *c, bool after_atom, bool after_repeat)
{
    str rest = str_skip(c->s, c->i);
    unsigned most = 0;
    size_t n = rest.p[0] == '{' ? repeat_length(rest, &most) : 1;
    str op = str_slice(rest, 0, n);

    if (most > REPEAT_MAX)
        return refuse(c, "invalid repeat count", op);
    if (!after_atom && !after_repeat)
        return refuse(c, "missing argument to repetition operator", op);
    if (after_repeat)
        return refuse(c, "invalid nested repetition operator", op);
    copy(c, n);
    if (c->i < c->s.n && c->s.p[c->i] == '?')
        copy(c, 1);
    return true;
}

static bool translate(struct scan *c)
{
    bool atom = false, repeat = false;
    unsigned most;

    while (c->i < c->s.n) {
        char ch = c->s.p[c->i];

        if (ch == '*' || ch == '+' || ch == '?' ||
            (ch == '{' && repeat_length(str_skip(c->s, c->i), &most))) {
            if (!scan_repeat(c, atom, repeat))
                return false;
            repeat = true;
            atom = false;
            continue;
        }
        repeat = false;
        atom = true;
        switch (ch) {
        case '\\':
            if (!scan_escape(c, false))
                return false;
            break;
        case '[':
            if (!scan_class(c))
                return false;
            break;
        case '(':
            atom = false;
            if (!scan_group(c))
                return false;
            break;
        case ')':
            if (!c->depth)
                return refuse(c, "unexpected )", c->s);
            c->depth--;
            copy(c, 1);
            break;
        case '|':
            atom = false;
            copy(c, 1);
            break;
        case '{': /* itself */
            buf_z(c->out, "\\{");
            c->i++;
            break;
        default:
            copy(c, 1);
        }
    }
    return c->depth ? refuse(c, "missing closing )", c->s) : true;
}

static pcre2_code *compile(struct arena *a, str pattern, str *ret_problem)
{
    CLEANUP(buf) struct buf out = BUF_INIT;
    struct scan c = {.a = a, .s = pattern, .out = &out};
    PCRE2_SIZE at;
    PCRE2_UCHAR text[200];
    pcre2_code *re;
    int code;

    if (pattern.n > PATTERN_MAX) {
        *ret_problem = S("error parsing regexp: expression too large");
        return NULL;
    }
    buf_z(&out, "(?s:.*?)(");
    if (!translate(&c)) {
        *ret_problem = c.problem;
        return NULL;
    }
    buf_z(&out, "\\E)"); /* \E: of a quotation that is not closed */
    re = pcre2_compile((PCRE2_SPTR)(out.p ? out.p : ""), out.n,
                       PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_ANCHORED |
                           PCRE2_NO_AUTO_POSSESS,
                       &code, &at, NULL);
    if (re)
        return re;
    if (code == PCRE2_ERROR_CLASS_RANGE_ORDER)
        *ret_problem =
            arena_fmt(a, "error parsing regexp: invalid character class range: `" PRI_STR "`",
                      STR_ARG(pattern));
    else if (pcre2_get_error_message(code, text, sizeof text) > 0)
        *ret_problem = arena_fmt(a, "error parsing regexp: %s: `" PRI_STR "`", (const char *)text,
                                 STR_ARG(pattern));
    else
        *ret_problem = S("error parsing regexp");
    return NULL;
}

static void code_free(void *re)
{
    pcre2_code_free(re);
}

void *cel_regex_new(struct arena *a, str pattern, str *ret_problem)
{
    pcre2_code *re = compile(a, pattern, ret_problem);

    if (re)
        arena_at_end(a, code_free, re);
    return re;
}

/* ---- matching ---- */

static void state_init(struct cel_regex_state *s)
{
    s->data = pcre2_match_data_create(2, NULL);
    s->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(s->limits, MATCH_LIMIT_STEPS);
    pcre2_set_depth_limit(s->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(s->limits, HEAP_LIMIT_KB);
}

static void state_free(void *ctx)
{
    struct cel_regex_state *s = ctx;

    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->limits);
    pcre2_code_free(s->code);
}

static struct cel_regex_state *state_of(struct cel_vars *vars)
{
    struct cel_regex_state *s = vars->regex;

    if (s)
        return s;
    vars->regex = s = ARENA_NEW(vars->arena, struct cel_regex_state);
    state_init(s);
    arena_at_end(vars->arena, state_free, s);
    return s;
}

void *cel_regex_of(struct cel_eval *e, const struct cel_node *n, struct cel_value pattern,
                   struct cel_value *ret_err)
{
    struct cel_regex_state *s;
    str problem, text = cel_v_text(pattern);

    if (n->regex)
        return n->regex;
    s = state_of(e->vars);
    if (s->code && str_eq(s->pattern, text))
        return s->code;
    pcre2_code_free(s->code);
    s->code = compile(e->a, text, &problem);
    s->pattern = text;
    if (!s->code)
        *ret_err = cel_v_error(e->a, PRI_STR, STR_ARG(problem));
    return s->code;
}

/* The algorithm that does not backtrack; it cannot say where the match that Go would choose ends. */
static enum cel_match match_dfa(struct cel_regex_state *s, const pcre2_code *re, str text)
{
    size_t states = (size_t)sqrt((double)(DFA_PAIRS / (text.n + 1))),
           n = MIN(MAX(states * 6, (size_t)DFA_INTS_MIN), (size_t)DFA_INTS_MAX);
    int workspace[DFA_INTS_MAX];
    int rc =
        pcre2_dfa_match(re, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0,
                        PCRE2_NO_UTF_CHECK | PCRE2_DFA_SHORTEST, s->data, s->limits, workspace, n);

    return rc >= 0 ? MATCH_YES : rc == PCRE2_ERROR_NOMATCH ? MATCH_NO : MATCH_LIMIT;
}

static enum cel_match find(struct cel_regex_state *s, const pcre2_code *re, str text, size_t from,
                           size_t *ret_start, size_t *ret_end)
{
    int rc =
        pcre2_match(re, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, from, 0, s->data, s->limits);
    PCRE2_SIZE *at;

    if (rc == PCRE2_ERROR_NOMATCH)
        return MATCH_NO;
    if (rc < 0) {
        if (rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21)
            return MATCH_NO;
        return ret_start ? MATCH_LIMIT : match_dfa(s, re, text);
    }
    if (ret_start) {
        at = pcre2_get_ovector_pointer(s->data);
        *ret_start = at[2];
        *ret_end = at[3];
    }
    return MATCH_YES;
}

enum cel_match cel_regex_find(struct cel_eval *e, void *re, str text, size_t from,
                              size_t *ret_start, size_t *ret_end)
{
    return find(state_of(e->vars), re, text, from, ret_start, ret_end);
}

bool cel_regex_matches(const void *re, str text)
{
    struct cel_regex_state s = {0};
    enum cel_match m;

    state_init(&s);
    m = find(&s, re, text, 0, NULL, NULL);
    state_free(&s);
    return m == MATCH_YES;
}

/* ---- functions ---- */

static struct cel_value too_long(void)
{
    return cel_v_error_z("regular expression takes too long on this text");
}

struct cel_value cel_fn_matches(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct cel_value err;
    void *re;

    if (v[0].kind != CEL_STRING || v[1].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    re = cel_regex_of(e, n, v[1], &err);
    if (!re)
        return err;
    switch (cel_regex_find(e, re, cel_v_text(v[0]), 0, NULL, NULL)) {
    case MATCH_NO:
        return cel_v_bool(false);
    case MATCH_YES:
        return cel_v_bool(true);
    case MATCH_LIMIT:
        break;
    }
    return too_long();
}

struct cel_value cel_fn_find(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct cel_value err;
    size_t start, end;
    void *re;

    if (v[0].kind != CEL_STRING || v[1].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    re = cel_regex_of(e, n, v[1], &err);
    if (!re)
        return err;
    switch (cel_regex_find(e, re, cel_v_text(v[0]), 0, &start, &end)) {
    case MATCH_NO:
        return cel_v_str(S(""));
    case MATCH_YES:
        return cel_v_str(str_slice(cel_v_text(v[0]), start, end));
    case MATCH_LIMIT:
        break;
    }
    return too_long();
}

struct cel_value cel_fn_find_all(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct cel_value err, *items = NULL;
    uint32_t count = 0, cap = 0;
    int64_t limit = -1;
    size_t at = 0, start, end, last_end = SIZE_MAX;
    str text = cel_v_text(v[0]);
    uint32_t rune;
    void *re;

    if (v[0].kind != CEL_STRING || v[1].kind != CEL_STRING || (n->n > 2 && v[2].kind != CEL_INT))
        return cel_no_overload(e, n, v);
    if (n->n > 2)
        limit = v[2].i;
    re = cel_regex_of(e, n, v[1], &err);
    if (!re)
        return err;
    while (at <= text.n && (limit < 0 || count < limit)) {
        enum cel_match m = cel_regex_find(e, re, text, at, &start, &end);

        if (m == MATCH_LIMIT)
            return too_long();
        if (m == MATCH_NO || !cel_work(e, 1 + (end - at) / 16))
            break;
        /* Go: an empty match right behind another one does not count. */
        if (end > start || start != last_end) {
            if (count == cap) {
                uint32_t more = cap ? cap * 2 : 4;

                items = arena_grow(e->a, items, cap * sizeof *items, more * sizeof *items);
                cap = more;
            }
            items[count++] = cel_v_str(str_slice(text, start, end));
        }
        last_end = end;
        at = end > start ? end : end + MAX(cel_utf8_next(text, end, &rune), (size_t)1);
    }
    return cel_v_list(items, count);
}
