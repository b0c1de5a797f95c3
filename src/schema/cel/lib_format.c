/* lib_format.c - string.format().
 *
 * As version 2 of cel-go's library with the locale en_US, which is what Kubernetes enables: digits are grouped by commas, and
 * exponents are written × 10ⁿ. In CEL_CORE_ONLY numbers are plain, as in later versions.
 *
 * Source: cel-go ext/formatting.go. */
#include "schema/cel/functions.h"

#include <math.h>

#define PRECISION_MAX 1000

struct out {
    struct cel_eval *e;
    struct buf *b;
    bool core;
    struct cel_value err;
};

static bool value(struct out *o, struct cel_value v, bool nested, int depth);

static bool fail(struct out *o, const char *what, struct cel_value v)
{
    char name[128];

    o->err = cel_v_error(o->e->a, "error during formatting: %s, was given %s", what,
                         cel_kind_name(v, name));
    return false;
}

static void quoted(struct buf *b, str s)
{
    static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";

    buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        const char *f = s.p[i] ? strchr(from, s.p[i]) : NULL;

        if (f) {
            buf_char(b, '\\');
            buf_char(b, to[f - from]);
        } else if ((unsigned char)s.p[i] < 32 || s.p[i] == 127) {
            buf_fmt(b, "\\x%02x", (unsigned char)s.p[i]);
        } else {
            buf_char(b, s.p[i]);
        }
    }
    buf_char(b, '"');
}

static int by_text(const void *x, const void *y, void *ctx)
{
    (void)ctx;
    return str_cmp(((const str *)x)[0], ((const str *)y)[0]);
}

static bool map(struct out *o, struct cel_value v, int depth)
{
    struct cel_entries it = {.map = v};
    str(*pairs)[2] = arena_alloc(o->e->a, ((size_t)v.n + 1) * sizeof *pairs);
    struct buf *outer = o->b;
    struct cel_value k, x;
    size_t n = 0;

    while (cel_entry_next(o->e->a, &it, &k, &x)) {
        CLEANUP(buf) struct buf b = BUF_INIT;
        bool ok;

        b.limit = CEL_SIZE_MAX;
        o->b = &b;
        ok = value(o, k, true, depth + 1);
        if (ok) {
            pairs[n][0] = arena_dup(o->e->a, buf_view(&b));
            buf_clear(&b);
            ok = value(o, x, true, depth + 1);
        }
        o->b = outer;
        if (!ok)
            return false;
        pairs[n++][1] = arena_dup(o->e->a, buf_view(&b));
    }
    sort_with(pairs, n, sizeof *pairs, by_text, NULL);
    buf_char(o->b, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_z(o->b, ", ");
        buf_str(o->b, pairs[i][0]);
        buf_z(o->b, o->core ? ": " : ":");
        buf_str(o->b, pairs[i][1]);
    }
    buf_char(o->b, '}');
    return true;
}

static bool list(struct out *o, struct cel_value v, int depth)
{
    buf_char(o->b, '[');
    for (uint64_t i = 0; i < v.n; i++) {
        if (i)
            buf_z(o->b, ", ");
        if (!value(o, cel_item(o->e->a, v, i), true, depth + 1))
            return false;
    }
    buf_char(o->b, ']');
    return true;
}

/* %s; in lists and maps values are written as literals. */
static bool value(struct out *o, struct cel_value v, bool nested, int depth)
{
    str s = STR_NONE;

    if (depth > 64 || !cel_work(o->e, 1)) {
        o->err = cel_v_error_z("error during formatting: value is nested too deep");
        return false;
    }
    switch ((enum cel_kind)v.kind) {
    case CEL_LIST:
        return list(o, v, depth);
    case CEL_MAP:
        return map(o, v, depth);
    case CEL_STRING:
    case CEL_BYTES:
        if (nested && !o->core) {
            if (v.kind == CEL_BYTES)
                buf_char(o->b, 'b');
            quoted(o->b, cel_v_text(v));
        } else {
            buf_str(o->b, cel_v_text(v));
        }
        return true;
    case CEL_DOUBLE:
        if (o->core && (isnan(v.d) || isinf(v.d)))
            buf_z(o->b, isnan(v.d) ? "NaN" : v.d > 0 ? "Infinity" : "-Infinity");
        else if (nested && !o->core && !isnan(v.d) && !isinf(v.d))
            buf_fmt(o->b, "%.6f", v.d);
        else if (nested && !o->core)
            buf_z(o->b, isnan(v.d) ? "\"NaN\"" : v.d > 0 ? "\"+Inf\"" : "\"-Inf\"");
        else
            cel_buf_double(o->b, v.d);
        return true;
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        cel_value_text(o->e->a, v, &s);
        if (nested && !o->core)
            buf_fmt(o->b, "%s(\"" PRI_STR "\")", v.kind == CEL_DURATION ? "duration" : "timestamp",
                    STR_ARG(s));
        else
            buf_str(o->b, s);
        return true;
    case CEL_NULL:
    case CEL_BOOL:
    case CEL_INT:
    case CEL_UINT:
    case CEL_TYPE:
        cel_value_text(o->e->a, v, &s);
        buf_str(o->b, s);
        return true;
    case CEL_ERROR:
    case CEL_OBJECT:
    case CEL_OPTIONAL:
    case CEL_OPAQUE:
        break;
    }
    return fail(o,
                "string clause can only be used on strings, bools, bytes, ints, doubles, maps, "
                "lists, types, durations, and timestamps",
                v);
}

static bool decimal(struct out *o, struct cel_value v)
{
    if (o->core && v.kind == CEL_DOUBLE && (isnan(v.d) || isinf(v.d)))
        return value(o, v, false, 0);
    if (v.kind != CEL_INT && v.kind != CEL_UINT)
        return fail(o, "decimal clause can only be used on integers", v);
    return value(o, v, false, 0);
}

/* 1234567.5 → 1,234,567.5 */
static void grouped(struct buf *b, const char *text)
{
    const char *digits = text + (*text == '-');
    size_t n = strcspn(digits, ".");

    if (*text == '-')
        buf_char(b, '-');
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            buf_char(b, ',');
        buf_char(b, digits[i]);
    }
    buf_z(b, digits + n);
}

static void exponent(struct buf *b, char *text)
{
    static const char *const super[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                        "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    char *e = strchr(text, 'e');

    buf_add(b, text, (size_t)(e - text));
    buf_z(b, "\u202f\u00d7\u202f10");
    for (e++; *e; e++)
        if (*e == '-')
            buf_z(b, "\u207b");
        else if (*e != '+')
            buf_z(b, super[*e - '0']);
}

static bool real(struct out *o, struct cel_value v, int precision, bool scientific)
{
    char text[PRECISION_MAX + 400];
    str s = cel_v_text(v);
    double d = v.d;

    if (v.kind == CEL_STRING &&
        (str_is(s, "NaN") || str_is(s, "Infinity") || str_is(s, "-Infinity")))
        d = str_is(s, "NaN") ? NAN : s.p[0] == '-' ? -INFINITY : INFINITY;
    else if (o->core && v.kind == CEL_INT)
        d = (double)v.i;
    else if (o->core && v.kind == CEL_UINT)
        d = (double)v.u;
    else if (v.kind != CEL_DOUBLE)
        return fail(o,
                    scientific ? "scientific clause can only be used on doubles"
                               : "fixed-point clause can only be used on doubles",
                    v);
    if (isnan(d) || isinf(d)) {
        buf_z(o->b, isnan(d)  ? "NaN"
                    : o->core ? (d > 0 ? "Infinity" : "-Infinity")
                    : d > 0   ? "\u221e"
                              : "-\u221e");
        return true;
    }
    snprintf(text, sizeof text, scientific ? "%.*e" : "%.*f", precision, d);
    if (o->core)
        buf_z(o->b, text);
    else if (scientific)
        exponent(o->b, text);
    else
        grouped(o->b, text);
    return true;
}

static void radix(struct buf *b, uint64_t u, unsigned base, bool upper)
{
    char text[64];
    int n = 0;

    do
        text[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[u % base];
    while (u /= base);
    while (n)
        buf_char(b, text[--n]);
}

static bool integer(struct out *o, struct cel_value v, char clause)
{
    unsigned base = clause == 'b' ? 2 : clause == 'o' ? 8 : 16;

    if (v.kind == CEL_INT) {
        if (v.i < 0)
            buf_char(o->b, '-');
        radix(o->b, v.i < 0 ? 0 - (uint64_t)v.i : (uint64_t)v.i, base, clause == 'X');
        return true;
    }
    if (v.kind == CEL_UINT) {
        radix(o->b, v.u, base, clause == 'X');
        return true;
    }
    if (clause == 'b' && v.kind == CEL_BOOL) {
        buf_char(o->b, v.b ? '1' : '0');
        return true;
    }
    if (base == 16 && (v.kind == CEL_STRING || v.kind == CEL_BYTES)) {
        for (uint32_t i = 0; i < v.n; i++)
            buf_fmt(o->b, clause == 'X' ? "%02X" : "%02x", (unsigned char)v.p[i]);
        return true;
    }
    return fail(o,
                clause == 'b' ? "only integers and bools can be formatted as binary"
                : clause == 'o'
                    ? "octal clause can only be used on integers"
                    : "only integers, byte buffers, and strings can be formatted as hex",
                v);
}

/* A clause behind its percent sign. Returns the bytes read, 0 on failure. */
static size_t clause(struct out *o, str s, struct cel_value v)
{
    int precision = 6;
    size_t i = 0;
    bool ok;

    if (s.n && s.p[0] == '.') {
        precision = 0;
        for (i = 1; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            precision = MIN(precision * 10 + (s.p[i] - '0'), PRECISION_MAX + 1);
        if (precision > PRECISION_MAX || i >= s.n) {
            o->err = cel_v_error(
                o->e->a, "could not parse formatting clause: error while parsing precision: %s",
                i >= s.n ? "could not find end of precision specifier" : "precision is too large");
            return 0;
        }
    }
    switch (s.p[i]) {
    case 's':
        ok = value(o, v, false, 0);
        break;
    case 'd':
        ok = decimal(o, v);
        break;
    case 'f':
    case 'e':
        ok = real(o, v, precision, s.p[i] == 'e');
        break;
    case 'b':
    case 'o':
    case 'x':
    case 'X':
        ok = integer(o, v, s.p[i]);
        break;
    default:
        o->err = cel_v_error(
            o->e->a, "could not parse formatting clause: unrecognized formatting clause \"%c\"",
            s.p[i]);
        return 0;
    }
    return ok ? i + 1 : 0;
}

struct cel_value cel_fn_format(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct out o = {.e = e, .b = &b, .core = e->vars->env->flags & CEL_CORE_ONLY};
    str s = cel_v_text(v[0]);
    uint64_t arg = 0;

    b.limit = CEL_SIZE_MAX;
    if (v[0].kind != CEL_STRING || v[1].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    for (size_t i = 0; i < s.n;) {
        size_t used;

        if (s.p[i] != '%') {
            buf_char(&b, s.p[i++]);
            continue;
        }
        if (i + 1 < s.n && s.p[i + 1] == '%') {
            buf_char(&b, '%');
            i += 2;
            continue;
        }
        if (arg >= v[1].n)
            return cel_v_error(e->a, "index %llu out of range", (unsigned long long)arg);
        if (i + 1 >= s.n)
            return cel_v_error_z("unexpected end of string");
        used = clause(&o, str_skip(s, i + 1), cel_item(e->a, v[1], arg++));
        if (!used)
            return o.err;
        i += 1 + used;
    }
    if (b.overflow) {
        e->out_of_cost = true;
        return cel_v_null();
    }
    return cel_v_str(arena_dup(e->a, buf_view(&b)));
}
