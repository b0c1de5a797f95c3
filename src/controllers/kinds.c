/* kinds.c - the caches that controllers share: what they index, what they keep of an object.
 *
 * Every namespaced object is found under its controlling owner's uid, or among its namespace's
 * orphans, so that no reconcile walks a whole namespace. Big contents nobody here reads (data of
 * Secrets and ConfigMaps) are not kept at all. */
#include "controllers/controllers_internal.h"

const struct kind kinds[K_N] = {
#define X(id, group_, version_, plural_, kind_, namespaced_)                                       \
    [K_##id] = {STR(group_), STR(version_), STR(plural_), STR(kind_), namespaced_},
    KINDS(X)
#undef X
};

static str tagged(struct arena *a, char tag, str s)
{
    return arena_fmt(a, "%c" PRI_STR, tag, STR_ARG(s));
}

str index_owner(struct arena *a, str uid)
{
    return tagged(a, 'u', uid);
}

str index_orphans(struct arena *a, str ns)
{
    return tagged(a, 'o', ns);
}

str index_node(struct arena *a, str node)
{
    return tagged(a, 'n', node);
}

static void add_key(struct buf *out, char tag, str s)
{
    buf_char(out, tag);
    buf_str(out, s);
    buf_char(out, '\0');
}

static void index_controlled(const struct obj *o, const struct json *tree, struct buf *out)
{
    str uid = owner_uid(tree);

    if (uid.n)
        add_key(out, 'u', uid);
    else
        add_key(out, 'o', o->key.ns);
}

static void index_pod(const struct obj *o, const struct json *tree, struct buf *out)
{
    str node = json_get_str(tree, "spec.nodeName");

    index_controlled(o, tree, out);
    if (node.n)
        add_key(out, 'n', node);
}

static void index_slice(const struct obj *o, const struct json *tree, struct buf *out)
{
    str service =
        json_str(json_find(json_path(tree, "metadata.labels"), S("kubernetes.io/service-name")));

    /* "s<namespace>/<service>" */
    buf_char(out, 's');
    buf_str(out, o->key.ns);
    buf_char(out, '/');
    buf_str(out, service);
    buf_char(out, '\0');
}

static void keep_metadata(const struct json *tree, struct buf *out, const char *const *members)
{
    static const char *const always[] = {"kind", "apiVersion", "metadata"};
    bool first = true;

    buf_char(out, '{');
    JSON_EACH_MEMBER(m, tree) {
        bool keep = false;

        for (size_t i = 0; i < ARRAY_LEN(always); i++)
            keep |= str_is(m->key, always[i]);
        for (size_t i = 0; members[i]; i++)
            keep |= str_is(m->key, members[i]);
        if (!keep)
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        json_encode_string(out, m->key);
        buf_char(out, ':');
        json_encode(out, &m->value);
    }
    buf_char(out, '}');
}

static void reduce_configmap(const struct json *tree, struct buf *out)
{
    static const char *const nothing[] = {NULL}, *const data[] = {"data", "binaryData", "immutable",
                                                                  NULL};
    str name = json_get_str(tree, "metadata.name");
    bool whole = str_is(name, "kube-root-ca.crt") ||
                 str_is(name, "kube-apiserver-legacy-service-account-token-tracking") ||
                 (str_is(name, "cluster-info") &&
                  str_is(json_get_str(tree, "metadata.namespace"), "kube-public"));

    keep_metadata(tree, out, whole ? data : nothing);
}

static void reduce_secret(const struct json *tree, struct buf *out)
{
    static const char *const only_type[] = {"type", NULL}, *const all[] = {"type", "data",
                                                                           "immutable", NULL};
    str type = json_get_str(tree, "type");

    keep_metadata(tree, out,
                  str_is(type, "kubernetes.io/service-account-token") ||
                          str_is(type, "bootstrap.kubernetes.io/token")
                      ? all
                      : only_type);
}

/* Each pod that nobody owns is held against the selectors of its namespace. */
static void selector_pack(const struct json *tree, struct buf *out)
{
    const struct json *selector = json_path(tree, "spec.selector");

    if (selector)
        json_encode(out, selector);
}

static const str pod_unread[] = {
    STR("managedFields"), STR("containers"),  STR("initContainers"),
    STR("volumes"),       STR("tolerations"),
};

struct informer *kind_informer(struct client *c, enum kind_id id)
{
    const struct kind *k = &kinds[id];
    struct informer_options o = {
        .group = k->group, .version = k->version, .plural = k->plural, .reduce_optional = true};

    if (k->namespaced)
        o.index = index_controlled;
    switch (id) {
    case K_PODS:
        o.index = index_pod;
        o.pack = pod_pack;
        o.unread = pod_unread;
        o.n_unread = ARRAY_LEN(pod_unread);
        break;
    case K_ENDPOINTSLICES:
        o.index = index_slice;
        break;
    case K_CONFIGMAPS:
        o.reduce = reduce_configmap;
        break;
    case K_SECRETS:
        o.reduce = reduce_secret;
        break;
    case K_REPLICASETS:
    case K_DEPLOYMENTS:
    case K_REPLICATIONCONTROLLERS:
    case K_PDBS:
    case K_JOBS:
        o.pack = selector_pack;
        break;
    case K_LEASES:
        o.ns = S("kube-node-lease");
        break;
    case K_NAMESPACES:
    case K_SERVICEACCOUNTS:
    case K_NODES:
    case K_SERVICES:
    case K_ENDPOINTS:
    case K_DAEMONSETS:
    case K_STATEFULSETS:
    case K_CRONJOBS:
    case K_RESOURCEQUOTAS:
    case K_PVCS:
    case K_RESOURCECLAIMS:
    case K_PVS:
    case K_STORAGECLASSES:
    case K_CSRS:
    case K_VALIDATINGADMISSIONPOLICIES:
    case K_CUSTOMRESOURCEDEFINITIONS:
    case K_CLUSTERROLES:
    case K_CONTROLLERREVISIONS:
    case K_SERVICECIDRS:
    case K_IPADDRESSES:
    case K_N:
        break;
    }
    return informer_new(c, &o);
}
