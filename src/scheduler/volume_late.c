/* volume_late.c - claims whose class waits for the first pod: a volume is chosen for them together with the pod's node, or
 * made where the pod is to run.
 *
 * Asking is all that is done here: the volume is reserved for the claim, or the claim gets the node's name, at which its
 * provisioner makes a volume. Others complete the binding, upon which the pod's turn comes again. Meanwhile its room on the
 * node is kept as if it were nominated.
 *
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding/binder.go (FindPodVolumes, bindAPIUpdate). */
#include "schema/volumes.h"
#include "scheduler/scheduler_internal.h"

struct candidate {
    str name, uid;
    int64_t revision;
    struct quantity size;
    struct reach reach;
    bool reserved; /* for this very claim */
};
struct late_claim {
    struct json *claim;
    str node; /* asked for before; empty: not yet */
    struct candidate *candidates;
    uint32_t n, cap;
    bool provisions;
    struct reach topology; /* where the provisioner can */
};
struct late_claims {
    struct arena *arena;
    struct late_claim *list;
    const struct candidate **chosen; /* for the node looked at; NULL: provisioned */
    uint32_t n;
};

/* ---- what there is ---- */

struct search {
    struct arena *a;
    struct late_claim *for_claim;
    struct selector selector;
    bool has_selector;
};

static bool consider(void *ctx, const struct obj *o)
{
    struct search *s = ctx;
    struct late_claim *w = s->for_claim;
    struct json *volume = volume_parts(s->a, o);
    const struct json *ref = json_path(volume, "spec.claimRef");
    struct candidate c = {.name = o->key.name,
                          .uid = json_get_str(volume, "metadata.uid"),
                          .revision = o->revision,
                          .reserved = ref && volume_ref_is(ref, w->claim)};

    if (!c.reserved && ((s->has_selector && !selector_matches_packed(&s->selector, o->labels)) ||
                        !volume_fits(volume, w->claim, &c.size)))
        return true;
    volume_reach(s->a, volume, &c.reach);
    if (w->n == w->cap) {
        uint32_t cap = w->cap ? w->cap * 2 : 8;

        w->candidates = arena_grow(s->a, w->candidates, w->cap * sizeof *w->candidates,
                                   cap * sizeof *w->candidates);
        w->cap = cap;
    }
    w->candidates[w->n++] = c;
    return true;
}

/* What is reserved comes first, then the smallest. */
static int by_preference(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;
    int c = (int)b->reserved - (int)a->reserved;

    if (!c)
        c = quantity_cmp(&a->size, &b->size);
    return c ? c : str_cmp(a->name, b->name);
}

/* allowedTopologies as terms of a node selector. */
static void topology_read(struct arena *a, const struct json *allowed, struct reach *ret)
{
    struct json terms = json_array();

    *ret = (struct reach){.anywhere = !json_count(allowed)};
    JSON_EACH(t, allowed) {
        struct json term = json_object(), list = json_array();

        JSON_EACH(e, json_findz(t, "matchLabelExpressions")) {
            struct json copy = json_copy(a, e);

            json_setz(a, &copy, "operator", json_z("In"));
            json_append(a, &list, copy);
        }
        json_setz(a, &term, "matchExpressions", list);
        json_append(a, &terms, term);
    }
    if (terms.n)
        ret->terms = node_terms_read(a, json_new(a, terms), &ret->n_terms);
}

bool late_claim_add(struct cycle *c, const struct obj *o, struct json *claim,
                    struct late_claims **late)
{
    struct arena *a = c->arena;
    str class_name = volume_class(claim);
    struct json *class = volume_parts(
        a, class_name.n ? informer_find(c->s->class_informer, STR_NONE, class_name) : NULL);
    str provisioner = json_get_str(class, "provisioner");
    const struct json *selector = json_path(claim, "spec.selector");
    struct late_claim *w;
    struct search s = {.a = a, .has_selector = selector != NULL};

    if (!str_is(json_get_str(class, "volumeBindingMode"), "WaitForFirstConsumer"))
        return false;
    if (!*late) {
        *late = ARENA_NEW(a, struct late_claims);
        (*late)->arena = a;
        (*late)->list = ARENA_NEW_N(a, struct late_claim, c->profile->n_claims);
        (*late)->chosen = ARENA_NEW_N(a, const struct candidate *, c->profile->n_claims);
    }
    w = &(*late)->list[(*late)->n++];
    w->claim = claim;
    w->node =
        json_str(json_find(json_path(claim, "metadata.annotations"), S(VOLUME_SELECTED_NODE)));
    w->provisions = provisioner.n && !str_is(provisioner, VOLUME_NO_PROVISIONER);
    topology_read(a, json_findz(class, "allowedTopologies"), &w->topology);
    json_setz(a, json_findz(claim, "metadata"), "resourceVersion",
              json_string(arena_fmt(a, "%lld", (long long)o->revision)));
    s.for_claim = w;
    if (selector) {
        struct err *err = selector_from_object(a, selector, &s.selector);

        if (err) { /* the API lets none pass */
            err_free(err);
            return true;
        }
    }
    informer_each(c->s->volume_informer, STR_NONE, consider, &s);
    if (w->n > 1)
        qsort(w->candidates, w->n, sizeof *w->candidates, by_preference);
    return true;
}

/* ---- a node ---- */

/* Fills in `chosen`. One volume serves one claim. */
static bool choose(const struct late_claims *l, const struct node *n)
{
    for (uint32_t i = 0; i < l->n; i++) {
        const struct late_claim *w = &l->list[i];
        const struct candidate *found = NULL;

        for (uint32_t k = 0; k < w->n && !found && !w->node.n; k++) {
            found = is_in_reach(&w->candidates[k].reach, n) ? &w->candidates[k] : NULL;
            for (uint32_t j = 0; j < i && found; j++)
                if (l->chosen[j] && str_eq(l->chosen[j]->name, found->name))
                    found = NULL;
            if (w->candidates[k].reserved) /* no other will do */
                break;
        }
        l->chosen[i] = found;
        if (w->node.n ? !str_eq(w->node, n->name)
                      : !found && !(w->provisions && is_in_reach(&w->topology, n)))
            return false;
    }
    return true;
}

bool late_claims_fit(const struct late_claims *l, const struct node *n)
{
    return choose(l, n);
}

/* ---- asking ---- */

static void patch(struct scheduler *s, struct arena *a, const struct pod *p, const char *plural,
                  str ns, str name, struct json *body)
{
    CLEANUP(buf) struct buf path = BUF_INIT;

    buf_api_path(&path, STR_NONE, S("v1"), str_of(plural), ns, name, STR_NONE);
    patch_for(s, p, "volume", buf_view(&path), body);
}

static void reserve(struct scheduler *s, struct arena *a, const struct pod *p,
                    const struct candidate *c, const struct json *claim)
{
    struct json *body = json_new(a, json_object()),
                *meta = json_setz(a, body, "metadata", json_object());

    json_setz(a, meta, "uid", json_string(c->uid));
    json_setz(a, meta, "resourceVersion",
              json_string(arena_fmt(a, "%lld", (long long)c->revision)));
    json_setz(a, json_setz(a, meta, "annotations", json_object()), VOLUME_BOUND_BY_CONTROLLER,
              json_z("yes"));
    json_setz(a, json_setz(a, body, "spec", json_object()), "claimRef", volume_ref(a, claim));
    patch(s, a, p, "persistentvolumes", STR_NONE, c->name, body);
}

static void select_node(struct scheduler *s, struct arena *a, const struct pod *p,
                        const struct json *claim, str node)
{
    struct json *body = json_new(a, json_object()),
                *meta = json_setz(a, body, "metadata", json_object());

    json_setz(a, meta, "uid", *json_path(claim, "metadata.uid"));
    json_setz(a, json_setz(a, meta, "annotations", json_object()), VOLUME_SELECTED_NODE,
              json_string(node));
    patch(s, a, p, "persistentvolumeclaims", json_get_str(claim, "metadata.namespace"),
          json_get_str(claim, "metadata.name"), body);
}

void late_claims_ask(struct scheduler *s, const struct pod *p, const struct node *n,
                     const struct late_claims *l)
{
    BUG_ON(!choose(l, n));
    for (uint32_t i = 0; i < l->n; i++) {
        const struct late_claim *w = &l->list[i];

        if (l->chosen[i] && !l->chosen[i]->reserved)
            reserve(s, l->arena, p, l->chosen[i], w->claim);
        else if (!l->chosen[i] && !w->node.n)
            select_node(s, l->arena, p, w->claim, n->name);
    }
}
