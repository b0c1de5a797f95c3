/* lib_kubernetes.c - quantities, named formats, semantic versions, JSON pointers.
 *
 * Source: k8s.io/apiserver/pkg/cel/library/{quantity,format,semverlib,jsonpatch}.go; github.com/blang/semver for versions. */
#include "schema/cel/functions.h"
#include "schema/validate.h"

static bool is(struct cel_value v, enum cel_opaque kind)
{
    return v.kind == CEL_OPAQUE && v.sub == kind;
}

/* ---- quantities ---- */

struct cel_value cel_fn_quantity(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct quantity *q = ARENA_NEW(e->a, struct quantity);
    str problem;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    if (quantity_parse(cel_v_text(v[0]), q)) {
        struct cel_value r = cel_v_opaque(OPAQUE_QUANTITY, q);

        r.aux = v[0].p;
        r.n = v[0].n;
        return r;
    }
    problem = quantity_problem(cel_v_text(v[0]));
    return cel_v_error(e->a, PRI_STR, STR_ARG(problem));
}

struct cel_value cel_fn_is_quantity(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    struct quantity q;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    return cel_v_bool(quantity_parse(cel_v_text(v[0]), &q));
}

struct cel_value cel_fn_quantity_sign(struct cel_eval *e, const struct cel_node *n,
                                      struct cel_value *v)
{
    const struct quantity *q = v[0].ref;

    if (!is(v[0], OPAQUE_QUANTITY))
        return cel_no_overload(e, n, v);
    return cel_v_int(q->nano > 0 ? 1 : q->nano < 0 ? -1 : 0);
}

struct cel_value cel_fn_quantity_float(struct cel_eval *e, const struct cel_node *n,
                                       struct cel_value *v)
{
    const struct quantity *q = v[0].ref;

    if (!is(v[0], OPAQUE_QUANTITY))
        return cel_no_overload(e, n, v);
    return cel_v_double((double)(q->nano / 1000000000) + (double)(q->nano % 1000000000) / 1e9);
}

static bool as_integer(const struct quantity *q, int64_t *ret)
{
    __int128 whole = q->nano / 1000000000;

    if (q->huge || q->nano % 1000000000 || whole > INT64_MAX || whole < INT64_MIN)
        return false;
    *ret = (int64_t)whole;
    return true;
}

struct cel_value cel_fn_quantity_integer(struct cel_eval *e, const struct cel_node *n,
                                         struct cel_value *v)
{
    int64_t i;

    if (!is(v[0], OPAQUE_QUANTITY))
        return cel_no_overload(e, n, v);
    return as_integer(v[0].ref, &i) ? cel_v_int(i)
                                    : cel_v_error_z("cannot convert value to integer");
}

struct cel_value cel_fn_quantity_is_integer(struct cel_eval *e, const struct cel_node *n,
                                            struct cel_value *v)
{
    int64_t i;

    if (!is(v[0], OPAQUE_QUANTITY))
        return cel_no_overload(e, n, v);
    return cel_v_bool(as_integer(v[0].ref, &i));
}

struct cel_value cel_fn_quantity_add(struct cel_eval *e, const struct cel_node *n,
                                     struct cel_value *v)
{
    struct quantity *q, other = {0};
    struct cel_value r;

    if (!is(v[0], OPAQUE_QUANTITY) || (v[1].kind != CEL_INT && !is(v[1], OPAQUE_QUANTITY)))
        return cel_no_overload(e, n, v);
    q = ARENA_NEW(e->a, struct quantity);
    *q = *(const struct quantity *)v[0].ref;
    if (v[1].kind == CEL_INT) {
        other.nano = (__int128)v[1].i * 1000000000;
        other.negative = v[1].i < 0;
    } else {
        other = *(const struct quantity *)v[1].ref;
    }
    if (n->fn->name[0] == 'a')
        quantity_add(q, &other);
    else
        quantity_sub(q, &other);
    r = cel_v_opaque(OPAQUE_QUANTITY, q);
    return r;
}

/* ---- semantic versions ---- */

struct semver {
    uint64_t part[3];
    str pre;
};

static bool number(str s, uint64_t *ret)
{
    uint64_t v = 0;

    if (!s.n || (s.n > 1 && s.p[0] == '0'))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    *ret = v;
    return true;
}

static bool identifiers(str s, bool numbers)
{
    str part;

    do {
        bool digits = true;

        if (!str_cut(&s, '.', &part) || !part.n)
            return false;
        for (size_t i = 0; i < part.n; i++) {
            char c = part.p[i];

            digits &= c >= '0' && c <= '9';
            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-'))
                return false;
        }
        if (numbers && digits && part.n > 1 && part.p[0] == '0')
            return false;
    } while (s.p);
    return true;
}

static const char *semver_parse(str s, struct semver *ret)
{
    static const char *const problem[] = {"Invalid character(s) found in major number",
                                          "Invalid character(s) found in minor number",
                                          "Invalid character(s) found in patch number"};
    str part, rest = s, build = STR_NONE, pre = STR_NONE;
    ptrdiff_t at;

    if (!s.n)
        return "Version string empty";
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            part = rest.p ? rest : STR_NONE;
            if (!part.p)
                return "No Major.Minor.Patch elements found";
            at = str_index(part, '+');
            if (at >= 0) {
                build = str_skip(part, (size_t)at + 1);
                part = str_slice(part, 0, (size_t)at);
                if (!identifiers(build, false))
                    return "Invalid character(s) found in build meta data";
            }
            at = str_index(part, '-');
            if (at >= 0) {
                pre = str_skip(part, (size_t)at + 1);
                part = str_slice(part, 0, (size_t)at);
                if (!identifiers(pre, true))
                    return "Invalid character(s) found in prerelease";
            }
        } else if (!rest.p || !str_cut(&rest, '.', &part) || !rest.p) {
            return "No Major.Minor.Patch elements found";
        }
        if (!number(part, &ret->part[i]))
            return problem[i];
    }
    ret->pre = pre;
    return NULL;
}

/* Drops a leading v, fills in missing parts, drops leading zeros. */
static str semver_normalize(struct arena *a, str s, const char **ret_problem)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    int parts = 0;
    str rest, part = s;

    if (str_has_prefix(s, S("v")))
        s = str_skip(s, 1);
    rest = s;
    while (parts < 3 && rest.p) {
        if (parts == 2) {
            part = rest;
            rest = STR_NONE;
        } else if (!str_cut(&rest, '.', &part)) {
            break;
        }
        while (part.n > 1 && part.p[0] == '0' && part.p[1] >= '0' && part.p[1] <= '9')
            part = str_skip(part, 1);
        if (parts++)
            buf_char(&b, '.');
        buf_str(&b, part);
    }
    if (parts < 3 && (str_index(part, '+') >= 0 || str_index(part, '-') >= 0))
        *ret_problem = "short version cannot contain PreRelease/Build meta data";
    for (; parts && parts < 3; parts++)
        buf_z(&b, ".0");
    return arena_dup(a, buf_view(&b));
}

static const char *semver_read(struct cel_eval *e, const struct cel_node *n, struct cel_value *v,
                               struct semver *ret)
{
    const char *problem = NULL;
    str s = cel_v_text(v[0]);

    memset(ret, 0, sizeof *ret);
    if (n->n > 1 && v[1].b)
        s = semver_normalize(e->a, s, &problem);
    return problem ? problem : semver_parse(s, ret);
}

struct cel_value cel_fn_semver(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct semver *s = ARENA_NEW(e->a, struct semver);
    struct cel_value r;
    const char *problem;

    if (v[0].kind != CEL_STRING || (n->n > 1 && v[1].kind != CEL_BOOL))
        return cel_no_overload(e, n, v);
    problem = semver_read(e, n, v, s);
    if (problem)
        return cel_v_error_z(problem);
    r = cel_v_opaque(OPAQUE_SEMVER, s);
    r.aux = v[0].p;
    r.n = v[0].n;
    return r;
}

struct cel_value cel_fn_is_semver(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct semver s;

    if (v[0].kind != CEL_STRING || (n->n > 1 && v[1].kind != CEL_BOOL))
        return cel_no_overload(e, n, v);
    return cel_v_bool(!semver_read(e, n, v, &s));
}

struct cel_value cel_fn_semver_part(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    const struct semver *s = v[0].ref;

    if (!is(v[0], OPAQUE_SEMVER))
        return cel_no_overload(e, n, v);
    return cel_v_int((int64_t)s->part[n->fn->name[0] == 'p' ? 2 : n->fn->name[1] == 'i' ? 1 : 0]);
}

static int cmp_pre(str x, str y)
{
    str a, b;

    if (!x.n || !y.n)
        return x.n ? -1 : y.n ? 1 : 0; /* a release is newer than what came before it */
    while (x.p && y.p) {
        uint64_t i, j;
        bool na, nb;
        int c;

        str_cut(&x, '.', &a);
        str_cut(&y, '.', &b);
        na = number(a, &i);
        nb = number(b, &j);
        if (na && nb && i != j)
            return i < j ? -1 : 1;
        if (na != nb)
            return na ? -1 : 1;
        c = str_cmp(a, b);
        if (c)
            return c < 0 ? -1 : 1;
    }
    return x.p ? 1 : y.p ? -1 : 0;
}

int cel_semver_cmp(const void *x, const void *y)
{
    const struct semver *a = x, *b = y;

    for (int i = 0; i < 3; i++)
        if (a->part[i] != b->part[i])
            return a->part[i] < b->part[i] ? -1 : 1;
    return cmp_pre(a->pre, b->pre);
}

/* isGreaterThan, isLessThan, compareTo */
struct cel_value cel_fn_compare_to(struct cel_eval *e, const struct cel_node *n,
                                   struct cel_value *v)
{
    int c;

    if (v[0].kind != CEL_OPAQUE || v[1].kind != CEL_OPAQUE || v[0].sub != v[1].sub ||
        (v[0].sub != OPAQUE_QUANTITY && v[0].sub != OPAQUE_SEMVER))
        return cel_no_overload(e, n, v);
    c = v[0].sub == OPAQUE_QUANTITY ? quantity_cmp(v[0].ref, v[1].ref)
                                    : cel_semver_cmp(v[0].ref, v[1].ref);
    if (n->fn->name[0] == 'c')
        return cel_v_int(c < 0 ? -1 : c > 0);
    return cel_v_bool(n->fn->name[2] == 'G' ? c > 0 : c < 0);
}

/* ---- named formats ---- */

struct format {
    const char *name, *rule; /* rule: of format_problems() */
    bool prefix;             /* of a name that is generated: may end in a dash */
};
static const struct format formats[] = {{"dns1123Label", "dns-label", false},
                                        {"dns1123Subdomain", "dns-subdomain", false},
                                        {"dns1035Label", "dns-1035-label", false},
                                        {"qualifiedName", "qualified-name", false},
                                        {"dns1123LabelPrefix", "dns-label", true},
                                        {"dns1123SubdomainPrefix", "dns-subdomain", true},
                                        {"dns1035LabelPrefix", "dns-1035-label", true},
                                        {"labelValue", "label-value", false},
                                        {"uri", NULL, false},
                                        {"uuid", NULL, false},
                                        {"byte", NULL, false},
                                        {"date", NULL, false},
                                        {"datetime", NULL, false}};

struct cel_value cel_fn_format_named(struct cel_eval *e, const struct cel_node *n,
                                     struct cel_value *v)
{
    struct cel_value f;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_is(cel_v_text(v[0]), formats[i].name)) {
            f = cel_v_opaque(OPAQUE_FORMAT, &formats[i]);
            return cel_v_optional(e->a, &f);
        }
    return cel_v_optional(e->a, NULL);
}

struct cel_value cel_fn_format_constant(struct cel_eval *e, const struct cel_node *n,
                                        struct cel_value *v)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(n->fn->name + strlen("format."), formats[i].name) == 0)
            return cel_v_opaque(OPAQUE_FORMAT, &formats[i]);
    return cel_no_overload(e, n, v);
}

static bool is_uuid(str s)
{
    size_t digits = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f'))
            digits++;
        else if (c != '-' || (digits != 8 && digits != 12 && digits != 16 && digits != 20) ||
                 (i && s.p[i - 1] == '-'))
            return false;
    }
    return digits == 32;
}

static const char *other_problem(struct arena *a, const char *format, str s, str *ret_text)
{
    struct cel_value t;

    if (strcmp(format, "uri") == 0) {
        str problem;

        if (cel_url_check(a, s, &problem))
            return NULL;
        *ret_text = arena_fmt(a, "parse \"" PRI_STR "\": " PRI_STR, STR_ARG(s), STR_ARG(problem));
        return ret_text->p;
    }
    if (strcmp(format, "uuid") == 0)
        return is_uuid(s) ? NULL : "does not match the UUID format";
    if (strcmp(format, "byte") == 0) {
        str out;

        return s.n && base64_decode(a, s, &out) ? NULL : "invalid base64";
    }
    if (strcmp(format, "date") == 0) {
        str full = arena_fmt(a, PRI_STR "T00:00:00Z", STR_ARG(s));

        return s.n == 10 && cel_time_parse(a, full, &t) ? NULL : "invalid date";
    }
    return cel_time_parse(a, s, &t) ? NULL : "invalid datetime";
}

struct cel_value cel_fn_format_validate(struct cel_eval *e, const struct cel_node *n,
                                        struct cel_value *v)
{
    const struct format *f = v[0].ref;
    str s = cel_v_text(v[1]), problems[FORMAT_PROBLEMS_MAX], text = STR_NONE;
    struct cel_value *items, list;
    size_t count;

    if (!is(v[0], OPAQUE_FORMAT) || v[1].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    if (f->rule) {
        /* What is generated is put behind the prefix, so that a dash is not its end. */
        if (f->prefix && s.n > 1 && s.p[s.n - 1] == '-')
            s = arena_fmt(e->a, PRI_STR "a", STR_ARG(str_slice(s, 0, s.n - 1)));
        count = format_problems(e->a, str_of(f->rule), s, problems);
    } else {
        const char *problem = other_problem(e->a, f->name, s, &text);

        count = problem ? 1 : 0;
        if (problem)
            problems[0] = str_of(problem);
    }
    if (!count)
        return cel_v_optional(e->a, NULL);
    items = arena_alloc(e->a, count * sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[i] = cel_v_str(problems[i]);
    list = cel_v_list(items, count);
    return cel_v_optional(e->a, &list);
}

/* ---- JSON pointers ---- */

struct cel_value cel_fn_json_patch_escape(struct cel_eval *e, const struct cel_node *n,
                                          struct cel_value *v)
{
    str s = cel_v_text(v[0]);
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '~')
            buf_z(&b, "~0");
        else if (s.p[i] == '/')
            buf_z(&b, "~1");
        else
            buf_char(&b, s.p[i]);
    return cel_v_str(arena_dup(e->a, buf_view(&b)));
}

bool cel_opaque_text(struct arena *a, struct cel_value v, str *ret)
{
    if (v.sub == OPAQUE_IP || v.sub == OPAQUE_CIDR) {
        *ret = cel_address_text(a, v);
        return true;
    }
    if (v.sub == OPAQUE_URL || v.sub == OPAQUE_SEMVER || (v.sub == OPAQUE_QUANTITY && v.aux)) {
        *ret = (str){v.aux, v.n};
        return true;
    }
    if (v.sub == OPAQUE_QUANTITY) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        buf_quantity(&b, v.ref, 'd');
        *ret = arena_dup(a, buf_view(&b));
        return true;
    }
    return false;
}
