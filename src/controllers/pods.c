/* pods.c - a pod as controllers see it: a packed summary beside its text.
 *
 * A ReplicaSet of a thousand pods looks at each of them whenever one changes. The cache therefore
 * packs, once per version, what is looked at; the text is parsed only where a reconcile needs more.
 */
#include "controllers/controllers_internal.h"

struct packed { /* followed by the strings, each with a NUL */
    int64_t ready_since_s, created_s, restarts, deletion_cost, finished_s, index;
    uint8_t phase, ready, deleting, tracked;
    uint32_t strings_n;
};

static const struct {
    str name;
    enum pod_phase phase;
} phases[] = {
    {STR("Pending"), POD_PENDING},
    {STR("Running"), POD_RUNNING},
    {STR("Succeeded"), POD_SUCCEEDED},
    {STR("Failed"), POD_FAILED},
};

static int64_t seconds_of(const struct json *v)
{
    wall_time t;

    return time_of(v, &t) ? t.ns / NS_PER_S : 0;
}

static void pack_string(struct buf *out, str s)
{
    buf_str(out, s);
    buf_char(out, '\0');
}

/* A daemon pod names its node before the scheduler has bound it. */
static str target_node(const struct json *spec)
{
    JSON_EACH(term,
              json_path(spec, "affinity.nodeAffinity."
                              "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"))
        JSON_EACH(field, json_findz(term, "matchFields"))
            if (str_is(json_get_str(field, "key"), "metadata.name"))
                return json_str(json_item(json_findz(field, "values"), 0));
    return STR_NONE;
}

void pod_pack(const struct json *tree, struct buf *out)
{
    const struct json *status = json_findz(tree, "status"), *spec = json_findz(tree, "spec");
    const struct json *ready = condition_find(json_findz(status, "conditions"), "Ready");
    struct packed p = {.created_s = seconds_of(json_path(tree, "metadata.creationTimestamp"))};
    str phase = json_get_str(status, "phase"),
        cost = meta_get(tree, "annotations", S("controller.kubernetes.io/pod-deletion-cost"));
    bool first = true;
    size_t at = out->n;

    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        if (str_eq(phases[i].name, phase))
            p.phase = (uint8_t)phases[i].phase;
    p.ready = str_is(json_get_str(ready, "status"), "True");
    p.ready_since_s = seconds_of(json_findz(ready, "lastTransitionTime"));
    p.deleting = is_deleting(tree);
    str_to_int64(cost, &p.deletion_cost);
    JSON_EACH(c, json_findz(status, "containerStatuses")) {
        p.restarts = MAX(p.restarts, json_get_int(c, "restartCount", 0));
        p.finished_s = MAX(p.finished_s, seconds_of(json_path(c, "state.terminated.finishedAt")));
    }
    JSON_EACH(f, json_path(tree, "metadata.finalizers"))
        p.tracked |= str_is(json_str(f), JOB_FINALIZER);
    if (!str_to_int64(meta_get(tree, "annotations", S(JOB_INDEX)), &p.index))
        p.index = -1;
    buf_add(out, &p, sizeof p);
    pack_string(out, json_get_str(spec, "nodeName"));
    pack_string(out, owner_uid(tree));
    JSON_EACH(ip, json_findz(status, "podIPs")) {
        if (!first)
            buf_char(out, ',');
        first = false;
        buf_str(out, json_get_str(ip, "ip"));
    }
    if (first)
        buf_str(out, json_get_str(status, "podIP"));
    buf_char(out, '\0');
    pack_string(out, json_get_str(spec, "hostname"));
    pack_string(out, json_get_str(spec, "subdomain"));
    pack_string(out, json_get_str(status, "reason"));
    pack_string(out, target_node(spec));
    pack_string(out, meta_get(tree, "labels", S("controller-revision-hash")));
    p.strings_n = (uint32_t)(out->n - at - sizeof p);
    memcpy(out->p + at, &p, sizeof p);
}

void pod_read(const struct obj *o, struct pod *ret)
{
    struct packed p;
    str rest;

    BUG_ON(o->fields.n < sizeof p);
    memcpy(&p, o->fields.p, sizeof p);
    rest = (str){o->fields.p + sizeof p, p.strings_n};
    *ret = (struct pod){.obj = o,
                        .phase = p.phase,
                        .ready = p.ready,
                        .deleting = p.deleting,
                        .ready_since_s = p.ready_since_s,
                        .created_s = p.created_s,
                        .restarts = p.restarts,
                        .deletion_cost = p.deletion_cost,
                        .finished_s = p.finished_s,
                        .index = p.index,
                        .tracked = p.tracked};
    str_cut(&rest, '\0', &ret->node);
    str_cut(&rest, '\0', &ret->owner_uid);
    str_cut(&rest, '\0', &ret->ips);
    str_cut(&rest, '\0', &ret->hostname);
    str_cut(&rest, '\0', &ret->subdomain);
    str_cut(&rest, '\0', &ret->reason);
    str_cut(&rest, '\0', &ret->target_node);
    str_cut(&rest, '\0', &ret->revision);
}

bool pod_is_available(const struct pod *p, int64_t min_ready_s, wall_time now)
{
    if (!p->ready)
        return false;
    return !min_ready_s ||
           (p->ready_since_s && p->ready_since_s + min_ready_s <= now.ns / NS_PER_S);
}
