/* storage.c - rules of the kinds of storage.k8s.io: classes, drivers, what nodes know of drivers, attachments, capacities.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/storage/validation/validation.go. */
#include "api/validation/rules.h"
#include "api/validation/validation.h"
#include "api/validation/volume.h"

#define PARAMETERS_MAX 512
#define PARAMETERS_MAX_BYTES (256 * 1024)
#define METADATA_MAX_BYTES (256 * 1024)
#define VOLUME_ERROR_MAX_BYTES 1024
#define NODE_ID_MAX 256
#define TOKEN_SECONDS_MIN 600
#define TOKEN_SECONDS_MAX (1LL << 32)
#define UPDATE_PERIOD_MIN_S 10

/* ---- classes ---- */

static void check_provisioner(struct check *c, const struct at *at, str s)
{
    if (s.n == 0)
        bad_required(c, at, "");
    else
        check_qualified_name(c, at, lower_copy(c->a, s));
}

static void check_parameters(struct check *c, const struct at *at, const struct json *parameters,
                             bool may_be_empty)
{
    size_t bytes = 0;

    if (json_count(parameters) > PARAMETERS_MAX) {
        bad_too_long(c, at, PARAMETERS_MAX);
        return;
    }
    JSON_EACH_MEMBER(m, parameters) {
        if (m->key.n == 0)
            bad_string(c, at, m->key, "field can not be empty.");
        bytes += m->key.n + json_str(&m->value).n;
    }
    if (bytes > PARAMETERS_MAX_BYTES)
        bad_too_long(c, at, PARAMETERS_MAX_BYTES);
    if (!may_be_empty && !json_count(parameters))
        bad_required(c, at, "must contain at least one key/value pair");
}

static void check_topology_term(struct check *c, const struct at *at, const struct json *term)
{
    const struct at *list = AT(at, "matchLabelExpressions");
    struct map keys;
    int64_t i = 0;

    map_init(&keys);
    JSON_EACH(e, field(term, "matchLabelExpressions")) {
        const struct at *here = AT_INDEX(list, i++), *values_at = AT(here, "values");
        str key = json_get_str(e, "key");
        struct map values;
        int64_t k = 0;

        if (!json_count(field(e, "values")))
            bad_required(c, values_at, "");
        map_init(&values);
        JSON_EACH(v, field(e, "values")) {
            if (map_put(&values, json_str(v), &values))
                bad_duplicate(c, AT_INDEX(values_at, k), *v, "");
            k++;
        }
        map_fini(&values);
        check_qualified_name(c, AT(here, "key"), key);
        if (map_put(&keys, key, &keys))
            bad_duplicate(c, AT(here, "key"), json_string(key), "");
    }
    map_fini(&keys);
}

static bool same_set(const struct json *a, const struct json *b)
{
    JSON_EACH(v, a) {
        bool found = false;

        JSON_EACH(o, b)
            found |= str_eq(json_str(v), json_str(o));
        if (!found)
            return false;
    }
    return true;
}

/* Two terms that say the same, in whatever order. */
static bool same_term(const struct json *a, const struct json *b)
{
    const struct json *x = field(a, "matchLabelExpressions"),
                      *y = field(b, "matchLabelExpressions");

    if (json_count(x) != json_count(y))
        return false;
    JSON_EACH(e, x) {
        bool found = false;

        JSON_EACH(o, y)
            found |= str_eq(json_get_str(e, "key"), json_get_str(o, "key")) &&
                     same_set(field(e, "values"), field(o, "values")) &&
                     same_set(field(o, "values"), field(e, "values"));
        if (!found)
            return false;
    }
    return true;
}

static void check_topologies(struct check *c, const struct at *at, const struct json *topologies)
{
    int64_t i = 0;

    JSON_EACH(t, topologies) {
        const struct at *here = AT_INDEX(at, i);

        check_topology_term(c, here, t);
        for (int64_t k = 0; k < i; k++)
            if (same_term(t, json_item(topologies, (uint32_t)k)))
                bad_duplicate(c, AT(here, "matchLabelExpressions"), json_z(""), "");
        i++;
    }
}

void validate_storageclass(struct write *w, struct err **errs)
{
    static const char *const reclaims[] = {"Delete", "Retain", NULL};
    static const char *const bindings[] = {"Immediate", "WaitForFirstConsumer", NULL};
    static const char *const fixed[] = {"parameters", "provisioner", "reclaimPolicy",
                                        "volumeBindingMode"};
    struct check *c = &(struct check){w->a, errs};

    if (w->old) {
        for (size_t k = 0; k < ARRAY_LEN(fixed); k++)
            check_immutable(c, AT(NULL, fixed[k]), field(w->obj, fixed[k]),
                            field(w->old, fixed[k]));
        return;
    }
    check_provisioner(c, AT(NULL, "provisioner"), json_get_str(w->obj, "provisioner"));
    check_parameters(c, AT(NULL, "parameters"), field(w->obj, "parameters"), true);
    if (json_get_str(w->obj, "reclaimPolicy").n)
        check_enum(c, AT(NULL, "reclaimPolicy"), field(w->obj, "reclaimPolicy"), reclaims);
    check_enum(c, AT(NULL, "volumeBindingMode"), field(w->obj, "volumeBindingMode"), bindings);
    check_topologies(c, AT(NULL, "allowedTopologies"), field(w->obj, "allowedTopologies"));
}

void validate_volumeattributesclass(struct write *w, struct err **errs)
{
    static const char *const fixed[] = {"driverName", "parameters"};
    struct check *c = &(struct check){w->a, errs};

    if (w->old)
        for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
            const struct json *now = field(w->obj, fixed[i]), *old = field(w->old, fixed[i]);

            if (json_count(now) + json_count(old) + json_str(now).n + json_str(old).n &&
                (!now || !old || !json_equal(now, old)))
                bad_forbidden(c, AT(NULL, fixed[i]), "updates to %s are forbidden.", fixed[i]);
        }
    check_provisioner(c, AT(NULL, "driverName"), json_get_str(w->obj, "driverName"));
    check_parameters(c, AT(NULL, "parameters"), field(w->obj, "parameters"), false);
}

/* ---- drivers ---- */

static void check_token_requests(struct check *c, const struct at *at, const struct json *requests)
{
    struct map audiences;
    int64_t i = 0;

    map_init(&audiences);
    JSON_EACH(t, requests) {
        const struct at *here = AT_INDEX(at, i++), *seconds_at = AT(here, "expirationSeconds");
        const struct json *seconds = field(t, "expirationSeconds");
        str audience = json_get_str(t, "audience");

        if (map_put(&audiences, audience, &audiences)) {
            bad_duplicate(c, AT(here, "audience"), json_string(audience), "");
            continue;
        }
        if (seconds && seconds->i < TOKEN_SECONDS_MIN)
            bad_invalid(c, seconds_at, *seconds, "may not specify a duration less than 10 minutes");
        if (seconds && seconds->i > TOKEN_SECONDS_MAX)
            bad_invalid(c, seconds_at, *seconds,
                        "may not specify a duration larger than 2^32 seconds");
    }
    map_fini(&audiences);
}

void validate_csidriver(struct write *w, struct err **errs)
{
    static const char *const modes[] = {"Persistent", "Ephemeral", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *old = field(w->old, "spec"),
                      *period = field(spec, "nodeAllocatableUpdatePeriodSeconds"),
                      *in_secrets = field(spec, "serviceAccountTokenInSecrets");
    const struct at *at = AT(NULL, "spec");

    check_token_requests(c, AT(at, "tokenRequests"), field(spec, "tokenRequests"));
    JSON_EACH(m, field(spec, "volumeLifecycleModes"))
        check_enum(c, AT(at, "volumeLifecycleModes"), m, modes);
    if (period && period->i < UPDATE_PERIOD_MIN_S)
        bad_invalid(c, AT(at, "nodeAllocatableUpdatePeriodSeconds"), *period,
                    "must be greater than or equal to %d seconds", UPDATE_PERIOD_MIN_S);
    if (in_secrets && !json_count(field(spec, "tokenRequests")))
        bad_invalid(c, AT(at, "serviceAccountTokenInSecrets"), *in_secrets,
                    "serviceAccountTokenInSecrets is set but no tokenRequests are specified");
    if (!w->old)
        return;
    check_immutable(c, AT(at, "attachedRequired"), /* so it is spelled there */
                    field(spec, "attachRequired"), field(old, "attachRequired"));
    check_immutable(c, AT(at, "volumeLifecycleModes"), field(spec, "volumeLifecycleModes"),
                    field(old, "volumeLifecycleModes"));
}

/* ---- nodes ---- */

static void check_node_driver(struct check *c, const struct at *at, const struct json *d,
                              struct map *names)
{
    str name = json_get_str(d, "name"), id = json_get_str(d, "nodeID");
    struct map keys;

    check_csi_driver_name(c, AT(at, "name"), name);
    if (id.n == 0)
        bad_required(c, AT(at, "nodeID"), "");
    if (id.n > NODE_ID_MAX)
        bad_invalid(c, AT(at, "nodeID"), json_string(id), "must be %d characters or less",
                    NODE_ID_MAX);
    check_not_negative(c, AT(AT(at, "allocatable"), "count"), field_at(d, "allocatable.count"));
    if (map_put(names, name, names))
        bad_duplicate(c, AT(at, "name"), json_string(name), "");
    map_init(&keys);
    JSON_EACH(k, field(d, "topologyKeys")) {
        if (json_str(k).n == 0)
            bad_required(c, at, "");
        if (map_put(&keys, json_str(k), &keys))
            bad_duplicate(c, at, *k, "");
        check_qualified_name(c, at, json_str(k));
    }
    map_fini(&keys);
}

/* A driver that stays stays as it is, but for how many volumes it can take. */
static void check_drivers_kept(struct check *c, const struct at *at, const struct write *w)
{
    JSON_EACH(was, field_at(w->old, "spec.drivers"))
        JSON_EACH(now, field_at(w->obj, "spec.drivers")) {
            struct json a, b;

            if (!str_eq(json_get_str(was, "name"), json_get_str(now, "name")))
                continue;
            a = json_copy(c->a, now);
            b = json_copy(c->a, was);
            json_removez(&a, "allocatable");
            json_removez(&b, "allocatable");
            check_immutable_struct(c, at, "storage.v1.CSINodeDriver", &a, &b);
        }
}

void validate_csinode(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct at *at = AT(AT(NULL, "spec"), "drivers");
    struct map names;
    int64_t i = 0;

    map_init(&names);
    JSON_EACH(d, field_at(w->obj, "spec.drivers"))
        check_node_driver(c, AT_INDEX(at, i++), d, &names);
    map_fini(&names);
    if (w->old)
        check_drivers_kept(c, at, w);
}

/* ---- attachments ---- */

static void check_volume_error(struct check *c, const struct at *at, const struct json *e)
{
    const struct json *code = field(e, "errorCode");

    if (json_get_str(e, "message").n > VOLUME_ERROR_MAX_BYTES)
        bad_too_long(c, AT(at, "message"), METADATA_MAX_BYTES); /* Kubernetes names this limit */
    if (code && code->i < 0)
        bad_invalid(c, AT(at, "errorCode"), *code, "must be between 0 and %d, inclusive",
                    INT32_MAX);
}

static void check_attachment_status(struct check *c, const struct at *at, const struct json *status)
{
    size_t bytes = 0;

    JSON_EACH_MEMBER(m, field(status, "attachmentMetadata"))
        bytes += m->key.n + json_str(&m->value).n;
    if (bytes > METADATA_MAX_BYTES)
        bad_too_long(c, AT(at, "attachmentMetadata"), METADATA_MAX_BYTES);
    check_volume_error(c, AT(at, "attachError"), field(status, "attachError"));
    check_volume_error(c, AT(at, "detachError"), field(status, "detachError"));
}

static void check_attachment_source(struct check *c, const struct at *at, const struct json *source)
{
    static const char one[] = "must specify exactly one of inlineVolumeSpec and "
                              "persistentVolumeName";
    const struct json *volume = field(source, "persistentVolumeName"),
                      *inlined = field(source, "inlineVolumeSpec");

    if (!inlined && !volume)
        bad_required(c, at, one);
    else if (inlined && volume)
        bad_forbidden(c, at, "%s", one);
    else if (volume && json_str(volume).n == 0)
        bad_required(c, AT(at, "persistentVolumeName"),
                     "must specify non empty persistentVolumeName");
    else if (inlined)
        check_volume_spec(c, AT(at, "inlineVolumeSpec"), inlined, S(""), true);
}

void validate_volumeattachment(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *source = field(spec, "source");
    const struct at *at = AT(NULL, "spec"), *source_at = AT(at, "source");
    str volume = json_get_str(source, "persistentVolumeName");

    if (json_get_str(spec, "attacher").n)
        check_csi_driver_name(c, AT(at, "attacher"), json_get_str(spec, "attacher"));
    else
        bad_required(c, AT(at, "attacher"), "");
    check_attachment_source(c, source_at, source);
    check_dns_subdomain(c, AT(at, "nodeName"), json_get_str(spec, "nodeName"));
    check_attachment_status(c, AT(NULL, "status"), field(w->obj, "status"));
    if (!w->old && volume.n)
        check_dns_subdomain(c, AT(source_at, "persistentVolumeName"), volume);
    if (w->old)
        check_immutable_struct(c, at, "storage.v1.VolumeAttachmentSpec", spec,
                               field(w->old, "spec"));
}

/* ---- capacities ---- */

void validate_csistoragecapacity(struct write *w, struct err **errs)
{
    static const char *const fixed[] = {"nodeTopology", "storageClassName"};
    struct check *c = &(struct check){w->a, errs};
    const struct json *capacity = field(w->obj, "capacity");

    if (w->old) {
        for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
            check_immutable(c, AT(NULL, fixed[i]), field(w->obj, fixed[i]),
                            field(w->old, fixed[i]));
        return;
    }
    check_label_selector(c, AT(NULL, "nodeTopology"), field(w->obj, "nodeTopology"));
    check_dns_subdomain(c, AT(NULL, "storageClassName"), json_get_str(w->obj, "storageClassName"));
    if (capacity)
        check_not_negative_quantity(c, AT(NULL, "capacity"), json_str(capacity));
}
