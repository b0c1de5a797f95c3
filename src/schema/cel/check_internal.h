/* check_internal.h - what the checker's two halves share: check.c walks the tree, unify.c decides whether types fit. */
#ifndef K1S_SCHEMA_CEL_CHECK_INTERNAL_H
#define K1S_SCHEMA_CEL_CHECK_INTERNAL_H
#include "schema/cel/cel_internal.h"

struct cel_local {
    str name;
    const struct cel_type *type;
    uint16_t slot;
};
struct cel_checker {
    struct cel_compile *c;
    const struct cel_type **subst; /* by variable; NULL: free */
    uint32_t n_vars, cap_vars;
    struct {
        uint32_t var;
        const struct cel_type *was;
    } * trail;
    uint32_t n_trail, cap_trail;
    struct cel_local locals[2 * CEL_LOCALS_MAX];
    uint32_t n_locals;
    uint16_t next_slot, max_slot;
};
struct cel_signature {
    const struct cel_type *params[26]; /* type variables by letter */
    const struct cel_type *args[6], *result;
    uint32_t n;
    bool member;
};

struct cel_type *cel_type_make(struct cel_checker *k, enum cel_type_kind kind,
                               const struct cel_type *a, const struct cel_type *b);
const struct cel_type *cel_type_fresh(struct cel_checker *k); /* a new variable */
/* Bindings of variables since k->n_trail was `mark` are undone. */
void cel_unify_undo(struct cel_checker *k, uint32_t mark);
/* The type with what its variables stand for; to_dyn: those that stand for nothing become dyn. */
const struct cel_type *cel_substitute(struct cel_checker *k, const struct cel_type *t, bool to_dyn);
bool cel_is_dyn(const struct cel_type *t);
bool cel_is_dyn_or_error(const struct cel_type *t);
bool cel_less_specific(const struct cel_type *x, const struct cel_type *y); /* or equal */
/* Does x fit where y is wanted? May bind variables, also when the answer is no. */
bool cel_assignable(struct cel_checker *k, const struct cel_type *x, const struct cel_type *y);
/* The same; binds nothing when the answer is no. */
bool cel_try_assign(struct cel_checker *k, const struct cel_type *x, const struct cel_type *y);
uint32_t cel_sig_count(const char *sig, bool *ret_member); /* arguments */
void cel_sig_parse(struct cel_checker *k, struct cel_signature *s, const char *sig);
#endif
