/* crd.c - CustomResourceDefinitions at work: names accepted, kinds served, instances removed.
 *
 * Everything happens on the API's loop: a store watch tells of definitions, and one pass (work) brings their status and the served
 * kinds into line. What is served of a definition is one crd_set, made anew when the definition changes and freed when the last
 * request that uses the old one is gone.
 *
 * Invariants
 *   (1) Kinds are served only of definitions whose stored status says Established.
 *   (2) A name in use by another definition of the group is not accepted a second time.
 *   (3) A definition that is deleted goes after its last instance.
 *
 * Not here: the rules for definitions (crd_rules.c), values by their schema (schema/crd*.c), webhook conversion.
 * API: k8s.io/apiextensions-apiserver/pkg/controller/{status,establish,finalizer} */
#include "api/crd.h"
#include "api/api_internal.h"
#include "schema/crd.h"

struct crd_set {
    uint32_t refs;
    bool terminating;
    struct arena *arena;
    struct custom_kind *kinds;
    size_t n;     /* served versions, newest first */
    str resource; /* "widgets.example.com" */
};
struct custom_kind {
    struct kind kind; /* first */
    struct crd_set *set;
    struct resource resource;
    struct kind_hooks hooks;
};

struct crd_entry {
    struct crds *crds;
    const struct obj *obj;     /* newest version */
    struct crd_set *set;       /* NULL: not served */
    str built_from;            /* heap: what the set was made of */
    struct store_watch *watch; /* on instances, while the definition is being deleted */
    bool busy;                 /* its status is being written */
    bool again;                /* and has to be looked at once more */
};
struct crd_write {
    struct list link;
    struct crds *crds;
    struct key key;
    struct arena *arena;
    struct crd_entry *entry;
    bool instance;
};
struct crds {
    struct api *api;
    const struct kind *kind; /* of definitions */
    struct map entries;      /* name -> struct crd_entry */
    struct store_watch *watch;
    struct loop_timer *timer;
    struct list writes; /* under way */
    const struct kind **served;
    size_t n;
};

/* ---- sets ---- */

static void set_unref(void *ctx)
{
    struct crd_set *s = ctx;

    if (s && --s->refs == 0)
        arena_free(s->arena);
}

void crds_hold(const struct kind *k, struct arena *a)
{
    const struct custom_kind *c = CONTAINER_OF(k, struct custom_kind, kind);

    c->set->refs++;
    arena_at_end(a, set_unref, c->set);
}

struct err *crds_may_create(const struct kind *k)
{
    const struct custom_kind *c = CONTAINER_OF(k, struct custom_kind, kind);

    if (!c->set->terminating)
        return NULL;
    return err_details(
        err_new(REASON_METHOD_NOT_ALLOWED,
                "create not allowed while custom resource definition is terminating"),
        k->r->group, k->r->plural, S(""));
}

static str *strings_of(struct arena *a, const struct json *arr, size_t *ret_n)
{
    str *s = ARENA_NEW_N(a, str, json_count(arr) + 1);

    *ret_n = 0;
    JSON_EACH(x, arr)
        s[(*ret_n)++] = json_str(x);
    return s;
}

static const char *dotless(struct arena *a, str path)
{
    return arena_dupz(a, path.n && path.p[0] == '.' ? str_skip(path, 1) : path);
}

static const struct column *columns_of(struct arena *a, const struct json *version)
{
    const struct json *list = json_findz(version, "additionalPrinterColumns");
    struct column *c = ARENA_NEW_N(a, struct column, json_count(list) + 3);
    size_t n = 0;

    c[n++] = (struct column){
        .name = "Name",
        .type = "string",
        .format = "name",
        .description = "Name of the object, unique among those of its kind in its namespace.",
        .path = "metadata.name"};
    JSON_EACH(x, list) {
        str d = json_get_str(x, "description"), path = json_get_str(x, "jsonPath");

        c[n++] = (struct column){
            .name = arena_dupz(a, json_get_str(x, "name")),
            .type = arena_dupz(a, json_get_str(x, "type")),
            .format = arena_dupz(a, json_get_str(x, "format")),
            .description =
                d.n ? arena_dupz(a, d)
                    : arena_fmt(a,
                                "Custom resource definition column (in JSONPath format): " PRI_STR,
                                STR_ARG(path))
                          .p,
            .priority = (int)json_get_int(x, "priority", 0),
            .json_path = arena_dupz(a, path)};
    }
    if (n == 1)
        c[n++] =
            (struct column){.name = "Age",
                            .type = "date",
                            .description = "When the object was created, by the server's clock.",
                            .json_path = ".metadata.creationTimestamp"};
    return c;
}

static const struct field_label *fields_of(struct arena *a, const struct json *version)
{
    const struct json *list = json_findz(version, "selectableFields");
    struct field_label *f = ARENA_NEW_N(a, struct field_label, json_count(list) + 1);
    size_t n = 0;

    JSON_EACH(x, list) {
        const char *path = dotless(a, json_get_str(x, "jsonPath"));

        f[n++] = (struct field_label){path, path, ""};
    }
    return f;
}

static void subresources_of(struct arena *a, const struct json *version, struct custom_kind *c)
{
    const struct json *subs = json_findz(version, "subresources"),
                      *scale = json_findz(subs, "scale");
    struct subresource *s = ARENA_NEW_N(a, struct subresource, 2);
    struct resource *r = &c->resource;

    r->subresources = s;
    if (json_findz(subs, "status")) {
        s[r->n_subresources++] =
            (struct subresource){.name = S("status"), .verbs = VERB_GET | VERB_PATCH | VERB_UPDATE};
        c->kind.has_status = true;
    }
    if (scale) {
        s[r->n_subresources++] = (struct subresource){
            S("scale"), S("autoscaling"), S("v1"), S("Scale"), VERB_GET | VERB_PATCH | VERB_UPDATE};
        c->kind.has_scale = true;
        c->kind.scale_replicas = dotless(a, json_get_str(scale, "specReplicasPath"));
        c->kind.scale_status = dotless(a, json_get_str(scale, "statusReplicasPath"));
        if (json_get_str(scale, "labelSelectorPath").n)
            c->kind.scale_selector = dotless(a, json_get_str(scale, "labelSelectorPath"));
    }
}

static str group_reversed(struct arena *a, str group)
{
    str out = S(""), head;

    while (str_cut(&group, '.', &head))
        out = out.n ? arena_fmt(a, PRI_STR "." PRI_STR, STR_ARG(head), STR_ARG(out)) : head;
    return out;
}

static void kind_make(struct crd_set *set, struct custom_kind *c, const struct json *crd,
                      const struct json *version, str storage)
{
    struct arena *a = set->arena;
    const struct json *spec = json_findz(crd, "spec"),
                      *names = json_at(crd, "status", "acceptedNames", NULL);
    const struct json *schema = json_at(version, "schema", "openAPIV3Schema", NULL);
    struct resource *r = &c->resource;
    struct kind *k = &c->kind;

    c->set = set;
    *r = (struct resource){.group = json_get_str(spec, "group"),
                           .version = json_get_str(version, "name"),
                           .kind = json_get_str(names, "kind"),
                           .list_kind = json_get_str(names, "listKind"),
                           .plural = json_get_str(names, "plural"),
                           .singular = json_get_str(names, "singular"),
                           .storage_resource = set->resource,
                           .namespaced = str_is(json_get_str(spec, "scope"), "Namespaced"),
                           .verbs = VERBS_ALL,
                           .custom = true,
                           .storage_version = storage};
    r->short_names = strings_of(a, json_findz(names, "shortNames"), &r->n_short_names);
    r->categories = strings_of(a, json_findz(names, "categories"), &r->n_categories);
    r->type = crd_type_new(a,
                           arena_fmt(a, PRI_STR "." PRI_STR "." PRI_STR,
                                     STR_ARG(group_reversed(a, r->group)), STR_ARG(r->version),
                                     STR_ARG(r->kind)),
                           json_get_bool(spec, "preserveUnknownFields", false) ? NULL : schema);
    if (json_get_bool(version, "deprecated", false)) {
        str w = json_get_str(version, "deprecationWarning");

        r->deprecated_warning =
            w.n ? w
                : arena_fmt(a, PRI_STR "/" PRI_STR " " PRI_STR " is deprecated", STR_ARG(r->group),
                            STR_ARG(r->version), STR_ARG(r->kind));
    }
    c->hooks = (struct kind_hooks){.group = "",
                                   .plural = "",
                                   .flags = KIND_GENERATION | KIND_CONDITIONAL_UPDATE,
                                   .fields = fields_of(a, version)};
    k->r = r;
    k->hooks = &c->hooks;
    k->columns = columns_of(a, version);
    k->storage = k;
    k->api_version = arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(r->group), STR_ARG(r->version));
    k->head = arena_fmt(a, "{\"kind\":\"" PRI_STR "\",\"apiVersion\":\"" PRI_STR "\"",
                        STR_ARG(r->kind), STR_ARG(k->api_version));
    k->status_name = set->resource;
    subresources_of(a, version, c);
}

/* "v2" before "v1" before "v1beta1" before "v1alpha1" before anything else, which goes by name. */
static bool version_parts(str v, int64_t *major, int *stage, int64_t *minor)
{
    static const struct {
        const char *name;
        int stage;
    } stages[] = {{"alpha", 1}, {"beta", 2}};
    size_t i = 1;

    if (v.n < 2 || v.p[0] != 'v')
        return false;
    while (i < v.n && v.p[i] >= '0' && v.p[i] <= '9')
        i++;
    if (!str_to_int64(str_slice(v, 1, i), major))
        return false;
    v = str_skip(v, i);
    *stage = 3;
    *minor = 0;
    if (!v.n)
        return true;
    for (size_t s = 0; s < ARRAY_LEN(stages); s++)
        if (str_has_prefix(v, str_of(stages[s].name))) {
            *stage = stages[s].stage;
            return str_to_int64(str_skip(v, strlen(stages[s].name)), minor);
        }
    return false;
}

static int version_cmp(str x, str y)
{
    int64_t a[2], b[2];
    int sa, sb;
    bool ka = version_parts(x, &a[0], &sa, &a[1]), kb = version_parts(y, &b[0], &sb, &b[1]);

    if (!ka || !kb)
        return ka ? -1 : kb ? 1 : str_cmp(x, y);
    if (sa != sb)
        return sa > sb ? -1 : 1;
    if (a[0] != b[0])
        return a[0] > b[0] ? -1 : 1;
    return a[1] > b[1] ? -1 : a[1] < b[1];
}

static int kind_cmp(const void *x, const void *y, void *ctx)
{
    const struct kind *a = *(const struct kind *const *)x, *b = *(const struct kind *const *)y;
    int c = str_cmp(a->r->group, b->r->group);

    if (!c)
        c = version_cmp(a->r->version, b->r->version);
    return c ? c : str_cmp(a->r->plural, b->r->plural);
}

static str storage_version_of(const struct json *crd)
{
    JSON_EACH(v, json_at(crd, "spec", "versions", NULL))
        if (json_get_bool(v, "storage", false))
            return json_get_str(v, "name");
    return S("");
}

static struct crd_set *set_new(const struct obj *o)
{
    struct arena *a = arena_new();
    struct crd_set *set = ARENA_NEW(a, struct crd_set);
    struct json *crd = object_parse(a, arena_dup(a, o->data));
    const struct json *versions = json_at(crd, "spec", "versions", NULL);
    str storage = storage_version_of(crd);
    struct custom_kind *stored = ARENA_NEW(a, struct custom_kind);
    bool several =
        json_count(versions) > 1 || json_count(json_at(crd, "status", "storedVersions", NULL)) > 1;

    set->refs = 1;
    set->arena = a;
    set->resource = arena_dup(a, o->key.name);
    set->terminating = json_at(crd, "metadata", "deletionTimestamp", NULL) != NULL;
    set->kinds = ARENA_NEW_N(a, struct custom_kind, json_count(versions) + 1);
    JSON_EACH(v, versions) {
        if (json_get_bool(v, "storage", false))
            kind_make(set, stored, crd, v, storage);
        if (json_get_bool(v, "served", false))
            kind_make(set, &set->kinds[set->n++], crd, v, storage);
    }
    /* Of several versions any may be what lies in the store: then nothing is answered as the bytes that lie there. */
    if (several)
        for (size_t i = 0; i < set->n; i++)
            set->kinds[i].kind.storage = &stored->kind;
    return set;
}

/* ---- what is served ---- */

size_t crds_count(const struct crds *c)
{
    return c ? c->n : 0;
}

const struct kind *crds_at(const struct crds *c, size_t i)
{
    return c->served[i];
}

static str path_of(struct arena *a, const struct kind *k)
{
    return arena_fmt(a, PRI_STR "/" PRI_STR "/" PRI_STR, STR_ARG(k->r->group),
                     STR_ARG(k->r->version), STR_ARG(k->r->plural));
}

static void publish(struct crds *c)
{
    struct arena *a = arena_new();
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        map_del(&c->api->kind_by_path, path_of(a, c->served[i]));
    mem_free(c->served);
    MAP_EACH(e, &c->entries) {
        const struct crd_entry *x = e->value;

        n += x->set ? x->set->n : 0;
    }
    c->served = mem_zalloc((n + 1) * sizeof *c->served);
    c->n = 0;
    MAP_EACH(e, &c->entries) {
        const struct crd_entry *x = e->value;

        for (size_t i = 0; x->set && i < x->set->n; i++) {
            const struct kind *k = &x->set->kinds[i].kind;

            if (!map_find(&c->api->kind_by_path, path_of(a, k))) { /* what is built in stays so */
                map_put(&c->api->kind_by_path, path_of(a, k), (void *)(uintptr_t)k);
                c->served[c->n++] = k;
            }
        }
    }
    sort_with(c->served, c->n, sizeof *c->served, kind_cmp, NULL);
    arena_free(a);
    if (c->api->discovery) {
        discovery_fini(c->api);
        discovery_init(c->api);
    }
}

/* ---- status ---- */

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

static bool condition_is(const struct json *crd, const char *type)
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

void crd_warn(struct write *w)
{
    JSON_EACH(v, json_at(w->obj, "spec", "versions", NULL))
        if (crd_has_rules(json_at(v, "schema", "openAPIV3Schema", NULL))) {
            req_warn(w->req,
                     S("x-kubernetes-validations are stored but not evaluated by this server"));
            return;
        }
}

/* Is the name taken by another definition of the group? kinds: among kinds and list kinds, else among resource names. */
static bool taken(struct crds *c, const struct obj *self, str group, str name, bool kinds)
{
    bool found = false;
    struct arena *a = arena_new();

    MAP_EACH(e, &c->entries) {
        const struct crd_entry *x = e->value;
        const struct json *other, *names;

        if (found || !name.n || str_eq(map_key(e), self->key.name) ||
            !str_has_suffix(map_key(e), group))
            continue;
        other = object_parse(a, x->obj->data);
        names = json_at(other, "status", "acceptedNames", NULL);
        if (!str_eq(json_get_str(other, "spec.group"), group))
            continue;
        if (kinds)
            found = str_eq(json_get_str(names, "kind"), name) ||
                    str_eq(json_get_str(names, "listKind"), name);
        else {
            found = str_eq(json_get_str(names, "plural"), name) ||
                    str_eq(json_get_str(names, "singular"), name);
            JSON_EACH(s, json_findz(names, "shortNames"))
                found |= str_eq(json_str(s), name);
        }
    }
    arena_free(a);
    return found;
}

static void accept_names(struct crds *c, struct arena *a, const struct obj *o, struct json *crd,
                         wall_time now)
{
    static const struct {
        const char *field, *reason;
        bool kind;
    } single[] = {{"plural", "PluralConflict", false},
                  {"singular", "SingularConflict", false},
                  {"kind", "KindConflict", true},
                  {"listKind", "ListKindConflict", true}};
    const struct json *names = json_at(crd, "spec", "names", NULL),
                      *was = json_at(crd, "status", "acceptedNames", NULL);
    struct json next = json_object(), shorts = json_array(), *stored;
    const char *reason = NULL, *message = "";
    str group = json_get_str(crd, "spec.group"), storage = storage_version_of(crd);
    bool has = false;

    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        str n = json_get_str(names, single[i].field);

        if (taken(c, o, group, n, single[i].kind)) {
            reason = single[i].reason;
            message = arena_fmt(a, "\"" PRI_STR "\" is already in use", STR_ARG(n)).p;
            n = json_get_str(was, single[i].field);
        }
        if (n.n || i == 0 || i == 2)
            json_setz(a, &next, single[i].field, json_string(n));
    }
    JSON_EACH(s, json_findz(names, "shortNames"))
        if (taken(c, o, group, json_str(s), false)) {
            reason = "ShortNamesConflict";
            message = arena_fmt(a, "\"" PRI_STR "\" is already in use", STR_ARG(json_str(s))).p;
        } else
            json_append(a, &shorts, *s);
    if (shorts.n)
        json_setz(a, &next, "shortNames", shorts);
    if (json_count(json_findz(names, "categories")))
        json_setz(a, &next, "categories", json_copy(a, json_findz(names, "categories")));
    crd_condition(a, crd, "NamesAccepted", !reason, reason ? reason : "NoConflicts",
                  reason ? message : "no conflicts found", now);
    if (!reason)
        crd_condition(a, crd, "Established", true, "InitialNamesAccepted",
                      "the initial names have been accepted", now);
    else if (!condition_is(crd, "Established"))
        crd_condition(a, crd, "Established", false, "NotAccepted", "not all names are accepted",
                      now);
    json_setz(a, json_make(a, crd, "status", JSON_OBJECT), "acceptedNames", next);
    stored = json_make(a, crd, "status.storedVersions", JSON_ARRAY);
    JSON_EACH(v, stored)
        has |= str_eq(json_str(v), storage);
    if (!has && storage.n)
        json_append(a, stored, json_string(storage));
}

static void work_soon(struct crds *c)
{
    loop_timer_set(c->timer, 0);
}

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
            if (x->again)
                work_soon(w->crds);
            x->again = false;
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
    } else
        accept_names(w->crds, a, current, crd, now);
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

/* ---- the pass ---- */

static void on_instance(void *ctx, const struct store_event *e)
{
    struct crd_entry *x = ctx;

    if (e->type == STORE_DELETED && !store_count(x->crds->api->store, x->obj->key.name, S("")))
        work_soon(x->crds);
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

static void remove_instances(struct crds *c, struct crd_entry *x)
{
    static const struct store_watch_events events = {.event = on_instance};
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

/* What is served of a definition follows from these parts of it. */
static str made_from(struct arena *a, const struct json *crd)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    const struct json *parts[] = {json_findz(crd, "spec"),
                                  json_at(crd, "status", "acceptedNames", NULL),
                                  json_at(crd, "status", "storedVersions", NULL),
                                  json_at(crd, "metadata", "deletionTimestamp", NULL)};

    if (!condition_is(crd, "Established"))
        return S("");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i])
            json_encode(&b, parts[i]);
        buf_char(&b, '\n');
    }
    return arena_dup(a, buf_view(&b));
}

/* Serves what the stored version says; true when something changed. */
static bool serve(struct crds *c, struct crd_entry *x)
{
    struct arena *a = arena_new();
    str from = made_from(a, object_parse(a, x->obj->data));
    bool changed = !str_eq(from, x->built_from);
    struct crd_set *old = x->set;

    if (changed) {
        x->set = from.n ? set_new(x->obj) : NULL;
        mem_free((char *)(uintptr_t)x->built_from.p);
        x->built_from = from.n ? (str){str_dupz(from), from.n} : S("");
        if (!from.n)
            x->built_from.p = NULL;
        publish(c);
        if (old)
            watch_close_resource(c->api, x->obj->key.name);
        set_unref(old);
    }
    arena_free(a);
    return changed;
}

static void work(void *ctx)
{
    struct crds *c = ctx;

    MAP_EACH(e, &c->entries) {
        struct crd_entry *x = e->value;
        struct arena *a = arena_new();
        struct json *crd = object_parse(a, x->obj->data);
        bool going = json_at(crd, "metadata", "deletionTimestamp", NULL) != NULL;

        if (going)
            remove_instances(c, x);
        if (!x->busy) {
            x->busy = true;
            submit(c, x->obj->key, false);
        } else
            x->again = true;
        arena_free(a);
    }
}

static void entry_free(struct crd_entry *x)
{
    if (x->watch)
        store_watch_close(x->watch);
    set_unref(x->set);
    mem_free((char *)(uintptr_t)x->built_from.p);
    obj_unref(x->obj);
    mem_free(x);
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct crds *c = ctx;
    struct crd_entry *x = map_find(&c->entries, e->obj->key.name);

    if (e->type == STORE_DELETED) {
        if (x) {
            map_del(&c->entries, e->obj->key.name);
            publish(c);
            watch_close_resource(c->api, e->obj->key.name);
            entry_free(x);
        }
        work_soon(c);
        return;
    }
    if (!x) {
        x = NEW(struct crd_entry);
        x->crds = c;
        map_put(&c->entries, e->obj->key.name, x);
    }
    obj_unref(x->obj);
    x->obj = obj_ref(e->obj);
    serve(c, x);
    work_soon(c);
}

static bool on_existing(void *ctx, const struct obj *o)
{
    const struct store_event e = {.type = STORE_CREATED, .obj = o};

    on_event(ctx, &e);
    return true;
}

struct err *crds_new(struct api *api, struct crds **ret)
{
    static const struct store_watch_events events = {.event = on_event};
    struct crds *c = NEW(struct crds);
    struct err *e;

    c->api = api;
    c->kind =
        api_find_kind(api, S("apiextensions.k8s.io"), S("v1"), S("customresourcedefinitions"));
    BUG_ON(!c->kind);
    map_init(&c->entries);
    list_init(&c->writes);
    c->timer = loop_timer_new(api->loop, work, c);
    *ret = c;
    store_each(api->store, c->kind->r->storage_resource, S(""), NULL, on_existing, c);
    e = store_watch(api->store, c->kind->r->storage_resource, S(""), store_revision(api->store),
                    &events, c, &c->watch);
    return e ? err_note(e, "watching custom resource definitions") : NULL;
}

void crds_free(struct crds *c)
{
    struct crd_write *w;

    if (!c)
        return;
    if (c->watch)
        store_watch_close(c->watch);
    loop_timer_free(c->timer);
    LIST_EACH(w, &c->writes, link)
        w->crds = NULL;
    list_del(&c->writes);
    MAP_EACH(e, &c->entries)
        entry_free(e->value);
    map_fini(&c->entries);
    mem_free(c->served);
    mem_free(c);
}
