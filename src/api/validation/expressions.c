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

/* The line that holds byte `at`, and where in it: columns count code points from 1. */
static str line_at(str text, size_t at, unsigned *ret_line, unsigned *ret_column)
{
    size_t begin = 0, end = at;

    *ret_line = *ret_column = 1;
    for (size_t i = 0; i < at; i++)
        if (text.p[i] == '\n') {
            begin = i + 1;
            ++*ret_line;
        }
    for (size_t i = begin; i < at; i++)
        *ret_column += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    while (end < text.n && text.p[end] != '\n')
        end++;
    return str_slice(text, begin, end);
}

void check_message_expression(struct check *c, const struct at *at, struct cel_env *env, str text)
{
    const struct cel_program *p = check_expression(c, at, env, text, cel_string, NULL);
    unsigned authorizer = cel_declare(env, S("authorizer"), cel_authorizer),
             check = cel_declare(env, S("authorizer.requestResource"), cel_resource_check), line,
             column;
    CLEANUP(buf) struct buf b = BUF_INIT;
    ptrdiff_t where;
    str source;

    text = str_trim(text);
    where = str_find(text, S("authorizer"));
    if (!p || where < 0 || !(cel_program_uses(p, authorizer) || cel_program_uses(p, check)))
        return;
    source = line_at(text, (size_t)where, &line, &column);
    buf_fmt(&b,
            "compilation failed: ERROR: <input>:%u:%u: undeclared reference to 'authorizer' (in "
            "container '')\n | " PRI_STR "\n | ",
            line, column, STR_ARG(source));
    while (--column)
        buf_char(&b, '.');
    buf_char(&b, '^');
    bad_invalid(c, at, json_string(text), "%s", buf_cstr(&b));
}

/* ---- devices ---- */

/* Attributes and capacities are found by the domain of their names, then by the rest.
 * Source: k8s.io/dynamic-resource-allocation/cel/compile.go. */
struct cel_env *device_env_new(void)
{
    struct cel_env *env = cel_env_new(CEL_BIND);
    const struct cel_type *quantity = cel_program_type(compile(env, S("quantity('1')"), NULL));
    const struct cel_field fields[] = {
        {S("driver"), cel_string},
        {S("attributes"), cel_map_of(env, cel_string, cel_map_of(env, cel_string, cel_dyn))},
        {S("capacity"), cel_map_of(env, cel_string, cel_map_of(env, cel_string, quantity))},
        {S("allowMultipleAllocations"), cel_bool},
    };

    cel_declare(env, S("device"),
                cel_object_of(env, S("kubernetes.DRADevice"), fields, ARRAY_LEN(fields)));
    return env;
}

void check_device_expression(struct check *c, const struct at *at, struct cel_env *env, str text)
{
    const struct cel_program *p = NULL;
    struct err *e = cel_compile(env, text, NULL, &p);
    const struct cel_type *have;

    if (e) {
        bad_invalid(c, at, json_string(text), "%s", err_text(e));
        err_free(e);
        return;
    }
    have = cel_program_type(p);
    if (!cel_type_equal(have, cel_bool) && !cel_type_equal(have, cel_dyn))
        bad_invalid(c, at, json_string(text),
                    "must evaluate to bool or the unknown type, not " PRI_STR,
                    STR_ARG(type_text(c->a, have)));
}
