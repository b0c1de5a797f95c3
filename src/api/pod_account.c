/* pod_account.c - ServiceAccount admission: every pod runs as one, gets its token and pull secrets, and
 * refers to no more Secrets than it may.
 *
 * Source: plugin/pkg/admission/serviceaccount/admission.go */
#include "api/admission.h"
#include "api/dynamic/dynamic.h"

#define API_ACCESS_SUFFIX 5

static bool is_pod(const struct write *w)
{
    return !w->kind->r->group.n && str_is(w->kind->r->plural, "pods");
}

static bool is_mirror(const struct json *pod)
{
    return json_find(json_at(pod, "metadata", "annotations", NULL),
                     S("kubernetes.io/config.mirror")) != NULL;
}

static struct json *stored(struct write *w, const char *plural, str ns, str name)
{
    const struct kind *k = api_core(w->api, plural);
    const struct obj *o = store_find(w->api->store, kind_key(k, ns, name));

    return o ? object_parse(w->a, arena_dup(w->a, o->data)) : NULL;
}

/* ---- ServiceAccount: every pod runs as one, and gets its token ---- */

static bool has_mount(const struct json *container)
{
    JSON_EACH(m, json_findz(container, "volumeMounts"))
        if (str_is(json_get_str(m, "mountPath"), "/var/run/secrets/kubernetes.io/serviceaccount"))
            return true;
    return false;
}

static struct json downward_item(struct arena *a)
{
    struct json item = json_object(), ref = json_object();

    json_setz(a, &item, "path", json_z("namespace"));
    json_setz(a, &ref, "apiVersion", json_z("v1"));
    json_setz(a, &ref, "fieldPath", json_z("metadata.namespace"));
    json_setz(a, &item, "fieldRef", ref);
    return item;
}

/* Token, cluster CA and namespace in one projected volume. */
static struct json access_volume(struct arena *a, str name)
{
    struct json v = json_object(), projected = json_object(), sources = json_array(), s, x, items,
                item;

    json_setz(a, &v, "name", json_string(name));
    s = json_object();
    x = json_object();
    json_setz(
        a, &x, "expirationSeconds",
        json_int(3607)); /* an odd number, as Kubernetes: tells its own requests from users' */
    json_setz(a, &x, "path", json_z("token"));
    json_setz(a, &s, "serviceAccountToken", x);
    json_append(a, &sources, s);
    s = json_object();
    x = json_object();
    items = json_array();
    item = json_object();
    json_setz(a, &item, "key", json_z("ca.crt"));
    json_setz(a, &item, "path", json_z("ca.crt"));
    json_append(a, &items, item);
    json_setz(a, &x, "name", json_z("kube-root-ca.crt"));
    json_setz(a, &x, "items", items);
    json_setz(a, &s, "configMap", x);
    json_append(a, &sources, s);
    s = json_object();
    x = json_object();
    items = json_array();
    json_append(a, &items, downward_item(a));
    json_setz(a, &x, "items", items);
    json_setz(a, &s, "downwardAPI", x);
    json_append(a, &sources, s);
    json_setz(a, &projected, "sources", sources);
    json_setz(a, &projected, "defaultMode", json_int(0644));
    json_setz(a, &v, "projected", projected);
    return v;
}

static void mount_token(struct write *w, struct json *spec)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    static const char *const lists[] = {"initContainers", "containers"};
    unsigned char r[API_ACCESS_SUFFIX];
    char suffix[API_ACCESS_SUFFIX];
    str name = S("");
    bool exists, needed = false;

    JSON_EACH(v, json_findz(spec, "volumes"))
        if (!name.n && json_findz(v, "projected") &&
            str_has_prefix(json_get_str(v, "name"), S("kube-api-access-")))
            name = json_get_str(v, "name");
    exists = name.n > 0;
    if (!exists) {
        answers_random(w->answers, w->api, r, sizeof r);
        for (size_t i = 0; i < sizeof r; i++)
            suffix[i] = alphabet[r[i] % (sizeof alphabet - 1)];
        name = arena_fmt(w->a, "kube-api-access-" PRI_STR, API_ACCESS_SUFFIX, suffix);
    }
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_findz(spec, lists[l])) {
            struct json m = json_object(), *mounts;

            if (has_mount(c))
                continue;
            json_setz(w->a, &m, "name", json_string(name));
            json_setz(w->a, &m, "readOnly", json_bool(true));
            json_setz(w->a, &m, "mountPath",
                      json_z("/var/run/secrets/kubernetes.io/serviceaccount"));
            mounts = json_make(w->a, c, "volumeMounts", JSON_ARRAY);
            json_append(w->a, mounts, m);
            needed = true;
        }
    if (needed && !exists)
        json_append(w->a, json_make(w->a, spec, "volumes", JSON_ARRAY), access_volume(w->a, name));
}

/* ---- what a pod may refer to ---- */

typedef bool secret_fn(void *ctx, str name); /* false: enough */

static bool each_env_secret(const struct json *container, secret_fn *fn, void *ctx)
{
    JSON_EACH(e, json_findz(container, "env"))
        if (json_at(e, "valueFrom", "secretKeyRef", NULL) &&
            !fn(ctx, json_get_str(e, "valueFrom.secretKeyRef.name")))
            return false;
    JSON_EACH(e, json_findz(container, "envFrom"))
        if (json_findz(e, "secretRef") && !fn(ctx, json_get_str(e, "secretRef.name")))
            return false;
    return true;
}

static bool each_volume_secret(const struct json *v, secret_fn *fn, void *ctx)
{
    static const char *const names[] = {
        "azureFile.secretName",         "secret.secretName",         "cephfs.secretRef.name",
        "cinder.secretRef.name",        "flexVolume.secretRef.name", "rbd.secretRef.name",
        "scaleIO.secretRef.name",       "iscsi.secretRef.name",      "storageos.secretRef.name",
        "csi.nodePublishSecretRef.name"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_get_str(v, names[i]).n && !fn(ctx, json_get_str(v, names[i])))
            return false;
    JSON_EACH(s, json_at(v, "projected", "sources", NULL))
        if (json_findz(s, "secret") && !fn(ctx, json_get_str(s, "secret.name")))
            return false;
    return true;
}

/* Every Secret that a pod's spec names, until fn has enough. */
static bool each_secret(const struct json *spec, secret_fn *fn, void *ctx)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};

    JSON_EACH(s, json_findz(spec, "imagePullSecrets"))
        if (!fn(ctx, json_get_str(s, "name")))
            return false;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        JSON_EACH(c, json_findz(spec, lists[l]))
            if (!each_env_secret(c, fn, ctx))
                return false;
    JSON_EACH(v, json_findz(spec, "volumes"))
        if (!each_volume_secret(v, fn, ctx))
            return false;
    return true;
}

static bool one_is_enough(void *ctx, str name)
{
    (void)ctx;
    (void)name;
    return false;
}

static struct err *check_mirror(struct write *w, const struct json *spec)
{
    if (json_get_str(spec, "serviceAccountName").n)
        return err_forbidden(w->kind, w->name, "a mirror pod may not reference service accounts");
    if (!each_secret(spec, one_is_enough, NULL))
        return err_forbidden(w->kind, w->name, "a mirror pod may not reference secrets");
    JSON_EACH(v, json_findz(spec, "volumes"))
        JSON_EACH(s, json_at(v, "projected", "sources", NULL))
            if (json_findz(s, "serviceAccountToken"))
                return err_forbidden(
                    w->kind, w->name,
                    "a mirror pod may not use ServiceAccountToken volume projections");
    return NULL;
}

static bool lists(const struct json *references, str name)
{
    JSON_EACH(r, references)
        if (str_eq(json_get_str(r, "name"), name))
            return true;
    return false;
}

#define NOT_REFERENCED                                                                             \
    " is not allowed because service account " PRI_STR " does not reference that "

/* The Secrets of containers; word: "container" or "init container". */
static struct err *check_container_secrets(struct write *w, const struct json *account,
                                           const struct json *c, const char *word)
{
    const struct json *known = json_findz(account, "secrets");
    str who = meta_str(account, "name"), container = json_get_str(c, "name");

    JSON_EACH(e, json_findz(c, "env")) {
        str name = json_get_str(e, "valueFrom.secretKeyRef.name");

        if (json_at(e, "valueFrom", "secretKeyRef", NULL) && !lists(known, name))
            return err_forbidden(w->kind, w->name,
                                 "%s " PRI_STR " with envVar " PRI_STR
                                 " referencing secret.secretName=\"" PRI_STR "\"" NOT_REFERENCED
                                 "secret",
                                 word, STR_ARG(container), STR_ARG(json_get_str(e, "name")),
                                 STR_ARG(name), STR_ARG(who));
    }
    JSON_EACH(e, json_findz(c, "envFrom")) {
        str name = json_get_str(e, "secretRef.name");

        if (json_findz(e, "secretRef") && !lists(known, name))
            return err_forbidden(w->kind, w->name,
                                 "%s " PRI_STR
                                 " with envFrom referencing secret.secretName=\"" PRI_STR
                                 "\"" NOT_REFERENCED "secret",
                                 word, STR_ARG(container), STR_ARG(name), STR_ARG(who));
    }
    return NULL;
}

/* Only the Secrets that the account names itself, where the account says so. */
static struct err *check_mountable(struct write *w, const struct json *account)
{
    static const struct {
        const char *list, *word;
    } containers[] = {{"initContainers", "init container"}, {"containers", "container"}};
    const struct json *spec = json_findz(w->obj, "spec");
    str who = meta_str(account, "name");
    uint32_t i = 0;
    struct err *e;

    JSON_EACH(v, json_findz(spec, "volumes")) {
        str name = json_get_str(v, "secret.secretName");

        if (json_findz(v, "secret") && !lists(json_findz(account, "secrets"), name))
            return err_forbidden(w->kind, w->name,
                                 "volume with secret.secretName=\"" PRI_STR "\"" NOT_REFERENCED
                                 "secret",
                                 STR_ARG(name), STR_ARG(who));
    }
    for (size_t l = 0; l < ARRAY_LEN(containers); l++)
        JSON_EACH(c, json_findz(spec, containers[l].list)) {
            e = check_container_secrets(w, account, c, containers[l].word);
            if (e)
                return e;
        }
    JSON_EACH(s, json_findz(spec, "imagePullSecrets")) {
        str name = json_get_str(s, "name");

        if (!lists(json_findz(account, "imagePullSecrets"), name))
            return err_forbidden(w->kind, w->name,
                                 "imagePullSecrets[%u].name=\"" PRI_STR "\"" NOT_REFERENCED
                                 "imagePullSecret",
                                 i, STR_ARG(name), STR_ARG(who));
        i++;
    }
    return NULL;
}

struct err *pod_account_secrets(struct write *w)
{
    static const str enforce = STR("kubernetes.io/enforce-mountable-secrets");
    const struct json *account;
    const struct obj *o;

    if (w->old || !is_pod(w) || w->subresource.n)
        return NULL;
    if (is_mirror(w->obj))
        return check_mirror(w, json_findz(w->obj, "spec"));
    o = store_find(w->api->store, kind_key(api_core(w->api, "serviceaccounts"), w->ns,
                                           json_get_str(w->obj, "spec.serviceAccountName")));
    if (!o || str_find(o->data, enforce) < 0)
        return NULL;
    account = object_parse(w->a, arena_dup(w->a, o->data));
    return str_is(json_str(json_find(json_at(account, "metadata", "annotations", NULL), enforce)),
                  "true")
               ? check_mountable(w, account)
               : NULL;
}

struct err *pod_account(struct write *w)
{
    struct json *spec, *account;
    const struct json *automount;
    str name;

    if (!is_pod(w) || w->subresource.n)
        return NULL;
    spec = json_make(w->a, w->obj, "spec", JSON_OBJECT);
    if (is_mirror(w->obj))
        return pod_account_secrets(w); /* the kubelet would not know a changed pod any more */
    name = json_get_str(spec, "serviceAccountName");
    if (!name.n) {
        name = S("default");
        json_setz(w->a, spec, "serviceAccountName", json_string(name));
    }
    json_setz(w->a, spec, "serviceAccount", json_string(name));
    account = stored(w, "serviceaccounts", w->ns, name);
    if (!account)
        return err_forbidden(w->kind, w->name,
                             "error looking up service account " PRI_STR "/" PRI_STR
                             ": serviceaccount \"" PRI_STR "\" not found",
                             STR_ARG(w->ns), STR_ARG(name), STR_ARG(name));
    automount = json_findz(spec, "automountServiceAccountToken");
    if (automount ? automount->b : json_get_bool(account, "automountServiceAccountToken", true))
        mount_token(w, spec);
    if (!json_count(json_findz(spec, "imagePullSecrets")) &&
        json_count(json_findz(account, "imagePullSecrets")))
        json_setz(w->a, spec, "imagePullSecrets",
                  json_share(w->a, json_findz(account, "imagePullSecrets")));
    return pod_account_secrets(w);
}
