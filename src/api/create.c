/* create.c - POST: a new object.
 *
 * All that does not need the store's state is done before the write; the write itself only asks
 * that the name is free. With generateName a taken name is tried again with another suffix, as
 * Kubernetes does. */
#include "api/admission.h"
#include "api/crd.h"
#include "api/dynamic/dynamic.h"

struct creation {
    struct write w;
    struct json *given; /* as it came, where the steps may run more than once */
    int tries;
    bool generated;
    str reply;
};

static struct err *put_new(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                           struct store_change *ret)
{
    struct creation *c = ctx;

    (void)a;
    if (current)
        return err_exists(c->w.kind, c->w.name);
    return write_put(&c->w, NULL, revision, ret, &c->reply);
}

static void created(void *ctx, struct err *e, const struct obj *result);

static void submit(struct creation *c)
{
    store_update(c->w.api->store, kind_key(c->w.kind, c->w.ns, c->w.name), put_new, created, c);
    quota_written(&c->w);
}

static void creation_failed(struct creation *c, struct err *e)
{
    write_settled(&c->w, false);
    reply_error(c->w.req, e);
}

/* All steps before the store; once more when webhooks have answered. */
static void create_run(void *ctx, struct err *e)
{
    struct creation *c = ctx;
    struct write *w = &c->w;

    if (!e) {
        answers_begin(w->answers);
        if (w->answers) {
            w->obj = json_new(w->a, json_copy(w->a, c->given));
            w->name = meta_str(w->obj, "name");
        }
        e = write_create_steps(w);
        if (answers_wait(w->answers, e, create_run, c)) {
            write_settled(&c->w, false);
            return;
        }
    }
    if (e)
        creation_failed(c, e);
    else
        submit(c);
}

static void created(void *ctx, struct err *e, const struct obj *result)
{
    struct creation *c = ctx;
    struct req *q = c->w.req;

    if (e && e->reason == REASON_ALREADY_EXISTS && c->generated &&
        ++c->tries < API_GENERATE_TRIES) {
        err_free(e);
        if (c->w.answers) {       /* whoever has agreed has agreed to the name, too */
            quota_settled(&c->w); /* in the arena of that run */
            answers_forget(c->w.answers);
            create_run(c, NULL);
            return;
        }
        meta_generate_name(&c->w);
        submit(c);
        return;
    }
    write_settled(&c->w, !e);
    if (e && e->reason == REASON_ALREADY_EXISTS && meta_str(c->w.obj, "generateName").n) {
        str text =
            arena_fmt(q->a, "%s, the server was not able to generate a unique name for the object",
                      err_text(e));

        mem_free(e->message);
        e->message = str_dupz(text);
        e->retry_after_s = 1;
    }
    if (e) {
        reply_error(q, e);
        return;
    }
    reply_object(q, 201, c->w.kind, c->reply.n ? c->reply : result->data);
}

/* The namespace of URL and body must agree; an absent one is filled in. */
static struct err *check_namespace(struct req *q, struct json *obj)
{
    struct json *meta = meta_of(q->a, obj);
    str ns = json_str(json_findz(meta, "namespace"));
    const struct kind *k = q->route.kind;

    if (!k->r->namespaced) {
        json_removez(meta, "namespace"); /* means nothing here */
        return NULL;
    }
    if (!ns.n)
        json_setz(q->a, meta, "namespace", json_string(q->route.ns));
    else if (!str_eq(ns, q->route.ns))
        return err_other_namespace();
    return NULL;
}

static struct err *prepare(struct req *q, struct creation *c)
{
    const struct kind *k = q->route.kind;
    struct json *obj;
    struct err *e;

    e = write_options_parse(q, "CreateOptions");
    if (e)
        return e;
    e = body_decode(q, k, k->r->type, k->r->group, k->r->version, k->r->kind, &obj);
    if (e)
        return e;
    e = check_namespace(q, obj);
    if (e)
        return e;
    c->w = (struct write){.api = q->api,
                          .req = q,
                          .a = q->a,
                          .kind = k,
                          .ns = q->route.ns,
                          .obj = obj,
                          .dry_run = q->wo.dry_run,
                          .now = loop_wall(q->api->loop)};
    c->w.name = meta_str(obj, "name");
    c->generated = !c->w.name.n;
    if (meta_str(obj, "resourceVersion").n)
        return err_new(REASON_UNKNOWN,
                       "resourceVersion should not be set on objects to be created");
    c->w.answers = answers_new(q, k, S(""), ADMIT_CREATE, ADMIT_CREATE);
    c->w.a = answers_arena(c->w.answers, q);
    if (c->w.answers)
        c->given = json_new(q->a, json_copy(q->a, obj));
    return NULL;
}

static void create_virtual(void *ctx)
{
    struct creation *c = ctx;

    c->w.kind->hooks->create(c->w.req, c->w.obj);
}

/* Reviews and bindings: nothing is stored, but admitted it has to be. */
static void admit_virtual(struct creation *c)
{
    const struct kind *k = c->w.kind;
    struct attributes t = {.req = c->w.req,
                           .a = c->w.a,
                           .kind = k,
                           .ns = c->w.ns,
                           .name = meta_str(c->w.obj, "name"),
                           .op = ADMIT_CREATE,
                           .type = k->r->type,
                           .group = k->r->group,
                           .version = k->r->version,
                           .kind_name = k->r->kind,
                           .obj = c->w.obj,
                           .dry_run = c->w.dry_run};

    /* Reviews have managers like any other object. */
    if (c->w.api->n_dynamic)
        err_free(write_track(&c->w, req_manager(c->w.req), S("")));
    dynamic_admit_then(&t, create_virtual, c);
}

void verb_create(struct req *q)
{
    struct creation *c = ARENA_NEW(q->a, struct creation);
    const struct kind *k = q->route.kind;
    struct err *e;

    if (k->hooks->flags & KIND_VIRTUAL) {
        struct json *obj;

        e = write_options_parse(q, "CreateOptions");
        if (!e)
            e = body_decode(q, k, k->r->type, k->r->group, k->r->version, k->r->kind, &obj);
        if (!e)
            e = check_namespace(q, obj);
        if (e) {
            reply_error(q, e);
            return;
        }
        c->w = (struct write){.api = q->api,
                              .req = q,
                              .a = q->a,
                              .kind = k,
                              .ns = k->r->namespaced ? q->route.ns : S(""),
                              .obj = obj,
                              .dry_run = q->wo.dry_run};
        admit_virtual(c);
        return;
    }
    e = k->r->custom ? crds_may_create(k) : NULL;
    if (!e)
        e = prepare(q, c);
    if (e) {
        reply_error(q, e);
        return;
    }
    create_run(c, NULL);
}
