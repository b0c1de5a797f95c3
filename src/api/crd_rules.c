/* crd_rules.c - what a CustomResourceDefinition has to be: names, versions, columns, conversion.
 *
 * What all versions say alike, Kubernetes keeps at the definition itself, and speaks of it by those older paths (spec.validation,
 * spec.subresources); so does this.
 * Not here: schemas (crd_schema_rules.c).
 * API: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation */
#include "api/crd_rules.h"
#include "api/api_internal.h"
#include "api/validation/policy.h"
#include "wire/tls.h"

#define SELECTABLE_MAX 8
#define WARNING_MAX 256 /* bytes of a deprecationWarning */
#define APPROVED "api-approved.kubernetes.io"

/* ---- paths into schemas ---- */

static bool token_next(str *rest, str *ret)
{
    size_t n = 0;

    if (!rest->n)
        return false;
    while (n < rest->n && !strchr(".[]", rest->p[n]))
        n++;
    n = n ? n : 1;
    *ret = str_slice(*rest, 0, n);
    *rest = str_skip(*rest, n);
    return true;
}

static const struct json *step(const struct json *schema, str name)
{
    const struct json *props = field(schema, "properties"),
                      *more = field(schema, "additionalProperties");

    if (json_count(props))
        return json_find(props, name);
    return json_is(more, JSON_OBJECT) ? more : NULL;
}

bool crd_field_path(struct arena *a, const struct json *schema, str path, bool brackets,
                    const struct json **ret_schema, const char **ret_why)
{
    str token, rest = path;

    while (token_next(&rest, &token)) {
        bool bracket = str_is(token, "[");

        if (bracket && !brackets) {
            *ret_why = "array notation is not allowed";
            return false;
        }
        if (!bracket && !str_is(token, ".")) {
            *ret_why = arena_fmt(a, "expected [ or . but got: " PRI_STR, STR_ARG(token)).p;
            return false;
        }
        if (!token_next(&rest, &token)) {
            *ret_why = "unexpected end of JSON path";
            return false;
        }
        if (bracket) {
            if (token.n < 2 || token.p[0] != '\'' || token.p[token.n - 1] != '\'') {
                *ret_why =
                    arena_fmt(a, "expected single quoted string but got " PRI_STR, STR_ARG(token))
                        .p;
                return false;
            }
            token = str_slice(token, 1, token.n - 1);
        }
        schema = step(schema, token);
        if (!schema) {
            *ret_why = "does not refer to a valid field";
            return false;
        }
        if (bracket && (!token_next(&rest, &token) || !str_is(token, "]"))) {
            *ret_why = "unexpected end of JSON path";
            return false;
        }
    }
    if (ret_schema)
        *ret_schema = schema;
    return true;
}

static bool simple_path(struct check *c, const struct at *at, str path)
{
    if (!path.n)
        bad_required(c, at, "");
    else if (path.p[0] != '.')
        bad_invalid(c, at, json_string(path), "must be a simple json path starting with .");
    return path.n && path.p[0] == '.';
}

/* ---- parts of a version ---- */

static void check_scale(struct check *c, const struct at *at, const struct json *subresources)
{
    static const struct {
        const char *name, *under, *text;
        const char *or_under;
        bool required;
    } paths[] = {
        {"specReplicasPath", ".spec.", "should be a json path under .spec", NULL, true},
        {"statusReplicasPath", ".status.", "should be a json path under .status", NULL, true},
        {"labelSelectorPath", ".spec.", "should be a json path under either .spec or .status",
         ".status.", false},
    };
    const struct json *scale = field(subresources, "scale");

    for (size_t i = 0; scale && i < ARRAY_LEN(paths); i++) {
        const struct at *here = AT(AT(at, "scale"), paths[i].name);
        str path = json_get_str(scale, paths[i].name);

        if (!path.n && !paths[i].required)
            continue;
        if (simple_path(c, here, path) && !str_has_prefix(path, str_of(paths[i].under)) &&
            !(paths[i].or_under && str_has_prefix(path, str_of(paths[i].or_under))))
            bad_invalid(c, here, json_string(path), "%s", paths[i].text);
    }
}

static bool is_one_of(str s, const char *list)
{
    str rest = str_of(list), head;

    while (str_cut(&rest, ',', &head))
        if (str_eq(head, s))
            return true;
    return false;
}

static void check_columns(struct check *c, const struct at *at, const struct json *columns)
{
    static const char types[] = "boolean,date,integer,number,string";
    static const char formats[] = "byte,date,date-time,double,float,int32,int64,password";
    int64_t i = 0;

    JSON_EACH(x, columns) {
        const struct at *here = AT_INDEX(at, i++);
        str type = json_get_str(x, "type"), format = json_get_str(x, "format");

        if (!json_get_str(x, "name").n)
            bad_required(c, AT(here, "name"), "");
        if (!type.n)
            bad_required(c, AT(here, "type"), arena_fmt(c->a, "must be one of %s", types).p);
        else if (!is_one_of(type, types))
            bad_invalid(c, AT(here, "type"), json_string(type), "must be one of %s", types);
        if (format.n && !is_one_of(format, formats))
            bad_invalid(c, AT(here, "format"), json_string(format), "must be one of %s", formats);
        simple_path(c, AT(here, "JSONPath"), json_get_str(x, "jsonPath"));
    }
}

static void check_selectable(struct check *c, const struct at *at, const struct json *fields,
                             const struct json *schema)
{
    int64_t i = 0;
    uint32_t different = 0;
    struct map seen;

    map_init(&seen);
    JSON_EACH(f, fields) {
        const struct at *here = AT(AT_INDEX(at, i), "jsonPath");
        str path = json_get_str(f, "jsonPath");
        const struct json *found = NULL;
        const char *why;
        i++;
        if (!path.n) {
            bad_required(c, here, "");
            continue;
        }
        if (!crd_field_path(c->a, schema, path, false, &found, &why)) {
            bad_invalid(c, here, json_string(path), "is an invalid path: %s", why);
            continue;
        }
        if (str_is(path, ".metadata") || str_has_prefix(path, S(".metadata.")))
            bad_invalid(c, here, json_string(path), "must not point to fields in metadata");
        if (!is_one_of(json_get_str(found, "type"), "string,boolean,integer"))
            bad_invalid(c, here, json_string(path),
                        "must point to a field of type string, boolean or integer. Enum string "
                        "fields and strings with formats are allowed.");
        if (map_put(&seen, path, c))
            bad_duplicate(c, here, json_string(path), "");
        else
            different++;
    }
    if (different > SELECTABLE_MAX)
        bad_too_many(c, at, different, SELECTABLE_MAX);
    map_fini(&seen);
}

static void check_deprecation(struct check *c, const struct at *at, const struct json *version)
{
    const struct json *w = field(version, "deprecationWarning");

    if (!w)
        return;
    if (!json_get_bool(version, "deprecated", false)) {
        bad_invalid(c, at, *w, "can only be set for deprecated versions");
        return;
    }
    if (w->s.n > WARNING_MAX)
        bad_invalid(c, at, *w, "must be <= %d characters long", WARNING_MAX);
    if (!w->s.n)
        bad_invalid(c, at, *w, "must not be an empty string");
    for (size_t i = 0; i < w->s.n; i++)
        if ((unsigned char)w->s.p[i] < 0x20 || w->s.p[i] == 0x7f) {
            bad_invalid(c, at, *w,
                        "must only contain printable UTF-8 characters; non-printable character "
                        "found at index %zu",
                        i);
            return;
        }
}

static bool has_status(const struct json *subresources)
{
    return field(subresources, "status") != NULL;
}

/* ---- versions ---- */

/* Do all versions say the same of it? */
static bool alike(const struct json *versions, const char *part, bool list)
{
    const struct json *first = field(json_item(versions, 0), part);

    if (!first || (list && !json_count(first)))
        return false;
    JSON_EACH(v, versions) {
        const struct json *x = field(v, part);

        if (!x || !json_equal(x, first))
            return false;
    }
    return true;
}

static const struct json *schema_of(const struct json *version)
{
    return field(field(version, "schema"), "openAPIV3Schema");
}

/* Was it there before, under the same name? */
static bool had_schema(const struct json *old_versions, const struct json *version)
{
    JSON_EACH(v, old_versions)
        if (str_eq(json_get_str(v, "name"), json_get_str(version, "name")))
            return schema_of(v) && schema_of(version) &&
                   json_equal(schema_of(v), schema_of(version));
    return false;
}

static void check_version(struct check *c, const struct at *at, const struct json *v,
                          const struct json *old, const struct crd_hoisted *h)
{
    const struct json *schema = schema_of(v), *subs = field(v, "subresources"),
                      *fields = field(v, "selectableFields");
    const struct crd_schema_options o = {.status_enabled = has_status(subs),
                                         .unchanged = had_schema(old, v)};

    check_deprecation(c, AT(at, "deprecationWarning"), v);
    if (schema && !h->schema)
        crd_check_schema(c, AT(at, "schema"), schema, &o);
    if (!h->subresources)
        check_scale(c, AT(at, "subresources"), subs);
    if (!h->columns)
        check_columns(c, AT(at, "additionalPrinterColumns"), field(v, "additionalPrinterColumns"));
    if (json_count(fields) && !h->selectable) {
        if (!schema || h->schema)
            bad_invalid(c, AT(at, "selectableFields"), json_z(""),
                        "selectableFields may only be set when version.schema.openAPIV3Schema is "
                        "not included");
        else
            check_selectable(c, AT(at, "selectableFields"), fields, schema);
    }
}

static void check_versions(struct check *c, const struct at *spec, const struct json *versions,
                           const struct json *old, const struct crd_hoisted *h)
{
    const struct at *at = AT(spec, "versions");
    CLEANUP(buf) struct buf text = BUF_INIT;
    unsigned storage = 0;
    struct map names;
    bool unique = true;
    uint32_t i = 0;

    map_init(&names);
    JSON_EACH(v, versions) {
        const struct at *here = AT_INDEX(at, i);
        str name = json_get_str(v, "name");

        storage += json_get_bool(v, "storage", false);
        unique &= !map_put(&names, name, c);
        check_dns1035_label(c, AT(here, "name"), name);
        check_version(c, here, v, old, h);
        i++;
    }
    map_fini(&names);
    if (unique && storage == 1)
        return;
    crd_go_versions(&text, versions, h);
    if (!unique)
        bad_invalid_text(c, at, buf_view(&text), "must contain unique version names");
    if (storage != 1)
        bad_invalid_text(c, at, buf_view(&text),
                         "must have exactly one version marked as storage version");
}

static void check_hoisted(struct check *c, const struct at *spec, const struct json *versions,
                          const struct json *old, const struct crd_hoisted *h)
{
    const struct json *first = json_item(versions, 0), *schema = schema_of(first),
                      *fields = field(first, "selectableFields");
    struct crd_schema_options o = {.unchanged = had_schema(old, first)};

    JSON_EACH(v, versions)
        o.status_enabled |= has_status(field(v, "subresources"));
    if (h->schema && schema)
        crd_check_schema(c, AT(spec, "validation"), schema, &o);
    if (h->subresources)
        check_scale(c, AT(spec, "subresources"), field(first, "subresources"));
    if (h->columns)
        check_columns(c, AT(spec, "additionalPrinterColumns"),
                      field(first, "additionalPrinterColumns"));
    if (h->selectable) {
        if (!h->schema)
            bad_invalid(c, AT(spec, "selectableFields"), json_z(""),
                        "selectableFields may only be set when validations.schema is included");
        else
            check_selectable(c, AT(spec, "selectableFields"), fields, schema);
    }
}

/* ---- names ---- */

static str lower(struct arena *a, str s)
{
    char *p = arena_alloc(a, s.n + 1);

    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i];
    return (str){p, s.n};
}

static void check_names(struct check *c, const struct at *at, const struct json *names)
{
    static const struct {
        const char *name;
        bool mixed_case;
    } single[] = {{"plural", false}, {"singular", false}, {"kind", true}, {"listKind", true}};
    static const char *const lists[] = {"shortNames", "categories"};
    str kind = json_get_str(names, "kind"), list_kind = json_get_str(names, "listKind");

    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        str s = json_get_str(names, single[i].name);
        const char *why;

        if (!s.n)
            continue;
        if (!single[i].mixed_case) {
            check_dns1035_label(c, AT(at, single[i].name), s);
            continue;
        }
        why = not_dns1035_label(lower(c->a, s));
        if (why)
            bad_invalid(c, AT(at, single[i].name), json_string(s),
                        "may have mixed case, but should otherwise match: %s", why);
    }
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        int64_t k = 0;

        if (i == 1 && kind.n && str_eq(kind, list_kind))
            bad_invalid(c, AT(at, "listKind"), json_string(list_kind),
                        "kind and listKind may not be the same");
        JSON_EACH(x, field(names, lists[i]))
            check_dns1035_label(c, AT_INDEX(AT(at, lists[i]), k++), json_str(x));
    }
}

static void check_required_names(struct check *c, const struct at *at, const struct json *names)
{
    static const char *const required[] = {"plural", "singular", "kind", "listKind"};

    /* The others follow from the kind unless they are given. */
    for (size_t i = 0; i < ARRAY_LEN(required); i++)
        if (!json_get_str(names, required[i]).n &&
            (i == 0 || i == 2 || !json_get_str(names, "kind").n))
            bad_required(c, AT(at, required[i]), "");
}

/* ---- conversion ---- */

static bool ca_is_bad(struct arena *a, str base64)
{
    struct tls_client *t = NULL;
    struct err *e = NULL;
    str pem;
    bool bad;

    if (!base64_decode(a, base64, &pem))
        return true;
    e = tls_client_new(&(struct tls_client_options){.ca_pem = pem}, &t);
    bad = e != NULL;
    err_free(e);
    tls_client_free(t);
    return bad;
}

static void check_review_versions(struct check *c, const struct at *at, const struct json *list)
{
    bool known = false;
    int64_t i = 0;

    if (!json_count(list)) {
        bad_required(c, at, "");
        return;
    }
    JSON_EACH(v, list) {
        const struct at *here = AT_INDEX(at, i);
        bool seen = false;

        for (int64_t k = 0; k < i && !seen; k++)
            seen = str_eq(json_str(&list->items[k]), json_str(v));
        i++;
        if (seen) {
            bad_invalid(c, here, *v, "duplicate version");
            continue;
        }
        check_dns1035_label(c, here, json_str(v));
        known |= str_is(json_str(v), "v1") || str_is(json_str(v), "v1beta1");
    }
    if (!known)
        bad_invalid(c, at, *list, "must include at least one of v1, v1beta1");
}

static void check_conversion(struct check *c, const struct at *at, const struct json *conversion,
                             const struct json *old, bool established)
{
    static const char *const strategies[] = {"None", "Webhook", NULL};
    const struct json *strategy = field(conversion, "strategy"),
                      *webhook = field(conversion, "webhook"),
                      *config = field(webhook, "clientConfig"),
                      *versions = field(webhook, "conversionReviewVersions");
    const struct at *client = AT(at, "webhookClientConfig");
    str ca = json_get_str(config, "caBundle"),
        old_ca = json_get_str(old, "webhook.clientConfig.caBundle");

    if (!conversion)
        return;
    if (!json_str(strategy).n)
        bad_required(c, AT(at, "strategy"), "");
    else
        check_enum(c, AT(at, "strategy"), strategy, strategies);
    if (!str_is(json_str(strategy), "Webhook")) {
        if (config)
            bad_forbidden(c, client, "should not be set when strategy is not set to Webhook");
        if (json_count(versions))
            bad_forbidden(c, AT(at, "conversionReviewVersions"),
                          "should not be set when strategy is not set to Webhook");
        return;
    }
    if (!config)
        bad_required(c, client, "required when strategy is set to Webhook");
    else
        check_client_config(c, client, config);
    /* A bundle that cannot be read stays allowed where it was, and until the kind is served. */
    if (ca.n && established && ca_is_bad(c->a, ca) && !(old_ca.n && ca_is_bad(c->a, old_ca)))
        bad_invalid(c, AT(client, "caBundle"), json_string(ca),
                    "unable to load root certificates: unable to parse bytes as PEM block");
    check_review_versions(c, AT(at, "conversionReviewVersions"), versions);
}

/* ---- the definition ---- */

static bool is_protected(str group)
{
    return str_is(group, "k8s.io") || str_has_suffix(group, S(".k8s.io")) ||
           str_is(group, "kubernetes.io") || str_has_suffix(group, S(".kubernetes.io"));
}

enum crd_approval crd_approval(struct arena *a, const struct json *crd, str *ret_why)
{
    const struct json *v = json_find(json_at(crd, "metadata", "annotations", NULL), S(APPROVED));
    str text = json_str(v), host;
    ptrdiff_t at = str_find(text, S("://"));

    if (!is_protected(json_get_str(crd, "spec.group")))
        return CRD_APPROVAL_NOT_NEEDED;
    if (!text.n) {
        *ret_why = S("protected groups must have approval annotation \"" APPROVED
                     "\", see https://github.com/kubernetes/enhancements/pull/1111");
        return CRD_APPROVAL_MISSING;
    }
    if (str_has_prefix(text, S("unapproved"))) {
        *ret_why = arena_fmt(a, "not approved: \"" PRI_STR "\"", STR_ARG(text));
        return CRD_APPROVAL_BYPASSED;
    }
    host = at > 0 ? str_skip(text, (size_t)at + 3) : S("");
    if (host.n && host.p[0] != '/') {
        *ret_why = arena_fmt(a, "approved in " PRI_STR, STR_ARG(text));
        return CRD_APPROVED;
    }
    *ret_why = S("protected groups must have approval annotation \"" APPROVED
                 "\" with either a URL or a reason starting with \"unapproved\", see "
                 "https://github.com/kubernetes/enhancements/pull/1111");
    return CRD_APPROVAL_INVALID;
}

static void check_approval(struct check *c, const struct write *w)
{
    const struct at *at = AT_KEY(AT(AT(NULL, "metadata"), "annotations"), S(APPROVED));
    str why, was_why;
    enum crd_approval now = crd_approval(c->a, w->obj, &why);

    if (now == CRD_APPROVAL_NOT_NEEDED || now == CRD_APPROVED || now == CRD_APPROVAL_BYPASSED ||
        (w->old && crd_approval(c->a, w->old, &was_why) == now))
        return;
    if (now == CRD_APPROVAL_MISSING)
        bad_required(c, at, why.p);
    else
        bad_invalid(c, at,
                    json_string(json_str(
                        json_find(json_at(w->obj, "metadata", "annotations", NULL), S(APPROVED)))),
                    PRI_STR, STR_ARG(why));
}

/* At creation there is one stored version: the first that is marked. */
static void check_stored_versions(struct check *c, const struct write *w,
                                  const struct json *versions)
{
    const struct at *at = AT(AT(NULL, "status"), "storedVersions");
    const struct json *given = json_at(w->old ? w->obj : NULL, "status", "storedVersions", NULL);
    struct json stored = given ? json_copy(c->a, given) : json_array();
    bool marked = false;
    int64_t i = 0;

    JSON_EACH(v, versions)
        if (!marked && json_get_bool(v, "storage", false)) {
            bool has = false;

            marked = true;
            JSON_EACH(s, &stored)
                has |= str_eq(json_str(s), json_get_str(v, "name"));
            if (!has)
                json_append(c->a, &stored, json_string(json_get_str(v, "name")));
        }
    if (!stored.n) {
        bad_invalid(c, at, json_null(), "must have at least one stored version");
        return;
    }
    JSON_EACH(v, versions) {
        bool has = false;

        JSON_EACH(s, &stored)
            has |= str_eq(json_str(s), json_get_str(v, "name"));
        if (json_get_bool(v, "storage", false) && !has)
            bad_invalid(c, at, stored, "must have the storage version " PRI_STR,
                        STR_ARG(json_get_str(v, "name")));
    }
    JSON_EACH(s, &stored) {
        bool has = false;

        JSON_EACH(v, versions)
            has |= str_eq(json_str(s), json_get_str(v, "name"));
        if (!has)
            bad_invalid(c, AT_INDEX(at, i), *s,
                        "missing from spec.versions; " PRI_STR
                        " was previously a storage version, and must remain in spec.versions until "
                        "a storage migration ensures no data remains persisted in " PRI_STR
                        " and removes " PRI_STR " from status.storedVersions",
                        STR_ARG(s->s), STR_ARG(s->s), STR_ARG(s->s));
        i++;
    }
}

static void check_spec(struct check *c, const struct write *w, const struct json *spec,
                       bool established)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
    const struct at *at = AT(NULL, "spec");
    const struct json *versions = field(spec, "versions"), *names = field(spec, "names"),
                      *scope = field(spec, "scope"),
                      *old = json_at(w->old, "spec", "versions", NULL);
    const struct crd_hoisted h = {.schema = alike(versions, "schema", false),
                                  .subresources = alike(versions, "subresources", false),
                                  .columns = alike(versions, "additionalPrinterColumns", true),
                                  .selectable = alike(versions, "selectableFields", true)};
    str group = json_get_str(spec, "group"), first = json_get_str(json_item(versions, 0), "name");
    int64_t i = 0;

    if (!group.n)
        bad_required(c, AT(at, "group"), "");
    else if (not_dns_subdomain(group))
        bad_invalid(c, AT(at, "group"), json_string(group), "%s", not_dns_subdomain(group));
    else if (!str_has_char(group, '.'))
        bad_invalid(c, AT(at, "group"), json_string(group),
                    "should be a domain with at least one dot");
    if (!json_str(scope).n)
        bad_required(c, AT(at, "scope"), "");
    else
        check_enum(c, AT(at, "scope"), scope, scopes);
    JSON_EACH(v, versions) {
        if (!schema_of(v))
            bad_required(c, AT(AT(AT_INDEX(AT(at, "versions"), i), "schema"), "openAPIV3Schema"),
                         "");
        i++;
    }
    check_versions(c, at, versions, old, &h);
    if (first.n)
        check_dns1035_label(c, AT(at, "version"), first);
    check_required_names(c, AT(at, "names"), names);
    check_names(c, AT(at, "names"), names);
    check_hoisted(c, at, versions, old, &h);
    check_conversion(c, AT(at, "conversion"), field(spec, "conversion"),
                     json_at(w->old, "spec", "conversion", NULL), established);
}

static void check_same(struct check *c, const struct write *w, const struct at *at,
                       const char *path)
{
    str now = json_get_str(w->obj, path), was = json_get_str(w->old, path);

    if (!str_eq(now, was))
        bad_invalid(c, at, json_string(now), "field is immutable");
}

static bool is_established(const struct json *crd)
{
    JSON_EACH(x, json_at(crd, "status", "conditions", NULL))
        if (str_is(json_get_str(x, "type"), "Established"))
            return str_is(json_get_str(x, "status"), "True");
    return false;
}

void crd_rules(struct write *w, struct err **errs)
{
    struct check c = {w->a, errs};
    const struct json *spec = json_findz(w->obj, "spec");
    const struct at *at = AT(NULL, "spec");
    bool established = w->old && is_established(w->old);
    str name = meta_str(w->obj, "name");

    if (str_is(w->subresource, "status")) {
        check_names(&c, AT(AT(NULL, "status"), "acceptedNames"),
                    json_at(w->obj, "status", "acceptedNames", NULL));
        return;
    }
    if (!w->old && !str_eq(name, arena_fmt(w->a, PRI_STR "." PRI_STR,
                                           STR_ARG(json_get_str(spec, "names.plural")),
                                           STR_ARG(json_get_str(spec, "group")))))
        bad_invalid(&c, AT(AT(NULL, "metadata"), "name"), json_string(name),
                    "must be spec.names.plural+\".\"+spec.group");
    check_spec(&c, w, spec, established);
    if (established) {
        check_same(&c, w, AT(at, "scope"), "spec.scope");
        check_same(&c, w, AT(AT(at, "names"), "kind"), "spec.names.kind");
    }
    if (w->old) {
        check_same(&c, w, AT(at, "group"), "spec.group");
        check_same(&c, w, AT(AT(at, "names"), "plural"), "spec.names.plural");
    }
    check_stored_versions(&c, w, json_findz(spec, "versions"));
    check_approval(&c, w);
    if (json_get_bool(spec, "preserveUnknownFields", false) &&
        !json_get_bool(w->old, "spec.preserveUnknownFields", false))
        bad_invalid(&c, AT(at, "preserveUnknownFields"), json_bool(true),
                    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                    "spec.versions[*].schema instead");
}
