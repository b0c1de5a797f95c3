/* node_restriction.c - a kubelet may change its own node, its pods and its lease, nothing else.
 *
 * API:
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction */
#include "api/admission.h"

static const str prefix = STR("system:node:");

static str node_of(const struct user *u)
{
    if (!str_has_prefix(u->name, prefix))
        return STR_NONE;
    for (size_t i = 0; i < u->n_groups; i++)
        if (str_is(u->groups[i], "system:nodes"))
            return str_skip(u->name, prefix.n);
    return STR_NONE;
}

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

static struct err *check_labels(struct write *w)
{
    const struct json *labels = json_at(w->obj, "metadata", "labels", NULL),
                      *old = json_at(w->old, "metadata", "labels", NULL);
    struct buf bad = BUF_INIT;
    struct err *e = NULL;

    JSON_EACH_MEMBER(m, labels) {
        const struct json *was = json_find(old, m->key);

        if ((was && json_equal(was, &m->value)) || label_allowed(m->key))
            continue;
        buf_fmt(&bad, "%s" PRI_STR, bad.n ? ", " : "", STR_ARG(m->key));
    }
    JSON_EACH_MEMBER(m, old)
        if (!json_find(labels, m->key) && !label_allowed(m->key))
            buf_fmt(&bad, "%s" PRI_STR, bad.n ? ", " : "", STR_ARG(m->key));
    if (bad.n)
        e = err_forbidden(w->kind, w->name, "is not allowed to modify labels: %s", buf_cstr(&bad));
    buf_fini(&bad);
    return e;
}

static struct err *check_node(struct write *w, str node)
{
    const struct json *taints = json_at(w->obj, "spec", "taints", NULL),
                      *old = json_at(w->old, "spec", "taints", NULL);
    str name = w->name.n ? w->name : meta_str(w->obj, "name");

    w->name = name;
    if (!str_eq(name, node))
        return err_forbidden(w->kind, name,
                             "node \"" PRI_STR "\" is not allowed to modify node \"" PRI_STR "\"",
                             STR_ARG(node), STR_ARG(name));
    if (!w->old && json_at(w->obj, "spec", "configSource", NULL))
        return err_forbidden(w->kind, name,
                             "node \"" PRI_STR
                             "\" is not allowed to create pods with a non-nil configSource",
                             STR_ARG(node));
    if (w->old && !json_equal(taints ? taints : &(struct json){0}, old ? old : &(struct json){0}))
        return err_forbidden(w->kind, name, "node \"" PRI_STR "\" is not allowed to modify taints",
                             STR_ARG(node));
    return check_labels(w);
}

static struct err *check_pod(struct write *w, str node)
{
    str name = w->name.n ? w->name : meta_str(w->obj, "name");
    str mirror = json_str(json_find(json_at(w->obj, "metadata", "annotations", NULL),
                                    S("kubernetes.io/config.mirror")));

    if (!w->old) {
        if (!mirror.n)
            return err_forbidden(
                w->kind, name,
                "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"" PRI_STR
                "\" can only create mirror pods",
                STR_ARG(node));
        if (!str_eq(json_get_str(w->obj, "spec.nodeName"), node))
            return err_forbidden(w->kind, name,
                                 "node \"" PRI_STR
                                 "\" can only create pods with spec.nodeName set to itself",
                                 STR_ARG(node));
        return NULL;
    }
    if (str_is(w->subresource, "status") && !str_eq(json_get_str(w->old, "spec.nodeName"), node))
        return err_forbidden(
            w->kind, name,
            "node \"" PRI_STR
            "\" can only update pod status for pods with spec.nodeName set to itself",
            STR_ARG(node));
    return NULL;
}

struct err *node_restriction(struct write *w)
{
    str node = node_of(w->req->user), group = w->kind->r->group, plural = w->kind->r->plural, name;

    if (!node.n)
        return NULL;
    name = w->name.n ? w->name : meta_str(w->obj, "name");
    if (!group.n && str_is(plural, "nodes"))
        return check_node(w, node);
    if (!group.n && str_is(plural, "pods"))
        return check_pod(w, node);
    if (str_is(plural, "leases")) {
        if (!str_is(w->ns, "kube-node-lease"))
            return err_forbidden(
                w->kind, name,
                "can only access leases in the \"kube-node-lease\" system namespace");
        if (!str_eq(name, node))
            return err_forbidden(
                w->kind, name,
                "can only access node lease with the same name as the requesting node");
    }
    if (str_is(plural, "csinodes") && !str_eq(name, node))
        return err_forbidden(w->kind, name,
                             "can only access CSINode with the same name as the requesting node");
    return NULL;
}

struct err *node_restriction_delete(struct req *q, const struct kind *k, str name)
{
    str node = node_of(q->user), on = S("");
    const struct obj *o;

    if (!node.n)
        return NULL;
    if (!k->r->group.n && str_is(k->r->plural, "nodes") && !str_eq(name, node))
        return err_forbidden(k, name,
                             "node \"" PRI_STR "\" is not allowed to modify node \"" PRI_STR "\"",
                             STR_ARG(node), STR_ARG(name));
    if (!k->r->group.n && str_is(k->r->plural, "pods")) {
        o = store_find(q->api->store, kind_key(k, q->route.ns, name));
        if (o)
            packed_get(o->fields, S("spec.nodeName"), &on);
        if (!str_eq(on, node))
            return err_forbidden(k, name,
                                 "node \"" PRI_STR
                                 "\" can only delete pods with spec.nodeName set to itself",
                                 STR_ARG(node));
    }
    return NULL;
}

struct err *node_restriction_token(struct req *q, const struct json *ref)
{
    const struct kind *pods = api_core(q->api, "pods"), *k = q->route.kind;
    str node = node_of(q->user), name = json_get_str(ref, "name"), uid = json_get_str(ref, "uid"),
        on = S("");
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
    return NULL;
}
