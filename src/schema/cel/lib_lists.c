/* lib_lists.c - Kubernetes' functions of lists, and cel-go's sets.
 *
 * Source: k8s.io/apiserver/pkg/cel/library/lists.go, cel-go ext/sets.go. */
#include "schema/cel/functions.h"

struct cel_value cel_fn_is_sorted(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (v[0].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    for (uint64_t i = 1; i < v[0].n; i++) {
        int c = cel_compare(cel_item(e->a, v[0], i - 1), cel_item(e->a, v[0], i));

        if (c >= 2)
            return cel_no_overload(e, n, v);
        if (c > 0)
            return cel_v_bool(false);
    }
    return cel_v_bool(true);
}

struct cel_value cel_fn_min_max(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    bool max = n->fn->name[1] == 'a';
    struct cel_value best;

    if (v[0].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    if (!v[0].n)
        return cel_v_error(e->a, "%s called on empty list", n->fn->name);
    best = cel_item(e->a, v[0], 0);
    for (uint64_t i = 1; i < v[0].n; i++) {
        struct cel_value x = cel_item(e->a, v[0], i);
        int c = cel_compare(x, best);

        if (c >= 2)
            return cel_no_overload(e, n, v);
        if (max ? c > 0 : c < 0)
            best = x;
    }
    return best;
}

/* The sum of no elements is the zero of the list's type, which its overload says. */
static struct cel_value zero_of(const struct cel_node *n)
{
    const char *id = n->overload ? n->overload->id : "";

    if (strcmp(id, "list_uint_sum_uint") == 0)
        return cel_v_uint(0);
    if (strcmp(id, "list_double_sum_double") == 0)
        return cel_v_double(0);
    if (strcmp(id, "list_duration_sum_duration") == 0)
        return cel_v_duration(0);
    return cel_v_int(0);
}

struct cel_value cel_fn_sum(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct cel_value sum[2];

    if (v[0].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    if (!v[0].n)
        return zero_of(n);
    sum[0] = cel_item(e->a, v[0], 0);
    if (sum[0].kind != CEL_INT && sum[0].kind != CEL_UINT && sum[0].kind != CEL_DOUBLE &&
        sum[0].kind != CEL_DURATION)
        return cel_no_overload(e, n, v);
    for (uint64_t i = 1; i < v[0].n; i++) {
        sum[1] = cel_item(e->a, v[0], i);
        if (sum[1].kind != sum[0].kind)
            return cel_no_overload(e, n, v);
        sum[0] = cel_fn_add(e, n, sum);
        if (cel_is_error(sum[0]))
            break;
    }
    return sum[0];
}

/* ---- sets ---- */

static bool has(struct cel_eval *e, struct cel_value list, struct cel_value x)
{
    for (uint64_t i = 0; i < list.n && !e->out_of_cost; i++)
        if (cel_equal(e, cel_item(e->a, list, i), x))
            return true;
    return false;
}

static bool has_all(struct cel_eval *e, struct cel_value list, struct cel_value of)
{
    for (uint64_t i = 0; i < of.n; i++)
        if (!has(e, list, cel_item(e->a, of, i)))
            return false;
    return true;
}

struct cel_value cel_fn_sets_contains(struct cel_eval *e, const struct cel_node *n,
                                      struct cel_value *v)
{
    if (v[0].kind != CEL_LIST || v[1].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    return cel_v_bool(has_all(e, v[0], v[1]));
}

struct cel_value cel_fn_sets_equivalent(struct cel_eval *e, const struct cel_node *n,
                                        struct cel_value *v)
{
    if (v[0].kind != CEL_LIST || v[1].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    return cel_v_bool(has_all(e, v[0], v[1]) && has_all(e, v[1], v[0]));
}

struct cel_value cel_fn_sets_intersects(struct cel_eval *e, const struct cel_node *n,
                                        struct cel_value *v)
{
    if (v[0].kind != CEL_LIST || v[1].kind != CEL_LIST)
        return cel_no_overload(e, n, v);
    for (uint64_t i = 0; i < v[0].n; i++)
        if (has(e, v[1], cel_item(e->a, v[0], i)))
            return cel_v_bool(true);
    return cel_v_bool(false);
}
