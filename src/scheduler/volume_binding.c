/* volume_binding.c - VolumeBinding: a pod waits until its claims are bound, and goes where its volumes can be reached.
 *
 * Not here: claims whose class waits for the first pod (volume_late.c).
 * API: https://kubernetes.io/docs/concepts/storage/persistent-volumes/ */
#include "scheduler/scheduler_internal.h"
#include "schema/volumes.h"

/* ---- what the informers keep: the parts that are looked at ---- */

static void keep(struct arena *a, struct json *out, const struct json *tree, const char *path)
{
    const struct json *v = json_path(tree, path);
    str rest = str_of(path), key;

    while (v && str_cut(&rest, '.', &key)) {
        struct json *next = rest.p ? json_find(out, key) : NULL;

        out = next ? next : json_set(a, out, key, rest.p ? json_object() : *v);
    }
}

static void keep_annotation(struct arena *a, struct json *out, const struct json *tree,
                            const char *name)
{
    const struct json *v = json_findz(json_path(tree, "metadata.annotations"), name);

    if (v)
        json_setz(
            a, json_make(a, json_make(a, out, "metadata", JSON_OBJECT), "annotations", JSON_OBJECT),
            name, *v);
}

static void reduce(const struct json *tree, const char *const *paths,
                   const char *const *annotations, struct buf *ret)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json out = json_object();

    for (; *paths; paths++)
        keep(a, &out, tree, *paths);
    for (; *annotations; annotations++)
        keep_annotation(a, &out, tree, *annotations);
    json_encode(ret, &out);
}

void claim_reduce(const struct json *tree, struct buf *out)
{
    static const char *const paths[] = {"metadata.name",
                                        "metadata.namespace",
                                        "metadata.uid",
                                        "metadata.deletionTimestamp",
                                        "spec.volumeName",
                                        "spec.storageClassName",
                                        "spec.volumeAttributesClassName",
                                        "spec.volumeMode",
                                        "spec.accessModes",
                                        "spec.selector",
                                        "spec.resources.requests.storage",
                                        NULL},
                             *const annotations[] = {VOLUME_BIND_COMPLETED, VOLUME_SELECTED_NODE,
                                                     VOLUME_BETA_CLASS, NULL};

    reduce(tree, paths, annotations, out);
}

void volume_reduce(const struct json *tree, struct buf *out)
{
    static const char *const paths[] = {"metadata.name",
                                        "metadata.uid",
                                        "metadata.deletionTimestamp",
                                        "spec.storageClassName",
                                        "spec.volumeAttributesClassName",
                                        "spec.volumeMode",
                                        "spec.accessModes",
                                        "spec.capacity.storage",
                                        "spec.claimRef",
                                        "spec.nodeAffinity.required.nodeSelectorTerms",
                                        "status.phase",
                                        NULL},
                             *const annotations[] = {VOLUME_BETA_CLASS, NULL};

    reduce(tree, paths, annotations, out);
}

void class_reduce(const struct json *tree, struct buf *out)
{
    static const char *const paths[] = {"volumeBindingMode", "provisioner", "allowedTopologies",
                                        NULL},
                             *const none[] = {NULL};

    reduce(tree, paths, none, out);
}

struct json *volume_parts(struct arena *a, const struct obj *o)
{
    struct json *v = NULL;

    if (o)
        err_free(json_parse(a, arena_dup(a, o->data), NULL, NULL, &v));
    return v;
}

bool volume_reach(struct arena *a, const struct json *volume, struct reach *ret)
{
    const struct json *terms = json_path(volume, "spec.nodeAffinity.required.nodeSelectorTerms");

    *ret = (struct reach){.anywhere = !terms};
    if (terms)
        ret->terms = node_terms_read(a, terms, &ret->n_terms);
    return volume != NULL;
}

bool is_in_reach(const struct reach *r, const struct node *n)
{
    for (uint32_t i = 0; i < r->n_terms; i++)
        if (node_term_holds(&r->terms[i], n))
            return true;
    return r->anywhere;
}

/* ---- per pod ---- */
struct wanted { /* one bound claim's volume */
    bool exists;
    struct reach reach;
};
struct volume_state {
    struct wanted *wanted;
    uint32_t n;
    struct late_claims *late; /* NULL: none waits for its first pod */
};

static struct wanted volume_find(struct cycle *c, str name)
{
    struct json *v = volume_parts(c->arena, informer_find(c->s->volume_informer, STR_NONE, name));
    struct wanted w;

    w.exists = volume_reach(c->arena, v, &w.reach);
    return w;
}

static void prepare(struct cycle *c)
{
    const struct profile *p = c->profile;
    struct volume_state *st;

    c->volumes = NULL;
    if (!p->n_claims)
        return;
    st = ARENA_NEW(c->arena, struct volume_state);
    st->wanted = ARENA_NEW_N(c->arena, struct wanted, p->n_claims);
    for (uint32_t i = 0; i < p->n_claims && !c->refusal.n; i++) {
        const struct obj *o = informer_find(c->s->claim_informer, p->ns, p->claims[i]);
        struct json *claim = volume_parts(c->arena, o);
        str volume = json_get_str(claim, "spec.volumeName");

        if (!o)
            c->refusal = arena_fmt(c->arena, "persistentvolumeclaim \"" PRI_STR "\" not found",
                                   STR_ARG(p->claims[i]));
        else if (json_path(claim, "metadata.deletionTimestamp"))
            c->refusal =
                arena_fmt(c->arena, "persistentvolumeclaim \"" PRI_STR "\" is being deleted",
                          STR_ARG(p->claims[i]));
        else if (volume.n &&
                 json_find(json_path(claim, "metadata.annotations"), S(VOLUME_BIND_COMPLETED)))
            st->wanted[st->n++] = volume_find(c, volume);
        /* As long as the binding is not complete, the claim is not bound whatever it names. */
        else if (!late_claim_add(c, o, claim, &st->late))
            c->refusal = S("pod has unbound immediate PersistentVolumeClaims");
    }
    c->volumes = st;
}

const struct late_claims *volumes_late(const struct cycle *c)
{
    const struct volume_state *st = c->volumes;

    return st ? st->late : NULL;
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    const struct volume_state *st = c->volumes;
    bool missing = false, elsewhere = false;

    if (!st)
        return true;
    for (uint32_t i = 0; i < st->n; i++) {
        missing |= !st->wanted[i].exists;
        elsewhere |= st->wanted[i].exists && !is_in_reach(&st->wanted[i].reach, n);
    }
    if (missing)
        verdict_add(
            ret, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)", true);
    if (elsewhere)
        verdict_add(ret, "node(s) didn't match PersistentVolume's node affinity", true);
    if (st->late && !late_claims_fit(st->late, n))
        verdict_add(ret, "node(s) didn't find available persistent volumes to bind", true);
    return ret->n_reasons == 0;
}

const struct plugin plugin_volume_binding = {
    .name = "VolumeBinding",
    .requeue_on = EVENT_NODE_ADDED | EVENT_NODE_LABELS | EVENT_VOLUMES,
    .prepare = prepare,
    .filter = filter,
};
