/* cri.c - CRI v1 over gRPC: the runtime behind a socket; see runtime.h.
 *
 * How changes are heard, best first:
 *   containerd's own event stream (task start, exit, out of memory) on the same socket: immediate, in every version;
 *   CRI's GetContainerEvents, where another runtime offers it.
 * A stream that breaks is opened again while the runtime is up, and each new beginning is reported as "anything may have changed".
 * With neither, the callers' own look-ups (after what they did, and a slow one for safety) must do. */
#include "kubelet/runtime.h"

#include "schema/schema.h"
#include "wire/grpc.h"

#define STREAM_RETRY_NS (2 * NS_PER_S)
#define GRPC_OK 0
#define GRPC_CANCELLED 1
#define GRPC_DEADLINE 4
#define GRPC_NOT_FOUND 5
#define GRPC_UNIMPLEMENTED 12
#define GRPC_UNAVAILABLE 14

static const struct call_info {
    const char *service, *name, *path, *request, *response;
} calls[] = {
#define X(id, service, name)                                                                       \
    [RUNTIME_##id] = {service, name, "/runtime.v1." service "/" name,                              \
                      "runtime.v1." name "Request", "runtime.v1." name "Response"},
    RUNTIME_CALLS(X)
#undef X
};

const char *runtime_call_name(enum runtime_call_id id)
{
    return calls[id].name;
}

const char *runtime_call_service(enum runtime_call_id id)
{
    return calls[id].service;
}

void runtime_call(struct runtime *rt, enum runtime_call_id id, const struct json *request,
                  int64_t timeout_ns, runtime_done_fn *done, void *ctx)
{
    rt->ops->call(rt, id, request, timeout_ns ? timeout_ns : RUNTIME_TIMEOUT_NS, done, ctx);
}

void runtime_watch(struct runtime *rt, runtime_event_fn *fn, void *ctx)
{
    rt->ops->watch(rt, fn, ctx);
}

void runtime_connected(struct runtime *rt, bool up)
{
    if (rt->ops->connected)
        rt->ops->connected(rt, up);
}

void runtime_free(struct runtime *rt)
{
    if (rt)
        rt->ops->free(rt);
}

/* ---- containerd's events ---- */

struct wire { /* protobuf, read without a schema: these are not CRI's messages */
    str rest;
};

static bool wire_varint(struct wire *w, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && w->rest.n; shift += 7) {
        unsigned char c = (unsigned char)w->rest.p[0];

        w->rest = str_skip(w->rest, 1);
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* The next field: its number, and its bytes if it has some (otherwise empty). */
static bool wire_next(struct wire *w, unsigned *ret_number, str *ret_bytes)
{
    uint64_t tag, v;

    if (!wire_varint(w, &tag))
        return false;
    *ret_number = (unsigned)(tag >> 3);
    *ret_bytes = STR_NONE;
    switch (tag & 7) {
    case 0:
        return wire_varint(w, &v);
    case 1:
        v = 8;
        break;
    case 2:
        if (!wire_varint(w, &v))
            return false;
        break;
    case 5:
        v = 4;
        break;
    default:
        return false;
    }
    if (v > w->rest.n)
        return false;
    *ret_bytes = str_slice(w->rest, 0, (size_t)v);
    w->rest = str_skip(w->rest, (size_t)v);
    return true;
}

static str wire_find(str message, unsigned number)
{
    struct wire w = {message};
    unsigned n;
    str v;

    while (wire_next(&w, &n, &v))
        if (n == number)
            return v;
    return STR_NONE;
}

bool cri_event_parse(str envelope, enum runtime_event *ret_event, str *ret_id)
{
    enum { ENVELOPE_TOPIC = 3, ENVELOPE_EVENT = 4, ANY_VALUE = 2 };
    static const struct {
        str topic;
        unsigned id_field; /* of the container's id in the event's message */
        unsigned
            exec_field; /* non-empty and different from the container's: only a process that was executed in it */
        enum runtime_event event;
    } topics[] = {
        {STR("/tasks/exit"), 1, 2, RUNTIME_EXITED},
        {STR("/tasks/start"), 1, 0, RUNTIME_CHANGED},
        {STR("/tasks/oom"), 1, 0, RUNTIME_CHANGED},
        {STR("/tasks/delete"), 1, 0, RUNTIME_CHANGED},
        {STR("/images/create"), 1, 0, RUNTIME_IMAGES},
        {STR("/images/delete"), 1, 0, RUNTIME_IMAGES},
    };
    str topic = wire_find(envelope, ENVELOPE_TOPIC);
    str event = wire_find(wire_find(envelope, ENVELOPE_EVENT), ANY_VALUE);

    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        str id, exec;

        if (!str_eq(topic, topics[i].topic))
            continue;
        id = wire_find(event, topics[i].id_field);
        exec = topics[i].exec_field ? wire_find(event, topics[i].exec_field) : STR_NONE;
        if (!id.n || (exec.n && !str_eq(exec, id)))
            return false;
        *ret_id = id;
        *ret_event = topics[i].event;
        return true;
    }
    return false;
}

/* ---- the runtime ---- */

enum event_source { SOURCE_CONTAINERD, SOURCE_CRI, SOURCE_NONE };

struct cri {
    struct runtime rt;
    struct grpc_channel *channel;
    runtime_event_fn *event;
    void *event_ctx;
    struct grpc_call *stream;
    enum event_source source;
    struct loop_timer *retry;
    bool up, closing;
};

struct pending {
    struct cri *cri;
    enum runtime_call_id id;
    runtime_done_fn *done;
    void *ctx;
};

const char *runtime_code_name(int code)
{
    static const char *const names[] = {
        "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
        "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
        "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
        "DataLoss", "Unauthenticated"};

    return code >= 0 && code < (int)ARRAY_LEN(names) ? names[code] : "Unknown";
}

static struct err *err_of_grpc(int code, str message)
{
    enum reason reason = code == GRPC_NOT_FOUND       ? REASON_NOT_FOUND
                         : code == GRPC_DEADLINE      ? REASON_TIMEOUT
                         : code == GRPC_UNAVAILABLE   ? REASON_UNAVAILABLE
                         : code == GRPC_CANCELLED     ? REASON_UNAVAILABLE
                         : code == GRPC_UNIMPLEMENTED ? REASON_METHOD_NOT_ALLOWED
                                                      : REASON_INTERNAL;

    return err_new(reason, "rpc error: code = %s desc = " PRI_STR, runtime_code_name(code),
                   STR_ARG(message));
}

str runtime_message(const struct err *err)
{
    str text = str_of(err_text(err));
    ptrdiff_t at = str_find(text, S(" desc = "));

    return str_has_prefix(text, S("rpc error: code = ")) && at >= 0 ? str_skip(text, (size_t)at + 8)
                                                                    : text;
}

static void on_answer(void *ctx, int status, str message, str response)
{
    CLEANUP(arena) struct arena *a = NULL;
    struct pending *p = ctx;
    struct json *tree = NULL;
    struct err *err = NULL;

    if (status != GRPC_OK) {
        err = err_of_grpc(status, message);
    } else {
        a = arena_new();
        err = proto_decode(a, schema_find_message(str_of(calls[p->id].response)), response, &tree);
    }
    p->done(p->ctx, err, err ? NULL : tree);
    mem_free(p);
}

static void cri_call(struct runtime *rt, enum runtime_call_id id, const struct json *request,
                     int64_t timeout_ns, runtime_done_fn *done, void *ctx)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct cri *c = CONTAINER_OF(rt, struct cri, rt);
    const struct schema_type *type = schema_find_message(str_of(calls[id].request));
    struct pending *p = NEW(struct pending);

    BUG_ON(!type);
    *p = (struct pending){c, id, done, ctx};
    if (request)
        proto_encode(&b, type, request);
    grpc_unary(c->channel, str_of(calls[id].path), buf_view(&b), timeout_ns, on_answer, p);
}

/* ---- hearing of changes ---- */

static void open_stream(struct cri *c);

static void on_event(void *ctx, str message)
{
    struct cri *c = ctx;
    enum runtime_event event;
    str id;

    if (c->source == SOURCE_CONTAINERD) {
        if (cri_event_parse(message, &event, &id))
            c->event(c->event_ctx, event, id);
        return;
    }
    /* ContainerEventResponse: container_id = 1, container_event_type = 2 (stopped: 2) */
    id = wire_find(message, 1);
    c->event(c->event_ctx, RUNTIME_CHANGED, id);
}

static void on_stream_end(void *ctx, int status, str message)
{
    struct cri *c = ctx;

    c->stream = NULL;
    if (c->closing)
        return;
    if (status == GRPC_UNIMPLEMENTED && c->source != SOURCE_NONE) {
        c->source++;
        if (c->source == SOURCE_NONE)
            log_warning("cri", "the runtime reports no events: changes are seen late");
    }
    if (c->up && c->source != SOURCE_NONE)
        loop_timer_set(c->retry, STREAM_RETRY_NS);
}

static void open_stream(struct cri *c)
{
    static const struct grpc_stream_events events = {on_event, on_stream_end};

    if (c->stream || !c->event || !c->up || c->source == SOURCE_NONE)
        return;
    if (c->source == SOURCE_CONTAINERD) {
        /* SubscribeRequest.filters: only what concerns pods. */
        static const char filter[] =
            "namespace==k8s.io,topic~=\"^/tasks/(start|exit|oom|delete)|^/images/(create|delete)\"";
        CLEANUP(buf) struct buf request = BUF_INIT;

        buf_char(&request, 1 << 3 | 2);
        buf_char(&request, (char)(sizeof filter - 1));
        buf_z(&request, filter);
        _Static_assert(sizeof filter - 1 < 128, "the length must fit one byte of a varint");
        c->stream =
            grpc_server_stream(c->channel, S("/containerd.services.events.v1.Events/Subscribe"),
                               buf_view(&request), &events, c);
    } else {
        c->stream = grpc_server_stream(
            c->channel, S("/runtime.v1.RuntimeService/GetContainerEvents"), STR_NONE, &events, c);
    }
    /* What happened before the stream began must be looked up. */
    c->event(c->event_ctx, RUNTIME_CHANGED, STR_NONE);
}

static void on_retry(void *ctx)
{
    open_stream(ctx);
}

static void cri_watch(struct runtime *rt, runtime_event_fn *fn, void *ctx)
{
    struct cri *c = CONTAINER_OF(rt, struct cri, rt);

    c->event = fn;
    c->event_ctx = ctx;
    open_stream(c);
}

static void cri_connected(struct runtime *rt, bool up)
{
    struct cri *c = CONTAINER_OF(rt, struct cri, rt);

    c->up = up;
    if (up)
        open_stream(c);
}

static void cri_free(struct runtime *rt)
{
    struct cri *c = CONTAINER_OF(rt, struct cri, rt);

    c->closing = true;
    loop_timer_free(c->retry);
    grpc_channel_free(c->channel);
    mem_free(c);
}

struct runtime *cri_new(struct loop *loop, str socket_path)
{
    static const struct runtime_ops ops = {cri_call, cri_watch, cri_connected, cri_free};
    CLEANUP(buf) struct buf address = BUF_INIT;
    struct cri *c = NEW(struct cri);

    c->rt = (struct runtime){&ops, loop};
    buf_fmt(&address, "unix:" PRI_STR, STR_ARG(socket_path));
    c->channel = grpc_channel_new(loop, buf_view(&address), NULL);
    c->retry = loop_timer_new(loop, on_retry, c);
    return &c->rt;
}
