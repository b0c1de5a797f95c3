/* json_scan.h - a walk over JSON text without a tree, for text that is known to be ours: what json_encode() wrote.
 *
 * Such text is compact and well-formed; of anything else the functions promise to stay inside the bounds, and answer
 * NULL or false where they notice. */
#ifndef K1S_WIRE_JSON_SCAN_H
#define K1S_WIRE_JSON_SCAN_H
#include "base/base.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The place behind the value that begins at p; NULL: there is no whole one. */
const char *json_skip(const char *p, const char *end);
/* In a string: the first quote or backslash, or end. */
static inline const char *json_find_mark(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');

    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        int mask =
            _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));

        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}
/* p is behind an opening quote: its string, still escaped, and the place behind the closing one; NULL: none. */
const char *json_scan_string(const char *p, const char *end, str *ret_raw, bool *ret_escaped);
/* Writes the string that `raw` stands for, at most raw.n bytes. SIZE_MAX: escapes that json_encode() does not write. */
size_t json_unescape(char *to, str raw);
/* Steps through the members of an object. *p is at its '{' at first; afterwards the function keeps its place there.
 * false: no more (*p is behind the '}') or malformed (*p is NULL). Keys come as they are written. */
bool json_scan_member(const char **p, const char *end, str *ret_key, str *ret_value);
/* The text of a member's value; p NULL: absent. */
str json_scan_find(str object, str key);
#endif
