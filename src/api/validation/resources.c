/* resources.c - rules of resources: which names there are, which amounts make sense, and how requests
 * stand to limits.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go,
 * .../core/helper/helpers.go. */
#include "api/validation/resources.h"

static const char *const container_names[] = {"cpu", "memory", "ephemeral-storage", NULL};
/* What is counted in whole objects. */
static const char *const object_names[] = {"pods",
                                           "resourcequotas",
                                           "services",
                                           "replicationcontrollers",
                                           "secrets",
                                           "configmaps",
                                           "persistentvolumeclaims",
                                           "services.nodeports",
                                           "services.loadbalancers",
                                           NULL};
static const char *const amount_names[] = {"cpu",
                                           "memory",
                                           "ephemeral-storage",
                                           "requests.cpu",
                                           "requests.memory",
                                           "requests.storage",
                                           "requests.ephemeral-storage",
                                           "limits.cpu",
                                           "limits.memory",
                                           "limits.ephemeral-storage",
                                           NULL};

bool resource_is_native(str name)
{
    return !str_has_char(name, '/') || str_find(name, S("kubernetes.io/")) >= 0;
}

bool resource_is_hugepages(str name)
{
    return str_has_prefix(name, S("hugepages-"));
}

bool resource_is_extended(str name)
{
    ptrdiff_t slash = str_index(name, '/');

    if (resource_is_native(name) || str_has_prefix(name, S("requests.")))
        return false;
    /* With "requests." in front it has to be a name still. */
    return slash > 0 && slash + 9 <= 253 && !not_dns_subdomain(str_slice(name, 0, (size_t)slash)) &&
           !str_has_char(str_skip(name, (size_t)slash + 1), '/') && name.n > (size_t)slash + 1 &&
           name.n - (size_t)slash - 1 <= 63 && !not_label_value(str_skip(name, (size_t)slash + 1));
}

bool resource_is_overcommitted(str name)
{
    return resource_is_native(name) && !resource_is_hugepages(name);
}

static bool is_quota_hugepages(str name)
{
    return resource_is_hugepages(name) || str_has_prefix(name, S("requests.hugepages-"));
}

bool resource_is_quota(str name)
{
    return one_of(name, object_names) || one_of(name, amount_names) || is_quota_hugepages(name);
}

void check_resource_name(struct check *c, const struct at *at, str name)
{
    unsigned before = check_count(c);

    check_qualified_name(c, at, name);
    if (check_count(c) == before && !str_has_char(name, '/') && !resource_is_quota(name) &&
        !str_is(name, "storage"))
        bad_invalid(c, at, json_string(name),
                    "must be a standard resource type or fully qualified");
}

void check_container_resource_name(struct check *c, const struct at *at, str name)
{
    check_resource_name(c, at, name);
    if (!str_has_char(name, '/')) {
        if (!one_of(name, container_names) && !resource_is_hugepages(name))
            bad_invalid(c, at, json_string(name), "must be a standard resource for containers");
    } else if (!resource_is_native(name) && !resource_is_extended(name))
        bad_invalid(c, at, json_string(name), "doesn't follow extended resource name standard");
}

void check_quota_resource_name(struct check *c, const struct at *at, str name)
{
    check_resource_name(c, at, name);
    if (!str_has_char(name, '/') && !resource_is_quota(name))
        bad_invalid(c, at, json_string(name), "must be a standard resource for quota");
}

void check_amount(struct check *c, const struct at *at, str name, str amount)
{
    struct quantity q;

    check_not_negative_quantity(c, at, amount);
    if ((one_of(name, object_names) || resource_is_extended(name)) && quantity_parse(amount, &q) &&
        quantity_milli(&q) % 1000)
        bad_invalid(c, at, json_string(amount), "must be an integer");
}

static void check_pages(struct check *c, const struct at *at, str name, str amount)
{
    struct quantity q, page;

    if (!resource_is_hugepages(name) || !quantity_parse(amount, &q))
        return;
    if (!quantity_parse(str_skip(name, 10), &page) || quantity_value(&page) <= 0 ||
        quantity_value(&q) % quantity_value(&page))
        bad_invalid(c, at, json_string(amount),
                    PRI_STR " is not positive integer multiple of " PRI_STR, STR_ARG(amount),
                    STR_ARG(name));
}

struct amounts {
    bool pages, base; /* huge pages; cpu or memory */
};

typedef void name_fn(struct check *c, const struct at *at, str name);

static void note(struct amounts *n, str name)
{
    n->pages |= resource_is_hugepages(name);
    n->base |= str_is(name, "cpu") || str_is(name, "memory");
}

static void check_request(struct check *c, const struct at *at, str name, str amount,
                          const struct json *limit)
{
    bool exact = !resource_is_overcommitted(name);
    struct quantity want, most;
    int cmp;

    if (!limit) {
        if (exact)
            bad_required(c, AT(at, "limits"), "Limit must be set for non overcommitable resources");
        return;
    }
    if (!quantity_parse(amount, &want) || !quantity_parse(json_str(limit), &most))
        return;
    cmp = quantity_cmp(&want, &most);
    if (cmp > 0 || (cmp && exact))
        bad_invalid(
            c, AT(at, "requests"), json_string(amount), "must be %s " PRI_STR " limit of " PRI_STR,
            exact ? "equal to" : "less than or equal to", STR_ARG(name), STR_ARG(json_str(limit)));
}

/* Entries of claims: "claim" or "claim/request", none twice, each one of the pod's. */
static void check_claims(struct check *c, const struct at *at, const struct json *claims,
                         const struct json *pod_claims)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(claim, claims) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(claim, "name"), request = json_get_str(claim, "request"),
            key = name;
        CLEANUP(buf) struct buf known = BUF_INIT;
        bool found = false;

        if (!name.n) {
            bad_required(c, here, "");
            continue;
        }
        if (map_find(&seen, name))
            bad_duplicate(c, here, json_string(name), "");
        else {
            if (request.n) {
                check_dns_label(c, AT(here, "request"), request);
                key = arena_fmt(c->a, PRI_STR "/" PRI_STR, STR_ARG(name), STR_ARG(request));
            }
            if (map_find(&seen, key))
                bad_duplicate(c, here, json_string(key), "");
            else if (!request.n)
                MAP_EACH(e, &seen) {
                    str rest = map_key(e), head;

                    str_cut(&rest, '/', &head);
                    if (rest.p && str_eq(head, name))
                        bad_duplicate(c, here, json_string(name), "");
                }
            map_put(&seen, key, &seen);
        }
        JSON_EACH(p, pod_claims) {
            found |= str_eq(json_get_str(p, "name"), name);
            buf_fmt(&known, "%s" PRI_STR, known.n ? ", " : ": ", STR_ARG(json_get_str(p, "name")));
        }
        if (!found)
            bad_not_found(
                c, here, json_string(name),
                arena_dupz(c->a, arena_fmt(c->a,
                                           "must be one of the names in pod.spec.resourceClaims"
                                           "%s",
                                           known.n ? buf_cstr(&known) : " which is empty")));
    }
    map_fini(&seen);
}

static void check_requirements(struct check *c, const struct at *at, const struct json *resources,
                               const struct json *pod_claims, name_fn *check_name)
{
    const struct json *limits = field(resources, "limits");
    struct amounts n = {false, false};

    JSON_EACH_MEMBER(m, limits) {
        const struct at *here = AT_KEY(AT(at, "limits"), m->key);

        check_name(c, here, m->key);
        check_amount(c, here, m->key, json_str(&m->value));
        check_pages(c, here, m->key, json_str(&m->value));
        note(&n, m->key);
    }
    JSON_EACH_MEMBER(m, field(resources, "requests")) {
        const struct at *here = AT_KEY(AT(at, "requests"), m->key);

        check_name(c, here, m->key);
        check_amount(c, here, m->key, json_str(&m->value));
        check_request(c, at, m->key, json_str(&m->value), json_find(limits, m->key));
        check_pages(c, here, m->key, json_str(&m->value));
        note(&n, m->key);
    }
    if (n.pages && !n.base)
        bad_forbidden(c, at, "HugePages require cpu or memory");
    check_claims(c, AT(at, "claims"), field(resources, "claims"), pod_claims);
}

void check_resources(struct check *c, const struct at *at, const struct json *resources,
                     const struct json *pod_claims)
{
    check_requirements(c, at, resources, pod_claims, check_container_resource_name);
}

void check_overhead(struct check *c, const struct at *at, const struct json *overhead)
{
    struct json resources = json_object();

    if (!overhead)
        return;
    json_setz(c->a, &resources, "limits", *overhead);
    check_resources(c, at, &resources, NULL);
}

/* ---- resources of a pod as a whole ---- */

static bool is_pod_level(str name)
{
    return str_is(name, "cpu") || str_is(name, "memory") || resource_is_hugepages(name);
}

static void check_pod_resource_name(struct check *c, const struct at *at, str name)
{
    static const char *const known[] = {"cpu", "hugepages-", "memory", NULL};
    unsigned before = check_count(c);

    check_resource_name(c, at, name);
    if (check_count(c) == before && !is_pod_level(name))
        bad_unsupported(c, at, json_string(name), known);
}

static void add_to(struct quantity *sum, const struct json *amount)
{
    struct quantity q;

    if (amount && quantity_parse(json_str(amount), &q))
        quantity_add(sum, &q);
}

static str quantity_text(struct check *c, const struct quantity *q, char format)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_quantity(&b, q, format);
    return arena_dup(c->a, buf_view(&b));
}

void check_pod_resources(struct check *c, const struct at *at, const struct json *spec)
{
    const struct json *resources = field(spec, "resources"),
                      *requests = field(resources, "requests"),
                      *limits = field(resources, "limits");
    struct map names;
    int64_t i = 0;

    if (!resources)
        return;
    if (json_count(field(resources, "claims")))
        bad_forbidden(c, AT(at, "claims"), "claims cannot be set for Resources at pod-level");
    check_requirements(c, at, resources, field(spec, "resourceClaims"), check_pod_resource_name);
    map_init(&names);
    JSON_EACH(k, field(spec, "containers"))
        JSON_EACH_MEMBER(m, field_at(k, "resources.requests")) {
            struct quantity all = pod_requests(spec, m->key), have = {.nano = 0};
            const struct json *own = json_find(requests, m->key);
            char format = str_has_suffix(json_str(&m->value), S("i")) ? 'b' : 'd';

            if (map_put(&names, m->key, &names))
                continue;
            add_to(&have, own);
            if (quantity_cmp(&all, &have) > 0)
                bad_invalid(c, AT_KEY(AT(at, "requests"), m->key), own ? *own : json_z("0"),
                            "must be greater than or equal to aggregate container requests "
                            "of " PRI_STR,
                            STR_ARG(quantity_text(c, &all, format)));
        }
    map_fini(&names);
    JSON_EACH(k, field(spec, "containers")) {
        JSON_EACH_MEMBER(m, field_at(k, "resources.limits")) {
            const struct json *most = json_find(limits, m->key);
            struct quantity x, y;

            if (most && quantity_parse(json_str(&m->value), &x) &&
                quantity_parse(json_str(most), &y) && quantity_cmp(&x, &y) > 0)
                bad_invalid(c, AT(AT_KEY(AT_INDEX(AT(at, "containers"), i), m->key), "limits"),
                            m->value, "must be less than or equal to pod limits of " PRI_STR,
                            STR_ARG(json_str(most)));
        }
        i++;
    }
}
