/* probe.c - rules of what is done to a container while it runs: probes and lifecycle handlers.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/container.h"

#include <ctype.h>

static void check_exec(struct check *c, const struct at *at, const struct json *exec)
{
    if (!json_count(field(exec, "command")))
        bad_required(c, AT(at, "command"), "");
}

static bool is_header_name(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-')
            return false;
    return s.n > 0;
}

static void check_http_get(struct check *c, const struct at *at, const struct json *h)
{
    static const char *const schemes[] = {"HTTP", "HTTPS", NULL};

    if (!json_get_str(h, "path").n)
        bad_required(c, AT(at, "path"), "");
    check_port_or_name(c, AT(at, "port"), field(h, "port"));
    check_enum(c, AT(at, "scheme"), field(h, "scheme"), schemes);
    JSON_EACH(header, field(h, "httpHeaders")) {
        str name = json_get_str(header, "name");

        if (!is_header_name(name))
            bad_invalid(c, AT(at, "httpHeaders"), json_string(name),
                        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                        "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')");
    }
}

static void check_tcp_socket(struct check *c, const struct at *at, const struct json *h)
{
    check_port_or_name(c, AT(at, "port"), field(h, "port"));
}

static void check_grpc(struct check *c, const struct at *at, const struct json *h)
{
    check_port(c, AT(at, "port"), json_get_int(h, "port", 0));
}

/* The ways to act, in the order in which they are looked at; sleep has its own rule. */
static const struct {
    const char *name;
    void (*check)(struct check *c, const struct at *at, const struct json *h);
    bool in_probes, in_lifecycle;
} handlers[] = {
    {"exec", check_exec, true, true},
    {"httpGet", check_http_get, true, true},
    {"tcpSocket", check_tcp_socket, true, true},
    {"grpc", check_grpc, true, false},
    {"sleep", NULL, false, true},
};

static void check_handler(struct check *c, const struct at *at, const struct json *h,
                          const struct json *grace, bool lifecycle)
{
    bool found = false;

    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        const struct json *way = field(h, handlers[i].name);
        const struct at *here = AT(at, handlers[i].name);

        if (!way || !(lifecycle ? handlers[i].in_lifecycle : handlers[i].in_probes))
            continue;
        if (found)
            bad_forbidden(c, here, "may not specify more than 1 handler type");
        else if (handlers[i].check)
            handlers[i].check(c, here, way);
        else {
            int64_t seconds = json_get_int(way, "seconds", 0);

            if (json_is(grace, JSON_INT) && (seconds < 0 || seconds > grace->i))
                bad_invalid(c, here, json_int(seconds),
                            "must be non-negative and less than terminationGracePeriodSeconds "
                            "(%lld)",
                            (long long)grace->i);
        }
        found = true;
    }
    if (!found)
        bad_required(c, at, "must specify a handler type");
}

static void check_probe(struct check *c, const struct at *at, const struct json *probe,
                        const struct json *grace)
{
    static const char *const numbers[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold"};
    const struct json *own = field(probe, "terminationGracePeriodSeconds");

    check_handler(c, at, probe, grace, false);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        check_not_negative(c, AT(at, numbers[i]), field(probe, numbers[i]));
    if (json_is(own, JSON_INT) && own->i <= 0)
        bad_invalid(c, AT(at, "terminationGracePeriodSeconds"), *own, "must be greater than 0");
}

void check_probes(struct check *c, const struct at *at, const struct json *k,
                  const struct json *grace)
{
    static const char *const names[] = {"livenessProbe", "readinessProbe", "startupProbe"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct json *probe = field(k, names[i]),
                          *own = field(probe, "terminationGracePeriodSeconds");
        const struct at *here = AT(at, names[i]);
        bool readiness = i == 1;

        if (!probe)
            continue;
        check_probe(c, here, probe, grace);
        if (readiness && own)
            bad_invalid(c, AT(here, "terminationGracePeriodSeconds"), *own,
                        "must not be set for readinessProbes");
        if (!readiness && json_get_int(probe, "successThreshold", 1) != 1)
            bad_invalid(c, AT(here, "successThreshold"), *field(probe, "successThreshold"),
                        "must be 1");
    }
}

void check_lifecycle(struct check *c, const struct at *at, const struct json *lifecycle,
                     const struct json *grace)
{
    static const char *const moments[] = {"postStart", "preStop"};

    for (size_t i = 0; i < ARRAY_LEN(moments); i++)
        if (field(lifecycle, moments[i]))
            check_handler(c, AT(at, moments[i]), field(lifecycle, moments[i]), grace, true);
}
