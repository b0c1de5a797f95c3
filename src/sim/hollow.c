/* hollow.c - a node without containers: it registers, renews its lease, and says that its pods run.
 *
 * It is an API client like a real kubelet: it knows its pods by a watch, answers a new pod with a Running status after a
 * short while, and a deletion with the final delete. Every pod is one small state machine with one timer and at most one
 * call on its way; what fails is tried again. */
#include "sim/sim_internal.h"

#define LEASE_RENEW_NS (10 * NS_PER_S)    /* a quarter of the lease's 40 s, as the kubelet */
#define STATUS_REPORT_NS (300 * NS_PER_S) /* nodeStatusReportFrequency */
#define RETRY_NS NS_PER_S
#define START_MIN_NS (50 * NS_PER_MS) /* from seeing a pod to its being ready */
#define START_SPREAD_NS (450 * NS_PER_MS)
#define STOP_NS (100 * NS_PER_MS) /* from seeing a deletion to the end of its containers */
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

struct hollow_pod {
    struct hollow *h;
    char *ns, *name, *uid, *containers; /* containers: JSON text of spec.containers */
    bool running, terminating;
    int ip;
    struct loop_timer *timer;
    struct client_call *call;
};
struct hollow {
    struct sim *sim;
    int index, next_ip;
    char name[32];
    struct client *client;
    struct informer *informer;
    struct map pods; /* uid → struct hollow_pod */
    struct loop_timer *lease_timer, *status_timer;
    struct client_call *lease_call, *status_call;
    bool registered, has_lease;
};

static void say(struct hollow *h, const char *what, struct err *err)
{
    log_debug("sim", "%s: %s: %s", h->name, what, err_text(err));
    err_free(err);
}

static struct client_call *send(struct hollow *h, const char *method, str path, const char *type,
                                const struct buf *body, client_done_fn *done, void *ctx)
{
    return client_do(
        h->client,
        &(struct client_request){
            .method = method, .path = path, .content_type = type, .body = buf_view(body)},
        done, ctx);
}

static void now_text(struct hollow *h, struct buf *b, bool micro)
{
    buf_char(b, '"');
    if (micro)
        buf_rfc3339_micro(b, loop_wall(h->sim->loop));
    else
        buf_rfc3339(b, loop_wall(h->sim->loop));
    buf_char(b, '"');
}

/* ---- the node and its lease ---- */
static void node_status(struct hollow *h, struct buf *b)
{
    static const struct {
        const char *type, *status, *reason, *message;
    } conditions[] = {
        {"MemoryPressure", "False", "KubeletHasSufficientMemory",
         "kubelet has sufficient memory available"},
        {"DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
        {"PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
        {"Ready", "True", "KubeletReady", "kubelet is posting ready status"},
    };

    buf_fmt(b,
            "\"status\":{\"capacity\":{\"cpu\":\"16\",\"memory\":\"64Gi\",\"ephemeral-storage\":"
            "\"100Gi\",\"pods\":\"110\"},"
            "\"allocatable\":{\"cpu\":\"16\",\"memory\":\"64Gi\",\"ephemeral-storage\":\"100Gi\","
            "\"pods\":\"110\"},"
            "\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.1.%d.%d\"},{\"type\":"
            "\"Hostname\",\"address\":\"%s\"}],\"conditions\":[",
            h->index / 250, h->index % 250 + 1, h->name);
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        buf_fmt(b,
                "%s{\"type\":\"%s\",\"status\":\"%s\",\"reason\":\"%s\",\"message\":\"%s\","
                "\"lastHeartbeatTime\":",
                i ? "," : "", conditions[i].type, conditions[i].status, conditions[i].reason,
                conditions[i].message);
        now_text(h, b, false);
        if (!h->registered) {
            buf_z(b, ",\"lastTransitionTime\":");
            now_text(h, b, false);
        }
        buf_char(b, '}');
    }
    buf_z(
        b,
        "],\"nodeInfo\":{\"machineID\":\"\",\"systemUUID\":\"\",\"bootID\":\"\",\"kernelVersion\":"
        "\"6.1\",\"osImage\":\"hollow\",\"containerRuntimeVersion\":\"hollow://1\","
        "\"kubeletVersion\":\"v1.36.2\",\"kubeProxyVersion\":\"\",\"operatingSystem\":\"linux\","
        "\"architecture\":\"amd64\"}}");
}

static void report_status(void *ctx);

static void status_reported(void *ctx, struct err *err, int status, str body)
{
    struct hollow *h = ctx;

    h->status_call = NULL;
    h->registered = !err;
    loop_timer_set(h->status_timer, err ? RETRY_NS : STATUS_REPORT_NS);
    if (err)
        say(h, "status", err);
}

static void registered(void *ctx, struct err *err, int status, str body)
{
    struct hollow *h = ctx;

    h->status_call = NULL;
    if (err && err->reason != REASON_ALREADY_EXISTS) {
        say(h, "registration", err);
        loop_timer_set(h->status_timer, RETRY_NS);
        return;
    }
    h->registered = true;
    if (err) { /* it was there before: the first status says that it is ready again */
        err_free(err);
        report_status(h);
        return;
    }
    loop_timer_set(h->status_timer, STATUS_REPORT_NS);
}

static void report_status(void *ctx)
{
    struct hollow *h = ctx;
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    if (!h->registered) {
        buf_fmt(&body,
                "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"labels\":"
                "{\"kubernetes.io/hostname\":\"%s\",\"kubernetes.io/os\":\"linux\","
                "\"kubernetes.io/arch\":\"amd64\"}},",
                h->name, h->name);
        node_status(h, &body);
        buf_char(&body, '}');
        h->status_call = send(h, "POST", S("/api/v1/nodes"), NULL, &body, registered, h);
        return;
    }
    buf_fmt(&path, "/api/v1/nodes/%s/status", h->name);
    buf_char(&body, '{');
    node_status(h, &body);
    buf_char(&body, '}');
    h->status_call = send(h, "PATCH", buf_view(&path), "application/strategic-merge-patch+json",
                          &body, status_reported, h);
}

static void lease_renewed(void *ctx, struct err *err, int status, str body)
{
    struct hollow *h = ctx;

    h->lease_call = NULL;
    h->has_lease = !err || (err->reason == REASON_ALREADY_EXISTS);
    loop_timer_set(h->lease_timer, err ? RETRY_NS : LEASE_RENEW_NS);
    if (err)
        say(h, "lease", err);
}

static void renew_lease(void *ctx)
{
    struct hollow *h = ctx;
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    if (h->has_lease) {
        buf_fmt(&path, LEASES "/%s", h->name);
        buf_z(&body, "{\"spec\":{\"renewTime\":");
        now_text(h, &body, true);
        buf_z(&body, "}}");
        h->lease_call = send(h, "PATCH", buf_view(&path), "application/merge-patch+json", &body,
                             lease_renewed, h);
        return;
    }
    buf_fmt(
        &body,
        "{\"apiVersion\":\"coordination.k8s.io/"
        "v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"kube-node-lease\"},"
        "\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":40,\"renewTime\":",
        h->name, h->name);
    now_text(h, &body, true);
    buf_z(&body, "}}");
    h->lease_call = send(h, "POST", S(LEASES), NULL, &body, lease_renewed, h);
}

/* ---- pods ---- */
static void pod_free(struct hollow_pod *p)
{
    if (p->call)
        client_cancel(p->call);
    loop_timer_free(p->timer);
    mem_free(p->ns);
    mem_free(p->name);
    mem_free(p->uid);
    mem_free(p->containers);
    mem_free(p);
}

static void pod_step_done(void *ctx, struct err *err, int status, str body)
{
    struct hollow_pod *p = ctx;

    p->call = NULL;
    if (!err) {
        p->running |= !p->terminating;
        return;
    }
    if (err->reason != REASON_NOT_FOUND && err->reason != REASON_CONFLICT)
        loop_timer_set(p->timer, RETRY_NS);
    say(p->h, p->name, err);
}

static void running_status(struct hollow_pod *p, struct buf *b)
{
    static const char *const conditions[] = {"PodReadyToStartContainers", "Initialized", "Ready",
                                             "ContainersReady"};
    struct hollow *h = p->h;
    struct arena *a = arena_new();
    struct json *containers = NULL;
    bool first = true;

    buf_fmt(b,
            "{\"metadata\":{\"uid\":\"%s\"},\"status\":{\"phase\":\"Running\",\"hostIP\":\"10.1.%d."
            "%d\",\"podIP\":\"10.42.%d.%d\",\"podIPs\":[{\"ip\":\"10.42.%d.%d\"}],\"startTime\":",
            p->uid, h->index / 250, h->index % 250 + 1, h->index % 250, p->ip, h->index % 250,
            p->ip);
    now_text(h, b, false);
    buf_z(b, ",\"conditions\":[");
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        buf_fmt(
            b,
            "%s{\"type\":\"%s\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":",
            i ? "," : "", conditions[i]);
        now_text(h, b, false);
        buf_char(b, '}');
    }
    buf_z(b, "],\"containerStatuses\":[");
    err_free(json_parse(a, str_of(p->containers), NULL, NULL, &containers));
    JSON_EACH(c, containers) {
        buf_fmt(b, "%s{\"name\":", first ? "" : ",");
        json_encode_string(b, json_get_str(c, "name"));
        buf_z(b, ",\"image\":");
        json_encode_string(b, json_get_str(c, "image"));
        buf_z(b, ",\"imageID\":\"\",\"ready\":true,\"started\":true,\"restartCount\":0,"
                 "\"lastState\":{},\"state\":{\"running\":{\"startedAt\":");
        now_text(h, b, false);
        buf_z(b, "}}}");
        first = false;
    }
    buf_z(b, "]}}");
    arena_free(a);
}

static void pod_step(void *ctx)
{
    struct hollow_pod *p = ctx;
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    if (p->call || (p->running && !p->terminating))
        return;
    buf_api_path(&path, STR_NONE, S("v1"), S("pods"), str_of(p->ns), str_of(p->name),
                 p->terminating ? STR_NONE : S("status"));
    if (p->terminating) {
        buf_fmt(&body,
                "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"gracePeriodSeconds\":0,"
                "\"preconditions\":{\"uid\":\"%s\"}}",
                p->uid);
        p->call = send(p->h, "DELETE", buf_view(&path), NULL, &body, pod_step_done, p);
        return;
    }
    running_status(p, &body);
    p->call = send(p->h, "PATCH", buf_view(&path), "application/strategic-merge-patch+json", &body,
                   pod_step_done, p);
}

static struct hollow_pod *pod_new(struct hollow *h, const struct obj *o, const struct json *tree)
{
    struct hollow_pod *p = NEW(struct hollow_pod);
    struct buf containers = BUF_INIT;

    p->h = h;
    p->ns = str_dupz(o->key.ns);
    p->name = str_dupz(o->key.name);
    p->uid = str_dupz(o->uid);
    p->ip = h->next_ip++ % 250 + 2;
    p->running = str_is(json_get_str(tree, "status.phase"), "Running");
    p->timer = loop_timer_new(h->sim->loop, pod_step, p);
    if (json_path(tree, "spec.containers"))
        json_encode(&containers, json_path(tree, "spec.containers"));
    buf_z(&containers, "");
    p->containers = containers.p ? containers.p : mem_strdup("[]");
    map_put(&h->pods, o->uid, p);
    return p;
}

static void pod_changed(void *ctx, const struct obj *o, const struct obj *prev)
{
    struct hollow *h = ctx;
    struct hollow_pod *p = map_find(&h->pods, o ? o->uid : prev->uid);
    struct arena *a;
    struct json *tree = NULL;

    if (!o) {
        if (p) {
            map_del(&h->pods, prev->uid);
            pod_free(p);
        }
        return;
    }
    a = arena_new();
    err_free(json_parse(a, o->data, NULL, NULL, &tree));
    if (!p) {
        p = pod_new(h, o, tree);
        if (!p->running)
            loop_timer_set(p->timer, START_MIN_NS + (int64_t)(loop_random_u64(h->sim->loop) %
                                                              (uint64_t)START_SPREAD_NS));
    }
    if (json_path(tree, "metadata.deletionTimestamp") && !p->terminating) {
        p->terminating = true;
        loop_timer_set(p->timer, STOP_NS);
    }
    arena_free(a);
}

/* ---- life ---- */
void hollow_start(struct sim *s, int index)
{
    static const str groups[] = {STR("system:nodes")};
    struct hollow *h;
    struct buf text = BUF_INIT;

    if (s->nodes[index])
        return;
    h = s->nodes[index] = NEW(struct hollow);
    h->sim = s;
    h->index = index;
    snprintf(h->name, sizeof h->name, "hollow-%d", index);
    map_init(&h->pods);
    buf_fmt(&text, "system:node:%s", h->name);
    h->client = sim_client_as(s, buf_view(&text), groups, ARRAY_LEN(groups), "kubelet");
    buf_clear(&text);
    buf_fmt(&text, "spec.nodeName=%s", h->name);
    h->informer = informer_new(
        h->client, &(struct informer_options){
                       .version = S("v1"), .plural = S("pods"), .field_selector = buf_view(&text)});
    buf_fini(&text);
    informer_add_handler(h->informer, &(struct informer_handler){.changed = pod_changed}, h);
    h->lease_timer = loop_timer_new(s->loop, renew_lease, h);
    h->status_timer = loop_timer_new(s->loop, report_status, h);
    report_status(h);
    renew_lease(h);
    informer_start(h->informer);
}

void hollow_stop(struct sim *s, int index)
{
    struct hollow *h = TAKE(s->nodes[index]);

    if (!h)
        return;
    MAP_EACH(e, &h->pods)
        pod_free(e->value);
    map_fini(&h->pods);
    informer_free(h->informer);
    if (h->lease_call)
        client_cancel(h->lease_call);
    if (h->status_call)
        client_cancel(h->status_call);
    loop_timer_free(h->lease_timer);
    loop_timer_free(h->status_timer);
    client_free(h->client);
    mem_free(h);
}
