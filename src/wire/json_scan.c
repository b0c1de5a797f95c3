/* json_scan.c - see json_scan.h.
 *
 * What is to be skipped is mostly field managers, half of an object: 64 bytes are looked at in one go, as masks with a bit
 * per byte (the way of simdjson). A quote that is not escaped begins or ends a string, so the exclusive or of all quote
 * bits before a place tells whether it is inside of one. */
#include "wire/json_scan.h"
#include "wire/json_internal.h"

#define BLOCK 64

struct masks {
    uint64_t quotes, backslashes, opening, closing;
};

static inline struct masks look_at(const char *p)
{
    struct masks m = {0};

#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
                  open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}'), low = _mm_set1_epi8(0x20);

    for (int i = 0; i < BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i folded = _mm_or_si128(v, low); /* [ as {, ] as } */

        m.quotes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quote)) << i;
        m.backslashes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, backslash)) << i;
        m.opening |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, open)) << i;
        m.closing |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, close)) << i;
    }
#else
    for (int i = 0; i < BLOCK; i++) {
        m.quotes |= (uint64_t)(p[i] == '"') << i;
        m.backslashes |= (uint64_t)(p[i] == '\\') << i;
        m.opening |= (uint64_t)((p[i] | 0x20) == '{') << i;
        m.closing |= (uint64_t)((p[i] | 0x20) == '}') << i;
    }
#endif
    return m;
}

/* Bits behind a backslash that is not itself escaped; *carry: whether the block before ended with one. */
static uint64_t escaped_bits(uint64_t backslashes, uint64_t *carry)
{
    uint64_t escaped = *carry;

    backslashes &= ~escaped;
    *carry = 0;
    while (backslashes) {
        int i = __builtin_ctzll(backslashes);

        if (i == BLOCK - 1)
            *carry = 1;
        else
            escaped |= (uint64_t)1 << (i + 1);
        backslashes &= ~((uint64_t)3 << i);
    }
    return escaped;
}

static uint64_t xor_of_all_before(uint64_t x)
{
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    return x ^ x << 32;
}

static size_t bits(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return x * 0x0101010101010101u >> 56;
}

static const char *skip_container(const char *p, const char *end)
{
    uint64_t in_string = 0, carry = 0;
    size_t depth = 0;

    for (;; p += BLOCK) {
        char last[BLOCK];
        struct masks m;
        uint64_t strings;

        if (p >= end)
            return NULL;
        if (end - p < BLOCK) {
            memset(last, ' ', sizeof last);
            memcpy(last, p, (size_t)(end - p));
            m = look_at(last);
        } else {
            m = look_at(p);
        }
        if (m.backslashes | carry)
            m.quotes &= ~escaped_bits(m.backslashes, &carry);
        strings = xor_of_all_before(m.quotes) ^ in_string;
        in_string = strings >> 63 ? ~(uint64_t)0 : 0;
        m.opening &= ~strings;
        m.closing &= ~strings;
        if (bits(m.closing) < depth) { /* it cannot end in here */
            depth += bits(m.opening) - bits(m.closing);
            continue;
        }
        for (uint64_t both = m.opening | m.closing; both; both &= both - 1) {
            if (m.opening & both & -both)
                depth++;
            else if (--depth == 0)
                return p + __builtin_ctzll(both) + 1;
        }
    }
}

const char *json_scan_string(const char *p, const char *end, str *ret_raw, bool *ret_escaped)
{
    const char *begin = p;

    *ret_escaped = false;
    for (;;) {
        p = json_find_mark(p, end);
        if (p >= end)
            return NULL;
        if (*p == '"')
            break;
        *ret_escaped = true;
        p += 2;
    }
    *ret_raw = (str){begin, (size_t)(p - begin)};
    return p + 1;
}

const char *json_skip(const char *p, const char *end)
{
    bool escaped;
    str raw;

    if (p >= end)
        return NULL;
    if (*p == '"')
        return json_scan_string(p + 1, end, &raw, &escaped);
    if (*p == '{' || *p == '[')
        return skip_container(p, end);
    while (p < end && *p != ',' && *p != '}' && *p != ']')
        p++;
    return p;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

size_t json_unescape(char *to, str raw)
{
    static const char from_letters[] = "bfnrt\"\\/", to_bytes[] = "\b\f\n\r\t\"\\/";
    const char *p = raw.p, *end = p + raw.n;
    char *begin = to;

    while (p < end) {
        const char *at = memchr(p, '\\', (size_t)(end - p)), *letter;
        size_t n = (size_t)((at ? at : end) - p);
        uint32_t rune = 0;

        memcpy(to, p, n);
        to += n;
        if (!at)
            break;
        if (at + 1 == end)
            return SIZE_MAX;
        p = at + 2;
        if (at[1] != 'u') {
            letter = at[1] ? strchr(from_letters, at[1]) : NULL;
            if (!letter)
                return SIZE_MAX;
            *to++ = to_bytes[letter - from_letters];
            continue;
        }
        if (end - p < 4)
            return SIZE_MAX;
        for (int i = 0; i < 4; i++) {
            int digit = hex(*p++);

            if (digit < 0)
                return SIZE_MAX;
            rune = rune << 4 | (uint32_t)digit;
        }
        if (rune >= 0xd800 && rune < 0xe000)
            return SIZE_MAX;
        to = json_utf8_put(to, rune);
    }
    return (size_t)(to - begin);
}

bool json_scan_member(const char **p, const char *end, str *ret_key, str *ret_value)
{
    const char *at = *p, *value;
    bool escaped;

    *p = NULL;
    if (!at || at >= end)
        return false;
    if (*at == '}') {
        *p = at + 1;
        return false;
    }
    at++; /* { or , */
    if (at < end && *at == '}') {
        *p = at + 1;
        return false;
    }
    if (at >= end || *at != '"')
        return false;
    value = json_scan_string(at + 1, end, ret_key, &escaped);
    if (!value || value >= end || *value != ':')
        return false;
    value++;
    at = json_skip(value, end);
    if (!at || at >= end || (*at != ',' && *at != '}'))
        return false;
    *ret_value = (str){value, (size_t)(at - value)};
    *p = at;
    return true;
}

str json_scan_find(str object, str key)
{
    const char *p = object.p;
    str k, value;

    if (!object.n || *p != '{')
        return STR_NONE;
    while (json_scan_member(&p, object.p + object.n, &k, &value))
        if (str_eq(k, key))
            return value;
    return STR_NONE;
}
