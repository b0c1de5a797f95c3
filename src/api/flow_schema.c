/* flow_schema.c - does a FlowSchema concern this request?
 *
 * Parsed once per version; a question compares strings and allocates nothing. API:
 * https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/flow-schema-v1/ */
#include "api/flow.h"

struct strs {
    str *p;
    size_t n;
};
struct flow_subject {
    char kind; /* 'U'ser, 'G'roup, 'S'erviceAccount */
    bool any;  /* of the kind; an account: of its namespace */
    str name;  /* an account: "system:serviceaccount:NS:" and the name unless any */
};
struct resource_rule {
    struct strs verbs, groups, resources, namespaces;
    bool cluster_scope;
};
struct url_rule {
    struct strs verbs, urls;
};
struct flow_rule {
    struct flow_subject *subjects;
    struct resource_rule *resources;
    struct url_rule *urls;
    size_t n_subjects, n_resources, n_urls;
};

static struct strs strings(struct arena *a, const struct json *v, const char *name)
{
    const struct json *list = json_findz(v, name);
    struct strs s = {ARENA_NEW_N(a, str, json_count(list) + 1), 0};

    JSON_EACH(i, list)
        s.p[s.n++] = json_str(i);
    return s;
}

static void subject_parse(struct arena *a, const struct json *v, struct flow_subject *ret)
{
    str kind = json_get_str(v, "kind"), ns = json_get_str(v, "serviceAccount.namespace"), name;

    if (str_is(kind, "User") || str_is(kind, "Group")) {
        name = json_get_str(v, str_is(kind, "User") ? "user.name" : "group.name");
        *ret = (struct flow_subject){kind.p[0], str_is(name, "*"), name};
        return;
    }
    name = json_get_str(v, "serviceAccount.name");
    *ret = (struct flow_subject){'S', str_is(name, "*"),
                                 arena_fmt(a, "system:serviceaccount:" PRI_STR ":" PRI_STR,
                                           STR_ARG(ns), STR_ARG(str_is(name, "*") ? S("") : name))};
}

static void rule_parse(struct arena *a, const struct json *v, struct flow_rule *r)
{
    const struct json *subjects = json_findz(v, "subjects"),
                      *resources = json_findz(v, "resourceRules"),
                      *urls = json_findz(v, "nonResourceRules");

    r->subjects = ARENA_NEW_N(a, struct flow_subject, json_count(subjects) + 1);
    r->resources = ARENA_NEW_N(a, struct resource_rule, json_count(resources) + 1);
    r->urls = ARENA_NEW_N(a, struct url_rule, json_count(urls) + 1);
    JSON_EACH(s, subjects)
        subject_parse(a, s, &r->subjects[r->n_subjects++]);
    JSON_EACH(x, resources)
        r->resources[r->n_resources++] = (struct resource_rule){
            strings(a, x, "verbs"), strings(a, x, "apiGroups"), strings(a, x, "resources"),
            strings(a, x, "namespaces"), json_get_bool(x, "clusterScope", false)};
    JSON_EACH(x, urls)
        r->urls[r->n_urls++] =
            (struct url_rule){strings(a, x, "verbs"), strings(a, x, "nonResourceURLs")};
}

struct flow_schema *flow_schema_parse(struct arena *a, const struct obj *o, str *ret_level)
{
    const struct json *v = object_parse(a, arena_dup(a, o->data)),
                      *rules = json_path(v, "spec.rules");
    struct flow_schema *s = ARENA_NEW(a, struct flow_schema);
    str by = json_get_str(v, "spec.distinguisherMethod.type");

    s->name = arena_dup(a, o->key.name);
    s->uid = arena_dup(a, o->uid);
    s->precedence = json_get_int(v, "spec.matchingPrecedence", 1000);
    s->distinguisher = str_is(by, "ByUser") ? 'U' : str_is(by, "ByNamespace") ? 'N' : 0;
    s->rules = ARENA_NEW_N(a, struct flow_rule, json_count(rules) + 1);
    JSON_EACH(r, rules)
        rule_parse(a, r, &s->rules[s->n_rules++]);
    *ret_level = json_get_str(v, "spec.priorityLevelConfiguration.name");
    return s;
}

/* ---- asking ---- */

static bool has(const struct strs *s, str want)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->p[i], want) || str_is(s->p[i], "*"))
            return true;
    return false;
}

static bool subject_fits(const struct flow_subject *s, const struct user *u)
{
    switch (s->kind) {
    case 'U':
        return s->any || str_eq(s->name, u->name);
    case 'G':
        for (size_t i = 0; i < u->n_groups; i++)
            if (s->any || str_eq(s->name, u->groups[i]))
                return true;
        return false;
    default:
        return s->any ? str_has_prefix(u->name, s->name) : str_eq(s->name, u->name);
    }
}

static bool resource_fits(const struct resource_rule *r, const struct access *x)
{
    size_t n = x->subresource.n;

    if (!has(&r->verbs, x->verb) || !has(&r->groups, x->group))
        return false;
    if (x->ns.n ? !has(&r->namespaces, x->ns) : !r->cluster_scope)
        return false;
    for (size_t i = 0; i < r->resources.n; i++) {
        str want = r->resources.p[i];

        if (str_is(want, "*") || (!n && str_eq(want, x->resource)))
            return true;
        if (n && want.n == x->resource.n + 1 + n && str_has_prefix(want, x->resource) &&
            want.p[x->resource.n] == '/' && str_has_suffix(want, x->subresource))
            return true;
    }
    return false;
}

static bool url_fits(const struct url_rule *r, const struct access *x)
{
    if (!has(&r->verbs, x->verb))
        return false;
    for (size_t i = 0; i < r->urls.n; i++) {
        str u = r->urls.p[i];

        if (str_eq(u, x->path) ||
            (u.n && u.p[u.n - 1] == '*' && str_has_prefix(x->path, str_slice(u, 0, u.n - 1))))
            return true;
    }
    return false;
}

static bool rule_fits(const struct flow_rule *r, const struct user *u, const struct access *x)
{
    bool fits = false;

    for (size_t i = 0; i < r->n_subjects && !fits; i++)
        fits = subject_fits(&r->subjects[i], u);
    if (!fits)
        return false;
    if (x->is_resource) {
        for (size_t i = 0; i < r->n_resources; i++)
            if (resource_fits(&r->resources[i], x))
                return true;
        return false;
    }
    for (size_t i = 0; i < r->n_urls; i++)
        if (url_fits(&r->urls[i], x))
            return true;
    return false;
}

bool flow_schema_fits(const struct flow_schema *s, const struct user *u, const struct access *x)
{
    for (size_t i = 0; i < s->n_rules; i++)
        if (rule_fits(&s->rules[i], u, x))
            return true;
    return false;
}
