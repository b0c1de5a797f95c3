/* extension.c - rules of what extends or guards the API: webhook configurations, APIServices, flow control.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/{admissionregistration,certificates,flowcontrol}/validation, kube-aggregator. CEL
 * expressions are not compiled here. */
#include "api/validation/policy.h"
#include "api/validation/validation.h"

/* ---- webhooks ---- */

static bool strings_have(const struct json *list, const char *s)
{
    JSON_EACH(v, list)
        if (str_is(json_str(v), s))
            return true;
    return false;
}

static void check_webhook_url(struct check *c, const struct at *at, str url)
{
    str rest = url, scheme, authority;
    ptrdiff_t colon = str_find(url, S("://")), end, mark;

    if (colon < 0) {
        bad_required(c, at, "url must be a valid URL: desired format: https://host[/path]");
        return;
    }
    scheme = str_slice(url, 0, (size_t)colon);
    rest = str_skip(url, (size_t)colon + 3);
    if (!str_is(scheme, "https"))
        bad_invalid(c, at, json_string(scheme),
                    "'https' is the only allowed URL scheme; desired format: https://host[/path]");
    for (end = 0; (size_t)end < rest.n && !strchr("/?#", rest.p[end]); end++)
        ;
    authority = str_slice(rest, 0, (size_t)end);
    mark = str_index(authority, '@');
    if (authority.n == 0)
        bad_invalid(c, at, json_z(""),
                    "host must be specified; desired format: https://host[/path]");
    if (mark >= 0)
        bad_invalid(c, at, json_string(str_slice(authority, 0, (size_t)mark)),
                    "user information is not permitted in the URL");
    rest = str_skip(rest, (size_t)end);
    mark = str_index(rest, '#');
    if (mark >= 0) {
        bad_invalid(c, at, json_string(str_skip(rest, (size_t)mark + 1)),
                    "fragments are not permitted in the URL");
        rest = str_slice(rest, 0, (size_t)mark);
    }
    mark = str_index(rest, '?');
    if (mark >= 0)
        bad_invalid(c, at, json_string(str_skip(rest, (size_t)mark + 1)),
                    "query parameters are not permitted in the URL");
}

void check_client_config(struct check *c, const struct at *at, const struct json *config)
{
    const struct json *url = field(config, "url"), *service = field(config, "service");

    if (!url == !service) {
        bad_required(c, at, "exactly one of url or service is required");
        return;
    }
    if (url) {
        check_webhook_url(c, AT(at, "url"), json_str(url));
        return;
    }
    if (json_get_str(service, "name").n == 0)
        bad_required(c, AT(AT(at, "service"), "name"), "");
    if (json_get_str(service, "namespace").n == 0)
        bad_required(c, AT(AT(at, "service"), "namespace"), "");
    if (field(service, "port"))
        check_port(c, AT(AT(at, "service"), "port"), json_get_int(service, "port", 0));
}

void validate_webhookconfiguration(struct write *w, struct err **errs)
{
    static const char *const effects[] = {"None", "NoneOnDryRun", NULL};
    static const char *const failures[] = {"Fail", "Ignore", NULL};
    static const char *const matches[] = {"Equivalent", "Exact", NULL};
    struct check *c = &(struct check){w->a, errs};
    struct map names;
    int64_t i = 0;

    map_init(&names);
    JSON_EACH(h, field(w->obj, "webhooks")) {
        const struct at *here = AT_INDEX(AT(NULL, "webhooks"), i++);
        const struct json *versions = field(h, "admissionReviewVersions"),
                          *timeout = field(h, "timeoutSeconds");
        str name = json_get_str(h, "name"), rest = name, part;
        size_t n_parts = 0;
        int64_t k = 0;

        while (str_cut(&rest, '.', &part))
            n_parts++;
        if (name.n == 0)
            bad_required(c, AT(here, "name"), "");
        else if (not_dns_subdomain(name))
            check_dns_subdomain(c, AT(here, "name"), name);
        else if (n_parts < 3)
            bad_invalid(c, AT(here, "name"), json_string(name),
                        "should be a domain with at least three segments separated by dots");
        if (name.n && map_put(&names, name, &names))
            bad_duplicate(c, AT(here, "name"), json_string(name), "");
        JSON_EACH(rule, field(h, "rules"))
            check_admission_rule(c, AT_INDEX(AT(here, "rules"), k++), rule);
        check_enum(c, AT(here, "failurePolicy"), field(h, "failurePolicy"), failures);
        check_enum(c, AT(here, "matchPolicy"), field(h, "matchPolicy"), matches);
        if (!field(h, "sideEffects"))
            bad_required(c, AT(here, "sideEffects"), "must specify one of None, NoneOnDryRun");
        else
            check_enum(c, AT(here, "sideEffects"), field(h, "sideEffects"), effects);
        if (json_is(timeout, JSON_INT) && (timeout->i < 1 || timeout->i > 30))
            bad_invalid(c, AT(here, "timeoutSeconds"), *timeout,
                        "the timeout value must be between 1 and 30 seconds");
        if (field(h, "namespaceSelector"))
            check_label_selector(c, AT(here, "namespaceSelector"), field(h, "namespaceSelector"));
        if (field(h, "objectSelector"))
            check_label_selector(c, AT(here, "objectSelector"), field(h, "objectSelector"));
        check_client_config(c, AT(here, "clientConfig"), field(h, "clientConfig"));
        if (!json_count(versions))
            bad_required(c, AT(here, "admissionReviewVersions"), "must specify one of v1, v1beta1");
        else if (!strings_have(versions, "v1") && !strings_have(versions, "v1beta1"))
            bad_invalid(c, AT(here, "admissionReviewVersions"), *versions,
                        "must include at least one of v1, v1beta1");
        check_match_conditions(c, AT(here, "matchConditions"), field(h, "matchConditions"));
    }
    map_fini(&names);
}

/* ---- aggregation ---- */

void validate_apiservice(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *service = field(spec, "service");
    const struct at *at = AT(NULL, "spec");
    str group = json_get_str(spec, "group"), version = json_get_str(spec, "version"),
        name = json_get_str(w->obj, "metadata.name");
    str wanted = arena_fmt(c->a, PRI_STR "." PRI_STR, STR_ARG(version), STR_ARG(group));
    int64_t minimum = json_get_int(spec, "groupPriorityMinimum", 0),
            priority = json_get_int(spec, "versionPriority", 0);

    if (w->subresource.n)
        return;
    if (!str_eq(name, wanted))
        bad_invalid(c, AT(AT(NULL, "metadata"), "name"), json_string(name),
                    "must be `spec.version+\".\"+spec.group`: \"" PRI_STR "\"", STR_ARG(wanted));
    if (group.n)
        check_dns_subdomain(c, AT(at, "group"), group);
    else if (!str_is(version, "v1"))
        bad_required(c, AT(at, "group"),
                     "only v1 may have an empty group and it better be legacy kube");
    check_dns1035_label(c, AT(at, "version"), version);
    if (minimum <= 0 || minimum > 20000)
        bad_invalid(c, AT(at, "groupPriorityMinimum"), json_int(minimum),
                    "must be positive and less than 20000");
    if (priority <= 0 || priority > 1000)
        bad_invalid(c, AT(at, "versionPriority"), json_int(priority),
                    "must be positive and less than 1000");
    if (!service) {
        if (json_get_str(spec, "caBundle").n)
            bad_invalid(c, AT(at, "caBundle"),
                        json_string(arena_fmt(c->a, "%zu bytes", json_get_str(spec, "caBundle").n)),
                        "local APIServices may not have a caBundle");
        if (json_get_bool(spec, "insecureSkipTLSVerify", false))
            bad_invalid(c, AT(at, "insecureSkipTLSVerify"), json_bool(true),
                        "local APIServices may not have insecureSkipTLSVerify");
        return;
    }
    if (json_get_str(service, "namespace").n == 0)
        bad_required(c, AT(AT(at, "service"), "namespace"), "");
    if (json_get_str(service, "name").n == 0)
        bad_required(c, AT(AT(at, "service"), "name"), "");
    if (json_get_bool(spec, "insecureSkipTLSVerify", false) && json_get_str(spec, "caBundle").n)
        bad_invalid(c, AT(at, "insecureSkipTLSVerify"), json_bool(true),
                    "may not be true if caBundle is present");
}

/* ---- flow control ---- */

void validate_flowschema(struct write *w, struct err **errs)
{
    static const char *const methods[] = {"ByNamespace", "ByUser", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *method = field(spec, "distinguisherMethod");
    const struct at *at = AT(NULL, "spec");
    int64_t precedence = json_get_int(spec, "matchingPrecedence", 0), i = 0;
    str type = json_get_str(method, "type");

    if (w->subresource.n)
        return;
    if (precedence <= 0)
        bad_invalid(c, AT(at, "matchingPrecedence"), json_int(precedence),
                    "must be a positive value");
    if (precedence > 10000)
        bad_invalid(c, AT(at, "matchingPrecedence"), json_int(precedence),
                    "must not be greater than 10000");
    if (method && !str_is(type, methods[0]) && !str_is(type, methods[1])) {
        struct json dump = json_object();

        json_setz(c->a, &dump, "Type", json_string(type));
        bad_unsupported(c, AT(AT(at, "distinguisherMethod"), "type"), dump, methods);
    }
    if (json_get_str(spec, "priorityLevelConfiguration.name").n == 0)
        bad_required(c, AT(AT(at, "priorityLevelConfiguration"), "name"),
                     "must reference a priority level");
    JSON_EACH(rule, field(spec, "rules")) {
        const struct at *here = AT_INDEX(AT(at, "rules"), i++);

        if (!json_count(field(rule, "subjects")))
            bad_required(c, AT(here, "subjects"), "subjects must contain at least one value");
        if (!json_count(field(rule, "resourceRules")) &&
            !json_count(field(rule, "nonResourceRules")))
            bad_required(c, here,
                         "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
}

void validate_prioritylevelconfiguration(struct write *w, struct err **errs)
{
    static const char *const types[] = {"Exempt", "Limited", NULL};
    static const char *const responses[] = {"Queue", "Reject", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *limited = field(spec, "limited"),
                      *response = field(limited, "limitResponse");
    const struct at *at = AT(NULL, "spec"), *response_at = AT(AT(at, "limited"), "limitResponse");
    str type = json_get_str(spec, "type"), kind = json_get_str(response, "type");
    bool exempt = str_is(json_get_str(w->obj, "metadata.name"), "exempt");

    if (w->subresource.n)
        return;
    if (str_is(type, "Exempt") != exempt && (str_is(type, "Exempt") || exempt))
        bad_invalid(c, AT(at, "type"), json_string(type),
                    "must be 'Exempt' if and only if `name` is 'exempt'");
    if (str_is(type, "Exempt")) {
        if (limited)
            bad_forbidden(c, AT(at, "limited"), "must be nil if the type is not Limited");
    } else if (str_is(type, "Limited")) {
        if (!limited) {
            bad_required(c, AT(at, "limited"), "must not be empty when type is Limited");
        } else if (str_is(kind, "Reject")) {
            if (field(response, "queuing"))
                bad_forbidden(c, AT(response_at, "queuing"),
                              "must be nil if limited.limitResponse.type is not Limited");
        } else if (!str_is(kind, "Queue")) {
            bad_unsupported(c, AT(response_at, "type"), json_string(kind), responses);
        } else if (!field(response, "queuing")) {
            bad_required(c, AT(response_at, "queuing"),
                         "must not be empty if limited.limitResponse.type is Limited");
        }
    } else {
        bad_unsupported(c, AT(at, "type"), json_string(type), types);
    }
}
