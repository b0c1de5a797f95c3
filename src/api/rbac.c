/* rbac.c - roles and bindings, parsed once per version and kept current by a store watch.
 *
 * A decision walks the bindings of the cluster and of the namespace in key order and the rules of
 * their roles; nothing is parsed per request. The first rule that fits gives the reason text, in
 * Kubernetes' words. API: https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
#include "api/rbac.h"

enum { WATCH_ROLES, WATCH_CLUSTER_ROLES, WATCH_BINDINGS, WATCH_CLUSTER_BINDINGS, N_WATCHES };
struct rbac_watch {
    struct rbac *rbac;
    int what;
    struct store_watch *watch;
};
struct rbac {
    struct api *api;
    struct map roles;        /* "ns/name", cluster roles "/name" -> struct role */
    struct tree *cluster;    /* name -> struct binding */
    struct tree *namespaced; /* "ns\0name" -> struct binding */
    struct rbac_watch watches[N_WATCHES];
};

static struct strs strings(struct arena *a, const struct json *arr)
{
    struct strs s = {ARENA_NEW_N(a, str, json_count(arr) + 1), 0};

    JSON_EACH(v, arr)
        s.p[s.n++] = json_str(v);
    return s;
}

static void role_free(struct role *r)
{
    if (r)
        arena_free(r->arena);
}

static void binding_free(struct binding *b)
{
    if (b)
        arena_free(b->arena);
}

void rbac_rules_parse(struct arena *a, const struct json *rules, struct rule **ret, size_t *ret_n)
{
    *ret = ARENA_NEW_N(a, struct rule, json_count(rules) + 1);
    *ret_n = 0;
    JSON_EACH(v, rules) {
        struct rule *r = &(*ret)[(*ret_n)++];

        r->verbs = strings(a, json_findz(v, "verbs"));
        r->groups = strings(a, json_findz(v, "apiGroups"));
        r->resources = strings(a, json_findz(v, "resources"));
        r->names = strings(a, json_findz(v, "resourceNames"));
        r->urls = strings(a, json_findz(v, "nonResourceURLs"));
        r->tree = v;
    }
}

static struct role *role_parse(const struct obj *o)
{
    struct arena *a = arena_new();
    struct role *r = ARENA_NEW(a, struct role);
    struct json *v = object_parse(a, arena_dup(a, o->data));

    r->arena = a;
    rbac_rules_parse(a, json_findz(v, "rules"), &r->rules, &r->n);
    return r;
}

static struct binding *binding_parse(const struct obj *o)
{
    struct arena *a = arena_new();
    struct binding *b = ARENA_NEW(a, struct binding);
    struct json *v = object_parse(a, arena_dup(a, o->data)), *subjects = json_findz(v, "subjects");

    b->arena = a;
    b->name = arena_dup(a, o->key.name);
    b->ns = arena_dup(a, o->key.ns);
    b->role = json_get_str(v, "roleRef.name");
    b->role_is_cluster = str_is(json_get_str(v, "roleRef.kind"), "ClusterRole");
    b->subjects = ARENA_NEW_N(a, struct subject, json_count(subjects) + 1);
    JSON_EACH(s, subjects) {
        str kind = json_str(json_findz(s, "kind"));
        struct subject *x = &b->subjects[b->n++];

        x->kind = str_is(kind, "User") ? 'U' : str_is(kind, "Group") ? 'G' : 'S';
        x->name = json_str(json_findz(s, "name"));
        x->ns = json_str(json_findz(s, "namespace"));
        if (!x->ns.n)
            x->ns = b->ns;
    }
    return b;
}

/* ---- keeping current ---- */

static void changed(struct rbac *r, int what, const struct obj *o, bool deleted)
{
    char key[600];
    size_t n;

    n = (size_t)snprintf(key, sizeof key, PRI_STR "/" PRI_STR, STR_ARG(o->key.ns),
                         STR_ARG(o->key.name));
    if (n >= sizeof key)
        return;
    switch (what) {
    case WATCH_ROLES:
    case WATCH_CLUSTER_ROLES:
        role_free(deleted ? map_del(&r->roles, (str){key, n})
                          : map_put(&r->roles, (str){key, n}, role_parse(o)));
        return;
    case WATCH_CLUSTER_BINDINGS:
        binding_free(deleted ? tree_del(r->cluster, o->key.name)
                             : tree_put(r->cluster, o->key.name, binding_parse(o)));
        return;
    case WATCH_BINDINGS:
        key[o->key.ns.n] = 0;
        binding_free(deleted ? tree_del(r->namespaced, (str){key, n})
                             : tree_put(r->namespaced, (str){key, n}, binding_parse(o)));
        return;
    default:
        return;
    }
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct rbac_watch *w = ctx;

    changed(w->rbac, w->what, e->obj, e->type == STORE_DELETED);
}

static bool on_existing(void *ctx, const struct obj *o)
{
    struct rbac_watch *w = ctx;

    changed(w->rbac, w->what, o, false);
    return true;
}

struct err *rbac_new(struct api *api, struct rbac **ret)
{
    static const char *const plurals[N_WATCHES] = {"roles", "clusterroles", "rolebindings",
                                                   "clusterrolebindings"};
    static const struct store_watch_events events = {.event = on_event};
    struct rbac *r = NEW(struct rbac);

    r->api = api;
    map_init(&r->roles);
    r->cluster = tree_new();
    r->namespaced = tree_new();
    *ret = r;
    for (int i = 0; i < N_WATCHES; i++) {
        const struct kind *k =
            api_find_kind(api, S("rbac.authorization.k8s.io"), S("v1"), str_of(plurals[i]));
        struct err *e;

        BUG_ON(!k);
        r->watches[i] = (struct rbac_watch){r, i, NULL};
        store_each(api->store, k->r->storage_resource, S(""), NULL, on_existing, &r->watches[i]);
        e = store_watch(api->store, k->r->storage_resource, S(""), store_revision(api->store),
                        &events, &r->watches[i], &r->watches[i].watch);
        if (e)
            return err_note(e, "watching %s", plurals[i]);
    }
    return NULL;
}

void rbac_free(struct rbac *r)
{
    if (!r)
        return;
    for (int i = 0; i < N_WATCHES; i++)
        if (r->watches[i].watch)
            store_watch_close(r->watches[i].watch);
    MAP_EACH(e, &r->roles)
        role_free(e->value);
    map_fini(&r->roles);
    for (const struct tree_node *n = tree_first_from(r->cluster, S("")); n; n = tree_next(n))
        binding_free(tree_value(n));
    for (const struct tree_node *n = tree_first_from(r->namespaced, S("")); n; n = tree_next(n))
        binding_free(tree_value(n));
    tree_free(r->cluster);
    tree_free(r->namespaced);
    mem_free(r);
}

/* ---- deciding ---- */

static bool has(struct strs s, str want)
{
    for (size_t i = 0; i < s.n; i++)
        if (str_eq(s.p[i], want) || str_is(s.p[i], "*"))
            return true;
    return false;
}

static bool url_fits(struct strs urls, str path)
{
    for (size_t i = 0; i < urls.n; i++) {
        str u = urls.p[i];

        if (str_is(u, "*") || str_eq(u, path))
            return true;
        if (u.n && u.p[u.n - 1] == '*' && str_has_prefix(path, str_slice(u, 0, u.n - 1)))
            return true;
    }
    return false;
}

static bool resource_fits(const struct rule *r, const struct access *x)
{
    for (size_t i = 0; i < r->resources.n; i++) {
        str s = r->resources.p[i];

        if (str_is(s, "*"))
            return true;
        if (!x->subresource.n) {
            if (str_eq(s, x->resource))
                return true;
            continue;
        }
        /* "pods/log" and "star/log" */
        if (s.n == x->resource.n + 1 + x->subresource.n && str_has_prefix(s, x->resource) &&
            s.p[x->resource.n] == '/' && str_has_suffix(s, x->subresource))
            return true;
        if (s.n == x->subresource.n + 2 && s.p[0] == '*' && s.p[1] == '/' &&
            str_has_suffix(s, x->subresource))
            return true;
    }
    return false;
}

static bool rule_allows(const struct rule *r, const struct access *x)
{
    if (!has(r->verbs, x->verb))
        return false;
    if (!x->is_resource)
        return url_fits(r->urls, x->path);
    if (!has(r->groups, x->group) || !resource_fits(r, x))
        return false;
    if (!r->names.n)
        return true;
    for (size_t i = 0; i < r->names.n; i++)
        if (str_eq(r->names.p[i], x->name))
            return true;
    return false;
}

static bool subject_is(const struct subject *s, const struct user *u)
{
    static const str prefix = STR("system:serviceaccount:");

    switch (s->kind) {
    case 'U':
        return str_eq(s->name, u->name);
    case 'G':
        for (size_t i = 0; i < u->n_groups; i++)
            if (str_eq(s->name, u->groups[i]))
                return true;
        return false;
    default: {
        str rest = u->name;

        if (!str_has_prefix(rest, prefix))
            return false;
        rest = str_skip(rest, prefix.n);
        return rest.n == s->ns.n + 1 + s->name.n && str_has_prefix(rest, s->ns) &&
               rest.p[s->ns.n] == ':' && str_has_suffix(rest, s->name);
    }
    }
}

const struct role *rbac_role_of(const struct rbac *r, const struct binding *b)
{
    char key[600];
    int n = snprintf(key, sizeof key, PRI_STR "/" PRI_STR,
                     STR_ARG(b->role_is_cluster ? S("") : b->ns), STR_ARG(b->role));

    return n > 0 && (size_t)n < sizeof key ? map_find(&r->roles, (str){key, (size_t)n}) : NULL;
}

static const struct subject *bound(const struct binding *b, const struct user *u)
{
    for (size_t i = 0; i < b->n; i++)
        if (subject_is(&b->subjects[i], u))
            return &b->subjects[i];
    return NULL;
}

/* Every rule that holds for the user in ns, cluster-wide ones first. */
void rbac_each_rule(const struct rbac *r, const struct user *u, str ns, rbac_rule_fn *fn, void *ctx)
{
    const struct tree_node *n;

    for (n = tree_first_from(r->cluster, S("")); n; n = tree_next(n)) {
        const struct binding *b = tree_value(n);
        const struct subject *s = bound(b, u);
        const struct role *role = s ? rbac_role_of(r, b) : NULL;

        for (size_t i = 0; role && i < role->n; i++)
            if (!fn(ctx, b, s, &role->rules[i]))
                return;
    }
    if (!ns.n)
        return;
    for (n = tree_first_from(r->namespaced, ns); n; n = tree_next(n)) {
        const struct binding *b = tree_value(n);
        const struct subject *s;
        const struct role *role;

        if (!str_eq(b->ns, ns)) {
            if (str_cmp(b->ns, ns) > 0 && !str_has_prefix(b->ns, ns))
                return;
            continue;
        }
        s = bound(b, u);
        role = s ? rbac_role_of(r, b) : NULL;
        for (size_t i = 0; role && i < role->n; i++)
            if (!fn(ctx, b, s, &role->rules[i]))
                return;
    }
}

struct decision {
    const struct access *x;
    const struct binding *binding;
    const struct subject *subject;
};

static bool decide(void *ctx, const struct binding *b, const struct subject *s,
                   const struct rule *rule)
{
    struct decision *d = ctx;

    if (!rule_allows(rule, d->x))
        return true;
    d->binding = b;
    d->subject = s;
    return false;
}

bool rbac_allows(struct rbac *r, struct arena *a, const struct user *u, const struct access *x,
                 str *ret_reason)
{
    struct decision d = {x, NULL, NULL};

    rbac_each_rule(r, u, x->is_resource ? x->ns : S(""), decide, &d);
    if (!d.binding)
        return false;
    if (ret_reason) {
        const struct binding *b = d.binding;
        const struct subject *s = d.subject;
        str who = s->kind == 'S' ? arena_fmt(a, "ServiceAccount \"" PRI_STR "/" PRI_STR "\"",
                                             STR_ARG(s->name), STR_ARG(s->ns))
                                 : arena_fmt(a, "%s \"" PRI_STR "\"",
                                             s->kind == 'U' ? "User" : "Group", STR_ARG(s->name));

        *ret_reason = arena_fmt(
            a, "RBAC: allowed by %s \"" PRI_STR "%s" PRI_STR "\" of %s \"" PRI_STR "\" to " PRI_STR,
            b->ns.n ? "RoleBinding" : "ClusterRoleBinding", STR_ARG(b->name), b->ns.n ? "/" : "",
            STR_ARG(b->ns), b->role_is_cluster ? "ClusterRole" : "Role", STR_ARG(b->role),
            STR_ARG(who));
    }
    return true;
}

bool rbac_role_allows(struct rbac *r, struct arena *a, str cluster_role, const struct access *x)
{
    const struct role *role = map_find(&r->roles, arena_fmt(a, "/" PRI_STR, STR_ARG(cluster_role)));

    for (size_t i = 0; role && i < role->n; i++)
        if (rule_allows(&role->rules[i], x))
            return true;
    return false;
}

struct gathering {
    struct arena *a;
    struct json *resources, *urls;
};

static bool gather(void *ctx, const struct binding *b, const struct subject *s,
                   const struct rule *rule)
{
    struct gathering *g = ctx;

    (void)b;
    (void)s;
    if (rule->resources.n)
        json_append(g->a, g->resources, json_copy(g->a, rule->tree));
    if (rule->urls.n)
        json_append(g->a, g->urls, json_copy(g->a, rule->tree));
    return true;
}

void rbac_rules_of(struct rbac *r, struct arena *a, const struct user *u, str ns,
                   struct json *resource_rules, struct json *non_resource_rules)
{
    struct gathering g = {a, resource_rules, non_resource_rules};

    rbac_each_rule(r, u, ns, gather, &g);
}
