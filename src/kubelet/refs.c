/* refs.c - ConfigMaps, Secrets, claims and volumes that pods of this node refer to, one by one.
 *
 * A node may read only what its pods name. ConfigMaps and Secrets have one small informer each, as long as a pod needs them. Claims and
 * persistent volumes, which a node may only get, are asked for until they are there and bound; a volume is found through its claim.
 * When an object changes, the workers that need it are woken. */
#include "kubelet/kubelet_internal.h"

#define GET_RETRY_NS (2 * NS_PER_S)

struct ref {
    struct refs *refs;
    char *key; /* "0/ns/name": kind, namespace, name */
    enum ref_kind kind;
    char *ns, *name;
    struct informer *informer; /* of kinds that are watched */
    char *text;                /* of kinds that are asked for: the object; NULL: absent */
    struct client_call *call;
    struct loop_timer *retry;
    struct pod_worker **users;
    size_t n_users;
    bool synced;
};
struct refs {
    struct kubelet *k;
    struct map map; /* key -> struct ref */
};

static const struct {
    str plural;
    bool namespaced, watched;
} kinds[REF_N_KINDS] = {
    [REF_CONFIGMAP] = {STR("configmaps"), true, true},
    [REF_SECRET] = {STR("secrets"), true, true},
    [REF_PVC] = {STR("persistentvolumeclaims"), true, false},
    [REF_PV] = {STR("persistentvolumes"), false, false},
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
    if (ref->informer)
        informer_free(ref->informer);
    if (ref->call)
        client_cancel(ref->call);
    loop_timer_free(ref->retry);
    mem_free(ref->text);
    mem_free(ref->ns);
    mem_free(ref->name);
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
    wake_users(ctx);
}

/* ---- asked for ---- */

static void on_got(void *ctx, struct err *err, int status, str body)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct ref *ref = ctx;
    struct json *v = NULL;
    bool settled = false;

    ref->call = NULL;
    if (err && err->reason != REASON_NOT_FOUND)
        log_warning("kubelet", "%s: %s", ref->key, err_text(err));
    if (!err)
        err = json_parse(a, body, NULL, NULL, &v);
    if (!err) {
        str volume = json_get_str(v, "spec.volumeName");

        mem_free(ref->text);
        ref->text = str_dupz(body);
        settled = str_is(json_get_str(v, "status.phase"), "Bound");
        /* A claim leads to its volume. */
        if (ref->kind == REF_PVC && settled && volume.n)
            for (size_t i = 0; i < ref->n_users; i++)
                refs_need(ref->refs, ref->users[i], REF_PV, STR_NONE, volume);
    }
    err_free(err);
    if (!settled)
        loop_timer_set(ref->retry, GET_RETRY_NS);
    if (!ref->synced || settled) {
        ref->synced = true;
        wake_users(ref);
    }
}

static void on_retry(void *ctx)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    struct client_request r = {.method = "GET"};
    struct ref *ref = ctx;

    buf_api_path(&path, STR_NONE, S("v1"), kinds[ref->kind].plural, str_of(ref->ns),
                 str_of(ref->name), STR_NONE);
    r.path = buf_view(&path);
    ref->call = client_do(ref->refs->k->client, &r, on_got, ref);
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
    ref->ns = str_dupz(kinds[kind].namespaced ? ns : STR_NONE);
    ref->name = str_dupz(name);
    if (!kinds[kind].watched) {
        ref->retry = loop_timer_new(r->k->loop, on_retry, ref);
        on_retry(ref);
        return;
    }
    buf_fmt(&fields, "metadata.name=" PRI_STR, STR_ARG(name));
    o.version = S("v1");
    o.plural = kinds[kind].plural;
    o.ns = ns;
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
    obj = ref && ref->informer ? informer_find(ref->informer, ns, name) : NULL;
    if (!obj && !(ref && ref->text))
        return NULL;
    err = json_parse(a, arena_dup(a, obj ? obj->data : str_of(ref->text)), NULL, NULL, &tree);
    if (err) {
        log_error("kubelet", "%s: %s", buf_cstr(&key), err_text(err));
        err_free(err);
        return NULL;
    }
    return tree;
}
