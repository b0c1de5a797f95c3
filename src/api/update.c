/* update.c - PUT: replace an object or its status, unless someone else did since the version the
 * client read. */
#include "api/admission.h"
#include "api/dynamic/dynamic.h"

struct update {
    struct write w;
    struct json *given; /* as it came, where the steps may run more than once */
    str reply;
    bool created;
};

struct err *err_uid_mismatch(const struct kind *k, str ns, str name, str wanted, str have)
{
    struct buf b = BUF_INIT;
    struct err *e;

    buf_fmt(&b,
            "StorageError: invalid object, Code: 4, Key: /registry/" PRI_STR "/" PRI_STR
            "%s" PRI_STR ", ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
            "precondition: " PRI_STR ", UID in object meta: " PRI_STR,
            STR_ARG(k->r->plural), STR_ARG(ns), ns.n ? "/" : "", STR_ARG(name), STR_ARG(wanted),
            STR_ARG(have));
    e = err_conflict(k, name, buf_cstr(&b));
    buf_fini(&b);
    return e;
}

static struct err *replace(void *ctx, struct arena *a, const struct obj *current, int64_t revision,
                           struct store_change *ret)
{
    struct update *u = ctx;
    struct write *w = &u->w;
    const struct kind *k = w->kind;
    str rv = meta_str(w->obj, "resourceVersion"), uid = meta_str(w->obj, "uid");
    int64_t wanted = 0;
    struct err *e;

    (void)a;
    if (rv.n && !str_is(rv, "0") && !str_to_int64(rv, &wanted)) {
        struct buf b = BUF_INIT;

        buf_quoted(&b, rv);
        e = err_new(REASON_UNKNOWN, "strconv.ParseUint: parsing %s: invalid syntax", buf_cstr(&b));
        buf_fini(&b);
        return e;
    }
    if (!current) {
        if (!(k->hooks->flags & KIND_CREATE_ON_UPDATE) || w->subresource.n)
            return err_not_found(k, w->name);
        if (uid.n)
            return err_uid_mismatch(k, w->ns, w->name, uid, S(""));
        u->created = true;
        e = write_create_steps(w);
        return e ? e : write_put(w, NULL, revision, ret, &u->reply);
    }
    if (uid.n && !str_eq(uid, current->uid))
        return err_uid_mismatch(k, w->ns, w->name, uid, current->uid);
    if (!wanted && (k->hooks->flags & KIND_CONDITIONAL_UPDATE)) {
        e = NULL;
        cause(&e, CAUSE_INVALID, S("metadata.resourceVersion"),
              "Invalid value: 0: must be specified for an update");
        return err_invalid(e, k->r->group, k->r->plural, w->name);
    }
    if (wanted && wanted != current->revision)
        return err_conflict(k, w->name,
                            "the object has been modified; please apply your changes to the latest "
                            "version and try again");
    w->old = object_parse(w->a, arena_dup(w->a, current->data));
    e = write_update_steps(w);
    return e ? e : write_put(w, current, revision, ret, &u->reply);
}

static void update_run(void *ctx, struct err *e);

static void replaced(void *ctx, struct err *e, const struct obj *result)
{
    struct update *u = ctx;
    struct write *w = &u->w;

    write_settled(w, !e);
    if (answers_wait(w->answers, e, update_run, u))
        return;
    if (e)
        reply_error(w->req, e);
    else
        reply_object(w->req, u->created ? 201 : 200, w->kind, u->reply.n ? u->reply : result->data);
}

static void update_run(void *ctx, struct err *e)
{
    struct update *u = ctx;
    struct write *w = &u->w;

    if (e) {
        reply_error(w->req, e);
        return;
    }
    answers_begin(w->answers);
    if (w->answers) {
        w->obj = json_new(w->a, json_copy(w->a, u->given));
        w->old = NULL;
        u->created = false;
        u->reply = S("");
    }
    store_update(w->api->store, kind_key(w->kind, w->ns, w->name), replace, replaced, u);
    quota_written(w);
}

static struct err *check_identity(struct req *q, struct json *obj)
{
    struct json *meta = meta_of(q->a, obj);
    str name = json_str(json_findz(meta, "name")), ns = json_str(json_findz(meta, "namespace"));
    bool namespaced = q->route.kind->r->namespaced;

    if (namespaced && !ns.n)
        json_setz(q->a, meta, "namespace", json_string(q->route.ns));
    else if (!namespaced)
        json_removez(meta, "namespace"); /* means nothing here */
    else if (!str_eq(ns, q->route.ns))
        return err_other_namespace();
    return check_url_name(name, q->route.name);
}

void verb_update(struct req *q)
{
    struct update *u = ARENA_NEW(q->a, struct update);
    const struct kind *k = q->route.kind;
    struct json *obj;
    struct err *e;

    e = write_options_parse(q, "UpdateOptions");
    if (!e)
        e = body_decode(q, k, k->r->type, k->r->group, k->r->version, k->r->kind, &obj);
    if (!e)
        e = check_identity(q, obj);
    if (e) {
        reply_error(q, e);
        return;
    }
    u->w = (struct write){.api = q->api,
                          .req = q,
                          .a = q->a,
                          .kind = k,
                          .ns = q->route.ns,
                          .name = q->route.name,
                          .subresource = q->route.subresource,
                          .obj = obj,
                          .dry_run = q->wo.dry_run,
                          .now = loop_wall(q->api->loop)};
    u->w.answers = answers_new(q, k, q->route.subresource, ADMIT_UPDATE,
                               k->hooks->flags & KIND_CREATE_ON_UPDATE && !q->route.subresource.n
                                   ? ADMIT_CREATE
                                   : ADMIT_UPDATE);
    u->w.a = answers_arena(u->w.answers, q);
    if (u->w.answers)
        u->given = json_new(q->a, json_copy(q->a, obj));
    update_run(u, NULL);
}
