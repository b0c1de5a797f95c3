/* patch.c - PATCH: JSON Patch, JSON Merge Patch, strategic merge patch, server-side apply.
 *
 * The patch is applied to the newest version inside the store's update, so that a patch without
 * resourceVersion never conflicts. What comes out is decoded as if it had been sent, and goes the
 * way of an update; apply may create. API:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply */
#include "api/admission.h"
#include "api/dynamic/dynamic.h"
#include "wire/yaml.h"

#define JSON_PATCH_OPERATIONS_MAX 10000

enum patch_kind { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY };

struct patching {
    struct write w;
    enum patch_kind how;
    struct json *patch;
    const struct json *given; /* the patch as it came, where the steps may run more than once */
    struct json told;         /* what a strict decoder says of the patch itself */
    str reply;
    bool created;
};

static const struct {
    str type;
    enum patch_kind how;
} patch_types[] = {
    {STR("application/json-patch+json"), PATCH_JSON},
    {STR("application/merge-patch+json"), PATCH_MERGE},
    {STR("application/strategic-merge-patch+json"), PATCH_STRATEGIC},
    {STR("application/apply-patch+yaml"), PATCH_APPLY},
};

static struct err *invalid_patch(const struct patching *p, const char *value_text, const char *why)
{
    struct err *errs = NULL, *e;
    struct buf b = BUF_INIT;

    buf_quoted(&b, str_of(value_text));
    cause(&errs, CAUSE_INVALID, S("patch"), "Invalid value: %s: %s", buf_cstr(&b), why);
    buf_fini(&b);
    (void)p;
    e = err_invalid(errs, S(""), S(""), S(""));
    /* This error names no kind at all: details carry the causes only. */
    mem_free(e->details_kind);
    e->details_kind = NULL;
    return e;
}

/* Strategic patches are decoded by another decoder, which words a wrong type by Go's kinds: from
 * the JSON decoder's text "cannot unmarshal array into Go struct field X of type v1.Y" follows what
 * it says. */
static const char *restore_text(struct arena *a, const char *text)
{
    static const struct {
        const char *json, *go;
    } kinds[] = {{"array", "slice"},
                 {"object", "map"},
                 {"string", "string"},
                 {"number", "int64"},
                 {"bool", "bool"}};
    str s = str_of(text), type, from = S("");
    ptrdiff_t at = str_find(s, S("cannot unmarshal ")), of = str_find(s, S(" of type "));

    if (at < 0 || of < 0)
        return text;
    type = str_skip(s, (size_t)of + 9);
    s = str_skip(s, (size_t)at + 17);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_has_prefix(s, str_of(kinds[i].json)))
            from = str_of(kinds[i].go);
    /* A number with a fraction is told as it is written. */
    if (str_has_prefix(s, S("number ")) && s.n > 7 && s.p[7] != 'i')
        return arena_fmt(a, "cannot convert float64 to " PRI_STR, STR_ARG(type)).p;
    if (str_has_prefix(type, S("[]")))
        return arena_fmt(a, "cannot restore slice from " PRI_STR, STR_ARG(from)).p;
    if (str_has_prefix(type, S("map[")))
        return arena_fmt(a, "cannot restore map from " PRI_STR, STR_ARG(from)).p;
    if (str_has_char(type, '.'))
        return arena_fmt(a, "cannot restore struct from: " PRI_STR, STR_ARG(from)).p;
    return arena_fmt(a, "unrecognized type: " PRI_STR, STR_ARG(type)).p;
}

/* Members in byte order, in a copy of their list. */
static void sort_members(struct arena *a, struct json *v)
{
    struct json_member *copy = arena_alloc(a, sizeof *copy * (v->n ? v->n : 1));

    memcpy(copy, v->members, sizeof *copy * v->n);
    v->members = copy;
    for (uint32_t i = 1; i < v->n; i++)
        for (uint32_t j = i; j > 0 && str_cmp(copy[j - 1].key, copy[j].key) > 0; j--) {
            struct json_member m = copy[j];

            copy[j] = copy[j - 1];
            copy[j - 1] = m;
        }
}

static void sort_merged(struct arena *a, struct json *v, const struct json *patch)
{
    if (v->type != JSON_OBJECT || !json_is(patch, JSON_OBJECT))
        return;
    sort_members(a, v);
    JSON_EACH_MEMBER(m, patch) {
        struct json *below = json_find(v, m->key);

        if (below)
            sort_merged(a, below, &m->value);
    }
}

/* The objects on the way to a JSON pointer. Escapes need no care: what has them is sorted one level less. */
static void sort_along(struct arena *a, struct json *v, str pointer)
{
    str name;

    str_cut(&pointer, '/', &name); /* before the first slash is nothing */
    while (v && str_cut(&pointer, '/', &name)) {
        int64_t i;

        if (v->type == JSON_OBJECT) {
            sort_members(a, v);
            v = json_find(v, name);
        } else if (v->type == JSON_ARRAY && str_to_int64(name, &i) && i >= 0 && i < v->n) {
            struct json *items = arena_alloc(a, sizeof *items * v->n);

            memcpy(items, v->items, sizeof *items * v->n);
            v->items = items;
            v = &items[i];
        } else {
            return;
        }
    }
}

/* The library that Kubernetes patches with writes the objects that it has opened with sorted members. */
static void sort_touched(struct arena *a, struct json *top, enum patch_kind how,
                         const struct json *patch)
{
    sort_members(a, top);
    if (how == PATCH_MERGE)
        sort_merged(a, top, patch);
    else
        JSON_EACH(op, patch)
            sort_along(a, top, json_get_str(op, "path"));
}

static struct err *apply_to(struct patching *p, struct json *doc);

/* The document before it was decoded, as the library would have written it. Made once more from its beginnings, since
 * decoding changes trees and hardly ever has anything to tell. */
static struct json *patch_again(struct patching *p)
{
    struct req *q = p->w.req;
    struct json *doc = json_new(q->a, json_copy(q->a, p->w.old));

    err_free(json_parse(q->a, q->ex->req.body, NULL, NULL, &p->patch));
    err_free(object_to_served(q, q->a, p->w.kind, doc));
    err_free(apply_to(p, doc));
    sort_touched(q->a, doc, p->how, p->patch);
    return doc;
}

/* What problems of decoding quote: the patch, or the document. */
static void buf_patched(struct patching *p, struct buf *text)
{
    struct req *q = p->w.req;

    if (p->how == PATCH_STRATEGIC) {
        err_free(json_parse(q->a, q->ex->req.body, NULL, NULL, &p->patch));
        buf_go(text, p->patch);
        return;
    }
    json_encode(text, patch_again(p));
}

static int by_text(const void *x, const void *y, void *ctx)
{
    (void)ctx;
    return str_cmp(((const struct json *)x)->s, ((const struct json *)y)->s);
}

/* What the decoder told of the patched document, in the order in which Kubernetes' does: that of the library's document, or
 * sorted where a tree was decoded. Source: runtime/converter.go, FromUnstructuredWithValidation(). */
static struct json tell_again(struct patching *p, struct json found)
{
    struct req *q = p->w.req;
    struct json told = json_array();
    struct schema_warnings warnings = {.list = &told};

    if (found.n < 2)
        return found;
    if (p->how == PATCH_STRATEGIC) {
        sort_with(found.items, found.n, sizeof *found.items, by_text, NULL);
        return found;
    }
    err_free(schema_decode(q->a, p->w.kind->r->type, patch_again(p), &warnings));
    return told;
}

/* The patched tree as the client's kind; problems of decoding speak about the patch. */
static struct err *decode_patched(struct patching *p, struct json *doc)
{
    struct req *q = p->w.req;
    const struct kind *k = p->w.kind;
    struct json found = json_array(), problems;
    struct schema_warnings warnings = {.list = &found};
    struct buf text = BUF_INIT;
    struct err *e = NULL;
    str kind = json_str(json_findz(doc, "kind")),
        api_version = json_str(json_findz(doc, "apiVersion"));

    if (p->how != PATCH_STRATEGIC &&
        (!str_eq(kind, k->r->kind) || !str_eq(api_version, k->api_version))) {
        str why;
        const struct schema_type *t;
        str g = S(""), v = api_version;

        if (str_has_char(v, '/'))
            str_cut(&v, '/', &g);
        t = schema_find_gvk(g, v, kind);
        if (!t)
            why = arena_fmt(q->a,
                            "no kind \"" PRI_STR "\" is registered for version \"" PRI_STR
                            "\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                            STR_ARG(kind), STR_ARG(api_version));
        else
            why = arena_fmt(q->a, "unable to decode into *v1." PRI_STR, STR_ARG(k->r->kind));
        buf_patched(p, &text);
        e = invalid_patch(p, buf_cstr(&text), arena_dupz(q->a, why));
        buf_fini(&text);
        return e;
    }
    e = schema_decode(q->a, k->r->type, doc, q->wo.fields == FIELDS_IGNORE ? NULL : &warnings);
    if (e) {
        struct err *out;

        buf_patched(p, &text);
        out = invalid_patch(p, buf_cstr(&text),
                            p->how == PATCH_STRATEGIC ? restore_text(q->a, err_text(e))
                                                      : err_text(e));

        err_free(e);
        buf_fini(&text);
        return out;
    }
    problems = json_share(q->a, &p->told);
    found = tell_again(p, found);
    JSON_EACH(text_found, &found)
        json_append(q->a, &problems, *text_found);
    if (problems.n && q->wo.fields == FIELDS_STRICT) {
        struct buf why = BUF_INIT;

        strict_text(&why, &problems, "");
        buf_patched(p, &text);
        e = invalid_patch(p, buf_cstr(&text), buf_cstr(&why));
        buf_fini(&why);
    } else if (q->wo.fields == FIELDS_WARN)
        strict_warn(q, &problems);
    buf_fini(&text);
    return e;
}

static struct err *apply_to(struct patching *p, struct json *doc)
{
    const struct kind *k = p->w.kind;

    switch (p->how) {
    case PATCH_JSON:
        return patch_json(p->w.a, doc, p->patch);
    case PATCH_MERGE:
        return patch_merge(p->w.a, doc, p->patch);
    case PATCH_STRATEGIC:
        return patch_strategic(p->w.a, k->r->type, doc, p->patch);
    case PATCH_APPLY:
        break;
    }
    return err_new(REASON_INTERNAL, "apply is not a patch");
}

/* current NULL: it is being created, and whatever revision was named is of no meaning. */
static struct err *check_patched(struct patching *p, const struct obj *current)
{
    struct write *w = &p->w;
    str name = meta_str(w->obj, "name"), rv = meta_str(w->obj, "resourceVersion"),
        ns = meta_str(w->obj, "namespace");
    int64_t wanted;
    struct err *e;

    e = ns.n && !str_eq(ns, w->ns) && w->kind->r->namespaced ? err_other_namespace()
                                                             : check_url_name(name, w->name);
    if (e)
        return e;
    if (current && rv.n && !str_is(rv, "0")) {
        if (!str_to_int64(rv, &wanted)) {
            struct buf b = BUF_INIT;
            struct err *errs = NULL;

            buf_quoted(&b, rv);
            cause(&errs, CAUSE_INVALID, S("metadata.resourceVersion"),
                  "Invalid value: %s: strconv.ParseUint: parsing %s: invalid syntax", buf_cstr(&b),
                  buf_cstr(&b));
            e = err_invalid(errs, w->kind->r->group, w->kind->r->kind, w->name);
            buf_fini(&b);
            return e;
        }
        if (wanted != current->revision)
            return err_conflict(w->kind, w->name,
                                "the object has been modified; please apply your changes to the "
                                "latest version and try again");
    }
    return NULL;
}

/* What fits the schema of apply but not the type. Source: managedfields/internal/structuredmerge.go. */
static struct err *inconvertible(const struct patching *p, struct err *why)
{
    const struct write *w = &p->w;
    const struct resource *r = w->kind->r;
    str kind = arena_fmt(w->a, PRI_STR "/" PRI_STR ", Kind=" PRI_STR, STR_ARG(r->group),
                         STR_ARG(r->version), STR_ARG(r->kind));
    struct err *e =
        err_new(REASON_UNKNOWN,
                "failed to convert new object (" PRI_STR "/" PRI_STR "; " PRI_STR
                ") to proper version: unable to convert unstructured object to " PRI_STR ": %s",
                STR_ARG(meta_str(p->patch, "namespace")), STR_ARG(meta_str(p->patch, "name")),
                STR_ARG(kind), STR_ARG(kind), restore_text(w->a, err_text(why)));

    err_free(why);
    return e;
}

/* Server-side apply: merges the configuration into what is there; absent objects are created by it.
 */
static struct err *apply(struct patching *p, const struct obj *current, int64_t revision,
                         struct store_change *ret)
{
    struct write *w = &p->w;
    struct req *q = w->req;
    struct json *applied, *next, *live = NULL;
    struct json copy = json_share(w->a, p->patch);
    struct err *e;
    const struct apply_options o = {.manager = q->wo.manager,
                                    .force = q->wo.force,
                                    .subresource = w->subresource,
                                    .api_version = w->kind->api_version,
                                    .now = w->now};
    str uid = meta_str(p->patch, "uid");

    if (!current && w->subresource.n)
        return err_not_found(w->kind, w->name);
    applied = json_new(w->a, copy);
    if (w->old && w->kind->storage != w->kind) {
        live = json_new(w->a, json_copy(w->a, w->old));
        e = object_to_served(w->req, w->a, w->kind, live);
        if (e)
            return e;
    }
    e = apply_merge(w->a, w->kind->r, live ? live : w->old, applied, &o, &next);
    if (e) {
        if (e->reason == REASON_CONFLICT)
            err_details(e, S(""), S(""), S(""));
        return e;
    }
    if (p->told.n && q->wo.fields == FIELDS_STRICT) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        strict_text(&b, &p->told, YAML_ERRORS);
        return err_new(REASON_BAD_REQUEST,
                       "error strict decoding YAML: error converting YAML to JSON: %s",
                       buf_cstr(&b) + strlen("strict decoding error: "));
    }
    if (q->wo.fields == FIELDS_WARN)
        strict_warn(q, &p->told);
    if (!current && uid.n)
        return err_conflict(w->kind, w->name,
                            arena_fmt(w->a,
                                      "uid mismatch: the provided object specified uid " PRI_STR
                                      ", and no existing object was found",
                                      STR_ARG(uid))
                                .p);
    w->obj = next;
    if (w->kind->r->namespaced && !meta_str(next, "namespace").n)
        json_setz(w->a, meta_of(w->a, next), "namespace", json_string(w->ns));
    json_setz(w->a, next, "kind", json_string(w->kind->r->kind));
    json_setz(w->a, next, "apiVersion", json_string(w->kind->api_version));
    e = schema_decode(w->a, w->kind->r->type, w->obj, NULL);
    if (e)
        return inconvertible(p, e);
    w->applied = true;
    e = check_patched(p, current);
    if (!current) {
        p->created = true;
        if (!e)
            e = write_create_steps(w);
        return e ? e : write_put(w, NULL, revision, ret, &p->reply);
    }
    if (!e)
        e = write_update_steps(w);
    return e ? e : write_put(w, current, revision, ret, &p->reply);
}

static struct err *patch_current(void *ctx, struct arena *a, const struct obj *current,
                                 int64_t revision, struct store_change *ret)
{
    struct patching *p = ctx;
    struct write *w = &p->w;
    struct err *e;

    (void)a;
    if (current)
        w->old = object_parse(w->a, arena_dup(w->a, current->data));
    if (p->how == PATCH_APPLY)
        return apply(p, current, revision, ret);
    if (!current)
        return err_not_found(w->kind, w->name);
    w->obj = json_new(w->a, json_share(w->a, w->old));
    e = object_to_served(w->req, w->a, w->kind, w->obj);
    if (!e)
        e = apply_to(p, w->obj);
    if (!e && !json_is(w->obj, JSON_OBJECT))
        e = err_new(REASON_BAD_REQUEST, "the patched document is not an object");
    if (!e)
        e = decode_patched(p, w->obj);
    if (!e) {
        json_setz(w->a, w->obj, "kind", json_string(w->kind->r->kind));
        json_setz(w->a, w->obj, "apiVersion", json_string(w->kind->api_version));
        e = check_patched(p, current);
    }
    if (!e)
        e = write_update_steps(w);
    return e ? e : write_put(w, current, revision, ret, &p->reply);
}

static void patch_run(void *ctx, struct err *e);

static void patched(void *ctx, struct err *e, const struct obj *result)
{
    struct patching *p = ctx;
    struct write *w = &p->w;

    write_settled(w, !e);
    if (answers_wait(w->answers, e, patch_run, p))
        return;
    if (e)
        reply_error(w->req, e);
    else
        reply_object(w->req, p->created ? 201 : 200, w->kind, p->reply.n ? p->reply : result->data);
}

static void patch_run(void *ctx, struct err *e)
{
    struct patching *p = ctx;
    struct write *w = &p->w;

    if (e) {
        reply_error(w->req, e);
        return;
    }
    answers_begin(w->answers);
    if (w->answers) {
        p->patch = json_new(w->a, json_copy(w->a, p->given));
        w->obj = NULL;
        w->old = NULL;
        p->created = false;
        p->reply = S("");
    }
    store_update(w->api->store, kind_key(w->kind, w->ns, w->name), patch_current, patched, p);
    quota_written(w);
}

static struct err *unsupported(void)
{
    return err_details(err_new(REASON_UNSUPPORTED_MEDIA, "415: Unsupported Media Type"), S(""),
                       S(""), S(""));
}

static struct err *undecodable(const char *prefix, const struct json *v, const char *type)
{
    return err_new(REASON_BAD_REQUEST, "%sjson: cannot unmarshal %s into Go %s", prefix,
                   json_word(v), type);
}

/* The operations as the handler's own decoder sees them, before the library does: their fields, and the types of those. */
static struct err *check_operations(struct patching *p, struct schema_warnings *w)
{
    struct arena *a = p->w.req->a;
    static const char prefix[] = "error decoding patch: ";
    struct json told = json_array();
    uint32_t i = 0;

    if (!json_is(p->patch, JSON_ARRAY))
        return undecodable(prefix, p->patch, "value of type []handlers.jsonPatchOp");
    JSON_EACH(op, p->patch) {
        if (!json_is(op, JSON_OBJECT) && !json_is(op, JSON_NULL))
            return undecodable(prefix, op, "value of type handlers.jsonPatchOp");
        JSON_EACH_MEMBER(m, op) {
            bool text = str_is(m->key, "op") || str_is(m->key, "path") || str_is(m->key, "from");

            if (text && m->value.type != JSON_STRING && m->value.type != JSON_NULL)
                return undecodable(prefix, &m->value,
                                   arena_fmt(a,
                                             "struct field jsonPatchOp." PRI_STR " of type string",
                                             STR_ARG(m->key))
                                       .p);
            if (!text && !str_is(m->key, "value"))
                schema_warn_unknown(a, w, arena_fmt(a, "[%u]." PRI_STR, i, STR_ARG(m->key)),
                                    m->key);
        }
        i++;
    }
    schema_warn_rest(a, w);
    JSON_EACH(text, w->list)
        json_append(a, &told, json_string(arena_fmt(a, "json patch " PRI_STR, STR_ARG(text->s))));
    *w->list = told;
    return NULL;
}

static struct err *parse_json_patch(struct patching *p, struct schema_warnings *w)
{
    struct err *e = NULL;

    if (json_is(p->patch, JSON_NULL))
        *p->patch = json_array();
    if (p->w.req->wo.fields != FIELDS_IGNORE)
        e = check_operations(p, w);
    if (!e && json_count(p->patch) > JSON_PATCH_OPERATIONS_MAX)
        e = err_new(REASON_REQUEST_TOO_LARGE,
                    "The allowed maximum operations in a JSON patch is %d, got %u",
                    JSON_PATCH_OPERATIONS_MAX, json_count(p->patch));
    return e;
}

/* What an apply request must be before anything is looked at. Source: managedfields/internal/versioncheck.go. */
static struct err *apply_config_parse(struct req *q, str want_version, str want_kind,
                                      struct json *told, struct json **ret)
{
    str kind, version, group = S("");
    struct err *e, *errs = NULL;
    struct json *v = NULL;

    if (!query_str(q, "fieldManager").n) {
        cause(&errs, CAUSE_REQUIRED, S("fieldManager"),
              "Required value: is required for apply patch");
        return err_invalid(errs, S("meta.k8s.io"), S("PatchOptions"), S(""));
    }
    e = yaml_parse(q->a, q->ex->req.body, told, &v);
    if (e) {
        struct err *out = err_new(REASON_BAD_REQUEST, "error decoding YAML: %s", err_text(e));

        err_free(e);
        return out;
    }
    if (json_is(v, JSON_NULL))
        *v = json_object();
    if (!json_is(v, JSON_OBJECT))
        return undecodable("error decoding YAML: error unmarshaling JSON: while decoding JSON: ", v,
                           "value of type map[string]interface {}");
    *ret = v;
    kind = json_str(json_findz(v, "kind"));
    version = json_str(json_findz(v, "apiVersion"));
    if (str_eq(kind, want_kind) && str_eq(version, want_version))
        return NULL;
    if (str_has_char(version, '/'))
        str_cut(&version, '/', &group);
    return err_new(REASON_BAD_REQUEST,
                   "invalid object type: " PRI_STR "/" PRI_STR ", Kind=" PRI_STR, STR_ARG(group),
                   STR_ARG(version), STR_ARG(kind));
}

/* Go's texts. Without a strict decoder it is the library that refuses a merge patch. */
static struct err *parse_patch(struct patching *p, str body)
{
    struct req *q = p->w.req;
    bool strict = q->wo.fields != FIELDS_IGNORE;
    struct json duplicates = json_object();
    struct schema_warnings w = {.list = &p->told, .duplicates = &duplicates, .text = body};
    const char *prefix = strict && p->how != PATCH_STRATEGIC ? "error decoding patch: " : "";
    struct err *e, *out;

    p->told = json_array();
    if (p->how == PATCH_APPLY)
        return apply_config_parse(q, p->w.kind->api_version, p->w.kind->r->kind,
                                  strict ? &p->told : NULL, &p->patch);
    e = json_parse(q->a, body, NULL, strict ? &duplicates : NULL, &p->patch);
    if (e) {
        out = p->how == PATCH_MERGE && !strict
                  ? err_new(REASON_BAD_REQUEST, "Invalid JSON Patch")
                  : err_new(REASON_BAD_REQUEST, "%s%s", prefix,
                            body.n ? err_text(e) : "unexpected end of JSON input");
        err_free(e);
        return out;
    }
    if (p->how == PATCH_JSON)
        return parse_json_patch(p, &w);
    if (p->how == PATCH_MERGE &&
        (json_is(p->patch, JSON_NULL) || (!strict && !json_is(p->patch, JSON_OBJECT))))
        return err_new(REASON_BAD_REQUEST, "Invalid JSON Patch");
    if (json_is(p->patch, JSON_NULL))
        *p->patch = json_object();
    if (!json_is(p->patch, JSON_OBJECT))
        return undecodable(prefix, p->patch, "value of type map[string]interface {}");
    schema_warn_rest(q->a, &w);
    return NULL;
}

/* k: of what is patched; the object of the URL must be there. */
static struct err *patch_open(struct req *q, const struct kind *k, struct patching *p)
{
    bool custom = q->route.kind->r->custom, known = false;
    str type = http_header(&q->ex->req, "content-type"), head = S("");
    struct err *e, *errs = NULL;

    if (type.n)
        str_cut(&type, ';', &head);
    head = str_trim(head);
    for (size_t i = 0; i < ARRAY_LEN(patch_types); i++)
        if (str_eq(patch_types[i].type, head)) {
            p->how = patch_types[i].how;
            known = true;
        }
    if (!known || (p->how == PATCH_STRATEGIC && custom))
        return custom ? err_new(REASON_UNSUPPORTED_MEDIA,
                                "the body of the request was in an unknown format - accepted "
                                "media types include: application/json-patch+json, "
                                "application/merge-patch+json, application/apply-patch+yaml")
                      : unsupported();
    p->w = (struct write){.api = q->api,
                          .req = q,
                          .a = q->a,
                          .kind = k,
                          .ns = q->route.ns,
                          .name = q->route.name,
                          .subresource = q->route.subresource,
                          .now = loop_wall(q->api->loop)};
    e = write_options_parse(q, "PatchOptions");
    if (!e && q->wo.force && p->how != PATCH_APPLY) {
        cause(&errs, CAUSE_FORBIDDEN, S("force"),
              "Forbidden: may not be specified for non-apply patch");
        e = err_invalid(errs, S("meta.k8s.io"), S("PatchOptions"), S(""));
    }
    /* An object that is not there is reported before a patch that cannot be read. */
    if (!e && p->how != PATCH_APPLY &&
        !store_find(q->api->store, kind_key(q->route.kind, q->route.ns, q->route.name)))
        e = err_not_found(q->route.kind, q->route.name);
    if (!e)
        e = parse_patch(p, q->ex->req.body);
    p->given = p->patch;
    return e;
}

struct err *patch_begin(struct req *q, const struct kind *k, struct patching **ret)
{
    struct patching *p = ARENA_NEW(q->a, struct patching);
    struct err *e = patch_open(q, k, p);

    *ret = e ? NULL : p;
    return e;
}

const struct json *patch_config(const struct patching *p)
{
    return p->how == PATCH_APPLY ? p->given : NULL;
}

struct err *patch_tree(struct patching *p, struct arena *a, const struct json *live,
                       struct json **ret)
{
    struct json *v = json_new(a, json_copy(a, live));
    struct err *e;

    p->w.a = a;
    p->w.old = live;
    p->patch = json_new(a, json_copy(a, p->given));
    e = apply_to(p, v);
    if (!e && !json_is(v, JSON_OBJECT))
        e = err_new(REASON_BAD_REQUEST, "the patched document is not an object");
    if (!e)
        e = decode_patched(p, v);
    if (!e)
        *ret = v;
    return e;
}

void verb_patch(struct req *q)
{
    struct patching *p = ARENA_NEW(q->a, struct patching);
    const struct kind *k = q->route.kind;
    struct err *e = patch_open(q, k, p);

    if (e) {
        reply_error(q, e);
        return;
    }
    p->w.dry_run = q->wo.dry_run;
    p->w.answers = answers_new(q, k, q->route.subresource, ADMIT_UPDATE,
                               p->how == PATCH_APPLY ? ADMIT_CREATE : ADMIT_UPDATE);
    p->w.a = answers_arena(p->w.answers, q);
    patch_run(p, NULL);
}
