/* expressions.c - see expressions.h.
 *
 * Texts: k8s.io/apiserver/pkg/admission/plugin/cel/compile.go. */
#include "api/validation/expressions.h"

static const struct cel_program *compile(struct cel_env *env, str text, const struct cel_type *want)
{
    const struct cel_program *p = NULL;
    struct err *e = cel_compile(env, text, want, &p);
    bool ok = !e;

    err_free(e);
    return ok ? p : NULL;
}

static str type_text(struct arena *a, const struct cel_type *t)
{
    return cel_type_equal(t, cel_null) ? S("null_type") : cel_type_text(a, t);
}

const struct cel_program *check_expression(struct check *c, const struct at *at,
                                           struct cel_env *env, str text,
                                           const struct cel_type *want,
                                           const struct cel_type *or_want)
{
    const struct cel_program *p = compile(env, text, want);
    const struct cel_type *have;
    struct err *e;
    str wanted;

    if (!p && or_want)
        p = compile(env, text, or_want);
    if (p)
        return p;
    e = cel_compile(env, text, NULL, &p); /* once more, for what is wrong with it */
    if (e) {
        bad_invalid(c, at, json_string(text), "%s", err_text(e));
        err_free(e);
        return NULL;
    }
    have = cel_program_type(p);
    wanted = type_text(c->a, want);
    if (or_want)
        wanted = arena_fmt(c->a, "one of [" PRI_STR " " PRI_STR "]", STR_ARG(wanted),
                           STR_ARG(type_text(c->a, or_want)));
    bad_invalid(c, at, json_string(text), "must evaluate to " PRI_STR " but got " PRI_STR,
                STR_ARG(wanted), STR_ARG(type_text(c->a, have)));
    return NULL;
}
