/* events.c - Events told once each: repeated ones are counted, similar ones combined, floods cut.
 *
 * Three memories, as client-go's event correlator has them:
 *   series      same source, object, reason and message: the Event's count goes up by a patch
 *   similars    same but for the message: from the tenth different message in ten minutes on, they
 * become one Event buckets     per source and object 25 at once, then one in five minutes Each
 * forgets what was not used longest when it is full, and what was not used for long enough to mean
 * nothing any more. They remember hashes and counts; texts live only until they are sent.
 *
 * Invariants
 *   (1) While an Event's create or patch is under way, later ones of its series only raise the
 * count; one patch then follows. (2) Events are told on a best-effort basis: when too many wait,
 * new ones are dropped, and a failure is only logged.
 *
 * API: https://github.com/kubernetes/client-go/blob/master/tools/record/events_cache.go */
#include "client/client_internal.h"

#include <inttypes.h>

#define SERIES_MAX 4096 /* 0.3 KB each; one that is forgotten too early becomes another Event */
#define RECENT_MAX 1024 /* similars and buckets: forgotten too early they combine and cut less */
#define SIMILAR_MAX 10
#define SIMILAR_WINDOW_NS (600 * NS_PER_S)
#define BURST 25
#define REFILL_NS (300 * NS_PER_S)
#define SERIES_NS (3600 * NS_PER_S)         /* as long as the Event itself is kept */
#define BUCKET_NS ((BURST + 1) * REFILL_NS) /* then it is full again in any case */
#define EXPIRE_AT_ONCE 4                    /* items looked at whenever one is used */
#define WAITING_MAX 1000
#define IN_FLIGHT_MAX 8

struct memory_key { /* two hashes: a collision would only count two Events as one */
    uint64_t a, b;
};
struct memory_item {
    struct list link; /* newest last */
    struct memory_key key;
    int64_t used_ns;
};
struct memory {
    struct map map;
    struct list order;
    size_t max;
    int64_t keep_ns;
    void (*free_item)(struct memory_item *);
};

struct similar {
    struct memory_item item;
    int64_t last_ns;
    uint32_t n;
    uint64_t messages[SIMILAR_MAX]; /* hashes */
};
struct bucket {
    struct memory_item item;
    double tokens;
    int64_t filled_ns;
};
struct series {
    struct memory_item item;
    struct event_recorder *r;
    char *ns, *name;
    char *body, *message; /* the Event without the count's fields; NULL: all is sent */
    int64_t count, sent_count;
    wall_time first, last;
    bool queued, in_flight, forgotten;
    struct list wait; /* in r->waiting while queued, in r->flying while in flight */
    struct client_call *call;
};

struct event_recorder {
    struct client *client;
    struct loop *loop;
    char *component, *host;
    struct memory series, similars, buckets;
    struct list waiting, flying;
    int n_waiting, n_in_flight;
    uint64_t last_stamp; /* names are stamps: strictly rising */
};

static void memory_init(struct memory *m, size_t max, int64_t keep_ns,
                        void (*free_item)(struct memory_item *))
{
    map_init(&m->map);
    list_init(&m->order);
    m->max = max;
    m->keep_ns = keep_ns;
    m->free_item = free_item;
}

static str key_str(const struct memory_key *k)
{
    return (str){(const char *)k, sizeof *k};
}

static void memory_drop(struct memory *m, struct memory_item *it)
{
    map_del(&m->map, key_str(&it->key));
    list_del(&it->link);
    m->free_item(it);
}

static void memory_fini(struct memory *m)
{
    while (!list_is_empty(&m->order))
        memory_drop(m, LIST_ITEM(m->order.next, struct memory_item, link));
    map_fini(&m->map);
}

static struct memory_item *memory_oldest(struct memory *m)
{
    return list_is_empty(&m->order) ? NULL : LIST_ITEM(m->order.next, struct memory_item, link);
}

/* text: what makes the item itself. Its first bytes are hashed once more with another beginning. */
static void *memory_use(struct memory *m, str text, int64_t now_ns, size_t size, bool *ret_is_new)
{
    CLEANUP(buf) struct buf other = BUF_INIT;
    struct memory_key key = {.a = str_hash(text)};
    struct memory_item *it;

    buf_char(&other, '\1');
    buf_str(&other, text);
    key.b = str_hash(buf_view(&other));
    it = map_find(&m->map, key_str(&key));
    if (it && now_ns - it->used_ns > m->keep_ns) {
        memory_drop(m, it);
        it = NULL;
    }
    *ret_is_new = !it;
    if (it)
        list_del(&it->link);
    for (int i = 0; i < EXPIRE_AT_ONCE; i++) {
        struct memory_item *old = memory_oldest(m);

        if (!old || now_ns - old->used_ns <= m->keep_ns)
            break;
        memory_drop(m, old);
    }
    if (!it) {
        if (m->map.n >= m->max)
            memory_drop(m, memory_oldest(m));
        it = mem_zalloc(size);
        it->key = key;
        map_put(&m->map, key_str(&it->key), it);
    }
    it->used_ns = now_ns;
    list_add_tail(&m->order, &it->link);
    return it;
}

static void plain_free(struct memory_item *it)
{
    mem_free(it);
}

static void series_free(struct series *s)
{
    mem_free(s->ns);
    mem_free(s->name);
    mem_free(s->body);
    mem_free(s->message);
    mem_free(s);
}

static void series_forget(struct memory_item *it)
{
    struct series *s = CONTAINER_OF(it, struct series, item);

    s->forgotten = true;
    if (!s->queued && !s->in_flight)
        series_free(s);
}

struct event_recorder *event_recorder_new(struct client *c, str component, str host)
{
    struct event_recorder *r = NEW(struct event_recorder);

    r->client = c;
    r->loop = client_loop(c);
    r->component = str_dupz(component);
    r->host = str_dupz(host);
    memory_init(&r->series, SERIES_MAX, SERIES_NS, series_forget);
    memory_init(&r->similars, RECENT_MAX, SIMILAR_WINDOW_NS, plain_free);
    memory_init(&r->buckets, RECENT_MAX, BUCKET_NS, plain_free);
    list_init(&r->waiting);
    list_init(&r->flying);
    return r;
}

void event_recorder_free(struct event_recorder *r)
{
    struct series *s, *tmp;

    if (!r)
        return;
    LIST_EACH_SAFE(s, tmp, &r->waiting, wait) {
        list_del(&s->wait);
        s->queued = false;
        if (s->forgotten)
            series_free(s);
    }
    LIST_EACH_SAFE(s, tmp, &r->flying, wait) {
        client_cancel(s->call);
        list_del(&s->wait);
        s->in_flight = false;
        if (s->forgotten)
            series_free(s);
    }
    memory_fini(&r->series);
    memory_fini(&r->similars);
    memory_fini(&r->buckets);
    mem_free(r->component);
    mem_free(r->host);
    mem_free(r);
}

/* ---- sending ---- */

static void recorder_pump(struct event_recorder *r);

/* Until the next of the series, which brings its texts along. */
static void series_rest(struct series *s)
{
    mem_free(TAKE(s->body));
    mem_free(TAKE(s->message));
}

static void series_queue(struct series *s)
{
    struct event_recorder *r = s->r;

    if (s->queued || s->in_flight)
        return;
    if (r->n_waiting >= WAITING_MAX) {
        log_debug("events", "too many events wait: one of %s is dropped", s->name);
        return;
    }
    s->queued = true;
    r->n_waiting++;
    list_add_tail(&r->waiting, &s->wait);
    recorder_pump(r);
}

static void series_sent(void *ctx, struct err *err, int status, str body)
{
    struct series *s = ctx;
    struct event_recorder *r = s->r;
    bool gone = err && err->reason == REASON_NOT_FOUND && s->sent_count;

    s->in_flight = false;
    list_del(&s->wait);
    r->n_in_flight--;
    if (gone)
        s->sent_count = 0; /* it expired on the server: begin anew */
    else if (err)
        log_debug("events", "%s/%s: %s", s->ns, s->name, err_text(err));
    err_free(err);
    if (s->forgotten)
        series_free(s);
    else {
        if (gone || s->sent_count < s->count)
            series_queue(s);
        if (!s->queued && !s->in_flight)
            series_rest(s);
    }
    recorder_pump(r);
}

static void series_create(struct series *s)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    buf_api_path(&path, S(""), S("v1"), S("events"), str_of(s->ns), STR_NONE, STR_NONE);
    buf_z(&body, s->body);
    buf_z(&body, ",\"firstTimestamp\":\"");
    buf_rfc3339(&body, s->first);
    buf_z(&body, "\",\"lastTimestamp\":\"");
    buf_rfc3339(&body, s->last);
    buf_fmt(&body, "\",\"count\":%" PRId64 ",\"eventTime\":null,\"message\":", s->count);
    json_encode_string(&body, str_of(s->message));
    buf_char(&body, '}');
    s->call = client_do(s->r->client,
                        &(struct client_request){
                            .method = "POST", .path = buf_view(&path), .body = buf_view(&body)},
                        series_sent, s);
}

static void series_patch(struct series *s)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    buf_api_path(&path, S(""), S("v1"), S("events"), str_of(s->ns), str_of(s->name), STR_NONE);
    buf_fmt(&body, "{\"count\":%" PRId64 ",\"lastTimestamp\":\"", s->count);
    buf_rfc3339(&body, s->last);
    buf_z(&body, "\",\"message\":");
    json_encode_string(&body, str_of(s->message));
    buf_char(&body, '}');
    s->call = client_do(
        s->r->client,
        &(struct client_request){.method = "PATCH",
                                 .path = buf_view(&path),
                                 .body = buf_view(&body),
                                 .content_type = "application/strategic-merge-patch+json"},
        series_sent, s);
}

static void recorder_pump(struct event_recorder *r)
{
    while (r->n_in_flight < IN_FLIGHT_MAX && !list_is_empty(&r->waiting)) {
        struct series *s = LIST_ITEM(r->waiting.next, struct series, wait);

        list_del(&s->wait);
        s->queued = false;
        r->n_waiting--;
        s->in_flight = true;
        list_add_tail(&r->flying, &s->wait);
        r->n_in_flight++;
        if (s->sent_count)
            series_patch(s);
        else
            series_create(s);
        s->sent_count = s->count;
    }
}

/* ---- recording ---- */

struct about { /* what an Event is about */
    str api_version, kind, ns, name, uid, resource_version, field_path;
};

static void key_part(struct buf *b, str s)
{
    buf_str(b, s);
    buf_char(b, '\0');
}

static bool bucket_takes(struct event_recorder *r, str object_key)
{
    int64_t now = loop_now(r->loop).ns;
    bool is_new;
    struct bucket *b = memory_use(&r->buckets, object_key, now, sizeof *b, &is_new);

    if (is_new)
        b->tokens = BURST;
    else
        b->tokens =
            MIN(b->tokens + (double)(now - b->filled_ns) / (double)REFILL_NS, (double)BURST);
    b->filled_ns = now;
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}

/* true: combine it with its similars. */
static bool similar_counts(struct event_recorder *r, str key, str message)
{
    int64_t now = loop_now(r->loop).ns;
    uint64_t hash = str_hash(message);
    bool is_new;
    struct similar *s = memory_use(&r->similars, key, now, sizeof *s, &is_new);

    if (is_new || now - s->last_ns > SIMILAR_WINDOW_NS)
        s->n = 0;
    s->last_ns = now;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->messages[i] == hash)
            return s->n >= SIMILAR_MAX;
    if (s->n == SIMILAR_MAX)
        memmove(s->messages, s->messages + 1, (SIMILAR_MAX - 1) * sizeof s->messages[0]);
    else
        s->n++;
    s->messages[s->n - 1] = hash;
    return s->n >= SIMILAR_MAX;
}

static void member(struct buf *b, const char *name, str value)
{
    if (!value.n)
        return;
    buf_fmt(b, "%s\"%s\":", b->p[b->n - 1] == '{' ? "" : ",", name);
    json_encode_string(b, value);
}

/* Everything but timestamps, count and message, without the closing brace. */
static void series_body(struct series *s, const struct about *about, const char *type,
                        const char *reason)
{
    const struct event_recorder *r = s->r;
    struct buf b = BUF_INIT;

    buf_z(&b, "{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{");
    member(&b, "name", str_of(s->name));
    member(&b, "namespace", str_of(s->ns));
    buf_z(&b, "},\"involvedObject\":{");
    member(&b, "kind", about->kind);
    member(&b, "namespace", about->ns);
    member(&b, "name", about->name);
    member(&b, "uid", about->uid);
    member(&b, "apiVersion", about->api_version);
    member(&b, "resourceVersion", about->resource_version);
    member(&b, "fieldPath", about->field_path);
    buf_z(&b, "},\"reason\":");
    json_encode_string(&b, str_of(reason));
    buf_z(&b, ",\"source\":{");
    member(&b, "component", str_of(r->component));
    member(&b, "host", str_of(r->host));
    buf_char(&b, '}');
    member(&b, "type", str_of(type));
    buf_z(&b, ",\"reportingComponent\":");
    json_encode_string(&b, str_of(r->component));
    buf_z(&b, ",\"reportingInstance\":");
    json_encode_string(&b, str_of(r->host));
    s->body = b.p;
}

static char *event_name(struct event_recorder *r, str name)
{
    uint64_t stamp = (uint64_t)loop_wall(r->loop).ns;
    struct buf b = BUF_INIT;

    r->last_stamp = MAX(stamp, r->last_stamp + 1);
    buf_str(&b, name);
    buf_fmt(&b, ".%016" PRIx64, r->last_stamp);
    return b.p;
}

void event_record(struct event_recorder *r, const struct json *involved, str field_path,
                  const char *type, const char *reason, const char *fmt, ...)
{
    struct about about = {.api_version = json_get_str(involved, "apiVersion"),
                          .kind = json_get_str(involved, "kind"),
                          .ns = json_get_str(involved, "metadata.namespace"),
                          .name = json_get_str(involved, "metadata.name"),
                          .uid = json_get_str(involved, "metadata.uid"),
                          .resource_version = json_get_str(involved, "metadata.resourceVersion"),
                          .field_path = field_path};
    CLEANUP(buf) struct buf message = BUF_INIT, key = BUF_INIT;
    wall_time now = loop_wall(r->loop);
    size_t object_n, similar_n;
    struct series *s;
    bool is_new;
    va_list ap;

    BUG_ON(!loop_is_mine(r->loop));
    va_start(ap, fmt);
    buf_vfmt(&message, fmt, ap);
    va_end(ap);

    key_part(&key, about.kind);
    key_part(&key, about.ns);
    key_part(&key, about.name);
    key_part(&key, about.uid);
    key_part(&key, about.api_version);
    object_n = key.n;
    key_part(&key, str_of(type));
    key_part(&key, str_of(reason));
    similar_n = key.n;
    if (similar_counts(r, str_slice(buf_view(&key), 0, similar_n), buf_view(&message))) {
        CLEANUP(buf) struct buf plain = message;

        message = BUF_INIT;
        buf_z(&message, "(combined from similar events): ");
        buf_str(&message, buf_view(&plain));
    } else {
        key_part(&key, field_path);
        buf_str(&key, buf_view(&message));
    }
    s = memory_use(&r->series, buf_view(&key), loop_now(r->loop).ns, sizeof *s, &is_new);
    if (is_new) {
        s->r = r;
        s->first = now;
        list_init(&s->wait);
        s->ns = about.ns.n ? str_dupz(about.ns) : mem_strdup("default");
        s->name = event_name(r, about.name);
    }
    if (!s->body)
        series_body(s, &about, type, reason);
    s->count++;
    s->last = now;
    mem_free(s->message);
    s->message = mem_strdup(buf_cstr(&message));
    if (bucket_takes(r, str_slice(buf_view(&key), 0, object_n)))
        series_queue(s);
    if (!s->queued && !s->in_flight)
        series_rest(s);
}
