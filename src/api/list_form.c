/* list_form.c - lists in other forms than stored JSON, made one object at a time: tables, metadata
 * alone, other versions, protobuf, text for people to read.
 *
 * Items are made from the stored text: metadata is a slice of it, protobuf is written while it is read
 * (schema/proto_text.c), and only what a column reads becomes a tree, in an arena that the next object uses
 * again. Everything leaves as the connection takes it. Protobuf tells its length before it begins: how long each
 * object is in it is found out once, by making it, and remembered. YAML and indented JSON are made of the item in plain
 * JSON; what stands around the items is cut out of the list without any.
 *
 * Not here: stored bytes as they are, and what webhooks have to convert (read.c), rows and columns (table.c). */
#include "api/api_internal.h"
#include "wire/yaml.h"

#define MEASURE_AT_ONCE 500 /* objects: some three milliseconds */

struct forming {
    struct req *q;
    struct req sub;          /* the same request with the arena of one object */
    const struct obj **objs; /* references, from `at` on */
    size_t n, at;
    void (*next)(struct forming *f, struct buf *b); /* the next object as an item */
    struct buf served, one;                         /* an item on its way */
    const struct schema_type *item;
    uint32_t items_number;
    struct loop_timer *timer;
    bool gone, deferred; /* deferred: stream_turn() will come */
    bool slow;           /* to make: fewer in a turn */
    struct err *failed;  /* an object cannot be converted */
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
    buf_fini(&f->served);
    buf_fini(&f->one);
    err_free(f->failed);
    arena_free(f->sub.a);
    loop_timer_free(f->timer);
    zipper_free(f->zip);
}

/* The object in the version that was asked for; borrows from it or from f. Rows of built-in kinds are made of the stored one. */
static str served(struct forming *f, const struct obj *o)
{
    const struct kind *k = f->q->route.kind;
    enum accept_as as = f->q->accept.as;
    struct json *tree;

    if (k->storage == k || as == AS_PARTIAL_LIST || (as == AS_TABLE && !k->r->custom))
        return o->data;
    tree = object_parse(f->sub.a, o->data);
    if (!f->failed)
        f->failed = object_to_served(&f->sub, f->sub.a, k, tree);
    buf_clear(&f->served);
    json_encode(&f->served, tree);
    return buf_view(&f->served);
}

/* An item in plain JSON. In their own lists objects of built-in kinds have neither kind nor apiVersion. */
static void put_item(struct forming *f, struct buf *b)
{
    const struct kind *k = f->q->route.kind;
    str data;

    arena_reset(f->sub.a);
    data = served(f, f->objs[f->at++]);
    if (f->q->accept.as == AS_TABLE) {
        buf_table_row(b, &f->sub, k, data);
    } else if (f->q->accept.as == AS_PARTIAL_LIST) {
        buf_partial(b, &f->sub, data);
    } else if (k->r->custom) {
        buf_str(b, data);
    } else {
        buf_char(b, '{');
        buf_str(b, str_skip(data, k->head.n + 1));
    }
}

static void next_json(struct forming *f, struct buf *b)
{
    if (f->at)
        buf_char(b, ',');
    put_item(f, b);
}

static struct json *next_tree(struct forming *f)
{
    buf_clear(&f->one);
    put_item(f, &f->one);
    return object_parse(f->sub.a, buf_view(&f->one));
}

static void next_pretty(struct forming *f, struct buf *b)
{
    buf_str(b, f->at ? S(",\n    ") : S("\n    "));
    json_encode_pretty(b, next_tree(f), 2, 2);
}

/* Written as a list of one, from which the line of the key is cut. */
static void next_yaml(struct forming *f, struct buf *b)
{
    struct json list = json_object();

    json_append(f->sub.a, json_setz(f->sub.a, &list, "items", json_array()), *next_tree(f));
    buf_clear(&f->served);
    yaml_encode(&f->served, &list);
    buf_str(b, str_skip(buf_view(&f->served), S("items:\n").n));
}

/* The object's message, into f->one. */
static void make_protobuf(struct forming *f, const struct obj *o)
{
    str data;

    arena_reset(f->sub.a);
    data = served(f, o);
    if (f->q->accept.as == AS_PARTIAL_LIST) {
        buf_clear(&f->served);
        buf_partial(&f->served, &f->sub, data);
        data = buf_view(&f->served);
    }
    buf_clear(&f->one);
    if (!proto_encode_text(&f->one, f->item, data, f->sub.a))
        proto_encode(&f->one, f->item, object_parse(f->sub.a, data));
}

/* Whether an item is the stored object, whose length is remembered. */
static bool is_stored_form(const struct forming *f)
{
    const struct kind *k = f->q->route.kind;

    return f->q->accept.as == AS_OBJECT && k->storage == k;
}

static size_t protobuf_length(struct forming *f, const struct obj *o)
{
    uint32_t n = is_stored_form(f) ? __atomic_load_n(&o->protobuf_n, __ATOMIC_RELAXED) : 0;

    if (n)
        return n;
    make_protobuf(f, o);
    if (is_stored_form(f))
        __atomic_store_n(&((struct obj *)(uintptr_t)o)->protobuf_n, (uint32_t)f->one.n,
                         __ATOMIC_RELAXED);
    return f->one.n;
}

static void next_protobuf(struct forming *f, struct buf *b)
{
    const struct obj *o = f->objs[f->at++];

    make_protobuf(f, o);
    BUG_ON(is_stored_form(f) && o->protobuf_n && o->protobuf_n != f->one.n);
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
    unsigned budget = f->slow ? 1 : f->zip ? API_ZIP_CHUNKS : UINT_MAX;
    size_t chunk = f->slow ? API_LIST_CHUNK / 8 : API_LIST_CHUNK;

    if (f->deferred)
        return;
    while (!f->gone && f->at < f->n && http_queued(q->ex) < HTTP_QUEUE_HIGH && budget--) {
        buf_clear(&b);
        while (f->at < f->n && b.n < chunk)
            put_next(f, &b);
        if (f->failed) { /* too late to say so */
            q->ex->broken = true;
            f->gone = true;
        } else {
            list_write(f, buf_view(&b), false);
        }
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
    struct err *failed;

    while (f->at < f->n)
        put_next(f, head);
    buf_str(head, f->tail);
    failed = TAKE(f->failed);
    forming_fini(f);
    if (failed)
        reply_error(f->q, failed);
    else
        reply_bytes(f->q, 200, media_name(media), buf_view(head));
}

static bool is_whole(const struct forming *f)
{
    const struct http_request *r = &f->q->ex->req;

    return f->n <= API_LIST_WHOLE || str_is(r->method, "HEAD");
}

/* Parts the text of a list without items, at the end of b, into what stands before them, which stays there, and what stands behind:
 * f->tail. */
static void part(struct forming *f, struct json *empty, struct buf *b)
{
    const char *hole = f->q->accept.media != MEDIA_YAML ? "[]"
                       : f->q->accept.as == AS_TABLE    ? "\nrows: []\n"
                                                        : "\nitems: []\n";
    size_t at, n = strlen(hole);
    bool yaml = f->q->accept.media == MEDIA_YAML;

    encode_media(f->q, b, NULL, empty);
    if (!f->n)
        return;
    for (at = b->n - n; memcmp(b->p + at, hole, n) != 0; at--)
        BUG_ON(!at);
    f->tail = arena_dup(f->q->a, str_skip(buf_view(b), at + n - (yaml ? 0 : 1)));
    if (f->q->pretty && !yaml)
        f->tail = arena_fmt(f->q->a, "\n  " PRI_STR, STR_ARG(f->tail));
    b->n = at + (yaml ? n - S(" []\n").n : 1);
    if (yaml)
        buf_char(b, '\n');
}

static void reply_text(struct forming *f, struct json *empty)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    enum media media = f->q->accept.media;
    bool zips = wants_gzip(f->q);

    f->next = media == MEDIA_YAML ? next_yaml : f->q->pretty ? next_pretty : next_json;
    f->slow = f->next != next_json;
    part(f, empty, &b);
    /* Whether it is worth compressing shows when the first of it has been made. */
    while (zips && f->at < f->n && b.n <= API_GZIP_MIN)
        put_next(f, &b);
    if (is_whole(f) || f->failed || f->at == f->n)
        reply_whole(f, media, &b);
    else
        reply_stream(f, media, buf_view(&b), SIZE_MAX);
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
    if (f->failed) {
        struct err *failed = TAKE(f->failed);

        forming_fini(f);
        reply_error(f->q, failed);
    } else if (f->measured < f->n)
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
    if (cont.n || (q->accept.as == AS_OBJECT && q->route.kind->r->custom)) /* there it always is */
        json_setz(q->a, meta, "continue", json_string(cont));
    if (remaining > 0)
        json_setz(q->a, meta, "remainingItemCount", json_int(remaining));
    json_setz(q->a, list, "items", json_array());
    return list;
}

bool list_is_formed_singly(const struct req *q)
{
    const struct kind *k = q->route.kind;

    if (k->converter && k->storage != k && q->accept.as != AS_PARTIAL_LIST)
        return false; /* what the webhook made lives as trees */
    if (q->accept.media == MEDIA_PROTOBUF)
        return q->accept.as == AS_PARTIAL_LIST || (q->accept.as == AS_OBJECT && !k->r->custom);
    /* Rows of another version than the stored one show that, if they show the whole object. */
    return q->accept.as != AS_TABLE || k->storage == k || k->r->custom ||
           !str_is(query_str((struct req *)(uintptr_t)q, "includeObject"), "Object");
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
        reply_text(f, empty);
}
