/* config_form.h - files of apiserver.config.k8s.io: read strictly, against a table of what may be in them. */
#ifndef K1S_API_CONFIG_FORM_H
#define K1S_API_CONFIG_FORM_H
#include "wire/json.h"

struct form {
    const char *name; /* NULL: the end of the table */
    char
        type; /* 's'tring, 'b'ool, list of 'S'trings, 'o'bject, 'l'ist of objects; 'x': as it comes */
    const struct form *members;
};
#define FORM_END                                                                                   \
    {                                                                                              \
        NULL, 0, NULL                                                                              \
    }
/* BAD_REQUEST: no YAML, another kind, unknown fields. The tree lives in the arena. */
MUST_USE struct err *config_form_read(struct arena *a, str yaml, const char *kind,
                                      const struct form *form, struct json **ret);
/* The same of a tree that is there, of a kind of another group. */
MUST_USE struct err *config_form_check(const struct json *tree, const char *group, const char *kind,
                                       const struct form *form);
/* Whether an item before list[i] has the same text in this member. */
bool config_form_repeats(const struct json *list, uint32_t i, const char *member);
/* What an error's causes say, in one line, as a list of Go's errors reads; frees e. NULL stays NULL. */
struct err *config_form_aggregate(struct err *e);
#endif
