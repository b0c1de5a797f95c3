/* columns.h - what the cells of tables are made of; shared by the columns_*.c files. */
#ifndef K1S_API_COLUMNS_H
#define K1S_API_COLUMNS_H
#include "api/kinds.h"

typedef void column_cell_fn(struct arena *a, const struct json *obj, wall_time now,
                            struct json *ret);
struct column_set {
    const char *group, *plural;
    const struct column *columns;
};
extern const struct column_set columns_core[], columns_workloads[], columns_other[],
    columns_cluster[]; /* each ends with plural NULL */

column_cell_fn column_name, column_age, column_containers, column_images;
/* "5m" since the time given as RFC 3339; "<unknown>" when there is none. */
str column_since(struct arena *a, str rfc3339, wall_time now);
/* "a=b,c=d", sorted; "<none>" when empty. */
str column_labels(struct arena *a, const struct json *labels);
/* metav1.FormatLabelSelector. */
str column_selector(struct arena *a, const struct json *label_selector);
/* Strings of an array joined; at most `max` of them, then " + N more..." (0: all). */
str column_join(struct arena *a, const struct json *array, const char *separator, uint32_t max);
/* What a load balancer reported in `status.loadBalancer.ingress`: addresses, or names of those without; sorted, each once. */
str column_load_balancer(struct arena *a, const struct json *obj);
/* A kind with the group it is of, in lower case: "deployment.apps". */
str column_group_kind(struct arena *a, str group, str kind);
/* A scalar as text; empty for NULL. */
str column_text(struct arena *a, const struct json *v);
/* The text, or another where it is empty. */
str column_text_or(str s, const char *otherwise);
/* The cell of a column that is the value at a path. */
struct json column_at_path(struct arena *a, const struct column *c, const struct json *obj);
/* The pod template's spec of any workload, or the pod's own. */
const struct json *column_pod_spec(const struct json *obj);

/* Columns whose cells are one value of the object; the last initializers of a struct column. */
#define TEXT_AT(p) .path = p, .show = SHOW_TEXT, .otherwise = ""
#define TEXT_AT_OR(p, other) .path = p, .show = SHOW_TEXT, .otherwise = other
#define VALUE_AT_OR(p, other) .path = p, .show = SHOW_VALUE, .otherwise = other
#define INT_AT(p) .path = p, .show = SHOW_INT
#define BOOL_AT(p) .path = p, .show = SHOW_BOOL
#define COUNT_AT(p) .path = p, .show = SHOW_COUNT
#define LABELS_AT(p) .path = p, .show = SHOW_LABELS
#define SELECTOR_AT(p) .path = p, .show = SHOW_SELECTOR

#define COLUMN_NAME                                                                                \
    {                                                                                              \
        "Name", "string", "name", "Name of the object, unique in its namespace.", 0, NULL,         \
            column_name                                                                            \
    }
#define COLUMN_AGE                                                                                 \
    {                                                                                              \
        "Age", "string", "", "Time since the object was created.", 0, NULL, column_age             \
    }
#define COLUMN_END                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }
#endif
