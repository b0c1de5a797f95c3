/* webhooks.c - rules of webhook configurations and APIServices: whom the server calls, and how.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/admissionregistration/validation, k8s.io/apiserver/pkg/util/webhook,
 * k8s.io/kube-aggregator/pkg/apis/apiregistration/validation; URLs: Go's net/url. */
#include "api/dynamic/dynamic.h"
#include "api/validation/policy.h"
#include "api/validation/rules.h"
#include "api/validation/validation.h"

#define TIMEOUT_MAX_S 30
#define SEGMENTS_MIN 3
#define URL_FORM "; desired format: https://host[/path]"

/* ---- addresses ---- */

struct url {
    str scheme, user, host, query, fragment;
    bool has_user;
};

/* The scheme, if any; false: a ':' where there can be no scheme. */
static bool url_scheme(str s, str *ret_scheme, str *ret_rest)
{
    *ret_scheme = S("");
    *ret_rest = s;
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');

        if (letter || (i && ((ch >= '0' && ch <= '9') || strchr("+-.", ch))))
            continue;
        if (ch != ':')
            return true;
        if (i == 0)
            return false;
        *ret_scheme = str_slice(s, 0, i);
        *ret_rest = str_skip(s, i + 1);
        return true;
    }
    return true;
}

static bool is_port(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

/* NULL and the parts, or what net/url says. */
static const char *url_parse(struct arena *a, str text, struct url *ret)
{
    str rest, authority;
    ptrdiff_t mark;
    size_t end;

    *ret = (struct url){.scheme = S("")};
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return "net/url: invalid control character in URL";
    mark = str_index(text, '#');
    if (mark >= 0) {
        ret->fragment = str_skip(text, (size_t)mark + 1);
        text = str_slice(text, 0, (size_t)mark);
    }
    if (!url_scheme(text, &ret->scheme, &rest))
        return "missing protocol scheme";
    mark = str_index(rest, '?');
    if (mark >= 0) {
        ret->query = str_skip(rest, (size_t)mark + 1);
        rest = str_slice(rest, 0, (size_t)mark);
    }
    if (rest.n == 0 || rest.p[0] != '/') {
        ptrdiff_t slash = str_index(rest, '/'), colon = str_index(rest, ':');

        if (ret->scheme.n == 0 && colon >= 0 && (slash < 0 || colon < slash))
            return "first path segment in URL cannot contain colon";
        return NULL;
    }
    if (!str_has_prefix(rest, S("//")))
        return NULL;
    rest = str_skip(rest, 2);
    for (end = 0; end < rest.n && rest.p[end] != '/'; end++)
        ;
    authority = str_slice(rest, 0, end);
    mark = str_rindex(authority, '@');
    if (mark >= 0) {
        ret->user = str_slice(authority, 0, (size_t)mark);
        ret->has_user = true;
        authority = str_skip(authority, (size_t)mark + 1);
    }
    if (str_has_char(authority, ' '))
        return "invalid character \" \" in host name";
    mark = str_rindex(authority, ':');
    if (mark >= 0 && !str_has_char(str_skip(authority, (size_t)mark), ']') &&
        !is_port(str_skip(authority, (size_t)mark + 1)))
        return arena_fmt(a, "invalid port \"" PRI_STR "\" after host",
                         STR_ARG(str_skip(authority, (size_t)mark)))
            .p;
    ret->host = authority;
    return NULL;
}

static void check_url(struct check *c, const struct at *at, str text)
{
    struct url u;
    const char *wrong = url_parse(c->a, text, &u);

    if (wrong) {
        bad_required(c, at,
                     arena_fmt(c->a, "url must be a valid URL: parse \"" PRI_STR "\": %s%s",
                               STR_ARG(text), wrong, URL_FORM)
                         .p);
        return;
    }
    if (!str_eq_nocase(u.scheme, S("https")))
        bad_string(c, at, lower_copy(c->a, u.scheme),
                   "'https' is the only allowed URL scheme" URL_FORM);
    if (u.host.n == 0)
        bad_string(c, at, S(""), "host must be specified" URL_FORM);
    if (u.has_user)
        bad_string(c, at, u.user, "user information is not permitted in the URL");
    if (u.fragment.n)
        bad_string(c, at, u.fragment, "fragments are not permitted in the URL");
    if (u.query.n)
        bad_string(c, at, u.query, "query parameters are not permitted in the URL");
}

static void check_service_path(struct check *c, const struct at *at, str path)
{
    str rest, step;
    int i = 0;

    if (path.n == 0 || str_is(path, "/"))
        return;
    if (str_is(path, "//")) {
        bad_string(c, at, path, "segment[0] may not be empty");
        return;
    }
    if (path.p[0] != '/')
        bad_string(c, at, path, "must start with a '/'");
    rest = str_skip(path, 1);
    if (rest.n && rest.p[rest.n - 1] == '/')
        rest = str_slice(rest, 0, rest.n - 1);
    for (; str_cut(&rest, '/', &step); i++) {
        if (step.n == 0) {
            bad_invalid(c, at, json_string(path), "segment[%d] may not be empty", i);
            continue;
        }
        if (step.n > 253)
            bad_invalid(c, at, json_string(path),
                        "segment[%d]: must be no more than 253 characters", i);
        if (not_dns_subdomain(step))
            bad_invalid(c, at, json_string(path), "segment[%d]: %s", i, not_dns_subdomain(step));
    }
}

static void check_service_port(struct check *c, const struct at *at, const struct json *service)
{
    int64_t port = json_get_int(service, "port", 0);

    if (port < 1 || port > 65535)
        bad_invalid(c, AT(at, "port"), json_int(port),
                    "port is not valid: must be between 1 and 65535, inclusive");
}

void check_client_config(struct check *c, const struct at *at, const struct json *config)
{
    const struct json *url = field(config, "url"), *service = field(config, "service");
    const struct at *here = AT(at, "service");

    if (!url == !service) {
        bad_required(c, at, "exactly one of url or service is required");
        return;
    }
    if (url) {
        check_url(c, AT(at, "url"), json_str(url));
        return;
    }
    if (json_get_str(service, "name").n == 0)
        bad_required(c, AT(here, "name"), "");
    if (json_get_str(service, "namespace").n == 0)
        bad_required(c, AT(here, "namespace"), "");
    check_service_port(c, here, service);
    check_service_path(c, AT(here, "path"), json_get_str(service, "path"));
}

/* ---- webhooks ---- */

static void check_hook_name(struct check *c, const struct at *at, str name)
{
    CLEANUP(buf) struct buf wrong = BUF_INIT;
    str rest = name, part;
    size_t n = 0;

    if (name.n == 0) {
        bad_required(c, at, "");
        return;
    }
    if (name.n > 253)
        buf_z(&wrong, "must be no more than 253 characters");
    if (not_dns_subdomain(name))
        buf_fmt(&wrong, "%s%s", wrong.n ? "," : "", not_dns_subdomain(name));
    if (wrong.n) {
        bad_invalid(c, at, json_string(name), PRI_STR, STR_ARG(buf_view(&wrong)));
        return;
    }
    while (str_cut(&rest, '.', &part))
        n++;
    if (n < SEGMENTS_MIN)
        bad_string(c, at, name,
                   "should be a domain with at least three segments separated by dots");
}

static void check_review_versions(struct check *c, const struct at *at, const struct json *versions)
{
    bool accepted = false;
    struct map seen;
    int64_t i = 0;

    if (!json_count(versions)) {
        bad_required(c, at, "must specify one of v1, v1beta1");
        return;
    }
    map_init(&seen);
    JSON_EACH(v, versions) {
        const struct at *here = AT_INDEX(at, i++);

        if (map_put(&seen, json_str(v), &seen)) {
            bad_invalid(c, here, *v, "duplicate version");
            continue;
        }
        check_dns1035_label(c, here, json_str(v));
        accepted |= str_is(json_str(v), "v1") || str_is(json_str(v), "v1beta1");
    }
    map_fini(&seen);
    if (!accepted)
        bad_invalid(c, at, *versions, "must include at least one of v1, v1beta1");
}

static void check_conditions_of(struct check *c, const struct at *at, const struct json *conditions)
{
    struct cel_env *env;

    if (!json_count(conditions))
        return;
    env = dynamic_env_new(CEL_RULES, false);
    check_match_conditions(c, at, conditions, env);
    cel_env_free(env);
}

static void check_hook(struct check *c, const struct at *at, const struct json *h)
{
    static const char *const failures[] = {"Fail", "Ignore", NULL};
    static const char *const matches[] = {"Equivalent", "Exact", NULL};
    static const char *const effects[] = {"None", "NoneOnDryRun", NULL};
    static const char *const reinvocations[] = {"IfNeeded", "Never", NULL};
    const struct json *timeout = field(h, "timeoutSeconds");
    int64_t i = 0;

    check_hook_name(c, AT(at, "name"), json_get_str(h, "name"));
    JSON_EACH(rule, field(h, "rules"))
        check_admission_rule(c, AT_INDEX(AT(at, "rules"), i++), rule);
    check_enum(c, AT(at, "failurePolicy"), field(h, "failurePolicy"), failures);
    check_enum(c, AT(at, "matchPolicy"), field(h, "matchPolicy"), matches);
    if (field(h, "sideEffects"))
        check_enum(c, AT(at, "sideEffects"), field(h, "sideEffects"), effects);
    else
        bad_required(c, AT(at, "sideEffects"), "must specify one of None, NoneOnDryRun");
    if (timeout && (timeout->i < 1 || timeout->i > TIMEOUT_MAX_S))
        bad_invalid(c, AT(at, "timeoutSeconds"), *timeout,
                    "the timeout value must be between 1 and %d seconds", TIMEOUT_MAX_S);
    check_label_selector(c, AT(at, "namespaceSelector"), field(h, "namespaceSelector"));
    check_label_selector(c, AT(at, "objectSelector"), field(h, "objectSelector"));
    check_enum(c, AT(at, "reinvocationPolicy"), field(h, "reinvocationPolicy"), reinvocations);
    check_client_config(c, AT(at, "clientConfig"), field(h, "clientConfig"));
    check_conditions_of(c, AT(at, "matchConditions"), field(h, "matchConditions"));
}

void validate_webhookconfiguration(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    struct map names;
    int64_t i = 0;

    map_init(&names);
    JSON_EACH(h, field(w->obj, "webhooks")) {
        const struct at *here = AT_INDEX(AT(NULL, "webhooks"), i++);
        str name = json_get_str(h, "name");

        check_hook(c, here, h);
        check_review_versions(c, AT(here, "admissionReviewVersions"),
                              field(h, "admissionReviewVersions"));
        if (name.n && map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
    }
    map_fini(&names);
}

/* ---- aggregation ---- */

#define GROUP_PRIORITY_MAX 20000
#define VERSION_PRIORITY_MAX 1000

static void check_api_status(struct check *c, const struct json *obj)
{
    static const char *const statuses[] = {"False", "True", "Unknown", NULL};
    int64_t i = 0;

    JSON_EACH(v, field_at(obj, "status.conditions"))
        check_enum(c, AT(AT_INDEX(AT(AT(NULL, "status"), "conditions"), i++), "status"),
                   field(v, "status"), statuses);
}

void validate_apiservice(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *service = field(spec, "service"),
                      *bundle = field(spec, "caBundle");
    const struct at *at = AT(NULL, "spec"), *service_at = AT(at, "service");
    str group = json_get_str(spec, "group"), version = json_get_str(spec, "version"),
        name = json_get_str(w->obj, "metadata.name");
    str wanted = arena_fmt(c->a, PRI_STR "." PRI_STR, STR_ARG(version), STR_ARG(group));
    int64_t minimum = json_get_int(spec, "groupPriorityMinimum", 0),
            priority = json_get_int(spec, "versionPriority", 0);
    bool insecure = json_get_bool(spec, "insecureSkipTLSVerify", false);

    if (str_is(w->subresource, "status")) {
        check_api_status(c, w->obj);
        return;
    }
    if (!str_eq(name, wanted))
        bad_invalid(c, AT(AT(NULL, "metadata"), "name"), json_string(name),
                    "must be `spec.version+\".\"+spec.group`: \"" PRI_STR "\"", STR_ARG(wanted));
    if (group.n)
        check_dns_subdomain(c, AT(at, "group"), group);
    else if (!str_is(version, "v1"))
        bad_required(c, AT(at, "group"),
                     "only v1 may have an empty group and it better be legacy kube");
    check_dns1035_label(c, AT(at, "version"), version);
    if (minimum <= 0 || minimum > GROUP_PRIORITY_MAX)
        bad_invalid(c, AT(at, "groupPriorityMinimum"), json_int(minimum),
                    "must be positive and less than %d", GROUP_PRIORITY_MAX);
    if (priority <= 0 || priority > VERSION_PRIORITY_MAX)
        bad_invalid(c, AT(at, "versionPriority"), json_int(priority),
                    "must be positive and less than %d", VERSION_PRIORITY_MAX);
    if (!service) {
        str decoded = STR_NONE;

        if (json_str(bundle).n && base64_decode(c->a, json_str(bundle), &decoded))
            bad_invalid(c, AT(at, "caBundle"), json_string(arena_fmt(c->a, "%zu bytes", decoded.n)),
                        "local APIServices may not have a caBundle");
        if (insecure)
            bad_invalid(c, AT(at, "insecureSkipTLSVerify"), json_bool(true),
                        "local APIServices may not have insecureSkipTLSVerify");
        return;
    }
    if (json_get_str(service, "namespace").n == 0)
        bad_required(c, AT(service_at, "namespace"), "");
    if (json_get_str(service, "name").n == 0)
        bad_required(c, AT(service_at, "name"), "");
    if (field(service, "port"))
        check_service_port(c, service_at, service);
    if (insecure && json_str(bundle).n)
        bad_invalid(c, AT(at, "insecureSkipTLSVerify"), json_bool(true),
                    "may not be true if caBundle is present");
}
