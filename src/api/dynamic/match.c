/* match.c - rules and selectors: does a webhook, policy or binding concern this request?
 *
 * API: k8s.io/apiserver/pkg/admission/plugin/webhook/{generic,predicates}, plugin/policy/matching */
#include "api/dynamic/dynamic_internal.h"

str operation_name(enum admission_op op)
{
    static const str names[] = {[ADMIT_CREATE] = STR("CREATE"),
                                [ADMIT_UPDATE] = STR("UPDATE"),
                                [ADMIT_DELETE] = STR("DELETE"),
                                [ADMIT_CONNECT] = STR("CONNECT")};

    return names[op];
}

bool kind_is_exempt(const struct kind *k)
{
    static const char *const kinds[] = {
        "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",      "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",        "MutatingAdmissionPolicyBinding"};

    if (!str_is(k->r->group, "admissionregistration.k8s.io"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_is(k->r->kind, kinds[i]))
            return true;
    return false;
}

/* ---- from the configuration ---- */

static struct match_rule *rules_of(struct arena *a, const struct json *list, size_t *ret_n)
{
    struct match_rule *rules = ARENA_NEW_N(a, struct match_rule, json_count(list) + 1);

    *ret_n = 0;
    JSON_EACH(r, list) {
        str scope = json_get_str(r, "scope");

        rules[(*ret_n)++] =
            (struct match_rule){.groups = json_findz(r, "apiGroups"),
                                .versions = json_findz(r, "apiVersions"),
                                .resources = json_findz(r, "resources"),
                                .operations = json_findz(r, "operations"),
                                .names = json_findz(r, "resourceNames"),
                                .scope = scope.n && !str_is(scope, "*") ? scope.p[0] : '*'};
    }
    return rules;
}

static bool selector_of(struct arena *a, const struct json *m, const char *field,
                        struct selector *ret)
{
    const struct json *s = json_findz(m, field);
    struct err *e;

    if (!s)
        return false;
    e = selector_from_object(a, s, ret);
    if (e) {
        err_free(e); /* refused when it was written; what came past that selects nothing */
        ret->nothing = true;
    }
    return ret->nothing || ret->n_terms;
}

struct matcher matcher_of(struct arena *a, const struct json *m, const char *rules)
{
    struct matcher r = {.equivalent = !str_is(json_get_str(m, "matchPolicy"), "Exact")};

    r.rules = rules_of(a, json_findz(m, rules), &r.n_rules);
    r.excluded = rules_of(a, json_findz(m, "excludeResourceRules"), &r.n_excluded);
    r.some_namespaces = selector_of(a, m, "namespaceSelector", &r.namespaces);
    r.some_objects = selector_of(a, m, "objectSelector", &r.objects);
    return r;
}

/* ---- rules ---- */

static bool has(const struct json *list, str wanted)
{
    JSON_EACH(v, list)
        if (str_is(json_str(v), "*") || str_eq(json_str(v), wanted))
            return true;
    return false;
}

/* "pods", "pods/status", "pods/" + "*" and the other wildcards. */
static bool has_resource(const struct json *list, str resource, str subresource)
{
    JSON_EACH(v, list) {
        str sub = json_str(v), res = S("");

        str_cut(&sub, '/', &res);
        if (!sub.p)
            sub = S("");
        if ((str_is(res, "*") || str_eq(res, resource)) &&
            (str_is(sub, "*") || str_eq(sub, subresource)))
            return true;
    }
    return false;
}

static bool rule_may_fit(const struct match_rule *r, const struct kind *k, str subresource,
                         enum admission_op op)
{
    return has(r->operations, operation_name(op)) &&
           has_resource(r->resources, k->r->plural, subresource);
}

static bool rule_fits(const struct match_rule *r, const struct kind *k, str subresource,
                      enum admission_op op)
{
    return rule_may_fit(r, k, subresource, op) && has(r->groups, k->r->group) &&
           has(r->versions, k->r->version);
}

static bool is_namespace(const struct kind *k)
{
    return !k->r->group.n && str_is(k->r->plural, "namespaces");
}

static bool rule_matches(const struct match_rule *r, const struct attributes *t,
                         const struct kind *k)
{
    bool cluster = is_namespace(k) || !t->ns.n;

    if ((r->scope == 'N' && cluster) || (r->scope == 'C' && !cluster) ||
        !rule_fits(r, k, t->subresource, t->op))
        return false;
    return !json_count(r->names) || has(r->names, t->name);
}

static bool is_equivalent(const struct kind *a, const struct kind *b)
{
    return a != b && str_eq(a->r->storage_resource, b->r->storage_resource);
}

/* The request's own version first, whichever rule has it; then other versions in the rules' order. */
static const struct kind *rules_match(const struct match_rule *rules, size_t n, bool equivalent,
                                      const struct attributes *t)
{
    struct api *api = t->req->api;

    for (size_t i = 0; i < n; i++)
        if (rule_matches(&rules[i], t, t->kind))
            return t->kind;
    /* Versions of a resource share its name: most rules need not be tried with all kinds there are. */
    for (size_t i = 0; equivalent && i < n; i++)
        for (size_t k = 0;
             rule_may_fit(&rules[i], t->kind, t->subresource, t->op) && k < api_kind_count(api);
             k++) {
            const struct kind *other = api_kind_at(api, k);

            if (is_equivalent(other, t->kind) && rule_matches(&rules[i], t, other))
                return other;
        }
    return NULL;
}

bool matcher_concerns(const struct matcher *m, struct api *api, const struct kind *k,
                      str subresource, enum admission_op op)
{
    for (size_t i = 0; i < m->n_rules; i++) {
        if (rule_fits(&m->rules[i], k, subresource, op))
            return true;
        for (size_t o = 0; m->equivalent && rule_may_fit(&m->rules[i], k, subresource, op) &&
                           o < api_kind_count(api);
             o++) {
            const struct kind *other = api_kind_at(api, o);

            if (is_equivalent(other, k) && rule_fits(&m->rules[i], other, subresource, op))
                return true;
        }
    }
    return false;
}

/* ---- selectors ---- */

/* Cluster-scoped objects are in no namespace, and left out by none; a Namespace is in itself. */
static struct err *namespace_matches(const struct matcher *m, struct attributes *t, bool *ret)
{
    const struct kind *namespaces = api_core(t->req->api, "namespaces");
    const struct obj *o;

    *ret = true;
    if (!m->some_namespaces || (!t->ns.n && !str_is(t->kind->r->plural, "namespaces")))
        return NULL;
    if (is_namespace(t->kind) && !t->subresource.n &&
        (t->op == ADMIT_CREATE || t->op == ADMIT_UPDATE)) {
        *ret = !m->namespaces.nothing &&
               selector_matches_map(&m->namespaces, json_at(t->obj, "metadata", "labels", NULL));
        return NULL;
    }
    o = store_find(t->req->api->store, kind_key(namespaces, S(""), t->ns));
    if (!o)
        return err_not_found(namespaces, t->ns);
    *ret = !m->namespaces.nothing && selector_matches_packed(&m->namespaces, o->labels);
    return NULL;
}

/* What has no metadata, such as the options of a connection, is selected by nothing. */
static bool object_is_selected(const struct matcher *m, const struct json *obj)
{
    return json_findz(obj, "metadata") && !m->objects.nothing &&
           selector_matches_map(&m->objects, json_at(obj, "metadata", "labels", NULL));
}

struct err *matcher_try(const struct matcher *m, struct attributes *t, bool *ret_matches,
                        const struct kind **ret_kind)
{
    bool in_namespace;
    struct err *e = namespace_matches(m, t, &in_namespace);

    *ret_matches = false;
    if (!e && !in_namespace)
        return NULL;
    if (m->some_objects && !object_is_selected(m, t->obj) && !object_is_selected(m, t->old)) {
        err_free(e);
        return NULL;
    }
    *ret_kind = t->kind;
    if (rules_match(m->excluded, m->n_excluded, m->equivalent, t)) {
        err_free(e);
        return NULL;
    }
    if (m->n_rules)
        *ret_kind = rules_match(m->rules, m->n_rules, m->equivalent, t);
    if (!*ret_kind) {
        err_free(e);
        return NULL;
    }
    *ret_matches = !e;
    return e;
}
