/* lex.c - tokens of an expression, and what string literals say.
 *
 * Reads as the generated lexer of cel-go does: the longest token wins, and what begins no token is reported from its
 * start to the character at which that became certain, which is skipped with it.
 *
 * Source: cel-go parser/gen/CEL.g4, parser/unescape.go. */
#include "schema/cel/cel_internal.h"

#include <ctype.h>

static bool ident_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static bool ident_part(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t scan_escape(str s, size_t at)
{
    static const char simple[] = "abfnrtv\"'\\?`";
    size_t digits = 0, n;

    /* at: behind the backslash. Returns the position behind the escape, or of what spoils it with the top bit set. */
    if (at >= s.n)
        return at | (size_t)1 << 62;
    if (strchr(simple, s.p[at]) && s.p[at])
        return at + 1;
    switch (s.p[at]) {
    case 'x':
    case 'X':
        digits = 2;
        break;
    case 'u':
        digits = 4;
        break;
    case 'U':
        digits = 8;
        break;
    case '0':
    case '1':
    case '2':
    case '3':
        for (n = 1; n < 3; n++)
            if (at + n >= s.n || s.p[at + n] < '0' || s.p[at + n] > '7')
                return (at + n) | (size_t)1 << 62;
        return at + 3;
    default:
        return at | (size_t)1 << 62;
    }
    for (n = 1; n <= digits; n++)
        if (at + n >= s.n || !isxdigit((unsigned char)s.p[at + n]))
            return (at + n) | (size_t)1 << 62;
    return at + 1 + digits;
}

/* scan_string - at a quote. Returns the end, or 0 with *ret_bad where it breaks off. */
static size_t scan_string(str s, size_t at, bool raw, size_t *ret_bad)
{
    char q = s.p[at];
    bool triple = at + 2 < s.n && s.p[at + 1] == q && s.p[at + 2] == q;
    size_t i = at + (triple ? 3 : 1);

    while (i < s.n) {
        if (s.p[i] == q && (!triple || (i + 2 < s.n && s.p[i + 1] == q && s.p[i + 2] == q)))
            return i + (triple ? 3 : 1);
        if (s.p[i] == '\\' && !raw) {
            size_t next = scan_escape(s, i + 1);

            if (next >> 62) {
                *ret_bad = next & ~((size_t)1 << 62);
                break;
            }
            i = next;
            continue;
        }
        if (!triple && (s.p[i] == '\n' || s.p[i] == '\r')) {
            *ret_bad = i;
            break;
        }
        i++;
    }
    if (i >= s.n)
        *ret_bad = s.n;
    /* An empty string in quotes is a token even when three quotes promised more. */
    return triple ? at + 2 : 0;
}

static size_t scan_digits(str s, size_t at)
{
    while (at < s.n && isdigit((unsigned char)s.p[at]))
        at++;
    return at;
}

static size_t scan_exponent(str s, size_t at)
{
    size_t i = at, end;

    if (i >= s.n || (s.p[i] != 'e' && s.p[i] != 'E'))
        return at;
    i++;
    if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
        i++;
    end = scan_digits(s, i);
    return end > i ? end : at;
}

static size_t scan_number(str s, size_t at, uint8_t *ret_kind)
{
    size_t end = at, x;

    *ret_kind = TOK_INT;
    if (s.p[at] == '0' && at + 2 < s.n && s.p[at + 1] == 'x' &&
        isxdigit((unsigned char)s.p[at + 2])) {
        for (end = at + 2; end < s.n && isxdigit((unsigned char)s.p[end]);)
            end++;
    } else {
        end = scan_digits(s, at);
        if (end + 1 < s.n && s.p[end] == '.' && isdigit((unsigned char)s.p[end + 1])) {
            *ret_kind = TOK_DOUBLE;
            end = scan_digits(s, end + 1);
        }
        x = scan_exponent(s, end);
        if (x > end) {
            *ret_kind = TOK_DOUBLE;
            end = x;
        }
    }
    if (*ret_kind == TOK_INT && end < s.n && (s.p[end] == 'u' || s.p[end] == 'U')) {
        *ret_kind = TOK_UINT;
        end++;
    }
    return end;
}

static void advance(struct cel_lexer *l, size_t to)
{
    str s = l->c->text;

    while (l->pos < to) {
        if ((s.p[l->pos] & 0xc0) != 0x80)
            l->at++;
        l->pos++;
    }
}

static size_t rune_end(str s, size_t at)
{
    uint32_t rune;
    size_t n = cel_utf8_next(s, at, &rune);

    return at + (n ? n : 1);
}

/* Reports from the token's start to `bad` and its character, and goes on behind it. */
static void bad_token(struct cel_lexer *l, size_t bad)
{
    str s = l->c->text;
    size_t end = bad >= s.n ? s.n : rune_end(s, bad);
    str text = str_slice(s, l->pos, end);
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < text.n; i++)
        switch (text.p[i]) {
        case '\n':
            buf_z(&b, "\\n");
            break;
        case '\r':
            buf_z(&b, "\\r");
            break;
        case '\t':
            buf_z(&b, "\\t");
            break;
        default:
            buf_char(&b, text.p[i]);
        }
    cel_problem_add(l->c, l->at, "Syntax error: token recognition error at: '" PRI_STR "'",
                    STR_ARG(buf_view(&b)));
    advance(l, end);
}

static void skip_space(struct cel_lexer *l)
{
    str s = l->c->text;

    for (;;) {
        if (l->pos < s.n && strchr(" \t\r\n\f", s.p[l->pos]) && s.p[l->pos]) {
            advance(l, l->pos + 1);
        } else if (l->pos + 1 < s.n && s.p[l->pos] == '/' && s.p[l->pos + 1] == '/') {
            const char *nl = memchr(s.p + l->pos, '\n', s.n - l->pos);

            advance(l, nl ? (size_t)(nl - s.p) : s.n);
        } else {
            return;
        }
    }
}

/* The end of an operator or bracket at pos, or 0 with *ret_bad. */
static size_t scan_operator(str s, size_t at, size_t *ret_bad)
{
    static const char single[] = "<>[]{}().,-!?:+*/%";
    char c = s.p[at], next = at + 1 < s.n ? s.p[at + 1] : 0;

    if ((c == '=' && next == '=') || (c == '!' && next == '=') || (c == '<' && next == '=') ||
        (c == '>' && next == '=') || (c == '&' && next == '&') || (c == '|' && next == '|'))
        return at + 2;
    if (c == '=' || c == '&' || c == '|') {
        *ret_bad = at + 1;
        return 0;
    }
    if (c && strchr(single, c))
        return at + 1;
    *ret_bad = at;
    return 0;
}

/* `name`; 0 with *ret_bad. */
static size_t scan_quoted(str s, size_t at, size_t *ret_bad)
{
    size_t i = at + 1;

    while (i < s.n && (ident_part(s.p[i]) || strchr(".-/ ", s.p[i])) && s.p[i])
        i++;
    if (i < s.n && s.p[i] == '`' && i > at + 1)
        return i + 1;
    *ret_bad = i;
    return 0;
}

struct cel_token cel_lex(struct cel_lexer *l)
{
    str s = l->c->text;

    for (;;) {
        struct cel_token t = {.kind = TOK_LIT};
        size_t end = 0, bad = 0, quote;
        bool raw = false, bytes = false;

        skip_space(l);
        if (l->pos >= s.n || l->c->stop)
            return (struct cel_token){.kind = TOK_EOF, .at = l->at, .text = S("<EOF>")};
        bad = quote = l->pos;
        for (int i = 0; i < 2 && quote < s.n; i++, quote++) { /* r"", b"", br"", rb"" */
            char ch = s.p[quote];

            if ((ch == 'r' || ch == 'R') && !raw)
                raw = true;
            else if ((ch == 'b' || ch == 'B') && !bytes && !raw)
                bytes = true;
            else
                break;
        }
        if (quote < s.n && (s.p[quote] == '"' || s.p[quote] == '\'')) {
            end = scan_string(s, quote, raw, &bad);
            t.kind = bytes ? TOK_BYTES : TOK_STRING;
        }
        if (!end && ident_start(s.p[l->pos])) {
            for (end = l->pos; end < s.n && ident_part(s.p[end]);)
                end++;
            t.text = str_slice(s, l->pos, end);
            t.kind = str_is(t.text, "in") || str_is(t.text, "true") || str_is(t.text, "false") ||
                             str_is(t.text, "null")
                         ? TOK_WORD
                         : TOK_IDENT;
        } else if (!end && (isdigit((unsigned char)s.p[l->pos]) ||
                            (s.p[l->pos] == '.' && l->pos + 1 < s.n &&
                             isdigit((unsigned char)s.p[l->pos + 1])))) {
            if (s.p[l->pos] == '.') {
                end = scan_digits(s, l->pos + 1);
                end = scan_exponent(s, end);
                t.kind = TOK_DOUBLE;
            } else {
                end = scan_number(s, l->pos, &t.kind);
            }
        } else if (!end && s.p[l->pos] == '`') {
            t.kind = TOK_QUOTED;
            end = scan_quoted(s, l->pos, &bad);
        } else if (!end && s.p[l->pos] != '"' && s.p[l->pos] != '\'') {
            t.kind = TOK_LIT;
            end = scan_operator(s, l->pos, &bad);
        }
        if (!end) {
            bad_token(l, bad);
            continue;
        }
        t.at = l->at;
        t.text = str_slice(s, l->pos, end);
        advance(l, end);
        return t;
    }
}

/* ---- literals ---- */

static uint32_t number(str s, size_t at, size_t n, int base)
{
    uint32_t v = 0;

    for (size_t i = at; i < at + n && i < s.n; i++) {
        char c = s.p[i];

        v = v * (uint32_t)base + (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return v;
}

/* One escape at s.p[*at], behind the backslash. */
static bool unescape(struct buf *b, str s, size_t *at, bool bytes, const char **ret_problem)
{
    static const char from[] = "abfnrtv\"'\\?`", to[] = "\a\b\f\n\r\t\v\"'\\?`";
    char c = s.p[*at];
    const char *f = c ? strchr(from, c) : NULL;
    uint32_t v;
    size_t n;

    if (f) {
        buf_char(b, to[f - from]);
        ++*at;
        return true;
    }
    if (c == 'u' || c == 'U') {
        if (bytes) {
            *ret_problem = "unable to unescape string";
            return false;
        }
        n = c == 'u' ? 4 : 8;
        v = number(s, *at + 1, n, 16);
        *at += n + 1;
        if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
            *ret_problem = "unable to unescape string";
            return false;
        }
        cel_buf_rune(b, v);
        return true;
    }
    if (c == 'x' || c == 'X') {
        v = number(s, *at + 1, 2, 16);
        *at += 3;
    } else {
        v = number(s, *at, 3, 8);
        *at += 3;
        if (v > 255) {
            *ret_problem = "unable to unescape octal sequence";
            return false;
        }
    }
    if (bytes)
        buf_char(b, (char)v);
    else
        cel_buf_rune(b, v);
    return true;
}

bool cel_unquote(struct arena *a, str token, bool bytes, str *ret, const char **ret_problem)
{
    bool raw = false;
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t quotes;

    while (token.n && token.p[0] != '"' && token.p[0] != '\'') {
        raw |= token.p[0] == 'r' || token.p[0] == 'R';
        token = str_skip(token, 1);
    }
    quotes = token.n >= 6 && token.p[1] == token.p[0] && token.p[2] == token.p[0] ? 3 : 1;
    token = str_slice(token, quotes, token.n - quotes);
    for (size_t i = 0; i < token.n;) {
        char c = token.p[i];

        if (c == '\r') { /* as Go's: line ends are \n */
            buf_char(&b, '\n');
            i += i + 1 < token.n && token.p[i + 1] == '\n' ? 2 : 1;
        } else if (c == '\\' && !raw) {
            i++;
            if (!unescape(&b, token, &i, bytes, ret_problem))
                return false;
        } else {
            buf_char(&b, c);
            i++;
        }
    }
    *ret = arena_dup(a, buf_view(&b));
    return true;
}
