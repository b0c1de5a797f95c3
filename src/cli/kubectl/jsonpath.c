/* jsonpath.c - kubectl's JSONPath templates: {.a.b[0]}, {range}{end}, "text".
 *
 * Source: k8s.io/client-go/util/jsonpath (grammar and printing). Missing keys print nothing (kubectl get allows them). */
#include "cli/kubectl/kubectl.h"
#include "schema/jsonpath.h"

#define NESTING_MAX 16

static void print_results(const struct jsonpath_results *r, struct buf *out)
{
    for (size_t i = 0; i < r->n; i++) {
        if (i)
            buf_char(out, ' ');
        if (r->v[i]->type == JSON_STRING)
            buf_str(out, r->v[i]->s);
        else
            json_encode(out, r->v[i]);
    }
}

static void unescape(str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\\' || i + 1 == s.n) {
            buf_char(out, s.p[i]);
            continue;
        }
        i++;
        buf_char(out, s.p[i] == 'n' ? '\n' : s.p[i] == 't' ? '\t' : s.p[i] == 'r' ? '\r' : s.p[i]);
    }
}

/* The next {action} or text; true while there is one. */
static bool next_part(str *rest, str *ret, bool *ret_action)
{
    char quote = 0;
    size_t i;

    if (rest->n == 0)
        return false;
    *ret_action = rest->p[0] == '{';
    for (i = *ret_action; i < rest->n; i++) {
        char c = rest->p[i];

        if (!*ret_action && c == '{')
            break;
        if (*ret_action && quote) {
            if (c == '\\')
                i++;
            else if (c == quote)
                quote = 0;
            continue;
        }
        if (*ret_action && (c == '"' || c == '\''))
            quote = c;
        else if (*ret_action && c == '}')
            break;
    }
    *ret = str_slice(*rest, *ret_action, i);
    *rest = str_skip(*rest, i + *ret_action);
    return true;
}

/* Evaluates until the end or a matching {end}; *rest is left behind it. */
static struct err *template_eval(struct arena *a, str *rest, const struct json *root,
                                 const struct json *current, bool print, int depth, struct buf *out)
{
    str part;
    bool action;

    if (depth > NESTING_MAX)
        return err_new(REASON_BAD_REQUEST, "jsonpath: ranges are nested too deeply");
    while (next_part(rest, &part, &action)) {
        struct err *err = NULL;

        if (!action) {
            if (print)
                buf_str(out, part);
            continue;
        }
        part = str_trim(part);
        if (str_is(part, "end"))
            return NULL;
        if (str_has_prefix(part, S("range"))) {
            struct jsonpath_results r = {0};
            str body = *rest, after = *rest;

            if (print)
                err = jsonpath_find(a, str_trim(str_skip(part, 5)), root, current, &r);
            if (err)
                return err;
            err = template_eval(a, &after, root, current, false, depth + 1, out);
            for (size_t i = 0; !err && i < r.n; i++) {
                str again = body;

                err = template_eval(a, &again, root, r.v[i], true, depth + 1, out);
            }
            if (err)
                return err;
            *rest = after;
            continue;
        }
        if (!print)
            continue;
        if (part.n >= 2 && (part.p[0] == '"' || part.p[0] == '\'')) {
            unescape(str_slice(part, 1, part.n - 1), out);
        } else {
            struct jsonpath_results r = {0};

            err = jsonpath_find(a, part, root, current, &r);
            if (err)
                return err;
            print_results(&r, out);
        }
    }
    return NULL;
}

struct err *jsonpath_eval(struct arena *a, str template, const struct json *root, struct buf *out)
{
    /* "-o jsonpath=.spec.x" without braces is taken as one expression, as kubectl's relaxed form. */
    if (template.n && !str_has_char(template, '{'))
        template =
            arena_fmt(a, "{%s" PRI_STR "}", template.p[0] == '.' || template.p[0] == '[' ? "" : ".",
                      STR_ARG(template));
    return template_eval(a, &template, root, root, true, 0, out);
}
