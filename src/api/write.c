/* write.c - the steps every write shares, in Kubernetes' order.
 *
 * defaults -> what this endpoint does not own goes back to what it was -> managedFields ->
 * admission that changes -> the kind's preparation -> generation -> validation -> admission that
 * only looks -> canonical bytes. managedFields are worked out before admission: what admission adds
 * belongs to nobody.
 *
 * Everything here runs inside the store's update function (for creates: before it), sees the newest
 * version, and never waits. Where a webhook has to be asked first, the steps end with an error, and
 * run again from their beginning once it has answered (dynamic/dynamic.h). */
#include "api/admission.h"
#include "api/crd.h"
#include "api/dynamic/dynamic.h"
#include "api/hooks.h"

static void take_managers(struct write *w, const struct json *from)
{
    const struct json *managers = json_at(from, "metadata", "managedFields", NULL);

    if (managers)
        json_setz(w->a, meta_of(w->a, w->obj), "managedFields", *managers);
    else
        json_removez(meta_of(w->a, w->obj), "managedFields");
}

/* A version that is not stored: what its writer owns is what he would see, after the stored
 * version's defaults. */
static struct err *track_round_trip(struct write *w, const struct apply_options *o)
{
    struct json *seen = json_new(w->a, json_copy(w->a, w->obj));
    struct err *e = object_to_storage(w->req, w->a, w->kind, seen);

    if (e)
        return e;
    schema_default(w->a, w->kind->storage->r, seen);
    e = object_to_served(w->req, w->a, w->kind, seen);
    if (!e)
        e = apply_track_update(w->a, w->kind->r, w->old, seen, o);
    if (!e)
        take_managers(w, seen);
    return e;
}

/* w->obj and w->old are in the served version here: managers own fields by the names they use. */
struct err *write_track(struct write *w, str manager, str subresource)
{
    const struct apply_options o = {.manager = manager,
                                    .subresource = subresource,
                                    .api_version = w->kind->api_version,
                                    .now = w->now};
    str rest = str_of(w->kind->hooks->untracked), name;
    struct json stripped, old;
    struct err *e;

    if (w->kind->storage != w->kind)
        return track_round_trip(w, &o);
    if (!rest.n)
        return apply_track_update(w->a, w->kind->r, w->old, w->obj, &o);
    /* What the server decides by itself belongs to nobody: track a copy without it. */
    stripped = json_share(w->a, w->obj);
    if (w->old)
        old = json_share(w->a, w->old);
    while (str_cut(&rest, ' ', &name)) {
        json_remove(&stripped, name);
        if (w->old)
            json_remove(&old, name);
    }
    if (str_is(subresource, "approval"))
        json_removez(&stripped, "status");
    e = apply_track_update(w->a, w->kind->r, w->old ? &old : NULL, &stripped, &o);
    if (e)
        return e;
    take_managers(w, &stripped);
    return NULL;
}

static void put_back(struct write *w, const char *field)
{
    const struct json *v = json_findz(w->old, field);

    if (v)
        json_setz(w->a, w->obj, field, json_share(w->a, v));
    else
        json_removez(w->obj, field);
}

/* status belongs to the status endpoint alone. */
static void reset_for_create(struct write *w)
{
    if (w->kind->has_status && !(w->kind->hooks->flags & KIND_STATUS_ON_CREATE))
        json_removez(w->obj, "status");
}

static bool is_frame(str key)
{
    return str_is(key, "metadata") || str_is(key, "kind") || str_is(key, "apiVersion");
}

/* Everything but metadata and `kept` as it was. */
static void put_back_all(struct write *w, const char *kept)
{
    JSON_EACH_MEMBER(m, w->old)
        if (!is_frame(m->key) && !(kept && str_is(m->key, kept)))
            json_set(w->a, w->obj, m->key, json_share(w->a, &m->value));
    for (uint32_t i = 0; i < json_count(w->obj);) {
        str key = w->obj->members[i].key;

        if (!is_frame(key) && !(kept && str_is(key, kept)) && !json_find(w->old, key))
            json_remove(w->obj, key);
        else
            i++;
    }
}

/* A view owns single paths: the old object with just these taken over. */
static void take_paths(struct write *w, const char *paths)
{
    struct json *taken = json_new(w->a, json_copy(w->a, w->old)),
                *meta = json_findz(w->obj, "metadata");
    str rest = str_of(paths), path;

    while (str_cut(&rest, ' ', &path)) {
        char *dotted = arena_dupz(w->a, path);
        const struct json *v = json_path(w->obj, dotted);
        str parent = path;
        ptrdiff_t dot = str_rindex(path, '.');

        if (v)
            *json_make(w->a, taken, dotted, v->type) = json_share(w->a, v);
        else if (dot > 0) {
            parent = str_slice(path, 0, (size_t)dot);
            json_remove(json_path(taken, arena_dupz(w->a, parent)),
                        str_skip(path, (size_t)dot + 1));
        }
    }
    /* Views of the whole object take its new metadata, too; views of a part only the field
     * managers. */
    if (meta && (str_is(w->subresource, "finalize") || str_is(w->subresource, "approval")))
        json_setz(w->a, taken, "metadata", *meta);
    else if (json_findz(meta, "managedFields"))
        json_setz(w->a, json_findz(taken, "metadata"), "managedFields",
                  *json_findz(meta, "managedFields"));
    w->obj = taken;
}

/* Of a custom resource the status endpoint takes status alone, no metadata. */
static void put_back_metadata(struct write *w)
{
    const struct json *old = json_findz(w->old, "metadata"),
                      *managers = json_findz(json_findz(w->obj, "metadata"), "managedFields");
    struct json meta = json_share(w->a, old);

    if (managers)
        json_setz(w->a, &meta, "managedFields", *managers);
    json_setz(w->a, w->obj, "metadata", meta);
}

/* What this endpoint does not own goes back to what it was. */
static void reset_for_update(struct write *w)
{
    const char *owns =
        w->subresource.n ? subresource_owns(w->kind->r->plural, w->subresource) : NULL;

    if (str_is(w->subresource, "status")) {
        put_back_all(w, "status");
        if (w->kind->r->custom)
            put_back_metadata(w);
    } else if (owns)
        take_paths(w, owns);
    else if (w->kind->has_status)
        put_back(w, "status");
}

/* Custom objects are held against the schema of the version that was spoken. */
static struct err *validate_custom(struct write *w, struct err **errs)
{
    const struct json *old = w->old, *obj = w->obj;
    struct json *now, *was;
    struct err *e = NULL;

    if (w->kind->storage != w->kind) {
        now = json_new(w->a, json_copy(w->a, w->obj));
        e = object_to_served(w->req, w->a, w->kind, now);
        obj = now;
        if (!e && old) {
            was = json_new(w->a, json_copy(w->a, old));
            e = object_to_served(w->req, w->a, w->kind, was);
            old = was;
        }
    }
    if (e)
        return e;
    crd_object_rules(w, obj, old, errs);
    return NULL;
}

static struct err *validate(struct write *w)
{
    struct err *errs = NULL, *e;

    if (w->old)
        meta_validate_update(w, &errs);
    else
        meta_validate(w, &errs);
    if (w->kind->r->custom) {
        e = validate_custom(w, &errs);
        if (e) {
            err_free(errs);
            return e;
        }
    } else
        schema_validate(w->a, w->kind->storage->r->type, w->obj, S(""), &errs);
    if (w->kind->storage->rules)
        w->kind->storage->rules(w, &errs);
    return err_invalid(
        errs, w->kind->storage->r->group, w->kind->r->kind,
        w->name.n ? w->name
                  : meta_str(w->obj, "name")); /* of what is stored: events have no group */
}

/* Fields whose type writes a value even when nothing is set (status.replicas 0 ...) come back after
 * a reset. */
static struct err *complete(struct write *w)
{
    const struct schema_field *f = w->kind->has_status && !w->kind->r->custom
                                       ? schema_find_field(w->kind->storage->r->type, S("status"))
                                       : NULL;
    struct json *status;

    if (!f)
        return NULL;
    status = json_findz(w->obj, "status");
    if (!status)
        status = json_setz(w->a, w->obj, "status", json_object());
    return schema_decode(w->a, f->type, status, NULL);
}

static struct err *in_tree_create(void *ctx)
{
    return admission_create(ctx);
}

static struct err *in_tree_update(void *ctx)
{
    return admission_update(ctx);
}

/* What a client has sent and the steps have put back already. Webhooks and policies that change the
 * object see it as it came. */
struct sent {
    struct json meta, status; /* status: null when there was none */
};

static struct sent keep_sent(struct write *w)
{
    const struct json *status = json_findz(w->obj, "status");

    return (struct sent){json_share(w->a, meta_of(w->a, w->obj)),
                         status ? json_share(w->a, status) : json_null()};
}

static void show_as_sent(struct write *w, const struct sent *s)
{
    static const char *const kept[] = {"uid",          "creationTimestamp",
                                       "generation",   "deletionTimestamp",
                                       "generateName", "deletionGracePeriodSeconds"};
    struct json *meta = meta_of(w->a, w->obj);

    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const struct json *v = json_findz(&s->meta, kept[i]);

        if (v)
            json_setz(w->a, meta, kept[i], *v);
        else
            json_removez(meta, kept[i]);
    }
    if (!w->kind->has_status || w->subresource.n || w->kind->storage != w->kind)
        return;
    if (s->status.type == JSON_NULL)
        json_removez(w->obj, "status");
    else
        json_setz(w->a, w->obj, "status", s->status);
}

/* What makes two references equal, in one text. */
static void owner_text(struct buf *b, const struct json *owner)
{
    static const char *const fields[] = {"apiVersion", "kind",       "name",
                                         "uid",        "controller", "blockOwnerDeletion"};

    buf_clear(b);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct json *v = json_findz(owner, fields[i]);

        if (v)
            json_encode(b, v);
        buf_char(b, ',');
    }
}

/* Equal references count once, and whoever repeats one is warned: before admission for what is sent whole, after it for all.
 * Source: apiserver/pkg/endpoints/handlers/rest.go, dedupOwnerReferencesAndAddWarning(). */
static void dedup_owners(struct write *w, bool after_admission)
{
    struct json *owners = json_at(w->obj, "metadata", "ownerReferences", NULL);
    CLEANUP(buf) struct buf uids = BUF_INIT, text = BUF_INIT;
    struct map seen;
    uint32_t kept = 0;

    if (!w->req || w->bootstrap || json_count(owners) < 2)
        return;
    map_init(&seen);
    for (uint32_t i = 0; i < owners->n; i++) {
        owner_text(&text, &owners->items[i]);
        if (map_put(&seen, buf_view(&text), owners))
            buf_fmt(&uids, "%s" PRI_STR, uids.n ? ", " : "",
                    STR_ARG(json_get_str(&owners->items[i], "uid")));
        else
            owners->items[kept++] = owners->items[i];
    }
    map_fini(&seen);
    if (kept == owners->n)
        return;
    owners->n = kept;
    req_warn(w->req,
             arena_fmt(w->a,
                       ".metadata.ownerReferences contains duplicate entries%s; API server dedups "
                       "owner references in 1.20+, and may reject such requests as early as 1.24; "
                       "please fix your requests; duplicate UID(s) observed: %s",
                       after_admission ? " after mutating admission happens" : "",
                       buf_cstr(&uids)));
}

/* The plugins that may change the object, built-in ones first. What they may not change here goes
 * back once more. sent: of an update; NULL: a create. */
static struct err *mutate(struct write *w, const struct sent *sent)
{
    in_tree_fn *in_tree = w->old ? in_tree_update : in_tree_create;
    struct err *e = in_tree(w);
    struct attributes t;

    if (e || !w->answers)
        return e;
    if (sent)
        show_as_sent(w, sent);
    t = write_attributes(w);
    e = dynamic_mutate(&t, in_tree, w);
    if (e)
        return e;
    if (w->old) {
        reset_for_update(w);
        meta_keep_system(w);
    } else {
        reset_for_create(w);
        if (!w->req->route.name.n)
            w->name = meta_str(w->obj, "name");
    }
    return NULL;
}

static struct err *admit_changes(struct write *w, const struct sent *sent)
{
    struct err *e;

    if (!w->req || !str_is(w->req->route.verb, "patch"))
        dedup_owners(w, false);
    e = mutate(w, sent);
    if (!e)
        dedup_owners(w, true);
    return e;
}

/* The last steps of create and update: nothing is changed any more, but by what gives out addresses
 * and ports. */
static struct err *decide(struct write *w)
{
    const struct kind_hooks *h = w->kind->hooks;
    struct err *e = w->bootstrap ? NULL : validate(w);

    if (e)
        return e;
    /* What preparation added is completed as by the decoder of stored objects: unvalidated. */
    if (!w->old)
        schema_default(w->a, w->kind->storage->r, w->obj);
    if (h->warn)
        h->warn(w);
    warnings_add(w);
    if (h->allocate)
        e = h->allocate(w);
    return e ? e : admission_validate(w);
}

/* ---- objects that cannot be stored ----
 * `{}` in a list is two bytes on the wire and hundreds once its defaults and faults are written out: a body of 3 MB held the
 * loop for six seconds and 800 MB. */
#define ITEMS_MAX                                                                                  \
    50000 /* 30 bytes each where 1.5 MiB are stored at most; no real object comes near */

static uint32_t count_items(const struct json *v)
{
    uint32_t n = 0;

    JSON_EACH_MEMBER(m, v)
        n += count_items(&m->value);
    if (v->type == JSON_ARRAY)
        JSON_EACH(i, v)
            n += (i->type == JSON_OBJECT) + count_items(i);
    return n;
}

static struct err *check_items(const struct write *w)
{
    if (w->kind->r->custom || count_items(w->obj) <= ITEMS_MAX)
        return NULL;
    return err_new(REASON_REQUEST_TOO_LARGE, "Request entity too large: limit is %d items of lists",
                   ITEMS_MAX);
}

struct err *write_create_steps(struct write *w)
{
    const struct kind_hooks *h = w->kind->hooks;
    struct err *e = check_items(w);

    if (e)
        return e;
    schema_default(w->a, w->kind->r, w->obj);
    reset_for_create(w);
    if (h->default_extra)
        h->default_extra(w);
    if (!w->applied) {
        e = write_track(w, req_manager(w->req), w->subresource);
        if (e)
            return e;
    }
    schema_settle(w->kind->r->type, w->obj);
    e = object_to_storage(w->req, w->a, w->kind, w->obj);
    if (e)
        return e;
    if (w->kind->storage != w->kind)
        schema_default(w->a, w->kind->storage->r, w->obj);
    e = admit_changes(w, NULL);
    if (e)
        return e;
    if (w->answers) /* what webhooks added has defaults, too */
        schema_default(w->a, w->kind->storage->r, w->obj);
    if (h->admit) {
        e = h->admit(w);
        if (e)
            return e;
    }
    meta_fill_create(w);
    if (h->prepare_create)
        h->prepare_create(w);
    pod_spec_drop(w);
    e = complete(w);
    if (e)
        return e;
    return decide(w);
}

static bool differs(const struct json *a, const struct json *b, str path)
{
    char buf[256];
    const struct json *x, *y;

    if (path.n >= sizeof buf)
        return true;
    memcpy(buf, path.p, path.n);
    buf[path.n] = 0;
    x = json_path(a, buf);
    y = json_path(b, buf);
    if (!x || !y)
        return x != y;
    return !json_equal(x, y);
}

/* Everything but metadata is the generation's, and status where it has an endpoint of its own. */
static bool custom_differs(const struct write *w)
{
    for (int pass = 0; pass < 2; pass++) {
        const struct json *x = pass ? w->old : w->obj, *y = pass ? w->obj : w->old;

        JSON_EACH_MEMBER(m, x) {
            const struct json *o;

            if (is_frame(m->key) || (w->kind->has_status && str_is(m->key, "status")))
                continue;
            o = json_find(y, m->key);
            if (!o || !json_equal(o, &m->value))
                return true;
        }
    }
    return false;
}

static void bump_generation(struct write *w)
{
    str paths = str_of(w->kind->hooks->generation_of ? w->kind->hooks->generation_of : "spec"),
        path;

    if (!(w->kind->hooks->flags & KIND_GENERATION) || str_is(w->subresource, "status"))
        return;
    while (str_cut(&paths, ' ', &path))
        if (w->kind->r->custom ? custom_differs(w) : differs(w->obj, w->old, path)) {
            struct json *meta = meta_of(w->a, w->obj);

            json_setz(w->a, meta, "generation", json_int(json_get_int(meta, "generation", 0) + 1));
            return;
        }
}

/* The stored object in the version the client speaks, for the steps that compare what clients say.
 */
static struct err *old_as_served(struct write *w)
{
    struct json *copy;

    if (w->kind->storage == w->kind)
        return NULL;
    copy = json_new(w->a, json_copy(w->a, w->old));
    w->old = copy;
    return object_to_served(w->req, w->a, w->kind, copy);
}

struct err *write_update_steps(struct write *w)
{
    const struct kind_hooks *h = w->kind->hooks;
    const struct json *stored = w->old;
    /* Here Kubernetes notes what the client said before it drops what does not belong here. */
    bool resets_late = str_is(w->subresource, "ephemeralcontainers");
    struct sent sent = {.status = json_null()};
    struct err *e;

    e = check_items(w);
    if (!e)
        e = old_as_served(w);
    if (e)
        return e;
    schema_default(w->a, w->kind->r, w->obj);
    if (w->answers)
        sent = keep_sent(w);
    if (!resets_late)
        reset_for_update(w);
    meta_keep_system(w);
    if (h->default_extra)
        h->default_extra(w);
    if (!w->applied) {
        e = write_track(w, req_manager(w->req), w->subresource);
        if (e)
            return e;
    }
    if (resets_late)
        reset_for_update(w);
    schema_settle(w->kind->r->type, w->obj);
    w->old = stored;
    e = object_to_storage(w->req, w->a, w->kind, w->obj);
    if (e)
        return e;
    e = admit_changes(w, &sent);
    if (e)
        return e;
    if (h->admit) {
        e = h->admit(w);
        if (e)
            return e;
    }
    if (str_is(w->subresource, "status")) {
        if (h->prepare_status)
            h->prepare_status(w);
    } else if (h->prepare_update)
        h->prepare_update(w);
    pod_spec_drop(w);
    e = complete(w);
    if (e)
        return e;
    schema_default(w->a, w->kind->storage->r, w->obj);
    bump_generation(w);
    return decide(w);
}

/* Equal but for the digits of resourceVersion? */
static bool same_but_revision(str a, str b)
{
    static const str mark = STR("\"resourceVersion\":\"");
    ptrdiff_t x = str_find(a, mark), y = str_find(b, mark);

    if (x < 0 || x != y || memcmp(a.p, b.p, (size_t)x))
        return false;
    a = str_skip(a, (size_t)x + mark.n);
    b = str_skip(b, (size_t)x + mark.n);
    x = str_index(a, '"');
    y = str_index(b, '"');
    return x >= 0 && y >= 0 && str_eq(str_skip(a, (size_t)x), str_skip(b, (size_t)y));
}

/* The last finalizer has gone from an object that was being deleted: then the update is its end. */
static bool ends_object(const struct write *w)
{
    const struct json *old = json_findz(w->old, "metadata"), *meta = json_findz(w->obj, "metadata");

    if (!json_findz(old, "deletionTimestamp") || json_count(json_findz(meta, "finalizers")))
        return false;
    if (json_get_int(old, "deletionGracePeriodSeconds", 0))
        return false;
    if (str_is(w->kind->r->plural, "namespaces") && !w->kind->r->group.n)
        return !json_count(json_at(w->obj, "spec", "finalizers", NULL));
    return json_count(json_findz(old, "finalizers")) > 0;
}

struct err *write_put(struct write *w, const struct obj *current, int64_t revision,
                      struct store_change *ret, str *ret_reply)
{
    bool ends = w->old && current && ends_object(w);
    struct err *e;

    *ret_reply = S("");
    if (w->kind->hooks->claim && !w->dry_run && !ends) {
        e = w->kind->hooks->claim(w, revision, ret);
        if (e)
            return e;
    }
    e = object_store(w->a, w->kind, w->obj, revision, ret);
    if (e)
        return e;
    if (w->dry_run) {
        ret->op = STORE_KEEP;
        /* Nothing was written: a create has no version yet, an update shows the one that stands. */
        if (current)
            *ret_reply = object_with_revision(w->a, ret->data, revision, current->revision);
        else {
            str mark = arena_fmt(w->a, ",\"resourceVersion\":\"%lld\"", (long long)revision);
            ptrdiff_t at = str_find(ret->data, mark);

            *ret_reply = at < 0 ? ret->data
                                : arena_fmt(w->a, PRI_STR PRI_STR,
                                            STR_ARG(str_slice(ret->data, 0, (size_t)at)),
                                            STR_ARG(str_skip(ret->data, (size_t)at + mark.n)));
        }
        return NULL;
    }
    if (ends) {
        ret->op = STORE_DELETE;
        /* The client sees what it wrote; watchers see the last version that was stored, at the
         * deletion's revision. */
        *ret_reply = object_with_revision(w->a, ret->data, revision, current->revision);
        ret->data = object_with_revision(w->a, current->data, current->revision, revision);
        return w->kind->hooks->release
                   ? w->kind->hooks->release(w->api, w->a, w->old, revision, ret)
                   : NULL;
    }
    ret->op = current && same_but_revision(current->data, ret->data) ? STORE_KEEP : STORE_PUT;
    w->stored = ret->op == STORE_PUT;
    return NULL;
}

void write_settled(struct write *w, bool ok)
{
    quota_settled(w);
    if (w->kind->hooks->settled && w->obj)
        w->kind->hooks->settled(w->api, w->obj, w->old, ok && !w->dry_run, w->claimed);
    w->claimed = false;
}
