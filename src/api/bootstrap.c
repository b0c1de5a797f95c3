/* bootstrap.c - makes what every cluster has and is not there yet: namespaces, default roles,
 * priority classes, flow control, the local APIServices, the `kubernetes` Service.
 *
 * Objects go the way of any create (defaults, managedFields, validation), as the server itself.
 * What exists is left as it is, so that an administrator's changes survive a restart; only default
 * roles and bindings get back what they lack (bootstrap_reconcile.c). All writes are in flight
 * together: one commit makes them durable. */
#include "api/bootstrap.h"
#include "api/flow.h"
#include "api/service_addresses.h"

struct bootstrap {
    struct api *api;
    struct arena *a;
    struct req req;
    struct user user;
    void (*done)(void *ctx, struct err *err);
    void *ctx;
    size_t open;
    bool submitted;
    bool fresh; /* the store was empty */
    bool last;  /* with this the cluster has all */
    struct err *failed;
};

struct seed {
    struct bootstrap *b;
    struct write w;
    const char *status;
    str reply;
    bool reconciles; /* it is there, and w.obj is what it should be */
};

static void finish(struct bootstrap *b)
{
    void (*done)(void *ctx, struct err *err) = b->done;
    void *ctx = b->ctx;
    struct err *e = b->failed;

    b->api->bootstrapped = b->last && !e;
    if (b->last && !e && !b->api->repair)
        e = repair_start(b->api, &b->api->repair);
    /* Nobody can have seen how the cluster was made, so nobody goes on from there. */
    if (!e && b->fresh)
        store_compact(b->api->store, store_revision(b->api->store));
    arena_free(b->a);
    mem_free(b);
    done(ctx, e);
}

static struct err *seed_write(void *ctx, struct arena *a, const struct obj *current,
                              int64_t revision, struct store_change *ret)
{
    struct seed *s = ctx;

    if (s->reconciles) {
        if (!current)
            return NULL;
        ret->op = STORE_PUT;
        return object_store(a, s->w.kind, s->w.obj, revision, ret);
    }
    if (current) {
        ret->op = STORE_KEEP;
        return NULL;
    }
    return write_put(&s->w, NULL, revision, ret, &s->reply);
}

static void seed_done(void *ctx, struct err *e, const struct obj *result)
{
    struct seed *s = ctx;
    struct bootstrap *b = s->b;

    (void)result;
    if (e) {
        if (b->failed)
            err_free(e);
        else
            b->failed = err_note(e, "bootstrap of " PRI_STR " " PRI_STR,
                                 STR_ARG(s->w.kind->r->plural), STR_ARG(s->w.name));
    }
    if (--b->open == 0 && b->submitted)
        finish(b);
}

static struct json *parse(struct bootstrap *b, str text)
{
    return object_parse(b->a, text);
}

/* status comes from the server's own controllers in Kubernetes; here it is known from the start. */
static struct err *set_status(struct bootstrap *b, struct write *w, const char *status)
{
    struct json *v = NULL;
    struct err *e = json_parse(b->a, str_of(status), NULL, NULL, &v);

    if (e)
        return e;
    JSON_EACH(c, json_findz(v, "conditions"))
        if (!json_findz(c, "lastTransitionTime"))
            json_setz(b->a, c, "lastTransitionTime", json_string(now_text(b->a, w->now)));
    json_setz(b->a, w->obj, "status", *v);
    if (str_is(w->kind->r->plural, "flowschemas"))
        flow_status_track(b->a, w->obj, w->now);
    return NULL;
}

/* true: another CA, for example: *ret is the ConfigMap with the data it should have. */
static bool data_reconcile(struct arena *a, const struct obj *have, const struct json *want,
                           struct json **ret)
{
    struct json *v = object_parse(a, arena_dup(a, have->data)),
                *data = json_make(a, v, "data", JSON_OBJECT);
    bool changed = false;

    JSON_EACH_MEMBER(m, json_findz(want, "data")) {
        const struct json *is = json_find(data, m->key);

        if (is && json_equal(is, &m->value))
            continue;
        json_set(a, data, m->key, m->value);
        changed = true;
    }
    *ret = changed ? v : *ret;
    return changed;
}

static void seed(struct bootstrap *b, const char *group, const char *plural, struct json *obj,
                 const char *status, const char *manager)
{
    const struct kind *k = api_find_kind(b->api, str_of(group), S("v1"), str_of(plural));
    struct seed *s = ARENA_NEW(b->a, struct seed);
    const struct obj *there;
    struct err *e = NULL;
    str ns = meta_str(obj, "namespace"), name = meta_str(obj, "name");

    if (b->failed || !k)
        return;
    there = store_find(b->api->store, kind_key(k, ns, name));
    if (there) {
        if ((str_is(k->r->group, "rbac.authorization.k8s.io") &&
             rbac_default_reconcile(b->a, there, obj, &obj)) ||
            (str_is(k->r->plural, "configmaps") && data_reconcile(b->a, there, obj, &obj))) {
            s->b = b;
            s->reconciles = true;
            s->w = (struct write){.api = b->api, .kind = k, .ns = ns, .name = name, .obj = obj};
            b->open++;
            store_update(b->api->store, kind_key(k, ns, name), seed_write, seed_done, s);
        }
        return;
    }
    s->b = b;
    json_setz(b->a, obj, "kind", json_string(k->r->kind));
    json_setz(b->a, obj, "apiVersion", json_string(k->api_version));
    b->req.wo.manager = str_of(manager);
    s->w = (struct write){.api = b->api,
                          .req = &b->req,
                          .a = b->a,
                          .kind = k,
                          .ns = ns,
                          .name = name,
                          .obj = obj,
                          .now = loop_wall(b->api->loop),
                          .bootstrap = true};
    e = schema_decode(b->a, k->r->type, obj, NULL);
    if (!e)
        e = write_create_steps(&s->w);
    if (!e && status)
        e = set_status(b, &s->w, status);
    if (e) {
        b->failed = err_note(e, "bootstrap of %s " PRI_STR, plural, STR_ARG(name));
        return;
    }
    b->open++;
    store_update(b->api->store, kind_key(k, ns, name), seed_write, seed_done, s);
}

/* ---- the compact text of roles and bindings ---- */

static struct json list_of(struct arena *a, str s)
{
    struct json v = json_array();
    str item;

    while (s.n && str_cut(&s, ',', &item))
        json_append(a, &v, json_string(str_is(item, "-") ? S("") : item));
    return v;
}

static struct json *begin(struct bootstrap *b, str line, str *ret_kind)
{
    struct json *v = json_new(b->a, json_object()), *meta, *labels, *ann;
    str kind, name, word;

    str_cut(&line, ' ', &kind);
    str_cut(&line, ' ', &name);
    json_setz(b->a, v, "kind", json_string(kind));
    meta = json_setz(b->a, v, "metadata", json_object());
    json_setz(b->a, meta, "name", json_string(name));
    while (line.p && str_cut(&line, ' ', &word))
        if (word.n && word.p[0] == '@')
            json_setz(b->a, meta, "namespace", json_string(str_skip(word, 1)));
        else {
            str key = word;

            str_cut(&word, '=', &key);
            labels = json_make(b->a, v, "metadata.labels", JSON_OBJECT);
            json_set(b->a, labels, key, json_string(word));
        }
    labels = json_make(b->a, v, "metadata.labels", JSON_OBJECT);
    json_setz(b->a, labels, "kubernetes.io/bootstrapping", json_z("rbac-defaults"));
    ann = json_make(b->a, v, "metadata.annotations", JSON_OBJECT);
    json_setz(b->a, ann, "rbac.authorization.kubernetes.io/autoupdate", json_z("true"));
    *ret_kind = kind;
    return v;
}

static void role_line(struct bootstrap *b, struct json *v, str line)
{
    static const char *const resource_fields[] = {"verbs", "apiGroups", "resources",
                                                  "resourceNames"};
    struct json rule = json_object();
    str parts[4], part;
    size_t n = 0;

    if (line.p[0] == '+') {
        struct json *selectors =
                        json_make(b->a, v, "aggregationRule.clusterRoleSelectors", JSON_ARRAY),
                    sel = json_object(), *match;
        str key;

        line = str_skip(line, 1);
        str_cut(&line, '=', &key);
        match = json_setz(b->a, &sel, "matchLabels", json_object());
        json_set(b->a, match, key, json_string(line));
        json_append(b->a, selectors, sel);
        return;
    }
    while (n < 4 && line.p && str_cut(&line, '|', &part))
        parts[n++] = part;
    if (n == 2) {
        json_setz(b->a, &rule, "verbs", list_of(b->a, parts[0]));
        json_setz(b->a, &rule, "nonResourceURLs", list_of(b->a, parts[1]));
    } else
        for (size_t i = 0; i < n; i++)
            json_setz(b->a, &rule, resource_fields[i], list_of(b->a, parts[i]));
    json_append(b->a, json_make(b->a, v, "rules", JSON_ARRAY), rule);
}

static void binding_line(struct bootstrap *b, struct json *v, str line)
{
    static const struct {
        const char *word, *kind;
    } kinds[] = {{"U", "User"}, {"G", "Group"}, {"S", "ServiceAccount"}};
    struct json subject = json_object();
    str word;

    str_cut(&line, ' ', &word);
    if (str_is(word, "ClusterRole") || str_is(word, "Role")) {
        struct json ref = json_object();

        json_setz(b->a, &ref, "apiGroup", json_z("rbac.authorization.k8s.io"));
        json_setz(b->a, &ref, "kind", json_string(word));
        json_setz(b->a, &ref, "name", json_string(line));
        json_setz(b->a, v, "roleRef", ref);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!str_is(word, kinds[i].word))
            continue;
        json_setz(b->a, &subject, "kind", json_z(kinds[i].kind));
        if (i < 2)
            json_setz(b->a, &subject, "apiGroup", json_z("rbac.authorization.k8s.io"));
        else {
            str ns;

            str_cut(&line, '/', &ns);
            json_setz(b->a, &subject, "namespace", json_string(ns));
        }
        json_setz(b->a, &subject, "name", json_string(line));
    }
    json_append(b->a, json_make(b->a, v, "subjects", JSON_ARRAY), subject);
}

static void rbac_submit(struct bootstrap *b, struct json *v, str kind)
{
    static const struct {
        const char *kind, *plural;
    } plurals[] = {{"ClusterRole", "clusterroles"},
                   {"Role", "roles"},
                   {"ClusterRoleBinding", "clusterrolebindings"},
                   {"RoleBinding", "rolebindings"}};

    for (size_t i = 0; v && i < ARRAY_LEN(plurals); i++)
        if (str_is(kind, plurals[i].kind))
            seed(b, "rbac.authorization.k8s.io", plurals[i].plural, v, NULL, "kube-apiserver");
}

static void seed_rbac(struct bootstrap *b)
{
    str text = str_of(bootstrap_rbac), line, kind = S("");
    struct json *v = NULL;

    while (text.n && str_cut(&text, '\n', &line)) {
        if (!line.n)
            continue;
        if (line.p[0] != ' ') {
            rbac_submit(b, v, kind);
            v = begin(b, line, &kind);
        } else if (str_has_suffix(kind, S("Binding")))
            binding_line(b, v, str_skip(line, 1));
        else
            role_line(b, v, str_skip(line, 1));
    }
    rbac_submit(b, v, kind);
}

/* ---- the rest ---- */

static void seed_namespaces(struct bootstrap *b)
{
    static const char *const names[] = {"kube-system", "kube-public", "kube-node-lease", "default"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        seed(b, "", "namespaces",
             parse(b, arena_fmt(b->a, "{\"metadata\":{\"name\":\"%s\"}}", names[i])), NULL,
             "kube-apiserver");
}

static void seed_api_services(struct bootstrap *b)
{
    static const char status[] =
        "{\"conditions\":[{\"type\":\"Available\",\"status\":\"True\",\"reason\":\"Local\","
        "\"message\":\"Local APIServices are always available\"}]}";

    seed(b, "apiregistration.k8s.io", "apiservices",
         parse(b, S("{\"metadata\":{\"name\":\"v1.\",\"labels\":{\"kube-aggregator.kubernetes.io/"
                    "automanaged\":\"onstart\"}},\"spec\":{\"version\":\"v1\","
                    "\"groupPriorityMinimum\":18000,\"versionPriority\":1}}")),
         status, "kube-apiserver");
    for (const struct group_info *g = api_groups; g->name; g++) {
        if (!strcmp(g->name, "apiregistration.k8s.io"))
            continue;
        seed(
            b, "apiregistration.k8s.io", "apiservices",
            parse(
                b,
                arena_fmt(
                    b->a,
                    "{\"metadata\":{\"name\":\"%s.%s\",\"labels\":{\"kube-aggregator.kubernetes.io/"
                    "automanaged\":\"onstart\"}},\"spec\":{\"group\":\"%s\",\"version\":\"%s\","
                    "\"groupPriorityMinimum\":%d,\"versionPriority\":%d}}",
                    g->version, g->name, g->name, g->version, g->group_priority,
                    g->version_priority)),
            status, "kube-apiserver");
    }
}

static str first_address(struct bootstrap *b)
{
    str cidr = b->api->o.service_cidr, base;
    unsigned p[4] = {10, 43, 0, 0};
    char text[64];

    str_cut(&cidr, '/', &base);
    if (base.n < sizeof text) {
        memcpy(text, base.p, base.n);
        text[base.n] = 0;
        if (sscanf(text, "%u.%u.%u.%u", &p[0], &p[1], &p[2], &p[3]) != 4)
            return S("");
    }
    return arena_fmt(b->a, "%u.%u.%u.%u", p[0], p[1], p[2], p[3] + 1);
}

static void seed_service(struct bootstrap *b)
{
    const struct api_options *o = &b->api->o;
    str ip = first_address(b), cidr = o->service_cidr, address = o->advertise_address;
    int port = o->advertise_port ? o->advertise_port : 6443;

    seed(
        b, "", "services",
        parse(b, arena_fmt(
                     b->a,
                     "{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\",\"labels\":{"
                     "\"component\":\"apiserver\",\"provider\":\"kubernetes\"}},\"spec\":{\"type\":"
                     "\"ClusterIP\",\"clusterIP\":\"" PRI_STR
                     "\",\"ipFamilyPolicy\":\"SingleStack\",\"sessionAffinity\":\"None\",\"ports\":"
                     "[{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\",\"targetPort\":%d}]}}",
                     STR_ARG(ip), port)),
        NULL, "kube-apiserver");
    if (address.n) {
        seed(b, "", "endpoints",
             parse(b,
                   arena_fmt(
                       b->a,
                       "{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\","
                       "\"labels\":{\"endpointslice.kubernetes.io/"
                       "skip-mirror\":\"true\"}},\"subsets\":[{\"addresses\":[{\"ip\":\"" PRI_STR
                       "\"}],\"ports\":[{\"name\":\"https\",\"port\":%d,\"protocol\":\"TCP\"}]}]}",
                       STR_ARG(address), port)),
             NULL, "kube-apiserver");
        seed(b, "discovery.k8s.io", "endpointslices",
             parse(b, arena_fmt(b->a,
                                "{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\","
                                "\"labels\":{\"kubernetes.io/"
                                "service-name\":\"kubernetes\"}},\"addressType\":\"IPv4\","
                                "\"endpoints\":[{\"addresses\":[\"" PRI_STR
                                "\"],\"conditions\":{\"ready\":true}}],\"ports\":[{\"name\":"
                                "\"https\",\"protocol\":\"TCP\",\"port\":%d}]}",
                                STR_ARG(address), port)),
             NULL, "kube-apiserver");
    }
    seed(
        b, "networking.k8s.io", "servicecidrs",
        parse(b, arena_fmt(b->a,
                           "{\"metadata\":{\"name\":\"kubernetes\"},\"spec\":{\"cidrs\":[\"" PRI_STR
                           "\"]}}",
                           STR_ARG(cidr))),
        "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"\",\"message\":"
        "\"Kubernetes default Service CIDR is ready\"}]}",
        "kube-apiserver");
}

/* A member whose value is a text: the list as JSON. */
static void names_put(struct buf *t, const char *member, str list)
{
    CLEANUP(buf) struct buf json = BUF_INIT;
    str one;

    buf_char(&json, '[');
    while (list.n && str_cut(&list, ',', &one)) {
        if (json.n > 1)
            buf_char(&json, ',');
        json_encode_string(&json, str_trim(one));
    }
    buf_char(&json, ']');
    buf_fmt(t, ",\"%s\":", member);
    json_encode_string(t, buf_view(&json));
}

static void seed_authentication(struct bootstrap *b)
{
    const struct request_header_options *o = &b->api->o.request_header;
    struct buf t = BUF_INIT;

    if (!b->api->o.ca_pem.n)
        return;
    buf_z(&t, "{\"metadata\":{\"name\":\"extension-apiserver-authentication\",\"namespace\":\"kube-"
              "system\"},\"data\":{\"client-ca-file\":");
    json_encode_string(&t, b->api->o.ca_pem);
    if (b->api->o.front_proxy_ca_pem.n) {
        buf_z(&t, ",\"requestheader-client-ca-file\":");
        json_encode_string(&t, b->api->o.front_proxy_ca_pem);
        names_put(&t, "requestheader-allowed-names", o->allowed_names);
        names_put(&t, "requestheader-username-headers", o->username_headers);
        names_put(&t, "requestheader-uid-headers", o->uid_headers);
        names_put(&t, "requestheader-group-headers", o->group_headers);
        names_put(&t, "requestheader-extra-headers-prefix", o->extra_prefixes);
    }
    buf_z(&t, "}}");
    seed(b, "", "configmaps", parse(b, arena_dup(b->a, buf_view(&t))), NULL, "kube-apiserver");
    buf_fini(&t);
}

/* Since when it is written down that secret-based tokens of accounts are used (service_account.c). A day that nobody can read is
 * replaced. Source: k8s.io/kubernetes/pkg/controlplane/controller/legacytokentracking. */
static void seed_token_tracking(struct bootstrap *b)
{
    static const char *const name = "kube-apiserver-legacy-service-account-token-tracking";
    const struct kind *k = api_find_kind(b->api, S(""), S("v1"), S("configmaps"));
    const struct obj *there =
        store_find(b->api->store, kind_key(k, S("kube-system"), str_of(name)));
    str day = str_slice(now_text(b->a, loop_wall(b->api->loop)), 0, strlen("2006-01-02"));
    wall_time ignored;

    if (there) {
        const struct json *v = object_parse(b->a, arena_dup(b->a, there->data));
        str since = json_get_str(v, "data.since");

        if (rfc3339_parse(arena_fmt(b->a, PRI_STR "T00:00:00Z", STR_ARG(since)), &ignored))
            return;
    }
    seed(b, "", "configmaps",
         parse(b, arena_fmt(b->a,
                            "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"kube-system\"},"
                            "\"data\":{\"since\":\"" PRI_STR "\"}}",
                            name, STR_ARG(day))),
         NULL, "kube-apiserver");
}

/* Namespaces exist before what lives in them is admitted. */
static void second_round(void *ctx, struct err *e)
{
    struct bootstrap *b = ctx;

    b->failed = e;
    b->open = 1;
    b->submitted = false;
    seed_rbac(b);
    for (const struct bootstrap_object *o = bootstrap_objects; o->plural; o++)
        seed(b, o->group, o->plural, parse(b, str_of(o->json)), o->status,
             str_has_prefix(str_of(o->group), S("flowcontrol"))
                 ? "api-priority-and-fairness-config-producer-v1"
                 : "kube-apiserver");
    seed_api_services(b);
    seed_service(b);
    seed_authentication(b);
    seed_token_tracking(b);
    b->submitted = true;
    if (--b->open == 0)
        finish(b);
}

static void finish_later(void *ctx)
{
    second_round(ctx, NULL);
}

/* First round: only the namespaces, in a bootstrap of their own. */
static void first_done(void *ctx, struct err *e)
{
    struct bootstrap *b = ctx;

    if (e) {
        b->failed = e;
        finish(b);
        return;
    }
    loop_defer(b->api->loop, finish_later, b);
}

static struct bootstrap *bootstrap_new(struct api *api, void (*done)(void *ctx, struct err *err),
                                       void *ctx)
{
    struct bootstrap *b = NEW(struct bootstrap);

    b->api = api;
    b->a = arena_new();
    b->done = done;
    b->ctx = ctx;
    b->user = (struct user){.name = S("system:apiserver"), .masters = true};
    b->req = (struct req){.api = api, .a = b->a, .user = &b->user, .warnings = json_array()};
    return b;
}

void api_bootstrap(struct api *api, void (*done)(void *ctx, struct err *err), void *ctx)
{
    struct bootstrap *rest = bootstrap_new(api, done, ctx),
                     *first = bootstrap_new(api, first_done, rest);

    rest->last = true;
    rest->fresh = !store_count(
        api->store, api_find_kind(api, S(""), S("v1"), S("namespaces"))->r->storage_resource,
        S(""));
    first->open = 1;
    seed_namespaces(first);
    first->submitted = true;
    if (--first->open == 0)
        finish(first);
}
