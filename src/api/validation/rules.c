/* rules.c - pieces of validation that several groups share; see rules.h.
 *
 * Texts: k8s.io/apimachinery/pkg/apis/meta/v1/validation, k8s.io/kubernetes/pkg/apis/{core,apps}/validation. */
#include "api/validation/rules.h"
#include "schema/validate.h"

#define CONDITION_REASON_MAX 1024
#define CONDITION_MESSAGE_MAX (32 * 1024)

void bad_omitted(struct check *c, const struct at *at, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    bad_invalid_omitted(c, at, buf_view(&b));
}

void bad_string(struct check *c, const struct at *at, str s, const char *text)
{
    bad_invalid(c, at, json_string(s), "%s", text);
}

/* ---- names ---- */

void check_format(struct check *c, const struct at *at, const char *format, str s)
{
    str texts[FORMAT_PROBLEMS_MAX];
    size_t n = format_problems(c->a, str_of(format), s, texts);

    for (size_t i = 0; i < n; i++)
        bad_invalid(c, at, json_string(s), PRI_STR, STR_ARG(texts[i]));
}

void check_path_segment(struct check *c, const struct at *at, str s)
{
    check_format(c, at, "path-segment", s);
}

void check_service_account_name(struct check *c, const struct at *at, str s)
{
    check_dns_subdomain(c, at, s);
}

void check_namespace_name(struct check *c, const struct at *at, str s)
{
    check_dns_label(c, at, s);
}

/* ---- numbers ---- */

/* A percentage or number; *ret_percent says which; malformed ones count as 0, as in Go. */
static int64_t int_or_percent(const struct json *v, bool *ret_percent)
{
    int64_t n = 0;

    *ret_percent = false;
    if (json_is(v, JSON_INT))
        return v->i;
    if (!json_is(v, JSON_STRING) || v->s.n < 2 || v->s.p[v->s.n - 1] != '%')
        return 0;
    *ret_percent = str_to_int64(str_slice(v->s, 0, v->s.n - 1), &n) && n >= 0;
    return *ret_percent ? n : 0;
}

void check_percent_at_most_all(struct check *c, const struct at *at, const struct json *v)
{
    bool percent;

    if (int_or_percent(v, &percent) > 100 && percent)
        bad_invalid(c, at, *v, "must not be greater than 100%%");
}

bool is_zero_int_or_percent(const struct json *v)
{
    bool percent;

    return int_or_percent(v, &percent) == 0;
}

void check_counts(struct check *c, const struct at *at, const struct json *obj,
                  const char *const *fields)
{
    for (size_t i = 0; fields[i]; i++)
        check_not_negative(c, AT(at, fields[i]), field(obj, fields[i]));
}

void check_at_most(struct check *c, const struct at *at, const struct json *obj,
                   const char *const *fields, const char *limit, const char *text)
{
    int64_t max = json_get_int(obj, limit, 0);

    for (size_t i = 0; fields[i]; i++)
        if (json_get_int(obj, fields[i], 0) > max)
            bad_invalid(c, AT(at, fields[i]), json_int(json_get_int(obj, fields[i], 0)), "%s",
                        text);
}

/* ---- conditions ---- */

/* [A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])? */
static bool is_reason(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool letter = (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z');
        bool inner = letter || (ch >= '0' && ch <= '9') || ch == '_';

        if (i == 0 ? !letter : !inner && ((ch != ',' && ch != ':') || i + 1 == s.n))
            return false;
    }
    return s.n > 0;
}

static void check_condition(struct check *c, const struct at *at, const struct json *v)
{
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};
    str status = json_get_str(v, "status"), reason = json_get_str(v, "reason");

    check_qualified_name(c, AT(at, "type"), json_get_str(v, "type"));
    if (!one_of(status, statuses))
        bad_unsupported(c, AT(at, "status"), json_string(status), statuses);
    if (json_get_int(v, "observedGeneration", 0) < 0)
        bad_invalid(c, AT(at, "observedGeneration"), *field(v, "observedGeneration"),
                    "must be greater than or equal to zero");
    if (json_get_str(v, "lastTransitionTime").n == 0)
        bad_required(c, AT(at, "lastTransitionTime"), "must be set");
    if (reason.n == 0) {
        bad_required(c, AT(at, "reason"), "must be set");
    } else {
        if (!is_reason(reason))
            bad_string(c, AT(at, "reason"), reason,
                       "a condition reason must start with alphabetic character, optionally "
                       "followed by a string of alphanumeric characters or '_,:', and must end "
                       "with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
                       "'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for "
                       "validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
        if (reason.n > CONDITION_REASON_MAX)
            bad_too_long(c, AT(at, "reason"), CONDITION_REASON_MAX);
    }
    if (json_get_str(v, "message").n > CONDITION_MESSAGE_MAX)
        bad_too_long(c, AT(at, "message"), CONDITION_MESSAGE_MAX);
}

void check_conditions(struct check *c, const struct at *at, const struct json *conditions)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(v, conditions) {
        const struct at *here = AT_INDEX(at, i++);
        str type = json_get_str(v, "type");

        if (map_put(&seen, type, &seen))
            bad_duplicate(c, AT(here, "type"), json_string(type), "");
        check_condition(c, here, v);
    }
    map_fini(&seen);
}

/* ---- the rest ---- */

bool selector_is_usable(struct check *c, const struct json *selector)
{
    struct selector parsed;
    struct err *err = selector_from_object(c->a, selector, &parsed);

    err_free(err);
    return !err;
}

str lower_copy(struct arena *a, str s)
{
    char *p = arena_dupz(a, s);

    for (size_t i = 0; i < s.n; i++)
        p[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] + 32) : p[i];
    return (str){p, s.n};
}

bool strings_have(const struct json *list, const char *s)
{
    JSON_EACH(v, list)
        if (str_is(json_str(v), s))
            return true;
    return false;
}

struct json go_struct(struct arena *a, const struct json *v, const struct go_member *members)
{
    struct json o = json_object();

    for (; members->name; members++) {
        const struct json *m = field(v, members->field);
        struct json zero = members->zero == 's'   ? json_z("")
                           : members->zero == 'i' ? json_int(0)
                           : members->zero == 'b' ? json_bool(false)
                                                  : json_null();

        json_setz(a, &o, members->name, m ? *m : zero);
    }
    return o;
}
