/* plan.c - what a reconcile wants done, in order; and the same as text. */
#include "controllers/controllers_internal.h"

#include <inttypes.h>

static struct action *plan_add(struct plan *p, enum action_type type)
{
    struct action *act;

    if (p->n == p->cap) {
        uint32_t cap = p->cap ? p->cap * 2 : 8;

        p->actions =
            arena_grow(p->arena, p->actions, p->cap * sizeof *p->actions, cap * sizeof *p->actions);
        p->cap = cap;
    }
    act = &p->actions[p->n++];
    *act = (struct action){.type = type, .step = p->step, .grace_s = -1};
    return act;
}

struct action *plan_create(struct plan *p, enum kind_id k, str ns, struct json *body)
{
    struct action *act = plan_add(p, ACT_CREATE);

    act->kind = &kinds[k];
    act->ns = ns;
    act->body = body;
    return act;
}

static struct action *plan_put(struct plan *p, enum action_type type, enum kind_id k,
                               struct json *body)
{
    struct action *act = plan_add(p, type);

    act->kind = &kinds[k];
    act->ns = json_get_str(body, "metadata.namespace");
    act->name = json_get_str(body, "metadata.name");
    act->body = body;
    return act;
}

struct action *plan_update(struct plan *p, enum kind_id k, struct json *body)
{
    return plan_put(p, ACT_UPDATE, k, body);
}

struct action *plan_update_status(struct plan *p, enum kind_id k, struct json *body)
{
    struct action *act = plan_put(p, ACT_UPDATE_STATUS, k, body);

    act->sub = S("status");
    act->flags = ACT_ALWAYS | ACT_IGNORE_NOT_FOUND;
    return act;
}

struct action *plan_patch(struct plan *p, const struct kind *k, str ns, str name, str sub,
                          const char *patch_type, struct json *body)
{
    struct action *act = plan_add(p, ACT_PATCH);

    act->kind = k;
    act->ns = ns;
    act->name = name;
    act->sub = sub;
    act->patch_type = patch_type;
    act->body = body;
    return act;
}

struct action *plan_delete_named(struct plan *p, const struct kind *k, str ns, str name, str uid)
{
    struct action *act = plan_add(p, ACT_DELETE);

    act->kind = k;
    act->ns = ns;
    act->name = name;
    act->uid = uid;
    act->flags = ACT_IGNORE_NOT_FOUND;
    return act;
}

struct action *plan_delete(struct plan *p, enum kind_id k, const struct obj *o)
{
    return plan_delete_named(p, &kinds[k], o->key.ns, o->key.name, o->uid);
}

void plan_event(struct plan *p, const struct json *on, const char *type, const char *reason,
                const char *fmt, ...)
{
    struct action *act = plan_add(p, ACT_EVENT);
    va_list ap;

    act->flags = ACT_ALWAYS;
    act->success = (struct action_event){.on = on, .type = type, .reason = reason};
    va_start(ap, fmt);
    act->success.text = arena_vfmt(p->arena, fmt, ap);
    va_end(ap);
}

void plan_then(struct plan *p)
{
    p->step++;
}

void plan_requeue(struct plan *p, int64_t delay_ns)
{
    if (delay_ns <= 0)
        delay_ns = 1;
    if (!p->requeue_ns || delay_ns < p->requeue_ns)
        p->requeue_ns = delay_ns;
}

/* ---- text ---- */

static void format_target(const struct action *act, struct buf *out)
{
    buf_char(out, ' ');
    buf_str(out, act->kind->plural);
    if (act->ns.n || act->name.n)
        buf_char(out, ' ');
    if (act->ns.n) {
        buf_str(out, act->ns);
        buf_char(out, '/');
    }
    buf_str(out, act->name.n ? act->name : json_get_str(act->body, "metadata.name"));
    if (!act->name.n && !json_get_str(act->body, "metadata.name").n)
        buf_str(out, json_get_str(act->body, "metadata.generateName"));
}

/* Of what an update writes, that by which it can be told. */
static void format_update(const struct json *body, struct buf *out)
{
    str class = json_get_str(body, "spec.storageClassName"),
        volume = json_get_str(body, "spec.volumeName"),
        provisioner = meta_get(body, "annotations", S("volume.kubernetes.io/storage-provisioner"));

    if (json_path(body, "spec.replicas"))
        buf_fmt(out, " replicas=%" PRId64, json_get_int(body, "spec.replicas", 0));
    if (class.n)
        buf_fmt(out, " class=" PRI_STR, STR_ARG(class));
    if (volume.n)
        buf_fmt(out, " volume=" PRI_STR, STR_ARG(volume));
    if (provisioner.n)
        buf_fmt(out, " provisioner=" PRI_STR, STR_ARG(provisioner));
}

static void format_action(const struct action *act, struct buf *out)
{
    static const char *const verbs[] = {
        [ACT_CREATE] = "create", [ACT_UPDATE] = "update", [ACT_UPDATE_STATUS] = "status",
        [ACT_PATCH] = "patch",   [ACT_DELETE] = "delete", [ACT_EVENT] = "event"};

    buf_z(out, verbs[act->type]);
    if (act->type == ACT_EVENT) {
        buf_fmt(out, " %s %s " PRI_STR "\n", act->success.type, act->success.reason,
                STR_ARG(act->success.text));
        return;
    }
    format_target(act, out);
    if (act->type == ACT_UPDATE_STATUS) {
        buf_char(out, ' ');
        if (json_findz(act->body, "status"))
            json_encode(out, json_findz(act->body, "status"));
    } else if (act->type == ACT_PATCH) {
        if (act->sub.n)
            buf_fmt(out, " " PRI_STR, STR_ARG(act->sub));
        buf_char(out, ' ');
        json_encode(out, act->body);
    } else if (act->type == ACT_UPDATE) {
        format_update(act->body, out);
    } else if (act->type == ACT_DELETE && act->propagation) {
        buf_fmt(out, " %s", act->propagation);
    }
    buf_char(out, '\n');
}

void plan_format(const struct plan *p, struct buf *out)
{
    unsigned step = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        if (p->actions[i].step != step)
            buf_z(out, "then\n");
        step = p->actions[i].step;
        format_action(&p->actions[i], out);
    }
    if (p->requeue_ns)
        buf_fmt(out, "requeue %" PRId64 "ms\n", (p->requeue_ns + NS_PER_MS - 1) / NS_PER_MS);
    if (p->retry)
        buf_z(out, "retry\n");
}
