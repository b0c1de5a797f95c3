/* volume_plan.c - what a pod's volumes hold, and what a pod refers to; see volume.h. Pure. */
#include "kubelet/volume.h"

#include "schema/schema.h"

#define MODE_DEFAULT 0644u
#define TOKEN_EXPIRATION_S 3600
#define PLUGIN_PREFIX "kubernetes.io~"

str volume_pod_dir(struct arena *a, str root_dir, str uid)
{
    return arena_fmt(a, PRI_STR "/pods/" PRI_STR, STR_ARG(root_dir), STR_ARG(uid));
}

/* ---- references ---- */

static void env_refs(const struct json *container, pod_ref_fn *fn, void *ctx)
{
    static const struct {
        const char *path;
        enum ref_kind kind;
    } from[] = {{"configMapRef.name", REF_CONFIGMAP}, {"secretRef.name", REF_SECRET}},
      var[] = {{"valueFrom.configMapKeyRef.name", REF_CONFIGMAP},
               {"valueFrom.secretKeyRef.name", REF_SECRET}};

    JSON_EACH(e, json_findz(container, "envFrom"))
        for (size_t i = 0; i < ARRAY_LEN(from); i++)
            if (json_get_str(e, from[i].path).n)
                fn(ctx, from[i].kind, json_get_str(e, from[i].path));
    JSON_EACH(e, json_findz(container, "env"))
        for (size_t i = 0; i < ARRAY_LEN(var); i++)
            if (json_get_str(e, var[i].path).n)
                fn(ctx, var[i].kind, json_get_str(e, var[i].path));
}

void pod_each_ref(const struct json *pod, pod_ref_fn *fn, void *ctx)
{
    static const struct {
        const char *path;
        enum ref_kind kind;
    } volumes[] = {{"configMap.name", REF_CONFIGMAP},
                   {"secret.secretName", REF_SECRET},
                   {"persistentVolumeClaim.claimName", REF_PVC}},
      projected[] = {{"configMap.name", REF_CONFIGMAP}, {"secret.name", REF_SECRET}};

    for (int k = CONTAINER_INIT; k <= CONTAINER_EPHEMERAL; k++)
        JSON_EACH(c, json_at(pod, "spec", podspec_container_list((enum container_kind)k), NULL))
            env_refs(c, fn, ctx);
    JSON_EACH(v, json_at(pod, "spec", "volumes", NULL)) {
        for (size_t i = 0; i < ARRAY_LEN(volumes); i++)
            if (json_get_str(v, volumes[i].path).n)
                fn(ctx, volumes[i].kind, json_get_str(v, volumes[i].path));
        JSON_EACH(s, json_at(v, "projected", "sources", NULL))
            for (size_t i = 0; i < ARRAY_LEN(projected); i++)
                if (json_get_str(s, projected[i].path).n)
                    fn(ctx, projected[i].kind, json_get_str(s, projected[i].path));
    }
    JSON_EACH(s, json_at(pod, "spec", "imagePullSecrets", NULL))
        if (json_get_str(s, "name").n)
            fn(ctx, REF_SECRET, json_get_str(s, "name"));
}

void volume_each_token(const struct json *pod, volume_token_need_fn *fn, void *ctx)
{
    JSON_EACH(v, json_at(pod, "spec", "volumes", NULL))
        JSON_EACH(s, json_at(v, "projected", "sources", NULL)) {
            const struct json *t = json_findz(s, "serviceAccountToken");

            if (t)
                fn(ctx, json_get_str(t, "audience"),
                   json_get_int(t, "expirationSeconds", TOKEN_EXPIRATION_S));
        }
}

/* ---- contents ---- */

struct files {
    struct arena *a;
    struct volume_file *list;
    size_t n;
};

static void add_file(struct files *f, str path, str data, unsigned mode, int64_t owner)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->list[i].path, path)) { /* a later source wins */
            f->list[i] = (struct volume_file){path, data, mode, owner};
            return;
        }
    f->list = arena_grow(f->a, f->list, f->n * sizeof *f->list, (f->n + 1) * sizeof *f->list);
    f->list[f->n++] = (struct volume_file){path, data, mode, owner};
}

/* "a/b" stays inside; "../b", "/b" and "..x" at the top do not. */
static bool is_inside(str path)
{
    str rest = path, part;

    if (!path.n || path.p[0] == '/' || str_has_prefix(path, S("..")))
        return false;
    while (str_cut(&rest, '/', &part))
        if (str_is(part, ".."))
            return false;
    return true;
}

static struct err *set_up_error(str volume, struct err *why)
{
    struct err *err =
        err_new(REASON_INVALID, "MountVolume.SetUp failed for volume \"" PRI_STR "\" : %s",
                STR_ARG(volume), err_text(why));

    err_free(why);
    return err;
}

static str decoded(struct arena *a, str base64)
{
    str v;

    return base64_decode(a, base64, &v) ? v : STR_NONE;
}

/* Data of a ConfigMap or Secret; *ret: NULL when there is no such key. */
static bool find_data(struct arena *a, const struct json *obj, enum ref_kind kind, str key,
                      str *ret)
{
    const struct json *v = json_find(json_findz(obj, "data"), key);

    if (v) {
        *ret = kind == REF_SECRET ? decoded(a, json_str(v)) : json_str(v);
        return true;
    }
    v = kind == REF_CONFIGMAP ? json_find(json_findz(obj, "binaryData"), key) : NULL;
    if (v)
        *ret = decoded(a, json_str(v));
    return v != NULL;
}

static struct err *add_object(struct files *f, const struct volume_context *vc, enum ref_kind kind,
                              str name, const struct json *source, unsigned mode)
{
    str ns = json_get_str(vc->pc->pod, "metadata.namespace");
    const struct json *obj = vc->pc->lookup(vc->pc->lookup_ctx, f->a, kind, ns, name),
                      *items = json_findz(source, "items");
    bool optional = json_get_bool(source, "optional", false);
    static const char *const sets[] = {"data", "binaryData"};

    if (!obj && !optional)
        return err_new(REASON_INVALID, "%s \"" PRI_STR "\" not found",
                       kind == REF_SECRET ? "secret" : "configmap", STR_ARG(name));
    if (!obj)
        return NULL;
    if (!json_count(items)) {
        for (size_t i = 0; i < ARRAY_LEN(sets); i++)
            JSON_EACH_MEMBER(m, json_findz(obj, sets[i]))
                add_file(f, m->key,
                         kind == REF_SECRET || i ? decoded(f->a, json_str(&m->value))
                                                 : json_str(&m->value),
                         mode, -1);
        return NULL;
    }
    JSON_EACH(item, items) {
        str key = json_get_str(item, "key"), path = json_get_str(item, "path"), data;

        if (!find_data(f->a, obj, kind, key, &data)) {
            if (optional)
                continue;
            return kind == REF_SECRET
                       ? err_new(REASON_INVALID, "references non-existent secret key: " PRI_STR,
                                 STR_ARG(key))
                       : err_new(REASON_INVALID,
                                 "configmap references non-existent config key: " PRI_STR,
                                 STR_ARG(key));
        }
        if (!is_inside(path))
            return err_new(REASON_INVALID, "invalid path: " PRI_STR, STR_ARG(path));
        add_file(f, path, data, (unsigned)json_get_int(item, "mode", mode), -1);
    }
    return NULL;
}

static struct err *add_downward(struct files *f, const struct volume_context *vc,
                                const struct json *items, unsigned mode)
{
    JSON_EACH(item, items) {
        const struct json *field = json_findz(item, "fieldRef"),
                          *resource = json_findz(item, "resourceFieldRef");
        str path = json_get_str(item, "path"), value = STR_NONE;
        struct err *err = NULL;

        if (!is_inside(path))
            return err_new(REASON_INVALID, "invalid path: " PRI_STR, STR_ARG(path));
        if (field)
            err = fieldref_value(f->a, vc->pc, json_get_str(field, "fieldPath"), &value);
        else if (resource)
            err = resource_ref_value(f->a, vc->pc, resource, NULL, &value);
        if (err)
            return err;
        add_file(f, path, value, (unsigned)json_get_int(item, "mode", mode), -1);
    }
    return NULL;
}

/* The user that all containers run as, if it is one: -1 otherwise. */
static int64_t common_user(const struct json *pod)
{
    int64_t user = -1;

    for (int k = CONTAINER_INIT; k <= CONTAINER_REGULAR; k++)
        JSON_EACH(c, json_at(pod, "spec", podspec_container_list((enum container_kind)k), NULL)) {
            const struct json *v = podspec_security(pod, c, "runAsUser");

            if (!json_is(v, JSON_INT) || (user >= 0 && user != v->i))
                return -1;
            user = v->i;
        }
    return user;
}

static struct err *add_projected(struct files *f, const struct volume_context *vc,
                                 const struct json *projected, int64_t fs_group)
{
    unsigned mode = (unsigned)json_get_int(projected, "defaultMode", MODE_DEFAULT);
    struct err *err = NULL;

    JSON_EACH(s, json_findz(projected, "sources")) {
        const struct json *v;

        if ((v = json_findz(s, "configMap"))) {
            err = add_object(f, vc, REF_CONFIGMAP, json_get_str(v, "name"), v, mode);
        } else if ((v = json_findz(s, "secret"))) {
            err = add_object(f, vc, REF_SECRET, json_get_str(v, "name"), v, mode);
        } else if ((v = json_findz(s, "downwardAPI"))) {
            err = add_downward(f, vc, json_findz(v, "items"), mode);
        } else if ((v = json_findz(s, "serviceAccountToken"))) {
            int64_t user = common_user(vc->pc->pod);
            str token, path = json_get_str(v, "path");

            if (!is_inside(path))
                return err_new(REASON_INVALID, "invalid path: " PRI_STR, STR_ARG(path));
            if (!vc->token(vc->token_ctx, json_get_str(v, "audience"),
                           json_get_int(v, "expirationSeconds", TOKEN_EXPIRATION_S), &token))
                return err_new(REASON_UNAVAILABLE, "failed to fetch token: it has not come yet");
            /* Readable by the pod's user or group only, where there is one. */
            add_file(f, path, token, user >= 0 || fs_group >= 0 ? 0600 : mode, user);
        } else {
            err = err_new(REASON_INVALID, "this source of a projected volume is not supported");
        }
        if (err)
            return err;
    }
    return NULL;
}

/* ---- volumes ---- */

static struct err *claim_path(struct arena *a, const struct volume_context *vc, str claim,
                              struct volume *v)
{
    str ns = json_get_str(vc->pc->pod, "metadata.namespace"), pv_name;
    const struct json *pvc = vc->pc->lookup(vc->pc->lookup_ctx, a, REF_PVC, ns, claim), *pv,
                      *source;

    if (!pvc)
        return err_new(REASON_INVALID, "persistentvolumeclaim \"" PRI_STR "\" not found",
                       STR_ARG(claim));
    pv_name = json_get_str(pvc, "spec.volumeName");
    if (!pv_name.n || !str_is(json_get_str(pvc, "status.phase"), "Bound"))
        return err_new(REASON_INVALID, "PVC " PRI_STR "/" PRI_STR " is not bound", STR_ARG(ns),
                       STR_ARG(claim));
    pv = vc->pc->lookup(vc->pc->lookup_ctx, a, REF_PV, STR_NONE, pv_name);
    if (!pv)
        return err_new(REASON_UNAVAILABLE, "persistentvolume \"" PRI_STR "\" not found",
                       STR_ARG(pv_name));
    if ((source = json_at(pv, "spec", "hostPath", NULL))) {
        v->host_type = json_get_str(source, "type");
    } else if ((source = json_at(pv, "spec", "local", NULL))) {
        v->host_type = S("Directory");
    } else {
        return err_new(REASON_INVALID,
                       "the kind of persistentvolume \"" PRI_STR "\" is not supported on this node",
                       STR_ARG(pv_name));
    }
    v->type = VOLUME_HOST_PATH;
    v->plugin = json_at(pv, "spec", "local", NULL) ? S("local-volume") : S("host-path");
    v->path = json_get_str(source, "path");
    return NULL;
}

static struct err *volume_make(struct arena *a, const struct volume_context *vc,
                               const struct json *spec, struct volume *v)
{
    struct files f = {.a = a};
    const struct json *s;
    struct err *err = NULL;

    if ((s = json_findz(spec, "emptyDir"))) {
        struct quantity q;

        v->type = VOLUME_EMPTY;
        v->plugin = S("empty-dir");
        v->memory = str_is(json_get_str(s, "medium"), "Memory");
        if (v->memory && quantity_parse(json_get_str(s, "sizeLimit"), &q))
            v->size_limit = quantity_value(&q);
        if (str_has_prefix(json_get_str(s, "medium"), S("HugePages")))
            return err_new(REASON_INVALID, "huge pages are not supported on this node");
    } else if ((s = json_findz(spec, "hostPath"))) {
        v->type = VOLUME_HOST_PATH;
        v->plugin = S("host-path");
        v->path = json_get_str(s, "path");
        v->host_type = json_get_str(s, "type");
        v->fs_group = -1;
    } else if ((s = json_findz(spec, "persistentVolumeClaim"))) {
        err = claim_path(a, vc, json_get_str(s, "claimName"), v);
        if (str_is(v->plugin, "host-path"))
            v->fs_group = -1;
        v->read_only = json_get_bool(s, "readOnly", false);
    } else if ((s = json_findz(spec, "configMap"))) {
        v->plugin = S("configmap");
        err = add_object(&f, vc, REF_CONFIGMAP, json_get_str(s, "name"), s,
                         (unsigned)json_get_int(s, "defaultMode", MODE_DEFAULT));
    } else if ((s = json_findz(spec, "secret"))) {
        v->plugin = S("secret");
        v->memory = true;
        err = add_object(&f, vc, REF_SECRET, json_get_str(s, "secretName"), s,
                         (unsigned)json_get_int(s, "defaultMode", MODE_DEFAULT));
    } else if ((s = json_findz(spec, "downwardAPI"))) {
        v->plugin = S("downward-api");
        v->memory = true;
        err = add_downward(&f, vc, json_findz(s, "items"),
                           (unsigned)json_get_int(s, "defaultMode", MODE_DEFAULT));
    } else if ((s = json_findz(spec, "projected"))) {
        v->plugin = S("projected");
        v->memory = true;
        err = add_projected(&f, vc, s, v->fs_group);
    } else {
        return err_new(REASON_INVALID, "this kind of volume is not supported on this node");
    }
    v->files = f.list;
    v->n_files = f.n;
    return err;
}

struct err *volume_set_make(struct arena *a, const struct volume_context *vc,
                            struct volume_set *ret)
{
    const struct json *pod = vc->pc->pod, *specs = json_at(pod, "spec", "volumes", NULL);
    const struct json *fs_group = json_at(pod, "spec", "securityContext", "fsGroup", NULL);
    str pod_dir = volume_pod_dir(a, vc->root_dir, json_get_str(pod, "metadata.uid"));
    struct volume_set set = {.volumes = ARENA_NEW_N(a, struct volume, json_count(specs) + 1)};

    JSON_EACH(spec, specs) {
        struct volume *v = &set.volumes[set.n++];
        struct err *err;

        v->name = json_get_str(spec, "name");
        v->fs_group = json_is(fs_group, JSON_INT) ? fs_group->i : -1;
        v->change_on_mismatch =
            str_is(json_get_str(pod, "spec.securityContext.fsGroupChangePolicy"), "OnRootMismatch");
        err = volume_make(a, vc, spec, v);
        if (err)
            return err->reason == REASON_UNAVAILABLE
                       ? err_note(err, "volume " PRI_STR, STR_ARG(v->name))
                       : set_up_error(v->name, err);
        if (v->type != VOLUME_HOST_PATH)
            v->path = arena_fmt(a, PRI_STR "/volumes/" PLUGIN_PREFIX PRI_STR "/" PRI_STR,
                                STR_ARG(pod_dir), STR_ARG(v->plugin), STR_ARG(v->name));
    }
    *ret = set;
    return NULL;
}
