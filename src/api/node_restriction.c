/* node_restriction.c - a kubelet may change its own node, its pods and its lease, nothing else.
 *
 * Source of rules and texts: k8s.io/kubernetes/plugin/pkg/admission/noderestriction. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction */
#include "api/admission.h"
#include "wire/tls.h"

#define refuse(w, ...) err_forbidden((w)->kind, (w)->name, __VA_ARGS__)

/* Labels of Kubernetes' own domains that a kubelet may set on its node. */
static bool label_allowed(str key)
{
    static const char *const exact[] = {"kubernetes.io/hostname",
                                        "kubernetes.io/arch",
                                        "kubernetes.io/os",
                                        "beta.kubernetes.io/instance-type",
                                        "node.kubernetes.io/instance-type",
                                        "failure-domain.beta.kubernetes.io/region",
                                        "failure-domain.beta.kubernetes.io/zone",
                                        "topology.kubernetes.io/region",
                                        "topology.kubernetes.io/zone",
                                        "beta.kubernetes.io/arch",
                                        "beta.kubernetes.io/os"};
    static const char *const domains[] = {"kubelet.kubernetes.io", "node.kubernetes.io"};
    str domain = key;
    str rest = key;

    if (!str_has_char(key, '/'))
        return true;
    str_cut(&rest, '/', &domain);
    if (!str_is(domain, "kubernetes.io") && !str_is(domain, "k8s.io") &&
        !str_has_suffix(domain, S(".kubernetes.io")) && !str_has_suffix(domain, S(".k8s.io")))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(exact); i++)
        if (str_is(key, exact[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        str d = str_of(domains[i]);

        if (str_eq(domain, d) ||
            (str_has_suffix(domain, d) && domain.n > d.n && domain.p[domain.n - d.n - 1] == '.'))
            return true;
    }
    return false;
}

/* Keys that changed and may not, sorted, comma-separated. */
static str forbidden_labels(struct write *w)
{
    const struct json *labels = json_at(w->obj, "metadata", "labels", NULL),
                      *old = json_at(w->old, "metadata", "labels", NULL);
    struct json bad = json_object();
    struct buf text = BUF_INIT;
    str out;

    JSON_EACH_MEMBER(m, labels) {
        const struct json *was = json_find(old, m->key);

        if (!(was && json_equal(was, &m->value)) && !label_allowed(m->key))
            json_set(w->a, &bad, m->key, json_null());
    }
    JSON_EACH_MEMBER(m, old)
        if (!json_find(labels, m->key) && !label_allowed(m->key))
            json_set(w->a, &bad, m->key, json_null());
    json_sort_keys(&bad);
    JSON_EACH_MEMBER(m, &bad)
        buf_fmt(&text, "%s" PRI_STR, text.n ? ", " : "", STR_ARG(m->key));
    out = arena_dup(w->a, buf_view(&text));
    buf_fini(&text);
    return out;
}

static bool differs(const struct json *a, const struct json *b)
{
    static const struct json none = {.type = JSON_NULL};

    return !json_equal(a ? a : &none, b ? b : &none);
}

static struct err *check_node(struct write *w, str node)
{
    const struct json *source = json_at(w->obj, "spec", "configSource", NULL);
    str bad;

    if (!str_eq(w->name, node))
        return refuse(w, "node \"" PRI_STR "\" is not allowed to modify node \"" PRI_STR "\"",
                      STR_ARG(node), STR_ARG(w->name));
    if (!w->old && source)
        return refuse(
            w, "node \"" PRI_STR "\" is not allowed to create pods with a non-nil configSource",
            STR_ARG(node));
    if (w->old && source && differs(source, json_at(w->old, "spec", "configSource", NULL)))
        return refuse(w,
                      "node \"" PRI_STR
                      "\" is not allowed to update configSource to a new non-nil configSource",
                      STR_ARG(node));
    if (w->old &&
        differs(json_at(w->obj, "spec", "taints", NULL), json_at(w->old, "spec", "taints", NULL)))
        return refuse(w, "node \"" PRI_STR "\" is not allowed to modify taints", STR_ARG(node));
    /* An owner that is not there would have the node collected: it could delete itself, which it may not. */
    if (w->old && differs(json_at(w->obj, "metadata", "ownerReferences", NULL),
                          json_at(w->old, "metadata", "ownerReferences", NULL)))
        return refuse(w, "node \"" PRI_STR "\" is not allowed to modify ownerReferences",
                      STR_ARG(node));
    bad = forbidden_labels(w);
    if (!bad.n)
        return NULL;
    if (w->old)
        return refuse(w, "is not allowed to modify labels: " PRI_STR, STR_ARG(bad));
    return refuse(w, "node \"" PRI_STR "\" is not allowed to set the following labels: " PRI_STR,
                  STR_ARG(node), STR_ARG(bad));
}

/* A mirror pod belongs to its node. */
static struct err *check_owner(struct write *w, str node)
{
    const struct json *owners = json_at(w->obj, "metadata", "ownerReferences", NULL),
                      *o = json_item(owners, 0);
    const struct kind *nodes = api_core(w->api, "nodes");
    const struct obj *stored;

    if (json_count(owners) > 1)
        return refuse(w,
                      "node \"" PRI_STR
                      "\" can only create pods with a single owner reference set to itself",
                      STR_ARG(node));
    if (!o || !str_is(json_get_str(o, "apiVersion"), "v1") ||
        !str_is(json_get_str(o, "kind"), "Node") || !str_eq(json_get_str(o, "name"), node))
        return refuse(
            w, "node \"" PRI_STR "\" can only create pods with an owner reference set to itself",
            STR_ARG(node));
    if (!json_get_bool(o, "controller", false))
        return refuse(w,
                      "node \"" PRI_STR
                      "\" can only create pods with a controller owner reference set to itself",
                      STR_ARG(node));
    if (json_get_bool(o, "blockOwnerDeletion", false))
        return refuse(w,
                      "node \"" PRI_STR "\" must not set blockOwnerDeletion on an owner reference",
                      STR_ARG(node));
    stored = store_find(w->api->store, kind_key(nodes, S(""), node));
    if (!stored)
        return err_not_found(nodes, node);
    if (!str_eq(stored->uid, json_get_str(o, "uid")))
        return refuse(w, "node " PRI_STR " UID mismatch: expected " PRI_STR " got " PRI_STR,
                      STR_ARG(node), STR_ARG(json_get_str(o, "uid")), STR_ARG(stored->uid));
    return NULL;
}

/* Is one of these members there, anywhere? */
static bool has_member(const struct json *v, const char *const *members)
{
    JSON_EACH(i, v)
        if (has_member(i, members))
            return true;
    JSON_EACH_MEMBER(m, v) {
        for (size_t i = 0; members[i]; i++)
            if (str_is(m->key, members[i]))
                return true;
        if (has_member(&m->value, members))
            return true;
    }
    return false;
}

static struct err *check_pod_create(struct write *w, str node)
{
    static const char *const secrets[] =
        {"secret",    "secretRef", "secretKeyRef", "imagePullSecrets", "nodePublishSecretRef",
         "azureFile", NULL},
                             *const maps[] = {"configMap", "configMapRef", "configMapKeyRef", NULL},
                             *const bundles[] = {"clusterTrustBundle", NULL},
                             *const claims[] = {"persistentVolumeClaim", NULL};
    static const struct {
        const char *what;
        const char *const *members;
    } refs[] = {{"secrets", secrets},
                {"configmaps", maps},
                {"clustertrustbundles", bundles},
                {"persistentvolumeclaims", claims}};
    const struct json *spec = json_findz(w->obj, "spec");
    struct err *e;

    if (!json_find(json_at(w->obj, "metadata", "annotations", NULL),
                   S("kubernetes.io/config.mirror")))
        return refuse(w,
                      "pod does not have \"kubernetes.io/config.mirror\" annotation, node "
                      "\"" PRI_STR "\" can only create mirror pods",
                      STR_ARG(node));
    if (!str_eq(json_get_str(spec, "nodeName"), node))
        return refuse(w,
                      "node \"" PRI_STR "\" can only create pods with spec.nodeName set to itself",
                      STR_ARG(node));
    e = check_owner(w, node);
    if (e)
        return e;
    if (json_get_str(spec, "serviceAccountName").n)
        return refuse(w,
                      "node \"" PRI_STR "\" can not create pods that reference a service account",
                      STR_ARG(node));
    for (size_t i = 0; i < ARRAY_LEN(refs); i++)
        if (has_member(spec, refs[i].members))
            return refuse(w, "node \"" PRI_STR "\" can not create pods that reference %s",
                          STR_ARG(node), refs[i].what);
    return NULL;
}

static struct err *check_pod(struct write *w, str node)
{
    if (str_is(w->subresource, "status")) {
        if (!str_eq(json_get_str(w->old, "spec.nodeName"), node))
            return refuse(w,
                          "node \"" PRI_STR
                          "\" can only update pod status for pods with spec.nodeName set to itself",
                          STR_ARG(node));
        if (differs(json_at(w->obj, "metadata", "labels", NULL),
                    json_at(w->old, "metadata", "labels", NULL)))
            return refuse(w, "node \"" PRI_STR "\" cannot update labels through pod status",
                          STR_ARG(node));
        if (differs(json_at(w->obj, "status", "resourceClaimStatuses", NULL),
                    json_at(w->old, "status", "resourceClaimStatuses", NULL)))
            return refuse(w, "node \"" PRI_STR "\" cannot update resource claim statuses",
                          STR_ARG(node));
        return NULL;
    }
    if (w->subresource.n)
        return refuse(w,
                      "unexpected pod subresource \"" PRI_STR
                      "\", only 'status' and 'eviction' are allowed",
                      STR_ARG(w->subresource));
    if (w->old)
        return refuse(w,
                      "unexpected operation \"UPDATE\", node \"" PRI_STR
                      "\" can only create and delete mirror pods",
                      STR_ARG(node));
    return check_pod_create(w, node);
}

/* Capacity and conditions are the kubelet's after an expansion; nothing else is. */
static struct err *check_claim(struct write *w, str node)
{
    static const char *const own[] = {"capacity", "conditions", "allocatedResourceStatuses",
                                      "allocatedResources"};
    struct json now, old;

    if (!str_is(w->subresource, "status"))
        return refuse(w, "may only update PVC status");
    now = json_share(w->a, w->obj);
    old = json_share(w->a, w->old);
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        json_removez(json_findz(&now, "status"), own[i]);
        json_removez(json_findz(&old, "status"), own[i]);
    }
    json_removez(json_findz(&now, "metadata"), "managedFields");
    json_removez(json_findz(&old, "metadata"), "managedFields");
    json_removez(json_findz(&now, "metadata"), "resourceVersion");
    json_removez(json_findz(&old, "metadata"), "resourceVersion");
    if (!json_equal(&now, &old))
        return refuse(w,
                      "node \"" PRI_STR
                      "\" is not allowed to update fields other than status.capacity and "
                      "status.conditions",
                      STR_ARG(node));
    return NULL;
}

static struct err *check_lease(struct write *w, str node)
{
    if (!str_is(w->ns, "kube-node-lease"))
        return refuse(w, "can only access leases in the \"kube-node-lease\" system namespace");
    if (!str_eq(w->name, node))
        return refuse(w, "can only access node lease with the same name as the requesting node");
    return NULL;
}

static struct err *check_csi_node(struct write *w, str node)
{
    return str_eq(w->name, node)
               ? NULL
               : refuse(w, "can only access CSINode with the same name as the requesting node");
}

static struct err *check_slice(struct write *w, str node)
{
    if (w->old || str_eq(json_get_str(w->obj, "spec.nodeName"), node))
        return NULL;
    return refuse(w, "can only create ResourceSlice with the same NodeName as the requesting node");
}

/* Certificates of kubelets: only one's own name. */
static struct err *check_csr(struct write *w, str node)
{
    str signer = json_get_str(w->obj, "spec.signerName"), pem;
    struct pki_csr request;
    struct err *e;

    (void)node;
    if (w->old || (!str_is(signer, "kubernetes.io/kubelet-serving") &&
                   !str_is(signer, "kubernetes.io/kube-apiserver-client-kubelet")))
        return NULL;
    if (!base64_decode(w->a, json_get_str(w->obj, "spec.request"), &pem))
        return refuse(w, "unable to parse csr: PEM block type must be CERTIFICATE REQUEST");
    e = pki_csr_parse(w->a, pem, &request);
    if (e) {
        err_free(e);
        return refuse(w, "unable to parse csr: PEM block type must be CERTIFICATE REQUEST");
    }
    if (!str_eq(request.common_name, w->req->user->name))
        return refuse(w, "can only create a node CSR with CN=" PRI_STR,
                      STR_ARG(w->req->user->name));
    return NULL;
}

static const struct {
    const char *group, *plural;
    struct err *(*check)(struct write *w, str node);
} table[] = {
    {"", "nodes", check_node},
    {"", "pods", check_pod},
    {"", "persistentvolumeclaims", check_claim},
    {"coordination.k8s.io", "leases", check_lease},
    {"storage.k8s.io", "csinodes", check_csi_node},
    {"resource.k8s.io", "resourceslices", check_slice},
    {"certificates.k8s.io", "certificatesigningrequests", check_csr},
};

struct err *node_restriction(struct write *w)
{
    str node = node_of_user(w->req->user), before = w->name;

    if (!node.n)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err *e;

        if (!str_is(w->kind->r->plural, table[i].plural) ||
            !str_is(w->kind->r->group, table[i].group))
            continue;
        if (!w->name.n)
            w->name = meta_str(w->obj, "name");
        e = table[i].check(w, node);
        w->name = before;
        return e;
    }
    return NULL;
}

/* ---- what is no write of an object ---- */

static str node_of_pod(struct req *q, str name, bool *ret_found)
{
    const struct kind *k = api_core(q->api, "pods");
    const struct obj *o = store_find(q->api->store, kind_key(k, q->route.ns, name));
    str on = S("");

    *ret_found = o != NULL;
    if (o)
        packed_get(o->fields, S("spec.nodeName"), &on);
    return on;
}

struct err *node_restriction_delete(struct req *q, const struct kind *k, str name)
{
    str node = node_of_user(q->user);
    bool found;

    if (!node.n)
        return NULL;
    if (!k->r->group.n && str_is(k->r->plural, "nodes") && !str_eq(name, node))
        return err_forbidden(k, name,
                             "node \"" PRI_STR "\" is not allowed to modify node \"" PRI_STR "\"",
                             STR_ARG(node), STR_ARG(name));
    if (!k->r->group.n && str_is(k->r->plural, "pods") &&
        !str_eq(node_of_pod(q, name, &found), node) && found)
        return err_forbidden(
            k, name, "node \"" PRI_STR "\" can only delete pods with spec.nodeName set to itself",
            STR_ARG(node));
    return NULL;
}

struct err *node_restriction_evict(struct req *q)
{
    str node = node_of_user(q->user);
    bool found;

    if (!node.n || str_eq(node_of_pod(q, q->route.name, &found), node) || !found)
        return NULL;
    return err_forbidden(q->route.kind, q->route.name,
                         "node " PRI_STR " can only evict pods with spec.nodeName set to itself",
                         STR_ARG(node));
}

/* One audience at most, and one that the pod asks for. */
static struct err *check_audience(struct req *q, const struct obj *pod,
                                  const struct json *audiences)
{
    str wanted = json_count(audiences) ? json_str(json_item(audiences, 0)) : S("");
    const struct json *spec = json_findz(object_parse(q->a, arena_dup(q->a, pod->data)), "spec");
    struct access x = {.is_resource = true,
                       .verb = S("request-serviceaccounts-token-audience"),
                       .resource = wanted,
                       .ns = q->route.ns,
                       .name = q->route.name};

    if (json_count(audiences) > 1)
        return err_forbidden(q->route.kind, q->route.name,
                             "node may only request 0 or 1 audiences");
    JSON_EACH(v, json_findz(spec, "volumes")) {
        str driver = json_get_str(v, "csi.driver");
        const struct kind *drivers =
            api_find_kind(q->api, S("storage.k8s.io"), S("v1"), S("csidrivers"));
        const struct obj *o;

        JSON_EACH(s, json_path(v, "projected.sources")) {
            const struct json *token = json_findz(s, "serviceAccountToken");

            if (token && str_eq(json_get_str(token, "audience"), wanted))
                return NULL;
        }
        o = driver.n && drivers ? store_find(q->api->store, kind_key(drivers, S(""), driver))
                                : NULL;
        if (o)
            JSON_EACH(r,
                      json_path(object_parse(q->a, arena_dup(q->a, o->data)), "spec.tokenRequests"))
                if (str_eq(json_get_str(r, "audience"), wanted))
                    return NULL;
    }
    if (wanted.n && authz_allows(q->api, q->a, q->user, &x, NULL))
        return NULL;
    return err_forbidden(q->route.kind, q->route.name,
                         "audience \"" PRI_STR "\" not found in pod spec volume", STR_ARG(wanted));
}

struct err *node_restriction_token(struct req *q, const struct json *spec)
{
    const struct json *ref = json_findz(spec, "boundObjectRef");
    const struct kind *pods = api_core(q->api, "pods"), *k = q->route.kind;
    str node = node_of_user(q->user), name = json_get_str(ref, "name"),
        uid = json_get_str(ref, "uid"), on = S("");
    const struct obj *pod;

    if (!node.n)
        return NULL;
    if (!str_is(json_get_str(ref, "apiVersion"), "v1") ||
        !str_is(json_get_str(ref, "kind"), "Pod") || !name.n)
        return err_forbidden(k, q->route.name, "node requested token not bound to a pod");
    if (!uid.n)
        return err_forbidden(k, q->route.name,
                             "node requested token with a pod binding without a uid");
    pod = store_find(q->api->store, kind_key(pods, q->route.ns, name));
    if (!pod)
        return err_not_found(pods, name);
    if (!str_eq(uid, pod->uid))
        return err_forbidden(k, q->route.name,
                             "the UID in the bound object reference (" PRI_STR
                             ") does not match the UID in record. The object might have been "
                             "deleted and then recreated",
                             STR_ARG(uid));
    packed_get(pod->fields, S("spec.nodeName"), &on);
    if (!str_eq(on, node))
        return err_forbidden(k, q->route.name,
                             "node requested token bound to a pod scheduled on a different node");
    return check_audience(q, pod, json_findz(spec, "audiences"));
}
