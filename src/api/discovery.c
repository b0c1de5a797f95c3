/* discovery.c - what is served, for clients that ask: groups, versions, resources, in both forms.
 *
 * The documents follow from the kinds alone. They are made once, kept as bytes with their ETag, and
 * made again when the kinds change. Clients that send the ETag back get 304. API:
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api */
#include "api/apiservices.h"

/* Order of /apis, and the priorities that the local APIService objects carry. */
const struct group_info api_groups[] = {
    {"apiregistration.k8s.io", "v1", 18000, 1},
    {"apps", "v1", 17800, 15},
    {"events.k8s.io", "v1", 17750, 15},
    {"authentication.k8s.io", "v1", 17700, 15},
    {"authorization.k8s.io", "v1", 17600, 15},
    {"autoscaling", "v2", 17500, 30},
    {"autoscaling", "v1", 17500, 15},
    {"batch", "v1", 17400, 15},
    {"certificates.k8s.io", "v1", 17300, 15},
    {"networking.k8s.io", "v1", 17200, 15},
    {"policy", "v1", 17100, 15},
    {"rbac.authorization.k8s.io", "v1", 17000, 15},
    {"storage.k8s.io", "v1", 16800, 15},
    {"admissionregistration.k8s.io", "v1", 16700, 15},
    {"apiextensions.k8s.io", "v1", 16700, 15},
    {"scheduling.k8s.io", "v1", 16600, 15},
    {"coordination.k8s.io", "v1", 16500, 15},
    {"node.k8s.io", "v1", 16300, 15},
    {"discovery.k8s.io", "v1", 16200, 15},
    {"resource.k8s.io", "v1", 16200, 21},
    {"flowcontrol.apiserver.k8s.io", "v1", 16100, 21},
    {NULL},
};

struct gv {
    str group, version;
};
struct discovery {
    struct gv *gvs;
    size_t n; /* in discovery order, core first */
    struct arena *arena;
    struct json *aggregated_api, *aggregated_apis;
    char etag_api[67], etag_apis[67];
};

static const struct {
    uint32_t bit;
    const char *name;
} verb_names[] = {
    {VERB_CREATE, "create"}, {VERB_DELETE, "delete"}, {VERB_DELETECOLLECTION, "deletecollection"},
    {VERB_GET, "get"},       {VERB_LIST, "list"},     {VERB_PATCH, "patch"},
    {VERB_UPDATE, "update"}, {VERB_WATCH, "watch"}};

static struct json verbs_json(struct arena *a, uint32_t verbs)
{
    struct json v = json_array();

    for (size_t i = 0; i < ARRAY_LEN(verb_names); i++)
        if (verbs & verb_names[i].bit)
            json_append(a, &v, json_z(verb_names[i].name));
    return v;
}

/* All verbs in the order in which custom resources list them. */
static struct json custom_verbs(struct arena *a)
{
    static const char *const names[] = {"delete", "deletecollection", "get",    "list",
                                        "patch",  "create",           "update", "watch"};
    struct json v = json_array();

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        json_append(a, &v, json_z(names[i]));
    return v;
}

static struct json strings_json(struct arena *a, const str *s, size_t n)
{
    struct json v = json_array();

    for (size_t i = 0; i < n; i++)
        json_append(a, &v, json_string(s[i]));
    return v;
}

/* Resources of one group-version by name, as they are listed. */
static size_t kinds_of(struct api *api, struct arena *a, str group, str version,
                       const struct kind ***ret)
{
    const struct kind **k = ARENA_NEW_N(a, const struct kind *, api_kind_count(api) + 1);
    size_t n = 0;

    for (size_t i = 0; i < api_kind_count(api); i++) {
        const struct kind *c = api_kind_at(api, i);

        if (!str_eq(c->r->group, group) || !str_eq(c->r->version, version))
            continue;
        size_t at = n++;
        while (at > 0 && str_cmp(k[at - 1]->r->plural, c->r->plural) > 0) {
            k[at] = k[at - 1];
            at--;
        }
        k[at] = c;
    }
    *ret = k;
    return n;
}

static struct json *resource_list(struct api *api, struct arena *a, str group, str version)
{
    struct json *v = json_new(a, json_object()), resources = json_array();
    const struct kind **kinds;
    size_t n = kinds_of(api, a, group, version, &kinds);

    json_setz(a, v, "kind", json_z("APIResourceList"));
    if (group.n)
        json_setz(a, v, "apiVersion", json_z("v1"));
    json_setz(a, v, "groupVersion", json_string(n ? kinds[0]->api_version : version));
    for (size_t i = 0; i < n; i++) {
        const struct resource *r = kinds[i]->r;
        struct json o = json_object();

        json_setz(a, &o, "name", json_string(r->plural));
        json_setz(a, &o, "singularName", json_string(r->singular));
        json_setz(a, &o, "namespaced", json_bool(r->namespaced));
        json_setz(a, &o, "kind", json_string(r->kind));
        json_setz(a, &o, "verbs", r->custom ? custom_verbs(a) : verbs_json(a, r->verbs));
        if (r->n_short_names)
            json_setz(a, &o, "shortNames", strings_json(a, r->short_names, r->n_short_names));
        if (r->n_categories)
            json_setz(a, &o, "categories", strings_json(a, r->categories, r->n_categories));
        if (r->storage_version_hash.n)
            json_setz(a, &o, "storageVersionHash", json_string(r->storage_version_hash));
        json_append(a, &resources, o);
        for (size_t s = 0; s < r->n_subresources; s++) {
            const struct subresource *sub = &r->subresources[s];

            o = json_object();
            json_setz(a, &o, "name",
                      json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(r->plural),
                                            STR_ARG(sub->name))));
            json_setz(a, &o, "singularName", json_z(""));
            json_setz(a, &o, "namespaced", json_bool(r->namespaced));
            if (sub->kind.n &&
                !(str_eq(sub->group, r->group) && str_eq(sub->version, r->version))) {
                if (sub->group.n)
                    json_setz(a, &o, "group", json_string(sub->group));
                json_setz(a, &o, "version", json_string(sub->version));
            }
            json_setz(a, &o, "kind", json_string(sub->kind.n ? sub->kind : r->kind));
            json_setz(a, &o, "verbs", verbs_json(a, sub->verbs));
            json_append(a, &resources, o);
        }
    }
    json_setz(a, v, "resources", resources);
    return v;
}

static struct json version_entry(struct arena *a, str group, str version)
{
    struct json v = json_object();

    json_setz(a, &v, "groupVersion",
              json_string(arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(group), STR_ARG(version))));
    json_setz(a, &v, "version", json_string(version));
    return v;
}

static struct json api_group(struct api *api, struct arena *a, str group, bool with_kind)
{
    struct discovery *d = api->discovery;
    struct json v = json_object(), versions = json_array();

    if (with_kind) {
        json_setz(a, &v, "kind", json_z("APIGroup"));
        json_setz(a, &v, "apiVersion", json_z("v1"));
    }
    json_setz(a, &v, "name", json_string(group));
    for (size_t i = 0; i < d->n; i++)
        if (str_eq(d->gvs[i].group, group))
            json_append(a, &versions, version_entry(a, group, d->gvs[i].version));
    json_setz(a, &v, "versions", versions);
    json_setz(a, &v, "preferredVersion", versions.items[0]);
    return v;
}

static struct json *group_list(struct api *api, struct arena *a)
{
    struct discovery *d = api->discovery;
    struct json *v = json_new(a, json_object()), groups = json_array();

    json_setz(a, v, "kind", json_z("APIGroupList"));
    json_setz(a, v, "apiVersion", json_z("v1"));
    for (size_t i = 0; i < d->n; i++) {
        bool seen = !d->gvs[i].group.n;

        for (size_t k = 0; k < i; k++)
            seen |= str_eq(d->gvs[k].group, d->gvs[i].group);
        if (!seen)
            json_append(a, &groups, api_group(api, a, d->gvs[i].group, false));
    }
    json_setz(a, v, "groups", groups);
    return v;
}

static struct json response_kind(struct arena *a, str group, str version, str kind)
{
    struct json v = json_object();

    json_setz(a, &v, "group", json_string(group));
    json_setz(a, &v, "version", json_string(version));
    json_setz(a, &v, "kind", json_string(kind));
    return v;
}

/* As its server told us when it was asked last. */
static struct json remote_version(struct arena *a, const struct apiservice *s)
{
    struct json v = json_object();

    json_setz(a, &v, "version", json_string(arena_dup(a, s->version)));
    json_setz(a, &v, "resources", s->resources ? json_copy(a, s->resources) : json_array());
    json_setz(a, &v, "freshness", json_z(s->fresh ? "Current" : "Stale"));
    return v;
}

static struct json aggregated_version(struct api *api, struct arena *a, str group, str version)
{
    const struct apiservice *remote = apiservices_remote(api, group, version);
    struct json v = json_object(), resources = json_array();
    const struct kind **kinds;
    size_t n;

    if (remote)
        return remote_version(a, remote);
    n = kinds_of(api, a, group, version, &kinds);
    json_setz(a, &v, "version", json_string(version));
    for (size_t i = 0; i < n; i++) {
        const struct resource *r = kinds[i]->r;
        struct json o = json_object();

        json_setz(a, &o, "resource", json_string(r->plural));
        json_setz(a, &o, "responseKind", response_kind(a, S(""), S(""), r->kind));
        json_setz(a, &o, "scope", json_z(r->namespaced ? "Namespaced" : "Cluster"));
        json_setz(a, &o, "singularResource", json_string(r->singular));
        json_setz(a, &o, "verbs", r->custom ? custom_verbs(a) : verbs_json(a, r->verbs));
        if (r->n_short_names)
            json_setz(a, &o, "shortNames", strings_json(a, r->short_names, r->n_short_names));
        if (r->n_categories)
            json_setz(a, &o, "categories", strings_json(a, r->categories, r->n_categories));
        if (r->n_subresources) {
            struct json subs = json_array();

            for (size_t s = 0; s < r->n_subresources; s++) {
                const struct subresource *sub = &r->subresources[s];
                struct json x = json_object();
                bool own = sub->kind.n &&
                           !(str_eq(sub->group, r->group) && str_eq(sub->version, r->version));

                json_setz(a, &x, "subresource", json_string(sub->name));
                json_setz(a, &x, "responseKind",
                          response_kind(a, own ? sub->group : S(""), own ? sub->version : S(""),
                                        sub->kind.n ? sub->kind : r->kind));
                json_setz(a, &x, "verbs", verbs_json(a, sub->verbs));
                json_append(a, &subs, x);
            }
            json_setz(a, &o, "subresources", subs);
        }
        json_append(a, &resources, o);
    }
    json_setz(a, &v, "resources", resources);
    json_setz(a, &v, "freshness", json_z("Current"));
    return v;
}

static struct json *aggregated(struct api *api, struct arena *a, bool core)
{
    struct discovery *d = api->discovery;
    struct json *v = json_new(a, json_object()), items = json_array();

    json_setz(a, v, "kind", json_z("APIGroupDiscoveryList"));
    json_setz(a, v, "apiVersion", json_z("apidiscovery.k8s.io/v2"));
    json_setz(a, v, "metadata", json_object());
    for (size_t i = 0; i < d->n; i++) {
        struct json item = json_object(), meta = json_object(), versions = json_array();
        bool seen = (d->gvs[i].group.n == 0) != core;

        for (size_t k = 0; k < i; k++)
            seen |= str_eq(d->gvs[k].group, d->gvs[i].group);
        if (seen)
            continue;
        if (!core)
            json_setz(a, &meta, "name", json_string(d->gvs[i].group));
        json_setz(a, &item, "metadata", meta);
        for (size_t k = i; k < d->n; k++)
            if (str_eq(d->gvs[k].group, d->gvs[i].group))
                json_append(a, &versions,
                            aggregated_version(api, a, d->gvs[k].group, d->gvs[k].version));
        json_setz(a, &item, "versions", versions);
        json_append(a, &items, item);
    }
    json_setz(a, v, "items", items);
    return v;
}

static void add_gv(struct discovery *d, str group, str version, bool copy)
{
    for (size_t k = 0; k < d->n; k++)
        if (str_eq(d->gvs[k].group, group) && str_eq(d->gvs[k].version, version))
            return;
    d->gvs[d->n++] = copy ? (struct gv){arena_dup(d->arena, group), arena_dup(d->arena, version)}
                          : (struct gv){group, version};
}

/* Custom groups have the same priority, all of them: others come before or after. */
static void add_remote(struct api *api, bool important)
{
    const struct apiservice *s;

    for (size_t i = 0; (s = apiservices_remote_at(api, i)) != NULL; i++)
        if ((s->group_priority > CUSTOM_GROUP_PRIORITY) == important)
            add_gv(api->discovery, s->group, s->version, true);
}

void discovery_init(struct api *api)
{
    struct discovery *d = NEW(struct discovery);
    bool customs = false;
    size_t n = 0;

    api->discovery = d;
    d->arena = arena_new();
    while (apiservices_remote_at(api, n))
        n++;
    d->gvs = ARENA_NEW_N(d->arena, struct gv, api_kind_count(api) + n + 1);
    for (size_t i = 0; i < api_kind_count(api); i++) {
        const struct resource *r = api_kind_at(api, i)->r;

        if (r->custom && !customs) {
            customs = true;
            add_remote(api, true);
        }
        add_gv(d, r->group, r->version, r->custom);
    }
    if (!customs)
        add_remote(api, true);
    add_remote(api, false);
}

void discovery_fini(struct api *api)
{
    if (!api->discovery)
        return;
    arena_free(api->discovery->arena);
    mem_free(api->discovery);
    api->discovery = NULL;
}

void discovery_again(struct api *api)
{
    if (!api->discovery)
        return;
    discovery_fini(api);
    discovery_init(api);
}

/* Made when first asked for: a server that only runs controllers never pays for it. */
static struct json *aggregated_get(struct api *api, bool core, const char **ret_etag)
{
    struct discovery *d = api->discovery;
    struct json **slot = core ? &d->aggregated_api : &d->aggregated_apis;
    char *etag = core ? d->etag_api : d->etag_apis;

    if (!*slot) {
        struct buf b = BUF_INIT;
        char hex[65];

        *slot = aggregated(api, d->arena, core);
        json_encode(&b, *slot);
        sha256_hex(buf_view(&b), hex);
        snprintf(etag, sizeof d->etag_api, "\"%.64s\"", hex);
        buf_fini(&b);
    }
    *ret_etag = etag;
    return *slot;
}

/* Does the client prefer the aggregated form? Version by preference; only v2 is served. */
static bool wants_aggregated(struct req *q, enum media *ret)
{
    str accept = http_header(&q->ex->req, "accept"), part;

    while (accept.p && str_cut(&accept, ',', &part)) {
        bool proto = str_has_prefix(str_trim(part), S("application/vnd.kubernetes.protobuf")),
             json = str_has_prefix(str_trim(part), S("application/json"));

        if ((json || proto) && str_find(part, S("as=APIGroupDiscoveryList")) >= 0 &&
            str_find(part, S("g=apidiscovery.k8s.io")) >= 0) {
            str rest = part, p;

            while (str_cut(&rest, ';', &p))
                if (str_is(str_trim(p), "v=v2")) {
                    *ret = proto ? MEDIA_PROTOBUF : MEDIA_JSON;
                    return true;
                }
        } else if (json || str_is(str_trim(part), "*/*"))
            return false;
    }
    return false;
}

static void reply_aggregated(struct req *q, bool core, enum media m)
{
    const char *etag;
    struct json *v = aggregated_get(q->api, core, &etag);
    str match = http_header(&q->ex->req, "if-none-match");
    struct http_header h[6];
    struct buf b = BUF_INIT;
    size_t n = 0;

    h[n++] = (struct http_header){S("Cache-Control"), S("public")};
    h[n++] = (struct http_header){S("ETag"), str_of(etag)};
    h[n++] = (struct http_header){S("Vary"), S("Accept")};
    if (match.n && str_eq(match, str_of(etag))) {
        http_start(q->ex, 304, h, n);
        http_end(q->ex);
        return;
    }
    q->accept.media = m;
    encode_media(q, &b,
                 schema_find_gvk(S("apidiscovery.k8s.io"), S("v2"), S("APIGroupDiscoveryList")), v);
    h[n++] = (struct http_header){
        S("Content-Type"), arena_fmt(q->a, "%s;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
                                     media_name(q->accept.media))};
    h[n++] = (struct http_header){S("Content-Length"), arena_fmt(q->a, "%zu", b.n)};
    http_start(q->ex, 200, h, n);
    http_write(q->ex, buf_view(&b));
    buf_fini(&b);
    http_end(q->ex);
}

static struct json *api_versions(struct req *q)
{
    struct arena *a = q->a;
    struct json *v = json_new(a, json_object()), versions = json_array(), cidrs = json_array(),
                c = json_object();
    str host = http_header(&q->ex->req, "host");

    json_setz(a, v, "kind", json_z("APIVersions"));
    json_append(a, &versions, json_z("v1"));
    json_setz(a, v, "versions", versions);
    json_setz(a, &c, "clientCIDR", json_z("0.0.0.0/0"));
    if (q->api->o.advertise_address.n)
        host = arena_fmt(a, PRI_STR ":%d", STR_ARG(q->api->o.advertise_address),
                         q->api->o.advertise_port);
    json_setz(a, &c, "serverAddress", json_string(host));
    json_append(a, &cidrs, c);
    json_setz(a, v, "serverAddressByClientCIDRs", cidrs);
    return v;
}

static void reply_meta(struct req *q, const char *kind, struct json *v)
{
    reply_tree(q, 200,
               schema_find_type(arena_fmt(q->a, "io.k8s.apimachinery.pkg.apis.meta.v1.%s", kind)),
               v);
}

bool discovery_handle(struct req *q)
{
    str path = q->route.path, rest, prefix, group = S(""), version = S("");
    bool get = str_is(q->ex->req.method, "GET");
    enum media m;
    struct err *e;

    if (str_has_prefix(path, S("/openapi/")))
        return openapi_handle(q, path);
    if (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    rest = str_skip(path, 1);
    if (!str_cut(&rest, '/', &prefix) || !(str_is(prefix, "api") || str_is(prefix, "apis")))
        return false;
    if (rest.p && str_is(prefix, "apis"))
        str_cut(&rest, '/', &group);
    if (rest.p)
        str_cut(&rest, '/', &version);
    if (rest.p)
        return false;
    if (str_is(prefix, "api") && !get) {
        reply_error(q, err_no_method());
        return true;
    }
    if (!version.n && !group.n && wants_aggregated(q, &m)) {
        reply_aggregated(q, str_is(prefix, "api"), m);
        return true;
    }
    if ((group.n || version.n) && !api_group_is_served(q->api, group, version)) {
        if (str_is(prefix, "api")) {
            reply_error(q, err_no_route());
            return true;
        }
        return false;
    }
    e = accept_parse(q, false, false);
    if (e) {
        if (str_is(prefix, "api") && !version.n) {
            err_free(e);
            e = err_details(
                err_new(REASON_NOT_ACCEPTABLE,
                        "406: Not Acceptable\n\nAvailable representations: application/json, "
                        "application/yaml, application/vnd.kubernetes.protobuf"),
                S(""), S(""), S(""));
        }
        reply_error(q, e);
        return true;
    }
    if (version.n) {
        if (!get)
            reply_error(q, err_no_method());
        else
            reply_meta(q, "APIResourceList", resource_list(q->api, q->a, group, version));
    } else if (group.n) {
        struct json v = api_group(q->api, q->a, group, true);

        reply_meta(q, "APIGroup", &v);
    } else if (str_is(prefix, "api"))
        reply_meta(q, "APIVersions", api_versions(q));
    else
        reply_meta(q, "APIGroupList", group_list(q->api, q->a));
    return true;
}
