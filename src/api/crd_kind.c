/* crd_kind.c - from a definition to the kinds that are served: one crd_set for each stored version of it.
 *
 * A set is made anew when its definition changes, and freed when the last request that uses the old one is gone.
 *
 * Not here: when a definition is served (crd.c), what its status says (crd_status.c). */
#include "api/conversion.h"
#include "api/crd_internal.h"
#include "schema/crd.h"

/* ---- sets ---- */

void crd_set_unref(void *ctx)
{
    struct crd_set *s = ctx;

    if (s && --s->refs == 0)
        arena_free(s->arena);
}

void crds_hold(const struct kind *k, struct arena *a)
{
    const struct custom_kind *c = CONTAINER_OF(k, struct custom_kind, kind);

    c->set->refs++;
    arena_at_end(a, crd_set_unref, c->set);
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

/* Tells clients that what is stored has changed its form: the first bytes of a hash over the stored kind's name. */
static str version_hash(struct arena *a, const struct resource *r, str storage)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    char hex[65], bytes[8];

    sha256_hex(arena_fmt(a, PRI_STR "/" PRI_STR "/" PRI_STR, STR_ARG(r->group), STR_ARG(storage),
                         STR_ARG(r->kind)),
               hex);
    for (size_t i = 0; i < sizeof bytes; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

        bytes[i] = (char)strtoul(two, NULL, 16);
    }
    buf_base64(&b, (str){bytes, sizeof bytes});
    return arena_dup(a, buf_view(&b));
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
    r->storage_version_hash = version_hash(a, r, storage);
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

int crd_version_cmp(str x, str y)
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

int crd_kind_cmp(const void *x, const void *y, void *ctx)
{
    const struct kind *a = *(const struct kind *const *)x, *b = *(const struct kind *const *)y;
    int c = str_cmp(a->r->group, b->r->group);

    if (!c)
        c = crd_version_cmp(a->r->version, b->r->version);
    return c ? c : str_cmp(a->r->plural, b->r->plural);
}

str crd_storage_version(const struct json *crd)
{
    JSON_EACH(v, json_at(crd, "spec", "versions", NULL))
        if (json_get_bool(v, "storage", false))
            return json_get_str(v, "name");
    return S("");
}

static struct converter *converter_of(struct arena *a, const struct json *crd)
{
    const struct json *conversion = json_at(crd, "spec", "conversion", NULL);
    struct converter *c;

    if (!str_is(json_get_str(conversion, "strategy"), "Webhook"))
        return NULL;
    c = ARENA_NEW(a, struct converter);
    c->client_config = json_at(conversion, "webhook", "clientConfig", NULL);
    JSON_EACH(v, json_at(conversion, "webhook", "conversionReviewVersions", NULL))
        if (str_is(json_str(v), "v1") || str_is(json_str(v), "v1beta1")) {
            c->v1 = str_is(json_str(v), "v1");
            break; /* the first that both sides know */
        }
    return c;
}

struct crd_set *crd_set_new(const struct obj *o)
{
    struct arena *a = arena_new();
    struct crd_set *set = ARENA_NEW(a, struct crd_set);
    struct json *crd = object_parse(a, arena_dup(a, o->data));
    const struct json *versions = json_at(crd, "spec", "versions", NULL);
    str storage = crd_storage_version(crd);
    struct custom_kind *stored = ARENA_NEW(a, struct custom_kind);
    const struct converter *converter = converter_of(a, crd);
    bool several = json_count(versions) > 1 ||
                   json_count(json_at(crd, "status", "storedVersions", NULL)) > 1 ||
                   json_get_int(crd, "metadata.generation", 1) > 1;

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
    /* Of several versions any may be what lies in the store, and a schema that has changed may have other defaults than when it was
     * written: then nothing is answered as the bytes that lie there. */
    stored->kind.converter = converter;
    for (size_t i = 0; i < set->n; i++) {
        set->kinds[i].kind.converter = converter;
        if (several)
            set->kinds[i].kind.storage = &stored->kind;
    }
    return set;
}
