/* number.h - floating point numbers in the shortest decimal form, laid out as Go's formats lay them out. */
#ifndef K1S_WIRE_NUMBER_H
#define K1S_WIRE_NUMBER_H
#include "base/base.h"

/* When a number is written with an exponent, and how: d.ddde±X. */
struct number_form {
    int from, to;        /* plain digits for decimal exponents from <= e < to */
    int exponent_digits; /* of a negative exponent, at least; a positive one always has two */
};

/* The finite number d in the fewest digits that read back equal (as a float if single). */
void number_encode(struct buf *b, double d, bool single, const struct number_form *form);

#endif
