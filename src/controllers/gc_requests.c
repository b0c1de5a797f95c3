/* gc_requests.c - judges one object and does what the judgement asks: delete it, drop references,
 * remove a finalizer.
 *
 * A job is one key's turn. It may need the server's word first (virtual owners), one request after
 * the other; then it judges anew from the graph, which may have moved on meanwhile. */
#include "controllers/gc.h"

struct job {
    struct list link;
    struct gc *gc;
    struct workqueue *queue;
    char *uid;   /* the key */
    char *asked; /* uid of the owner the server was asked about */
    struct client_call *call;
    const char *finalizer; /* to be removed */
    bool failed;
    struct arena *a; /* of an edit: NULL without one */
    str path;
    str *owners; /* references to drop */
    size_t n_owners;
    client_done_fn *edited;
};

static struct job *job_new(struct gc *gc, struct workqueue *q, str uid)
{
    struct job *j = NEW(struct job);

    j->gc = gc;
    j->queue = q;
    j->uid = str_dupz(uid);
    list_add_tail(&gc->jobs, &j->link);
    return j;
}

static void job_free(struct job *j)
{
    list_del(&j->link);
    mem_free(j->uid);
    mem_free(j->asked);
    if (j->a)
        arena_free(j->a);
    mem_free(j);
}

static void job_end(struct job *j, bool retry)
{
    struct workqueue *q = j->queue;
    CLEANUP(mem) void *uid = mem_strdup(j->uid);

    job_free(j);
    workqueue_done(q, str_of(uid), retry);
}

void gc_cancel_jobs(struct gc *gc)
{
    while (!list_is_empty(&gc->jobs)) {
        struct job *j = LIST_ITEM(gc->jobs.next, struct job, link);

        client_cancel(j->call);
        job_free(j);
    }
}

static void node_path(const struct node *n, struct buf *b)
{
    buf_api_path(b, n->resource->group, n->resource->version, n->resource->plural,
                 n->resource->namespaced ? str_of(n->ns) : STR_NONE, str_of(n->name), STR_NONE);
}

static void job_send(struct job *j, const char *method, str path, const char *content_type,
                     str body, client_done_fn *done)
{
    j->call =
        client_do(j->gc->m->client,
                  &(struct client_request){
                      .method = method, .path = path, .content_type = content_type, .body = body},
                  done, j);
}

static void on_written(void *ctx, struct err *err, int status, str body)
{
    struct job *j = ctx;
    bool retry = err && err->reason != REASON_NOT_FOUND;

    if (retry && err->reason != REASON_CONFLICT)
        log_warning("gc", "%s: %s", j->uid, err_text(err));
    err_free(err);
    job_end(j, retry);
}

/* ---- removing a finalizer: read, then write what was read without it ---- */

static void on_read_for_finalizer(void *ctx, struct err *err, int status, str body)
{
    struct job *j = ctx;
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf path = BUF_INIT, patch = BUF_INIT;
    const struct node *n = gc_find(j->gc, str_of(j->uid));
    struct json *tree = NULL, *finalizers;
    bool found = false;

    if (!err)
        err = json_parse(a, body, NULL, NULL, &tree);
    if (err || !n || !str_is(json_get_str(tree, "metadata.uid"), j->uid)) {
        on_written(j, err, status, body);
        return;
    }
    finalizers = json_path(tree, "metadata.finalizers");
    for (uint32_t i = json_count(finalizers); i-- > 0;)
        if (str_is(json_str(json_item(finalizers, i)), j->finalizer)) {
            json_remove_item(finalizers, i);
            found = true;
        }
    if (!found) {
        job_end(j, false);
        return;
    }
    buf_z(&patch, "{\"metadata\":{\"resourceVersion\":");
    json_encode_string(&patch, json_get_str(tree, "metadata.resourceVersion"));
    buf_z(&patch, ",\"finalizers\":");
    if (json_count(finalizers))
        json_encode(&patch, finalizers);
    else
        buf_z(&patch, "null");
    buf_z(&patch, "}}");
    node_path(n, &path);
    job_send(j, "PATCH", buf_view(&path), PATCH_MERGE, buf_view(&patch), on_written);
}

static void remove_finalizer(struct job *j, const struct node *n, const char *finalizer)
{
    CLEANUP(buf) struct buf path = BUF_INIT;

    j->finalizer = finalizer;
    node_path(n, &path);
    job_send(j, "GET", buf_view(&path), NULL, STR_NONE, on_read_for_finalizer);
}

/* ---- owner references of custom objects: no strategic merge there, so read, then write what was read ---- */

static void on_read_for_edit(void *ctx, struct err *err, int status, str body)
{
    struct job *j = ctx;
    CLEANUP(buf) struct buf patch = BUF_INIT;
    struct json *tree = NULL, *refs;

    if (!err)
        err = json_parse(j->a, arena_dup(j->a, body), NULL, NULL, &tree);
    if (err) {
        j->edited(j, err, status, body);
        return;
    }
    refs = json_path(tree, "metadata.ownerReferences");
    for (uint32_t i = json_count(refs); i-- > 0;) {
        struct json *ref = json_item(refs, i);
        bool drop = false;

        for (size_t k = 0; k < j->n_owners; k++)
            drop |= str_eq(json_get_str(ref, "uid"), j->owners[k]);
        if (drop)
            json_remove_item(refs, i);
        else if (!j->n_owners)
            json_setz(j->a, ref, "blockOwnerDeletion", json_bool(false));
    }
    buf_z(&patch, "{\"metadata\":{\"resourceVersion\":");
    json_encode_string(&patch, json_get_str(tree, "metadata.resourceVersion"));
    buf_z(&patch, ",\"ownerReferences\":");
    if (json_count(refs))
        json_encode(&patch, refs);
    else
        buf_z(&patch, "null");
    buf_z(&patch, "}}");
    job_send(j, "PATCH", j->path, PATCH_MERGE, buf_view(&patch), j->edited);
}

/* drop: the references to these owners go; else all of them block nobody any more. */
static void edit_references(struct job *j, const struct node *n, const str *owners, size_t n_owners,
                            bool drop, client_done_fn *done)
{
    CLEANUP(buf) struct buf path = BUF_INIT;

    if (j->a)
        arena_free(j->a);
    j->a = arena_new();
    j->edited = done;
    j->n_owners = drop ? n_owners : 0;
    j->owners = ARENA_NEW_N(j->a, str, j->n_owners + 1);
    for (size_t i = 0; i < j->n_owners; i++)
        j->owners[i] = arena_dup(j->a, owners[i]);
    node_path(n, &path);
    j->path = arena_dup(j->a, buf_view(&path));
    job_send(j, "GET", j->path, NULL, STR_NONE, on_read_for_edit);
}

/* ---- judging ---- */

enum judgement { OWNER_SOLID, OWNER_GONE, OWNER_WAITS, OWNER_UNKNOWN };

static bool edge_is_true(const struct edge *e)
{
    const struct node *o = e->owner;
    str group = STR_NONE, version = str_of(e->api_version);

    if (str_has_char(version, '/'))
        str_cut(&version, '/', &group);
    if (!o->resource || !str_is(o->resource->kind, e->kind) || !str_eq(o->resource->group, group) ||
        strcmp(o->name, e->name))
        return false;
    return !o->resource->namespaced || !strcmp(o->ns, e->dependent->ns);
}

static enum judgement judge_edge(struct gc *gc, const struct edge *e)
{
    const struct node *o = e->owner;

    if (gc_is_absent(gc, str_of(o->uid)))
        return OWNER_GONE;
    if (o->is_virtual)
        return o->resource
                   ? OWNER_UNKNOWN
                   : OWNER_SOLID; /* a kind that is not served here: nothing is known against it */
    if (!edge_is_true(e))
        return OWNER_GONE; /* seen under that uid, but as something else or elsewhere */
    return o->deleting && o->deleting_dependents ? OWNER_WAITS : OWNER_SOLID;
}

static void on_owner_asked(void *ctx, struct err *err, int status, str body)
{
    struct job *j = ctx;
    bool gone = err ? err->reason == REASON_NOT_FOUND
                    : !str_is(client_text_find(body, "metadata.uid"), j->asked);

    if (gone) {
        gc_owner_is_gone(j->gc, str_of(j->asked));
    } else if (err) {
        log_warning("gc", "owner %s: %s", j->asked, err_text(err));
        err_free(err);
        job_end(j, true);
        return;
    }
    err_free(err);
    /* There: its kind's watch will bring it, and then it is no longer virtual; until then it counts
     * as solid by asking again. */
    job_end(j, !gone);
}

static void ask_owner(struct job *j, const struct node *owner)
{
    CLEANUP(buf) struct buf path = BUF_INIT;

    j->asked = mem_strdup(owner->uid);
    node_path(owner, &path);
    job_send(j, "GET", buf_view(&path), NULL, STR_NONE, on_owner_asked);
}

static void delete_node(struct job *j, const struct node *n, const char *policy)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    node_path(n, &path);
    buf_fmt(&body,
            "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":\"%s\","
            "\"resourceVersion\":\"%lld\"},"
            "\"propagationPolicy\":\"%s\"}",
            n->uid, (long long)n->revision, policy);
    job_send(j, "DELETE", buf_view(&path), NULL, buf_view(&body), on_written);
}

/* Strategic merge has a directive for it; it works for every built-in kind. */
static void drop_references(struct job *j, const struct node *n, enum judgement *judged)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;
    bool first = true;

    if (n->resource->custom) {
        CLEANUP(mem) void *memory = mem_alloc((n->n_edges + 1) * sizeof(str));
        str *uids = memory;
        size_t n_uids = 0;

        for (uint32_t i = 0; i < n->n_edges; i++)
            if (judged[i] != OWNER_SOLID)
                uids[n_uids++] = str_of(n->edges[i].owner->uid);
        edit_references(j, n, uids, n_uids, true, on_written);
        return;
    }
    buf_z(&body, "{\"metadata\":{\"ownerReferences\":[");
    for (uint32_t i = 0; i < n->n_edges; i++) {
        if (judged[i] == OWNER_SOLID)
            continue;
        buf_fmt(&body, "%s{\"$patch\":\"delete\",\"uid\":\"%s\"}", first ? "" : ",",
                n->edges[i].owner->uid);
        first = false;
    }
    buf_fmt(&body, "],\"uid\":\"%s\"}}", n->uid);
    node_path(n, &path);
    job_send(j, "PATCH", buf_view(&path), PATCH_STRATEGIC, buf_view(&body), on_written);
}

/* Two owners that wait for each other: the one judged now no longer blocks. */
static void unblock_owners(struct job *j, const struct node *n)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    if (n->resource->custom) {
        edit_references(j, n, NULL, 0, false, on_written);
        return;
    }
    buf_z(&body, "{\"metadata\":{\"ownerReferences\":[");
    for (uint32_t i = 0; i < n->n_edges; i++)
        buf_fmt(&body, "%s{\"uid\":\"%s\",\"blockOwnerDeletion\":false}", i ? "," : "",
                n->edges[i].owner->uid);
    buf_fmt(&body, "],\"uid\":\"%s\"}}", n->uid);
    node_path(n, &path);
    job_send(j, "PATCH", buf_view(&path), PATCH_STRATEGIC, buf_view(&body), on_written);
}

static void finish_foreground(struct job *j, const struct node *n)
{
    bool blocked = false;

    for (uint32_t i = 0; i < n->n_dependents; i++) {
        if (!n->dependents[i]->blocks)
            continue;
        blocked = true;
        if (!n->dependents[i]->dependent->deleting_dependents)
            gc_judge(j->gc, n->dependents[i]->dependent);
    }
    if (blocked || j->gc->n_custom_waiting)
        job_end(j, false); /* each of them that goes wakes us, and so do the last lists */
    else
        remove_finalizer(j, n, "foregroundDeletion");
}

static void judge(struct job *j, const struct node *n)
{
    CLEANUP(mem) void *memory = mem_alloc((n->n_edges + 1) * sizeof(enum judgement));
    enum judgement *judged = memory;
    uint32_t count[4] = {0};

    for (uint32_t i = 0; i < n->n_edges; i++) {
        judged[i] = judge_edge(j->gc, &n->edges[i]);
        if (judged[i] == OWNER_UNKNOWN) {
            ask_owner(j, n->edges[i].owner);
            return;
        }
        count[judged[i]]++;
    }
    if (!n->n_edges) {
        job_end(j, false);
    } else if (count[OWNER_SOLID]) {
        if (count[OWNER_GONE] + count[OWNER_WAITS])
            drop_references(j, n, judged);
        else
            job_end(j, false);
    } else if (count[OWNER_WAITS] && n->n_dependents) {
        for (uint32_t i = 0; i < n->n_dependents; i++)
            if (n->dependents[i]->dependent->deleting_dependents) {
                for (uint32_t k = 0; k < n->n_edges; k++)
                    if (n->edges[k].blocks) {
                        unblock_owners(j, n);
                        return;
                    }
                break;
            }
        delete_node(j, n, "Foreground");
    } else {
        delete_node(j, n, n->orphaning ? "Orphan" : "Background");
    }
}

void gc_delete_work(void *ctx, str uid)
{
    struct gc *gc = ctx;
    const struct node *n = gc_find(gc, uid);
    struct job *j = job_new(gc, gc->to_delete, uid);

    if (!n || (n->deleting && !n->deleting_dependents)) {
        job_end(j, false);
    } else if (n->is_virtual) {
        if (!n->resource || !n->n_dependents || gc_is_absent(gc, uid))
            job_end(j, false);
        else
            ask_owner(j, n);
    } else if (n->deleting_dependents) {
        finish_foreground(j, n);
    } else {
        judge(j, n);
    }
}

/* ---- orphaning: one dependent after the other, then the finalizer ---- */

static void orphan_next(struct job *j);

static void on_orphaned(void *ctx, struct err *err, int status, str body)
{
    struct job *j = ctx;

    j->call = NULL;
    if (err && err->reason != REASON_NOT_FOUND) {
        const struct node *n = gc_find(j->gc, str_of(j->uid));

        log_warning("gc", "orphan a dependent of %s: %s", j->uid, err_text(err));
        j->failed = true;
        for (uint32_t i = 0; n && i < n->n_dependents; i++)
            n->dependents[i]->dropped = false;
    }
    err_free(err);
    if (j->failed)
        job_end(j, true);
    else
        orphan_next(j);
}

static void orphan_next(struct job *j)
{
    const struct node *n = gc_find(j->gc, str_of(j->uid));
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;
    struct edge *e = NULL;

    if (!n || !n->orphaning) {
        job_end(j, false);
        return;
    }
    for (uint32_t i = 0; i < n->n_dependents && !e; i++)
        if (!n->dependents[i]->dropped && n->dependents[i]->dependent->resource)
            e = n->dependents[i];
    if (!e) {
        if (j->gc->n_custom_waiting)
            job_end(j, false); /* the last list wakes us */
        else
            remove_finalizer(j, n, "orphan");
        return;
    }
    e->dropped = true;
    if (e->dependent->resource->custom) {
        str owner = str_of(n->uid);

        edit_references(j, e->dependent, &owner, 1, true, on_orphaned);
        return;
    }
    buf_fmt(&body,
            "{\"metadata\":{\"ownerReferences\":[{\"$patch\":\"delete\",\"uid\":\"%s\"}],\"uid\":"
            "\"%s\"}}",
            n->uid, e->dependent->uid);
    node_path(e->dependent, &path);
    job_send(j, "PATCH", buf_view(&path), PATCH_STRATEGIC, buf_view(&body), on_orphaned);
}

void gc_orphan_work(void *ctx, str uid)
{
    struct gc *gc = ctx;

    orphan_next(job_new(gc, gc->to_orphan, uid));
}
