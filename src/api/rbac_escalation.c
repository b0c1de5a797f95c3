/* rbac_escalation.c - nobody gives rights that he has not, unless he may `escalate` or `bind`.
 *
 * The rules that are given are broken down to one verb, group, resource and name each; what no rule
 * of the giver covers is put together again for the message. Masters may everything.
 *
 * Source: k8s.io/component-helpers/auth/rbac/validation, k8s.io/kubernetes/pkg/registry/rbac. */
#include "api/rbac.h"

#define MISSING_MAX 500  /* lines of the message; what is missing beyond is not told */
#define ATOMS_MAX 100000 /* combinations looked at per write: more would hold up the loop */

/* One combination. p NULL: not there. */
struct atom {
    str verb, group, resource, name, url;
};
struct missing { /* the same resource with several verbs */
    struct atom of;
    str *verbs;
    size_t n;
};
struct giving {
    struct write *w;
    const struct atom *asked; /* by covers() */
    bool covered;
    struct missing *missing;
    size_t n;
    double atoms; /* asked so far; a double, since lists from the wire are multiplied */
};

static bool has(const struct strs *s, str want)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->p[i], want))
            return true;
    return false;
}

static bool has_or_all(const struct strs *s, str want)
{
    return has(s, want) || has(s, S("*"));
}

/* "*" and a subresource covers "deployments/scale". */
static bool resource_covers(struct arena *a, const struct strs *s, str want)
{
    str rest = want, head;

    if (has_or_all(s, want))
        return true;
    str_cut(&rest, '/', &head);
    return rest.p && has(s, arena_fmt(a, "*/" PRI_STR, STR_ARG(rest)));
}

static bool url_covers(const struct strs *s, str want)
{
    for (size_t i = 0; i < s->n; i++) {
        str u = s->p[i];

        if (str_eq(u, want))
            return true;
        if (u.n && u.p[u.n - 1] == '*' && str_has_prefix(want, str_slice(u, 0, u.n - 1)))
            return true;
    }
    return false;
}

static bool covers(void *ctx, const struct binding *b, const struct subject *s,
                   const struct rule *rule)
{
    struct giving *g = ctx;
    const struct atom *x = g->asked;

    (void)b;
    (void)s;
    if (!has_or_all(&rule->verbs, x->verb))
        return true;
    if (x->url.p)
        g->covered = url_covers(&rule->urls, x->url);
    else
        g->covered = has_or_all(&rule->groups, x->group) &&
                     resource_covers(g->w->a, &rule->resources, x->resource) &&
                     (!rule->names.n || (x->name.p && has(&rule->names, x->name)));
    return !g->covered;
}

static bool same_resource(const struct atom *a, const struct atom *b)
{
    return !a->url.p && !b->url.p && str_eq(a->group, b->group) &&
           str_eq(a->resource, b->resource) && !a->name.p == !b->name.p && str_eq(a->name, b->name);
}

static void miss(struct giving *g, struct atom x)
{
    struct arena *a = g->w->a;
    struct missing *m = NULL;

    for (size_t i = 0; i < g->n && !m; i++)
        if (same_resource(&g->missing[i].of, &x))
            m = &g->missing[i];
    if (!m && g->n == MISSING_MAX)
        return;
    if (!m) {
        g->missing =
            arena_grow(a, g->missing, g->n * sizeof *g->missing, (g->n + 1) * sizeof *g->missing);
        m = &g->missing[g->n++];
        *m = (struct missing){.of = x};
    }
    m->verbs = arena_grow(a, m->verbs, m->n * sizeof(str), (m->n + 1) * sizeof(str));
    m->verbs[m->n++] = x.verb;
}

static void ask(struct giving *g, struct atom x)
{
    struct rbac *r = g->w->api->rbac;

    g->asked = &x;
    g->covered = false;
    rbac_each_rule(r, g->w->req->user, g->w->ns, covers, g);
    if (!g->covered)
        miss(g, x);
}

/* What was not looked at counts as not held. */
static bool lacks(const struct giving *g)
{
    return g->n || g->atoms > ATOMS_MAX;
}

static void ask_rule(struct giving *g, const struct rule *r)
{
    double names = r->names.n ? (double)r->names.n : 1;

    g->atoms += (double)r->groups.n * (double)r->resources.n * (double)r->verbs.n * names +
                (double)r->urls.n * (double)r->verbs.n;
    if (g->atoms > ATOMS_MAX)
        return;
    for (size_t i = 0; i < r->groups.n; i++)
        for (size_t k = 0; k < r->resources.n; k++)
            for (size_t v = 0; v < r->verbs.n; v++) {
                struct atom x = {r->verbs.p[v], r->groups.p[i], r->resources.p[k], STR_NONE,
                                 STR_NONE};

                if (!r->names.n)
                    ask(g, x);
                for (size_t n = 0; n < r->names.n; n++) {
                    x.name = r->names.p[n];
                    ask(g, x);
                }
            }
    for (size_t i = 0; i < r->urls.n; i++)
        for (size_t v = 0; v < r->verbs.n; v++)
            ask(g, (struct atom){.verb = r->verbs.p[v], .url = r->urls.p[i]});
}

static void list_one(struct buf *b, const char *name, const str *items, size_t n)
{
    if (b->p[b->n - 1] != '{')
        buf_z(b, ", ");
    buf_fmt(b, "%s:[", name);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_char(b, ' ');
        buf_quoted(b, items[i]);
    }
    buf_char(b, ']');
}

static str describe(struct arena *a, const struct missing *m)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_char(&b, '{');
    if (m->of.url.p)
        list_one(&b, "NonResourceURLs", &m->of.url, 1);
    else {
        list_one(&b, "APIGroups", &m->of.group, 1);
        list_one(&b, "Resources", &m->of.resource, 1);
        if (m->of.name.p)
            list_one(&b, "ResourceNames", &m->of.name, 1);
    }
    list_one(&b, "Verbs", m->verbs, m->n);
    buf_char(&b, '}');
    return arena_dup(a, buf_view(&b));
}

static struct err *refuse(struct giving *g)
{
    const struct user *u = g->w->req->user;
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json lines = json_object();

    if (g->atoms > ATOMS_MAX)
        return err_forbidden(g->w->kind, g->w->name,
                             "its rules have more than %d combinations: grant them by \"*\", or "
                             "by somebody who may escalate",
                             ATOMS_MAX);
    for (size_t i = 0; i < g->n; i++)
        json_set(g->w->a, &lines, describe(g->w->a, &g->missing[i]), json_null());
    json_sort_keys(&lines);
    buf_z(&b, "user ");
    buf_quoted(&b, u->name);
    buf_z(&b, " (groups=[");
    for (size_t i = 0; i < u->n_groups; i++) {
        buf_z(&b, i ? " " : "");
        buf_quoted(&b, u->groups[i]);
    }
    buf_z(&b, "]) is attempting to grant RBAC permissions not currently held:");
    JSON_EACH_MEMBER(m, &lines)
        buf_fmt(&b, "\n" PRI_STR, STR_ARG(m->key));
    return err_forbidden(g->w->kind, g->w->name, "%s", buf_cstr(&b));
}

/* May he do it by this verb on roles? */
static bool is_allowed(struct write *w, const char *verb, str resource, str name)
{
    struct access x = {.is_resource = true,
                       .verb = str_of(verb),
                       .group = S("rbac.authorization.k8s.io"),
                       .version = S("*"),
                       .resource = resource,
                       .ns = w->ns,
                       .name = name};

    return authz_allows(w->api, w->a, w->req->user, &x, NULL);
}

/* Owners and finalizers alone: the garbage collector's business, which gives nothing. */
static bool only_collecting(const struct write *w)
{
    static const char *const of_gc[] = {"ownerReferences", "finalizers", "managedFields",
                                        "resourceVersion"};
    struct json now, old;

    if (!w->old)
        return false;
    now = json_share(w->a, w->obj);
    old = json_share(w->a, w->old);
    for (size_t i = 0; i < ARRAY_LEN(of_gc); i++) {
        json_removez(json_findz(&now, "metadata"), of_gc[i]);
        json_removez(json_findz(&old, "metadata"), of_gc[i]);
    }
    return json_equal(&now, &old);
}

static struct err *admit_role(struct write *w)
{
    static const str all[] = {STR("*")};
    const struct strs star = {(str *)(uintptr_t)all, 1};
    const struct rule everything = {.verbs = star, .groups = star, .resources = star},
                      everywhere = {.verbs = star, .urls = star};
    struct giving g = {.w = w};
    struct rule *rules;
    size_t n;

    /* On a collection the request has no name, as Kubernetes asks it. */
    if (is_allowed(w, "escalate", w->kind->r->plural, w->req->route.name))
        return NULL;
    rbac_rules_parse(w->a, json_findz(w->obj, "rules"), &rules, &n);
    for (size_t i = 0; i < n; i++)
        ask_rule(&g, &rules[i]);
    if (lacks(&g))
        return refuse(&g);
    /* Such a role can gather anything. */
    if (json_is(json_findz(w->obj, "aggregationRule"), JSON_OBJECT) ||
        json_is(json_findz(w->old, "aggregationRule"), JSON_OBJECT)) {
        ask_rule(&g, &everything);
        ask_rule(&g, &everywhere);
        if (lacks(&g))
            return err_forbidden(w->kind, w->name,
                                 "must have cluster-admin privileges to use an aggregationRule");
    }
    return NULL;
}

static struct err *admit_binding(struct write *w)
{
    struct giving g = {.w = w};
    struct binding probe = {.ns = w->ns,
                            .role = json_get_str(w->obj, "roleRef.name"),
                            .role_is_cluster =
                                str_is(json_get_str(w->obj, "roleRef.kind"), "ClusterRole")};
    str plural = probe.role_is_cluster ? S("clusterroles") : S("roles");
    const struct role *role;

    if (is_allowed(w, "bind", plural, probe.role))
        return NULL;
    role = rbac_role_of(w->api->rbac, &probe);
    if (!role)
        return err_not_found(api_find_kind(w->api, S("rbac.authorization.k8s.io"), S("v1"), plural),
                             probe.role);
    for (size_t i = 0; i < role->n; i++)
        ask_rule(&g, &role->rules[i]);
    return lacks(&g) ? refuse(&g) : NULL;
}

struct err *rbac_admit(struct write *w)
{
    if (w->bootstrap || w->req->user->masters || only_collecting(w))
        return NULL;
    if (str_has_suffix(w->kind->r->plural, S("bindings")))
        return admit_binding(w);
    return admit_role(w);
}
