/* openapi_paths.c - what can be asked of the server: the operations of every resource as OpenAPI
 * paths.
 *
 * Operation names follow Kubernetes' pattern (readAppsV1NamespacedDeploymentScale), since generated
 * clients take their function names from them. */
#include "openapi.h"

#include <ctype.h>

/* Query parameters. Each operation has a subset, by bit. */
static const struct {
    const char *name, *type, *doc;
} parameters[] = {
    {"allowWatchBookmarks", "boolean", "Ask for BOOKMARK events in a watch."},
    {"continue", "string", "Where to go on: the token of the previous, limited answer."},
    {"dryRun", "string", "All: do everything but keep the result."},
    {"fieldManager", "string", "Name of the actor that makes the change."},
    {"fieldSelector", "string", "Only objects whose fields match."},
    {"fieldValidation", "string",
     "What happens to unknown and duplicate fields: Ignore, Warn or Strict."},
    {"force", "boolean", "Take over fields that other managers own (apply only)."},
    {"gracePeriodSeconds", "integer", "How long the object may take to end; zero is at once."},
    {"ignoreStoreReadErrorWithClusterBreakingPotential", "boolean",
     "Delete an object that cannot be read from storage. Dangerous."},
    {"labelSelector", "string", "Only objects whose labels match."},
    {"limit", "integer", "At most so many objects in one answer."},
    {"orphanDependents", "boolean", "Deprecated: use propagationPolicy."},
    {"pretty", "string", "true: indent the answer."},
    {"propagationPolicy", "string",
     "What happens to dependents: Orphan, Background or Foreground."},
    {"resourceVersion", "string", "How fresh the answer has to be, or where a watch starts."},
    {"resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Begin a watch with the objects that exist."},
    {"shardSelector", "string", "Only the objects of one shard."},
    {"timeoutSeconds", "integer", "End the list or watch after so long."},
    {"watch", "boolean", "Answer with changes as they happen."},
};
enum {
    P_BOOKMARKS = 1 << 0,
    P_CONTINUE = 1 << 1,
    P_DRY_RUN = 1 << 2,
    P_MANAGER = 1 << 3,
    P_FIELDS = 1 << 4,
    P_VALIDATION = 1 << 5,
    P_FORCE = 1 << 6,
    P_GRACE = 1 << 7,
    P_IGNORE = 1 << 8,
    P_LABELS = 1 << 9,
    P_LIMIT = 1 << 10,
    P_ORPHAN = 1 << 11,
    P_PRETTY = 1 << 12,
    P_PROPAGATION = 1 << 13,
    P_VERSION = 1 << 14,
    P_MATCH = 1 << 15,
    P_INITIAL = 1 << 16,
    P_SHARD = 1 << 17,
    P_TIMEOUT = 1 << 18,
    P_WATCH = 1 << 19,
    P_LIST = P_BOOKMARKS | P_CONTINUE | P_FIELDS | P_LABELS | P_LIMIT | P_VERSION | P_MATCH |
             P_INITIAL | P_SHARD | P_TIMEOUT | P_WATCH,
    P_WRITE = P_DRY_RUN | P_MANAGER | P_VALIDATION,
    P_DELETE = P_DRY_RUN | P_GRACE | P_IGNORE | P_ORPHAN | P_PROPAGATION,
    P_COLLECTION = P_DELETE | (P_LIST & ~(P_BOOKMARKS | P_WATCH)),
};

/* One way to use a path. */
struct operation {
    const char *method, *action;
    uint32_t query;
    str id, description;
    struct model_type *body, *answer;
    bool body_required, is_patch, is_list, plain; /* plain: answers with text (log, connect) */
    const char *codes;                            /* "200 201" */
    str group, version, kind;
};

str openapi_group_name(struct openapi *o, str group, bool capital)
{
    struct buf b = BUF_INIT;
    str rest = group, part, name;
    bool upper = capital;

    if (!group.n)
        return capital ? S("Core") : S("core");
    if (str_has_suffix(rest, S(".k8s.io")))
        rest = str_slice(rest, 0, rest.n - 7);
    while (str_cut(&rest, '.', &part)) {
        if (!part.n)
            continue;
        buf_char(&b, upper ? (char)toupper((unsigned char)part.p[0]) : part.p[0]);
        buf_str(&b, str_skip(part, 1));
        upper = true;
    }
    name = arena_dup(o->m->arena, buf_view(&b));
    buf_fini(&b);
    return name;
}

str openapi_capital(struct openapi *o, str s)
{
    char *z = arena_dupz(o->m->arena, s);

    z[0] = (char)toupper((unsigned char)z[0]);
    return str_of(z);
}

static void write_parameter(struct openapi *o, const char *in, const char *name, const char *type,
                            const char *doc, bool required)
{
    struct writer *w = &o->w;

    writer_open(w, '{');
    writer_memberz(w, "name", name);
    writer_memberz(w, "in", in);
    writer_memberz(w, "description", doc);
    if (required) {
        writer_key(w, "required");
        writer_raw(w, S("true"));
    }
    if (o->v3) {
        writer_key(w, "schema");
        writer_open(w, '{');
    }
    writer_memberz(w, "type", type);
    writer_key(w, "uniqueItems");
    writer_raw(w, S("true"));
    if (o->v3)
        writer_close(w, '}');
    writer_close(w, '}');
}

static void write_query(struct openapi *o, uint32_t bits)
{
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        if (bits & 1u << i)
            write_parameter(o, "query", parameters[i].name, parameters[i].type, parameters[i].doc,
                            false);
}

static void write_media(struct openapi *o, const char *media, struct model_type *t)
{
    struct writer *w = &o->w;

    writer_key(w, media);
    writer_open(w, '{');
    writer_key(w, "schema");
    if (t)
        openapi_ref(o, t);
    else
        writer_raw(w, S("{\"type\":\"string\"}"));
    writer_close(w, '}');
}

static const char *const patch_media[] = {
    "application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json"};
static const char *const answer_media[] = {
    "application/json", "application/json;stream=watch", "application/vnd.kubernetes.protobuf",
    "application/vnd.kubernetes.protobuf;stream=watch", "application/yaml"};

static void write_media_list(struct openapi *o, const char *key, const struct operation *op,
                             bool body)
{
    struct writer *w = &o->w;

    writer_key(w, key);
    writer_open(w, '[');
    if (body && op->is_patch)
        for (size_t i = 0; i < ARRAY_LEN(patch_media); i++)
            writer_z(w, patch_media[i]);
    else if (body || op->plain)
        writer_z(w, "*/*");
    else
        for (size_t i = 0; i < ARRAY_LEN(answer_media); i++)
            if (op->is_list || !strstr(answer_media[i], "stream=watch"))
                writer_z(w, answer_media[i]);
    writer_close(w, ']');
}

static const char *code_text(const char *code)
{
    return !strncmp(code, "200", 3) ? "OK" : !strncmp(code, "201", 3) ? "Created" : "Accepted";
}

static void write_answers(struct openapi *o, const struct operation *op)
{
    struct writer *w = &o->w;
    str codes = str_of(op->codes), code;

    writer_key(w, "responses");
    writer_open(w, '{');
    while (str_cut(&codes, ' ', &code)) {
        writer_key_str(w, code);
        writer_open(w, '{');
        writer_memberz(w, "description", code_text(code.p));
        if (o->v3) {
            writer_key(w, "content");
            writer_open(w, '{');
            if (op->plain)
                write_media(o, "*/*", NULL);
            else
                for (size_t i = 0; i < ARRAY_LEN(answer_media); i++)
                    if (op->is_list || !strstr(answer_media[i], "stream=watch"))
                        write_media(o, answer_media[i], op->answer);
            writer_close(w, '}');
        } else {
            writer_key(w, "schema");
            if (op->plain)
                writer_raw(w, S("{\"type\":\"string\"}"));
            else
                openapi_ref(o, op->answer);
        }
        writer_close(w, '}');
    }
    writer_key(w, "401");
    writer_raw(w, S("{\"description\":\"Unauthorized\"}"));
    writer_close(w, '}');
}

static void write_body(struct openapi *o, const struct operation *op)
{
    struct writer *w = &o->w;

    if (!op->body)
        return;
    if (o->v3) {
        writer_key(w, "requestBody");
        writer_open(w, '{');
        writer_key(w, "content");
        writer_open(w, '{');
        if (op->is_patch)
            for (size_t i = 0; i < ARRAY_LEN(patch_media); i++)
                write_media(o, patch_media[i], op->body);
        else
            write_media(o, "*/*", op->body);
        writer_close(w, '}');
        if (op->body_required) {
            writer_key(w, "required");
            writer_raw(w, S("true"));
        }
        writer_close(w, '}');
        return;
    }
    writer_open(w, '{');
    writer_memberz(w, "name", "body");
    writer_memberz(w, "in", "body");
    if (op->body_required) {
        writer_key(w, "required");
        writer_raw(w, S("true"));
    }
    writer_key(w, "schema");
    openapi_ref(o, op->body);
    writer_close(w, '}');
}

static void write_operation(struct openapi *o, const struct operation *op, str tag)
{
    struct writer *w = &o->w;

    writer_key(w, op->method);
    writer_open(w, '{');
    writer_key(w, "tags");
    writer_open(w, '[');
    writer_string(w, tag);
    writer_close(w, ']');
    writer_member(w, "description", op->description);
    writer_member(w, "operationId", op->id);
    if (!o->v3) {
        write_media_list(o, "consumes", op, true);
        write_media_list(o, "produces", op, false);
        writer_key(w, "schemes");
        writer_raw(w, S("[\"https\"]"));
    }
    if (op->query || (!o->v3 && op->body)) {
        writer_key(w, "parameters");
        writer_open(w, '[');
        if (!o->v3)
            write_body(o, op);
        write_query(o, op->query);
        writer_close(w, ']');
    }
    if (o->v3)
        write_body(o, op);
    write_answers(o, op);
    if (op->action)
        writer_memberz(w, "x-kubernetes-action", op->action);
    if (op->kind.n) {
        writer_key(w, "x-kubernetes-group-version-kind");
        writer_open(w, '{');
        writer_member(w, "group", op->group);
        writer_member(w, "kind", op->kind);
        writer_member(w, "version", op->version);
        writer_close(w, '}');
    }
    writer_close(w, '}');
}

void openapi_write_get(struct openapi *o, str path, str id, str tag, const char *description,
                       struct model_type *t, const char *const *media)
{
    struct writer *w = &o->w;

    writer_key_str(w, path);
    writer_open(w, '{');
    writer_key(w, "get");
    writer_open(w, '{');
    writer_key(w, "tags");
    writer_open(w, '[');
    writer_string(w, tag);
    writer_close(w, ']');
    writer_memberz(w, "description", description);
    writer_member(w, "operationId", id);
    if (!o->v3) {
        writer_key(w, "schemes");
        writer_raw(w, S("[\"https\"]"));
        writer_key(w, "produces");
        writer_open(w, '[');
        for (size_t i = 0; media[i]; i++)
            writer_z(w, media[i]);
        writer_close(w, ']');
    }
    writer_key(w, "responses");
    writer_open(w, '{');
    writer_key(w, "200");
    writer_open(w, '{');
    writer_memberz(w, "description", "OK");
    if (o->v3) {
        writer_key(w, "content");
        writer_open(w, '{');
        for (size_t i = 0; media[i]; i++)
            write_media(o, media[i], t);
        writer_close(w, '}');
    } else {
        writer_key(w, "schema");
        if (t)
            openapi_ref(o, t);
        else
            writer_raw(w, S("{\"type\":\"string\"}"));
    }
    writer_close(w, '}');
    writer_key(w, "401");
    writer_raw(w, S("{\"description\":\"Unauthorized\"}"));
    writer_close(w, '}');
    writer_close(w, '}');
    writer_close(w, '}');
}

/* What the paths of one resource have in common. */
struct context {
    struct openapi *o;
    struct model_resource *r;
    str prefix, tag, who; /* "/apis/apps/v1", "apps_v1", "AppsV1" */
    const char *article;
    struct model_type *type, *list, *status, *options, *patch;
};

static str id_of(struct context *c, const char *verb, const char *middle, const char *suffix)
{
    return arena_fmt(c->o->m->arena, "%s" PRI_STR "%s" PRI_STR "%s", verb, STR_ARG(c->who), middle,
                     STR_ARG(c->r->kind), suffix);
}

static struct operation base_operation(struct context *c, const char *method, const char *action)
{
    return (struct operation){.method = method,
                              .action = action,
                              .codes = "200",
                              .answer = c->type,
                              .group = c->r->package->group,
                              .version = c->r->package->version,
                              .kind = c->r->kind};
}

static str describe(struct context *c, const char *fmt, str a)
{
    struct buf b = BUF_INIT;
    str s;

    buf_fmt(&b, fmt, STR_ARG(a));
    s = arena_dup(c->o->m->arena, buf_view(&b));
    buf_fini(&b);
    return s;
}

/* In the order of their names, whether they stand in the path or in the query. */
static void path_parameters(struct context *c, bool name, bool namespace, uint32_t query)
{
    struct writer *w = &c->o->w;
    struct {
        bool wanted;
        const char *name;
        str doc;
    } in_path[] = {
        {name, "name", arena_fmt(c->o->m->arena, "name of the " PRI_STR, STR_ARG(c->r->kind))},
        {namespace, "namespace", S("namespace of the object")},
    };
    size_t next = 0;

    writer_key(w, "parameters");
    writer_open(w, '[');
    for (size_t i = 0; i <= ARRAY_LEN(parameters); i++) {
        for (; next < ARRAY_LEN(in_path); next++) {
            if (i < ARRAY_LEN(parameters) && strcmp(in_path[next].name, parameters[i].name) > 0)
                break;
            if (in_path[next].wanted)
                write_parameter(c->o, "path", in_path[next].name, "string", in_path[next].doc.p,
                                true);
        }
        if (i < ARRAY_LEN(parameters) && query & 1u << i)
            write_parameter(c->o, "query", parameters[i].name, parameters[i].type,
                            parameters[i].doc, false);
    }
    writer_close(w, ']');
}

static void open_path(struct context *c, const char *fmt, ...) PRINTF(2, 3);
static void open_path(struct context *c, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;

    buf_str(&b, c->prefix);
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    writer_key_str(&c->o->w, buf_view(&b));
    writer_open(&c->o->w, '{');
    buf_fini(&b);
}

static void collection_paths(struct context *c)
{
    struct model_resource *r = c->r;
    const char *ns = r->namespaced ? "/namespaces/{namespace}/" : "/",
               *middle = r->namespaced ? "Namespaced" : "";
    struct operation op;

    if (!(r->verbs & (VERB_LIST | VERB_CREATE | VERB_DELETECOLLECTION)))
        return;
    open_path(c, "%s" PRI_STR, ns, STR_ARG(r->plural));
    if (r->verbs & VERB_LIST) {
        op = base_operation(c, "get", "list");
        op.query = P_LIST;
        op.id = id_of(c, "list", middle, "");
        op.description = describe(c, "list or watch objects of kind " PRI_STR, r->kind);
        op.answer = c->list;
        op.is_list = true;
        write_operation(c->o, &op, c->tag);
    }
    if (r->verbs & VERB_CREATE) {
        op = base_operation(c, "post", "post");
        op.query = P_WRITE;
        op.id = id_of(c, "create", middle, "");
        op.description =
            arena_fmt(c->o->m->arena, "create %s " PRI_STR, c->article, STR_ARG(r->kind));
        op.body = c->type;
        op.body_required = true;
        op.codes = "200 201 202";
        write_operation(c->o, &op, c->tag);
    }
    if (r->verbs & VERB_DELETECOLLECTION) {
        op = base_operation(c, "delete", "deletecollection");
        op.query = P_COLLECTION;
        op.id = id_of(c, "delete", r->namespaced ? "CollectionNamespaced" : "Collection", "");
        op.description = describe(c, "delete collection of " PRI_STR, r->kind);
        op.body = c->options;
        op.answer = c->status;
        write_operation(c->o, &op, c->tag);
    }
    path_parameters(c, false, r->namespaced, P_PRETTY);
    writer_close(&c->o->w, '}');
    if (r->namespaced && (r->verbs & (VERB_LIST | VERB_CREATE))) {
        open_path(c, "/" PRI_STR, STR_ARG(r->plural));
        if (r->verbs & VERB_LIST) {
            op = base_operation(c, "get", "list");
            op.id = id_of(c, "list", "", "ForAllNamespaces");
            op.description = describe(c, "list or watch objects of kind " PRI_STR, r->kind);
            op.answer = c->list;
            op.is_list = true;
            write_operation(c->o, &op, c->tag);
        }
        path_parameters(c, false, false, P_LIST | P_PRETTY);
        writer_close(&c->o->w, '}');
    }
}

static void patch_operation(struct context *c, struct operation *op)
{
    op->method = "patch";
    op->action = "patch";
    op->query = P_WRITE | P_FORCE;
    op->body = c->patch;
    op->body_required = true;
    op->is_patch = true;
    op->codes = "200 201";
}

static void object_paths(struct context *c)
{
    struct model_resource *r = c->r;
    const char *ns = r->namespaced ? "/namespaces/{namespace}/" : "/",
               *middle = r->namespaced ? "Namespaced" : "";
    struct operation op;

    if (!(r->verbs & (VERB_GET | VERB_UPDATE | VERB_PATCH | VERB_DELETE)))
        return;
    open_path(c, "%s" PRI_STR "/{name}", ns, STR_ARG(r->plural));
    if (r->verbs & VERB_GET) {
        op = base_operation(c, "get", "get");
        op.id = id_of(c, "read", middle, "");
        op.description = describe(c, "read the specified " PRI_STR, r->kind);
        write_operation(c->o, &op, c->tag);
    }
    if (r->verbs & VERB_UPDATE) {
        op = base_operation(c, "put", "put");
        op.query = P_WRITE;
        op.id = id_of(c, "replace", middle, "");
        op.description = describe(c, "replace the specified " PRI_STR, r->kind);
        op.body = c->type;
        op.body_required = true;
        op.codes = "200 201";
        write_operation(c->o, &op, c->tag);
    }
    if (r->verbs & VERB_DELETE) {
        op = base_operation(c, "delete", "delete");
        op.query = P_DELETE;
        op.id = id_of(c, "delete", middle, "");
        op.description =
            arena_fmt(c->o->m->arena, "delete %s " PRI_STR, c->article, STR_ARG(r->kind));
        op.body = c->options;
        op.answer = r->deleted ? c->type : c->status;
        op.codes = "200 202";
        write_operation(c->o, &op, c->tag);
    }
    if (r->verbs & VERB_PATCH) {
        op = base_operation(c, "patch", "patch");
        patch_operation(c, &op);
        op.id = id_of(c, "patch", middle, "");
        op.description = describe(c, "partially update the specified " PRI_STR, r->kind);
        write_operation(c->o, &op, c->tag);
    }
    path_parameters(c, true, r->namespaced, P_PRETTY);
    writer_close(&c->o->w, '}');
}

static void watch_path(struct context *c, str path, const char *middle, const char *suffix,
                       bool one, bool namespace, bool name)
{
    struct operation op = base_operation(c, "get", one ? "watch" : "watchlist");

    open_path(c, "/watch/" PRI_STR, STR_ARG(path));
    op.id = id_of(c, "watch", middle, suffix);
    op.description = describe(c,
                              one ? "watch changes to an object of kind " PRI_STR
                                    ". deprecated: use the 'watch' parameter with a list."
                                  : "watch individual changes to a list of " PRI_STR
                                    ". deprecated: use the 'watch' parameter with a list.",
                              c->r->kind);
    op.answer = map_find(&c->o->m->by_name, S("io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent"));
    op.is_list = true;
    write_operation(c->o, &op, c->tag);
    path_parameters(c, name, namespace, P_LIST | P_PRETTY);
    writer_close(&c->o->w, '}');
}

static void watch_paths(struct context *c)
{
    struct model_resource *r = c->r;
    struct arena *a = c->o->m->arena;

    if (!(r->verbs & VERB_WATCH))
        return;
    if (r->namespaced) {
        watch_path(c, arena_fmt(a, "namespaces/{namespace}/" PRI_STR, STR_ARG(r->plural)),
                   "Namespaced", "List", false, true, false);
        watch_path(c, arena_fmt(a, "namespaces/{namespace}/" PRI_STR "/{name}", STR_ARG(r->plural)),
                   "Namespaced", "", true, true, true);
        watch_path(c, r->plural, "", "ListForAllNamespaces", false, false, false);
    } else {
        watch_path(c, r->plural, "", "List", false, false, false);
        watch_path(c, arena_fmt(a, PRI_STR "/{name}", STR_ARG(r->plural)), "", "", true, false,
                   true);
    }
}

static struct model_type *sub_type(struct context *c, const struct model_sub *s)
{
    if (!s->kind.n)
        return c->type;
    for (uint32_t i = 0; i < c->o->m->n_packages; i++) {
        struct model_package *p = c->o->m->packages[i];
        struct model_type *t;

        if (!str_eq(p->group, s->group) || !str_eq(p->version, s->version) || p->proto3)
            continue;
        t = map_find(&c->o->m->by_name, arena_fmt(c->o->m->arena, PRI_STR "." PRI_STR,
                                                  STR_ARG(p->prefix), STR_ARG(s->kind)));
        if (t)
            return t;
    }
    return c->type;
}

static void connect_operations(struct context *c, const struct model_sub *s, const char *middle,
                               const char *suffix)
{
    static const struct {
        uint32_t verb;
        const char *method, *word;
    } methods[] = {{VERB_GET, "get", "Get"},
                   {VERB_CREATE, "post", "Post"},
                   {VERB_UPDATE, "put", "Put"},
                   {VERB_DELETE, "delete", "Delete"},
                   {VERB_PATCH, "patch", "Patch"}};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct operation op = base_operation(c, methods[i].method, "connect");

        if (!(s->verbs & methods[i].verb))
            continue;
        op.id = arena_fmt(c->o->m->arena, "connect" PRI_STR "%s%s" PRI_STR "%s", STR_ARG(c->who),
                          methods[i].word, middle, STR_ARG(c->r->kind), suffix);
        op.description = arena_fmt(c->o->m->arena, "connect %s requests to " PRI_STR " of " PRI_STR,
                                   methods[i].word, STR_ARG(s->name), STR_ARG(c->r->kind));
        op.plain = true;
        op.kind = s->kind;
        write_operation(c->o, &op, c->tag);
    }
}

static void sub_paths(struct context *c, const struct model_sub *s)
{
    struct model_resource *r = c->r;
    const char *ns = r->namespaced ? "/namespaces/{namespace}/" : "/",
               *middle = r->namespaced ? "Namespaced" : "";
    struct model_type *t = sub_type(c, s);
    char suffix[64];
    struct operation op;
    str kind = r->kind;

    snprintf(suffix, sizeof suffix, PRI_STR, STR_ARG(openapi_capital(c->o, s->name)));
    open_path(c, "%s" PRI_STR "/{name}/" PRI_STR, ns, STR_ARG(r->plural), STR_ARG(s->name));
    if (str_has_suffix(s->kind, S("Options")) && s->kind.n) {
        connect_operations(c, s, middle, suffix);
        path_parameters(c, true, r->namespaced, 0);
        writer_close(&c->o->w, '}');
        return;
    }
    for (int i = 0; i < 4; i++) {
        static const struct {
            uint32_t verb;
            const char *method, *action, *word, *text, *codes;
        } verbs[] = {
            {VERB_GET, "get", "get", "read", "read", "200"},
            {VERB_UPDATE, "put", "put", "replace", "replace", "200 201"},
            {VERB_CREATE, "post", "post", "create", "create", "200 201 202"},
            {VERB_PATCH, "patch", "patch", "patch", "partially update", "200 201"},
        };

        if (!(s->verbs & verbs[i].verb))
            continue;
        op = base_operation(c, verbs[i].method, verbs[i].action);
        op.answer = t;
        op.codes = verbs[i].codes;
        op.id = id_of(c, verbs[i].word, middle, suffix);
        op.description = arena_fmt(c->o->m->arena, "%s " PRI_STR " of the specified " PRI_STR,
                                   verbs[i].text, STR_ARG(s->name), STR_ARG(kind));
        if (verbs[i].verb == VERB_PATCH)
            patch_operation(c, &op);
        else if (verbs[i].verb != VERB_GET) {
            op.body = t;
            op.body_required = true;
            op.query = P_WRITE;
        } else if (str_is(s->name, "log"))
            op.plain = true;
        if (s->kind.n) {
            op.group = s->group;
            op.version = s->version;
            op.kind = s->kind;
        }
        write_operation(c->o, &op, c->tag);
    }
    path_parameters(c, true, r->namespaced, P_PRETTY);
    writer_close(&c->o->w, '}');
}

void openapi_write_paths(struct openapi *o, struct model_package *p)
{
    static const char *const media[] = {"application/json", "application/yaml",
                                        "application/vnd.kubernetes.protobuf", NULL};
    struct arena *a = o->m->arena;
    str prefix, tag, who;

    prefix = p->group.n ? arena_fmt(a, "/apis/" PRI_STR "/" PRI_STR, STR_ARG(p->group),
                                    STR_ARG(p->version))
                        : arena_fmt(a, "/api/" PRI_STR, STR_ARG(p->version));
    tag = arena_fmt(a, PRI_STR "_" PRI_STR, STR_ARG(openapi_group_name(o, p->group, false)),
                    STR_ARG(p->version));
    who = arena_fmt(a, PRI_STR PRI_STR, STR_ARG(openapi_group_name(o, p->group, true)),
                    STR_ARG(openapi_capital(o, p->version)));
    openapi_write_get(
        o, arena_fmt(a, PRI_STR "/", STR_ARG(prefix)),
        arena_fmt(a, "get" PRI_STR "APIResources", STR_ARG(who)), tag, "get available resources",
        map_find(&o->m->by_name, S("io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList")), media);
    for (uint32_t i = 0; i < o->m->n_resources; i++) {
        struct model_resource *r = o->m->resources[i];
        struct context c = {.o = o, .r = r, .prefix = prefix, .tag = tag, .who = who};

        /* A legacy file and another one may declare one group-version. */
        if (!str_eq(r->package->group, p->group) || !str_eq(r->package->version, p->version) ||
            r->package->served != p->served)
            continue;
        c.article = str_has_char(S("AEIOU"), r->kind.p[0]) ? "an" : "a";
        c.type = map_find(&o->m->by_name, arena_fmt(a, PRI_STR "." PRI_STR,
                                                    STR_ARG(r->package->prefix), STR_ARG(r->kind)));
        c.list = map_find(&o->m->by_name, arena_fmt(a, PRI_STR "." PRI_STR "List",
                                                    STR_ARG(r->package->prefix), STR_ARG(r->kind)));
        c.status = map_find(&o->m->by_name, S("io.k8s.apimachinery.pkg.apis.meta.v1.Status"));
        c.options =
            map_find(&o->m->by_name, S("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"));
        c.patch = map_find(&o->m->by_name, S("io.k8s.apimachinery.pkg.apis.meta.v1.Patch"));
        BUG_ON(!c.type || !c.status || !c.options || !c.patch ||
               ((r->verbs & VERB_LIST) && !c.list));
        collection_paths(&c);
        object_paths(&c);
        for (uint32_t k = 0; k < r->n_subs; k++)
            sub_paths(&c, &r->subs[k]);
        watch_paths(&c);
    }
}
