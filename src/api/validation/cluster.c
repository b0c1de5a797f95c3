/* cluster.c - rules of Node, Namespace, PriorityClass, RuntimeClass, Lease, Event, ConfigMap and Secret.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/{core,scheduling,node,coordination}/validation. */
#include "api/api_internal.h"
#include "api/validation/pod.h"
#include "api/validation/validation.h"

#define USER_PRIORITY_MAX 1000000000
#define CONFIG_SIZE_MAX (1024 * 1024)

/* ---- nodes and namespaces ---- */

static struct json go_taint(struct check *c, const struct json *t)
{
    struct json o = json_object();
    const struct json *added = field(t, "timeAdded");

    json_setz(c->a, &o, "Key", json_string(json_get_str(t, "key")));
    json_setz(c->a, &o, "Value", json_string(json_get_str(t, "value")));
    json_setz(c->a, &o, "Effect", json_string(json_get_str(t, "effect")));
    json_setz(c->a, &o, "TimeAdded", added ? *added : json_null());
    return o;
}

void validate_node(struct write *w, struct err **errs)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *cidrs = field(spec, "podCIDRs");
    const struct at *at = AT(NULL, "metadata"); /* upstream's path of taints */
    struct map seen;
    unsigned n_v4 = 0, n_v6 = 0;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(t, field(spec, "taints")) {
        const struct at *here = AT_INDEX(AT(at, "taints"), i++);
        str key = json_get_str(t, "key"), effect = json_get_str(t, "effect");

        check_qualified_name(c, AT(here, "key"), key);
        check_label_value(c, AT(here, "value"), json_get_str(t, "value"));
        if (effect.n == 0)
            bad_required(c, AT(here, "effect"), "");
        else
            check_enum(c, AT(here, "effect"), field(t, "effect"), effects);
        if (map_put(&seen, arena_fmt(c->a, PRI_STR "\n" PRI_STR, STR_ARG(key), STR_ARG(effect)),
                    &seen))
            bad_duplicate(c, here, go_taint(c, t), "taints must be unique by key and effect pair");
    }
    map_fini(&seen);
    i = 0;
    JSON_EACH(cidr, cidrs) {
        check_cidr(c, AT_INDEX(AT(AT(NULL, "spec"), "podCIDRs"), i++), json_str(cidr));
        n_v6 += str_has_char(json_str(cidr), ':');
        n_v4 += !str_has_char(json_str(cidr), ':');
    }
    if (n_v4 > 1 || n_v6 > 1)
        bad_invalid(c, AT(AT(NULL, "spec"), "podCIDRs"), *cidrs,
                    "may specify no more than one CIDR for each IP family");
}

void validate_namespace(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};

    JSON_EACH(f, field_at(w->obj, "spec.finalizers")) {
        const struct at *at = AT(AT(NULL, "spec"), "finalizers");
        str name = json_str(f);

        check_qualified_name(c, at, name);
        if (!str_has_char(name, '/') && !str_is(name, "kubernetes") && !str_is(name, "orphan") &&
            !str_is(name, "foregroundDeletion"))
            bad_invalid(c, at, *f,
                        "name is neither a standard finalizer name nor is it fully qualified");
    }
}

/* ---- classes ---- */

void validate_priorityclass(struct write *w, struct err **errs)
{
    static const char *const policies[] = {"PreemptLowerPriority", "Never", NULL};
    static const char *const known[] = {"system-node-critical", "system-cluster-critical"};
    struct check *c = &(struct check){w->a, errs};
    str name = json_get_str(w->obj, "metadata.name");
    bool is_known = str_is(name, known[0]) || str_is(name, known[1]);

    if (str_has_prefix(name, S("system-")) && !is_known)
        bad_forbidden(c, AT(AT(NULL, "metadata"), "name"),
                      "priority class names with 'system-' prefix are reserved for system use "
                      "only. error: " PRI_STR " is not a known system priority class",
                      STR_ARG(name));
    else if (!is_known && json_get_int(w->obj, "value", 0) > USER_PRIORITY_MAX)
        bad_forbidden(c, AT(NULL, "value"),
                      "maximum allowed value of a user defined priority is %d", USER_PRIORITY_MAX);
    if (w->old) {
        if (json_get_int(w->obj, "value", 0) != json_get_int(w->old, "value", 0))
            bad_forbidden(c, AT(NULL, "value"), "may not be changed in an update.");
        check_immutable(c, AT(NULL, "preemptionPolicy"), field(w->obj, "preemptionPolicy"),
                        field(w->old, "preemptionPolicy"));
    } else {
        check_enum(c, AT(NULL, "preemptionPolicy"), field(w->obj, "preemptionPolicy"), policies);
    }
}

void validate_runtimeclass(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    str handler = json_get_str(w->obj, "handler");

    if (handler.n == 0)
        bad_required(c, AT(NULL, "handler"), "");
    else
        check_dns_label(c, AT(NULL, "handler"), handler);
    if (field_at(w->obj, "overhead.podFixed")) {
        struct json resources = json_object();

        json_setz(c->a, &resources, "limits", *field_at(w->obj, "overhead.podFixed"));
        check_resources(c, AT(NULL, "overhead"), &resources, NULL);
    }
    check_labels(c, AT(AT(NULL, "scheduling"), "nodeSelector"),
                 field_at(w->obj, "scheduling.nodeSelector"));
    check_tolerations(c, AT(AT(NULL, "scheduling"), "tolerations"),
                      field_at(w->obj, "scheduling.tolerations"));
    if (w->old)
        check_immutable(c, AT(NULL, "handler"), field(w->obj, "handler"), field(w->old, "handler"));
}

void validate_lease(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *duration = field_at(w->obj, "spec.leaseDurationSeconds");
    const struct at *at = AT(NULL, "spec");

    if (json_is(duration, JSON_INT) && duration->i <= 0)
        bad_invalid(c, AT(at, "leaseDurationSeconds"), *duration, "must be greater than 0");
    check_not_negative(c, AT(at, "leaseTransitions"), field_at(w->obj, "spec.leaseTransitions"));
}

/* ---- events: what uses eventTime follows the newer rules ---- */

/* What is validated is the stored form, with the core group's names, whichever group was asked. */
void validate_event(struct write *w, struct err **errs)
{
    static const char *const unset[] = {"firstTimestamp", "lastTimestamp", "count"};
    static const struct {
        const char *field;
        size_t max;
        bool required;
    } texts[] = {{"reportingInstance", 128, true},
                 {"action", 128, true},
                 {"reason", 128, true},
                 {"message", 1024, false}};
    struct check *c = &(struct check){w->a, errs};
    const struct json *o = w->obj, *series = field(o, "series");
    bool newer = w->kind->r->group.n > 0;
    str ns = json_get_str(o, "metadata.namespace"),
        object_ns = json_get_str(o, "involvedObject.namespace"), type = json_get_str(o, "type"),
        controller = json_get_str(o, "reportingComponent");
    const char *controller_field = newer ? "reportingController" : "reportingComponent";

    if (w->old && newer)
        return;
    if (json_get_str(o, "eventTime").n == 0) {
        /* Cluster-scoped objects have their events in `default`. */
        if (object_ns.n == 0 ? !str_is(ns, "default") : !str_eq(ns, object_ns))
            bad_invalid(c, AT(AT(NULL, "involvedObject"), "namespace"), json_string(object_ns),
                        "does not match event.namespace");
    } else {
        if (object_ns.n == 0 && !str_is(ns, "default") && !str_is(ns, "kube-system"))
            bad_invalid(c, AT(AT(NULL, "involvedObject"), "namespace"), json_string(object_ns),
                        "does not match event.namespace");
        if (controller.n == 0)
            bad_required(c, AT(NULL, controller_field), "");
        check_qualified_name(c, AT(NULL, controller_field), controller);
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            str s = json_get_str(o, texts[i].field);

            if (texts[i].required && s.n == 0)
                bad_required(c, AT(NULL, texts[i].field), "");
            if (s.n > texts[i].max)
                bad_invalid(c, AT(NULL, texts[i].field), json_z(""),
                            "can have at most %zu characters", texts[i].max);
        }
    }
    if (!newer)
        return;
    if (series) {
        if (json_get_int(series, "count", 0) < 2)
            bad_invalid(c, AT(AT(NULL, "series"), "count"), json_z(""), "should be at least 2");
        if (json_get_str(series, "lastObservedTime").n == 0)
            bad_required(c, AT(AT(NULL, "series"), "lastObservedTime"), "");
    }
    if (json_get_str(o, "eventTime").n == 0)
        bad_required(c, AT(NULL, "eventTime"), "");
    if (!str_is(type, "Normal") && !str_is(type, "Warning"))
        bad_invalid(c, AT(NULL, "type"), json_z(""), "has invalid value: " PRI_STR, STR_ARG(type));
    for (size_t i = 0; i < ARRAY_LEN(unset); i++) {
        const struct json *v = field(o, unset[i]);

        if (v && !(v->type == JSON_INT && v->i == 0))
            bad_invalid(c, AT(NULL, unset[i]), json_z(""), "needs to be unset");
    }
    if (json_get_str(o, "source.component").n || json_get_str(o, "source.host").n)
        bad_invalid(c, AT(NULL, "source"), json_z(""), "needs to be unset");
}

/* ---- configuration ---- */

static size_t check_keys(struct check *c, const struct at *at, const struct json *data, bool base64)
{
    size_t size = 0;

    JSON_EACH_MEMBER(m, data) {
        if (m->key.n > 253)
            bad_invalid(c, AT_KEY(at, m->key), json_string(m->key),
                        "must be no more than 253 characters");
        if (str_is(m->key, "."))
            bad_invalid(c, AT_KEY(at, m->key), json_string(m->key), "must not be '.'");
        else if (str_is(m->key, ".."))
            bad_invalid(c, AT_KEY(at, m->key), json_string(m->key), "must not be '..'");
        else if (str_has_prefix(m->key, S("..")))
            bad_invalid(c, AT_KEY(at, m->key), json_string(m->key), "must not start with '..'");
        else if (not_config_map_key(m->key))
            bad_invalid(c, AT_KEY(at, m->key), json_string(m->key), "%s",
                        not_config_map_key(m->key));
        size += base64 ? json_str(&m->value).n / 4 * 3 : json_str(&m->value).n;
    }
    return size;
}

/* Once `immutable` is true, it and the data stay. */
static void check_frozen(struct check *c, const struct write *w, const char *const *fields)
{
    if (!w->old || !json_get_bool(w->old, "immutable", false))
        return;
    if (!json_get_bool(w->obj, "immutable", false))
        bad_forbidden(c, AT(NULL, "immutable"), "field is immutable when `immutable` is set");
    for (size_t i = 0; fields[i]; i++) {
        const struct json *now = field(w->obj, fields[i]), *old = field(w->old, fields[i]);

        if (json_count(now) + json_count(old) && (!now || !old || !json_equal(now, old)))
            bad_forbidden(c, AT(NULL, fields[i]), "field is immutable when `immutable` is set");
    }
}

void validate_configmap(struct write *w, struct err **errs)
{
    static const char *const fields[] = {"data", "binaryData", NULL};
    struct check *c = &(struct check){w->a, errs};
    size_t size = check_keys(c, AT(NULL, "data"), field(w->obj, "data"), false) +
                  check_keys(c, AT(NULL, "binaryData"), field(w->obj, "binaryData"), true);

    JSON_EACH_MEMBER(m, field(w->obj, "binaryData"))
        if (json_find(field(w->obj, "data"), m->key))
            bad_invalid(c, AT_KEY(AT(NULL, "data"), m->key), json_string(m->key),
                        "duplicate of key present in binaryData");
    if (size > CONFIG_SIZE_MAX)
        bad_too_long(c, AT_KEY(NULL, S("")), CONFIG_SIZE_MAX); /* of the whole, in no field */
    check_frozen(c, w, fields);
}

void validate_secret(struct write *w, struct err **errs)
{
    static const char *const fields[] = {"data", NULL};
    static const struct {
        const char *type, *key;
    } needs[] = {
        {"kubernetes.io/dockercfg", ".dockercfg"},
        {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
        {"kubernetes.io/ssh-auth", "ssh-privatekey"},
        {"kubernetes.io/tls", "tls.crt"},
        {"kubernetes.io/tls", "tls.key"},
    };
    struct check *c = &(struct check){w->a, errs};
    const struct json *data = field(w->obj, "data");
    str type = json_get_str(w->obj, "type");

    if (check_keys(c, AT(NULL, "data"), data, true) > CONFIG_SIZE_MAX)
        bad_too_long(c, AT(NULL, "data"), CONFIG_SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(needs); i++)
        if (str_is(type, needs[i].type) && !field(data, needs[i].key))
            bad_required(c, AT_KEY(AT(NULL, "data"), str_of(needs[i].key)), "");
    if (str_is(type, "kubernetes.io/basic-auth") && !field(data, "username") &&
        !field(data, "password")) {
        bad_required(c, AT_KEY(AT(NULL, "data"), S("username")), "");
        bad_required(c, AT_KEY(AT(NULL, "data"), S("password")), "");
    }
    if (str_is(type, "kubernetes.io/service-account-token") &&
        json_str(
            field(field_at(w->obj, "metadata.annotations"), "kubernetes.io/service-account.name"))
                .n == 0)
        bad_required(c,
                     AT_KEY(AT(AT(NULL, "metadata"), "annotations"),
                            S("kubernetes.io/service-account.name")),
                     "");
    if (w->old)
        check_immutable(c, AT(NULL, "type"), field(w->obj, "type"), field(w->old, "type"));
    check_frozen(c, w, fields);
}
