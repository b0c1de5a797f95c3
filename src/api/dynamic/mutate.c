/* mutate.c - the order of dynamic admission around a write's own steps.
 *
 * Mutation: the built-in plugins have run; then policies, then webhooks. When one of them has changed something, the
 * built-in plugins run once more, and so do those who asked for it (reinvocationPolicy). There is no third round.
 * API: k8s.io/apiserver/pkg/admission/reinvocation.go */
#include "api/dynamic/dynamic_internal.h"

struct attributes write_attributes(struct write *w)
{
    bool is_namespace = !w->kind->r->group.n && str_is(w->kind->r->plural, "namespaces");
    str name = w->name.n ? w->name : meta_str(w->obj, "name");

    return (struct attributes){.req = w->req,
                               .a = w->a,
                               .kind = w->kind,
                               .ns = is_namespace             ? name
                                     : w->kind->r->namespaced ? w->ns
                                                              : S(""),
                               .name = name,
                               .subresource = w->subresource,
                               .op = w->old ? ADMIT_UPDATE : ADMIT_CREATE,
                               .obj = w->obj,
                               .old = w->old,
                               .dry_run = w->dry_run,
                               .answers = w->answers};
}

/* ---- who is asked a second time ---- */

void round_require(struct plugin_round *r)
{
    MAP_EACH(m, &r->invoked) {
        map_put(&r->again, map_key(m), r);
        map_del(&r->invoked, map_key(m));
    }
}

void round_begin(struct plugin_round *r, const struct attributes *t, int round)
{
    if (round && r->left && t->obj && !json_equal(r->left, t->obj))
        round_require(r);
}

void round_end(struct plugin_round *r, const struct attributes *t)
{
    /* Where nobody may be asked again, nobody asks what has changed. */
    r->left = t->obj && r->invoked.n ? json_new(t->a, json_share(t->a, t->obj)) : NULL;
}

static void rounds_fini(struct second_round *s)
{
    map_fini(&s->policies.invoked);
    map_fini(&s->policies.again);
    map_fini(&s->webhooks.invoked);
    map_fini(&s->webhooks.again);
}

static struct err *round_of(struct attributes *t, int round, struct second_round *s)
{
    struct err *e = policies_mutate(t, round, s);

    return e ? e : webhooks_mutate(t, round, s);
}

struct err *dynamic_mutate(struct attributes *t, in_tree_fn *in_tree, void *ctx)
{
    struct second_round s = {0};
    struct err *e = round_of(t, 0, &s);

    if (!e && s.wanted) {
        if (in_tree)
            e = in_tree(ctx);
        if (!e)
            e = round_of(t, 1, &s);
    }
    rounds_fini(&s);
    return e;
}

struct err *dynamic_validate(struct attributes *t)
{
    struct err *e = policies_validate(t);

    return e ? e : webhooks_validate(t);
}
