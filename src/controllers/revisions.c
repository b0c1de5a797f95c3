/* revisions.c - the history of a template in ControllerRevision objects, for StatefulSets and
 * DaemonSets.
 *
 * A revision's data is the patch that would bring its template back:
 * {"spec":{"template":{…,"$patch":"replace"}}}. Its number says when it was last in use, its hash
 * names it. */
#include "controllers/controllers_internal.h"

#include <inttypes.h>

struct scan {
    struct reconcile *r;
    struct history *h;
    const char *hash_label;
};

static struct revision *history_add(struct scan *s)
{
    struct history *h = s->h;

    if (h->n == h->cap) {
        uint32_t cap = h->cap ? h->cap * 2 : 8;

        h->all = arena_grow(s->r->a, h->all, h->cap * sizeof *h->all, cap * sizeof *h->all);
        h->cap = cap;
    }
    return &h->all[h->n++];
}

static bool add_revision(void *ctx, const struct obj *o)
{
    struct scan *s = ctx;
    struct json *tree = tree_of(s->r->a, o);
    struct revision *rev = history_add(s);

    *rev = (struct revision){.obj = o,
                             .tree = tree,
                             .number = json_get_int(tree, "revision", 0),
                             .name = o->key.name,
                             .hash = meta_get(tree, "labels", str_of(s->hash_label))};
    return true;
}

static int by_number(const void *pa, const void *pb, void *ctx)
{
    const struct revision *a = pa, *b = pb;

    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return str_cmp(a->name, b->name);
}

const struct json *revision_template(const struct revision *rev)
{
    return json_path(rev->tree, "data.spec.template");
}

const struct revision *history_find(const struct history *h, str name_or_hash)
{
    for (uint32_t i = 0; i < h->n; i++)
        if (str_eq(h->all[i].name, name_or_hash) || str_eq(h->all[i].hash, name_or_hash))
            return &h->all[i];
    return NULL;
}

static struct json data_json(struct arena *a, const struct json *owner)
{
    struct json data = json_object(), spec = json_object(),
                template = json_copy(a, json_path(owner, "spec.template"));

    json_setz(a, &template, "$patch", json_z("replace"));
    json_setz(a, &spec, "template", template);
    json_setz(a, &data, "spec", spec);
    return data;
}

/* As Kubernetes hashes a revision: FNV-1 of its data's JSON with sorted keys and of the number of
 * collisions, in decimal, spelled without vowels. So a cluster that changes hands keeps its
 * revisions. */
static str revision_hash(struct arena *a, const struct json *data, int64_t collisions)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json sorted = json_copy(a, data);
    uint32_t hash = 2166136261u;

    json_sort_keys(&sorted);
    json_encode(&b, &sorted);
    buf_int(&b, collisions);
    for (size_t i = 0; i < b.n; i++)
        hash = (hash * 16777619u) ^ (uint8_t)b.p[i];
    return safe_encode(a, hash);
}

static void create(struct scan *s, enum kind_id kind, struct json *owner, struct json data,
                   int64_t number)
{
    struct arena *a = s->r->a;
    int64_t collisions = json_get_int(owner, "status.collisionCount", 0);
    const struct json *labels = json_path(owner, "spec.template.metadata.labels");
    struct json *tree = json_new(a, json_object()), meta = json_object(), refs = json_array();
    struct revision *rev;
    str hash, name;

    for (;; collisions++) {
        hash = revision_hash(a, &data, collisions);
        name = arena_fmt(a, PRI_STR "-" PRI_STR, STR_ARG(s->r->name), STR_ARG(hash));
        if (!look_up(s->r, K_CONTROLLERREVISIONS, s->r->ns, name))
            break;
    }
    json_append(a, &refs, controller_reference(a, &kinds[kind], owner));
    json_setz(a, tree, "kind", json_z("ControllerRevision"));
    json_setz(a, tree, "apiVersion", json_z("apps/v1"));
    json_setz(a, &meta, "name", json_string(name));
    json_setz(a, &meta, "namespace", json_string(s->r->ns));
    json_setz(a, &meta, "labels", labels ? json_copy(a, labels) : json_object());
    json_setz(a, &meta, "ownerReferences", refs);
    json_setz(a, tree, "metadata", meta);
    meta_set(a, tree, "labels", str_of(s->hash_label), hash);
    json_setz(a, tree, "data", data);
    json_setz(a, tree, "revision", json_int(number));
    plan_create(&s->r->plan, K_CONTROLLERREVISIONS, s->r->ns, tree)->flags = ACT_IGNORE_TERMINATING;
    rev = history_add(s);
    *rev = (struct revision){.tree = tree, .number = number, .name = name, .hash = hash};
}

void history_sync(struct reconcile *r, enum kind_id owner_kind, struct json *owner,
                  const char *hash_label, struct history *ret)
{
    struct scan s = {r, ret, hash_label};
    struct json data = data_json(r->a, owner);
    int64_t highest = 0;
    int found = -1;

    *ret = (struct history){0};
    informer_each_indexed(r->caches[K_CONTROLLERREVISIONS],
                          index_owner(r->a, json_get_str(owner, "metadata.uid")), add_revision, &s);
    if (ret->n)
        sort_with(ret->all, ret->n, sizeof *ret->all, by_number, NULL);
    for (uint32_t i = 0; i < ret->n; i++) {
        highest = MAX(highest, ret->all[i].number);
        if (json_equal(json_findz(ret->all[i].tree, "data"), &data))
            found = (int)i;
    }
    if (found < 0) {
        create(&s, owner_kind, owner, data, highest + 1);
        found = (int)ret->n - 1;
    } else if (ret->all[found].number < highest) {
        /* An old template again: it becomes the newest. */
        ret->all[found].number = highest + 1;
        json_setz(r->a, ret->all[found].tree, "revision", json_int(highest + 1));
        plan_update(&r->plan, K_CONTROLLERREVISIONS, ret->all[found].tree);
    }
    ret->update = &ret->all[found];
}

void history_truncate(struct reconcile *r, const struct json *owner, const struct history *h,
                      const str *live, size_t n_live)
{
    int64_t limit = json_get_int(owner, "spec.revisionHistoryLimit", 10), unused = 0;

    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < h->n; i++) {
            bool used = &h->all[i] == h->update || !h->all[i].obj;

            for (size_t k = 0; k < n_live; k++)
                used |= str_eq(h->all[i].name, live[k]) || str_eq(h->all[i].hash, live[k]);
            if (used)
                continue;
            if (!pass)
                unused++;
            else if (unused-- > limit)
                plan_delete(&r->plan, K_CONTROLLERREVISIONS, h->all[i].obj);
        }
}
