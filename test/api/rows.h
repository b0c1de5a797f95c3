/* rows.h - validation as rows: an object of a kind, what is changed in it, and what the server says.
 *
 * JSON is written with ' in place of ". Long texts about the forms of names stand in braces: {label}, {subdomain}, {1035},
 * {qualified}, {value}, {percent}, {wildcard}. */
#ifndef K1S_TEST_API_ROWS_H
#define K1S_TEST_API_ROWS_H
#include "test/api/world.h"

struct kind_row { /* an object that is valid as it stands; kind "": what others need to be there */
    const char *kind, *path, *object;
};
struct row {
    const char *kind;
    const char *patch; /* merged into the kind's object: what is created */
    const char *then;  /* NULL: creating it is the test; else a merge patch of what was created */
    const char *subresource;
    const char *
        want; /* "field: message" lines in order; a last line that ends in ... is a beginning; "": accepted */
};
void rows_check(const struct kind_row *kinds, size_t n_kinds, const struct row *rows,
                size_t n_rows);
#endif
