/* volume_binding.c - VolumeBinding: a pod waits until its claims are bound, and goes where its volumes can be reached.
 *
 * Claims of classes that wait for their first pod are refused until somebody binds them: choosing a volume or asking a
 * provisioner for one, on behalf of a pod, is not done here yet.
 * API: https://kubernetes.io/docs/concepts/storage/persistent-volumes/ */
#include "scheduler/scheduler_internal.h"

/* ---- what the informers keep ---- */
void claim_reduce(const struct json *tree, struct buf *out)
{
    buf_str(out, json_get_str(tree, "spec.volumeName"));
    buf_char(out, '\0');
    buf_str(out, json_get_str(tree, "spec.storageClassName"));
    buf_char(out, '\0');
    if (json_path(tree, "metadata.deletionTimestamp"))
        buf_char(out, 'd');
    /* As long as the binding is not complete, the claim is not bound whatever it names. */
    if (json_find(json_path(tree, "metadata.annotations"), S("pv.kubernetes.io/bind-completed")))
        buf_char(out, 'b');
}

void volume_reduce(const struct json *tree, struct buf *out)
{
    const struct json *terms = json_path(tree, "spec.nodeAffinity.required.nodeSelectorTerms");

    if (terms)
        json_encode(out, terms);
}

void class_reduce(const struct json *tree, struct buf *out)
{
    buf_str(out, json_get_str(tree, "volumeBindingMode"));
}

struct claim {
    str volume, class;
    bool terminating, complete;
};

static struct claim claim_read(str data)
{
    struct claim c = {0};

    str_cut(&data, '\0', &c.volume);
    str_cut(&data, '\0', &c.class);
    c.terminating = str_has_char(data, 'd');
    c.complete = str_has_char(data, 'b');
    return c;
}

/* ---- per pod ---- */
struct wanted { /* one bound claim's volume */
    bool exists, anywhere;
    struct node_term *terms;
    uint32_t n_terms;
};
struct volume_state {
    struct wanted *wanted;
    uint32_t n;
    bool waits; /* a claim waits for its first pod */
};

static struct wanted volume_find(struct cycle *c, str name)
{
    const struct obj *o = informer_find(c->s->volume_informer, STR_NONE, name);
    struct wanted w = {.exists = o != NULL, .anywhere = !o || !o->data.n};
    struct json *terms = NULL;

    if (w.anywhere)
        return w;
    err_free(json_parse(c->arena, arena_dup(c->arena, o->data), NULL, NULL, &terms));
    w.terms = node_terms_read(c->arena, terms, &w.n_terms);
    return w;
}

static bool class_waits(struct cycle *c, str class)
{
    const struct obj *o = class.n ? informer_find(c->s->class_informer, STR_NONE, class) : NULL;

    return o && str_is(o->data, "WaitForFirstConsumer");
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
        struct claim claim = claim_read(o ? o->data : STR_NONE);

        if (!o)
            c->refusal = arena_fmt(c->arena, "persistentvolumeclaim \"" PRI_STR "\" not found",
                                   STR_ARG(p->claims[i]));
        else if (claim.terminating)
            c->refusal =
                arena_fmt(c->arena, "persistentvolumeclaim \"" PRI_STR "\" is being deleted",
                          STR_ARG(p->claims[i]));
        else if (claim.volume.n && claim.complete)
            st->wanted[st->n++] = volume_find(c, claim.volume);
        else if (class_waits(c, claim.class))
            st->waits = true;
        else
            c->refusal = S("pod has unbound immediate PersistentVolumeClaims");
    }
    c->volumes = st;
}

static bool is_reachable(const struct wanted *w, const struct node *n)
{
    for (uint32_t i = 0; i < w->n_terms; i++)
        if (node_term_holds(&w->terms[i], n))
            return true;
    return w->anywhere;
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    const struct volume_state *st = c->volumes;
    bool missing = false, elsewhere = false;

    if (!st)
        return true;
    for (uint32_t i = 0; i < st->n; i++) {
        missing |= !st->wanted[i].exists;
        elsewhere |= !is_reachable(&st->wanted[i], n);
    }
    if (missing)
        verdict_add(
            ret, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)", true);
    if (elsewhere)
        verdict_add(ret, "node(s) didn't match PersistentVolume's node affinity", true);
    if (st->waits)
        verdict_add(ret, "node(s) didn't find available persistent volumes to bind", true);
    return ret->n_reasons == 0;
}

const struct plugin plugin_volume_binding = {
    .name = "VolumeBinding",
    .requeue_on = EVENT_NODE_ADDED | EVENT_NODE_LABELS | EVENT_VOLUMES,
    .prepare = prepare,
    .filter = filter,
};
