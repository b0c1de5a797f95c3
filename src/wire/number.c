/* number.c - floating point numbers in the shortest decimal form.
 *
 * What strconv.FormatFloat(d, 'g' or 'e', -1, bits) does for Go's JSON and YAML encoders, which differ only in where
 * the exponent begins and in how many digits it has. */
#include "wire/number.h"

#include <math.h>

#define DIGITS_MAX 17 /* significant digits that any double reads back from */

/* The significant digits of |d| without zeros at the end; returns how many. *exp is the decimal exponent of the first. */
static int shortest(double d, bool single, char digits[DIGITS_MAX], int *exp)
{
    char text[40];
    int n = 0;
    const char *p;

    for (int precision = 0; precision < DIGITS_MAX; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, d);
        if (single ? strtof(text, NULL) == (float)d : strtod(text, NULL) == d)
            break;
    }
    for (p = text; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    *exp = (int)strtol(p + 1, NULL, 10);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

void number_encode(struct buf *b, double d, bool single, const struct number_form *form)
{
    char digits[DIGITS_MAX];
    int exp, n;

    if (signbit(d))
        buf_char(b, '-');
    if (d == 0) {
        buf_char(b, '0');
        return;
    }
    n = shortest(d, single, digits, &exp);
    if (exp < form->from || exp >= form->to) {
        buf_char(b, digits[0]);
        if (n > 1) {
            buf_char(b, '.');
            buf_add(b, digits + 1, (size_t)n - 1);
        }
        buf_fmt(b, "e%c%0*d", exp < 0 ? '-' : '+', exp < 0 ? form->exponent_digits : 2, abs(exp));
        return;
    }
    if (exp < 0) {
        buf_z(b, "0.");
        for (int i = -1; i > exp; i--)
            buf_char(b, '0');
        buf_add(b, digits, (size_t)n);
        return;
    }
    for (int i = 0; i < n || i <= exp; i++) {
        if (i == exp + 1)
            buf_char(b, '.');
        buf_char(b, i < n ? digits[i] : '0');
    }
}
