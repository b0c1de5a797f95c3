/* node.c - rules of Nodes and Namespaces.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/pod.h"
#include "api/validation/resources.h"
#include "api/validation/validation.h"

#define FEATURE_NAME_MAX 253

/* ---- nodes ---- */

static void check_amounts(struct check *c, const struct json *status)
{
    static const char *const lists[] = {"capacity", "allocatable"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH_MEMBER(m, field(status, lists[i]))
            check_amount(c, AT(AT(AT(NULL, "status"), lists[i]), arena_dupz(c->a, m->key)), m->key,
                         json_str(&m->value));
}

/* An annotation that once told the scheduler which controllers' pods to keep away. */
static void check_avoided_pods(struct check *c, const struct json *node)
{
    static const char key[] = "scheduler.alpha.kubernetes.io/preferAvoidPods";
    const struct json *annotations = field_at(node, "metadata.annotations");
    const struct at *at = AT(AT(NULL, "metadata"), "annotations");
    str text = json_str(json_findz(annotations, key));
    struct json *v = NULL;
    struct err *e;
    int64_t i = 0;

    if (!text.n)
        return;
    e = json_parse(c->a, text, NULL, NULL, &v);
    if (e)
        bad_invalid(c, AT(at, "AvoidPods"), json_z(key), "%s", err_text(e));
    else
        JSON_EACH(entry, field(v, "preferAvoidPods")) {
            const struct at *here = AT(AT_INDEX(AT(at, key), i++), "PodSignature");
            const struct json *controller = field_at(entry, "podSignature.podController");

            if (!controller)
                bad_required(c, here, "");
            else if (!json_get_bool(controller, "controller", false))
                bad_invalid(c, AT(AT(here, "PodController"), "Controller"), json_bool(false),
                            "must point to a controller");
        }
    err_free(e);
}

/* CamelCase, then more words behind slashes. */
static bool is_feature_name(str s)
{
    bool first = true;

    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool upper = ch >= 'A' && ch <= 'Z', lower = ch >= 'a' && ch <= 'z';

        if (first && !(upper || (lower && i > 0)))
            return false;
        if (!upper && !lower && !(ch >= '0' && ch <= '9') && ch != '/')
            return false;
        first = ch == '/';
    }
    return !first;
}

static void check_declared_features(struct check *c, const struct json *node)
{
    const struct json *features = field_at(node, "status.declaredFeatures");
    const struct at *at = AT(AT(NULL, "status"), "declaredFeatures");

    for (uint32_t i = 0; i < json_count(features); i++) {
        const struct json *v = json_item(features, i), *next = json_item(features, i + 1);
        str name = json_str(v);

        if (name.n > FEATURE_NAME_MAX)
            bad_invalid(c, AT_INDEX(at, i), *v,
                        "invalid feature name \"" PRI_STR "\": must be no more than %d characters",
                        STR_ARG(name), FEATURE_NAME_MAX);
        else if (!is_feature_name(name))
            bad_invalid(c, AT_INDEX(at, i), *v,
                        "invalid feature name \"" PRI_STR
                        "\": must start with an UpperCamelCase segment, with subsequent segments "
                        "separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain "
                        "only alphanumeric characters and slashes",
                        STR_ARG(name));
        if (next && str_eq(name, json_str(next)))
            bad_duplicate(c, AT_INDEX(at, i + 1), *next, "");
        else if (next && str_cmp(name, json_str(next)) > 0)
            bad_invalid(c, AT_INDEX(at, i + 1), *next, "list must be sorted alphabetically");
    }
}

static void check_new(struct check *c, const struct json *node)
{
    const struct json *spec = field(node, "spec"), *cidrs = field(spec, "podCIDRs");
    const struct at *at = AT(AT(NULL, "spec"), "podCIDRs");
    const struct json *swap = field_at(node, "status.nodeInfo.swap.capacity");
    unsigned n_v6 = 0;
    int64_t i = 0;

    check_avoided_pods(c, node);
    check_taints(c, AT(AT(NULL, "metadata"), "taints"),
                 field(spec, "taints")); /* upstream's path */
    check_amounts(c, field(node, "status"));
    if (swap && swap->i <= 0)
        bad_invalid(c, AT(AT(AT(NULL, "metadata"), "nodeSwapStatus"), "capacity"), *swap,
                    "must be greater than zero"); /* upstream's path, too */
    check_declared_features(c, node);
    JSON_EACH(cidr, cidrs) {
        check_cidr(c, AT_INDEX(at, i++), json_str(cidr));
        n_v6 += str_has_char(json_str(cidr), ':');
    }
    if (json_count(cidrs) < 2)
        return;
    if (json_count(cidrs) > 2 || n_v6 != 1)
        bad_invalid(c, at, *cidrs, "may specify no more than one CIDR for each IP family");
    for (uint32_t k = 1; k < json_count(cidrs); k++)
        for (uint32_t m = 0; m < k; m++)
            if (json_equal(json_item(cidrs, k), json_item(cidrs, m))) {
                bad_duplicate(c, AT_INDEX(at, k), *json_item(cidrs, k), "");
                break;
            }
}

/* A reference that nothing acts on any more. in_status: it says which version is meant. */
static void check_config_source(struct check *c, const struct at *at, const struct json *source,
                                bool in_status)
{
    const struct json *map = field(source, "configMap");
    const struct at *here = AT(at, "configMap");
    static const struct {
        const char *field, *in_spec, *in_status;
    } versions[] = {
        {"uid", "uid must not be set in spec", "uid must be set in status"},
        {"resourceVersion", "resourceVersion must not be set in spec",
         "resourceVersion must be set in status"},
    };
    str ns = json_get_str(map, "namespace"), name = json_get_str(map, "name"),
        key = json_get_str(map, "kubeletConfigKey");

    if (!source)
        return;
    if (!map) {
        bad_invalid(c, at, go_value(c, "NodeConfigSource", source),
                    "exactly one reference subfield must be non-nil");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        bool there = json_get_str(map, versions[i].field).n > 0;

        if (there && !in_status)
            bad_forbidden(c, AT(here, versions[i].field), "%s", versions[i].in_spec);
        if (!there && in_status)
            bad_required(c, AT(here, versions[i].field), versions[i].in_status);
    }
    if (!ns.n)
        bad_required(c, AT(here, "namespace"), "namespace must be set");
    else
        check_dns_label(c, AT(here, "namespace"), ns);
    if (!name.n)
        bad_required(c, AT(here, "name"), "name must be set");
    else
        check_dns_subdomain(c, AT(here, "name"), name);
    if (!key.n)
        bad_required(c, AT(here, "kubeletConfigKey"), "kubeletConfigKey must be set");
    else
        check_config_key(c, AT(here, "kubeletConfigKey"), key);
}

static void check_changed(struct check *c, const struct json *node, const struct json *old_node)
{
    static const char *const configs[] = {"assigned", "active", "lastKnownGood"};
    const struct at *at = AT(NULL, "spec"), *status_at = AT(NULL, "status");
    const struct json *spec = field(node, "spec"), *old = field(old_node, "spec"),
                      *status = field(node, "status"), *addresses = field(status, "addresses"),
                      *cidrs = field(spec, "podCIDRs"), *had = field(old, "podCIDRs");
    str provider = json_get_str(old, "providerID");
    const char *const cidr_text = "node updates may not change podCIDR except from \"\" to valid";

    check_avoided_pods(c, node);
    check_amounts(c, status);
    check_declared_features(c, node);
    for (uint32_t k = 1; k < json_count(addresses); k++)
        for (uint32_t m = 0; m < k; m++)
            if (json_equal(json_item(addresses, k), json_item(addresses, m))) {
                bad_duplicate(c, AT_INDEX(AT(status_at, "addresses"), k),
                              go_value(c, "NodeAddress", json_item(addresses, k)), "");
                break;
            }
    if (json_count(had) && json_count(had) != json_count(cidrs))
        bad_forbidden(c, AT(at, "podCIDRs"), "%s", cidr_text);
    else
        for (uint32_t k = 0; k < json_count(had); k++)
            if (!json_equal(json_item(had, k), json_item(cidrs, k)))
                bad_forbidden(c, AT(at, "podCIDRs"), "%s", cidr_text);
    if (provider.n && !str_eq(provider, json_get_str(spec, "providerID")))
        bad_forbidden(c, AT(at, "providerID"),
                      "node updates may not change providerID except from \"\" to valid");
    check_config_source(c, AT(at, "configSource"), field(spec, "configSource"), false);
    for (size_t i = 0; i < ARRAY_LEN(configs); i++)
        check_config_source(c, AT(AT(status_at, "config"), configs[i]),
                            field(field(status, "config"), configs[i]), true);
    check_taints(c, AT(AT(NULL, "metadata"), "taints"), field(spec, "taints"));
    if (!str_eq(json_get_str(spec, "externalID"), json_get_str(old, "externalID")))
        bad_forbidden(c, AT(at, "externalID"), "may not be updated");
}

void validate_node(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};

    if (!w->subresource.n)
        check_new(c, w->obj);
    if (w->old)
        check_changed(c, w->obj, w->old);
}

/* ---- namespaces ---- */

static void check_finalizer(struct check *c, const struct at *at, const struct json *f)
{
    str name = json_str(f);

    check_qualified_name(c, at, name);
    if (!str_has_char(name, '/') && !str_is(name, "kubernetes") && !str_is(name, "orphan") &&
        !str_is(name, "foregroundDeletion"))
        bad_invalid(c, at, *f,
                    "name is neither a standard finalizer name nor is it fully qualified");
}

void validate_namespace(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct at *at = AT(AT(NULL, "spec"), "finalizers"),
                    *phase_at = AT(AT(NULL, "status"), "Phase");
    str phase = json_get_str(w->obj, "status.phase");
    bool deleting = field_at(w->obj, "metadata.deletionTimestamp"),
         finalizing = str_is(w->subresource, "finalize");
    int64_t i = 0;

    if (str_is(w->subresource, "status")) {
        if (!deleting && !str_is(phase, "Active"))
            bad_invalid(c, phase_at, json_string(phase),
                        "may only be 'Active' if `deletionTimestamp` is empty");
        if (deleting && !str_is(phase, "Terminating"))
            bad_invalid(c, phase_at, json_string(phase),
                        "may only be 'Terminating' if `deletionTimestamp` is not empty");
        return;
    }
    JSON_EACH(f, field_at(w->obj, "spec.finalizers")) {
        check_finalizer(c, finalizing ? AT_INDEX(at, i) : at, f);
        i++;
    }
}
