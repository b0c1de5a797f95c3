/* crd_status.c - what the server writes into definitions: names accepted, conditions, stored versions; and the end of their instances.
 *
 * Invariants
 *   (1) A name in use by another definition of the group is not accepted a second time.
 *   (2) A definition that is deleted goes after its last instance.
 *
 * API: k8s.io/apiextensions-apiserver/pkg/controller/{status,establish,finalizer,apiapproval} */
#include "api/crd_internal.h"
#include "api/crd_rules.h"
#include "schema/crd.h"

struct crd_write {
    struct list link;
    struct crds *crds; /* NULL: the server has ended */
    struct key key;
    struct arena *arena;
    bool instance;
};

/* ---- conditions ---- */

void crd_condition(struct arena *a, struct json *crd, const char *type, bool on, const char *reason,
                   const char *message, wall_time now)
{
    struct json *list = json_make(a, crd, "status.conditions", JSON_ARRAY), *found = NULL;

    JSON_EACH(x, list)
        if (str_is(json_get_str(x, "type"), type))
            found = x;
    if (found && str_is(json_get_str(found, "status"), on ? "True" : "False") &&
        str_is(json_get_str(found, "reason"), reason) &&
        str_is(json_get_str(found, "message"), message))
        return;
    if (!found)
        found = json_append(a, list, json_object());
    if (!str_is(json_get_str(found, "status"), on ? "True" : "False"))
        json_setz(a, found, "lastTransitionTime", json_string(now_text(a, now)));
    json_setz(a, found, "message", json_z(message));
    json_setz(a, found, "reason", json_z(reason));
    json_setz(a, found, "status", json_z(on ? "True" : "False"));
    json_setz(a, found, "type", json_z(type));
}

bool crd_condition_is(const struct json *crd, const char *type)
{
    JSON_EACH(x, json_at(crd, "status", "conditions", NULL))
        if (str_is(json_get_str(x, "type"), type))
            return str_is(json_get_str(x, "status"), "True");
    return false;
}

void crd_mark_deleted(struct arena *a, struct json *crd, wall_time now)
{
    struct json *meta = meta_of(a, crd), *fin;
    bool has = false;

    json_setz(a, meta, "deletionTimestamp", json_string(now_text(a, now)));
    fin = json_findz(meta, "finalizers");
    if (!json_is(fin, JSON_ARRAY))
        fin = json_setz(a, meta, "finalizers", json_array());
    JSON_EACH(f, fin)
        has |= str_is(json_str(f), CRD_FINALIZER);
    if (!has)
        json_append(a, fin, json_z(CRD_FINALIZER));
    crd_condition(
        a, crd, "Terminating", true, "InstanceDeletionPending",
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        now);
}

/* ---- names ---- */

void crd_names_fini(struct crd_names *n)
{
    if (n->arena)
        arena_free(n->arena);
    *n = (struct crd_names){0};
}

void crd_names_fill(struct crd_names *n, const struct json *crd)
{
    struct arena *a = arena_new();
    struct json *accepted =
        json_new(a, json_copy(a, json_at(crd, "status", "acceptedNames", NULL)));

    crd_names_fini(n);
    *n = (struct crd_names){.arena = a,
                            .group = arena_dup(a, json_get_str(crd, "spec.group")),
                            .plural = json_get_str(accepted, "plural"),
                            .singular = json_get_str(accepted, "singular"),
                            .kind = json_get_str(accepted, "kind"),
                            .list_kind = json_get_str(accepted, "listKind"),
                            .short_names = json_findz(accepted, "shortNames"),
                            .conflict = !crd_condition_is(crd, "NamesAccepted")};
}

static bool holds(const struct crd_names *n, str name, bool kinds)
{
    if (kinds)
        return str_eq(n->kind, name) || str_eq(n->list_kind, name);
    if (str_eq(n->plural, name) || str_eq(n->singular, name))
        return true;
    JSON_EACH(s, n->short_names)
        if (str_eq(json_str(s), name))
            return true;
    return false;
}

/* Is the name taken by another definition of the group? kinds: among kinds and list kinds, else among resource names. */
static bool taken(struct crds *c, str self, str group, str name, bool kinds)
{
    MAP_EACH(e, &c->entries) {
        const struct crd_entry *x = e->value;

        if (name.n && str_eq(x->names.group, group) && !str_eq(map_key(e), self) &&
            holds(&x->names, name, kinds))
            return true;
    }
    return false;
}

static str in_use(struct arena *a, str name)
{
    return arena_fmt(a, "\"" PRI_STR "\" is already in use", STR_ARG(name));
}

/* Short names are accepted all or none. */
static bool short_names_fit(struct crds *c, struct arena *a, str self, str group,
                            const struct json *names, const struct json *was, str *ret_why)
{
    unsigned n = 0;
    str all = S("");

    JSON_EACH(s, names) {
        bool ours = false;

        JSON_EACH(w, was)
            ours |= str_eq(json_str(w), json_str(s));
        if (ours || !taken(c, self, group, json_str(s), false))
            continue;
        all =
            n++ ? arena_fmt(a, PRI_STR ", " PRI_STR, STR_ARG(all), STR_ARG(in_use(a, json_str(s))))
                : in_use(a, json_str(s));
    }
    *ret_why = n > 1 ? arena_fmt(a, "[" PRI_STR "]", STR_ARG(all)) : all;
    return !n;
}

static void accept_names(struct crds *c, struct arena *a, str self, struct json *crd, wall_time now)
{
    static const struct {
        const char *field, *reason;
        bool kind;
    } single[] = {{"plural", "PluralConflict", false},
                  {"singular", "SingularConflict", false},
                  {"kind", "KindConflict", true},
                  {"listKind", "ListKindConflict", true}};
    const struct json *names = json_at(crd, "spec", "names", NULL),
                      *was = json_at(crd, "status", "acceptedNames", NULL),
                      *shorts = json_findz(names, "shortNames");
    struct json next = json_object();
    const char *reason = NULL;
    str group = json_get_str(crd, "spec.group"), why = S("");

    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        str n = json_get_str(names, single[i].field), own = json_get_str(was, single[i].field);

        /* Short names come between: of several conflicts the last one is told. */
        if (i == 2) {
            str shorts_why;

            if (!short_names_fit(c, a, self, group, shorts, json_findz(was, "shortNames"),
                                 &shorts_why)) {
                reason = "ShortNamesConflict";
                why = shorts_why;
                shorts = json_findz(was, "shortNames");
            }
        }
        if (!str_eq(n, own) && taken(c, self, group, n, single[i].kind)) {
            reason = single[i].reason;
            why = in_use(a, n);
            n = own;
        }
        if (n.n || i == 0 || i == 2)
            json_setz(a, &next, single[i].field, json_string(n));
    }
    if (json_count(shorts))
        json_setz(a, &next, "shortNames", json_copy(a, shorts));
    if (json_count(json_findz(names, "categories")))
        json_setz(a, &next, "categories", json_copy(a, json_findz(names, "categories")));
    crd_condition(a, crd, "NamesAccepted", !reason, reason ? reason : "NoConflicts",
                  reason ? arena_dupz(a, why) : "no conflicts found", now);
    if (!reason)
        crd_condition(a, crd, "Established", true, "InitialNamesAccepted",
                      "the initial names have been accepted", now);
    else if (!crd_condition_is(crd, "Established"))
        crd_condition(a, crd, "Established", false, "NotAccepted", "not all names are accepted",
                      now);
    json_setz(a, json_make(a, crd, "status", JSON_OBJECT), "acceptedNames", next);
}

static void keep_storage_version(struct arena *a, struct json *crd)
{
    str storage = crd_storage_version(crd);
    struct json *stored = json_make(a, crd, "status.storedVersions", JSON_ARRAY);

    JSON_EACH(v, stored)
        if (str_eq(json_str(v), storage))
            return;
    if (storage.n)
        json_append(a, stored, json_string(storage));
}

void crd_prepare(struct write *w)
{
    if (crd_storage_version(w->obj).n)
        keep_storage_version(w->a, w->obj);
}

/* Whether a group of Kubernetes' own may be used so. */
static void tell_approval(struct arena *a, struct json *crd, wall_time now)
{
    static const char *const reasons[] = {[CRD_APPROVAL_MISSING] = "MissingAnnotation",
                                          [CRD_APPROVAL_INVALID] = "InvalidAnnotation",
                                          [CRD_APPROVAL_BYPASSED] = "UnapprovedAnnotation",
                                          [CRD_APPROVED] = "ApprovedAnnotation"};
    str why;
    enum crd_approval state = crd_approval(a, crd, &why);

    if (state != CRD_APPROVAL_NOT_NEEDED)
        crd_condition(a, crd, "KubernetesAPIApprovalPolicyConformant", state == CRD_APPROVED,
                      reasons[state], arena_dupz(a, why), now);
}

/* ---- writes ---- */

static void written(void *ctx, struct err *e, const struct obj *result)
{
    struct crd_write *w = ctx;

    (void)result;
    if (e)
        log_debug("api", "custom resource " PRI_STR ": %s", STR_ARG(w->key.name), err_text(e));
    err_free(e);
    list_del(&w->link);
    if (w->crds && !w->instance) {
        struct crd_entry *x = map_find(&w->crds->entries, w->key.name);

        if (x) {
            x->busy = false;
            if (x->due)
                crd_due(x);
        }
    }
    arena_free(w->arena);
}

/* Brings status in line; with no instances left, lets a definition go. */
static struct err *write_status(void *ctx, struct arena *a, const struct obj *current,
                                int64_t revision, struct store_change *ret)
{
    struct crd_write *w = ctx;
    struct json *crd, *fin;
    struct err *e;
    wall_time now;

    ret->op = STORE_KEEP;
    if (!current || !w->crds)
        return NULL;
    now = loop_wall(w->crds->api->loop);
    crd = object_parse(a, arena_dup(a, current->data));
    fin = json_at(crd, "metadata", "finalizers", NULL);
    if (json_at(crd, "metadata", "deletionTimestamp", NULL)) {
        if (store_count(w->crds->api->store, current->key.name, S(""))) {
            crd_condition(a, crd, "Terminating", true, "InstanceDeletionInProgress",
                          "CustomResource deletion is in progress", now);
        } else {
            crd_condition(a, crd, "Terminating", false, "InstanceDeletionCompleted",
                          "removed all instances", now);
            for (uint32_t i = 0; i < json_count(fin); i++)
                if (str_is(json_str(&fin->items[i]), CRD_FINALIZER))
                    json_remove_item(fin, i--);
            if (!json_count(fin)) {
                *ret = (struct store_change){STORE_DELETE,
                                             object_with_revision(a, arena_dup(a, current->data),
                                                                  current->revision, revision),
                                             current->uid, current->labels, current->fields};
                return NULL;
            }
        }
    } else {
        accept_names(w->crds, a, current->key.name, crd, now);
        keep_storage_version(a, crd);
        tell_approval(a, crd, now);
    }
    {
        const struct apply_options o = {.manager = S("kube-apiserver"),
                                        .subresource = S("status"),
                                        .api_version = w->crds->kind->api_version,
                                        .now = now};
        struct json *was = object_parse(a, arena_dup(a, current->data));
        const struct json *x = json_findz(was, "status"), *y = json_findz(crd, "status");

        if (x ? json_equal(x, y) : !y)
            return NULL;
        e = apply_track_update(a, w->crds->kind->r, was, crd, &o);
    }
    if (!e)
        e = object_store(a, w->crds->kind, crd, revision, ret);
    if (e)
        return e;
    ret->op = str_eq(object_with_revision(a, ret->data, revision, current->revision), current->data)
                  ? STORE_KEEP
                  : STORE_PUT;
    return NULL;
}

static struct err *remove_instance(void *ctx, struct arena *a, const struct obj *current,
                                   int64_t revision, struct store_change *ret)
{
    struct crd_write *w = ctx;
    struct json *obj, *meta;
    str text;

    ret->op = STORE_KEEP;
    if (!current || !w->crds)
        return NULL;
    obj = object_parse(a, arena_dup(a, current->data));
    meta = meta_of(a, obj);
    *ret = (struct store_change){STORE_KEEP, S(""), current->uid, current->labels, current->fields};
    if (!json_count(json_findz(meta, "finalizers"))) {
        ret->op = STORE_DELETE;
        ret->data =
            object_with_revision(a, arena_dup(a, current->data), current->revision, revision);
        return NULL;
    }
    if (json_findz(meta, "deletionTimestamp"))
        return NULL;
    /* Its finalizers decide: the mark is put where the metadata begins. */
    text = arena_dup(a, current->data);
    {
        static const str head = STR("\"metadata\":{");
        ptrdiff_t at = str_find(text, head);
        wall_time now = loop_wall(w->crds->api->loop);

        if (at < 0)
            return NULL;
        text = arena_fmt(a,
                         PRI_STR "\"deletionGracePeriodSeconds\":0,\"deletionTimestamp\":\"" PRI_STR
                                 "\"," PRI_STR,
                         STR_ARG(str_slice(text, 0, (size_t)at + head.n)),
                         STR_ARG(now_text(a, now)), STR_ARG(str_skip(text, (size_t)at + head.n)));
    }
    ret->op = STORE_PUT;
    ret->data = object_with_revision(a, text, current->revision, revision);
    return NULL;
}

static void submit(struct crds *c, struct key key, bool instance)
{
    struct arena *a = arena_new();
    struct crd_write *w = ARENA_NEW(a, struct crd_write);

    w->arena = a;
    w->crds = c;
    w->instance = instance;
    w->key = (struct key){arena_dup(a, key.resource), arena_dup(a, key.ns), arena_dup(a, key.name)};
    list_add_tail(&c->writes, &w->link);
    store_update(c->api->store, w->key, instance ? remove_instance : write_status, written, w);
}

/* ---- instances of what is being deleted ---- */

static void on_instance(void *ctx, const struct store_event *e)
{
    struct crd_entry *x = ctx;

    if (e->type == STORE_DELETED && !store_count(x->crds->api->store, x->obj->key.name, S("")))
        crd_due(x);
}

struct finding {
    struct arena *a;
    struct key *keys;
    size_t n, cap;
};

static bool find_instance(void *ctx, const struct obj *o)
{
    struct finding *f = ctx;

    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 32;

        f->keys = arena_grow(f->a, f->keys, f->cap * sizeof *f->keys, cap * sizeof *f->keys);
        f->cap = cap;
    }
    f->keys[f->n++] = (struct key){arena_dup(f->a, o->key.resource), arena_dup(f->a, o->key.ns),
                                   arena_dup(f->a, o->key.name)};
    return true;
}

void crd_instances_remove(struct crd_entry *x)
{
    static const struct store_watch_events events = {.event = on_instance};
    struct crds *c = x->crds;
    struct finding f = {.a = arena_new()};
    struct err *e;

    if (!x->watch) {
        e = store_watch(c->api->store, x->obj->key.name, S(""), store_revision(c->api->store),
                        &events, x, &x->watch);
        if (e) {
            log_warning("api", "watching instances of " PRI_STR ": %s", STR_ARG(x->obj->key.name),
                        err_text(e));
            err_free(e);
        }
        store_each(c->api->store, x->obj->key.name, S(""), NULL, find_instance, &f);
        for (size_t i = 0; i < f.n; i++)
            submit(c, f.keys[i], true);
    }
    arena_free(f.a);
}

void crd_status_write(struct crd_entry *x)
{
    x->due = false;
    x->busy = true;
    submit(x->crds, x->obj->key, false);
}

void crd_writes_forget(struct crds *c)
{
    struct crd_write *w;

    LIST_EACH(w, &c->writes, link)
        w->crds = NULL;
    list_del(&c->writes);
}
