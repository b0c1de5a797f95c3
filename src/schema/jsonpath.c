/* jsonpath.c - what a JSONPath leads to: .a.b[0], [*], ['k'], ..name, [1:3], [?(@.x=="y")].
 *
 * Not here: templates around paths ({range}, text; cli/kubectl/jsonpath.c).
 * Source: k8s.io/client-go/util/jsonpath with missing keys allowed: they lead to nothing. */
#include "schema/jsonpath.h"

#define RESULTS_MAX 100000

static void results_add(struct arena *a, struct jsonpath_results *r, const struct json *v)
{
    if (!v || r->n >= RESULTS_MAX)
        return;
    if (r->n == r->cap) {
        size_t cap = MAX(r->cap * 2, (size_t)16);

        r->v = arena_grow(a, r->v, r->cap * sizeof *r->v, cap * sizeof *r->v);
        r->cap = cap;
    }
    r->v[r->n++] = v;
}

static void children(struct arena *a, const struct json *v, struct jsonpath_results *ret)
{
    JSON_EACH(item, v)
        results_add(a, ret, item);
    JSON_EACH_MEMBER(m, v)
        results_add(a, ret, &m->value);
}

static void descend(struct arena *a, const struct json *v, str key, struct jsonpath_results *ret)
{
    if (key.n == 0 || str_is(key, "*"))
        results_add(a, ret, v);
    else
        results_add(a, ret, json_find(v, key));
    JSON_EACH(item, v)
        descend(a, item, key, ret);
    JSON_EACH_MEMBER(m, v)
        descend(a, &m->value, key, ret);
}

static void literal(struct arena *a, str text, struct json *ret)
{
    struct json *v;
    struct err *err;

    text = str_trim(text);
    if (text.n >= 2 && (text.p[0] == '\'' || text.p[0] == '"') && text.p[text.n - 1] == text.p[0]) {
        *ret = json_string(str_slice(text, 1, text.n - 1));
        return;
    }
    err = json_parse(a, text, NULL, NULL, &v);
    if (err) {
        err_free(err);
        *ret = json_string(text);
    } else {
        *ret = *v;
    }
}

static int compare(const struct json *l, const struct json *r, bool *ret_ok)
{
    bool numbers = (l->type == JSON_INT || l->type == JSON_DOUBLE) &&
                   (r->type == JSON_INT || r->type == JSON_DOUBLE);

    *ret_ok = true;
    if (numbers) {
        double x = l->type == JSON_INT ? (double)l->i : l->d,
               y = r->type == JSON_INT ? (double)r->i : r->d;

        return x < y ? -1 : x > y;
    }
    if (l->type == JSON_STRING && r->type == JSON_STRING)
        return str_cmp(l->s, r->s);
    *ret_ok = false;
    return json_equal(l, r) ? 0 : 1;
}

/* "@.a.b op literal", or "@.a" alone: is it there? */
static struct err *filter_matches(struct arena *a, str cond, const struct json *root,
                                  const struct json *item, bool *ret)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    const char *op = NULL;
    ptrdiff_t at = -1;
    struct jsonpath_results left = {0};
    struct json right;
    const struct json *rv = &right;
    struct err *err;
    bool ok;
    int c;

    for (size_t i = 0; i < ARRAY_LEN(ops) && !op; i++) {
        at = str_find(cond, str_of(ops[i]));
        if (at >= 0)
            op = ops[i];
    }
    err = jsonpath_find(a, str_trim(op ? str_slice(cond, 0, (size_t)at) : cond), root, item, &left);
    if (err)
        return err;
    *ret = left.n > 0;
    if (!op || !left.n)
        return NULL;
    cond = str_trim(str_skip(cond, (size_t)at + strlen(op)));
    if (cond.n && (cond.p[0] == '@' || cond.p[0] == '$')) {
        struct jsonpath_results other = {0};

        err = jsonpath_find(a, cond, root, item, &other);
        if (err)
            return err;
        if (!other.n) {
            *ret = false;
            return NULL;
        }
        rv = other.v[0];
    } else {
        literal(a, cond, &right);
    }
    c = compare(left.v[0], rv, &ok);
    if (!strcmp(op, "=="))
        *ret = c == 0;
    else if (!strcmp(op, "!="))
        *ret = c != 0;
    else
        *ret = ok && (!strcmp(op, "<")    ? c < 0
                      : !strcmp(op, "<=") ? c <= 0
                      : !strcmp(op, ">")  ? c > 0
                                          : c >= 0);
    return NULL;
}

/* Every step-th item from..to, as Go slices them: what is out of bounds is an error. */
static struct err *items(struct arena *a, const struct json *v, int64_t from, int64_t to,
                         int64_t step, struct jsonpath_results *ret)
{
    int64_t n = json_count(v);

    if (!json_is(v, JSON_ARRAY))
        return NULL;
    from = from < 0 ? from + n : from;
    if (from == to)
        return NULL;
    if (from < 0 || from >= n || to < 0 || to > n)
        return err_new(REASON_BAD_REQUEST, "array index out of bounds: index %lld, length %lld",
                       (long long)(from < 0 || from >= n ? from : to - 1), (long long)n);
    if (from > to)
        return err_new(REASON_BAD_REQUEST, "starting index %lld is greater than ending index %lld",
                       (long long)from, (long long)to);
    for (int64_t i = from; i < to && step > 0; i += step)
        results_add(a, ret, json_item(v, (uint32_t)i));
    return NULL;
}

/* What stands in [...]: index, slice, union, 'key', *, ?(filter). */
static struct err *bracket(struct arena *a, str in, const struct json *root, const struct json *v,
                           struct jsonpath_results *ret)
{
    str part, rest = in;

    in = str_trim(in);
    if (str_has_prefix(in, S("?("))) {
        str cond = str_slice(in, 2, in.n ? in.n - 1 : 0);

        JSON_EACH(item, v) {
            bool matches = false;
            struct err *err = filter_matches(a, cond, root, item, &matches);

            if (err)
                return err;
            if (matches)
                results_add(a, ret, item);
        }
        return NULL;
    }
    if (str_is(in, "*")) {
        children(a, v, ret);
        return NULL;
    }
    while (str_cut(&rest, ',', &part)) {
        int64_t i, from, to, step = 1, n = json_count(v);
        struct err *err;

        part = str_trim(part);
        if (part.n >= 2 && (part.p[0] == '\'' || part.p[0] == '"')) {
            results_add(a, ret, json_find(v, str_slice(part, 1, part.n - 1)));
        } else if (str_has_char(part, ':')) {
            str parts[3] = {STR_NONE, STR_NONE, STR_NONE};

            for (size_t p = 0; p < 3; p++)
                str_cut(&part, ':', &parts[p]);
            from = 0, to = n;
            str_to_int64(parts[0], &from);
            str_to_int64(parts[1], &to);
            str_to_int64(parts[2], &step);
            err = items(a, v, from, to < 0 ? to + n : to, step, ret);
            if (err)
                return err;
        } else if (str_to_int64(part, &i)) {
            err = items(a, v, i, i < 0 ? i + n + 1 : i + 1, 1, ret);
            if (err)
                return err;
        } else {
            results_add(a, ret, json_find(v, part));
        }
    }
    return NULL;
}

/* The end of [...] at the start of s, quotes and nested brackets respected. */
static size_t bracket_end(str s)
{
    int depth = 0;
    char quote = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (quote) {
            quote = s.p[i] == quote ? 0 : quote;
            continue;
        }
        if (s.p[i] == '\'' || s.p[i] == '"')
            quote = s.p[i];
        else if (s.p[i] == '[')
            depth++;
        else if (s.p[i] == ']' && --depth == 0)
            return i;
    }
    return s.n;
}

static str next_key(str *path, struct arena *a)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t i = 0;

    for (; i < path->n && path->p[i] != '.' && path->p[i] != '['; i++) {
        if (path->p[i] == '\\' && i + 1 < path->n)
            i++; /* "kubernetes\.io" */
        buf_char(&b, path->p[i]);
    }
    *path = str_skip(*path, i);
    return arena_dup(a, buf_view(&b));
}

struct err *jsonpath_find(struct arena *a, str path, const struct json *root,
                          const struct json *current, struct jsonpath_results *ret)
{
    struct jsonpath_results at = {0}, next;

    if (path.n && (path.p[0] == '$' || path.p[0] == '@')) {
        results_add(a, &at, path.p[0] == '$' ? root : current);
        path = str_skip(path, 1);
    } else {
        results_add(a, &at, current);
    }
    while (path.n) {
        next = (struct jsonpath_results){0};
        if (path.p[0] == '[') {
            size_t end = bracket_end(path);
            str inner = str_slice(path, 1, end);

            if (end == path.n)
                return err_new(REASON_BAD_REQUEST, "unterminated array");
            for (size_t i = 0; i < at.n; i++) {
                struct err *err = bracket(a, inner, root, at.v[i], &next);

                if (err)
                    return err;
            }
            path = str_skip(path, end + 1);
        } else {
            bool deep = str_has_prefix(path, S(".."));
            str key;

            path = str_skip(path, deep ? 2 : path.p[0] == '.');
            key = next_key(&path, a);
            for (size_t i = 0; i < at.n; i++) {
                if (deep)
                    descend(a, at.v[i], key, &next);
                else if (str_is(key, "*"))
                    children(a, at.v[i], &next);
                else if (key.n)
                    results_add(a, &next, json_find(at.v[i], key));
                else
                    results_add(a, &next, at.v[i]);
            }
        }
        at = next;
    }
    for (size_t i = 0; i < at.n; i++)
        results_add(a, ret, at.v[i]);
    return NULL;
}
