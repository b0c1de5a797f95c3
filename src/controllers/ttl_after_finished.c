/* ttl_after_finished.c - deletes a finished Job when its ttlSecondsAfterFinished have passed. */
#include "controllers/controllers_internal.h"

static void reconcile(struct reconcile *r)
{
    static const char *const ends[] = {"Complete", "Failed"};
    const struct obj *o = look_up(r, K_JOBS, r->ns, r->name);
    const struct json *job, *ttl;
    wall_time finished = {0};

    if (!o)
        return;
    job = tree_of(r->a, o);
    ttl = json_path(job, "spec.ttlSecondsAfterFinished");
    if (!json_is(ttl, JSON_INT) || is_deleting(job))
        return;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        const struct json *c = condition_find(json_path(job, "status.conditions"), ends[i]);

        if (str_is(json_get_str(c, "status"), "True"))
            time_of(json_findz(c, "lastTransitionTime"), &finished);
    }
    if (!finished.ns)
        return;
    if (finished.ns + ttl->i * NS_PER_S > r->now.ns) {
        plan_requeue(&r->plan, finished.ns + ttl->i * NS_PER_S - r->now.ns);
        return;
    }
    plan_delete(&r->plan, K_JOBS, o)->propagation = "Foreground";
}

const struct controller_type ttl_after_finished_controller = {
    .name = "ttl-after-finished",
    .component = "ttl-after-finished-controller",
    .primary = K_JOBS,
    .reconcile = reconcile,
};
