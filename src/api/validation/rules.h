/* rules.h - pieces of validation that several groups share, beyond names and places (check.h). */
#ifndef K1S_API_VALIDATION_RULES_H
#define K1S_API_VALIDATION_RULES_H
#include "api/validation/check.h"

/* Complaints that show no value, or one that is no value of the object. */
void bad_omitted(struct check *c, const struct at *at, const char *fmt, ...) PRINTF(3, 4);
/* "must be positive" and the like of a string, with the string as value. */
void bad_string(struct check *c, const struct at *at, str s, const char *text);

void check_path_segment(struct check *c, const struct at *at, str s);
void check_format(struct check *c, const struct at *at, const char *format, str s);
void check_service_account_name(struct check *c, const struct at *at, str s);
void check_namespace_name(struct check *c, const struct at *at, str s);

/* Of IntOrString: a percentage above 100 is wrong. */
void check_percent_at_most_all(struct check *c, const struct at *at, const struct json *v);
bool is_zero_int_or_percent(const struct json *v); /* absent counts as zero */

/* Each of the fields (NULL-terminated), where it is there, is not negative. */
void check_counts(struct check *c, const struct at *at, const struct json *obj,
                  const char *const *fields);
/* Each of the fields is not greater than `limit`'s field of the same object; missing is zero. */
void check_at_most(struct check *c, const struct at *at, const struct json *obj,
                   const char *const *fields, const char *limit, const char *text);
/* metav1.Conditions: type, status, reason and time as they must be. */
void check_conditions(struct check *c, const struct at *at, const struct json *conditions);
/* LabelSelectorAsSelector's view: false when it cannot be made into one. */
bool selector_is_usable(struct check *c, const struct json *selector);

str lower_copy(struct arena *a, str s); /* ASCII */
bool strings_have(const struct json *list, const char *s);
/* The fields of a struct as Go dumps them: Name -> json field, in order; missing ones are null or the given zero. */
struct go_member {
    const char *name, *field;
    char zero; /* 's': "", 'i': 0, 'b': false, 'n': null */
};
struct json go_struct(struct arena *a, const struct json *v, const struct go_member *members);
#endif
