/* server_logs.c - /containerLogs: a container's log, from where it was asked for, as long as it is followed. */
#include "kubelet/logs.h"
#include "kubelet/server_internal.h"

struct follower {
    struct list link;
    struct kubelet_server *s;
    struct http_exchange *ex;
    struct log_reader *reader;
    char *container_id;
};

static void follower_free(struct follower *f)
{
    list_del(&f->link);
    mem_free(f->container_id);
    mem_free(f);
}

static void on_data(void *ctx, str text)
{
    struct follower *f = ctx;

    http_write(f->ex, text);
    if (http_queued(f->ex) > HTTP_QUEUE_HIGH)
        log_reader_pause(f->reader, true);
}

static void on_end(void *ctx, int error)
{
    struct follower *f = ctx;

    if (error && error != -ENOENT) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        buf_fmt(&b, "failed to read the log: %s\n", strerror(-error));
        http_write(f->ex, buf_view(&b));
    }
    http_end(f->ex);
    follower_free(f);
}

static void on_gone(void *user, struct http_exchange *ex)
{
    struct follower *f = user;

    log_reader_free(f->reader);
    http_end(ex);
    follower_free(f);
}

static void on_drain(void *user, struct http_exchange *ex)
{
    struct follower *f = user;

    log_reader_pause(f->reader, false);
}

static bool number(struct http_exchange *ex, const char *name, int64_t *ret)
{
    str v;
    int64_t n;

    if (!http_query(ex->arena, ex->req.query, name, &v) || !v.n)
        return true;
    if (!str_to_int64(v, &n) || n < 0) {
        server_text(ex, 400, "Invalid value for \"%s\": " PRI_STR, name, STR_ARG(v));
        return false;
    }
    *ret = n;
    return true;
}

static bool is_over(struct kubelet *k, const char *id)
{
    struct pod_worker *w = map_find(&k->by_container, str_of(id));
    const struct rt_container *c = w ? pod_runtime_find_id(w->rt, str_of(id)) : NULL;

    return !c || c->state != CONTAINER_STATE_RUNNING;
}

/* Some containers may have ended: whoever follows their logs gets the rest and the end. */
void kubelet_logs_ended(struct kubelet *k)
{
    struct follower *f, *next;

    if (!k->server)
        return;
    LIST_EACH_SAFE(f, next, &k->server->followers, link)
        if (is_over(k, f->container_id))
            log_reader_finish(f->reader);
}

void server_followers_free(struct kubelet_server *s)
{
    struct follower *f, *next;

    LIST_EACH_SAFE(f, next, &s->followers, link) {
        f->ex->on_gone = NULL;
        log_reader_free(f->reader);
        http_end(f->ex);
        follower_free(f);
    }
}

void server_logs(struct request *r)
{
    static const struct log_reader_events events = {on_data, on_end};
    static const struct http_header headers[] = {
        {STR("Content-Type"), STR("text/plain; charset=utf-8")}};
    struct http_exchange *ex = r->ex;
    struct log_options o = {.tail = -1, .limit_bytes = -1};
    struct pod_worker *w = server_find_pod(r);
    const struct rt_container *c;
    int64_t since_s = -1;
    enum container_kind kind;
    struct follower *f;
    bool previous;
    str v;

    if (!w)
        return;
    if (!podspec_find_container(w->pod, r->container, &kind)) {
        server_text(ex, 404,
                    "container \"" PRI_STR "\" not found in pod \"" PRI_STR "_" PRI_STR "\"",
                    STR_ARG(r->container), STR_ARG(r->pod), STR_ARG(r->ns));
        return;
    }
    if (!number(ex, "tailLines", &o.tail) || !number(ex, "limitBytes", &o.limit_bytes) ||
        !number(ex, "sinceSeconds", &since_s))
        return;
    if (since_s >= 0)
        o.since.ns = loop_wall(w->k->loop).ns - since_s * NS_PER_S;
    if (http_query(ex->arena, ex->req.query, "sinceTime", &v) && v.n &&
        !rfc3339_parse(v, &o.since)) {
        server_text(ex, 400, "Invalid value for \"sinceTime\": " PRI_STR, STR_ARG(v));
        return;
    }
    if (http_query(ex->arena, ex->req.query, "stream", &v) &&
        (str_is(v, "Stdout") || str_is(v, "Stderr")))
        o.stream = str_is(v, "Stdout") ? S("stdout") : S("stderr");
    o.follow = server_flag(ex, "follow", NULL);
    o.timestamps = server_flag(ex, "timestamps", NULL);
    previous = server_flag(ex, "previous", NULL);
    c = pod_runtime_find(w->rt, r->container, 0);
    if (previous || (c && c->state == CONTAINER_STATE_CREATED)) {
        c = pod_runtime_find(w->rt, r->container, 1);
        if (previous && !c) {
            server_text(ex, 400,
                        "previous terminated container \"" PRI_STR "\" in pod \"" PRI_STR
                        "\" not found",
                        STR_ARG(r->container), STR_ARG(r->pod));
            return;
        }
    }
    if (!c || !c->log_path.n) {
        struct container_local *l = worker_local(w, r->container);
        bool any_init = json_count(json_at(w->pod, "spec", "initContainers", NULL)) > 0;

        if (l->waiting_reason && strstr(l->waiting_reason, "Image"))
            server_text(ex, 400,
                        "container \"" PRI_STR "\" in pod \"" PRI_STR
                        "\" is waiting to start: trying and failing to pull image",
                        STR_ARG(r->container), STR_ARG(r->pod));
        else
            server_text(ex, 400,
                        "container \"" PRI_STR "\" in pod \"" PRI_STR "\" is waiting to start: %s",
                        STR_ARG(r->container), STR_ARG(r->pod),
                        l->waiting_reason                    ? l->waiting_reason
                        : any_init && kind != CONTAINER_INIT ? "PodInitializing"
                                                             : "ContainerCreating");
        return;
    }
    f = NEW(struct follower);
    f->s = r->s;
    f->ex = ex;
    f->container_id = str_dupz(c->id);
    if (c->state != CONTAINER_STATE_RUNNING)
        o.follow = false;
    list_add_tail(&r->s->followers, &f->link);
    ex->user = f;
    ex->on_gone = on_gone;
    ex->on_drain = on_drain;
    http_start(ex, 200, headers, ARRAY_LEN(headers));
    f->reader = log_reader_new(w->k->loop, c->log_path, &o, &events, f);
}
