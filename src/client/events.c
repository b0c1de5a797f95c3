/* events.c - Events told once each: repeated ones are counted, similar ones combined, floods cut.
 *
 * Three memories, as client-go's event correlator has them:
 *   series      same source, object, reason and message: the Event's count goes up by a patch
 *   similars    same but for the message: from the tenth different message in ten minutes on, they
 *               become one Event
 *   buckets     per source and object 25 at once, then one in five minutes
 * Each forgets what was not used longest when it is full, and what was not used for long enough to
 * mean nothing any more. They remember hashes and counts, some 30 bytes of a series: texts live
 * only while an Event is on its way.
 *
 * Invariants
 *   (1) While an Event's create or patch is under way, later ones of its series only raise the
 *       count; one patch then follows.
 *   (2) Events are told on a best-effort basis: when too many wait, new ones are dropped, and a
 *       failure is only logged.
 *
 * API: https://github.com/kubernetes/client-go/blob/master/tools/record/events_cache.go */
#include "client/client_internal.h"
#include "client/recent.h"

#include <inttypes.h>

#define SERIES_MAX 4096 /* one that is forgotten too early becomes another Event */
#define OTHERS_MAX 1024 /* similars and buckets: forgotten too early they combine and cut less */
#define SIMILAR_MAX 10
#define SIMILAR_WINDOW_S 600
#define BURST 25
#define REFILL_S 300
#define SERIES_S 3600                     /* as long as the Event itself is kept */
#define BUCKET_S ((BURST + 1) * REFILL_S) /* then it is full again in any case */
#define FORGET_PAUSE_S 60                 /* at least, between two looks at what has expired */
#define WAITING_MAX 1000
#define IN_FLIGHT_MAX 8

struct similar {
    struct recent_item item;
    uint32_t n;
    uint32_t messages[SIMILAR_MAX]; /* hashes */
};
struct bucket {
    struct recent_item item;
    float tokens;
};
struct series {
    struct recent_item item;
    uint32_t count : 31;
    bool is_sent : 1; /* the server has, or is about to have, the Event */
    uint64_t stamp;   /* of the first: its time, and the end of the Event's name */
};
_Static_assert(sizeof(struct series) == 32, "there are thousands of them");

struct telling { /* of a series: waits to be sent, or is being sent */
    struct event_recorder *r;
    uint64_t hash; /* its key in r->tellings */
    char *ns, *name;
    char *body, *message; /* the Event without the count's fields */
    uint32_t count, sent_count;
    bool is_sent;
    wall_time first, last;
    struct list wait; /* in r->waiting, then in r->flying */
    struct client_call *call;
};

struct event_recorder {
    struct client *client;
    struct loop *loop;
    char *component, *host;
    struct recent series, similars, buckets;
    struct loop_timer *forget;
    struct map tellings;
    struct list waiting, flying;
    int n_waiting, n_in_flight;
    uint64_t last_stamp; /* names are stamps: strictly rising */
};

static int64_t now_s(const struct event_recorder *r)
{
    return loop_now(r->loop).ns / NS_PER_S;
}

/* ---- forgetting ---- */

static void forget_at(struct event_recorder *r, int64_t due_s)
{
    int64_t pause_s = MAX(due_s - now_s(r), (int64_t)FORGET_PAUSE_S);

    loop_timer_set(r->forget, pause_s * NS_PER_S);
}

static void on_forget(void *ctx)
{
    struct event_recorder *r = ctx;
    struct recent *all[] = {&r->series, &r->similars, &r->buckets};
    int64_t next_s = INT64_MAX;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        int64_t due_s = recent_expire(all[i], now_s(r));

        if (due_s >= 0)
            next_s = MIN(next_s, due_s);
    }
    if (next_s != INT64_MAX)
        forget_at(r, next_s);
}

static str hash_key(const uint64_t *hash)
{
    return (str){(const char *)hash, sizeof *hash};
}

static void telling_free(struct telling *t)
{
    list_del(&t->wait);
    map_del(&t->r->tellings, hash_key(&t->hash));
    mem_free(t->ns);
    mem_free(t->name);
    mem_free(t->body);
    mem_free(t->message);
    mem_free(t);
}

struct event_recorder *event_recorder_new(struct client *c, str component, str host)
{
    struct event_recorder *r = NEW(struct event_recorder);

    r->client = c;
    r->loop = client_loop(c);
    r->component = str_dupz(component);
    r->host = str_dupz(host);
    recent_init(&r->series, sizeof(struct series), SERIES_MAX, SERIES_S);
    recent_init(&r->similars, sizeof(struct similar), OTHERS_MAX, SIMILAR_WINDOW_S);
    recent_init(&r->buckets, sizeof(struct bucket), OTHERS_MAX, BUCKET_S);
    r->forget = loop_timer_new(r->loop, on_forget, r);
    map_init(&r->tellings);
    list_init(&r->waiting);
    list_init(&r->flying);
    return r;
}

void event_recorder_free(struct event_recorder *r)
{
    struct telling *t, *tmp;

    if (!r)
        return;
    LIST_EACH_SAFE(t, tmp, &r->waiting, wait)
        telling_free(t);
    LIST_EACH_SAFE(t, tmp, &r->flying, wait) {
        client_cancel(t->call);
        telling_free(t);
    }
    loop_timer_free(r->forget);
    recent_fini(&r->series);
    recent_fini(&r->similars);
    recent_fini(&r->buckets);
    map_fini(&r->tellings);
    mem_free(r->component);
    mem_free(r->host);
    mem_free(r);
}

/* ---- sending ---- */

static void recorder_pump(struct event_recorder *r);

static void telling_queue(struct telling *t)
{
    list_add_tail(&t->r->waiting, &t->wait);
    t->r->n_waiting++;
}

static void telling_sent(void *ctx, struct err *err, int status, str body)
{
    struct telling *t = ctx;
    struct event_recorder *r = t->r;
    bool gone = err && err->reason == REASON_NOT_FOUND && t->is_sent;
    struct series *s = recent_find(&r->series, t->hash);

    list_del(&t->wait);
    r->n_in_flight--;
    t->is_sent = !gone; /* else it expired on the server: begin anew */
    if (s)
        s->is_sent = t->is_sent;
    if (err && !gone)
        log_debug("events", "%s/%s: %s", t->ns, t->name, err_text(err));
    err_free(err);
    if (gone || t->sent_count < t->count)
        telling_queue(t);
    else
        telling_free(t);
    recorder_pump(r);
}

static void telling_create(struct telling *t)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    buf_api_path(&path, S(""), S("v1"), S("events"), str_of(t->ns), STR_NONE, STR_NONE);
    buf_z(&body, t->body);
    buf_z(&body, ",\"firstTimestamp\":\"");
    buf_rfc3339(&body, t->first);
    buf_z(&body, "\",\"lastTimestamp\":\"");
    buf_rfc3339(&body, t->last);
    buf_fmt(&body, "\",\"count\":%" PRIu32 ",\"eventTime\":null,\"message\":", t->count);
    json_encode_string(&body, str_of(t->message));
    buf_char(&body, '}');
    t->call = client_do(t->r->client,
                        &(struct client_request){
                            .method = "POST", .path = buf_view(&path), .body = buf_view(&body)},
                        telling_sent, t);
}

static void telling_patch(struct telling *t)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    buf_api_path(&path, S(""), S("v1"), S("events"), str_of(t->ns), str_of(t->name), STR_NONE);
    buf_fmt(&body, "{\"count\":%" PRIu32 ",\"lastTimestamp\":\"", t->count);
    buf_rfc3339(&body, t->last);
    buf_z(&body, "\",\"message\":");
    json_encode_string(&body, str_of(t->message));
    buf_char(&body, '}');
    t->call = client_do(
        t->r->client,
        &(struct client_request){.method = "PATCH",
                                 .path = buf_view(&path),
                                 .body = buf_view(&body),
                                 .content_type = "application/strategic-merge-patch+json"},
        telling_sent, t);
}

static void recorder_pump(struct event_recorder *r)
{
    while (r->n_in_flight < IN_FLIGHT_MAX && !list_is_empty(&r->waiting)) {
        struct telling *t = LIST_ITEM(r->waiting.next, struct telling, wait);

        list_del(&t->wait);
        r->n_waiting--;
        list_add_tail(&r->flying, &t->wait);
        r->n_in_flight++;
        t->sent_count = t->count;
        if (t->is_sent)
            telling_patch(t);
        else
            telling_create(t);
    }
}

/* ---- recording ---- */

static bool bucket_takes(struct event_recorder *r, str object_key)
{
    int64_t idle_s;
    struct bucket *b = recent_use(&r->buckets, str_hash(object_key), now_s(r), &idle_s);

    b->tokens = idle_s < 0 ? BURST : MIN(b->tokens + (float)idle_s / REFILL_S, (float)BURST);
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}

/* true: combine it with its similars. */
static bool similar_counts(struct event_recorder *r, str key, str message)
{
    uint32_t hash = (uint32_t)str_hash(message);
    int64_t idle_s; /* after more than the window it is new */
    struct similar *s = recent_use(&r->similars, str_hash(key), now_s(r), &idle_s);

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

/* Everything but timestamps, count and message, without the closing brace. */
static char *event_body(const struct telling *t, const struct event_about *about, const char *type,
                        const char *reason)
{
    const struct event_recorder *r = t->r;
    struct buf b = BUF_INIT;

    buf_z(&b, "{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{");
    event_member(&b, "name", str_of(t->name));
    event_member(&b, "namespace", str_of(t->ns));
    buf_z(&b, "},\"involvedObject\":");
    event_about_write(&b, about);
    buf_z(&b, ",\"reason\":");
    json_encode_string(&b, str_of(reason));
    buf_z(&b, ",\"source\":{");
    event_member(&b, "component", str_of(r->component));
    event_member(&b, "host", str_of(r->host));
    buf_char(&b, '}');
    event_member(&b, "type", str_of(type));
    buf_z(&b, ",\"reportingComponent\":");
    json_encode_string(&b, str_of(r->component));
    buf_z(&b, ",\"reportingInstance\":");
    json_encode_string(&b, str_of(r->host));
    return b.p;
}

static uint64_t stamp_next(struct event_recorder *r)
{
    r->last_stamp = MAX((uint64_t)loop_wall(r->loop).ns, r->last_stamp + 1);
    return r->last_stamp;
}

/* One more of series s, which is about to be told. */
static struct telling *telling_new(struct event_recorder *r, uint64_t hash, const struct series *s,
                                   const struct event_about *about, const char *type,
                                   const char *reason)
{
    struct telling *t = NEW(struct telling);
    struct buf name = BUF_INIT;

    buf_str(&name, about->name);
    buf_fmt(&name, ".%016" PRIx64, s->stamp);
    t->r = r;
    t->hash = hash;
    t->ns = about->ns.n ? str_dupz(about->ns) : mem_strdup("default");
    t->name = name.p;
    t->body = event_body(t, about, type, reason);
    t->first = (wall_time){(int64_t)s->stamp};
    t->is_sent = s->is_sent;
    list_init(&t->wait);
    map_put(&r->tellings, hash_key(&t->hash), t);
    return t;
}

static void telling_update(struct telling *t, uint32_t count, const char *message)
{
    t->count = count;
    t->last = loop_wall(t->r->loop);
    mem_free(t->message);
    t->message = mem_strdup(message);
}

void event_record(struct event_recorder *r, const struct json *involved, str field_path,
                  const char *type, const char *reason, const char *fmt, ...)
{
    struct event_about about = event_about_of(involved, field_path);
    CLEANUP(buf) struct buf message = BUF_INIT, key = BUF_INIT;
    size_t object_n, similar_n;
    struct telling *t;
    struct series *s;
    uint64_t hash;
    int64_t idle_s;
    bool takes;
    va_list ap;

    BUG_ON(!loop_is_mine(r->loop));
    va_start(ap, fmt);
    buf_vfmt(&message, fmt, ap);
    va_end(ap);

    event_about_key(&key, &about);
    object_n = key.n;
    event_key_part(&key, str_of(type));
    event_key_part(&key, str_of(reason));
    similar_n = key.n;
    if (similar_counts(r, str_slice(buf_view(&key), 0, similar_n), buf_view(&message))) {
        CLEANUP(buf) struct buf plain = message;

        message = BUF_INIT;
        buf_z(&message, "(combined from similar events): ");
        buf_str(&message, buf_view(&plain));
    } else {
        event_key_part(&key, field_path);
        buf_str(&key, buf_view(&message));
    }
    hash = str_hash(buf_view(&key));
    t = map_find(&r->tellings, hash_key(&hash));
    s = recent_use(&r->series, hash, now_s(r), &idle_s);
    if (idle_s < 0) {
        s->stamp = t ? (uint64_t)t->first.ns : stamp_next(r);
        s->count = t ? t->count : 0;
        s->is_sent = t && t->is_sent;
    }
    s->count++;
    takes = bucket_takes(r, str_slice(buf_view(&key), 0, object_n));
    if (t) {
        telling_update(t, s->count, buf_cstr(&message));
    } else if (takes && r->n_waiting < WAITING_MAX) {
        t = telling_new(r, hash, s, &about, type, reason);
        telling_update(t, s->count, buf_cstr(&message));
        telling_queue(t);
        recorder_pump(r);
    } else if (takes) {
        log_debug("events", "too many events wait: one of " PRI_STR " is dropped",
                  STR_ARG(about.name));
    }
    if (!loop_timer_is_set(r->forget))
        forget_at(r, now_s(r) + SIMILAR_WINDOW_S);
}
