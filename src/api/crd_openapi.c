/* crd_openapi.c - OpenAPI documents of custom kinds, for explain, client-side validation and code generators.
 *
 * Made when asked for and not kept: their hash follows from the definitions (crds_hash), so that clients which keep them ask no
 * second time. Schemas that custom kinds share with others (ObjectMeta, Status, Scale) are taken out of the built-in documents.
 *
 * API: k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder */
#include "api/crd_openapi.h"
#include "api/crd.h"
#include "schema/crd.h"
#include "schema/openapi.h"
#include "schema/openapi_proto.h"

#define META "io.k8s.apimachinery.pkg.apis.meta.v1."
#define SCALE "io.k8s.api.autoscaling.v1.Scale"

/* Query parameters. Each operation has a subset, by bit. */
static const struct {
    const char *name, *type, *doc;
} parameters[] = {
    {"allowWatchBookmarks", "boolean", "Ask for BOOKMARK events in a watch."},
    {"continue", "string", "Where to go on: the token of the previous, limited answer."},
    {"fieldSelector", "string", "Only objects whose fields match."},
    {"labelSelector", "string", "Only objects whose labels match."},
    {"limit", "integer", "At most so many objects in one answer."},
    {"pretty", "string", "true: indent the answer."},
    {"resourceVersion", "string", "How fresh the answer has to be, or where a watch starts."},
    {"resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Begin a watch with the objects that exist."},
    {"shardSelector", "string", "Only the objects of one shard."},
    {"timeoutSeconds", "integer", "End the list or watch after so long."},
    {"watch", "boolean", "Answer with changes as they happen."},
    {"dryRun", "string", "All: do everything but keep the result."},
    {"fieldManager", "string", "Name of the actor that makes the change."},
    {"fieldValidation", "string",
     "What happens to unknown and duplicate fields: Ignore, Warn or Strict."},
    {"force", "boolean", "Take over fields that other managers own (apply only)."},
    {"gracePeriodSeconds", "integer", "How long the object may take to end; zero is at once."},
    {"ignoreStoreReadErrorWithClusterBreakingPotential", "boolean",
     "Delete an object that cannot be read from storage. Dangerous."},
    {"orphanDependents", "boolean", "Deprecated: use propagationPolicy."},
    {"propagationPolicy", "string",
     "What happens to dependents: Orphan, Background or Foreground."},
};
enum {
    P_PRETTY = 1 << 5,
    P_VERSION = 1 << 6,
    P_LIST = 0xfff & ~P_PRETTY,
    P_WRITE = 7 << 12,
    P_FORCE = 1 << 15,
    P_DELETE = 1 << 12 | 15 << 16,
};

enum schema_ref { REF_NONE, REF_KIND, REF_LIST, REF_STATUS, REF_SCALE, REF_PATCH, REF_DELETE };

struct operation {
    const char *method, *verb, *action, *doc; /* doc: %s is the kind */
    uint32_t query;
    enum schema_ref body, answer;
    const char *codes;
    bool body_required;
};
static const struct operation collection[] = {
    {"get", "list", "list", "list objects of kind %s", P_LIST, REF_NONE, REF_LIST, "200", false},
    {"post", "create", "post", "create a %s", P_WRITE, REF_KIND, REF_KIND, "200 201 202", true},
    {"delete", "delete", "deletecollection", "delete collection of %s", P_LIST, REF_NONE,
     REF_STATUS, "200", false},
};
static const struct operation object[] = {
    {"get", "read", "get", "read the specified %s", P_VERSION, REF_NONE, REF_KIND, "200", false},
    {"put", "replace", "put", "replace the specified %s", P_WRITE, REF_KIND, REF_KIND, "200 201",
     true},
    {"delete", "delete", "delete", "delete a %s", P_DELETE, REF_DELETE, REF_STATUS, "200 202",
     false},
    {"patch", "patch", "patch", "partially update the specified %s", P_WRITE | P_FORCE, REF_PATCH,
     REF_KIND, "200", true},
};
static const struct operation status[] = {
    {"get", "read", "get", "read status of the specified %s", P_VERSION, REF_NONE, REF_KIND, "200",
     false},
    {"put", "replace", "put", "replace status of the specified %s", P_WRITE, REF_KIND, REF_KIND,
     "200 201", true},
    {"patch", "patch", "patch", "partially update status of the specified %s", P_WRITE | P_FORCE,
     REF_PATCH, REF_KIND, "200", true},
};
static const struct operation scale[] = {
    {"get", "read", "get", "read scale of the specified %s", P_VERSION, REF_NONE, REF_SCALE, "200",
     false},
    {"put", "replace", "put", "replace scale of the specified %s", P_WRITE, REF_SCALE, REF_SCALE,
     "200 201", true},
    {"patch", "patch", "patch", "partially update scale of the specified %s", P_WRITE | P_FORCE,
     REF_PATCH, REF_SCALE, "200", true},
};

struct writing {
    struct arena *a;
    const struct kind *k;
    bool v3;
    str name; /* of the schema */
};

/* ---- pieces ---- */

static struct json ref(struct writing *w, str name)
{
    struct json v = json_object();

    json_setz(w->a, &v, "$ref",
              json_string(arena_fmt(w->a, "#/%s/" PRI_STR,
                                    w->v3 ? "components/schemas" : "definitions", STR_ARG(name))));
    return v;
}

static struct json ref_to(struct writing *w, enum schema_ref r)
{
    switch (r) {
    case REF_KIND:
        return ref(w, w->name);
    case REF_LIST:
        return ref(w, arena_fmt(w->a, PRI_STR "List", STR_ARG(w->name)));
    case REF_STATUS:
        return ref(w, S(META "Status"));
    case REF_SCALE:
        return ref(w, S(SCALE));
    case REF_PATCH:
        return ref(w, S(META "Patch"));
    case REF_DELETE:
        return ref(w, S(META "DeleteOptions"));
    case REF_NONE:
        break;
    }
    return json_null();
}

static struct json described(struct writing *w, const char *type, const char *doc)
{
    struct json v = json_object();

    json_setz(w->a, &v, "description", json_z(doc));
    json_setz(w->a, &v, "type", json_z(type));
    return v;
}

/* A reference with words of its own. */
static struct json described_ref(struct writing *w, const char *name, const char *doc)
{
    struct json v = w->v3 ? json_object() : ref(w, str_of(name)), all = json_array();

    json_setz(w->a, &v, "description", json_z(doc));
    if (w->v3) {
        json_append(w->a, &all, ref(w, str_of(name)));
        json_setz(w->a, &v, "allOf", all);
    }
    return v;
}

static struct json gvk(struct writing *w, str kind)
{
    struct json v = json_object();

    json_setz(w->a, &v, "group", json_string(w->k->r->group));
    json_setz(w->a, &v, "version", json_string(w->k->r->version));
    json_setz(w->a, &v, "kind", json_string(kind));
    return v;
}

/* ---- schemas ---- */

static void frame(struct writing *w, struct json *props, bool root)
{
    json_setz(w->a, props, "apiVersion",
              described(w, "string", "Group and version in which this object is written."));
    json_setz(w->a, props, "kind", described(w, "string", "What kind of object this is."));
    json_setz(w->a, props, "metadata",
              described_ref(w, META "ObjectMeta",
                            root ? "Name, labels and what else every object has."
                                 : "Name, labels and what else every object has; of the object "
                                   "within."));
}

static bool in_list(const struct json *list, const char *s)
{
    JSON_EACH(x, list)
        if (str_is(json_str(x), s))
            return true;
    return false;
}

/* Old clients stumble over what v2 cannot say. */
static void simplify(struct writing *w, struct json *s)
{
    static const char *const unknown[] = {"allOf", "anyOf", "oneOf", "not"};
    struct json *required, *props;

    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        json_removez(s, unknown[i]);
    if (json_get_bool(s, "nullable", false)) {
        json_removez(s, "nullable");
        json_removez(s, "type");
        json_removez(s, "items");
        json_removez(s, "properties");
        json_removez(s, "additionalProperties");
    }
    if (json_get_bool(s, "x-kubernetes-preserve-unknown-fields", false)) {
        json_removez(s, "items");
        json_removez(s, "properties");
    }
    required = json_findz(s, "required");
    props = json_findz(s, "properties");
    for (uint32_t i = 0; i < json_count(required);)
        if (json_get_bool(json_find(props, json_str(&required->items[i])), "nullable", false))
            json_remove_item(required, i);
        else
            i++;
    if (required && !required->n)
        json_removez(s, "required");
    (void)w;
}

static void adapt(struct writing *w, struct json *s, int depth)
{
    struct json *more = json_findz(s, "additionalProperties"), *props, *required;

    if (!json_is(s, JSON_OBJECT) || depth > 200)
        return;
    if (!w->v3)
        simplify(w, s);
    if (json_get_bool(s, "x-kubernetes-embedded-resource", false)) {
        props = json_findz(s, "properties");
        if (!props)
            props = json_setz(w->a, s, "properties", json_object());
        frame(w, props, false);
        required = json_findz(s, "required");
        if (!required)
            required = json_setz(w->a, s, "required", json_array());
        if (!in_list(required, "kind"))
            json_append(w->a, required, json_z("kind"));
        if (!in_list(required, "apiVersion"))
            json_append(w->a, required, json_z("apiVersion"));
    }
    adapt(w, json_findz(s, "items"), depth + 1);
    if (json_is(more, JSON_OBJECT))
        adapt(w, more, depth + 1);
    JSON_EACH_MEMBER(m, json_findz(s, "properties"))
        adapt(w, &m->value, depth + 1);
}

static struct json selectable(struct writing *w)
{
    struct json list = json_array();

    for (const struct field_label *f = w->k->hooks->fields; f && f->label; f++) {
        struct json x = json_object();

        json_setz(w->a, &x, "fieldPath", json_z(f->label));
        json_append(w->a, &list, x);
    }
    return list;
}

static void finish(struct writing *w, struct json *s, str kind)
{
    struct json list = json_array(), fields = selectable(w);

    json_append(w->a, &list, gvk(w, kind));
    json_setz(w->a, s, "x-kubernetes-group-version-kind", list);
    if (fields.n)
        json_setz(w->a, s, "x-kubernetes-selectable-fields", fields);
}

static void write_schemas(struct writing *w, struct json *schemas)
{
    const struct crd_type *t = CONTAINER_OF(w->k->r->type, struct crd_type, type);
    struct json s = json_object(), list = json_object(), *props, items = json_object(),
                required = json_array();
    str list_name = arena_fmt(w->a, PRI_STR "List", STR_ARG(w->name));

    if (t->schema)
        s = json_copy(w->a, t->schema);
    if (!json_findz(&s, "type"))
        json_setz(w->a, &s, "type", json_z("object"));
    adapt(w, &s, 0);
    props = json_findz(&s, "properties");
    if (!props)
        props = json_setz(w->a, &s, "properties", json_object());
    frame(w, props, true);
    finish(w, &s, w->k->r->kind);
    json_set(w->a, schemas, w->name, s);

    json_setz(w->a, &list, "description",
              json_string(arena_fmt(w->a, PRI_STR "List is a list of " PRI_STR,
                                    STR_ARG(w->k->r->kind), STR_ARG(w->k->r->kind))));
    json_setz(w->a, &list, "type", json_z("object"));
    json_append(w->a, &required, json_z("items"));
    json_setz(w->a, &list, "required", required);
    props = json_setz(w->a, &list, "properties", json_object());
    frame(w, props, true);
    json_setz(w->a, props, "metadata",
              described_ref(w, META "ListMeta", "Of the list: its revision, where to go on."));
    items = described(w, "array", "The objects.");
    json_setz(w->a, &items, "items", ref(w, w->name));
    json_setz(w->a, props, "items", items);
    finish(w, &list, w->k->r->list_kind);
    json_set(w->a, schemas, list_name, list);
}

/* ---- paths ---- */

static struct json parameter(struct writing *w, const char *in, const char *name, const char *type,
                             const char *doc)
{
    struct json v = json_object(), s = json_object();

    json_setz(w->a, &v, "name", json_z(name));
    json_setz(w->a, &v, "in", json_z(in));
    json_setz(w->a, &v, "description", json_z(doc));
    if (!strcmp(in, "path"))
        json_setz(w->a, &v, "required", json_bool(true));
    json_setz(w->a, w->v3 ? &s : &v, "type", json_z(type));
    json_setz(w->a, w->v3 ? &s : &v, "uniqueItems", json_bool(true));
    if (w->v3)
        json_setz(w->a, &v, "schema", s);
    return v;
}

static void add_query(struct writing *w, struct json *list, uint32_t bits)
{
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        if (bits & 1u << i)
            json_append(
                w->a, list,
                parameter(w, "query", parameters[i].name, parameters[i].type, parameters[i].doc));
}

static int by_name(const void *x, const void *y, void *ctx)
{
    (void)ctx;
    return str_cmp(json_get_str(x, "name"), json_get_str(y, "name"));
}

static const char *const patch_media[] = {"application/apply-patch+yaml",
                                          "application/json-patch+json",
                                          "application/merge-patch+json", NULL};
static const char *const plain_media[] = {"application/json", "application/yaml", NULL};

static struct json content(struct writing *w, const char *const *media, enum schema_ref r)
{
    struct json v = json_object();

    for (; *media; media++) {
        struct json one = json_object();

        json_setz(w->a, &one, "schema", ref_to(w, r));
        json_setz(w->a, &v, *media, one);
    }
    return v;
}

static struct json names(struct writing *w, const char *const *media)
{
    struct json v = json_array();

    for (; *media; media++)
        json_append(w->a, &v, json_z(*media));
    return v;
}

/* "example.com" -> "exampleCom", as kube-openapi makes words for generated clients. */
static void camel(struct buf *b, str s, bool upper)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_',
             digit = ch >= '0' && ch <= '9';

        if (!letter && !(i && digit)) {
            upper = true;
            continue;
        }
        buf_char(b, upper && ch >= 'a' && ch <= 'z' ? (char)(ch - 32) : ch);
        upper = false;
    }
}

static str group_word(str group)
{
    return str_has_suffix(group, S(".k8s.io")) ? str_slice(group, 0, group.n - 7) : group;
}

static void write_responses(struct writing *w, struct json *op, const struct operation *o)
{
    struct json all = json_object(), no = json_object();
    str codes = str_of(o->codes), code;

    while (str_cut(&codes, ' ', &code)) {
        struct json r = json_object();

        json_setz(w->a, &r, "description",
                  json_z(str_is(code, "200")   ? "OK"
                         : str_is(code, "201") ? "Created"
                                               : "Accepted"));
        json_setz(w->a, &r, w->v3 ? "content" : "schema",
                  w->v3 ? content(w, plain_media, o->answer) : ref_to(w, o->answer));
        json_set(w->a, &all, code, r);
    }
    json_setz(w->a, &no, "description", json_z("Unauthorized"));
    json_setz(w->a, &all, "401", no);
    json_setz(w->a, op, "responses", all);
}

static struct json body_parameter(struct writing *w, const struct operation *o)
{
    struct json v = json_object();

    json_setz(w->a, &v, "name", json_z("body"));
    json_setz(w->a, &v, "in", json_z("body"));
    if (o->body_required)
        json_setz(w->a, &v, "required", json_bool(true));
    json_setz(w->a, &v, "schema", ref_to(w, o->body));
    return v;
}

static struct json operation(struct writing *w, const struct operation *o, const char *middle,
                             const char *suffix, bool query_here)
{
    const struct resource *r = w->k->r;
    CLEANUP(buf) struct buf id = BUF_INIT, tag = BUF_INIT;
    struct json op = json_object(), tags = json_array(), list = json_array(), body = json_object(),
                schemes = json_array();
    const char *const *media = o->body == REF_PATCH ? patch_media : plain_media;

    buf_z(&id, o->verb);
    camel(&id, group_word(r->group), true);
    camel(&id, r->version, true);
    buf_fmt(&id, "%s%s" PRI_STR "%s", middle, r->namespaced && *suffix != 'F' ? "Namespaced" : "",
            STR_ARG(r->kind), suffix);
    camel(&tag, group_word(r->group), false);
    buf_char(&tag, '_');
    camel(&tag, r->version, false);
    json_setz(w->a, &op, "description",
              json_string(str_find(str_of(o->doc), S("%s")) >= 0
                              ? arena_fmt(w->a, PRI_STR PRI_STR, (int)strcspn(o->doc, "%"), o->doc,
                                          STR_ARG(r->kind))
                              : str_of(o->doc)));
    json_setz(w->a, &op, "operationId", json_string(arena_dup(w->a, buf_view(&id))));
    json_append(w->a, &tags, json_string(arena_dup(w->a, buf_view(&tag))));
    json_setz(w->a, &op, "tags", tags);
    if (query_here)
        add_query(w, &list, o->query);
    if (!w->v3) {
        if (o->body != REF_NONE) {
            json_append(w->a, &list, body_parameter(w, o));
            json_setz(w->a, &op, "consumes", names(w, media));
        }
        json_setz(w->a, &op, "produces", names(w, plain_media));
        json_append(w->a, &schemes, json_z("https"));
        json_setz(w->a, &op, "schemes", schemes);
    } else if (o->body != REF_NONE) {
        json_setz(w->a, &body, "content", content(w, media, o->body));
        if (o->body_required)
            json_setz(w->a, &body, "required", json_bool(true));
        json_setz(w->a, &op, "requestBody", body);
    }
    sort_with(list.items, list.n, sizeof *list.items, by_name, NULL);
    if (list.n)
        json_setz(w->a, &op, "parameters", list);
    write_responses(w, &op, o);
    json_setz(w->a, &op, "x-kubernetes-action", json_z(o->action));
    json_setz(w->a, &op, "x-kubernetes-group-version-kind", gvk(w, r->kind));
    return op;
}

static void add_path(struct writing *w, struct json *paths, str path, const struct operation *ops,
                     size_t n, bool named, const char *suffix)
{
    bool namespaced = str_find(path, S("{namespace}")) >= 0, all = *suffix == 'F';
    struct json item = json_object(), list = json_array();

    for (size_t i = 0; i < n; i++)
        json_setz(w->a, &item, ops[i].method,
                  operation(w, &ops[i],
                            !strcmp(ops[i].action, "deletecollection") ? "Collection" : "", suffix,
                            !all));
    if (named)
        json_append(w->a, &list, parameter(w, "path", "name", "string", "Name of the object."));
    if (namespaced)
        json_append(w->a, &list,
                    parameter(w, "path", "namespace", "string", "Namespace of the object."));
    add_query(w, &list, all ? P_PRETTY | P_LIST : P_PRETTY);
    sort_with(list.items, list.n, sizeof *list.items, by_name, NULL);
    json_setz(w->a, &item, "parameters", list);
    json_set(w->a, paths, path, item);
}

static void write_paths(struct writing *w, struct json *paths)
{
    const struct resource *r = w->k->r;
    str base = arena_fmt(w->a, "/apis/" PRI_STR "/" PRI_STR "/", STR_ARG(r->group),
                         STR_ARG(r->version)),
        many = arena_fmt(w->a, PRI_STR "%s" PRI_STR, STR_ARG(base),
                         r->namespaced ? "namespaces/{namespace}/" : "", STR_ARG(r->plural)),
        one = arena_fmt(w->a, PRI_STR "/{name}", STR_ARG(many));

    if (r->namespaced)
        add_path(w, paths, arena_fmt(w->a, PRI_STR PRI_STR, STR_ARG(base), STR_ARG(r->plural)),
                 collection, 1, false, "ForAllNamespaces");
    add_path(w, paths, many, collection, ARRAY_LEN(collection), false, "");
    add_path(w, paths, one, object, ARRAY_LEN(object), true, "");
    if (w->k->has_status)
        add_path(w, paths, arena_fmt(w->a, PRI_STR "/status", STR_ARG(one)), status,
                 ARRAY_LEN(status), true, "Status");
    if (w->k->has_scale)
        add_path(w, paths, arena_fmt(w->a, PRI_STR "/scale", STR_ARG(one)), scale, ARRAY_LEN(scale),
                 true, "Scale");
}

void crd_openapi_kind(struct arena *a, const struct kind *k, bool v3, struct json *paths,
                      struct json *schemas)
{
    struct writing w = {.a = a, .k = k, .v3 = v3, .name = k->r->type->name};

    write_schemas(&w, schemas);
    write_paths(&w, paths);
}

/* ---- documents ---- */

/* The text of one schema in a document that we made: no need to parse all of it. */
static str schema_text(struct arena *a, str doc, const char *name)
{
    str key = arena_fmt(a, "\"%s\":{", name);
    ptrdiff_t at = str_find(doc, key);
    size_t from, i;
    int depth = 0;
    bool quoted = false;

    if (at < 0)
        return S("");
    from = (size_t)at + key.n - 1;
    for (i = from; i < doc.n; i++) {
        char ch = doc.p[i];

        if (quoted && ch == '\\')
            i++;
        else if (ch == '"')
            quoted = !quoted;
        else if (!quoted && ch == '{')
            depth++;
        else if (!quoted && ch == '}' && --depth == 0)
            break;
    }
    return str_slice(doc, from, MIN(i + 1, doc.n));
}

/* DeleteOptions belong to every group-version that clients of Kubernetes know, whether it is served or not. */
static const char delete_options_of[] =
    "/v1 admissionregistration.k8s.io/v1,v1alpha1,v1beta1 apps/v1,v1beta1,v1beta2 "
    "authentication.k8s.io/v1,v1alpha1,v1beta1 authorization.k8s.io/v1,v1beta1 autoscaling/v1,v2 "
    "batch/v1,v1beta1 certificates.k8s.io/v1,v1alpha1,v1beta1 "
    "coordination.k8s.io/v1,v1alpha2,v1beta1 discovery.k8s.io/v1,v1beta1 events.k8s.io/v1,v1beta1 "
    "extensions/v1beta1 flowcontrol.apiserver.k8s.io/v1,v1beta1,v1beta2,v1beta3 "
    "internal.apiserver.k8s.io/v1alpha1 networking.k8s.io/v1,v1beta1 "
    "node.k8s.io/v1,v1alpha1,v1beta1 policy/v1,v1beta1 "
    "rbac.authorization.k8s.io/v1,v1alpha1,v1beta1 resource.k8s.io/v1,v1alpha3,v1beta1,v1beta2 "
    "scheduling.k8s.io/v1,v1alpha2,v1beta1 storage.k8s.io/v1,v1alpha1,v1beta1 "
    "storagemigration.k8s.io/v1beta1";

static void encode_delete_options(struct buf *b, str text)
{
    static const str key = STR("\"x-kubernetes-group-version-kind\":[");
    ptrdiff_t at = str_find(text, key);
    str rest = str_of(delete_options_of), group, versions, version;
    bool first = true;

    if (at < 0) {
        buf_str(b, text);
        return;
    }
    buf_str(b, str_slice(text, 0, (size_t)at + key.n));
    while (str_cut(&rest, ' ', &versions)) {
        str_cut(&versions, '/', &group);
        while (str_cut(&versions, ',', &version)) {
            buf_fmt(b,
                    "%s{\"group\":\"" PRI_STR "\",\"version\":\"" PRI_STR
                    "\",\"kind\":\"DeleteOptions\"}",
                    first ? "" : ",", STR_ARG(group), STR_ARG(version));
            first = false;
        }
    }
    text = str_skip(text, (size_t)at + key.n);
    buf_str(b, str_skip(text, (size_t)MAX(str_index(text, ']'), 0)));
}

/* An object's members without its braces. */
static void encode_members(struct buf *b, const struct json *v)
{
    JSON_EACH_MEMBER(m, v) {
        if (m != v->members)
            buf_char(b, ',');
        json_encode_string(b, m->key);
        buf_char(b, ':');
        json_encode(b, &m->value);
    }
}

void crd_openapi_v3(struct api *api, struct arena *a, str group, str version, struct buf *out)
{
    static const char *const shared[] = {META "DeleteOptions", META "FieldsV1",
                                         META "ListMeta",      META "ManagedFieldsEntry",
                                         META "ObjectMeta",    META "OwnerReference",
                                         META "Patch",         META "Preconditions",
                                         META "ShardInfo",     META "Status",
                                         META "StatusCause",   META "StatusDetails",
                                         META "Time",          SCALE,
                                         SCALE "Spec",         SCALE "Status"};
    const struct openapi_doc *doc = openapi_find(S("v3/apis/apps/v1"));
    struct json paths = json_object(), schemas = json_object();
    CLEANUP(buf) struct buf text = BUF_INIT;
    bool scales = false;

    for (size_t i = 0; i < crds_count(api->crds); i++) {
        const struct kind *k = crds_at(api->crds, i);

        if (!str_eq(k->r->group, group) || !str_eq(k->r->version, version))
            continue;
        crd_openapi_kind(a, k, true, &paths, &schemas);
        scales |= k->has_scale;
    }
    buf_z(out, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes CRD Swagger\",\"version\":"
               "\"v0.1.0\"},\"paths\":");
    json_encode(out, &paths);
    buf_z(out, ",\"components\":{\"schemas\":{");
    encode_members(out, &schemas);
    openapi_text(doc, &text);
    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        str s = schema_text(a, buf_view(&text), shared[i]);

        if (!s.n || (!scales && !strncmp(shared[i], SCALE, strlen(SCALE))))
            continue;
        buf_fmt(out, ",\"%s\":", shared[i]);
        if (i == 0)
            encode_delete_options(out, s);
        else
            buf_str(out, s);
    }
    buf_z(out, "}}}");
}

static void all_kinds(struct api *api, struct arena *a, struct json *paths, struct json *schemas)
{
    for (size_t i = 0; i < crds_count(api->crds); i++)
        crd_openapi_kind(a, crds_at(api->crds, i), false, paths, schemas);
}

void crd_openapi_v2(struct api *api, struct arena *a, str builtin, struct buf *out)
{
    struct json parts[2] = {json_object(), json_object()};
    static const str keys[] = {STR("\"paths\":{"), STR("\"definitions\":{")};
    size_t done = 0;

    all_kinds(api, a, &parts[0], &parts[1]);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        ptrdiff_t at = str_find(builtin, keys[i]);

        if (at < 0 || (size_t)at < done || !parts[i].n)
            continue;
        buf_str(out, str_slice(builtin, done, (size_t)at + keys[i].n));
        encode_members(out, &parts[i]);
        buf_char(out, ',');
        done = (size_t)at + keys[i].n;
    }
    buf_str(out, str_skip(builtin, done));
}

void crd_openapi_v2_proto(struct api *api, struct arena *a, struct buf *out)
{
    struct json paths = json_object(), schemas = json_object();

    all_kinds(api, a, &paths, &schemas);
    openapi_proto_parts(out, &paths, &schemas);
}
