/* quantity.c - resource quantities: "100m", "1.5Gi", "2e3".
 *
 * Text is taken apart into decimal digits and a power of ten, exactly, however many digits there are; a binary suffix is
 * multiplied in. Calculations use 128 bit integers of nano units, which saturate ("huge") beyond 1.7e29.
 *
 * Invariants
 *   (1) What is finer than nano is rounded away from zero: who asks for a little gets a little.
 *   (2) The canonical form is that of resource.Quantity, its quirks included: a text that its fast path takes for
 *       canonical is kept as it is ("1.500", "+5", "0.1Gi" is not).
 *
 * API: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
#include "schema/schema.h"

#define QUANTITY_LEN_MAX 256               /* bytes of text; longer ones are malformed */
#define DIGITS_MAX (QUANTITY_LEN_MAX + 24) /* those, times 2^60, and a carry */
#define NANO_SCALE (-9)
#define FAST_DIGITS 18               /* upstream's fast path: what surely fits an int64 */
#define EXPONENT_MAX (INT32_MAX - 1) /* a multiple of 3: it is its own canonical form */

enum format { FORMAT_DECIMAL_SI, FORMAT_BINARY_SI, FORMAT_DECIMAL_EXPONENT };

static const struct suffix {
    str text;
    enum format format;
    int exponent; /* of 10, or of 2 */
} suffixes[] = {
    {STR(""), FORMAT_DECIMAL_SI, 0},   {STR("m"), FORMAT_DECIMAL_SI, -3},
    {STR("Mi"), FORMAT_BINARY_SI, 20}, {STR("Gi"), FORMAT_BINARY_SI, 30},
    {STR("Ki"), FORMAT_BINARY_SI, 10}, {STR("k"), FORMAT_DECIMAL_SI, 3},
    {STR("M"), FORMAT_DECIMAL_SI, 6},  {STR("G"), FORMAT_DECIMAL_SI, 9},
    {STR("T"), FORMAT_DECIMAL_SI, 12}, {STR("P"), FORMAT_DECIMAL_SI, 15},
    {STR("E"), FORMAT_DECIMAL_SI, 18}, {STR("Ti"), FORMAT_BINARY_SI, 40},
    {STR("Pi"), FORMAT_BINARY_SI, 50}, {STR("Ei"), FORMAT_BINARY_SI, 60},
    {STR("n"), FORMAT_DECIMAL_SI, -9}, {STR("u"), FORMAT_DECIMAL_SI, -6},
};

/* digits * 10^exponent, most significant first; no leading zeros; zero has no digits. */
struct decimal {
    bool negative;
    enum format format;
    bool keep; /* invariant (2): the text is its own canonical form */
    int n;
    int64_t exponent;
    char digits[DIGITS_MAX];
};

static const char *const problem_format =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
static const char *const problem_suffix = "unable to parse quantity's suffix";

/* ---- digits ---- */

static void strip(struct decimal *d)
{
    int zeros = 0;

    while (zeros < d->n && d->digits[zeros] == '0')
        zeros++;
    memmove(d->digits, d->digits + zeros, (size_t)(d->n - zeros));
    d->n -= zeros;
    while (d->n && d->digits[d->n - 1] == '0') {
        d->n--;
        d->exponent++;
    }
    if (!d->n)
        d->exponent = 0;
}

static void multiply(struct decimal *d, unsigned factor)
{
    char out[DIGITS_MAX];
    unsigned carry = 0;
    int at = DIGITS_MAX;

    for (int i = d->n; i-- > 0 || carry;) {
        carry += i >= 0 ? (unsigned)(d->digits[i] - '0') * factor : 0;
        BUG_ON(at == 0);
        out[--at] = (char)('0' + carry % 10);
        carry /= 10;
        if (i < 0)
            i = 0;
    }
    d->n = DIGITS_MAX - at;
    memcpy(d->digits, out + at, (size_t)d->n);
}

/* Invariant (1). */
static void round_to(struct decimal *d, int scale)
{
    int64_t drop = scale - d->exponent;
    bool lost = false;
    int i;

    if (drop <= 0)
        return;
    for (i = (int)MAX(d->n - drop, (int64_t)0); i < d->n; i++)
        lost |= d->digits[i] != '0';
    d->n = (int)MAX(d->n - drop, (int64_t)0);
    d->exponent = scale;
    if (lost) {
        for (i = d->n - 1; i >= 0 && d->digits[i] == '9'; i--)
            d->digits[i] = '0';
        if (i >= 0) {
            d->digits[i]++;
        } else {
            memmove(d->digits + 1, d->digits, (size_t)d->n);
            d->digits[0] = '1';
            d->n++;
        }
    }
    strip(d);
}

static bool exceeds_int64(const struct decimal *d)
{
    static const char max[] = "9223372036854775807";
    int64_t places = d->n + d->exponent;
    int c;

    if (places != (int)sizeof max - 1)
        return places > (int)sizeof max - 1;
    c = memcmp(d->digits, max, (size_t)MIN(d->n, (int)sizeof max - 1));
    return c > 0 || (c == 0 && d->n > (int)sizeof max - 1);
}

/* The value times 10^-scale as a 128 bit integer; false when it does not fit. The scale is at most the exponent. */
static bool to_int128(const struct decimal *d, int scale, __int128 *ret)
{
    __int128 v = 0;

    for (int64_t i = 0; i < d->n + d->exponent - scale; i++) {
        if (i > 60 || __builtin_mul_overflow(v, (__int128)10, &v) ||
            __builtin_add_overflow(v, (__int128)(i < d->n ? d->digits[i] - '0' : 0), &v))
            return false;
    }
    *ret = d->negative ? -v : v;
    return true;
}

/* ---- reading ---- */

static bool find_suffix(str text, enum format *ret_format, int *ret_exponent)
{
    int64_t exponent;

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        if (str_eq(suffixes[i].text, text)) {
            *ret_format = suffixes[i].format;
            *ret_exponent = suffixes[i].exponent;
            return true;
        }
    }
    if (text.n < 2 || (text.p[0] | 0x20) != 'e' || !str_to_int64(str_skip(text, 1), &exponent))
        return false;
    *ret_format = FORMAT_DECIMAL_EXPONENT;
    *ret_exponent = (int)MAX(MIN(exponent, (int64_t)EXPONENT_MAX), -(int64_t)EXPONENT_MAX);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether upstream would take the fast path and keep the text. num and denom are its numerator (without leading zeros,
 * "0" at least) and denominator. */
static bool keeps_text(str num, str denom, enum format format, int exponent)
{
    int64_t scale = format == FORMAT_BINARY_SI ? 0 : (int64_t)exponent - (int64_t)denom.n;
    int precision;
    size_t zeros = 0;

    if (format == FORMAT_BINARY_SI) {
        if (denom.n)
            return false;
        precision = 15 - (int)num.n - (int)((float)exponent * 3 / 10) - 1;
        return precision >= 0 &&
               (num.p[num.n - 1] - '0' + (num.n > 1 ? (num.p[num.n - 2] - '0') * 10 : 0) +
                (num.n > 2 ? (num.p[num.n - 3] - '0') * 100 : 0)) %
                       8 !=
                   0;
    }
    precision = FAST_DIGITS - (int)(num.n + denom.n);
    if (precision < 0 || scale < NANO_SCALE || scale % 3 != 0 || num.p[0] == '0')
        return false;
    while (zeros < denom.n && denom.p[denom.n - 1 - zeros] == '0')
        zeros++;
    if (zeros == denom.n)
        for (size_t i = 0; i < num.n && num.p[num.n - 1 - i] == '0'; i++)
            zeros++;
    return zeros < 3;
}

/* NULL, or what is wrong with the text. */
static const char *read_decimal(str s, struct decimal *ret)
{
    str num, denom = STR_NONE, suffix;
    size_t at = 0, start;
    int exponent = 0;

    ret->negative = false;
    ret->n = 0;
    ret->exponent = 0;
    ret->keep = false;
    ret->format = FORMAT_DECIMAL_SI;
    if (!s.n || s.n > QUANTITY_LEN_MAX)
        return problem_format;
    if (s.p[0] == '-' || s.p[0] == '+')
        ret->negative = s.p[at++] == '-';
    while (at < s.n && s.p[at] == '0')
        at++;
    if (at == s.n)
        return NULL; /* zero; also "+" and "-", as upstream has it */
    for (start = at; at < s.n && is_digit(s.p[at]); at++)
        ;
    num = str_slice(s, start, at);
    if (!num.n)
        num = S("0");
    if (at < s.n && s.p[at] == '.') {
        for (start = ++at; at < s.n && is_digit(s.p[at]); at++)
            ;
        denom = str_slice(s, start, at);
    }
    for (start = at; at < s.n && memchr("eEinumkKMGTP", s.p[at], 12); at++)
        ;
    if (at < s.n && (s.p[at] == '-' || s.p[at] == '+'))
        at++;
    while (at < s.n && is_digit(s.p[at]))
        at++;
    if (at < s.n)
        return problem_format;
    suffix = str_slice(s, start, s.n);
    if (!find_suffix(suffix, &ret->format, &exponent))
        return problem_suffix;

    memcpy(ret->digits, num.p, num.n);
    if (denom.n)
        memcpy(ret->digits + num.n, denom.p, denom.n);
    ret->n = (int)(num.n + denom.n);
    ret->exponent = -(int64_t)denom.n;
    ret->keep = keeps_text(num, denom, ret->format, exponent);
    strip(ret);
    if (ret->format != FORMAT_BINARY_SI)
        ret->exponent = ret->n ? MIN(ret->exponent + exponent, (int64_t)EXPONENT_MAX) : 0;
    else
        for (int i = 0; i < exponent; i += 10)
            multiply(ret, 1024);
    strip(ret);
    round_to(ret, NANO_SCALE);
    if (ret->format == FORMAT_BINARY_SI && exceeds_int64(ret)) {
        memcpy(ret->digits, "9223372036854775807", 19);
        ret->n = 19;
        ret->exponent = 0;
    }
    return NULL;
}

static void to_quantity(const struct decimal *d, struct quantity *ret)
{
    __int128 nano;

    *ret = (struct quantity){.negative = d->negative && d->n};
    if (to_int128(d, NANO_SCALE, &nano)) {
        ret->nano = nano;
    } else {
        __int128 max = (__int128)(~(unsigned __int128)0 >> 1);

        ret->huge = true;
        ret->nano = d->negative ? -max : max;
    }
}

bool quantity_parse(str s, struct quantity *ret)
{
    struct decimal d;

    if (read_decimal(s, &d))
        return false;
    to_quantity(&d, ret);
    return true;
}

str quantity_problem(str s)
{
    struct decimal d;
    const char *problem = read_decimal(s, &d);

    return problem ? str_of(problem) : STR_NONE;
}

/* ---- writing ---- */

/* The suffix for 10^exponent, which is a multiple of 3. */
static void add_decimal_suffix(struct buf *b, int64_t exponent, enum format format)
{
    if (format == FORMAT_DECIMAL_SI)
        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
            if (suffixes[i].format == FORMAT_DECIMAL_SI && suffixes[i].exponent == exponent) {
                buf_str(b, suffixes[i].text);
                return;
            }
    if (exponent) /* beyond "E" there is no suffix */
        buf_fmt(b, "e%lld", (long long)exponent);
}

static void write_decimal(struct buf *b, const struct decimal *d)
{
    enum format format = d->format;
    __int128 whole = 0;
    int64_t spare;

    if (!d->n) {
        buf_char(b, '0');
        return;
    }
    if (format == FORMAT_BINARY_SI) {
        /* Fractions and small numbers would be lost in powers of 1024. */
        bool exact = d->exponent >= 0 && to_int128(d, 0, &whole);

        whole = whole < 0 ? -whole : whole;
        if (!exact || whole < 1024)
            format = FORMAT_DECIMAL_SI;
    }
    if (d->negative)
        buf_char(b, '-');
    if (format == FORMAT_BINARY_SI) {
        int exponent = 0;

        for (; whole % 1024 == 0 && exponent < 60; exponent += 10)
            whole /= 1024;
        buf_int(b, (int64_t)whole);
        for (size_t i = 0; exponent && i < ARRAY_LEN(suffixes); i++)
            if (suffixes[i].format == FORMAT_BINARY_SI && suffixes[i].exponent == exponent)
                buf_str(b, suffixes[i].text);
        return;
    }
    spare = ((d->exponent % 3) + 3) % 3;
    buf_add(b, d->digits, (size_t)d->n);
    for (int64_t i = 0; i < spare; i++)
        buf_char(b, '0');
    add_decimal_suffix(b, d->exponent - spare, format);
}

bool quantity_canonical(struct arena *a, str s, str *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct decimal d;

    if (read_decimal(s, &d))
        return false;
    if (d.keep) {
        *ret = s;
        return true;
    }
    write_decimal(&b, &d);
    *ret = arena_dup(a, buf_view(&b));
    return true;
}

void buf_quantity(struct buf *b, const struct quantity *q, char format)
{
    unsigned __int128 v = q->nano < 0 ? 0 - (unsigned __int128)q->nano : (unsigned __int128)q->nano;
    struct decimal d = {.negative = q->nano < 0, .exponent = NANO_SCALE};
    int at = DIGITS_MAX;

    d.format = format == 'b'   ? FORMAT_BINARY_SI
               : format == 'e' ? FORMAT_DECIMAL_EXPONENT
                               : FORMAT_DECIMAL_SI;
    for (; v; v /= 10)
        d.digits[--at] = (char)('0' + (int)(v % 10));
    d.n = DIGITS_MAX - at;
    memmove(d.digits, d.digits + at, (size_t)d.n);
    strip(&d);
    write_decimal(b, &d);
}

/* ---- calculating ---- */

int quantity_cmp(const struct quantity *a, const struct quantity *b)
{
    return a->nano < b->nano ? -1 : a->nano > b->nano;
}

/* Away from zero, saturating. */
static int64_t scaled(const struct quantity *q, int64_t per_unit)
{
    __int128 v = q->nano / per_unit;

    if (q->nano % per_unit)
        v += q->nano < 0 ? -1 : 1;
    return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

int64_t quantity_value(const struct quantity *q)
{
    return scaled(q, 1000000000);
}

int64_t quantity_milli(const struct quantity *q)
{
    return scaled(q, 1000000);
}

static void add_nano(struct quantity *a, __int128 b)
{
    __int128 max = (__int128)(~(unsigned __int128)0 >> 1);

    if (__builtin_add_overflow(a->nano, b, &a->nano)) {
        a->huge = true;
        a->nano = b < 0 ? -max : max;
    }
    a->negative = a->nano < 0;
}

void quantity_add(struct quantity *a, const struct quantity *b)
{
    a->huge |= b->huge;
    add_nano(a, b->nano);
}

void quantity_sub(struct quantity *a, const struct quantity *b)
{
    a->huge |= b->huge;
    add_nano(a, -b->nano);
}
