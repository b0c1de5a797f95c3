/* check.c - places, complaints, and the forms of names. */
#include "api/validation/check.h"

#include "api/api_internal.h" /* buf_quoted() */
#include "api/validation/go_form.h"

#define LABEL_MAX 63
#define SUBDOMAIN_MAX 253
#define LABEL_FORM                                                                                 \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric "                                                     \
    "character (e.g. 'my-name',  or '123-abc', regex used for validation is "                      \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define SUBDOMAIN_FORM                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an "                                                         \
    "alphanumeric character (e.g. 'example.com', regex used for validation is "                    \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define LABEL1035_FORM                                                                             \
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "   \
    "alphabetic character, and end with an "                                                       \
    "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "         \
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
#define NAME_PART_FORM                                                                             \
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "  \
    "with an alphanumeric character (e.g. "                                                        \
    "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "                        \
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define LABEL_VALUE_FORM                                                                           \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start and end with an "                                                         \
    "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "         \
    "validation is "                                                                               \
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
#define CONFIG_KEY_FORM                                                                            \
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "           \
    "'key.name',  or 'KEY_NAME',  or 'key-name', "                                                 \
    "regex used for validation is '[-._a-zA-Z0-9]+')"

/* ---- places and complaints ---- */

void buf_place(struct buf *b, const struct at *at)
{
    if (at->up)
        buf_place(b, at->up);
    if (at->name) {
        if (b->n)
            buf_char(b, '.');
        buf_z(b, at->name);
    } else if (at->key.p) {
        buf_fmt(b, "[" PRI_STR "]", STR_ARG(at->key));
    } else {
        buf_fmt(b, "[%lld]", (long long)at->index);
    }
}

static void complain(struct check *c, const char *reason, const struct at *at, str message)
{
    CLEANUP(buf) struct buf path = BUF_INIT;

    buf_place(&path, at);
    if (!*c->errs)
        *c->errs = err_new(REASON_INVALID, "%s", "");
    err_cause_add(*c->errs, reason, buf_view(&path), message);
}

/* Is there so much to complain of already that nobody reads the text of one more? Then it is only counted: a value may be as
 * large as an object, and each of its items may be wrong. */
static bool is_full(const struct check *c)
{
    if (!*c->errs || !err_is_full(*c->errs))
        return false;
    (*c->errs)->n_causes_left_out++;
    return true;
}

/* Go's %q for strings, %v for numbers, JSON for the rest. */
/* Strings as Go's %q, all else as JSON. */
static void value_text(struct buf *b, const struct json *v)
{
    if (v->type == JSON_STRING)
        buf_quoted(b, v->s);
    else
        json_encode(b, v);
}

unsigned check_count(const struct check *c)
{
    return *c->errs ? (*c->errs)->n_causes : 0;
}

struct json go_value(struct check *c, const char *type, const struct json *v)
{
    return v ? go_form(c->a, type, v) : json_null();
}

struct json go_values(struct check *c, const char *type, const struct json *list)
{
    struct json out = json_array();

    if (*c->errs && err_is_full(*c->errs)) /* its text is not made */
        return out;
    JSON_EACH(v, list)
        json_append(c->a, &out, go_form(c->a, type, v));
    return out.n ? out : json_null();
}

void bad_required(struct check *c, const struct at *at, const char *detail)
{
    complain(c, "FieldValueRequired", at,
             *detail ? arena_fmt(c->a, "Required value: %s", detail) : S("Required value"));
}

void bad_invalid(struct check *c, const struct at *at, struct json value, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    if (is_full(c))
        return;
    buf_z(&b, "Invalid value: ");
    value_text(&b, &value);
    buf_z(&b, ": ");
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    complain(c, "FieldValueInvalid", at, buf_view(&b));
}

void bad_invalid_text(struct check *c, const struct at *at, str value, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    if (is_full(c))
        return;
    buf_fmt(&b, "Invalid value: " PRI_STR ": ", STR_ARG(value));
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    complain(c, "FieldValueInvalid", at, buf_view(&b));
}

void bad_invalid_omitted(struct check *c, const struct at *at, str detail)
{
    complain(c, "FieldValueInvalid", at,
             arena_fmt(c->a, "Invalid value: " PRI_STR, STR_ARG(detail)));
}

void bad_forbidden(struct check *c, const struct at *at, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    if (is_full(c))
        return;
    buf_z(&b, "Forbidden: ");
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    complain(c, "FieldValueForbidden", at, buf_view(&b));
}

static void with_value(struct check *c, const char *reason, const char *what, const struct at *at,
                       const struct json *value, const char *detail)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (is_full(c))
        return;
    buf_fmt(&b, "%s: ", what);
    value_text(&b, value);
    if (*detail)
        buf_fmt(&b, ": %s", detail);
    complain(c, reason, at, buf_view(&b));
}

void bad_duplicate(struct check *c, const struct at *at, struct json value, const char *detail)
{
    with_value(c, "FieldValueDuplicate", "Duplicate value", at, &value, detail);
}

void bad_not_found(struct check *c, const struct at *at, struct json value, const char *detail)
{
    with_value(c, "FieldValueNotFound", "Not found", at, &value, detail);
}

void bad_too_long(struct check *c, const struct at *at, int64_t max_bytes)
{
    complain(c, "FieldValueTooLong", at,
             arena_fmt(c->a, "Too long: may not be more than %lld bytes", (long long)max_bytes));
}

void bad_too_many(struct check *c, const struct at *at, uint32_t got, uint32_t max)
{
    complain(c, "FieldValueTooMany", at,
             arena_fmt(c->a, "Too many: %u: must have at most %u items", got, max));
}

void bad_unsupported(struct check *c, const struct at *at, struct json value,
                     const char *const *supported)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (is_full(c))
        return;
    buf_z(&b, "Unsupported value: ");
    value_text(&b, &value);
    buf_z(&b, ": supported values: ");
    for (size_t i = 0; supported[i]; i++) {
        buf_z(&b, i ? ", " : "");
        buf_quoted(&b, str_of(supported[i]));
    }
    complain(c, "FieldValueNotSupported", at, buf_view(&b));
}

/* ---- forms of names ---- */

static bool is_lower_alnum(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
}

static bool is_alnum(char ch)
{
    return is_lower_alnum(ch) || (ch >= 'A' && ch <= 'Z');
}

static bool is_label(str s)
{
    if (s.n == 0 || !is_lower_alnum(s.p[0]) || !is_lower_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_lower_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(str s)
{
    str part;

    if (s.n == 0 || s.p[s.n - 1] == '.')
        return false;
    while (str_cut(&s, '.', &part))
        if (!is_label(part))
            return false;
    return true;
}

static bool is_name_part(str s)
{
    if (s.n == 0 || !is_alnum(s.p[0]) || !is_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !strchr("-_.", s.p[i]))
            return false;
    return true;
}

const char *not_dns_label(str s)
{
    if (is_label(s))
        return NULL;
    return is_subdomain(s) ? "must not contain dots" : LABEL_FORM;
}

const char *not_dns_subdomain(str s)
{
    return is_subdomain(s) ? NULL : SUBDOMAIN_FORM;
}

const char *not_dns1035_label(str s)
{
    return is_label(s) && s.p[0] >= 'a' ? NULL : LABEL1035_FORM;
}

const char *not_label_value(str s)
{
    return s.n == 0 || is_name_part(s) ? NULL : LABEL_VALUE_FORM;
}

const char *not_config_map_key(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !strchr("-_.", s.p[i]))
            return CONFIG_KEY_FORM;
    return s.n ? NULL : CONFIG_KEY_FORM;
}

const char *not_env_name(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '=')
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
    return NULL;
}

bool one_of(str s, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (str_is(s, list[i]))
            return true;
    return false;
}

static void say(struct check *c, const struct at *at, str s, const char *text)
{
    if (text)
        bad_invalid(c, at, json_string(s), "%s", text);
}

void check_dns_label(struct check *c, const struct at *at, str s)
{
    if (s.n > LABEL_MAX)
        bad_invalid(c, at, json_string(s), "must be no more than %d characters", LABEL_MAX);
    say(c, at, s, not_dns_label(s));
}

void check_dns1035_label(struct check *c, const struct at *at, str s)
{
    if (s.n > LABEL_MAX)
        bad_invalid(c, at, json_string(s), "must be no more than %d characters", LABEL_MAX);
    say(c, at, s, not_dns1035_label(s));
}

void check_dns_subdomain(struct check *c, const struct at *at, str s)
{
    if (s.n > SUBDOMAIN_MAX)
        bad_invalid(c, at, json_string(s), "must be no more than %d characters", SUBDOMAIN_MAX);
    say(c, at, s, not_dns_subdomain(s));
}

void check_object_name(struct check *c, const struct at *at, str s)
{
    check_dns_subdomain(c, at, s);
}

/* A name that something will follow may end in '-': that is looked at as if a letter followed. */
void check_object_prefix(struct check *c, const struct at *at, str s)
{
    str masked = s;

    while (masked.n > 1 && masked.p[masked.n - 1] == '-')
        masked.n--;
    if (s.n > SUBDOMAIN_MAX)
        bad_invalid(c, at, json_string(s), "must be no more than %d characters", SUBDOMAIN_MAX);
    say(c, at, s, not_dns_subdomain(masked));
}

/* Search domains may have underscores. */
void check_dns_search(struct check *c, const struct at *at, str s)
{
    str rest = s, part;
    bool ok = s.n > 0;

    if (s.n > SUBDOMAIN_MAX)
        bad_invalid(c, at, json_string(s), "must be no more than %d characters", SUBDOMAIN_MAX);
    while (ok && str_cut(&rest, '.', &part)) {
        if (part.n && part.p[0] == '_')
            part = str_skip(part, 1);
        ok = part.n && is_lower_alnum(part.p[0]) && is_lower_alnum(part.p[part.n - 1]);
        for (size_t i = 0; ok && i < part.n; i++)
            ok = is_lower_alnum(part.p[i]) || part.p[i] == '-' || part.p[i] == '_';
    }
    if (!ok)
        bad_invalid(
            c, at, json_string(s),
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'_', '-' or '.', and must start and end with an alphanumeric character (e.g. "
            "'example.com', regex used for validation is "
            "'_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')");
}

void check_config_key(struct check *c, const struct at *at, str s)
{
    if (s.n > SUBDOMAIN_MAX)
        bad_invalid(c, at, json_string(s), "must be no more than %d characters", SUBDOMAIN_MAX);
    say(c, at, s, not_config_map_key(s));
    if (str_is(s, "."))
        bad_invalid(c, at, json_string(s), "must not be '.'");
    else if (str_is(s, ".."))
        bad_invalid(c, at, json_string(s), "must not be '..'");
    else if (str_has_prefix(s, S("..")))
        bad_invalid(c, at, json_string(s), "must not start with '..'");
}

/* ---- paths inside volumes and images ---- */

bool check_no_backsteps(struct check *c, const struct at *at, str path)
{
    str rest = path, part;

    while (str_cut(&rest, '/', &part))
        if (str_is(part, "..")) {
            bad_invalid(c, at, json_string(path), "must not contain '..'");
            return false;
        }
    return true;
}

void check_local_path(struct check *c, const struct at *at, str path)
{
    if (path.n && path.p[0] == '/')
        bad_invalid(c, at, json_string(path), "must be a relative path");
    check_no_backsteps(c, at, path);
}

void check_local_free_path(struct check *c, const struct at *at, str path)
{
    check_local_path(c, at, path);
    if (str_has_prefix(path, S("..")) && !str_has_prefix(path, S("../")))
        bad_invalid(c, at, json_string(path), "must not start with '..'");
}

/* shown: what the complaint is about; s: what is looked at. */
static void check_label_key(struct check *c, const struct at *at, str shown, str s)
{
    str name = s, prefix = STR_NONE;
    ptrdiff_t slash = str_index(s, '/');

    if (slash >= 0) {
        prefix = str_slice(s, 0, (size_t)slash);
        name = str_skip(s, (size_t)slash + 1);
        if (str_has_char(name, '/')) {
            bad_invalid(c, at, json_string(shown),
                        "a valid label key must consist of alphanumeric characters, '-', '_' or "
                        "'.', and must start and end with an alphanumeric character (e.g. "
                        "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS "
                        "subdomain prefix and '/' (e.g. 'example.com/MyName')");
            return;
        }
        if (prefix.n == 0)
            bad_invalid(c, at, json_string(shown), "prefix part must be non-empty");
        else {
            if (prefix.n > SUBDOMAIN_MAX)
                bad_invalid(c, at, json_string(shown),
                            "prefix part must be no more than %d characters", SUBDOMAIN_MAX);
            if (not_dns_subdomain(prefix))
                bad_invalid(c, at, json_string(shown), "prefix part %s", not_dns_subdomain(prefix));
        }
    }
    if (name.n == 0)
        bad_invalid(c, at, json_string(shown), "name part must be non-empty");
    else if (name.n > LABEL_MAX)
        bad_invalid(c, at, json_string(shown), "name part must be no more than %d bytes",
                    LABEL_MAX);
    if (!is_name_part(name))
        bad_invalid(c, at, json_string(shown), "%s", NAME_PART_FORM);
}

void check_qualified_name(struct check *c, const struct at *at, str s)
{
    check_label_key(c, at, s, s);
}

static void check_key_in_any_case(struct check *c, const struct at *at, str s)
{
    char *p = arena_dupz(c->a, s);

    for (size_t i = 0; i < s.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + 'a' - 'A');
    check_label_key(c, at, s, (str){p, s.n});
}

void check_label_value(struct check *c, const struct at *at, str s)
{
    if (s.n > LABEL_MAX)
        bad_invalid(c, at, json_string(s), "must be no more than %d bytes", LABEL_MAX);
    say(c, at, s, not_label_value(s));
}

void check_port_name(struct check *c, const struct at *at, str s)
{
    bool letter = false, clean = s.n > 0;

    if (s.n > 15)
        bad_invalid(c, at, json_string(s), "must be no more than 15 characters");
    for (size_t i = 0; i < s.n; i++) {
        clean &= is_lower_alnum(s.p[i]) || s.p[i] == '-';
        letter |= s.p[i] >= 'a' && s.p[i] <= 'z';
    }
    if (!clean)
        bad_invalid(c, at, json_string(s),
                    "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    if (!letter)
        bad_invalid(c, at, json_string(s), "must contain at least one letter (a-z)");
    if (str_find(s, S("--")) >= 0)
        bad_invalid(c, at, json_string(s), "must not contain consecutive hyphens");
    if (s.n && (s.p[0] == '-' || s.p[s.n - 1] == '-'))
        bad_invalid(c, at, json_string(s), "must not begin or end with a hyphen");
}

bool check_port(struct check *c, const struct at *at, int64_t port)
{
    if (port >= 1 && port <= 65535)
        return true;
    bad_invalid(c, at, json_int(port), "must be between 1 and 65535, inclusive");
    return false;
}

void check_port_or_name(struct check *c, const struct at *at, const struct json *v)
{
    if (json_is(v, JSON_STRING))
        check_port_name(c, at, v->s);
    else
        check_port(c, at, json_is(v, JSON_INT) ? v->i : 0);
}

void check_domain_path(struct check *c, const struct at *at, str s)
{
    str path = s, domain;

    if (s.n == 0) {
        bad_required(c, at, "");
        return;
    }
    str_cut(&path, '/', &domain);
    if (!path.p || path.n == 0 || domain.n == 0) {
        bad_invalid(c, at, json_string(s),
                    "must be a domain-prefixed path (such as \"acme.io/foo\")");
        return;
    }
    say(c, at, domain, not_dns_subdomain(domain));
    for (size_t i = 0; i < path.n; i++)
        if (!is_alnum(path.p[i]) && !strchr("/-._~%!$&'()*+,;=:", path.p[i])) {
            bad_invalid(
                c, at, json_string(path),
                "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%%!$&'()*+,;=:]+')");
            return;
        }
}

/* ---- common pieces ---- */

void check_enum(struct check *c, const struct at *at, const struct json *v,
                const char *const *supported)
{
    if (!v)
        return;
    for (size_t i = 0; supported[i]; i++)
        if (str_is(json_str(v), supported[i]))
            return;
    bad_unsupported(c, at, *v, supported);
}

void check_required_enum(struct check *c, const struct at *at, const struct json *v,
                         const char *const *supported)
{
    if (!json_str(v).n)
        bad_required(c, at, "");
    else
        check_enum(c, at, v, supported);
}

void check_not_negative_quantity(struct check *c, const struct at *at, str text)
{
    struct quantity q;

    if (quantity_parse(text, &q) && q.nano < 0)
        bad_invalid(c, at, json_string(text), "must be greater than or equal to 0");
}

bool check_positive_quantity(struct check *c, const struct at *at, str text)
{
    struct quantity q;

    if (!quantity_parse(text, &q) || q.nano > 0)
        return true;
    bad_invalid(c, at, json_string(text), "must be greater than zero");
    return false;
}

void check_id(struct check *c, const struct at *at, const struct json *v)
{
    if (json_is(v, JSON_INT) && (v->i < 0 || v->i > INT32_MAX))
        bad_invalid(c, at, *v, "must be between 0 and 2147483647, inclusive");
}

void check_not_negative(struct check *c, const struct at *at, const struct json *v)
{
    if (json_is(v, JSON_INT) && v->i < 0)
        bad_invalid(c, at, *v, "must be greater than or equal to 0");
}

void check_immutable(struct check *c, const struct at *at, const struct json *now,
                     const struct json *old)
{
    static const struct json null = {.type = JSON_NULL};

    if (!json_equal(now ? now : &null, old ? old : &null))
        bad_invalid(c, at, sorted_copy(c->a, now), "field is immutable");
}

void check_immutable_struct(struct check *c, const struct at *at, const char *type,
                            const struct json *now, const struct json *old)
{
    static const struct json null = {.type = JSON_NULL};

    if (!json_equal(now ? now : &null, old ? old : &null))
        bad_invalid(c, at, go_value(c, type, now), "field is immutable");
}

void check_labels(struct check *c, const struct at *at, const struct json *labels)
{
    JSON_EACH_MEMBER(m, labels) {
        check_qualified_name(c, at, m->key);
        check_label_value(c, at, json_str(&m->value));
    }
}

#define ANNOTATIONS_MAX (256 * 1024)

/* Keys may be in capitals, unlike those of labels. */
void check_annotations(struct check *c, const struct at *at, const struct json *annotations)
{
    size_t size = 0;

    JSON_EACH_MEMBER(m, annotations) {
        check_key_in_any_case(c, at, m->key);
        size += m->key.n + json_str(&m->value).n;
    }
    if (size > ANNOTATIONS_MAX)
        bad_too_long(c, at, ANNOTATIONS_MAX);
}

void check_label_selector(struct check *c, const struct at *at, const struct json *selector)
{
    int64_t i = 0;

    check_labels(c, AT(at, "matchLabels"), field(selector, "matchLabels"));
    JSON_EACH(e, field(selector, "matchExpressions")) {
        const struct at *here = AT_INDEX(AT(at, "matchExpressions"), i++);
        str op = json_get_str(e, "operator");
        uint32_t n = json_count(field(e, "values"));

        if (str_is(op, "In") || str_is(op, "NotIn")) {
            if (n == 0)
                bad_required(c, AT(here, "values"),
                             "must be specified when `operator` is 'In' or 'NotIn'");
        } else if (str_is(op, "Exists") || str_is(op, "DoesNotExist")) {
            if (n)
                bad_forbidden(c, AT(here, "values"),
                              "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        } else {
            bad_invalid(c, AT(here, "operator"), json_string(op), "not a valid selector operator");
        }
        check_qualified_name(c, AT(here, "key"), json_get_str(e, "key"));
        {
            int64_t v = 0;

            JSON_EACH(value, field(e, "values"))
                check_label_value(c, AT_INDEX(AT(here, "values"), v++), json_str(value));
        }
    }
}

void check_int_or_percent(struct check *c, const struct at *at, const struct json *v)
{
    if (json_is(v, JSON_INT)) {
        check_not_negative(c, at, v);
    } else if (json_is(v, JSON_STRING)) {
        bool ok = v->s.n > 1 && v->s.p[v->s.n - 1] == '%';

        for (size_t i = 0; i + 1 < v->s.n; i++)
            ok &= v->s.p[i] >= '0' && v->s.p[i] <= '9';
        if (!ok)
            bad_invalid(c, at, *v,
                        "a valid percent string must be a numeric string followed by an ending "
                        "'%%' (e.g. '1%%',  or '93%%', regex used for validation is '[0-9]+%%')");
    }
}

struct json sorted_copy(struct arena *a, const struct json *v)
{
    struct json copy;

    if (!v)
        return json_null();
    copy = json_share(a, v);
    json_sort_keys(&copy);
    return copy;
}

struct json selector_copy(struct arena *a, const struct json *selector)
{
    struct json copy, *labels;

    if (!selector)
        return json_null();
    copy = json_share(a, selector);
    labels = json_findz(&copy, "matchLabels");
    if (labels)
        json_sort_keys(labels);
    return copy;
}
