/* devices.c - rules of ResourceSlices and DeviceClasses, and what claims share with them.
 *
 * Not here: claims (claims.c).
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/resource/validation/validation.go. */
#include "api/validation/devices.h"
#include "api/validation/expressions.h"
#include "api/validation/pod.h"
#include "api/validation/validation.h"
#include "api/validation/volume.h"

#define POOL_NAME_MAX 253
#define ID_MAX 32
#define ATTRIBUTES_MAX 32
#define ATTRIBUTE_VALUE_MAX 64
#define EXPRESSION_MAX (10 * 1024)
#define PARAMETERS_MAX (10 * 1024)
#define DEVICES_MAX 128
#define DEVICES_WITH_TAINTS_MAX 64
#define COUNTER_SETS_MAX 8
#define COUNTERS_MAX 32
#define CONSUMPTIONS_MAX 2
#define BINDING_CONDITIONS_MAX 4
#define VALID_VALUES_MAX 10

bool check_list_size(struct check *c, const struct at *at, const struct json *list, uint32_t max)
{
    if (json_count(list) <= max)
        return true;
    bad_too_many(c, at, json_count(list), max);
    return false;
}

/* ---- names ---- */

void check_pool_name(struct check *c, const struct at *at, str s)
{
    str rest = s, part;

    if (s.n == 0) {
        bad_required(c, at, "");
        return;
    }
    if (s.n > POOL_NAME_MAX)
        bad_too_long(c, at, POOL_NAME_MAX);
    while (str_cut(&rest, '/', &part))
        check_dns_subdomain(c, at, part);
}

static void check_identifier(struct check *c, const struct at *at, str s)
{
    if (s.n > ID_MAX)
        bad_too_long(c, at, ID_MAX);
    check_format(c, at, "c-identifier", s);
}

void check_device_qualified_name(struct check *c, const struct at *at, str s)
{
    str id = s, domain;

    str_cut(&id, '/', &domain);
    if (!id.p) {
        check_identifier(c, at, s);
        return;
    }
    if (str_has_char(id, '/')) /* accepted as they are, upstream too */
        return;
    if (domain.n == 0)
        bad_string(c, at, S(""), "the domain must not be empty");
    else
        check_csi_driver_name(c, at, domain);
    if (id.n == 0)
        bad_string(c, at, S(""), "the name must not be empty");
    else
        check_identifier(c, at, id);
}

/* ---- selectors, configurations, taints ---- */

void check_device_selectors(struct check *c, const struct at *at, const struct json *selectors)
{
    struct cel_env *env;
    int64_t i = 0;

    if (!check_list_size(c, at, selectors, DEVICE_LIST_MAX) || !json_count(selectors))
        return;
    env = device_env_new();
    JSON_EACH(v, selectors) {
        const struct at *here = AT(AT_INDEX(at, i++), "cel");
        const struct json *cel = field(v, "cel");

        if (!cel)
            bad_required(c, here, "");
        else if (json_get_str(cel, "expression").n > EXPRESSION_MAX)
            bad_too_long(c, AT(here, "expression"), EXPRESSION_MAX);
        else
            check_device_expression(c, AT(here, "expression"), env,
                                    json_get_str(cel, "expression"));
    }
    cel_env_free(env);
}

void check_raw(struct check *c, const struct at *at, const struct json *v, size_t max_bytes)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!v) {
        bad_required(c, at, "");
        return;
    }
    json_encode(&b, v);
    if (b.n > max_bytes)
        bad_too_long(c, at, (int64_t)max_bytes);
    else if (v->type != JSON_OBJECT)
        bad_string(c, at, S("<value omitted>"), "must be a valid JSON object");
}

void check_opaque(struct check *c, const struct at *at, const struct json *config)
{
    const struct json *opaque = field(config, "opaque");
    const struct at *here = AT(at, "opaque");

    if (!opaque) {
        bad_required(c, here, "");
        return;
    }
    check_csi_driver_name(c, AT(here, "driver"), json_get_str(opaque, "driver"));
    check_raw(c, AT(here, "parameters"), field(opaque, "parameters"), PARAMETERS_MAX);
}

void check_device_effect(struct check *c, const struct at *at, str effect, bool required)
{
    static const char *const effects[] = {"NoExecute", "NoSchedule", "None", NULL};

    if (effect.n == 0) {
        if (required)
            bad_required(c, at, "");
    } else if (!one_of(effect, effects)) {
        bad_unsupported(c, at, json_string(effect), effects);
    }
}

void check_binding_conditions(struct check *c, const struct at *at, const struct json *v)
{
    static const char *const lists[] = {"bindingConditions", "bindingFailureConditions"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct json *list = field(v, lists[i]);
        int64_t k = 0;

        if (check_list_size(c, AT(at, lists[i]), list, BINDING_CONDITIONS_MAX))
            JSON_EACH(s, list)
                check_qualified_name(c, AT_INDEX(AT(at, lists[i]), k++), json_str(s));
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (!json_count(field(v, lists[i])) && json_count(field(v, lists[!i])))
            bad_invalid(c, AT(at, lists[i]), json_null(), "%s are required to use %s", lists[i],
                        lists[!i]);
}

/* ---- attributes and capacities ---- */

static bool is_number(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && (s.n == 1 || s.p[0] != '0');
}

/* Dot-separated words of letters, digits and hyphens; numbers among them without leading zeros, where that matters. */
static bool are_identifiers(str s, bool strict)
{
    str rest = s, part;

    while (str_cut(&rest, '.', &part)) {
        bool digits = part.n > 0;

        for (size_t i = 0; i < part.n; i++) {
            char ch = part.p[i];
            bool digit = ch >= '0' && ch <= '9';

            if (!digit && ch != '-' && !(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z'))
                return false;
            digits &= digit;
        }
        if (part.n == 0 || (strict && digits && !is_number(part)))
            return false;
    }
    return true;
}

/* semver.org: 1.2.3, 1.2.3-rc.1, 1.2.3+build */
static bool is_semver(str s)
{
    str build = s, pre, core, part;
    int n = 0;

    str_cut(&build, '+', &core);
    if (build.p && (build.n == 0 || !are_identifiers(build, false)))
        return false;
    pre = core;
    str_cut(&pre, '-', &core);
    if (pre.p && (pre.n == 0 || !are_identifiers(pre, true)))
        return false;
    for (; str_cut(&core, '.', &part); n++)
        if (!is_number(part))
            return false;
    return n == 3;
}

static void check_attribute_text(struct check *c, const struct at *at, str s, bool version)
{
    if (version && !is_semver(s))
        bad_string(c, at, s, "must be a string compatible with semver.org spec 2.0.0");
    if (s.n > ATTRIBUTE_VALUE_MAX)
        bad_too_long(c, at, ATTRIBUTE_VALUE_MAX);
}

static void check_attribute(struct check *c, const struct at *at, const struct json *v)
{
    static const char *const forms[] = {"bool",  "int",  "string",  "version",
                                        "bools", "ints", "strings", "versions"};
    static const char *const texts[] = {"string", "version"};
    static const char *const lists[] = {"strings", "versions"};
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (field(v, texts[i]))
            check_attribute_text(c, AT(at, texts[i]), json_get_str(v, texts[i]), i == 1);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        int64_t k = 0;

        JSON_EACH(s, field(v, lists[i]))
            check_attribute_text(c, AT_INDEX(AT(at, lists[i]), k++), json_str(s), i == 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        n += field(v, forms[i]) != NULL;
    if (n == 0)
        bad_string(c, at, S(""), "exactly one value must be specified");
    else if (n > 1)
        bad_invalid(c, at, sorted_copy(c->a, v), "exactly one value must be specified");
}

struct policy {
    struct quantity capacity, fallback;
    str capacity_text, fallback_text;
};

static bool quantity_of(const struct json *v, struct quantity *ret)
{
    return v && quantity_parse(json_str(v), ret);
}

static void check_valid_values(struct check *c, const struct at *at, const struct json *values,
                               const struct policy *p)
{
    struct quantity before = {0}, q;
    bool found = false;
    int64_t i = 0;

    JSON_EACH(v, values) {
        if (i && quantity_of(v, &q) && quantity_cmp(&before, &q) > 0)
            bad_invalid(c, AT_INDEX(at, i), *v, "values must be sorted in ascending order");
        quantity_of(v, &before);
        i++;
    }
    if (!check_list_size(c, at, values, VALID_VALUES_MAX))
        return;
    i = 0;
    JSON_EACH(v, values) {
        const struct at *here = AT_INDEX(at, i++);

        if (!quantity_of(v, &q))
            continue;
        if (quantity_cmp(&q, &p->capacity) > 0)
            bad_invalid(c, here, *v, "option is larger than capacity value: " PRI_STR,
                        STR_ARG(p->capacity_text));
        found |= quantity_cmp(&q, &p->fallback) == 0;
    }
    for (int64_t k = 1; k < i; k++)
        for (int64_t m = 0; m < k; m++)
            if (quantity_of(json_item(values, (uint32_t)k), &q) &&
                quantity_of(json_item(values, (uint32_t)m), &before) &&
                quantity_cmp(&q, &before) == 0) {
                bad_duplicate(c, AT_INDEX(at, k),
                              json_string(arena_fmt(c->a, "%lld", (long long)quantity_value(&q))),
                              "");
                break;
            }
    if (!found)
        bad_string(c, at, p->fallback_text,
                   "default value is not valid according to the requestPolicy");
}

static void check_step(struct check *c, const struct at *at, const struct json *value,
                       const struct json *min, const struct json *step)
{
    struct quantity v, m, s;

    if (!quantity_of(value, &v) || !quantity_of(min, &m) || !quantity_of(step, &s) ||
        quantity_value(&s) == 0)
        return;
    if ((quantity_value(&v) - quantity_value(&m)) % quantity_value(&s))
        bad_invalid(c, at, *value,
                    "value is not a multiple of a given step (" PRI_STR ") from (" PRI_STR ")",
                    STR_ARG(json_str(step)), STR_ARG(json_str(min)));
}

static void check_range(struct check *c, const struct at *at, const struct json *range,
                        const struct json *fallback, const struct policy *p)
{
    const struct json *min = field(range, "min"), *max = field(range, "max"),
                      *step = field(range, "step");
    struct quantity lo, hi, s;

    if (!quantity_of(min, &lo)) {
        bad_required(c, AT(at, "min"), "required when validRange is defined");
        return;
    }
    if (quantity_cmp(&lo, &p->capacity) > 0)
        bad_invalid(c, AT(at, "min"), *min, "min is larger than capacity value: " PRI_STR,
                    STR_ARG(p->capacity_text));
    if (quantity_cmp(&p->fallback, &lo) < 0)
        bad_invalid(c, AT(at, "min"), *fallback, "default is less than min: " PRI_STR,
                    STR_ARG(json_str(min)));
    if (quantity_of(max, &hi)) {
        if (quantity_cmp(&lo, &hi) > 0)
            bad_invalid(c, AT(at, "max"), *min, "min is larger than max: " PRI_STR,
                        STR_ARG(json_str(max)));
        if (quantity_cmp(&hi, &p->capacity) > 0)
            bad_invalid(c, AT(at, "max"), *max, "max is larger than capacity value: " PRI_STR,
                        STR_ARG(p->capacity_text));
        if (quantity_cmp(&p->fallback, &hi) > 0)
            bad_invalid(c, AT(at, "max"), *fallback, "default is more than max: " PRI_STR,
                        STR_ARG(json_str(max)));
    }
    if (!quantity_of(step, &s))
        return;
    quantity_add(&s, &lo);
    if (quantity_cmp(&s, &p->capacity) > 0) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        buf_z(&b, "one step ");
        buf_fmt(&b, "%lld", (long long)quantity_value(&s));
        bad_invalid(c, AT(at, "step"), *step, PRI_STR " is larger than capacity value: " PRI_STR,
                    STR_ARG(buf_view(&b)), STR_ARG(p->capacity_text));
    }
    check_step(c, AT(at, "step"), fallback, min, step);
    if (max)
        check_step(c, AT(at, "step"), max, min, step);
}

static void check_capacity(struct check *c, const struct at *at, const struct json *v, bool shared)
{
    const struct json *policy = field(v, "requestPolicy"), *values = field(policy, "validValues"),
                      *range = field(policy, "validRange"), *fallback = field(policy, "default");
    const struct at *here = AT(at, "requestPolicy");
    struct policy p = {.capacity_text = json_get_str(v, "value"),
                       .fallback_text = json_str(fallback)};

    if (!policy)
        return;
    if (!shared) {
        bad_forbidden(c, here, "allowMultipleAllocations must be true");
        return;
    }
    if (json_count(values) && range) {
        bad_forbidden(c, here,
                      "exactly one policy can be specified, cannot specify \"validValues\" and "
                      "\"validRange\" at the same time");
        return;
    }
    if (!json_count(values) && !range)
        return;
    if (!fallback) {
        bad_required(c, AT(here, "default"),
                     json_count(values) ? "required when validValues is defined"
                                        : "required when validRange is defined");
        return;
    }
    if (!quantity_parse(p.capacity_text, &p.capacity) || !quantity_of(fallback, &p.fallback))
        return;
    if (json_count(values))
        check_valid_values(c, AT(here, "validValues"), values, &p);
    else
        check_range(c, AT(here, "validRange"), range, fallback, &p);
}

/* ---- where a slice or device is ---- */

struct place_field {
    const char *field;
    bool selector, text; /* else: a bool */
};

/* Which of the fields that say where something is are set, as `a`, `b`; their values are looked at on the way. */
static unsigned check_places(struct check *c, const struct at *at, const struct json *v,
                             const struct place_field *fields, size_t n_fields, bool one_term,
                             const char *empty_name, struct buf *ret_set)
{
    unsigned n = 0;

    for (size_t i = 0; i < n_fields; i++) {
        const struct json *m = field(v, fields[i].field);
        const struct at *here = AT(at, fields[i].field);
        bool set = false;

        if (!m)
            continue;
        if (fields[i].text) {
            set = json_str(m).n > 0;
            if (set)
                check_dns_subdomain(c, here, json_str(m));
            else
                bad_string(c, here, S(""), empty_name);
        } else if (fields[i].selector) {
            const struct json *terms = field(m, "nodeSelectorTerms");

            set = true;
            check_node_selector(c, here, m);
            if (one_term && json_count(terms) != 1)
                bad_invalid(c, AT(here, "nodeSelectorTerms"), terms ? *terms : json_null(),
                            "must have exactly one node selector term");
        } else {
            set = m->b;
            if (!set)
                bad_invalid(c, here, *m, "must be either unset or set to true");
        }
        if (set)
            buf_fmt(ret_set, "%s`%s`", n++ ? ", " : "", fields[i].field);
    }
    return n;
}

/* ---- devices ---- */

static void check_counters(struct check *c, const struct at *at, const struct json *counters)
{
    if (!json_count(counters)) {
        bad_required(c, at, "");
        return;
    }
    if (check_list_size(c, at, counters, COUNTERS_MAX))
        JSON_EACH_MEMBER(m, counters)
            check_dns_label(c, AT_KEY(at, m->key), m->key);
}

static void check_taint(struct check *c, const struct at *at, const struct json *t)
{
    check_qualified_name(c, AT(at, "key"), json_get_str(t, "key"));
    if (json_get_str(t, "value").n)
        check_label_value(c, AT(at, "value"), json_get_str(t, "value"));
    check_device_effect(c, AT(at, "effect"), json_get_str(t, "effect"), true);
}

/* Sets of a counter set's or consumption's name; complaints about repetition come last. */
static void check_unique(struct check *c, const struct at *at, const struct json *list,
                         const char *key)
{
    struct map seen;
    int64_t i = 0;

    map_init(&seen);
    JSON_EACH(v, list) {
        str name = json_get_str(v, key);

        if (map_put(&seen, name, &seen))
            bad_duplicate(c, AT_INDEX(at, i), json_string(name), "");
        i++;
    }
    map_fini(&seen);
}

static void check_consumptions(struct check *c, const struct at *at, const struct json *list)
{
    int64_t i = 0;

    if (!check_list_size(c, at, list, CONSUMPTIONS_MAX))
        return;
    JSON_EACH(v, list) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(v, "counterSet");

        if (name.n)
            check_dns_label(c, AT(here, "counterSet"), name);
        else
            bad_required(c, AT(here, "counterSet"), "");
        check_counters(c, AT(here, "counters"), field(v, "counters"));
    }
    check_unique(c, at, list, "counterSet");
}

static void check_device_place(struct check *c, const struct at *at, const struct json *d,
                               bool per_device)
{
    static const struct place_field fields[] = {
        {"nodeName", false, true}, {"nodeSelector", true, false}, {"allNodes", false, false}};
    static const char one[] = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is "
                              "required when `perDeviceNodeSelection` is set to true in the "
                              "ResourceSlice spec";
    CLEANUP(buf) struct buf set = BUF_INIT;
    unsigned n;

    if (!per_device) {
        if (field(d, "nodeName") || field(d, "nodeSelector") || field(d, "allNodes"))
            bad_invalid(c, at, json_null(),
                        "`nodeName`, `nodeSelector` and `allNodes` can only be set if "
                        "`perDeviceNodeSelection` is set to true in the ResourceSlice spec");
        return;
    }
    n = check_places(c, at, d, fields, ARRAY_LEN(fields), false, "must not be empty", &set);
    if (n == 0)
        bad_required(c, at, one);
    else if (n > 1)
        bad_invalid(c, at, json_string(arena_fmt(c->a, "{" PRI_STR "}", STR_ARG(buf_view(&set)))),
                    "%s", one);
}

static void check_device(struct check *c, const struct at *at, const struct json *d,
                         const struct json *old, bool per_device)
{
    const struct json *attributes = field(d, "attributes"), *capacity = field(d, "capacity"),
                      *taints = field(d, "taints"), *old_taints = field(old, "taints");
    uint32_t n = json_count(attributes) + json_count(capacity);
    bool shared = json_get_bool(d, "allowMultipleAllocations", false);
    int64_t i = 0;

    check_dns_label(c, AT(at, "name"), json_get_str(d, "name"));
    if (n > ATTRIBUTES_MAX)
        bad_invalid(c, at, json_int(n),
                    "the total number of attributes and capacities must not exceed %d",
                    ATTRIBUTES_MAX);
    JSON_EACH_MEMBER(m, attributes) {
        const struct at *here = AT_KEY(AT(at, "attributes"), m->key);

        check_device_qualified_name(c, here, m->key);
        check_attribute(c, here, &m->value);
    }
    JSON_EACH_MEMBER(m, capacity) {
        const struct at *here = AT_KEY(AT(at, "capacity"), m->key);

        check_device_qualified_name(c, here, m->key);
        check_capacity(c, here, &m->value, shared);
    }
    if (taints && !(old_taints && json_equal(taints, old_taints)) &&
        check_list_size(c, AT(at, "taints"), taints, DEVICE_TAINTS_MAX))
        JSON_EACH(t, taints)
            check_taint(c, AT_INDEX(AT(at, "taints"), i++), t);
    check_consumptions(c, AT(at, "consumesCounters"), field(d, "consumesCounters"));
    check_device_place(c, at, d, per_device);
    check_binding_conditions(c, at, d);
}

static const struct json *device_named(const struct json *devices, str name)
{
    JSON_EACH(d, devices)
        if (str_eq(json_get_str(d, "name"), name))
            return d;
    return NULL;
}

static void check_devices(struct check *c, const struct at *at, const struct json *spec,
                          const struct json *old)
{
    const struct json *devices = field(spec, "devices");
    uint32_t max = DEVICES_MAX;
    int64_t i = 0;

    JSON_EACH(d, devices)
        if (json_count(field(d, "taints")) || json_count(field(d, "consumesCounters")))
            max = DEVICES_WITH_TAINTS_MAX;
    if (!check_list_size(c, at, devices, max))
        return;
    JSON_EACH(d, devices)
        check_device(c, AT_INDEX(at, i++), d,
                     old ? device_named(field(old, "devices"), json_get_str(d, "name")) : NULL,
                     json_get_bool(spec, "perDeviceNodeSelection", false));
    check_unique(c, at, devices, "name");
}

static void check_counter_sets(struct check *c, const struct at *at, const struct json *sets)
{
    int64_t i = 0;

    if (!check_list_size(c, at, sets, COUNTER_SETS_MAX))
        return;
    JSON_EACH(v, sets) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(v, "name");

        if (name.n)
            check_dns_label(c, AT(here, "name"), name);
        else
            bad_required(c, AT(here, "name"), "");
        check_counters(c, AT(here, "counters"), field(v, "counters"));
    }
    check_unique(c, at, sets, "name");
}

void validate_resourceslice(struct write *w, struct err **errs)
{
    static const struct place_field fields[] = {{"nodeName", false, true},
                                                {"nodeSelector", true, false},
                                                {"allNodes", false, false},
                                                {"perDeviceNodeSelection", false, false}};
    static const char one[] = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
                              "`perDeviceNodeSelection` is required";
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *pool = field(spec, "pool"),
                      *old = field(w->old, "spec");
    const struct at *at = AT(NULL, "spec"), *pool_at = AT(at, "pool");
    int64_t count = json_get_int(pool, "resourceSliceCount", 0),
            generation = json_get_int(pool, "generation", 0);
    CLEANUP(buf) struct buf set = BUF_INIT;
    unsigned n;

    check_csi_driver_name(c, AT(at, "driver"), json_get_str(spec, "driver"));
    check_pool_name(c, AT(pool_at, "name"), json_get_str(pool, "name"));
    if (count <= 0)
        bad_invalid(c, AT(pool_at, "resourceSliceCount"), json_int(count),
                    "must be greater than zero");
    if (generation < 0)
        bad_invalid(c, AT(pool_at, "generation"), json_int(generation),
                    "must be greater than or equal to zero");
    if (old) {
        check_immutable(c, AT(pool_at, "name"), field(pool, "name"), field_at(old, "pool.name"));
        check_immutable(c, AT(at, "driver"), field(spec, "driver"), field(old, "driver"));
        check_immutable(c, AT(at, "nodeName"), field(spec, "nodeName"), field(old, "nodeName"));
    }
    n = check_places(c, at, spec, fields, ARRAY_LEN(fields), true,
                     "must be either unset or set to a non-empty string", &set);
    if (n == 0)
        bad_required(c, at, one);
    else if (n > 1)
        bad_invalid(c, at, json_string(arena_fmt(c->a, "{" PRI_STR "}", STR_ARG(buf_view(&set)))),
                    "%s, but multiple fields are set", one);
    if (json_count(field(spec, "sharedCounters")) && json_count(field(spec, "devices")))
        bad_string(c, at, S(""), "only one of `sharedCounters` or `devices` is allowed");
    check_devices(c, AT(at, "devices"), spec, old);
    check_counter_sets(c, AT(at, "sharedCounters"), field(spec, "sharedCounters"));
}

/* ---- classes ---- */

/* A name with a domain that is nobody's own. */
static bool is_extended_resource(struct arena *a, str s)
{
    struct err *errs = NULL;
    struct check probe = {a, &errs};
    str rest = s, domain;
    bool ok;

    str_cut(&rest, '/', &domain);
    if (!rest.p || str_has_suffix(domain, S("kubernetes.io")) || str_has_prefix(s, S("requests.")))
        return false;
    check_qualified_name(&probe, AT(NULL, ""), arena_fmt(a, "requests." PRI_STR, STR_ARG(s)));
    ok = !errs;
    err_free(errs);
    return ok;
}

void validate_deviceclass(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *spec = field(w->obj, "spec"), *config = field(spec, "config"),
                      *resource = field(spec, "extendedResourceName");
    const struct at *at = AT(NULL, "spec");
    int64_t i = 0;

    check_device_selectors(c, AT(at, "selectors"), field(spec, "selectors"));
    if (check_list_size(c, AT(at, "config"), config, DEVICE_LIST_MAX))
        JSON_EACH(v, config)
            check_opaque(c, AT_INDEX(AT(at, "config"), i++), v);
    if (resource && !is_extended_resource(c->a, json_str(resource)))
        bad_invalid(c, AT(at, "extendedResourceName"), *resource,
                    "must be a valid extended resource name");
}
