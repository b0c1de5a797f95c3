/* refs.c - ConfigMaps, Secrets, claims and volumes that pods of this node refer to, watched one by one.
 *
 * A node may read only what its pods name, hence one small informer per object, as long as a pod needs it. Persistent volumes are
 * found through their claims. When an object changes, the workers that need it are woken. */
#include "kubelet/kubelet_internal.h"

struct ref {
    struct refs *refs;
    char *key;                     /* "0/ns/name": kind, namespace, name */
    enum ref_kind kind;
    struct informer *informer;
    struct pod_worker **users;
    size_t n_users;
    bool synced;
};
struct refs {
    struct kubelet *k;
    struct map map;                /* key -> struct ref */
};

static const struct {
    str plural;
    bool namespaced;
} kinds[REF_N_KINDS] = {
    [REF_CONFIGMAP] = {STR("configmaps"), true},
    [REF_SECRET] = {STR("secrets"), true},
    [REF_PVC] = {STR("persistentvolumeclaims"), true},
    [REF_PV] = {STR("persistentvolumes"), false},
};

struct refs *refs_new(struct kubelet *k)
{
    struct refs *r = NEW(struct refs);

    r->k = k;
    map_init(&r->map);
    return r;
}

static void ref_free(struct ref *ref)
{
    informer_free(ref->informer);
    mem_free(ref->users);
    mem_free(ref->key);
    mem_free(ref);
}

void refs_free(struct refs *r)
{
    if (!r)
        return;
    MAP_EACH(e, &r->map)
        ref_free(e->value);
    map_fini(&r->map);
    mem_free(r);
}

static void buf_key(struct buf *b, enum ref_kind kind, str ns, str name)
{
    buf_fmt(b, "%d/", (int)kind);
    buf_str(b, ns);
    buf_char(b, '/');
    buf_str(b, name);
}

static void wake_users(struct ref *ref)
{
    for (size_t i = 0; i < ref->n_users; i++)
        worker_ref_changed(ref->users[i]);
}

static void on_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    struct ref *ref = ctx;

    /* A claim leads to its volume. */
    if (ref->kind == REF_PVC && obj) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct json *pvc = NULL;
        struct err *err = json_parse(a, obj->data, NULL, NULL, &pvc);
        str volume = err ? STR_NONE : json_get_str(pvc, "spec.volumeName");

        err_free(err);
        if (volume.n)
            for (size_t i = 0; i < ref->n_users; i++)
                refs_need(ref->refs, ref->users[i], REF_PV, STR_NONE, volume);
    }
    wake_users(ref);
}

static void on_synced(void *ctx)
{
    struct ref *ref = ctx;

    ref->synced = true;
    wake_users(ref);
}

void refs_need(struct refs *r, struct pod_worker *w, enum ref_kind kind, str ns, str name)
{
    static const struct informer_handler handler = {on_changed, on_synced};
    CLEANUP(buf) struct buf key = BUF_INIT;
    CLEANUP(buf) struct buf fields = BUF_INIT;
    struct informer_options o = {0};
    struct ref *ref;
    bool fresh;

    buf_key(&key, kind, ns, name);
    ref = map_find(&r->map, buf_view(&key));
    fresh = !ref;
    if (fresh) {
        ref = NEW(struct ref);
        ref->refs = r;
        ref->kind = kind;
        ref->key = str_dupz(buf_view(&key));
        map_put(&r->map, buf_view(&key), ref);
    }
    for (size_t i = 0; i < ref->n_users; i++)
        if (ref->users[i] == w)
            return;
    ref->users = mem_realloc(ref->users, (ref->n_users + 1) * sizeof *ref->users);
    ref->users[ref->n_users++] = w;
    if (!fresh)
        return;
    buf_fmt(&fields, "metadata.name=" PRI_STR, STR_ARG(name));
    o.version = S("v1");
    o.plural = kinds[kind].plural;
    o.ns = kinds[kind].namespaced ? ns : STR_NONE;
    o.field_selector = buf_view(&fields);
    ref->informer = informer_new(r->k->client, &o);
    informer_add_handler(ref->informer, &handler, ref);
    informer_start(ref->informer);
}

void refs_release(struct refs *r, struct pod_worker *w)
{
    MAP_EACH(e, &r->map) {
        struct ref *ref = e->value;

        for (size_t i = 0; i < ref->n_users; i++)
            if (ref->users[i] == w)
                ref->users[i--] = ref->users[--ref->n_users];
        if (!ref->n_users) {
            map_del(&r->map, str_of(ref->key));
            ref_free(ref);
        }
    }
}

bool refs_are_known(const struct refs *r, const struct pod_worker *w)
{
    MAP_EACH(e, &r->map) {
        const struct ref *ref = e->value;

        if (ref->synced)
            continue;
        for (size_t i = 0; i < ref->n_users; i++)
            if (ref->users[i] == w)
                return false;
    }
    return true;
}

const struct json *refs_find(struct refs *r, struct arena *a, enum ref_kind kind, str ns, str name)
{
    CLEANUP(buf) struct buf key = BUF_INIT;
    struct json *tree = NULL;
    const struct obj *obj;
    struct err *err;
    struct ref *ref;

    buf_key(&key, kind, kinds[kind].namespaced ? ns : STR_NONE, name);
    ref = map_find(&r->map, buf_view(&key));
    obj = ref ? informer_find(ref->informer, kinds[kind].namespaced ? ns : STR_NONE, name) : NULL;
    if (!obj)
        return NULL;
    err = json_parse(a, arena_dup(a, obj->data), NULL, NULL, &tree);
    if (err) {
        log_error("kubelet", "%s: %s", buf_cstr(&key), err_text(err));
        err_free(err);
        return NULL;
    }
    return tree;
}
