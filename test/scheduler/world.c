/* world.c - see world.h. */
#include "test/scheduler/world.h"

static void gone(void *user, struct http_exchange *ex)
{
    http_end(ex);
}

static str name_in(str path, const char *behind)
{
    ptrdiff_t at = str_find(path, str_of(behind));
    str name;

    path = str_skip(path, (size_t)at + strlen(behind));
    str_cut(&path, '/', &name);
    return name;
}

static void put_pod_object(struct world *w, str name, str metadata, str spec, const char *node,
                           const char *status)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b,
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" PRI_STR
            "\",\"namespace\":\"default\",\"uid\":\"u-" PRI_STR
            "\",\"resourceVersion\":\"%lld\"%s" PRI_STR
            "},\"spec\":{\"schedulerName\":\"default-scheduler\"%s" PRI_STR,
            STR_ARG(name), STR_ARG(name), (long long)++w->revision, metadata.n ? "," : "",
            STR_ARG(metadata), spec.n ? "," : "", STR_ARG(spec));
    if (*node)
        buf_fmt(&b, ",\"nodeName\":\"%s\"", node);
    buf_fmt(&b, "},\"status\":{%s}}", status);
    informer_put(w->s->pod_informer, buf_view(&b));
}

static void put_again(struct world *w, str name, const char *node, const char *status,
                      bool terminating)
{
    str rest = str_of(map_find(&w->specs, name)), metadata;
    CLEANUP(buf) struct buf meta = BUF_INIT;

    str_cut(&rest, '\n', &metadata);
    buf_str(&meta, metadata);
    if (terminating)
        buf_fmt(&meta, "%s\"deletionTimestamp\":\"2027-01-01T00:00:00Z\"", metadata.n ? "," : "");
    put_pod_object(w, name, buf_view(&meta), rest, node, status);
}

struct binding { /* one that is answered now or later */
    struct world *w;
    struct http_exchange *ex;
    struct loop_timer *timer;
    char *name, *node;
};

static bool is_known(struct world *w, const char *name)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    buf_fmt(&key, "default/%s", name);
    return map_find(&w->specs, str_of(name)) && map_find(&w->s->pods, buf_view(&key));
}

static void answer_binding(void *ctx)
{
    struct binding *b = ctx;
    struct world *w = b->w;

    if (w->fail_bindings) {
        w->fail_bindings--;
        http_reply(b->ex, 500, "application/json",
                   S("{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"boom\",\"reason\":"
                     "\"InternalError\",\"code\":500}"));
    } else {
        http_reply(b->ex, 201, "application/json",
                   S("{\"kind\":\"Status\",\"status\":\"Success\"}"));
        if (is_known(w, b->name))
            put_again(w, str_of(b->name), b->node, "", false);
    }
    loop_timer_free(b->timer);
    mem_free(b->name);
    mem_free(b->node);
    mem_free(b);
}

static void took_binding(struct world *w, struct http_exchange *ex, const struct json *body)
{
    struct binding *b = NEW(struct binding);

    b->w = w;
    b->ex = ex;
    b->name = str_dupz(json_get_str(body, "metadata.name"));
    b->node = str_dupz(json_get_str(body, "target.name"));
    b->timer = loop_timer_new(w->loop, answer_binding, b);
    buf_fmt(&w->log, "bind %s -> %s\n", b->name, b->node);
    if (w->binding_ns)
        loop_timer_set(b->timer, w->binding_ns);
    else
        answer_binding(b);
}

static void took_patch(struct world *w, struct http_exchange *ex, str name, const struct json *body)
{
    const struct json *c = json_item(json_path(body, "status.conditions"), 0),
                      *nominated = json_path(body, "status.nominatedNodeName");

    if (str_is(json_get_str(c, "type"), "PodScheduled"))
        buf_fmt(&w->log, "condition " PRI_STR ": " PRI_STR "\n", STR_ARG(name),
                STR_ARG(json_get_str(c, "message")));
    if (json_is(nominated, JSON_STRING))
        buf_fmt(&w->log, "nominate " PRI_STR " " PRI_STR "\n", STR_ARG(name),
                STR_ARG(json_str(nominated)));
    http_reply(ex, 200, "application/json", S("{}"));
}

/* What an Event tells beside its text follows from its reason. */
static void took_event(struct world *w, struct http_exchange *ex, const struct json *body)
{
    static const struct {
        const char *reason, *action;
        bool has_related;
    } kinds[] = {{"Scheduled", "Binding", false},
                 {"FailedScheduling", "Scheduling", false},
                 {"Preempted", "Preempting", true}};
    str reason = json_get_str(body, "reason");
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!str_is(reason, kinds[i].reason))
            continue;
        known = true;
        CHECK(str_is(json_get_str(body, "action"), kinds[i].action));
        CHECK_INT(json_get_str(body, "related.uid").n > 0, kinds[i].has_related);
    }
    CHECK(known);
    CHECK(json_get_str(body, "regarding.resourceVersion").n > 0);
    CHECK_STRZ(json_get_str(body, "reportingInstance"), SCHEDULER_NAME "-host");
    buf_fmt(&w->log, "event " PRI_STR " " PRI_STR ": " PRI_STR "\n",
            STR_ARG(json_get_str(body, "regarding.name")), STR_ARG(reason),
            STR_ARG(json_get_str(body, "note")));
    http_reply(ex, 201, "application/json", ex->req.body);
}

static void handle(void *ctx, struct http_exchange *ex)
{
    struct world *w = ctx;
    struct http_request *r = &ex->req;
    struct json *body = NULL;
    str value;

    if (r->body.n)
        err_free(json_parse(ex->arena, r->body, NULL, NULL, &body));
    if (str_is(r->method, "GET") && http_query(ex->arena, r->query, "watch", &value)) {
        http_start(ex, 200, NULL, 0);
        ex->on_gone = gone;
    } else if (str_is(r->method, "GET")) {
        http_reply(ex, 200, "application/json",
                   S("{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"
                     "\"1\"},\"items\":[]}"));
    } else if (str_has_suffix(r->path, S("/binding"))) {
        took_binding(w, ex, body);
    } else if (str_is(r->method, "POST") && str_has_suffix(r->path, S("/events"))) {
        took_event(w, ex, body);
    } else if (str_is(r->method, "PATCH") && str_has_suffix(r->path, S("/status"))) {
        took_patch(w, ex, name_in(r->path, "/pods/"), body);
    } else if (str_is(r->method, "DELETE")) {
        char *name = str_dupz(name_in(r->path, "/pods/")), *node = mem_strdup(node_of(w, name));

        buf_fmt(&w->log, "delete %s\n", name);
        http_reply(ex, 200, "application/json", S("{}"));
        if (w->keep_deleted)
            put_again(w, str_of(name), node, "", true);
        else
            informer_drop(w->s->pod_informer, S("default"), str_of(name));
        mem_free(name);
        mem_free(node);
    } else if (str_is(r->method, "PATCH")) {
        buf_fmt(&w->log, "patch " PRI_STR " " PRI_STR "\n", STR_ARG(r->path), STR_ARG(r->body));
        http_reply(ex, 200, "application/json", S("{}"));
    } else {
        http_reply(ex, 200, "application/json", S("{}"));
    }
}

static bool never(void *ctx)
{
    return false;
}

void settle(struct world *w, int64_t ns)
{
    loop_virtual_run(w->loop, loop_virtual_elapsed_ns(w->loop) + ns, never, NULL);
}

void world_open(struct world *w)
{
    static const str groups[] = {STR("system:masters")};

    w->loop = loop_new_virtual(3, (wall_time){INT64_C(1800000000) * NS_PER_S});
    w->revision = 10;
    w->log = BUF_INIT;
    map_init(&w->specs);
    w->client = client_new_inproc(
        w->loop, &(struct client_inproc_options){.handler = handle,
                                                 .handler_ctx = w,
                                                 .server_loop = w->loop,
                                                 .user = S("system:kube-scheduler"),
                                                 .groups = groups,
                                                 .n_groups = 1,
                                                 .user_agent = S("kube-scheduler")});
    w->s = scheduler_start(
        &(struct scheduler_options){.loop = w->loop, .client = w->client, .host = S("host")});
    settle(w, NS_PER_MS);
    CHECK_INT(w->s->n_synced, N_INFORMERS);
}

void world_close(struct world *w)
{
    scheduler_stop(w->s);
    settle(w, NS_PER_MS);
    client_free(w->client);
    settle(w, NS_PER_MS);
    MAP_EACH(e, &w->specs)
        mem_free(e->value);
    map_fini(&w->specs);
    buf_fini(&w->log);
    loop_free(w->loop);
}

static void put_node_object(struct world *w, const char *name, const char *labels, const char *spec,
                            const char *allocatable, const char *status)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b,
            "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"uid\":\"n-%"
            "s\",\"resourceVersion\":\"%lld\",\"labels\":{\"kubernetes.io/"
            "hostname\":\"%s\"%s}},\"spec\":{%s},"
            "\"status\":{\"allocatable\":{%s}%s}}",
            name, name, (long long)++w->revision, name, labels, spec, allocatable, status);
    informer_put(w->s->node_informer, buf_view(&b));
}

void put_node(struct world *w, const char *name, const char *labels, const char *spec,
              const char *allocatable)
{
    put_node_object(w, name, labels, spec, allocatable, "");
}

void put_node_status(struct world *w, const char *name, const char *allocatable, const char *status)
{
    put_node_object(w, name, "", "", allocatable, status);
}

void drop_node(struct world *w, const char *name)
{
    informer_drop(w->s->node_informer, STR_NONE, str_of(name));
}

void put_pod_on(struct world *w, const char *name, const char *metadata, const char *spec,
                const char *node)
{
    struct buf text = BUF_INIT;

    buf_fmt(&text, "%s\n%s", metadata, spec);
    mem_free(map_put(&w->specs, str_of(name), text.p));
    put_pod_object(w, str_of(name), str_of(metadata), str_of(spec), node, "");
}

void put_pod(struct world *w, const char *name, const char *metadata, const char *spec)
{
    put_pod_on(w, name, metadata, spec, "");
}

void put_pod_status(struct world *w, const char *name, const char *node, const char *status)
{
    put_again(w, str_of(name), node, status, false);
}

void drop_pod(struct world *w, const char *name)
{
    informer_drop(w->s->pod_informer, S("default"), str_of(name));
}

void check_log(struct world *w, const char *file, int line, const char *want)
{
    CLEANUP(buf) struct buf rest = BUF_INIT;

    settle(w, 100 * NS_PER_MS);
    /* What every success says; tests that look at it ask for it with a '!' in front. */
    for (str log = buf_view(&w->log), one; str_cut(&log, '\n', &one);)
        if (one.n && (*want == '!' || str_find(one, S(" Scheduled: ")) < 0))
            buf_fmt(&rest, PRI_STR "\n", STR_ARG(one));
    test_check_str(file, line, buf_view(&rest), str_of(want + (*want == '!')));
    buf_clear(&w->log);
}

const char *node_of(struct world *w, const char *pod)
{
    struct buf key = BUF_INIT;
    struct pod *p;

    buf_fmt(&key, "default/%s", pod);
    p = map_find(&w->s->pods, buf_view(&key));
    buf_fini(&key);
    return p && p->node ? p->node->name.p : "";
}
