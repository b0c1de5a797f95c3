/* selector_internal.h - shared by the selectors' parser and matcher: rules of label keys and values. */
#ifndef K1S_SCHEMA_SELECTOR_INTERNAL_H
#define K1S_SCHEMA_SELECTOR_INTERNAL_H
#include "schema/schema.h"

/* Appends `PATH: Invalid value: "KEY": reasons` when the key is no qualified name; nothing when it is one. */
void label_key_problem(struct buf *b, str path, str key);
/* Appends what is wrong with a term as field errors are aggregated; nothing when it is sound. The key is checked too. */
void selector_term_problem(struct buf *b, const struct selector_term *t);
/* By key, terms of the same key in their order. */
void selector_sort(struct selector *s);

#endif
