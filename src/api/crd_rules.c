/* crd_rules.c - what a CustomResourceDefinition has to be: names, versions, structural schemas.
 *
 * Of a single version Kubernetes speaks by the older field paths (spec.validation, spec.subresources), since its internal form has them.
 * Not here: x-kubernetes-validations.
 * API: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation */
#include "api/crd.h"
#include "api/api_internal.h"
#include "schema/crd.h"

static const char dns1035_help[] =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
static const char subdomain_help[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

static void invalid(struct err **errs, str field, str value, const char *why)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_quoted(&b, value);
    cause(errs, CAUSE_INVALID, field, "Invalid value: %s: %s", buf_cstr(&b), why);
}

static bool is_1035(str s)
{
    return name_is_dns_label(s) && s.p[0] >= 'a' && s.p[0] <= 'z';
}

static str under(struct arena *a, str path, const char *what)
{
    return arena_fmt(a, PRI_STR ".%s", STR_ARG(path), what);
}

static void check_schema(struct arena *a, const struct json *s, str path, bool root,
                         struct err **errs)
{
    static const char *const types[] = {"array",  "boolean", "integer",
                                        "number", "object",  "string"};
    str type = json_get_str(s, "type"), list = json_get_str(s, "x-kubernetes-list-type"), problem;
    const struct json *items = json_findz(s, "items"), *def = json_findz(s, "default"),
                      *pattern = json_findz(s, "pattern"),
                      *more = json_findz(s, "additionalProperties");
    bool known = false, free_type = json_get_bool(s, "x-kubernetes-int-or-string", false) ||
                                    json_get_bool(s, "x-kubernetes-preserve-unknown-fields", false);

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        known |= str_is(type, types[i]);
    if (json_findz(s, "$ref")) {
        cause(errs, CAUSE_FORBIDDEN, under(a, path, "$ref"), "Forbidden: $ref is not supported");
        return;
    }
    if (type.n && !known) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        buf_quoted(&b, type);
        cause(errs, CAUSE_NOT_SUPPORTED, under(a, path, "type"),
              "Unsupported value: %s: supported values: \"array\", \"boolean\", \"integer\", "
              "\"number\", \"object\", \"string\"",
              buf_cstr(&b));
        return;
    }
    if (!type.n && !free_type)
        cause(errs, CAUSE_REQUIRED, under(a, path, "type"), "Required value: must not be empty %s",
              root ? "at the root" : "for specified object fields");
    if (root && type.n && !str_is(type, "object"))
        invalid(errs, under(a, path, "type"), type, "must be object at the root");
    if (json_is(pattern, JSON_STRING) && !crd_pattern_check(a, pattern->s, &problem))
        invalid(errs, under(a, path, "pattern"), pattern->s,
                arena_fmt(a, "must be a valid regular expression, but isn't: " PRI_STR,
                          STR_ARG(problem))
                    .p);
    if (str_is(type, "array") && !items)
        cause(errs, CAUSE_REQUIRED, under(a, path, "items"), "Required value: must be specified");
    if (str_is(list, "map") && !json_count(json_findz(s, "x-kubernetes-list-map-keys")))
        cause(errs, CAUSE_REQUIRED, under(a, path, "x-kubernetes-list-map-keys"),
              "Required value: must not be empty if x-kubernetes-list-type is map");
    if (str_is(list, "set") && str_is(json_get_str(items, "type"), "object") &&
        !str_is(json_get_str(items, "x-kubernetes-map-type"), "atomic"))
        cause(errs, CAUSE_INVALID, under(a, path, "items.x-kubernetes-map-type"),
              "Invalid value: null: must be atomic as item of a list with "
              "x-kubernetes-list-type=set");
    if (def && def->type != JSON_NULL)
        crd_validate_value(a, s, def, under(a, path, "default"), S(""), errs);
    JSON_EACH_MEMBER(m, json_findz(s, "properties")) {
        str at = arena_fmt(a, PRI_STR ".properties[" PRI_STR "]", STR_ARG(path), STR_ARG(m->key));

        if (root && str_is(m->key, "metadata")) {
            bool other = false;

            JSON_EACH_MEMBER(x, json_findz(&m->value, "properties"))
                other |= !str_is(x->key, "name") && !str_is(x->key, "generateName");
            if (other)
                cause(errs, CAUSE_FORBIDDEN, at,
                      "Forbidden: must not specify anything other than name and generateName, but "
                      "metadata is implicitly specified");
            continue;
        }
        check_schema(a, &m->value, at, false, errs);
    }
    if (json_is(items, JSON_OBJECT))
        check_schema(a, items, under(a, path, "items"), false, errs);
    if (json_is(more, JSON_OBJECT))
        check_schema(a, more, under(a, path, "additionalProperties"), false, errs);
}

static void simple_path(struct err **errs, str field, str path)
{
    if (!path.n)
        cause(errs, CAUSE_REQUIRED, field, "Required value");
    else if (path.p[0] != '.')
        invalid(errs, field, path, "must be a simple json path starting with .");
}

static void check_version(struct arena *a, const struct json *v, str base, bool one,
                          struct err **errs)
{
    const struct json *schema = json_at(v, "schema", "openAPIV3Schema", NULL),
                      *scale = json_at(v, "subresources", "scale", NULL);
    static const char *const types[] = {"boolean", "date", "integer", "number", "string"};
    uint32_t i = 0;

    if (schema)
        check_schema(a, schema,
                     arena_fmt(a, PRI_STR "%s", STR_ARG(base),
                               one ? ".validation.openAPIV3Schema" : ".schema.openAPIV3Schema"),
                     true, errs);
    if (scale) {
        simple_path(errs, under(a, base, "subresources.scale.specReplicasPath"),
                    json_get_str(scale, "specReplicasPath"));
        simple_path(errs, under(a, base, "subresources.scale.statusReplicasPath"),
                    json_get_str(scale, "statusReplicasPath"));
    }
    JSON_EACH(c, json_findz(v, "additionalPrinterColumns")) {
        str at = arena_fmt(a, PRI_STR ".additionalPrinterColumns[%u]", STR_ARG(base), i++),
            type = json_get_str(c, "type");
        bool known = false;

        for (size_t k = 0; k < ARRAY_LEN(types); k++)
            known |= str_is(type, types[k]);
        if (!json_get_str(c, "name").n)
            cause(errs, CAUSE_REQUIRED, under(a, at, "name"), "Required value");
        if (!type.n)
            cause(errs, CAUSE_REQUIRED, under(a, at, "type"),
                  "Required value: must be one of boolean,date,integer,number,string");
        else if (!known)
            invalid(errs, under(a, at, "type"), type,
                    "must be one of boolean,date,integer,number,string");
        simple_path(errs, under(a, at, "JSONPath"), json_get_str(c, "jsonPath"));
    }
    i = 0;
    JSON_EACH(f, json_findz(v, "selectableFields")) {
        str at = arena_fmt(a, PRI_STR ".selectableFields[%u].jsonPath", STR_ARG(base), i++),
            path = json_get_str(f, "jsonPath"), rest = path, head;
        const struct json *s = schema;

        if (rest.n && rest.p[0] == '.')
            rest = str_skip(rest, 1);
        while (s && str_cut(&rest, '.', &head))
            s = json_find(json_findz(s, "properties"), head);
        if (!s)
            invalid(errs, at, path, "is an invalid path: does not refer to a valid field");
    }
}

static void immutable(struct write *w, const char *path, struct err **errs)
{
    str now = json_get_str(w->obj, path), was = json_get_str(w->old, path);

    if (!str_eq(now, was))
        invalid(errs, str_of(path), now, "field is immutable");
}

void crd_rules(struct write *w, struct err **errs)
{
    struct arena *a = w->a;
    const struct json *spec = json_findz(w->obj, "spec"), *versions = json_findz(spec, "versions"),
                      *conversion = json_findz(spec, "conversion");
    str group = json_get_str(spec, "group"), plural = json_get_str(spec, "names.plural"),
        scope = json_get_str(spec, "scope"), strategy = json_get_str(conversion, "strategy");
    str name = meta_str(w->obj, "name");
    bool one = json_count(versions) == 1;
    unsigned storage = 0;
    uint32_t i = 0;

    if (str_is(w->subresource, "status") || json_at(w->obj, "metadata", "deletionTimestamp", NULL))
        return;
    if (w->old) {
        struct err *before = *errs;

        if (!str_eq(group, json_get_str(w->old, "spec.group"))) {
            immutable(w, "spec.group", errs);
            return;
        }
        immutable(w, "spec.scope", errs);
        immutable(w, "spec.names.kind", errs);
        immutable(w, "spec.names.plural", errs);
        if (*errs != before)
            return;
    }
    if (!str_eq(name, arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(plural), STR_ARG(group))))
        invalid(errs, S("metadata.name"), name, "must be spec.names.plural+\".\"+spec.group");
    if ((str_has_suffix(group, S(".k8s.io")) || str_has_suffix(group, S(".kubernetes.io"))) &&
        !json_find(json_at(w->obj, "metadata", "annotations", NULL),
                   S("api-approved.kubernetes.io")))
        cause(errs, CAUSE_REQUIRED, S("metadata.annotations[api-approved.kubernetes.io]"),
              "Required value: protected groups must have approval annotation "
              "\"api-approved.kubernetes.io\", see "
              "https://github.com/kubernetes/enhancements/pull/1111");
    if (!group.n)
        cause(errs, CAUSE_REQUIRED, S("spec.group"), "Required value");
    else if (!name_is_dns_subdomain(group))
        invalid(errs, S("spec.group"), group, subdomain_help);
    if (!scope.n)
        cause(errs, CAUSE_REQUIRED, S("spec.scope"), "Required value");
    else if (!str_is(scope, "Cluster") && !str_is(scope, "Namespaced"))
        cause(errs, CAUSE_NOT_SUPPORTED, S("spec.scope"),
              "Unsupported value: \"" PRI_STR "\": supported values: \"Cluster\", \"Namespaced\"",
              STR_ARG(scope));
    JSON_EACH(v, versions) {
        str base = one ? S("spec") : arena_fmt(a, "spec.versions[%u]", i),
            vname = json_get_str(v, "name");

        storage += json_get_bool(v, "storage", false);
        for (uint32_t k = 0; k < i; k++)
            if (str_eq(json_get_str(json_item(versions, k), "name"), vname)) {
                CLEANUP(buf) struct buf b = BUF_INIT;

                json_encode(&b, versions);
                cause(errs, CAUSE_INVALID, S("spec.versions"),
                      "Invalid value: %s: must contain unique version names", buf_cstr(&b));
            }
        if (!is_1035(vname)) {
            invalid(errs, arena_fmt(a, "spec.versions[%u].name", i), vname, dns1035_help);
            if (one)
                invalid(errs, S("spec.version"), vname, dns1035_help);
        }
        if (!json_at(v, "schema", "openAPIV3Schema", NULL))
            cause(errs, CAUSE_REQUIRED, arena_fmt(a, "spec.versions[%u].schema.openAPIV3Schema", i),
                  "Required value");
        check_version(a, v, base, one, errs);
        i++;
    }
    if (storage != 1) {
        CLEANUP(buf) struct buf b = BUF_INIT;
        struct json none = json_array();

        json_encode(&b, json_is(versions, JSON_ARRAY) ? versions : &none);
        cause(errs, CAUSE_INVALID, S("spec.versions"),
              "Invalid value: %s: must have exactly one version marked as storage version",
              buf_cstr(&b));
        if (!storage)
            cause(errs, CAUSE_INVALID, S("status.storedVersions"),
                  "Invalid value: null: must have at least one stored version");
    }
    if (!plural.n)
        cause(errs, CAUSE_REQUIRED, S("spec.names.plural"), "Required value");
    else if (!is_1035(plural))
        invalid(errs, S("spec.names.plural"), plural, dns1035_help);
    if (!json_get_str(spec, "names.kind").n)
        cause(errs, CAUSE_REQUIRED, S("spec.names.kind"), "Required value");
    if (json_get_bool(spec, "preserveUnknownFields", false))
        cause(errs, CAUSE_INVALID, S("spec.preserveUnknownFields"),
              "Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields "
              "to true in spec.versions[*].schema instead");
    if (strategy.n && !str_is(strategy, "None") && !str_is(strategy, "Webhook"))
        cause(errs, CAUSE_NOT_SUPPORTED, S("spec.conversion.strategy"),
              "Unsupported value: \"" PRI_STR "\": supported values: \"None\", \"Webhook\"",
              STR_ARG(strategy));
    if (str_is(strategy, "Webhook")) {
        if (!json_at(conversion, "webhook", "clientConfig", NULL))
            cause(errs, CAUSE_REQUIRED, S("spec.conversion.webhookClientConfig"),
                  "Required value: required when strategy is set to Webhook");
        if (!json_count(json_at(conversion, "webhook", "conversionReviewVersions", NULL)))
            cause(errs, CAUSE_REQUIRED, S("spec.conversion.conversionReviewVersions"),
                  "Required value");
    }
}
