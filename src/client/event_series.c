/* event_series.c - Events of events.k8s.io/v1: the first is created, its repetitions are a series.
 *
 * Events are isomorphic when all but note and time agree, the version of the object they are about
 * included. The first of them is created. The second makes it a series, which is written at once;
 * later ones only count. A series is written again every half hour, lest the server lets it expire,
 * and for the last time when nothing was added to it for six minutes: then it is over, as is what
 * was told once and not repeated.
 *
 * Most are told once, so of such only hash and time are kept; a series holds its text.
 *
 * Invariants
 *   (1) r->tellings has each Event that is on its way and each series that is not over.
 *   (2) Of one Event, one request at a time is on its way.
 *   (3) Told on a best-effort basis: when too many wait, new ones are dropped; a failure is logged.
 *
 * API: client-go tools/events/event_broadcaster.go */
#include "client/client_internal.h"
#include "client/recent.h"

#include <inttypes.h>

#define ONCE_MAX 16384 /* one that is forgotten too early becomes another Event */
#define SERIES_MAX                                                                                 \
    4096 /* beyond, the second of each is written and what follows is its second again */
#define FINISH_S 360
#define REFRESH_S 1800
#define WAITING_MAX 1000
#define IN_FLIGHT_MAX 8
#define NOTE_MAX 1024 /* bytes, by the API's validation */

struct once {
    struct recent_item item;
    uint64_t stamp; /* its time, and the end of its name */
};

enum telling_place { TELLING_RESTS, TELLING_WAITS, TELLING_FLIES };

struct telling {
    struct series_recorder *r;
    uint64_t hash; /* its key in r->tellings */
    char *ns, *name;
    char *body; /* the Event without its series and its closing brace */
    uint32_t count, sent_count;
    wall_time last;
    enum telling_place place;
    bool is_sent;     /* the server has the Event */
    bool is_over;     /* its last count is being written */
    struct list link; /* in r->resting, r->waiting or r->flying */
    struct client_call *call;
};

struct series_recorder {
    struct client *client;
    struct loop *loop;
    char *controller, *instance;
    struct recent once;
    struct map tellings;
    struct list resting, waiting, flying;
    int n_resting, n_waiting, n_in_flight;
    struct loop_timer *finish, *refresh;
    uint64_t last_stamp; /* names are stamps: strictly rising */
};

static int64_t now_s(const struct series_recorder *r)
{
    return loop_now(r->loop).ns / NS_PER_S;
}

static str hash_key(const uint64_t *hash)
{
    return (str){(const char *)hash, sizeof *hash};
}

static void telling_free(struct telling *t)
{
    list_del(&t->link);
    map_del(&t->r->tellings, hash_key(&t->hash));
    mem_free(t->ns);
    mem_free(t->name);
    mem_free(t->body);
    mem_free(t);
}

/* ---- sending ---- */

static void recorder_pump(struct series_recorder *r);

static void telling_queue(struct telling *t)
{
    if (t->place == TELLING_RESTS) {
        list_del(&t->link);
        t->r->n_resting--;
    }
    t->place = TELLING_WAITS;
    list_add_tail(&t->r->waiting, &t->link);
    t->r->n_waiting++;
}

static void telling_rest(struct telling *t)
{
    struct series_recorder *r = t->r;

    t->place = TELLING_RESTS;
    list_add_tail(&r->resting, &t->link);
    r->n_resting++;
    if (!loop_timer_is_set(r->refresh))
        loop_timer_set(r->refresh, REFRESH_S * NS_PER_S);
}

static void telling_sent(void *ctx, struct err *err, int status, str body)
{
    struct telling *t = ctx;
    struct series_recorder *r = t->r;
    bool gone = err && err->reason == REASON_NOT_FOUND && t->is_sent;

    list_del(&t->link);
    list_init(&t->link);
    r->n_in_flight--;
    t->is_sent = !gone; /* else it expired on the server: begin anew */
    if (err && !gone)
        log_debug("events", "%s/%s: %s", t->ns, t->name, err_text(err));
    err_free(err);
    if (gone || (t->count > 1 && t->sent_count == 1))
        telling_queue(t);
    else if (t->count > 1 && !t->is_over && r->n_resting < SERIES_MAX)
        telling_rest(t);
    else
        telling_free(t);
    recorder_pump(r);
}

static void write_series(struct buf *b, const struct telling *t)
{
    buf_fmt(b, "\"series\":{\"count\":%" PRIu32 ",\"lastObservedTime\":\"", t->count);
    buf_rfc3339_micro(b, t->last);
    buf_z(b, "\"}}");
}

static void telling_send(struct telling *t)
{
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    buf_api_path(&path, S("events.k8s.io"), S("v1"), S("events"), str_of(t->ns),
                 t->is_sent ? str_of(t->name) : STR_NONE, STR_NONE);
    if (t->is_sent) {
        buf_char(&body, '{');
        write_series(&body, t);
    } else {
        buf_z(&body, t->body);
        if (t->count > 1) {
            buf_char(&body, ',');
            write_series(&body, t);
        } else {
            buf_char(&body, '}');
        }
    }
    t->sent_count = t->count;
    t->call =
        client_do(t->r->client,
                  &(struct client_request){
                      .method = t->is_sent ? "PATCH" : "POST",
                      .path = buf_view(&path),
                      .body = buf_view(&body),
                      .content_type = t->is_sent ? "application/strategic-merge-patch+json" : NULL},
                  telling_sent, t);
}

static void recorder_pump(struct series_recorder *r)
{
    while (r->n_in_flight < IN_FLIGHT_MAX && !list_is_empty(&r->waiting)) {
        struct telling *t = LIST_ITEM(r->waiting.next, struct telling, link);

        list_del(&t->link);
        r->n_waiting--;
        t->place = TELLING_FLIES;
        list_add_tail(&r->flying, &t->link);
        r->n_in_flight++;
        telling_send(t);
    }
}

/* ---- time ---- */

static void on_refresh(void *ctx)
{
    struct series_recorder *r = ctx;
    struct telling *t, *tmp;

    LIST_EACH_SAFE(t, tmp, &r->resting, link)
        telling_queue(t); /* it rests again once written, which sets the timer */
    recorder_pump(r);
}

static void on_finish(void *ctx)
{
    struct series_recorder *r = ctx;
    int64_t before_ns = loop_wall(r->loop).ns - FINISH_S * NS_PER_S;
    struct telling *t, *tmp;

    recent_expire(&r->once, now_s(r));
    LIST_EACH_SAFE(t, tmp, &r->resting, link) {
        if (t->last.ns >= before_ns)
            continue;
        t->is_over = true;
        telling_queue(t);
    }
    recorder_pump(r);
    if (r->once.n || r->n_resting)
        loop_timer_set(r->finish, FINISH_S * NS_PER_S);
    if (!r->n_resting)
        loop_timer_stop(r->refresh);
}

struct series_recorder *series_recorder_new(struct client *c, str controller, str host)
{
    struct series_recorder *r = NEW(struct series_recorder);
    struct buf instance = BUF_INIT;

    buf_fmt(&instance, PRI_STR "-" PRI_STR, STR_ARG(controller), STR_ARG(host));
    r->client = c;
    r->loop = client_loop(c);
    r->controller = str_dupz(controller);
    r->instance = instance.p;
    recent_init(&r->once, sizeof(struct once), ONCE_MAX, FINISH_S);
    map_init(&r->tellings);
    list_init(&r->resting);
    list_init(&r->waiting);
    list_init(&r->flying);
    r->finish = loop_timer_new(r->loop, on_finish, r);
    r->refresh = loop_timer_new(r->loop, on_refresh, r);
    return r;
}

void series_recorder_free(struct series_recorder *r)
{
    struct telling *t, *tmp;

    if (!r)
        return;
    LIST_EACH_SAFE(t, tmp, &r->resting, link)
        telling_free(t);
    LIST_EACH_SAFE(t, tmp, &r->waiting, link)
        telling_free(t);
    LIST_EACH_SAFE(t, tmp, &r->flying, link) {
        client_cancel(t->call);
        telling_free(t);
    }
    loop_timer_free(r->finish);
    loop_timer_free(r->refresh);
    recent_fini(&r->once);
    map_fini(&r->tellings);
    mem_free(r->controller);
    mem_free(r->instance);
    mem_free(r);
}

/* ---- recording ---- */

static uint64_t isomorphic_hash(const struct series_event *e)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    event_key_part(&key, str_of(e->type));
    event_key_part(&key, str_of(e->action));
    event_key_part(&key, str_of(e->reason));
    event_about_key(&key, e->regarding);
    event_key_part(&key, e->regarding->resource_version);
    if (e->related) {
        event_about_key(&key, e->related);
        event_key_part(&key, e->related->resource_version);
    }
    return str_hash(buf_view(&key));
}

/* kube-scheduler cuts what is too long in the middle of what it says, too (truncateMessage). */
static void write_note(struct buf *b, str note)
{
    CLEANUP(buf) struct buf cut = BUF_INIT;

    if (note.n > NOTE_MAX) {
        buf_str(&cut, str_slice(note, 0, NOTE_MAX - 4));
        buf_z(&cut, " ...");
        note = buf_view(&cut);
    }
    json_encode_string(b, note);
}

static struct telling *telling_new(struct series_recorder *r, uint64_t hash, uint64_t stamp,
                                   const struct series_event *e)
{
    struct telling *t = NEW(struct telling);
    const struct event_about *regarding = e->regarding;
    struct buf name = BUF_INIT, b = BUF_INIT;

    buf_fmt(&name, PRI_STR ".%" PRIx64, STR_ARG(regarding->name), stamp);
    t->r = r;
    t->hash = hash;
    t->ns = regarding->ns.n ? str_dupz(regarding->ns) : mem_strdup("default");
    t->name = name.p;
    buf_z(&b, "{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/v1\",\"metadata\":{");
    event_member(&b, "name", str_of(t->name));
    event_member(&b, "namespace", str_of(t->ns));
    buf_z(&b, "},\"eventTime\":\"");
    buf_rfc3339_micro(&b, (wall_time){(int64_t)stamp});
    buf_char(&b, '"');
    event_member(&b, "reportingController", str_of(r->controller));
    event_member(&b, "reportingInstance", str_of(r->instance));
    event_member(&b, "action", str_of(e->action));
    event_member(&b, "reason", str_of(e->reason));
    buf_z(&b, ",\"regarding\":");
    event_about_write(&b, regarding);
    if (e->related) {
        buf_z(&b, ",\"related\":");
        event_about_write(&b, e->related);
    }
    buf_z(&b, ",\"note\":");
    write_note(&b, e->note);
    event_member(&b, "type", str_of(e->type));
    t->body = b.p;
    list_init(&t->link);
    map_put(&r->tellings, hash_key(&t->hash), t);
    return t;
}

static void repeat(struct telling *t)
{
    t->count++;
    t->last = loop_wall(t->r->loop);
    t->is_over = false;
}

void series_record(struct series_recorder *r, const struct series_event *e)
{
    uint64_t hash = isomorphic_hash(e);
    struct telling *t = map_find(&r->tellings, hash_key(&hash));
    struct once *once = t ? NULL : recent_find(&r->once, hash);
    int64_t idle_s;

    BUG_ON(!loop_is_mine(r->loop));
    if (t) { /* what is on its way is followed by the second, and the second by none */
        repeat(t);
        return;
    }
    if (r->n_waiting >= WAITING_MAX) {
        log_debug("events", "too many events wait: one of " PRI_STR " is dropped",
                  STR_ARG(e->regarding->name));
        return;
    }
    if (once) {
        t = telling_new(r, hash, once->stamp, e);
        t->is_sent = true;
        t->count = 1;
        repeat(t);
    } else {
        r->last_stamp = MAX((uint64_t)loop_wall(r->loop).ns, r->last_stamp + 1);
        once = recent_use(&r->once, hash, now_s(r), &idle_s);
        once->stamp = r->last_stamp;
        t = telling_new(r, hash, once->stamp, e);
        t->count = 1;
    }
    telling_queue(t);
    if (!loop_timer_is_set(r->finish))
        loop_timer_set(r->finish, FINISH_S * NS_PER_S);
    recorder_pump(r);
}
