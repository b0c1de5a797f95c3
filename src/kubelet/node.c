/* node.c - this machine as a Node object: registered, kept current, kept alive by its lease.
 *
 * register (create, or take over what is there) -> lease every 10 s -> status when something changed here, or there: a node
 * controller that has missed heartbeats makes the conditions Unknown and keeps pods away until we contradict; and every
 * 5 minutes anyway.
 * API: https://kubernetes.io/docs/reference/node/node-status/, https://kubernetes.io/docs/concepts/architecture/leases/ */
#include "kubelet/node_internal.h"

#define LEASE_PERIOD_NS (10 * NS_PER_S)
#define LEASE_DURATION_S 40
#define STATUS_PERIOD_NS (300 * NS_PER_S)
#define CHECK_PERIOD_NS (10 * NS_PER_S) /* pressure conditions are looked at so often */
#define SOON_NS (100 * NS_PER_MS)
#define IMAGES_SOON_NS (2 * NS_PER_S) /* several images often come together */
#define RETRY_NS NS_PER_S

static void register_node(struct node *n);
static void sync_status(struct node *n);

/* ---- lease ---- */

static void lease_call(struct node *n, const char *method, const char *type, bool with_name,
                       str body, client_done_fn *done)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    struct client_request r = {.method = method, .content_type = type, .body = body};

    buf_api_path(&path, S("coordination.k8s.io"), S("v1"), S("leases"), S("kube-node-lease"),
                 with_name ? n->k->o.node_name : STR_NONE, STR_NONE);
    r.path = buf_view(&path);
    n->calls++;
    client_do(n->k->client, &r, done, n);
}

static bool returned(struct node *n)
{
    n->calls--;
    if (!n->closed)
        return true;
    if (!n->calls)
        node_really_free(n);
    return false;
}

static void on_lease_created(void *ctx, struct err *err, int status, str body)
{
    struct node *n = ctx;

    if (err && err->reason != REASON_ALREADY_EXISTS)
        log_warning("kubelet", "node lease: %s", err_text(err));
    err_free(err);
    returned(n);
}

static void on_lease_renewed(void *ctx, struct err *err, int status, str unused)
{
    CLEANUP(buf) struct buf body = BUF_INIT;
    CLEANUP(buf) struct buf now = BUF_INIT;
    struct node *n = ctx;

    if (!returned(n)) {
        err_free(err);
        return;
    }
    if (err && err->reason == REASON_NOT_FOUND) {
        buf_rfc3339_micro(&now, loop_wall(n->k->loop));
        buf_fmt(&body,
                "{\"apiVersion\":\"coordination.k8s.io/"
                "v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"" PRI_STR
                "\",\"namespace\":\"kube-node-lease\"",
                STR_ARG(n->k->o.node_name));
        if (n->uid)
            buf_fmt(
                &body,
                ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"" PRI_STR
                "\",\"uid\":\"%s\"}]",
                STR_ARG(n->k->o.node_name), n->uid);
        buf_fmt(&body,
                "},\"spec\":{\"holderIdentity\":\"" PRI_STR
                "\",\"leaseDurationSeconds\":%d,\"renewTime\":\"%s\"}}",
                STR_ARG(n->k->o.node_name), LEASE_DURATION_S, buf_cstr(&now));
        lease_call(n, "POST", NULL, false, buf_view(&body), on_lease_created);
    } else if (err) {
        log_warning("kubelet", "node lease: %s", err_text(err));
    }
    err_free(err);
}

static void on_lease_timer(void *ctx)
{
    CLEANUP(buf) struct buf body = BUF_INIT;
    CLEANUP(buf) struct buf now = BUF_INIT;
    struct node *n = ctx;

    loop_timer_set(n->lease_timer, LEASE_PERIOD_NS);
    buf_rfc3339_micro(&now, loop_wall(n->k->loop));
    buf_fmt(&body,
            "{\"spec\":{\"holderIdentity\":\"" PRI_STR
            "\",\"leaseDurationSeconds\":%d,\"renewTime\":\"%s\"}}",
            STR_ARG(n->k->o.node_name), LEASE_DURATION_S, buf_cstr(&now));
    lease_call(n, "PATCH", "application/merge-patch+json", true, buf_view(&body), on_lease_renewed);
}

/* ---- registration ---- */

static void on_labelled(void *ctx, struct err *err, int status, str body)
{
    struct node *n = ctx;

    if (!returned(n)) {
        err_free(err);
        return;
    }
    if (err) {
        log_warning("kubelet", "cannot label the node: %s", err_text(err));
        err_free(err);
        n->registering = false;
        loop_timer_set(n->register_timer, RETRY_NS);
        return;
    }
    node_is_registered(n, body);
}

static void on_created(void *ctx, struct err *err, int status, str body)
{
    CLEANUP(arena) struct arena *a = NULL;
    CLEANUP(buf) struct buf text = BUF_INIT;
    CLEANUP(buf) struct buf path = BUF_INIT;
    struct client_request r = {.method = "PATCH",
                               .content_type = "application/strategic-merge-patch+json"};
    struct node *n = ctx;

    if (!returned(n)) {
        err_free(err);
        return;
    }
    if (!err) {
        node_is_registered(n, body);
        return;
    }
    if (err->reason != REASON_ALREADY_EXISTS) {
        log_warning("kubelet", "cannot register the node: %s", err_text(err));
        err_free(err);
        n->registering = false;
        loop_timer_set(n->register_timer, RETRY_NS);
        return;
    }
    err_free(err);
    a = arena_new();
    node_labels_patch(n, a, &text);
    buf_api_path(&path, STR_NONE, S("v1"), S("nodes"), STR_NONE, n->k->o.node_name, STR_NONE);
    r.path = buf_view(&path);
    r.body = buf_view(&text);
    n->calls++;
    client_do(n->k->client, &r, on_labelled, n);
}

static void register_node(struct node *n)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf body = BUF_INIT;
    struct client_request r = {.method = "POST", .path = S("/api/v1/nodes")};
    struct json v;

    if (n->registering)
        return;
    n->registering = true;
    node_object(n, a, &v);
    json_encode(&body, &v);
    r.body = buf_view(&body);
    n->calls++;
    client_do(n->k->client, &r, on_created, n);
}

static void on_register_timer(void *ctx)
{
    register_node(ctx);
}

void node_is_registered(struct node *n, str body)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = NULL;
    struct err *err = json_parse(a, body, NULL, NULL, &v);

    if (!err) {
        mem_free(n->uid);
        n->uid = str_dupz(json_get_str(v, "metadata.uid"));
    }
    err_free(err);
    n->registering = false;
    if (!n->registered) {
        n->registered = true;
        node_event(n, "Normal", "Starting", "Starting kubelet.");
        loop_timer_set(n->lease_timer, 0);
    }
    sync_status(n);
}

/* ---- status ---- */

void node_seen(struct node *n)
{
    const struct obj *obj = informer_find(n->k->nodes, STR_NONE, n->k->o.node_name);

    /* While telling it may be older than what is told: looked at when that is done. */
    if (!obj || !n->told || n->telling || obj->revision < n->told_revision ||
        !node_status_differs(n, obj))
        return;
    n->told_hash = 0;
    n->dirty = true;
    loop_timer_set(n->status_timer, RETRY_NS);
}

static void on_told(void *ctx, struct err *err, int status, str body)
{
    struct node *n = ctx;

    if (!returned(n)) {
        err_free(err);
        return;
    }
    n->telling = false;
    n->told_hash = err ? 0 : n->telling_hash;
    if (err &&
        err->reason == REASON_NOT_FOUND) { /* somebody deleted the node: it is here, though */
        register_node(n);
    } else if (err) {
        log_warning("kubelet", "node status: %s", err_text(err));
        loop_timer_set(n->status_timer, RETRY_NS);
    } else {
        n->last_told = loop_now(n->k->loop);
        n->told = true;
        kubelet_node_is_told(n->k);
        str_to_int64(client_text_find(body, "metadata.resourceVersion"), &n->told_revision);
        if (n->dirty)
            loop_timer_set(n->status_timer, SOON_NS);
        else
            node_seen(n);
    }
    err_free(err);
}

static void tell(struct node *n)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf body = BUF_INIT;
    CLEANUP(buf) struct buf path = BUF_INIT;
    struct client_request r = {.method = "PATCH",
                               .content_type = "application/strategic-merge-patch+json"};

    n->dirty = false;
    if (!node_status_patch(
            n, a, loop_now(n->k->loop).ns - n->last_told.ns >= STATUS_PERIOD_NS || !n->told, &body))
        return;
    n->telling = true;
    buf_api_path(&path, STR_NONE, S("v1"), S("nodes"), STR_NONE, n->k->o.node_name, S("status"));
    r.path = buf_view(&path);
    r.body = buf_view(&body);
    n->calls++;
    client_do(n->k->client, &r, on_told, n);
}

static void on_images(void *ctx, struct err *err, const struct json *response)
{
    struct node *n = ctx;

    if (!returned(n)) {
        err_free(err);
        return;
    }
    n->looking = false;
    if (!err)
        node_set_images(n, json_findz(response, "images"));
    err_free(err);
    if (n->registered && !n->telling)
        tell(n);
}

static void sync_status(struct node *n)
{
    if (!n->registered || n->telling || n->looking) {
        n->dirty = true;
        return;
    }
    loop_timer_set(n->status_timer, CHECK_PERIOD_NS);
    if (n->images_dirty && n->k->runtime_up) {
        n->images_dirty = false;
        n->looking = true;
        n->calls++;
        runtime_call(n->k->rt, RUNTIME_LIST_IMAGES, NULL, 0, on_images, n);
        return;
    }
    tell(n);
}

static void on_status_timer(void *ctx)
{
    sync_status(ctx);
}

void node_images_changed(struct node *n)
{
    n->images_dirty = true;
    n->dirty = true;
    if (n->registered && n->told)
        loop_timer_set(n->status_timer, IMAGES_SOON_NS);
}

void node_changed(struct node *n)
{
    n->images_dirty = true;
    n->dirty = true;
    if (n->registered)
        loop_timer_set(n->status_timer, SOON_NS);
}

/* ---- life ---- */

struct node *node_new(struct kubelet *k)
{
    struct node *n = NEW(struct node);

    n->k = k;
    n->arena = arena_new();
    n->images_dirty = true;
    n->lease_timer = loop_timer_new(k->loop, on_lease_timer, n);
    n->status_timer = loop_timer_new(k->loop, on_status_timer, n);
    n->register_timer = loop_timer_new(k->loop, on_register_timer, n);
    node_read_machine(n);
    return n;
}

void node_start(struct node *n)
{
    register_node(n);
}

void node_really_free(struct node *n)
{
    arena_free(n->arena);
    arena_free(n->images_arena);
    mem_free(n->uid);
    mem_free(n);
}

void node_free(struct node *n)
{
    if (!n)
        return;
    n->closed = true;
    loop_timer_free(n->lease_timer);
    loop_timer_free(n->status_timer);
    loop_timer_free(n->register_timer);
    if (!n->calls)
        node_really_free(n);
}
