/* audit_policy.c - which requests are written down, and how much of them: the first rule that fits
 * decides.
 *
 * Source: k8s.io/apiserver/pkg/audit/policy. API:
 * https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-Policy */
#include "api/audit.h"
#include "wire/yaml.h"

struct strs {
    str *p;
    size_t n;
};
struct group_rule {
    str group;
    struct strs resources, names;
};
struct rule {
    struct audit_verdict verdict;
    struct strs users, groups, verbs, namespaces, urls;
    struct group_rule *resources;
    size_t n_resources;
};
struct audit_policy {
    struct rule *rules;
    size_t n;
};

static const char *const level_names[] = {"None", "Metadata", "Request", "RequestResponse"};
static const struct {
    const char *name;
    unsigned bit;
} stages[] = {{"RequestReceived", AUDIT_RECEIVED},
              {"ResponseStarted", AUDIT_STARTED},
              {"ResponseComplete", AUDIT_COMPLETE},
              {"Panic", AUDIT_PANIC}};

/* ---- reading ---- */

static struct err *bad(const char *fmt, ...) PRINTF(1, 2);
static struct err *bad(const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    return err_new(REASON_BAD_REQUEST, "audit policy: %s", buf_cstr(&b));
}

/* What is not known is passed over, as in Kubernetes, where a policy for a newer server does not stop an older one. */
static struct err *check_fields(const struct json *v, const char *where, const char *const *known)
{
    if (!json_is(v, JSON_OBJECT))
        return bad("%s is not a map", where);
    JSON_EACH_MEMBER(m, v) {
        size_t i = 0;

        while (known[i] && !str_is(m->key, known[i]))
            i++;
        if (!known[i])
            log_warning("api", "audit policy: %s: unknown field \"" PRI_STR "\"", where,
                        STR_ARG(m->key));
    }
    return NULL;
}

static struct err *strings(struct arena *a, const struct json *obj, const char *name,
                           struct strs *ret)
{
    const struct json *list = json_findz(obj, name);

    if (!list || list->type == JSON_NULL)
        return NULL;
    if (list->type != JSON_ARRAY)
        return bad("%s is not a list", name);
    ret->p = ARENA_NEW_N(a, str, json_count(list) + 1);
    JSON_EACH(v, list) {
        if (v->type != JSON_STRING)
            return bad("%s has something that is no string", name);
        ret->p[ret->n++] = v->s;
    }
    return NULL;
}

static struct err *stages_parse(struct arena *a, const struct json *obj, unsigned *ret)
{
    struct strs names = {0};
    struct err *e = strings(a, obj, "omitStages", &names);

    for (size_t i = 0; i < names.n && !e; i++) {
        size_t k = 0;

        while (k < ARRAY_LEN(stages) && !str_is(names.p[i], stages[k].name))
            k++;
        if (k == ARRAY_LEN(stages))
            return bad("omitStages: there is no stage \"" PRI_STR "\"", STR_ARG(names.p[i]));
        *ret |= stages[k].bit;
    }
    return e;
}

static struct err *resources_parse(struct arena *a, const struct json *list, struct rule *r)
{
    static const char *const known[] = {"group", "resources", "resourceNames", NULL};

    if (list && list->type != JSON_ARRAY && list->type != JSON_NULL)
        return bad("resources is not a list");
    r->resources = ARENA_NEW_N(a, struct group_rule, json_count(list) + 1);
    JSON_EACH(v, list) {
        struct group_rule *g = &r->resources[r->n_resources++];
        struct err *e = check_fields(v, "resources", known);

        if (e)
            return e;
        g->group = json_get_str(v, "group");
        if (str_has_char(g->group, '/'))
            return bad("group \"" PRI_STR "\" must not have a version", STR_ARG(g->group));
        e = strings(a, v, "resources", &g->resources);
        if (!e)
            e = strings(a, v, "resourceNames", &g->names);
        if (e)
            return e;
        if (g->names.n && !g->resources.n)
            return bad("resourceNames need resources");
    }
    return NULL;
}

static struct err *rule_parse(struct arena *a, const struct json *v, unsigned omit, bool managed,
                              struct rule *r)
{
    static const char *const known[] = {
        "level",           "users",      "userGroups",        "verbs", "resources", "namespaces",
        "nonResourceURLs", "omitStages", "omitManagedFields", NULL};
    const struct json *own = json_findz(v, "omitManagedFields");
    str level = json_get_str(v, "level");
    size_t i = 0;
    struct err *e = check_fields(v, "a rule", known);

    if (e)
        return e;
    while (i < ARRAY_LEN(level_names) && !str_is(level, level_names[i]))
        i++;
    if (i == ARRAY_LEN(level_names))
        return bad("there is no level \"" PRI_STR "\"", STR_ARG(level));
    r->verdict = (struct audit_verdict){(enum audit_level)i, omit,
                                        json_is(own, JSON_BOOL) ? own->b : managed};
    e = strings(a, v, "users", &r->users);
    if (!e)
        e = strings(a, v, "userGroups", &r->groups);
    if (!e)
        e = strings(a, v, "verbs", &r->verbs);
    if (!e)
        e = strings(a, v, "namespaces", &r->namespaces);
    if (!e)
        e = strings(a, v, "nonResourceURLs", &r->urls);
    if (!e)
        e = resources_parse(a, json_findz(v, "resources"), r);
    if (!e)
        e = stages_parse(a, v, &r->verdict.omit);
    if (e)
        return e;
    if (r->urls.n && (r->n_resources || r->namespaces.n))
        return bad("a rule cannot apply to both regular resources and non-resource URLs");
    for (i = 0; i < r->urls.n; i++) {
        str u = r->urls.p[i];
        ptrdiff_t star = str_index(u, '*');

        if (!str_is(u, "*") && (!u.n || u.p[0] != '/'))
            return bad("non-resource URL \"" PRI_STR "\" must begin with a '/'", STR_ARG(u));
        if (star >= 0 && (size_t)star + 1 != u.n)
            return bad("non-resource URL \"" PRI_STR "\": a '*' must be the last character",
                       STR_ARG(u));
    }
    return NULL;
}

struct err *audit_policy_parse(struct arena *a, str yaml, struct audit_policy **ret)
{
    static const char *const known[] = {"apiVersion",        "kind",  "metadata", "omitStages",
                                        "omitManagedFields", "rules", NULL};
    struct audit_policy *p = ARENA_NEW(a, struct audit_policy);
    struct json *v = NULL;
    const struct json *rules;
    unsigned omit = 0;
    struct err *e = yaml_parse(a, yaml, NULL, &v);

    if (!e)
        e = check_fields(v, "the policy", known);
    if (!e)
        e = stages_parse(a, v, &omit);
    if (e)
        return e;
    if (!str_is(json_get_str(v, "apiVersion"), "audit.k8s.io/v1") ||
        !str_is(json_get_str(v, "kind"), "Policy"))
        return bad("it is no Policy of audit.k8s.io/v1");
    rules = json_findz(v, "rules");
    if (!json_count(rules))
        return bad("it has no rules");
    p->rules = ARENA_NEW_N(a, struct rule, json_count(rules));
    JSON_EACH(r, rules) {
        e = rule_parse(a, r, omit, json_get_bool(v, "omitManagedFields", false), &p->rules[p->n]);
        if (e)
            return err_note(e, "rule %zu", p->n);
        p->n++;
    }
    *ret = p;
    return NULL;
}

/* ---- asking ---- */

static bool has(const struct strs *s, str want)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->p[i], want))
            return true;
    return false;
}

static bool url_fits(const struct strs *urls, str path)
{
    for (size_t i = 0; i < urls->n; i++) {
        str u = urls->p[i];

        if (str_eq(u, path) ||
            (u.n && u.p[u.n - 1] == '*' && str_has_prefix(path, str_slice(u, 0, u.n - 1))))
            return true;
    }
    return false;
}

/* "pods", "pods/log", "pods" and a star, a star and "log", or a star alone. */
static bool resource_fits(str pattern, const struct access *x)
{
    str rest = pattern, head;

    if (str_is(pattern, "*"))
        return true;
    str_cut(&rest, '/', &head);
    if (!rest.p)
        return !x->subresource.n && str_eq(head, x->resource);
    if (str_is(rest, "*") && str_eq(head, x->resource))
        return true;
    return x->subresource.n && str_eq(rest, x->subresource) &&
           (str_is(head, "*") || str_eq(head, x->resource));
}

static bool group_fits(const struct group_rule *g, const struct access *x)
{
    if (!str_eq(g->group, x->group))
        return false;
    if (!g->resources.n)
        return true;
    if (g->names.n && !has(&g->names, x->name))
        return false;
    for (size_t i = 0; i < g->resources.n; i++)
        if (resource_fits(g->resources.p[i], x))
            return true;
    return false;
}

static bool rule_fits(const struct rule *r, const struct user *u, const struct access *x)
{
    bool any = false;

    if (r->users.n && !(u && has(&r->users, u->name)))
        return false;
    for (size_t i = 0; u && i < u->n_groups && !any; i++)
        any = has(&r->groups, u->groups[i]);
    if (r->groups.n && !any)
        return false;
    if (r->verbs.n && !has(&r->verbs, x->verb))
        return false;
    if (r->namespaces.n || r->n_resources) {
        if (!x->is_resource || (r->namespaces.n && !has(&r->namespaces, x->ns)))
            return false;
        any = !r->n_resources;
        for (size_t i = 0; i < r->n_resources && !any; i++)
            any = group_fits(&r->resources[i], x);
        return any;
    }
    return !r->urls.n || (!x->is_resource && url_fits(&r->urls, x->path));
}

struct audit_verdict audit_policy_ask(const struct audit_policy *p, const struct user *u,
                                      const struct access *x)
{
    for (size_t i = 0; i < p->n; i++)
        if (rule_fits(&p->rules[i], u, x))
            return p->rules[i].verdict;
    return (struct audit_verdict){.level = AUDIT_NONE};
}
