/* list_form.c - lists in other forms than stored JSON, made one object at a time: tables, metadata
 * alone, protobuf.
 *
 * Items are made from the stored text: metadata is a slice of it, protobuf is written while it is read
 * (schema/proto_text.c), and only what a column reads becomes a tree, in an arena that the next object uses
 * again. Everything leaves as the connection takes it. Protobuf tells its length before it begins: how long each
 * object is in it is found out once, by making it, and remembered.
 *
 * Not here: stored bytes as they are (read.c), rows and columns (table.c). */
#include "api/api_internal.h"

#define MEASURE_AT_ONCE 500 /* objects: some three milliseconds */

struct forming {
    struct req *q;
    struct req sub;          /* the same request with the arena of one object */
    const struct obj **objs; /* references, from `at` on */
    size_t n, at;
    void (*next)(struct forming *f, struct buf *b); /* the next object as an item */
    struct buf partial, one;                        /* protobuf: an item on its way */
    const struct schema_type *item;
    uint32_t items_number;
    struct loop_timer *timer;
    bool gone, deferred; /* deferred: stream_turn() will come */
    str tail;
    struct zipper *zip;       /* NULL: sent as it is */
    const struct json *empty; /* protobuf: the list without items */
    const struct schema_type *list;
    size_t total;    /* bytes of the items measured so far */
    size_t measured; /* so many of them */
};

static void forming_fini(struct forming *f)
{
    for (size_t i = f->at; i < f->n; i++)
        obj_unref(f->objs[i]);
    buf_fini(&f->partial);
    buf_fini(&f->one);
    arena_free(f->sub.a);
    loop_timer_free(f->timer);
    zipper_free(f->zip);
}

static void next_json(struct forming *f, struct buf *b)
{
    str data = f->objs[f->at]->data;

    if (f->at++)
        buf_char(b, ',');
    arena_reset(f->sub.a);
    if (f->q->accept.as == AS_TABLE)
        buf_table_row(b, &f->sub, f->q->route.kind, data);
    else
        buf_partial(b, &f->sub, data);
}

/* The object's message, into f->one. */
static void make_protobuf(struct forming *f, const struct obj *o)
{
    str data = o->data;

    arena_reset(f->sub.a);
    if (f->q->accept.as == AS_PARTIAL_LIST) {
        buf_clear(&f->partial);
        buf_partial(&f->partial, &f->sub, data);
        data = buf_view(&f->partial);
    }
    buf_clear(&f->one);
    if (!proto_encode_text(&f->one, f->item, data, f->sub.a))
        proto_encode(&f->one, f->item, object_parse(f->sub.a, data));
}

static size_t protobuf_length(struct forming *f, const struct obj *o)
{
    uint32_t n =
        f->q->accept.as == AS_OBJECT ? __atomic_load_n(&o->protobuf_n, __ATOMIC_RELAXED) : 0;

    if (n)
        return n;
    make_protobuf(f, o);
    if (f->q->accept.as == AS_OBJECT)
        __atomic_store_n(&((struct obj *)(uintptr_t)o)->protobuf_n, (uint32_t)f->one.n,
                         __ATOMIC_RELAXED);
    return f->one.n;
}

static void next_protobuf(struct forming *f, struct buf *b)
{
    const struct obj *o = f->objs[f->at++];

    make_protobuf(f, o);
    BUG_ON(f->q->accept.as == AS_OBJECT && o->protobuf_n && o->protobuf_n != f->one.n);
    proto_put_bytes(b, f->items_number, buf_view(&f->one));
}

/* ---- sending ---- */

/* What has been written is let go: of a collection that was deleted this is the end of the objects, and ten thousand of
 * them at once would hold the loop. */
static void put_next(struct forming *f, struct buf *b)
{
    const struct obj *o = f->objs[f->at];

    f->next(f, b);
    obj_unref(o);
}

static void list_write(struct forming *f, str piece, bool last)
{
    if (f->zip)
        zipper_write(f->zip, f->q->ex, piece, last);
    else
        http_write(f->q->ex, piece);
}

static void stream_turn(void *ctx);

static void stream_more(struct forming *f)
{
    struct req *q = f->q;
    struct buf b = BUF_INIT;
    unsigned budget = f->zip ? API_ZIP_CHUNKS : UINT_MAX;

    if (f->deferred)
        return;
    while (!f->gone && f->at < f->n && http_queued(q->ex) < HTTP_QUEUE_HIGH && budget--) {
        buf_clear(&b);
        while (f->at < f->n && b.n < API_LIST_CHUNK)
            put_next(f, &b);
        list_write(f, buf_view(&b), false);
    }
    buf_fini(&b);
    if (!f->gone && f->at < f->n) {
        reply_awaits_reader(q, &f->timer);
        f->deferred = http_queued(q->ex) < HTTP_QUEUE_HIGH;
        if (f->deferred)
            loop_defer(q->api->loop, stream_turn, f);
        return;
    }
    if (!f->gone)
        list_write(f, f->tail, true);
    forming_fini(f);
    http_end(q->ex);
}

static void stream_turn(void *ctx)
{
    struct forming *f = ctx;

    f->deferred = false;
    stream_more(f);
}

static void stream_drained(void *user, struct http_exchange *ex)
{
    (void)ex;
    stream_more(user);
}

static void stream_gone(void *user, struct http_exchange *ex)
{
    struct forming *f = user;

    (void)ex;
    f->gone = true;
    stream_more(f);
}

/* head, the items, f->tail. length: of all that; SIZE_MAX: not known. */
static void reply_stream(struct forming *f, enum media media, str head, size_t length)
{
    struct req *q = f->q;
    struct http_header *h;
    size_t n;

    h = reply_headers(q, media_name(media), &n, 2);
    f->zip = length > API_GZIP_MIN && wants_gzip(q) ? zipper_new() : NULL;
    n += stream_headers(q, h + n, f->zip, length);
    q->ex->user = f;
    q->ex->on_drain = stream_drained;
    q->ex->on_gone = stream_gone;
    f->gone = q->ex->gone; /* while it was measured */
    http_start(q->ex, 200, h, n);
    list_write(f, head, false);
    stream_more(f);
}

static void reply_whole(struct forming *f, enum media media, struct buf *head)
{
    while (f->at < f->n)
        put_next(f, head);
    buf_str(head, f->tail);
    forming_fini(f);
    reply_bytes(f->q, 200, media_name(media), buf_view(head));
}

static bool is_whole(const struct forming *f)
{
    const struct http_request *r = &f->q->ex->req;

    return f->n <= API_LIST_WHOLE || str_is(r->method, "HEAD");
}

/* empty: the list without items; its text ends with the empty array and what follows it. */
static void reply_json(struct forming *f, const struct json *empty)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool zips = wants_gzip(f->q);

    json_encode(&b, empty);
    BUG_ON(b.n < 3 || memcmp(b.p + b.n - 3, "[]}", 3) != 0);
    b.n -= 2;
    f->next = next_json;
    f->tail = S("]}\n");
    /* Whether it is worth compressing shows when the first of it has been made. */
    while (zips && f->at < f->n && b.n <= API_GZIP_MIN)
        put_next(f, &b);
    if (is_whole(f) || (f->at && f->at == f->n))
        reply_whole(f, MEDIA_JSON, &b);
    else
        reply_stream(f, MEDIA_JSON, buf_view(&b), SIZE_MAX);
}

static void reply_measured(struct forming *f)
{
    CLEANUP(buf) struct buf fields = BUF_INIT;
    CLEANUP(buf) struct buf head = BUF_INIT;
    CLEANUP(buf) struct buf tail = BUF_INIT;
    size_t total = f->total;

    proto_encode(&fields, f->list, f->empty);
    proto_list_envelope(&head, &tail, f->empty, buf_view(&fields), total);
    f->tail = arena_dup(f->q->a, buf_view(&tail));
    if (is_whole(f))
        reply_whole(f, MEDIA_PROTOBUF, &head);
    else
        reply_stream(f, MEDIA_PROTOBUF, buf_view(&head), head.n + total + tail.n);
}

/* Ten thousand lengths that nobody has asked for yet are 60 ms or more: a turn's worth at a time. */
static void measure_turn(void *ctx)
{
    struct forming *f = ctx;
    size_t end = MIN(f->n, f->measured + MEASURE_AT_ONCE);

    while (f->measured < end) {
        const struct obj *o = f->objs[f->measured++];

        f->total += proto_bytes_length(f->items_number, protobuf_length(f, o));
    }
    if (f->measured < f->n)
        loop_defer(f->q->api->loop, measure_turn, f);
    else
        reply_measured(f);
}

static void reply_protobuf(struct forming *f, const struct json *empty,
                           const struct schema_type *list, const struct schema_type *item)
{
    f->next = next_protobuf;
    f->item = item;
    f->items_number = schema_find_field(list, S("items"))->proto;
    f->list = list;
    f->empty = empty;
    measure_turn(f);
}

/* ---- one object ---- */

bool object_form(struct buf *b, const struct req *q, const struct kind *k, str data,
                 struct arena *scratch)
{
    CLEANUP(buf) struct buf one = BUF_INIT;

    if (k->storage != k || q->pretty)
        return false;
    if (q->accept.media == MEDIA_JSON && q->accept.as == AS_PARTIAL) {
        buf_partial(b, q, data);
        return true;
    }
    if (q->accept.media != MEDIA_PROTOBUF || q->accept.as != AS_OBJECT || k->r->custom ||
        !proto_encode_text(&one, k->r->type, data, scratch))
        return false;
    proto_envelope(b, k->api_version, k->r->kind, buf_view(&one));
    return true;
}

/* ---- which ---- */

static struct json *empty_list(struct req *q, str kind, str api_version, int64_t revision, str cont,
                               int64_t remaining)
{
    struct json *list = json_new(q->a, json_object()), *meta;

    json_setz(q->a, list, "kind", json_string(kind));
    json_setz(q->a, list, "apiVersion", json_string(api_version));
    meta = json_setz(q->a, list, "metadata", json_object());
    json_setz(q->a, meta, "resourceVersion",
              json_string(arena_fmt(q->a, "%lld", (long long)revision)));
    if (cont.n)
        json_setz(q->a, meta, "continue", json_string(cont));
    if (remaining > 0)
        json_setz(q->a, meta, "remainingItemCount", json_int(remaining));
    json_setz(q->a, list, "items", json_array());
    return list;
}

bool list_is_formed_singly(const struct req *q)
{
    const struct kind *k = q->route.kind;

    if (k->storage != k || q->pretty)
        return false;
    switch (q->accept.media) {
    case MEDIA_JSON:
        return q->accept.as == AS_TABLE || q->accept.as == AS_PARTIAL_LIST;
    case MEDIA_PROTOBUF:
        return q->accept.as == AS_PARTIAL_LIST || (q->accept.as == AS_OBJECT && !k->r->custom);
    case MEDIA_YAML:
        break;
    }
    return false;
}

void list_reply_formed(struct req *q, const struct obj **objs, size_t n, int64_t revision, str cont,
                       int64_t remaining)
{
    struct forming *f = ARENA_NEW(q->a, struct forming);
    const struct kind *k = q->route.kind;
    const struct schema_type *list = NULL, *item = NULL;
    struct json *empty;

    *f = (struct forming){.q = q, .sub = *q, .objs = objs, .n = n};
    f->sub.a = arena_new();
    if (q->accept.as == AS_TABLE) {
        empty = table_make(q, k, NULL, 0, arena_fmt(q->a, "%lld", (long long)revision), cont,
                           remaining, true);
    } else if (q->accept.as == AS_PARTIAL_LIST) {
        empty = empty_list(q, S("PartialObjectMetadataList"),
                           arena_fmt(q->a, "meta.k8s.io/" PRI_STR, STR_ARG(q->accept.as_version)),
                           revision, cont, remaining);
        list = schema_find_gvk(S("meta.k8s.io"), S("v1"), S("PartialObjectMetadataList"));
        item = schema_find_gvk(S("meta.k8s.io"), S("v1"), S("PartialObjectMetadata"));
    } else {
        empty = empty_list(q, k->r->list_kind, k->api_version, revision, cont, remaining);
        list = schema_find_gvk(k->r->group, k->r->version, k->r->list_kind);
        item = k->r->type;
    }
    if (q->accept.media == MEDIA_PROTOBUF)
        reply_protobuf(f, empty, list, item);
    else
        reply_json(f, empty);
}
