/* apply.c - who owns which field: tracking of updates, and server-side apply.
 *
 * The rules are those of structured-merge-diff's Updater inside Kubernetes' field managers:
 *   - an update owns what it changed or added; whoever owned it before no longer does; what it removed is owned by none;
 *   - an apply owns what its configuration says, whether it changed or not; a change of what another manager owns is a
 *     conflict, unless forced; what it no longer says is removed from the object unless somebody else owns it;
 *   - fields of other versions' entries are taken to be at the same paths.
 *
 * Not here: sets of paths (apply_set.c), what differs (apply_walk.c), entries (managed_fields.c).
 * API: https://kubernetes.io/docs/reference/using-api/server-side-apply/ */
#include "schema/apply_internal.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
#define ANNOTATIONS_SIZE_MAX (256u << 10) /* bytes of keys and values, as Kubernetes validates */
#define BEFORE_FIRST_APPLY "before-first-apply"

static str timestamp(struct arena *a, const struct apply_options *o)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_rfc3339(&b, o->now);
    return arena_dup(a, buf_view(&b));
}

static struct manager identity(const struct apply_options *o, bool applies)
{
    return (struct manager){
        .name = o->manager.n ? o->manager : S("unknown"),
        .api_version = o->api_version,
        .subresource = o->subresource,
        .applies = applies,
        .set = json_object(),
    };
}

static const struct json *entries_of(const struct json *object)
{
    return json_at(object, "metadata", "managedFields", NULL);
}

static void set_entries(struct arena *a, struct json *object, struct json entries)
{
    struct json *meta = json_findz(object, "metadata");

    if (!json_is(meta, JSON_OBJECT)) {
        if (!entries.n)
            return;
        meta = json_setz(a, object, "metadata", json_object());
    }
    if (entries.n)
        json_setz(a, meta, "managedFields", entries);
    else
        json_removez(meta, "managedFields");
}

/* An object to compare a creation with: what the kind's zero value looks like, since fields that Go always writes were
 * "there" before. Custom resources have nothing. */
static struct json empty_object(struct arena *a, const struct resource *r)
{
    return r->custom || !r->type ? json_object() : form_zero(a, r->type);
}

/* [] and [{}] in a request mean: forget all of it. */
static bool is_reset(const struct json *entries)
{
    return json_is(entries, JSON_ARRAY) &&
           (entries->n == 0 || (entries->n == 1 && json_is(&entries->items[0], JSON_OBJECT) &&
                                entries->items[0].n == 0));
}

/* Whether Go reads it as a path element: the letter decides what stands behind the colon, and unknown ones are let pass.
 * Source: structured-merge-diff, fieldpath/serialize-pe.go. */
static bool is_element(struct arena *a, str key)
{
    str rest = str_skip(key, 2);
    struct json *v = NULL;
    struct err *err;
    int64_t i;

    if (key.n < 2 || key.p[1] != ':')
        return false;
    if (key.p[0] == 'i')
        return str_to_int64(rest, &i);
    if (key.p[0] != 'v' && key.p[0] != 'k')
        return true;
    err = json_parse(a, rest, NULL, NULL, &v);
    err_free(err);
    return !err && (key.p[0] == 'v' || json_is(v, JSON_OBJECT));
}

static bool is_fields(struct arena *a, const struct json *set)
{
    if (set->type != JSON_OBJECT)
        return false;
    JSON_EACH_MEMBER(m, set)
        if (!str_is(m->key, ".") && (!is_element(a, m->key) || !is_fields(a, &m->value)))
            return false;
    return true;
}

/* Entries that a client sends have never been looked at. */
static bool are_readable(struct arena *a, const struct json *entries)
{
    JSON_EACH(e, entries) {
        const struct json *fields = json_findz(e, "fieldsV1");

        if (fields && !json_is(fields, JSON_NULL) && !is_fields(a, fields))
            return false;
    }
    return true;
}

/* Nobody can say what entries of versions that are no more own. */
static void drop_unknown_versions(struct managers *m, const struct resource *r)
{
    for (uint32_t i = 0; i < m->n && !r->custom && r->type; i++) {
        str version = m->list[i].api_version, group = S("");

        if (str_has_char(version, '/'))
            str_cut(&version, '/', &group);
        if (schema_find_gvk(group, version, r->kind))
            continue;
        managers_set(&m->list[i], json_object());
    }
    managers_drop_empty(m);
}

/* ---- updates ---- */

/* Takes what differs away from everybody, and gives what was changed to `self`. */
static void move_ownership(struct arena *a, struct managers *m, struct manager self,
                           const struct json *changed, const struct json *removed, str now)
{
    struct json gone = set_union(a, changed, removed), taken = set_minus(a, changed, removed);
    struct manager *mine;

    if (set_is_empty(&gone))
        return;
    for (uint32_t i = 0; i < m->n; i++)
        if (set_meets(&m->list[i].set, &gone))
            managers_set(&m->list[i], set_minus(a, &m->list[i].set, &gone));
    if (!set_is_empty(&taken)) {
        mine = managers_find(m, &self);
        if (!mine)
            mine = managers_add(a, m, self);
        managers_set(mine, set_union(a, &mine->set, &taken));
        mine->api_version = self.api_version;
        mine->time = now;
    }
    managers_drop_empty(m);
    managers_cap(a, m);
}

struct err *apply_track_update(struct arena *a, const struct resource *r, const struct json *live,
                               struct json *next, const struct apply_options *o)
{
    const struct json *had = entries_of(live), *given = entries_of(next);
    struct json changed, removed, nothing;
    struct managers m = {0};
    bool decoded = false;
    struct walk w;

    /* A subresource cannot change the entries themselves. */
    if (!o->subresource.n && is_reset(given)) {
        decoded = true;
    } else if (!o->subresource.n && json_count(given) && !(had && json_equal(given, had))) {
        decoded = are_readable(a, given) && managers_decode(a, given, &m) && m.n;
    }
    if (!decoded && !managers_decode(a, had, &m))
        m = (struct managers){0};
    if (!m.n && json_get_str(live, "metadata.uid").n) {
        /* An object that nobody tracks stays so until somebody applies. */
        set_entries(a, next, json_array());
        return NULL;
    }
    drop_unknown_versions(&m, r);
    walk_init(&w, a, r, o->subresource);
    nothing = live ? json_null() : empty_object(a, r);
    walk_compare(&w, live ? live : &nothing, next, &changed, &removed);
    move_ownership(a, &m, identity(o, false), &changed, &removed, timestamp(a, o));
    set_entries(a, next, managers_encode(a, &m));
    return NULL;
}

/* ---- conflicts ---- */

struct conflicts {
    struct arena *arena;
    struct err *err;
    struct buf text; /* of several */
    str owner;       /* of those being added, as shown */
    uint32_t n;
    str first_path;
};

static void add_conflict(void *ctx, str path)
{
    struct conflicts *c = ctx;

    if (!c->n++)
        c->first_path = arena_dup(c->arena, path);
    err_cause_add(c->err, "FieldManagerConflict", path,
                  arena_fmt(c->arena, "conflict with " PRI_STR, STR_ARG(c->owner)));
    buf_fmt(&c->text, "\n- " PRI_STR, STR_ARG(path));
}

/* `"name"`, with the version for those who own by update. */
static str shown_manager(struct arena *a, const struct manager *m)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode_string(&b, m->name);
    if (m->subresource.n) {
        buf_z(&b, " with subresource ");
        json_encode_string(&b, m->subresource);
    }
    if (!m->applies)
        buf_fmt(&b, " using " PRI_STR, STR_ARG(m->api_version));
    return arena_dup(a, buf_view(&b));
}

/* What `self` must not change: another's fields within `changed`. NULL: none. except: paths that do not count. */
static struct err *find_conflicts(struct arena *a, const struct managers *m,
                                  const struct manager *self, const struct json *changed,
                                  const struct json *except)
{
    struct conflicts c = {.arena = a, .text = BUF_INIT};
    struct err *err;
    str owner = STR_NONE;

    for (uint32_t i = 0; i < m->n; i++) {
        const struct manager *other = &m->list[i];
        struct json common;

        if (other == self)
            continue;
        common = set_common(a, &other->set, changed);
        if (except)
            common = set_minus(a, &common, except);
        if (set_is_empty(&common))
            continue;
        if (!c.err)
            c.err = err_new(REASON_CONFLICT, "conflict");
        c.owner = owner = shown_manager(a, other);
        buf_fmt(&c.text, "%sconflicts with " PRI_STR ":", c.n ? "\n" : "", STR_ARG(owner));
        set_each_path(&common, add_conflict, &c);
    }
    err = c.err;
    if (err) {
        mem_free(err->message);
        err->message = str_dupz(
            c.n == 1
                ? arena_fmt(a, "Apply failed with 1 conflict: conflict with " PRI_STR ": " PRI_STR,
                            STR_ARG(owner), STR_ARG(c.first_path))
                : arena_fmt(a, "Apply failed with %u conflicts: %s", c.n, buf_cstr(&c.text)));
    }
    buf_fini(&c.text);
    return err;
}

/* ---- apply ---- */

static struct err *check_config(const struct walk *w, const struct resource *r,
                                const struct json *config)
{
    struct json problems = json_array();
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (json_is(entries_of(config), JSON_ARRAY))
        return err_new(REASON_BAD_REQUEST, "metadata.managedFields must be nil");
    walk_validate(w, config, &problems);
    if (!problems.n)
        return NULL;
    buf_fmt(&b,
            "failed to create typed patch object (" PRI_STR "/" PRI_STR "; " PRI_STR "/" PRI_STR
            ", Kind=" PRI_STR "): ",
            STR_ARG(json_get_str(config, "metadata.namespace")),
            STR_ARG(json_get_str(config, "metadata.name")), STR_ARG(r->group), STR_ARG(r->version),
            STR_ARG(r->kind));
    if (problems.n > 1)
        buf_z(&b, "errors:");
    for (uint32_t i = 0; i < problems.n; i++)
        buf_fmt(&b, problems.n > 1 ? "\n  " PRI_STR : PRI_STR,
                STR_ARG(json_str(&problems.items[i])));
    return err_new(REASON_UNKNOWN, "%s", buf_cstr(&b));
}

/* Removes what the manager applied last time, no longer does, and nobody owns. fields: the configuration's. */
static struct json prune(const struct walk *walk, const struct managers *m,
                         const struct json *config, const struct json *fields,
                         const struct json *merged, const struct json *last)
{
    struct json owned, last_all, merged_all, pruned_all, pruned, set;
    struct walk all = *walk, *w = &all;
    struct arena *a = w->arena;

    /* Whoever applies all that he applied before takes nothing away, which is what mostly happens. */
    set = set_minus(a, last, fields);
    if (set_is_empty(&set))
        return *merged;
    /* Names and versions count here: they keep metadata, whose other members may all go. */
    all.whole = true;
    owned = walk_fields(w, config);
    last_all = walk_ensure_fields(w, last);
    pruned = walk_remove(w, merged, &last_all);
    for (uint32_t i = 0; i < m->n; i++)
        owned = set_union(a, &owned, &m->list[i].set);
    owned = walk_ensure_fields(w, &owned);
    set = walk_fields(w, merged);
    merged_all = walk_ensure_fields(w, &set);

    /* What others (or the new configuration) own comes back ... */
    set = walk_fields(w, &pruned);
    pruned_all = walk_ensure_fields(w, &set);
    set = set_minus(a, &merged_all, &pruned_all);
    set = set_minus(a, &set, &owned);
    pruned = walk_remove(w, merged, &set);

    /* ... and so does what fell out with its parent although it was never this manager's. */
    set = walk_fields(w, &pruned);
    pruned_all = walk_ensure_fields(w, &set);
    set = set_minus(a, &merged_all, &pruned_all);
    set = set_common(a, &set, &last_all);
    return walk_remove(w, merged, &set);
}

/* A tree without metadata.managedFields; the rest is shared. */
static struct json without_entries(struct arena *a, const struct json *object)
{
    struct json copy = *object, *meta;
    struct json_member *old;

    if (!entries_of(object))
        return copy;
    copy.members = arena_alloc(a, object->n * sizeof *copy.members);
    memcpy(copy.members, object->members, object->n * sizeof *copy.members);
    copy.cap = object->n;
    meta = json_findz(&copy, "metadata");
    old = meta->members;
    meta->members = arena_alloc(a, meta->n * sizeof *meta->members);
    memcpy(meta->members, old, meta->n * sizeof *meta->members);
    meta->cap = meta->n;
    json_removez(meta, "managedFields");
    return copy;
}

struct request {
    struct arena *a;
    const struct resource *r;
    const struct apply_options *o;
    struct walk w;
    const struct json *live; /* without entries; never NULL */
    const struct json *config;
    bool exists;
};

/* One try. except: conflicts that do not count; force overrides all. */
static struct err *try_apply(const struct request *q, struct managers m, bool force,
                             const struct json *except, struct json *ret)
{
    struct manager self = identity(q->o, true), *mine;
    struct json last = json_object(), changed, removed, merged, set;
    struct arena *a = q->a;
    bool noop;

    merged = walk_merge(&q->w, q->live, q->config);
    set = walk_fields(&q->w, q->config);
    mine = managers_find(&m, &self);
    if (mine)
        last = mine->set;
    else
        mine = managers_add(a, &m, self);
    if (!json_equal(&mine->set, &set) || !str_eq(mine->api_version, self.api_version) ||
        !mine->source) {
        managers_set(mine, set);
        mine->api_version = self.api_version;
    }
    merged = prune(&q->w, &m, q->config, &set, &merged, &last);
    walk_compare(&q->w, q->live, &merged, &changed, &removed);
    if (!force) {
        struct err *err = find_conflicts(a, &m, mine, &changed, except);

        if (err)
            return err;
    }
    for (uint32_t i = 0; i < m.n; i++) {
        struct json gone = set_union(a, &changed, &removed);

        if (&m.list[i] != mine && set_meets(&m.list[i].set, &gone))
            managers_set(&m.list[i], set_minus(a, &m.list[i].set, &gone));
    }
    /* Another order alone is no change. */
    noop = q->exists && set_is_empty(&changed) && set_is_empty(&removed);
    if (!noop) {
        str now = timestamp(a, q->o);

        if (!str_eq(mine->time, now)) {
            mine->time = now;
            mine->source = NULL;
        }
    }
    managers_drop_empty(&m);
    managers_cap(a, &m);
    if (noop)
        merged = *q->live;
    merged = json_share(a, &merged); /* the caller may change it */
    set_entries(a, &merged, managers_encode(a, &m));
    *ret = merged;
    return NULL;
}

/* The paths whose value is the one that client-side apply wrote: kubectl may take them over. False: no such annotation. */
static bool client_side_fields(const struct request *q, struct json *ret)
{
    str text = json_str(json_at(q->live, "metadata", "annotations", LAST_APPLIED, NULL));
    struct json *last = NULL, changed, removed, set, problems = json_array();
    struct err *err;

    if (!text.n)
        return false;
    err = json_parse(q->a, text, NULL, NULL, &last);
    if (err) {
        err_free(err);
        return false;
    }
    walk_validate(&q->w, last, &problems);
    if (problems.n || !str_eq(json_get_str(last, "apiVersion"), q->o->api_version))
        return false;
    set = walk_fields(&q->w, last);
    walk_compare(&q->w, last, q->live, &changed, &removed);
    set = set_minus(q->a, &set, &changed);
    *ret = set_minus(q->a, &set, &removed);
    return true;
}

/* kubectl keeps the annotation of client-side apply up to date where there is one, so that one can go back. */
static void update_annotation(struct arena *a, const struct json *config, struct json *merged)
{
    struct json *annotations = json_at(merged, "metadata", "annotations", NULL), copy, *meta, *own;
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t size = 0;

    if (!json_str(json_findz(annotations, LAST_APPLIED)).n)
        return;
    copy = json_share(a, config);
    meta = json_findz(&copy, "metadata");
    own = json_findz(meta, "annotations");
    if (own) {
        json_removez(own, LAST_APPLIED);
        if (!own->n)
            json_removez(meta, "annotations");
    }
    json_sort_keys(&copy);
    json_encode(&b, &copy);
    buf_char(&b, '\n');
    json_setz(a, annotations, LAST_APPLIED, json_string(arena_dup(a, buf_view(&b))));
    JSON_EACH_MEMBER(m, annotations)
        size += m->key.n + json_str(&m->value).n;
    if (size > ANNOTATIONS_SIZE_MAX)
        json_removez(annotations, LAST_APPLIED);
}

struct err *apply_merge(struct arena *a, const struct resource *r, const struct json *live,
                        const struct json *applied, const struct apply_options *o,
                        struct json **ret)
{
    bool by_kubectl = str_is(o->manager, "kubectl");
    struct json base, zero, result = json_null(), allowed;
    struct request q = {.a = a, .r = r, .o = o, .config = applied, .exists = live != NULL};
    struct managers m;
    struct err *err;

    walk_init(&q.w, a, r, o->subresource);
    if (!str_eq(json_get_str(applied, "apiVersion"), o->api_version))
        return err_new(
            REASON_BAD_REQUEST,
            "Incorrect version specified in apply patch. Specified patch version: " PRI_STR
            ", expected: " PRI_STR,
            STR_ARG(json_get_str(applied, "apiVersion")), STR_ARG(o->api_version));
    err = check_config(&q.w, r, applied);
    if (err)
        return err;
    if (!managers_decode(a, entries_of(live), &m))
        return err_new(REASON_INTERNAL, "failed to decode managed fields");
    drop_unknown_versions(&m, r);
    zero = live ? json_null() : empty_object(a, r);
    base = live ? without_entries(a, live) : zero;
    q.live = &base;

    if (!m.n && live) {
        /* Until now nobody was tracked: what is there belongs to no applier. */
        struct apply_options before = *o;
        struct json changed, removed;

        before.manager = S(BEFORE_FIRST_APPLY);
        zero = empty_object(a, r);
        walk_compare(&q.w, &zero, &base, &changed, &removed);
        move_ownership(a, &m, identity(&before, false), &changed, &removed, timestamp(a, o));
    }
    {
        struct managers copy = m;

        copy.list = arena_alloc(a, (m.n + 2) * sizeof *m.list);
        copy.cap = m.n + 2;
        if (m.n)
            memcpy(copy.list, m.list, m.n * sizeof *m.list);
        err = try_apply(&q, copy, o->force, NULL, &result);
    }
    if (err && err->reason == REASON_CONFLICT && by_kubectl && client_side_fields(&q, &allowed)) {
        struct managers copy = m;
        struct err *rest;

        copy.list = arena_alloc(a, (m.n + 2) * sizeof *m.list);
        copy.cap = m.n + 2;
        if (m.n)
            memcpy(copy.list, m.list, m.n * sizeof *m.list);
        err_free(err);
        rest = try_apply(&q, copy, false, &allowed, &result);
        err = rest;
    }
    if (err)
        return err;
    if (by_kubectl)
        update_annotation(a, applied, &result);
    *ret = json_new(a, result);
    return NULL;
}
