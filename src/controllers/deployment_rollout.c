/* deployment_rollout.c - the moves: rolling, recreating, and scaling in the middle of either.
 *
 * Invariants of a rolling update
 *   (1) Never more than replicas + maxSurge pods are asked for.
 *   (2) Never fewer than replicas - maxUnavailable are available through what we do; pods that are
 * not available anyway go first.
 *
 * API:
 * https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
 */
#include "controllers/deployment.h"

#include <math.h>

uint32_t list_rs(const struct deployment *d, bool active_only, struct rs ***ret)
{
    struct rs **list = ARENA_NEW_N(d->r->a, struct rs *, d->n_old + 2);
    uint32_t n = 0;

    for (uint32_t i = 0; i < d->n_old; i++)
        if (!active_only || rs_replicas(d->old[i]) > 0)
            list[n++] = d->old[i];
    if (d->new_rs && (!active_only || rs_replicas(d->new_rs) > 0))
        list[n++] = d->new_rs;
    *ret = list;
    return n;
}

static int64_t wanted_pods(const struct deployment *d, bool with_new)
{
    int64_t n = with_new && d->new_rs ? rs_replicas(d->new_rs) : 0;

    for (uint32_t i = 0; i < d->n_old; i++)
        n += rs_replicas(d->old[i]);
    return n;
}

int64_t new_rs_size(const struct deployment *d)
{
    int64_t current, room, now = rs_replicas(d->new_rs);

    if (!d->rolling)
        return d->replicas;
    current = wanted_pods(d, true);
    room = d->replicas + d->surge - current;
    if (room <= 0)
        return now;
    return now + MIN(room, d->replicas - now);
}

/* ---- rolling ---- */

static bool reconcile_new(struct deployment *d)
{
    int64_t now = rs_replicas(d->new_rs);

    if (now == d->replicas)
        return false;
    if (now > d->replicas)
        return scale_rs(d, d->new_rs, d->replicas);
    return scale_rs(d, d->new_rs, new_rs_size(d));
}

static int64_t clean_up_unhealthy(struct deployment *d, int64_t limit)
{
    int64_t done = 0;

    sort_by_creation(d->old, d->n_old);
    for (uint32_t i = 0; i < d->n_old && done < limit; i++) {
        int64_t replicas = rs_replicas(d->old[i]),
                n = MIN(limit - done, replicas - rs_available(d->old[i]));

        if (!replicas || n <= 0)
            continue;
        scale_rs(d, d->old[i], replicas - n);
        done += n;
    }
    return done;
}

static int64_t scale_down_old(struct deployment *d)
{
    int64_t available = d->new_rs ? rs_available(d->new_rs) : 0, limit, done = 0;

    for (uint32_t i = 0; i < d->n_old; i++)
        available += rs_available(d->old[i]);
    limit = available - (d->replicas - max_unavailable(d));
    for (uint32_t i = 0; i < d->n_old && done < limit; i++) {
        int64_t replicas = rs_replicas(d->old[i]), n = MIN(replicas, limit - done);

        if (n <= 0)
            continue;
        scale_rs(d, d->old[i], replicas - n);
        done += n;
    }
    return done;
}

static bool reconcile_old(struct deployment *d)
{
    int64_t limit;

    if (!wanted_pods(d, false))
        return false;
    limit = wanted_pods(d, true) - (d->replicas - max_unavailable(d)) -
            (rs_replicas(d->new_rs) - rs_available(d->new_rs));
    if (limit <= 0)
        return false;
    return clean_up_unhealthy(d, limit) + scale_down_old(d) > 0;
}

void roll(struct deployment *d)
{
    sync_new_rs(d, true);
    if (!d->new_rs)
        return; /* a name collision: the next turn has another hash */
    if (!reconcile_new(d) && !reconcile_old(d) && is_complete(d, json_findz(d->tree, "status")))
        clean_up_history(d);
    report_rollout(d);
}

/* ---- recreating ---- */

struct running {
    bool any;
};

static bool find_running(void *ctx, const struct obj *o)
{
    struct running *r = ctx;
    struct pod p;

    pod_read(o, &p);
    r->any |= p.phase != POD_SUCCEEDED && p.phase != POD_FAILED;
    return !r->any;
}

static bool old_pods_run(struct deployment *d)
{
    struct running running = {false};

    for (uint32_t i = 0; i < d->n_old; i++) {
        if (json_get_int(d->old[i]->tree, "status.replicas", 0) > 0)
            return true;
        informer_each_indexed(d->r->caches[K_PODS], index_owner(d->r->a, d->old[i]->obj->uid),
                              find_running, &running);
    }
    return running.any;
}

void recreate(struct deployment *d)
{
    bool scaled = false;

    sync_new_rs(d, false);
    for (uint32_t i = 0; i < d->n_old; i++)
        if (rs_replicas(d->old[i]) > 0)
            scaled |= scale_rs(d, d->old[i], 0);
    if (!scaled && !old_pods_run(d)) {
        if (!d->new_rs) {
            sync_new_rs(d, true);
            if (!d->new_rs)
                return;
        }
        scale_rs(d, d->new_rs, d->replicas);
        if (is_complete(d, json_findz(d->tree, "status")))
            clean_up_history(d);
    }
    report_rollout(d);
}

/* ---- scaling while several ReplicaSets are active ---- */

static struct rs *active_or_latest(struct deployment *d)
{
    struct rs **active;
    uint32_t n = list_rs(d, true, &active);

    if (n == 1)
        return active[0];
    if (n > 1)
        return NULL;
    if (d->new_rs)
        return d->new_rs;
    sort_by_creation(d->old, d->n_old);
    return d->n_old ? d->old[d->n_old - 1] : NULL;
}

static bool is_saturated(const struct deployment *d)
{
    int64_t desired;

    return d->new_rs &&
           str_to_int64(meta_get(d->new_rs->tree, "annotations", S(ANNOTATION_DESIRED)),
                        &desired) &&
           rs_replicas(d->new_rs) == d->replicas && desired == d->replicas &&
           rs_available(d->new_rs) == d->replicas;
}

static int64_t fraction_of(const struct deployment *d, const struct rs *rs)
{
    int64_t annotated = 0, replicas = rs_replicas(rs);

    if (!d->replicas)
        return -replicas;
    str_to_int64(meta_get(rs->tree, "annotations", S(ANNOTATION_MAX)), &annotated);
    if (!annotated)
        annotated = json_get_int(d->tree, "status.replicas", 0);
    if (!annotated)
        return 0;
    return llround((double)(replicas * (d->replicas + max_surge(d))) / (double)annotated) -
           replicas;
}

/* Larger ones first; of equal ones the newer when growing, the older when shrinking. */
static void sort_by_size(struct rs **list, uint32_t n, bool newer_first)
{
    sort_by_creation(list, n);
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = i; k; k--) {
            int64_t a = rs_replicas(list[k - 1]), b = rs_replicas(list[k]);
            bool swap = b > a || (b == a && newer_first &&
                                  list[k]->created_s >= list[k - 1]->created_s && i == k);
            struct rs *t = list[k];

            if (!swap)
                break;
            list[k] = list[k - 1];
            list[k - 1] = t;
        }
}

void scale_proportionally(struct deployment *d)
{
    struct rs *one = active_or_latest(d), **active;
    uint32_t n;
    int64_t allowed, to_add, added = 0, *sizes;

    if (one) {
        if (rs_replicas(one) != d->replicas)
            scale_rs(d, one, d->replicas);
        return;
    }
    if (is_saturated(d)) {
        for (uint32_t i = 0; i < d->n_old; i++)
            if (rs_replicas(d->old[i]) > 0)
                scale_rs(d, d->old[i], 0);
        return;
    }
    if (!d->rolling)
        return;
    n = list_rs(d, true, &active);
    allowed = d->replicas ? d->replicas + max_surge(d) : 0;
    to_add = allowed - wanted_pods(d, true);
    sizes = ARENA_NEW_N(d->r->a, int64_t, n + 1);
    sort_by_size(active, n, to_add > 0);
    for (uint32_t i = 0; i < n; i++) {
        int64_t share = 0;

        if (to_add && to_add != added) {
            share = fraction_of(d, active[i]);
            share = to_add > 0 ? MIN(share, to_add - added) : MAX(share, to_add - added);
        }
        sizes[i] = rs_replicas(active[i]) + share;
        added += share;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 && to_add)
            sizes[0] = MAX(sizes[0] + to_add - added, INT64_C(0));
        scale_rs(d, active[i], sizes[i]);
    }
}
