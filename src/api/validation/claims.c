/* claims.c - rules of ResourceClaims, their status, and ResourceClaimTemplates.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/resource/validation/validation.go. */
#include "api/api_internal.h"
#include "api/validation/devices.h"
#include "api/validation/pod.h"
#include "api/validation/validation.h"
#include "api/validation/volume.h"

#define ALTERNATIVES_MAX 8
#define TOLERATIONS_MAX 16
#define RESERVED_FOR_MAX 256
#define DEVICE_CONDITIONS_MAX 8
#define DEVICE_DATA_MAX (10 * 1024)
#define INTERFACE_NAME_MAX 256
#define HARDWARE_ADDRESS_MAX 128
#define INTERFACE_IPS_MAX 16

/* ---- requests and the names by which the rest refers to them ---- */

static void check_request_name(struct check *c, const struct at *at, str name)
{
    if (name.n)
        check_dns_label(c, at, name);
    else
        bad_required(c, at, "");
}

static bool is_request(const struct json *devices, str ref)
{
    str sub = ref, name;

    str_cut(&sub, '/', &name);
    if (sub.p && str_has_char(sub, '/'))
        return false;
    JSON_EACH(r, field(devices, "requests")) {
        if (!str_eq(json_get_str(r, "name"), name))
            continue;
        if (!sub.p)
            return true;
        JSON_EACH(s, field(r, "firstAvailable"))
            if (str_eq(json_get_str(s, "name"), sub))
                return true;
    }
    return false;
}

static void check_request_ref(struct check *c, const struct at *at, str ref,
                              const struct json *devices)
{
    static const char unknown[] = "must be the name of a request in the claim or the name of a "
                                  "request and a subrequest separated by '/'";
    str rest = ref, part;
    size_t n = 0;

    while (str_cut(&rest, '/', &part))
        n++;
    rest = ref;
    while (n <= 2 && str_cut(&rest, '/', &part))
        check_dns_label(c, at, part);
    if (n > 2 || !is_request(devices, ref))
        bad_string(c, at, ref, unknown);
}

static void check_request_refs(struct check *c, const struct at *at, const struct json *refs,
                               const struct json *devices)
{
    struct map seen;
    int64_t i = 0;

    if (!check_list_size(c, at, refs, DEVICE_LIST_MAX))
        return;
    JSON_EACH(v, refs)
        check_request_ref(c, AT_INDEX(at, i++), json_str(v), devices);
    map_init(&seen);
    i = 0;
    JSON_EACH(v, refs) {
        if (map_put(&seen, json_str(v), &seen))
            bad_duplicate(c, AT_INDEX(at, i), *v, "");
        i++;
    }
    map_fini(&seen);
}

static void check_toleration(struct check *c, const struct at *at, const struct json *t)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    str key = json_get_str(t, "key"), operator= json_get_str(t, "operator"),
        value = json_get_str(t, "value");

    if (key.n)
        check_qualified_name(c, AT(at, "key"), key);
    if (str_is(operator, "Exists")) {
        if (value.n)
            bad_string(c, AT(at, "value"), value, "must be empty for operator `Exists`");
    } else if (str_is(operator, "Equal")) {
        check_label_value(c, AT(at, "value"), value);
    } else if (operator.n == 0) {
        bad_required(c, AT(at, "operator"), "");
    } else {
        bad_unsupported(c, AT(at, "operator"), json_string(operator), operators);
    }
    check_device_effect(c, AT(at, "effect"), json_get_str(t, "effect"), false);
}

/* What an exact request and one of several alternatives have in common. */
static void check_wanted(struct check *c, const struct at *at, const struct json *r)
{
    static const char *const modes[] = {"All", "ExactCount", NULL};
    const struct json *tolerations = field(r, "tolerations");
    str class_name = json_get_str(r, "deviceClassName"), mode = json_get_str(r, "allocationMode");
    int64_t count = json_get_int(r, "count", 0), i = 0;

    if (class_name.n)
        check_dns_subdomain(c, AT(at, "deviceClassName"), class_name);
    else
        bad_required(c, AT(at, "deviceClassName"), "");
    check_device_selectors(c, AT(at, "selectors"), field(r, "selectors"));
    if (!one_of(mode, modes))
        bad_unsupported(c, AT(at, "allocationMode"), json_string(mode), modes);
    else if (str_is(mode, "All") && count)
        bad_invalid(c, AT(at, "count"), json_int(count),
                    "must not be specified when allocationMode is 'All'");
    else if (str_is(mode, "ExactCount") && count <= 0)
        bad_invalid(c, AT(at, "count"), json_int(count), "must be greater than zero");
    if (check_list_size(c, AT(at, "tolerations"), tolerations, TOLERATIONS_MAX))
        JSON_EACH(t, tolerations)
            check_toleration(c, AT_INDEX(AT(at, "tolerations"), i++), t);
}

static void check_unique_names(struct check *c, const struct at *at, const struct json *list)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(v, list) {
        str name = json_get_str(v, "name");

        if (map_put(&seen, name, &seen))
            bad_duplicate(c, AT_INDEX(at, i), json_string(name), "");
        i++;
    }
    map_fini(&seen);
}

static void check_request(struct check *c, const struct at *at, const struct json *r)
{
    static const char one[] = "exactly one of `exactly` or `firstAvailable` is required";
    const struct json *exactly = field(r, "exactly"), *first = field(r, "firstAvailable");
    int64_t i = 0;

    check_request_name(c, AT(at, "name"), json_get_str(r, "name"));
    if (!exactly && !json_count(first)) {
        bad_required(c, at, one);
    } else if (exactly && json_count(first)) {
        bad_invalid(c, at, json_null(), "%s, but multiple fields are set", one);
    } else if (exactly) {
        check_wanted(c, AT(at, "exactly"), exactly);
    } else if (check_list_size(c, AT(at, "firstAvailable"), first, ALTERNATIVES_MAX)) {
        JSON_EACH(s, first) {
            const struct at *here = AT_INDEX(AT(at, "firstAvailable"), i++);

            check_request_name(c, AT(here, "name"), json_get_str(s, "name"));
            check_wanted(c, here, s);
        }
        check_unique_names(c, AT(at, "firstAvailable"), first);
    }
}

static void check_attribute_ref(struct check *c, const struct at *at, str s)
{
    check_device_qualified_name(c, at, s);
    if (!str_has_char(s, '/'))
        bad_string(c, at, s,
                   "a fully qualified name must be a domain and a name separated by a slash");
}

static void check_constraint(struct check *c, const struct at *at, const struct json *v,
                             const struct json *devices)
{
    check_request_refs(c, AT(at, "requests"), field(v, "requests"), devices);
    if (field(v, "matchAttribute"))
        check_attribute_ref(c, AT(at, "matchAttribute"), json_get_str(v, "matchAttribute"));
    else if (field(v, "distinctAttribute"))
        check_attribute_ref(c, AT(at, "distinctAttribute"), json_get_str(v, "distinctAttribute"));
    else
        bad_required(c, at,
                     "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but "
                     "multiple fields are set");
}

static void check_device_claim(struct check *c, const struct at *spec_at, const struct json *spec)
{
    const struct json *devices = field(spec, "devices"), *requests = field(devices, "requests"),
                      *constraints = field(devices, "constraints"),
                      *config = field(devices, "config");
    const struct at *at = AT(spec_at, "devices");
    int64_t i = 0;

    if (check_list_size(c, AT(at, "requests"), requests, DEVICE_LIST_MAX)) {
        JSON_EACH(r, requests)
            check_request(c, AT_INDEX(AT(at, "requests"), i++), r);
        check_unique_names(c, AT(at, "requests"), requests);
    }
    i = 0;
    if (check_list_size(c, AT(at, "constraints"), constraints, DEVICE_LIST_MAX))
        JSON_EACH(v, constraints)
            check_constraint(c, AT_INDEX(AT(at, "constraints"), i++), v, devices);
    i = 0;
    if (check_list_size(c, AT(at, "config"), config, DEVICE_LIST_MAX))
        JSON_EACH(v, config) {
            const struct at *here = AT_INDEX(AT(at, "config"), i++);

            check_request_refs(c, AT(here, "requests"), field(v, "requests"), devices);
            check_opaque(c, here, v);
        }
}

/* ---- status: who uses the claim, and what it got ---- */

static void check_users(struct check *c, const struct at *at, const struct json *users)
{
    static const char *const fields[] = {"resource", "name", "uid"};
    struct map seen;
    int64_t i = 0;

    if (!check_list_size(c, at, users, RESERVED_FOR_MAX))
        return;
    JSON_EACH(v, users) {
        const struct at *here = AT_INDEX(at, i++);

        for (size_t k = 0; k < ARRAY_LEN(fields); k++)
            if (json_get_str(v, fields[k]).n == 0)
                bad_required(c, AT(here, fields[k]), "");
    }
    map_init(&seen);
    i = 0;
    JSON_EACH(v, users) {
        str uid = json_get_str(v, "uid");

        if (map_put(&seen, uid, &seen))
            bad_duplicate(c, AT_INDEX(at, i), json_string(uid), "");
        i++;
    }
    map_fini(&seen);
}

static bool same_device(const struct json *a, const struct json *b)
{
    static const char *const fields[] = {"driver", "pool", "device", "shareID"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (!str_eq(json_get_str(a, fields[i]), json_get_str(b, fields[i])))
            return false;
    return true;
}

static bool is_allocated(const struct json *status, const struct json *device)
{
    JSON_EACH(r, field_at(status, "allocation.devices.results"))
        if (same_device(r, device))
            return true;
    return false;
}

/* Of one share of a device: a UUID in its usual form. */
static void check_share_id(struct check *c, const struct at *at, const struct json *id)
{
    static const char form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
    str s = json_str(id);
    bool good = s.n == sizeof form - 1;

    for (size_t i = 0; good && i < s.n; i++)
        good = form[i] == '-'
                   ? s.p[i] == '-'
                   : (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f');
    if (id && !good)
        bad_string(c, at, s, "must be a lowercase UUID in 8-4-4-4-12 format");
}

static void check_network_data(struct check *c, const struct at *at, const struct json *data)
{
    const struct json *ips = field(data, "ips");
    struct map seen;
    int64_t i = 0;

    if (!data)
        return;
    if (json_get_str(data, "interfaceName").n > INTERFACE_NAME_MAX)
        bad_too_long(c, AT(at, "interfaceName"), INTERFACE_NAME_MAX);
    if (json_get_str(data, "hardwareAddress").n > HARDWARE_ADDRESS_MAX)
        bad_too_long(c, AT(at, "hardwareAddress"), HARDWARE_ADDRESS_MAX);
    if (!check_list_size(c, AT(at, "ips"), ips, INTERFACE_IPS_MAX))
        return;
    map_init(&seen);
    JSON_EACH(v, ips) {
        const struct at *here = AT_INDEX(AT(at, "ips"), i++);

        check_interface_address(c, here, json_str(v));
        if (map_put(&seen, json_str(v), &seen))
            bad_duplicate(c, here, *v, "");
    }
    map_fini(&seen);
}

/* A device, or its share, as messages name it. */
static struct json device_id(struct check *c, const struct json *d)
{
    static const struct go_member members[] = {{"Driver", "driver", 's'},
                                               {"Pool", "pool", 's'},
                                               {"Device", "device", 's'},
                                               {"ShareID", "shareID", 's'},
                                               {NULL, NULL, 'n'}};

    return go_struct(c->a, d, members);
}

static void check_device_status(struct check *c, const struct at *at, const struct json *d,
                                const struct json *status)
{
    const struct json *conditions = field(d, "conditions");

    check_csi_driver_name(c, AT(at, "driver"), json_get_str(d, "driver"));
    check_pool_name(c, AT(at, "pool"), json_get_str(d, "pool"));
    check_dns_label(c, AT(at, "device"), json_get_str(d, "device"));
    if (!is_allocated(status, d))
        bad_invalid(c, at, device_id(c, d), "must be an allocated device in the claim");
    if (json_count(conditions) > DEVICE_CONDITIONS_MAX)
        bad_too_many(c, AT(at, "conditions"), json_count(conditions), DEVICE_CONDITIONS_MAX);
    check_conditions(c, AT(at, "conditions"), conditions);
    if (field(d, "data"))
        check_raw(c, AT(at, "data"), field(d, "data"), DEVICE_DATA_MAX);
    check_network_data(c, AT(at, "networkData"), field(d, "networkData"));
}

static void check_allocation(struct check *c, const struct at *at, const struct json *allocation,
                             const struct json *claim_devices)
{
    static const char *const sources[] = {"FromClaim", "FromClass", NULL};
    const struct json *devices = field(allocation, "devices"), *results = field(devices, "results"),
                      *config = field(devices, "config");
    const struct at *here = AT(at, "devices");
    int64_t i = 0;

    if (check_list_size(c, AT(here, "results"), results, DEVICE_LIST_MAX))
        JSON_EACH(r, results) {
            const struct at *result_at = AT_INDEX(AT(here, "results"), i++);

            check_request_ref(c, AT(result_at, "request"), json_get_str(r, "request"),
                              claim_devices);
            check_csi_driver_name(c, AT(result_at, "driver"), json_get_str(r, "driver"));
            check_pool_name(c, AT(result_at, "pool"), json_get_str(r, "pool"));
            check_dns_label(c, AT(result_at, "device"), json_get_str(r, "device"));
            check_share_id(c, AT(result_at, "shareID"), field(r, "shareID"));
            check_binding_conditions(c, result_at, r);
        }
    i = 0;
    if (check_list_size(c, AT(here, "config"), config, 2 * DEVICE_LIST_MAX))
        JSON_EACH(v, config) {
            const struct at *config_at = AT_INDEX(AT(here, "config"), i++);
            str source = json_get_str(v, "source");

            if (source.n == 0)
                bad_required(c, AT(config_at, "source"), "");
            else if (!one_of(source, sources))
                bad_unsupported(c, AT(config_at, "source"), json_string(source), sources);
            check_request_refs(c, AT(config_at, "requests"), field(v, "requests"), claim_devices);
            check_opaque(c, config_at, v);
        }
    if (field(allocation, "nodeSelector"))
        check_node_selector(c, AT(at, "nodeSelector"), field(allocation, "nodeSelector"));
}

static bool has_new_users(const struct json *users, const struct json *old)
{
    JSON_EACH(v, users) {
        bool known = false;

        JSON_EACH(o, old)
            known |= json_equal(v, o);
        if (!known)
            return true;
    }
    return false;
}

static void check_claim_status(struct check *c, const struct write *w)
{
    const struct json *status = field(w->obj, "status"), *old = field(w->old, "status"),
                      *users = field(status, "reservedFor"), *devices = field(status, "devices"),
                      *allocation = field(status, "allocation"), *had = field(old, "allocation");
    const struct at *at = AT(NULL, "status"), *devices_at = AT(at, "devices");
    int64_t i = 0;

    check_users(c, AT(at, "reservedFor"), users);
    JSON_EACH(d, devices) {
        const struct at *here = AT_INDEX(devices_at, i);

        check_device_status(c, here, d, status);
        for (int64_t k = 0; k < i; k++)
            if (same_device(d, json_item(devices, (uint32_t)k))) {
                bad_duplicate(c, here, device_id(c, d), "");
                break;
            }
        i++;
    }
    if (json_count(users) && !allocation)
        bad_forbidden(c, AT(at, "reservedFor"), "may not be specified when `allocated` is not set");
    else if (json_count(users) && field_at(w->obj, "metadata.deletionTimestamp") &&
             has_new_users(users, field(old, "reservedFor")))
        bad_forbidden(c, AT(at, "reservedFor"),
                      "new entries may not be added while `deallocationRequested` or "
                      "`deletionTimestamp` are set");
    if (allocation && had)
        check_immutable_struct(c, AT(at, "allocation"), "resource.v1.AllocationResult", allocation,
                               had);
    else if (allocation)
        check_allocation(c, AT(at, "allocation"), allocation, field_at(w->obj, "spec.devices"));
}

/* ---- administrators may use devices that others use: in namespaces that are labelled for it ---- */

static bool asks_for_admin(const struct json *requests)
{
    JSON_EACH(r, requests)
        if (json_get_bool(r, "exactly.adminAccess", false))
            return true;
    return false;
}

static bool gives_admin(const struct json *status)
{
    JSON_EACH(r, field_at(status, "allocation.devices.results"))
        if (json_get_bool(r, "adminAccess", false))
            return true;
    return false;
}

static void check_admin(struct check *c, const struct write *w, bool admin)
{
    const struct obj *ns;
    str label = STR_NONE;

    if (!admin)
        return;
    ns = store_find(w->api->store, kind_key(api_core(w->api, "namespaces"), S(""), w->ns));
    if (ns)
        packed_get(ns->labels, S("resource.kubernetes.io/admin-access"), &label);
    if (!str_is(label, "true"))
        bad_forbidden(c, AT(NULL, ""),
                      "admin access to devices requires the `resource.kubernetes.io/admin-access: "
                      "true` label on the containing namespace");
}

/* ---- the kinds ---- */

void validate_resourceclaim(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");

    if (str_is(w->subresource, "status")) {
        check_admin(c, w,
                    gives_admin(field(w->obj, "status")) && !gives_admin(field(w->old, "status")));
        check_claim_status(c, w);
    } else if (w->old) { /* nothing of it can be changed: nothing else needs to be said */
        check_immutable_struct(c, at, "resource.v1.ResourceClaimSpec", spec, field(w->old, "spec"));
    } else {
        check_admin(c, w, asks_for_admin(field_at(spec, "devices.requests")));
        check_device_claim(c, at, spec);
    }
}

void validate_resourceclaimtemplate(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");

    if (w->old) {
        check_immutable_struct(c, at, "resource.v1.ResourceClaimTemplateSpec", spec,
                               field(w->old, "spec"));
        return;
    }
    check_admin(c, w, asks_for_admin(field_at(spec, "spec.devices.requests")));
    check_labels(c, AT(AT(at, "metadata"), "labels"), field_at(spec, "metadata.labels"));
    check_annotations(c, AT(AT(at, "metadata"), "annotations"),
                      field_at(spec, "metadata.annotations"));
    check_device_claim(c, AT(at, "spec"), field(spec, "spec"));
}
