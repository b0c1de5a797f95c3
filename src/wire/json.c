/* json.c - text to value tree.
 *
 * A recursive descent parser in one pass. Decisions that RFC 8259 leaves open are those of Go's encoding/json, since
 * Kubernetes' answers follow from it; docs/json.md lists them.
 *
 * Invariants
 *   (1) A string without escapes and with valid UTF-8 is a slice of the text; every other string is a copy in the arena.
 *       Hence every string of a tree is valid UTF-8.
 *   (2) Members of a container are collected on one scratch stack and copied to the arena when it closes, so that a
 *       finished tree has no spare room and no garbage between its parts.
 *   (3) Work is linear in the text: finding duplicate keys goes through a hash once an object is large.
 *
 * Not here: reading and changing trees (json_tree.c), writing text (json_encode.c). */
#include "wire/json_internal.h"
#include "wire/json_scan.h"

#include <math.h>

#define SCRATCH_INITIAL 8192 /* bytes on the C stack: enough for nearly every Kubernetes object */
#define DUPLICATES_MAX 100   /* reported per document, as sigs.k8s.io/json does */
#define MANTISSA_EXACT ((uint64_t)1 << 53)

/* Where the parser is: only read to word a duplicate's path. */
struct frame {
    const struct frame *parent;
    str key;        /* in objects */
    uint32_t index; /* in arrays */
    bool in_array;
};

struct parser {
    struct arena *arena;
    const uint8_t *text, *p, *end;
    uint32_t depth_left;
    struct json *duplicates;
    const struct json_limits *limits; /* NULL: nothing is left out */
    uint64_t leave_out;               /* key_bit() of each name that is */
    char *scratch;                    /* the stack of invariant (2) */
    size_t scratch_n, scratch_cap;
    bool scratch_on_heap;
    struct err *err;
};

/* ---- errors ---- */

/* Go's quoteChar: the byte taken as a rune, quoted. */
static void quote_byte(uint8_t c, char ret[16])
{
    if (c == '\'')
        snprintf(ret, 16, "'\\''");
    else if (c == '"')
        snprintf(ret, 16, "'\"'");
    else if (c == '\\')
        snprintf(ret, 16, "'\\\\'");
    else if (c >= 7 && c <= 13)
        snprintf(ret, 16, "'\\%c'", "abtnvfr"[c - 7]);
    else if (c < 0x20 || c == 0x7f)
        snprintf(ret, 16, "'\\x%02x'", c);
    else if (c < 0x7f)
        snprintf(ret, 16, "'%c'", c);
    else if (c <= 0xa0 || c == 0xad) /* not printable: C1 controls, no-break space, soft hyphen */
        snprintf(ret, 16, "'\\u%04x'", c);
    else
        snprintf(ret, 16, "'%c%c'", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
}

static bool fail_eof(struct parser *ps)
{
    ps->err = err_new(REASON_BAD_REQUEST, "unexpected end of JSON input");
    return false;
}

/* The byte at ps->p does not belong there; `where` words the place as Go's scanner does. */
static bool fail_at(struct parser *ps, const char *where)
{
    char quoted[16];

    if (ps->p >= ps->end)
        return fail_eof(ps);
    quote_byte(*ps->p, quoted);
    ps->err = err_new(REASON_BAD_REQUEST, "invalid character %s %s", quoted, where);
    return false;
}

static void add_path(struct buf *b, const struct frame *f)
{
    if (!f)
        return;
    add_path(b, f->parent);
    if (f->in_array) {
        buf_fmt(b, "[%u]", f->index);
    } else {
        if (b->n)
            buf_char(b, '.');
        buf_str(b, f->key);
    }
}

static void report_duplicate(struct parser *ps, const struct frame *f, const uint8_t *at)
{
    struct buf b = BUF_INIT;
    str path;

    if (!ps->duplicates || ps->duplicates->n >= DUPLICATES_MAX)
        return;
    add_path(&b, f);
    path = buf_view(&b);
    if (!json_find(ps->duplicates, path))
        json_set(ps->arena, ps->duplicates, arena_dup(ps->arena, path), json_int(at - ps->text));
    buf_fini(&b);
}

/* ---- scratch ---- */

static void *scratch_push(struct parser *ps, size_t size)
{
    void *at;

    if (ps->scratch_n + size > ps->scratch_cap) {
        size_t cap = ps->scratch_cap * 2;

        if (ps->scratch_on_heap) {
            ps->scratch = mem_realloc(ps->scratch, cap);
        } else {
            char *heap = mem_alloc(cap);

            memcpy(heap, ps->scratch, ps->scratch_n);
            ps->scratch = heap;
            ps->scratch_on_heap = true;
        }
        ps->scratch_cap = cap;
    }
    at = ps->scratch + ps->scratch_n;
    ps->scratch_n += size;
    return at;
}

/* Moves what was pushed since `base` to the arena. */
static void *scratch_pop(struct parser *ps, size_t base)
{
    size_t size = ps->scratch_n - base;
    void *p = size ? arena_alloc(ps->arena, size) : NULL;

    if (size)
        memcpy(p, ps->scratch + base, size);
    ps->scratch_n = base;
    return p;
}

/* ---- lexical parts ---- */

static inline void skip_space(struct parser *ps)
{
    const uint8_t *p = ps->p;

    while (p < ps->end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    ps->p = p;
}

#define EACH_BYTE(c) (0x0101010101010101ull * (c))
static inline uint64_t zero_bytes(uint64_t w)
{
    return (w - EACH_BYTE(0x01)) & ~w & EACH_BYTE(0x80);
}

/* First byte that is a quote, a backslash, a control or not ASCII; sixteen or eight at a time. */
static inline const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
                  space = _mm_set1_epi8(' ');

    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        int mask = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmplt_epi8(v, space), /* signed: beyond ASCII is below zero */
                         _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash))));

        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (end - p >= 8) {
        uint64_t w, special;

        memcpy(&w, p, 8);
        special = (w & EACH_BYTE(0x80)) | ((w - EACH_BYTE(0x20)) & ~w & EACH_BYTE(0x80)) |
                  zero_bytes(w ^ EACH_BYTE('"')) | zero_bytes(w ^ EACH_BYTE('\\'));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        if (special)
            return p + (__builtin_ctzll(special) >> 3);
#else
        if (special)
            break; /* the byte loop finds it */
#endif
        p += 8;
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

size_t json_utf8_len(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    uint8_t c = p[0];

    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4 || left < 2)
        return 0;
    if ((p[1] & 0xc0) != 0x80)
        return 0;
    if (c < 0xe0)
        return 2;
    if (left < 3 || (p[2] & 0xc0) != 0x80)
        return 0;
    if (c < 0xf0) {
        if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
            return 0; /* overlong; surrogates */
        return 3;
    }
    if (left < 4 || (p[3] & 0xc0) != 0x80)
        return 0;
    if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
        return 0; /* overlong; beyond U+10FFFF */
    return 4;
}

char *json_utf8_put(char *o, uint32_t r)
{
    if (r < 0x80) {
        *o++ = (char)r;
    } else if (r < 0x800) {
        *o++ = (char)(0xc0 | r >> 6);
        *o++ = (char)(0x80 | (r & 0x3f));
    } else if (r < 0x10000) {
        *o++ = (char)(0xe0 | r >> 12);
        *o++ = (char)(0x80 | (r >> 6 & 0x3f));
        *o++ = (char)(0x80 | (r & 0x3f));
    } else {
        *o++ = (char)(0xf0 | r >> 18);
        *o++ = (char)(0x80 | (r >> 12 & 0x3f));
        *o++ = (char)(0x80 | (r >> 6 & 0x3f));
        *o++ = (char)(0x80 | (r & 0x3f));
    }
    return o;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p, already known to be there. */
static uint32_t hex4(const uint8_t *p)
{
    return (uint32_t)(hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 |
                      hex_digit(p[3]));
}

/* Finds the closing quote of a string that needs care and checks its escapes. The output cannot be longer than three
 * bytes per input byte (each invalid byte becomes U+FFFD). */
static bool scan_hard_string(struct parser *ps, const uint8_t **ret_close)
{
    while (ps->p < ps->end) {
        uint8_t c;

        ps->p = skip_plain(ps->p, ps->end);
        if (ps->p == ps->end)
            break;
        c = *ps->p;
        if (c == '"') {
            *ret_close = ps->p;
            return true;
        }
        if (c < 0x20)
            return fail_at(ps, "in string literal");
        ps->p++;
        if (c != '\\')
            continue;
        if (ps->p == ps->end)
            break;
        c = *ps->p;
        if (c == 'u') {
            for (int i = 0; i < 4; i++) {
                ps->p++;
                if (ps->p == ps->end)
                    return fail_eof(ps);
                if (hex_digit(*ps->p) < 0)
                    return fail_at(ps, "in \\u hexadecimal character escape");
            }
        } else if (!c || !memchr("\"\\/bfnrt", c, 8)) {
            return fail_at(ps, "in string escape code");
        }
        ps->p++;
    }
    return fail_eof(ps);
}

static char unescape(uint8_t c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return (char)c;
    }
}

static bool parse_hard_string(struct parser *ps, const uint8_t *start, str *ret)
{
    const uint8_t *close = NULL, *p;
    bool copy_needed = false;
    char *out, *o;

    if (!scan_hard_string(ps, &close))
        return false;
    ps->p = close + 1;
    for (p = start; p < close;) {
        size_t len;

        p = skip_plain(p, close);
        if (p == close)
            break;
        len = *p == '\\' ? 0 : json_utf8_len(p, close);
        if (!len) {
            copy_needed = true;
            break;
        }
        p += len;
    }
    if (!copy_needed) {
        *ret = (str){(const char *)start, (size_t)(close - start)};
        return true;
    }
    /* Only the rest behind the first oddity can grow. */
    o = out = arena_alloc(ps->arena, (size_t)(p - start) + (size_t)(close - p) * 3 + 1);
    memcpy(o, start, (size_t)(p - start));
    o += p - start;
    while (p < close) {
        const uint8_t *run = skip_plain(p, close);
        size_t len;

        memcpy(o, p, (size_t)(run - p));
        o += run - p;
        p = run;
        if (p == close)
            break;
        if (*p != '\\') {
            len = json_utf8_len(p, close);
            if (len) {
                memcpy(o, p, len);
                o += len;
                p += len;
            } else {
                o = json_utf8_put(o, 0xfffd);
                p++;
            }
            continue;
        }
        if (p[1] != 'u') {
            *o++ = unescape(p[1]);
            p += 2;
            continue;
        }
        {
            uint32_t r = hex4(p + 2);

            p += 6;
            if (r >= 0xd800 && r < 0xe000) {
                uint32_t low = close - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2) : 0;

                if (r < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
                    r = 0x10000 + ((r - 0xd800) << 10) + (low - 0xdc00);
                    p += 6;
                } else {
                    r = 0xfffd;
                }
            }
            o = json_utf8_put(o, r);
        }
    }
    *o = 0;
    *ret = (str){out, (size_t)(o - out)};
    return true;
}

/* ps->p is behind the opening quote. */
static inline bool parse_string(struct parser *ps, str *ret)
{
    const uint8_t *start = ps->p, *stop = skip_plain(start, ps->end);

    ps->p = stop;
    if (stop < ps->end && *stop == '"') {
        *ret = (str){(const char *)start, (size_t)(stop - start)};
        ps->p = stop + 1;
        return true;
    }
    return parse_hard_string(ps, start, ret);
}

static bool slow_double(struct parser *ps, const uint8_t *start, double *ret)
{
    size_t n = (size_t)(ps->p - start);
    char small[64], *z = n < sizeof small ? small : mem_alloc(n + 1);

    memcpy(z, start, n);
    z[n] = 0;
    *ret = strtod(z, NULL);
    if (isinf(*ret)) /* underflow, in contrast, is silently zero */
        ps->err = err_new(REASON_BAD_REQUEST,
                          "json: cannot unmarshal number %.64s into Go value of type float64", z);
    if (z != small)
        mem_free(z);
    return !ps->err;
}

static const double power10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool parse_number(struct parser *ps, struct json *ret)
{
    const uint8_t *start = ps->p, *p = start;
    bool negative = *p == '-', is_int = true, exact = true;
    uint64_t mantissa = 0;
    int scale = 0;

    ps->p = p += negative;
    if (p == ps->end || *p < '0' || *p > '9')
        return fail_at(ps, "in numeric literal");
    if (*p == '0')
        p++;
    else
        for (; p < ps->end && *p >= '0' && *p <= '9'; p++)
            if (__builtin_mul_overflow(mantissa, 10, &mantissa) ||
                __builtin_add_overflow(mantissa, *p - '0', &mantissa))
                exact = false;
    if (p < ps->end && *p == '.') {
        is_int = false;
        ps->p = ++p;
        if (p == ps->end || *p < '0' || *p > '9')
            return fail_at(ps, "after decimal point in numeric literal");
        for (; p < ps->end && *p >= '0' && *p <= '9'; p++, scale--)
            if (__builtin_mul_overflow(mantissa, 10, &mantissa) ||
                __builtin_add_overflow(mantissa, *p - '0', &mantissa))
                exact = false;
    }
    if (p < ps->end && (*p == 'e' || *p == 'E')) {
        bool exp_negative = false;
        int exp = 0;

        is_int = false;
        p++;
        if (p < ps->end && (*p == '+' || *p == '-'))
            exp_negative = *p++ == '-';
        ps->p = p;
        if (p == ps->end || *p < '0' || *p > '9')
            return fail_at(ps, "in exponent of numeric literal");
        for (; p < ps->end && *p >= '0' && *p <= '9'; p++)
            if (exp < 100000)
                exp = exp * 10 + (*p - '0');
        scale += exp_negative ? -exp : exp;
    }
    ps->p = p;
    if (is_int && exact && mantissa <= (uint64_t)INT64_MAX + negative) {
        *ret = json_int(negative ? (int64_t)(0 - mantissa) : (int64_t)mantissa);
        return true;
    }
    ret->type = JSON_DOUBLE;
    /* Both factors are exact doubles, so that one rounding remains (Clinger's fast path). */
    if (exact && mantissa <= MANTISSA_EXACT && scale >= -22 && scale <= 22) {
        double d = (double)mantissa;

        d = scale < 0 ? d / power10[-scale] : d * power10[scale];
        ret->d = negative ? -d : d;
        return true;
    }
    return slow_double(ps, start, &ret->d);
}

static bool parse_literal(struct parser *ps, const char *word, struct json v, struct json *ret)
{
    for (const char *w = word; *w; w++, ps->p++) {
        char where[48];

        if (ps->p < ps->end && *ps->p == (uint8_t)*w)
            continue;
        snprintf(where, sizeof where, "in literal %s (expecting '%c')", word, *w);
        return fail_at(ps, where);
    }
    *ret = v;
    return true;
}

/* ---- containers ---- */

/* A bit per (length, first, last byte): sets of them tell surely that a key is new. */
static inline uint64_t key_bit(str key)
{
    return 1ull << (key.n ? (key.n * 7 + (uint8_t)key.p[0] * 3 + (uint8_t)key.p[key.n - 1]) & 63
                          : 0);
}

static bool is_left_out(const struct parser *ps, str key)
{
    for (size_t i = 0; i < ps->limits->n_leave_out; i++)
        if (str_eq(ps->limits->leave_out[i], key))
            return ps->p < ps->end && (*ps->p == '{' || *ps->p == '[');
    return false;
}

static bool skip_value(struct parser *ps)
{
    const char *behind = json_skip((const char *)ps->p, (const char *)ps->end);

    if (!behind)
        return fail_eof(ps);
    ps->p = (const uint8_t *)behind;
    return true;
}

static struct json_member *frame_members(struct parser *ps, size_t base)
{
    return (struct json_member *)(ps->scratch + base);
}

static bool parse_value(struct parser *ps, const struct frame *parent, struct json *ret);

static bool parse_array(struct parser *ps, const struct frame *parent, struct json *ret)
{
    struct frame frame = {.parent = parent, .in_array = true};
    size_t base = ps->scratch_n;

    ps->p++;
    skip_space(ps);
    if (ps->p < ps->end && *ps->p == ']') {
        ps->p++;
        *ret = json_array();
        return true;
    }
    for (;; frame.index++) {
        struct json v = {0};

        if (!parse_value(ps, &frame, &v))
            return false;
        memcpy(scratch_push(ps, sizeof v), &v, sizeof v);
        skip_space(ps);
        if (ps->p < ps->end && *ps->p == ',') {
            ps->p++;
            skip_space(ps);
            continue;
        }
        if (ps->p == ps->end || *ps->p != ']')
            return fail_at(ps, "after array element");
        ps->p++;
        break;
    }
    *ret = (struct json){.type = JSON_ARRAY, .n = frame.index + 1, .cap = frame.index + 1};
    ret->items = scratch_pop(ps, base);
    return true;
}

static bool parse_members(struct parser *ps, const struct frame *parent, struct json_key_set *set,
                          struct json *ret)
{
    struct frame frame = {.parent = parent};
    size_t base = ps->scratch_n;
    uint64_t seen = 0;
    uint32_t n = 0;

    for (;;) {
        struct json v = {0};
        uint32_t at = n;
        const uint8_t *key_at;
        uint64_t bit;

        if (ps->p == ps->end || *ps->p != '"')
            return fail_at(ps, "looking for beginning of object key string");
        key_at = ps->p++;
        if (!parse_string(ps, &frame.key))
            return false;
        skip_space(ps);
        if (ps->p == ps->end || *ps->p != ':')
            return fail_at(ps, "after object key");
        ps->p++;
        skip_space(ps);

        bit = key_bit(frame.key);
        if ((ps->leave_out & bit) && is_left_out(ps, frame.key)) {
            if (!skip_value(ps))
                return false;
            goto next;
        }
        if (n > JSON_LINEAR_KEYS_MAX) {
            at = json_key_set_find(set, frame_members(ps, base), n, frame.key);
        } else if (seen & bit) {
            const struct json_member *members = frame_members(ps, base);

            for (at = 0; at < n && !str_eq(members[at].key, frame.key); at++)
                ;
        }
        seen |= bit;
        if (at < n)
            report_duplicate(ps, &frame, key_at);

        if (!parse_value(ps, &frame, &v))
            return false;
        if (at < n) {
            frame_members(ps, base)[at].value = v;
        } else {
            struct json_member *m = scratch_push(ps, sizeof *m);

            m->key = frame.key;
            m->value = v;
            n++;
        }
    next:
        skip_space(ps);
        if (ps->p < ps->end && *ps->p == ',') {
            ps->p++;
            skip_space(ps);
            continue;
        }
        if (ps->p == ps->end || *ps->p != '}')
            return fail_at(ps, "after object key:value pair");
        ps->p++;
        break;
    }
    *ret = (struct json){.type = JSON_OBJECT, .n = n, .cap = n};
    ret->members = scratch_pop(ps, base);
    return true;
}

static bool parse_object(struct parser *ps, const struct frame *parent, struct json *ret)
{
    struct json_key_set set = {0};
    bool ok;

    ps->p++;
    skip_space(ps);
    if (ps->p < ps->end && *ps->p == '}') {
        ps->p++;
        *ret = json_object();
        return true;
    }
    ok = parse_members(ps, parent, &set, ret);
    json_key_set_fini(&set);
    return ok;
}

static bool parse_value(struct parser *ps, const struct frame *parent, struct json *ret)
{
    bool ok;

    if (ps->p == ps->end)
        return fail_eof(ps);
    switch (*ps->p) {
    case '"':
        ps->p++;
        ret->type = JSON_STRING;
        return parse_string(ps, &ret->s);
    case '{':
    case '[':
        if (!ps->depth_left)
            return fail_at(ps, "exceeded max depth");
        ps->depth_left--;
        ok = *ps->p == '{' ? parse_object(ps, parent, ret) : parse_array(ps, parent, ret);
        ps->depth_left++;
        return ok;
    case 't':
        return parse_literal(ps, "true", json_bool(true), ret);
    case 'f':
        return parse_literal(ps, "false", json_bool(false), ret);
    case 'n':
        return parse_literal(ps, "null", json_null(), ret);
    case '-':
    case '0' ... '9':
        return parse_number(ps, ret);
    default:
        return fail_at(ps, "looking for beginning of value");
    }
}

/* One value, or as many as there are up to the end of the text (`stream` not NULL). */
static struct err *parse_text(struct arena *a, str text, const struct json_limits *limits,
                              struct json *duplicates, struct json *stream, struct json *ret)
{
    size_t size_max = limits && limits->size ? limits->size : JSON_SIZE_MAX;
    const char *start = text.n ? text.p : "";
    char scratch[SCRATCH_INITIAL] __attribute__((aligned(16)));
    struct parser ps = {
        .arena = a,
        .text = (const uint8_t *)start,
        .p = (const uint8_t *)start,
        .end = (const uint8_t *)start + text.n,
        .depth_left = limits && limits->depth ? limits->depth : JSON_DEPTH_MAX,
        .duplicates = duplicates,
        .scratch = scratch,
        .scratch_cap = sizeof scratch,
    };

    for (size_t i = 0; limits && i < limits->n_leave_out; i++) {
        ps.limits = limits;
        ps.leave_out |= key_bit(limits->leave_out[i]);
    }
    if (text.n > size_max)
        return err_new(REASON_REQUEST_TOO_LARGE, "Request entity too large: limit is %zu",
                       size_max);
    skip_space(&ps);
    while (parse_value(&ps, NULL, ret)) {
        skip_space(&ps);
        if (stream) {
            json_append(a, stream, *ret);
            if (ps.p < ps.end)
                continue;
        } else if (ps.p < ps.end) {
            fail_at(&ps, "after top-level value");
        }
        break;
    }
    if (ps.scratch_on_heap)
        mem_free(ps.scratch);
    return ps.err;
}

struct err *json_parse(struct arena *a, str text, const struct json_limits *limits,
                       struct json *duplicates, struct json **ret)
{
    struct json v = {0};
    struct err *err = parse_text(a, text, limits, duplicates, NULL, &v);

    if (err)
        return err;
    *ret = json_new(a, v);
    return NULL;
}

struct err *json_parse_stream(struct arena *a, str text, struct json *docs)
{
    struct json_limits limits = {.size = SIZE_MAX};
    struct json v = {0};

    return parse_text(a, text, &limits, NULL, docs, &v);
}
