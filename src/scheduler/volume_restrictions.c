/* volume_restrictions.c - VolumeRestrictions: a claim with the access mode ReadWriteOncePod is one pod's at a time, in the whole
 * cluster.
 *
 * Not here: disks of clouds, which their drivers guard.
 * Source: pkg/scheduler/framework/plugins/volumerestrictions. */
#include "scheduler/scheduler_internal.h"

static bool is_for_one_pod(struct cycle *c, str name)
{
    const struct obj *o = informer_find(c->s->claim_informer, c->profile->ns, name);

    JSON_EACH(mode, json_path(volume_parts(c->arena, o), "spec.accessModes"))
        if (str_is(json_str(mode), "ReadWriteOncePod"))
            return true;
    return false;
}

/* By a pod on some node. */
static bool is_in_use(const struct scheduler *s, str ns, str claim)
{
    const struct profile *p;

    LIST_EACH(p, &s->profile_list, link) {
        if (!p->n_tally || !str_eq(p->ns, ns))
            continue;
        for (uint32_t i = 0; i < p->n_claims; i++)
            if (str_eq(p->claims[i], claim))
                return true;
    }
    return false;
}

static void prepare(struct cycle *c)
{
    const struct profile *p = c->profile;

    for (uint32_t i = 0; i < p->n_claims && !c->claim_in_use; i++)
        c->claim_in_use = is_for_one_pod(c, p->claims[i]) && is_in_use(c->s, p->ns, p->claims[i]);
}

static bool filter(struct cycle *c, const struct node *n, struct verdict *ret)
{
    if (!c->claim_in_use)
        return true;
    verdict_add(ret,
                "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod "
                "access mode",
                false);
    return false;
}

const struct plugin plugin_volume_restrictions = {
    .name = "VolumeRestrictions",
    .requeue_on = EVENT_NODE_ADDED | EVENT_POD_GONE | EVENT_VOLUMES,
    .prepare = prepare,
    .filter = filter,
};
