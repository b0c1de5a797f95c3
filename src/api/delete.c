/* delete.c - DELETE of one object and of collections.
 *
 * Deleting is a decision about the newest version (delete_decide): mark it with a grace period
 * (pods), mark it because finalizers are pending or asked for by the propagation policy, or end it.
 * API: https://kubernetes.io/docs/concepts/architecture/garbage-collection/,
 * k8s.io/apiserver/pkg/registry/{rest/delete.go,generic/registry/store.go} */
#include "api/crd.h"
#include "api/dynamic/dynamic.h"

/* ---- options ---- */

static struct err *wrong_type(const struct json *v, const char *field, const char *want)
{
    return err_new(REASON_BAD_REQUEST,
                   "json: cannot unmarshal %s into Go struct field DeleteOptions.%s of type %s",
                   json_word(v), field, want);
}

static struct err *from_body(struct req *q, struct delete_options *o, struct json *dry)
{
    struct json *v = NULL, *f;
    str kind, api_version;
    struct err *e = body_parse(q, NULL, &v);

    if (e) {
        struct err *out;

        if (e->reason == REASON_UNSUPPORTED_MEDIA)
            return e;
        out = err_new(REASON_BAD_REQUEST, "couldn't get version/kind; json parse error: %s",
                      err_text(e));
        err_free(e);
        return out;
    }
    if (!json_is(v, JSON_OBJECT) && !json_is(v, JSON_NULL))
        return err_new(
            REASON_BAD_REQUEST,
            "couldn't get version/kind; json parse error: json: cannot unmarshal %s into "
            "Go value of type " GO_TYPE_META,
            json_word(v));
    kind = json_str(json_findz(v, "kind"));
    api_version = json_str(json_findz(v, "apiVersion"));
    if (kind.n && !str_is(kind, "DeleteOptions"))
        return err_new(
            REASON_BAD_REQUEST,
            "no kind \"" PRI_STR "\" is registered for version \"" PRI_STR "\" in scheme "
            "\"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\"",
            STR_ARG(kind), STR_ARG(api_version.n ? api_version : S("v1")));
    f = json_findz(v, "gracePeriodSeconds");
    if (f && f->type != JSON_NULL) {
        if (f->type != JSON_INT)
            return wrong_type(f, "gracePeriodSeconds", "int64");
        o->has_grace = true;
        o->grace_s = f->i;
    }
    f = json_findz(v, "orphanDependents");
    if (f && f->type != JSON_NULL) {
        if (f->type != JSON_BOOL)
            return wrong_type(f, "orphanDependents", "bool");
        o->has_orphan = true;
        o->orphan = f->b;
    }
    f = json_findz(v, "propagationPolicy");
    if (f && f->type != JSON_NULL && f->type != JSON_STRING)
        return wrong_type(f, "propagationPolicy", "v1.DeletionPropagation");
    o->propagation = json_str(f);
    f = json_findz(v, "preconditions");
    if (f && f->type != JSON_NULL && f->type != JSON_OBJECT)
        return wrong_type(f, "preconditions", "v1.Preconditions");
    f = json_findz(v, "dryRun");
    if (f && f->type != JSON_NULL && f->type != JSON_ARRAY)
        return wrong_type(f, "dryRun", "[]string");
    f = json_at(v, "preconditions", "uid", NULL);
    o->has_uid = json_is(f, JSON_STRING);
    o->uid = json_str(f);
    f = json_at(v, "preconditions", "resourceVersion", NULL);
    o->has_rv = json_is(f, JSON_STRING);
    o->resource_version = json_str(f);
    JSON_EACH(d, json_findz(v, "dryRun"))
        json_append(q->a, dry, *d);
    return NULL;
}

struct err *delete_options_parse(struct req *q, struct delete_options *o)
{
    struct err *e, *errs = NULL;
    struct json dry = json_array();
    bool given;
    str v;

    *o = (struct delete_options){.propagation = S("")};
    e = query_int(q, "gracePeriodSeconds", &o->grace_s, &o->has_grace);
    if (e)
        return e;
    if (q->ex->req.body.n) {
        e = from_body(q, o, &dry);
        if (e)
            return e;
    }
    /* Query parameters count where the body says nothing. */
    if (!o->has_grace) {
        e = query_int(q, "gracePeriodSeconds", &o->grace_s, &o->has_grace);
        if (e)
            return e;
    }
    if (!o->propagation.n)
        o->propagation = query_str(q, "propagationPolicy");
    if (!o->has_orphan) {
        o->orphan = query_bool(q, "orphanDependents", &given);
        o->has_orphan = given;
    }
    v = query_str(q, "dryRun");
    if (v.n)
        json_append(q->a, &dry, json_string(v));
    JSON_EACH(d, &dry) {
        if (str_is(json_str(d), "All"))
            o->dry_run = true;
        else {
            struct buf b = BUF_INIT;

            json_encode(&b, &dry);
            cause(&errs, CAUSE_NOT_SUPPORTED, S("dryRun"),
                  "Unsupported value: %s: supported values: \"All\"", buf_cstr(&b));
            buf_fini(&b);
            break;
        }
    }
    if (o->propagation.n) {
        struct buf b = BUF_INIT;

        buf_quoted(&b, o->propagation);
        if (o->has_orphan)
            cause(&errs, CAUSE_INVALID, S("propagationPolicy"),
                  "Invalid value: %s: orphanDependents and deletionPropagation cannot be both set",
                  buf_cstr(&b));
        else if (!str_is(o->propagation, "Foreground") && !str_is(o->propagation, "Background") &&
                 !str_is(o->propagation, "Orphan"))
            cause(&errs, CAUSE_NOT_SUPPORTED, S("propagationPolicy"),
                  "Unsupported value: %s: supported values: \"Foreground\", \"Background\", "
                  "\"Orphan\", \"nil\"",
                  buf_cstr(&b));
        buf_fini(&b);
    }
    /* A negative period means one second, as short as can be without force. */
    if (o->has_grace && o->grace_s < 0)
        o->grace_s = 1;
    return err_invalid(errs, S("meta.k8s.io"), S("DeleteOptions"), S(""));
}

/* ---- the decision ---- */

static bool has_item(const struct json *arr, const char *s)
{
    JSON_EACH(i, arr)
        if (str_is(json_str(i), s))
            return true;
    return false;
}

static bool wants_orphan(const struct kind *k, const struct json *fin,
                         const struct delete_options *o)
{
    if (k->hooks->flags & KIND_NO_GARBAGE_COLLECTION)
        return false;
    if (o->has_orphan)
        return o->orphan;
    if (o->propagation.n)
        return str_is(o->propagation, "Orphan");
    if (has_item(fin, "orphan"))
        return true;
    if (has_item(fin, "foregroundDeletion"))
        return false;
    return k->hooks->flags & KIND_ORPHAN_BY_DEFAULT;
}

static bool wants_foreground(const struct kind *k, const struct json *fin,
                             const struct delete_options *o)
{
    if ((k->hooks->flags & KIND_NO_GARBAGE_COLLECTION) || o->has_orphan)
        return false;
    if (o->propagation.n)
        return str_is(o->propagation, "Foreground");
    return has_item(fin, "foregroundDeletion") && !has_item(fin, "orphan");
}

/* Propagation lives in two finalizers that the garbage collector works off. */
static void set_gc_finalizers(struct arena *a, const struct kind *k, struct json *meta,
                              const struct delete_options *o)
{
    const struct json *fin = json_findz(meta, "finalizers");
    struct json next = json_array();
    bool orphan = wants_orphan(k, fin, o), foreground = wants_foreground(k, fin, o);

    if (orphan == has_item(fin, "orphan") && foreground == has_item(fin, "foregroundDeletion"))
        return;
    JSON_EACH(f, fin)
        if (!str_is(json_str(f), "orphan") && !str_is(json_str(f), "foregroundDeletion"))
            json_append(a, &next, *f);
    if (orphan)
        json_append(a, &next, json_z("orphan"));
    if (foreground)
        json_append(a, &next, json_z("foregroundDeletion"));
    if (next.n)
        json_setz(a, meta, "finalizers", next);
    else
        json_removez(meta, "finalizers");
}

static void bump(struct arena *a, struct json *meta)
{
    int64_t g = json_get_int(meta, "generation", 0);

    if (g > 0)
        json_setz(a, meta, "generation", json_int(g + 1));
}

static void mark(struct arena *a, struct json *meta, wall_time when, int64_t grace_s)
{
    json_setz(a, meta, "deletionTimestamp", json_string(now_text(a, when)));
    json_setz(a, meta, "deletionGracePeriodSeconds", json_int(grace_s));
}

/* How long a pod may take: asked for, else its own; not at all when nothing runs. */
static int64_t pod_grace(const struct json *pod, const struct delete_options *o)
{
    str phase = json_get_str(pod, "status.phase");
    int64_t s =
        o->has_grace ? o->grace_s : json_get_int(pod, "spec.terminationGracePeriodSeconds", 0);

    if (!json_get_str(pod, "spec.nodeName").n || str_is(phase, "Failed") ||
        str_is(phase, "Succeeded"))
        return 0;
    return s < 0 ? 1 : s;
}

static struct err *preconditions(struct req *q, const struct kind *k, const struct obj *current,
                                 const struct delete_options *o)
{
    struct err *e;
    int64_t rv;

    (void)q;
    if (o->has_uid && !str_eq(o->uid, current->uid)) {
        e = err_new(REASON_CONFLICT,
                    "Operation cannot be fulfilled on " PRI_STR "%s" PRI_STR " \"" PRI_STR
                    "\": the UID in the precondition (" PRI_STR
                    ") does not match the UID in record (" PRI_STR
                    "). The object might have been deleted and then recreated",
                    STR_ARG(k->r->kind), k->r->group.n ? "." : "", STR_ARG(k->r->group),
                    STR_ARG(current->key.name), STR_ARG(o->uid), STR_ARG(current->uid));
        return err_details(e, k->r->group, k->r->kind, current->key.name);
    }
    if (o->has_rv && (!str_to_int64(o->resource_version, &rv) || rv != current->revision)) {
        e = err_new(REASON_CONFLICT,
                    "Operation cannot be fulfilled on " PRI_STR "%s" PRI_STR " \"" PRI_STR
                    "\": the ResourceVersion in the precondition (" PRI_STR
                    ") does not match the ResourceVersion in record (%lld). The object might have "
                    "been modified",
                    STR_ARG(k->r->kind), k->r->group.n ? "." : "", STR_ARG(k->r->group),
                    STR_ARG(current->key.name), STR_ARG(o->resource_version),
                    (long long)current->revision);
        return err_details(e, k->r->group, k->r->kind, current->key.name);
    }
    return NULL;
}

/* An eviction says so in the pod's conditions, for those who come after. */
static void mark_evicted(struct arena *a, struct json *pod, wall_time now)
{
    struct json *list = json_make(a, pod, "status.conditions", JSON_ARRAY), c = json_object();

    JSON_EACH(x, list)
        if (str_is(json_get_str(x, "type"), "DisruptionTarget"))
            return;
    json_setz(a, &c, "type", json_z("DisruptionTarget"));
    json_setz(a, &c, "status", json_z("True"));
    json_setz(a, &c, "lastTransitionTime", json_string(now_text(a, now)));
    json_setz(a, &c, "reason", json_z("EvictionByEvictionAPI"));
    json_setz(a, &c, "message", json_z("Eviction API: evicting"));
    json_append(a, list, c);
}

/* Nothing holds the object, nothing is to be noted in it: it ends as it is. Most deletions are so, and need no tree. */
static bool ends_as_it_is(const struct kind *k, const struct obj *current,
                          const struct delete_options *o)
{
    return !k->r->custom && !k->hooks->release && !o->evicted && !wants_orphan(k, NULL, o) &&
           !wants_foreground(k, NULL, o) && str_find(current->data, S("\"finalizers\":")) < 0;
}

static void end_as_it_is(struct arena *a, const struct obj *current, int64_t revision,
                         const struct delete_options *o, struct store_change *ret, str *ret_reply)
{
    *ret = (struct store_change){
        .op = o->dry_run ? STORE_KEEP : STORE_DELETE,
        .data = object_with_revision(a, current->data, current->revision, revision),
        .uid = current->uid,
        .labels = current->labels,
        .fields = current->fields};
    if (o->dry_run)
        *ret_reply = arena_dup(a, current->data);
}

struct err *delete_decide(struct req *q, const struct kind *k, struct arena *a,
                          const struct obj *current, int64_t revision,
                          const struct delete_options *o, struct store_change *ret, bool *ret_gone,
                          str *ret_reply)
{
    wall_time now = loop_wall(q->api->loop);
    struct json *obj, *meta;
    const struct json *was;
    bool is_pod = !k->r->group.n && str_is(k->r->plural, "pods"),
         is_namespace = !k->r->group.n && str_is(k->r->plural, "namespaces"),
         is_crd = str_is(k->status_name, "customresourcedefinitions.apiextensions.k8s.io");
    bool graceful = false, changed_nothing = false;
    struct err *e;

    *ret_gone = false;
    *ret_reply = S("");
    e = preconditions(q, k, current, o);
    if (e)
        return e;
    if (!is_pod && !is_namespace && !is_crd && ends_as_it_is(k, current, o)) {
        end_as_it_is(a, current, revision, o, ret, ret_reply);
        *ret_gone = true;
        return NULL;
    }
    obj = object_parse(a, arena_dup(a, current->data));
    meta = meta_of(a, obj);
    was = json_findz(meta, "deletionTimestamp");
    if (o->evicted)
        mark_evicted(a, obj, now);
    if (is_namespace) {
        /* A namespace goes when the controller has emptied it and its spec.finalizers are gone. */
        if (!was) {
            json_setz(a, meta, "deletionTimestamp", json_string(now_text(a, now)));
            json_setz(a, json_make(a, obj, "status", JSON_OBJECT), "phase", json_z("Terminating"));
            set_gc_finalizers(a, k, meta, o);
        } else if (json_count(json_at(obj, "spec", "finalizers", NULL)))
            changed_nothing = true;
        if (json_count(json_at(obj, "spec", "finalizers", NULL)) ||
            json_count(json_findz(meta, "finalizers")))
            graceful = true;
    } else if (is_pod) {
        int64_t old_grace = json_get_int(meta, "deletionGracePeriodSeconds", 0);

        if (was && old_grace > 0) {
            if (o->has_grace && o->grace_s < old_grace) {
                wall_time t = now;

                rfc3339_parse(json_str(was), &t);
                t.ns += (o->grace_s - old_grace) * NS_PER_S;
                mark(a, meta, t, o->grace_s);
                graceful = o->grace_s > 0;
            } else
                graceful = changed_nothing = true;
        } else if (!was) {
            int64_t grace = pod_grace(obj, o);

            bump(a, meta);
            mark(a, meta, (wall_time){now.ns + grace * NS_PER_S}, grace);
            graceful = grace > 0;
        }
        if (!changed_nothing)
            set_gc_finalizers(a, k, meta, o);
    } else if (is_crd) {
        /* A definition goes after its instances. */
        if (!was) {
            set_gc_finalizers(a, k, meta, o);
            crd_mark_deleted(a, obj, now);
            meta = meta_of(a, obj);
        }
        graceful = json_count(json_findz(meta, "finalizers")) > 0;
        changed_nothing = graceful && was;
    } else
        set_gc_finalizers(a, k, meta, o);
    if (!changed_nothing && !is_namespace && json_count(json_findz(meta, "finalizers"))) {
        if (!json_findz(meta, "deletionTimestamp")) {
            bump(a, meta);
            mark(a, meta, now, 0);
        }
        graceful = true;
    }
    e = object_store(a, k, obj, revision, ret);
    if (e)
        return e;
    *ret_gone = !graceful;
    if (changed_nothing || o->dry_run) {
        ret->op = STORE_KEEP;
        *ret_reply = object_with_revision(a, ret->data, revision, current->revision);
    } else if (graceful) {
        /* Marked already and nothing more to say: leave it alone. */
        str same = object_with_revision(a, ret->data, revision, current->revision);

        ret->op = str_eq(same, current->data) ? STORE_KEEP : STORE_PUT;
        if (ret->op == STORE_KEEP)
            *ret_reply = same;
    } else {
        ret->op = STORE_DELETE;
        if (k->hooks->release)
            return k->hooks->release(q->api, a, obj, revision, ret);
    }
    return NULL;
}

/* ---- one object ---- */

struct deletion {
    struct req *q;
    const struct kind *kind;
    struct delete_options o;
    bool gone;
    str reply, ns, name, uid;
    struct collection *of; /* NULL: a single DELETE */
    struct answers *answers;
    struct arena *a;
};

/* Webhooks and policies see what goes; of a collection's members not the name, as in Kubernetes. */
static struct err *admit_removal(struct deletion *d, const struct obj *current)
{
    bool is_namespace = !d->kind->r->group.n && str_is(d->kind->r->plural, "namespaces");
    struct attributes t = {.req = d->q,
                           .a = d->a,
                           .kind = d->kind,
                           .ns = is_namespace ? d->name : d->ns,
                           .name = d->of ? S("") : d->name,
                           .op = ADMIT_DELETE,
                           .old = object_parse(d->a, arena_dup(d->a, current->data)),
                           .deletion = &d->o,
                           .dry_run = d->o.dry_run,
                           .answers = d->answers};
    struct delete_options o = d->o;
    struct err *e;

    /* How long a pod may take is worked out by then, and told. */
    if (!d->kind->r->group.n && str_is(d->kind->r->plural, "pods") &&
        !json_at(t.old, "metadata", "deletionTimestamp", NULL)) {
        o.grace_s = pod_grace(t.old, &d->o);
        o.has_grace = true;
        t.deletion = &o;
    }
    e = dynamic_mutate(&t, NULL, NULL);
    return e ? e : dynamic_validate(&t);
}

static struct err *remove_current(void *ctx, struct arena *a, const struct obj *current,
                                  int64_t revision, struct store_change *ret)
{
    struct deletion *d = ctx;
    struct err *e;

    (void)a;
    if (!current)
        return err_not_found(d->kind, d->name);
    e = admission_delete(d->q, d->kind, d->name, !d->of);
    if (e)
        return e;
    d->uid = arena_dup(d->a, current->uid);
    e = delete_decide(d->q, d->kind, d->a, current, revision, &d->o, ret, &d->gone, &d->reply);
    /* What is on its way already, and stays so, is not asked about again. */
    if (!e && d->answers && (ret->op != STORE_KEEP || d->o.dry_run))
        e = admit_removal(d, current);
    return e;
}

static void settle(struct deletion *d, const struct obj *result)
{
    if (d->gone && !d->o.dry_run && result && d->kind->hooks->settled)
        d->kind->hooks->settled(
            d->q->api, NULL, object_parse(d->q->a, arena_dup(d->q->a, result->data)), true, false);
}

static void remove_run(void *ctx, struct err *e);

static void removed(void *ctx, struct err *e, const struct obj *result)
{
    struct deletion *d = ctx;
    struct req *q = d->q;
    int code = 200;

    if (answers_wait(d->answers, e, remove_run, d))
        return;
    if (e) {
        reply_error(q, e);
        return;
    }
    settle(d, result);
    if (!d->gone && d->o.has_orphan && !d->o.orphan)
        code = 202;
    if (d->gone && !(d->kind->hooks->flags & KIND_RETURN_DELETED)) {
        q->accept.as = AS_OBJECT;
        reply_status_ok(q, code, d->kind, d->name, d->uid);
    } else
        reply_object(q, code, d->kind, d->reply.n ? d->reply : result->data);
}

static void remove_run(void *ctx, struct err *e)
{
    struct deletion *d = ctx;

    if (e) {
        reply_error(d->q, e);
        return;
    }
    answers_begin(d->answers);
    store_update(d->q->api->store, kind_key(d->kind, d->ns, d->name), remove_current, removed, d);
}

void verb_delete(struct req *q)
{
    struct deletion *d = ARENA_NEW(q->a, struct deletion);
    struct err *e = delete_options_parse(q, &d->o);

    if (e) {
        reply_error(q, e);
        return;
    }
    d->q = q;
    d->kind = q->route.kind;
    d->ns = q->route.ns;
    d->name = q->route.name;
    if ((d->kind->hooks->flags & KIND_ORPHAN_BY_DEFAULT) && str_is(d->kind->r->group, "batch") &&
        !d->o.has_orphan && !d->o.propagation.n)
        req_warn(q, S("child pods are preserved by default when jobs are deleted; set "
                      "propagationPolicy=Background to remove them or set propagationPolicy=Orphan "
                      "to suppress this warning"));
    d->answers = answers_new(q, d->kind, S(""), ADMIT_DELETE, ADMIT_DELETE);
    d->a = answers_arena(d->answers, q);
    remove_run(d, NULL);
}

/* ---- collections: all that match now are deleted; the answer is the list of what they were ----
 *
 * Twenty thousand objects would hold the loop for seconds, so they go in slices: the next begins a turn after the one
 * before is on disk, and what others write meanwhile shares its commits. It ends at the first refusal, and when the client
 * has gone. */

#define COLLECTION_SLICE 64 /* deletions at a time: some two milliseconds */

struct collection {
    struct req *q;
    struct listing *list;
    size_t next; /* member */
    size_t open; /* deletions of this slice, and one for who is making it */
    struct err *failed;
    struct deletion *one; /* where webhooks are asked: members go one after the other */
    struct delete_options o;
};

static void collection_done(struct collection *c)
{
    if (!c->failed) {
        list_reply(c->list);
        return;
    }
    list_drop(c->list);
    reply_error(c->q, c->failed);
}

/* Owns e. Somebody who was faster is no failure; of several the first is told. */
static void collection_failed(struct collection *c, struct err *e)
{
    if (e->reason == REASON_NOT_FOUND || c->failed)
        err_free(e);
    else
        c->failed = e;
}

/* The next member, or NULL: that was the end. */
static const struct obj *collection_next(struct collection *c)
{
    return c->failed || c->q->ex->gone ? NULL : list_object(c->list, c->next);
}

/* ---- nobody has to be asked: a slice at a time ---- */

static void slice_run(void *ctx);

static void slice_end(struct collection *c)
{
    if (--c->open)
        return;
    if (collection_next(c))
        loop_defer(c->q->api->loop, slice_run, c);
    else
        collection_done(c);
}

static void member_removed(void *ctx, struct err *e, const struct obj *result)
{
    struct deletion *d = ctx;
    struct collection *c = d->of;

    if (e)
        collection_failed(c, e);
    else
        settle(d, result);
    mem_free(d);
    slice_end(c);
}

/* What the decision needs for a moment lives in the store's arena: ten thousand of them would be a gigabyte in the request's. */
static struct err *remove_member(void *ctx, struct arena *a, const struct obj *current,
                                 int64_t revision, struct store_change *ret)
{
    struct deletion *d = ctx;
    struct err *e;

    d->a = a;
    e = remove_current(d, a, current, revision, ret);
    d->a = NULL;
    d->uid = d->reply = S("");
    return e;
}

static void slice_run(void *ctx)
{
    struct collection *c = ctx;
    const struct kind *k = c->q->route.kind;
    const struct obj *o;

    c->open = 1;
    while (c->open <= COLLECTION_SLICE && (o = collection_next(c))) {
        struct deletion *d = NEW(struct deletion);

        *d = (struct deletion){
            .q = c->q, .kind = k, .o = c->o, .ns = o->key.ns, .name = o->key.name, .of = c};
        c->next++;
        c->open++;
        store_update(c->q->api->store, kind_key(k, d->ns, d->name), remove_member, member_removed,
                     d);
    }
    slice_end(c);
}

/* ---- with webhooks: the next member when this one is gone, until one is refused ---- */

static void next_run(void *ctx, struct err *e);

static void next_begin(struct collection *c)
{
    struct deletion *d = c->one;
    const struct obj *o = collection_next(c);

    if (!o) {
        collection_done(c);
        return;
    }
    d->ns = o->key.ns;
    d->name = o->key.name;
    d->gone = false;
    d->reply = S("");
    c->next++;
    answers_forget(d->answers);
    next_run(c, NULL);
}

static void next_removed(void *ctx, struct err *e, const struct obj *result)
{
    struct collection *c = ctx;
    struct deletion *d = c->one;

    if (answers_wait(d->answers, e, next_run, c))
        return;
    if (e)
        collection_failed(c, e);
    else
        settle(d, result);
    next_begin(c);
}

static struct err *remove_next(void *ctx, struct arena *a, const struct obj *current,
                               int64_t revision, struct store_change *ret)
{
    struct collection *c = ctx;

    return remove_current(c->one, a, current, revision, ret);
}

static void next_run(void *ctx, struct err *e)
{
    struct collection *c = ctx;
    struct deletion *d = c->one;

    if (e) {
        c->failed = e;
        collection_done(c);
        return;
    }
    answers_begin(d->answers);
    store_update(c->q->api->store, kind_key(d->kind, d->ns, d->name), remove_next, next_removed, c);
}

static void collection_found(void *ctx, struct listing *list)
{
    struct collection *c = ctx;
    struct req *q = c->q;
    struct answers *answers = answers_new(q, q->route.kind, S(""), ADMIT_DELETE, ADMIT_DELETE);

    c->list = list;
    if (!answers) {
        slice_run(c);
        return;
    }
    c->one = ARENA_NEW(q->a, struct deletion);
    *c->one = (struct deletion){.q = q,
                                .kind = q->route.kind,
                                .o = c->o,
                                .of = c,
                                .answers = answers,
                                .a = answers_arena(answers, q)};
    next_begin(c);
}

void verb_deletecollection(struct req *q)
{
    struct collection *c = ARENA_NEW(q->a, struct collection);
    struct err *e = delete_options_parse(q, &c->o);

    if (e) {
        reply_error(q, e);
        return;
    }
    c->q = q;
    list_find(q, collection_found, c);
}
