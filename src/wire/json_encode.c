/* json_encode.c - value tree to text, byte for byte as Go's encoding/json writes it.
 *
 * HTML characters and U+2028/2029 are escaped, because Kubernetes' serializer keeps Go's default. A tree made by
 * json_parse holds valid UTF-8 only; strings from elsewhere (protobuf) may not, and each bad byte becomes U+FFFD.
 *
 * Not here: parsing (json.c), YAML (yaml_encode.c). */
#include "wire/json_internal.h"
#include "wire/number.h"

#include <math.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* How a byte is written inside a string: 0 as is, 'u' as \u00XX, 'x' look at the sequence, else as \ and that letter. */
static const char escapes[256] = {
    [0x00 ... 0x07] = 'u', ['\b'] = 'b',          ['\t'] = 't', ['\n'] = 'n',
    [0x0b] = 'u',          ['\f'] = 'f',          ['\r'] = 'r', [0x0e ... 0x1f] = 'u',
    ['"'] = '"',           ['\\'] = '\\',         ['<'] = 'u',  ['>'] = 'u',
    ['&'] = 'u',           [0x80 ... 0xff] = 'x',
};

#ifdef __SSE2__
/* Whether one of sixteen bytes is not written as it is, or has to be looked at. */
static inline bool any_escape(const uint8_t *p)
{
    const __m128i two = _mm_set1_epi8(2), less_or_greater = _mm_set1_epi8('>');
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i bad = _mm_cmplt_epi8(v, _mm_set1_epi8(' ')); /* signed: beyond ASCII is below zero */

    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('&')));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(_mm_or_si128(v, two), less_or_greater));
    return _mm_movemask_epi8(bad) != 0;
}
#endif

/* The same of up to eight bytes: every name of a field is looked at so. */
static inline bool any_escape_of_8(uint64_t w)
{
#define EACH(c) (0x0101010101010101ull * (c))
#define ZERO_BYTES(x) (((x)-EACH(0x01)) & ~(x))
    uint64_t bad = w | ((w - EACH(0x20)) & ~w);

    bad |= ZERO_BYTES(w ^ EACH('"')) | ZERO_BYTES(w ^ EACH('\\')) | ZERO_BYTES(w ^ EACH('&')) |
           ZERO_BYTES((w | EACH(2)) ^ EACH('>'));
    return bad & EACH(0x80);
#undef ZERO_BYTES
#undef EACH
}

/* Copies a string of less than 16 bytes; false: it has something to escape (what was written does not count). */
static inline bool copy_short(char *to, const uint8_t *p, size_t n)
{
    uint64_t first, last;
    uint32_t a, z;

    if (n >= 8) {
        memcpy(&first, p, 8);
        memcpy(&last, p + n - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + n - 8, &last, 8);
        return !any_escape_of_8(first) && !any_escape_of_8(last);
    }
    if (n >= 4) {
        memcpy(&a, p, 4);
        memcpy(&z, p + n - 4, 4);
        memcpy(to, &a, 4);
        memcpy(to + n - 4, &z, 4);
        return !any_escape_of_8(a | (uint64_t)z << 32);
    }
    for (size_t i = 0; i < n; i++) {
        if (escapes[p[i]])
            return false;
        to[i] = (char)p[i];
    }
    return true;
}

void json_encode_string(struct buf *b, str s)
{
    const uint8_t *p = (const uint8_t *)(s.n ? s.p : ""), *end = p + s.n, *run = p;

    if (b->cap < b->n + s.n + 3)
        buf_reserve(b, s.n + 2);
    if (!b->overflow &&
        b->cap >= b->n + s.n + 3) { /* plain text, which is nearly all, in one pass */
        char *to = b->p + b->n;

        *to++ = '"';
        if (s.n < 16 && copy_short(to, p, s.n)) {
            to[s.n] = '"';
            to[s.n + 1] = '\0';
            b->n += s.n + 2;
            return;
        }
#ifdef __SSE2__
        for (; end - p >= 16 && !any_escape(p); p += 16, to += 16)
            memcpy(to, p, 16);
#endif
        while (p < end && !escapes[*p])
            *to++ = (char)*p++;
        if (p == end)
            *to++ = '"';
        *to = '\0';
        b->n = (size_t)(to - b->p);
        if (p == end)
            return;
        run = p;
    } else {
        buf_char(b, '"');
    }
    while (p < end) {
        char how = escapes[*p];
        size_t len = 0;

        if (!how) {
            p++;
            continue;
        }
        if (how == 'x') {
            len = json_utf8_len(p, end);
            if (len && !(len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8)) {
                p += len;
                continue;
            }
        }
        buf_add(b, run, (size_t)(p - run));
        if (how == 'x') {
            buf_z(b, !len ? "\\ufffd" : p[2] == 0xa8 ? "\\u2028" : "\\u2029");
            p += len ? len : 1;
        } else if (how == 'u') {
            char hex[6] = {
                '\\', 'u', '0', '0', "0123456789abcdef"[*p >> 4], "0123456789abcdef"[*p & 15]};

            buf_add(b, hex, sizeof hex);
            p++;
        } else {
            char two[2] = {'\\', how};

            buf_add(b, two, 2);
            p++;
        }
        run = p;
    }
    buf_add(b, run, (size_t)(p - run));
    buf_char(b, '"');
}

void json_encode_double(struct buf *b, double d)
{
    if (!isfinite(d)) { /* cannot come from JSON or YAML; Go refuses to write it */
        buf_z(b, "null");
        return;
    }
    number_encode(b, d, false, &(struct number_form){.from = -6, .to = 21, .exponent_digits = 1});
}

static void newline(struct buf *b, int indent, int level)
{
    buf_char(b, '\n');
    for (int i = 0; i < indent * level; i++)
        buf_char(b, ' ');
}

/* indent 0: compact. */
static void encode(struct buf *b, const struct json *v, int indent, int level)
{
    switch (v->type) {
    case JSON_NULL:
        buf_add(b, "null", 4);
        return;
    case JSON_BOOL:
        buf_add(b, v->b ? "true" : "false", v->b ? 4 : 5);
        return;
    case JSON_INT:
        buf_int(b, v->i);
        return;
    case JSON_DOUBLE:
        json_encode_double(b, v->d);
        return;
    case JSON_STRING:
        json_encode_string(b, v->s);
        return;
    case JSON_ARRAY:
        buf_char(b, '[');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i)
                buf_char(b, ',');
            if (indent)
                newline(b, indent, level + 1);
            encode(b, &v->items[i], indent, level + 1);
        }
        if (indent && v->n)
            newline(b, indent, level);
        buf_char(b, ']');
        return;
    case JSON_OBJECT:
        buf_char(b, '{');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i)
                buf_char(b, ',');
            if (indent)
                newline(b, indent, level + 1);
            json_encode_string(b, v->members[i].key);
            buf_char(b, ':');
            if (indent)
                buf_char(b, ' ');
            encode(b, &v->members[i].value, indent, level + 1);
        }
        if (indent && v->n)
            newline(b, indent, level);
        buf_char(b, '}');
        return;
    }
}

void json_encode(struct buf *b, const struct json *v)
{
    encode(b, v, 0, 0);
}

void json_encode_pretty(struct buf *b, const struct json *v, int indent, int level)
{
    encode(b, v, indent, level);
}
