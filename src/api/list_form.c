/* list_form.c - lists in other forms than stored JSON, made one object at a time: tables, metadata
 * alone, protobuf.
 *
 * A list of ten thousand pods as one tree would be ten times its text, and the time would go into
 * pages touched once. So an object's tree lives until its item is written, in an arena that the
 * next one uses again, and JSON leaves as the connection takes it. Protobuf counts before it
 * begins: its items are gathered first.
 *
 * Not here: stored bytes as they are (read.c), rows and columns (table.c). */
#include "api/api_internal.h"

struct forming {
    struct req *q;
    struct req sub;          /* the same request with the arena of one object */
    const struct obj **objs; /* references */
    size_t n, at;
    bool gone;
    str tail;
};

static void forming_fini(struct forming *f)
{
    for (size_t i = 0; i < f->n; i++)
        obj_unref(f->objs[i]);
    arena_free(f->sub.a);
}

/* The next object as the list's item; valid until the one after it. */
static struct json *next_item(struct forming *f)
{
    const struct kind *k = f->q->route.kind;
    struct json *tree;

    arena_reset(f->sub.a);
    tree = object_parse(f->sub.a, f->objs[f->at++]->data);
    if (f->q->accept.as == AS_TABLE)
        return table_row(&f->sub, k, tree);
    if (f->q->accept.as == AS_PARTIAL_LIST)
        return partial_make(&f->sub, tree);
    if (!k->r->custom) {
        json_removez(tree, "kind");
        json_removez(tree, "apiVersion");
    }
    return tree;
}

static void next_json(struct forming *f, struct buf *b)
{
    if (f->at)
        buf_char(b, ',');
    json_encode(b, next_item(f));
}

/* ---- JSON ---- */

static void stream_more(struct forming *f)
{
    struct req *q = f->q;
    struct buf b = BUF_INIT;

    while (!f->gone && f->at < f->n && http_queued(q->ex) < HTTP_QUEUE_HIGH) {
        buf_clear(&b);
        while (f->at < f->n && b.n < API_LIST_CHUNK)
            next_json(f, &b);
        http_write(q->ex, buf_view(&b));
    }
    buf_fini(&b);
    if (!f->gone && f->at < f->n)
        return;
    if (!f->gone)
        http_write(q->ex, f->tail);
    forming_fini(f);
    http_end(q->ex);
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

/* empty: the list without items; its text ends with the empty array and what follows it. */
static void reply_json(struct forming *f, const struct json *empty)
{
    struct req *q = f->q;
    struct http_header *h;
    struct buf b = BUF_INIT;
    size_t n;

    json_encode(&b, empty);
    BUG_ON(b.n < 3 || memcmp(b.p + b.n - 3, "[]}", 3) != 0);
    b.n -= 2;
    f->tail = S("]}\n");
    if (f->n <= API_LIST_WHOLE || http_header(&q->ex->req, "accept-encoding").n) {
        while (f->at < f->n)
            next_json(f, &b);
        buf_str(&b, f->tail);
        forming_fini(f);
        reply_bytes(q, 200, media_name(MEDIA_JSON), buf_view(&b));
        buf_fini(&b);
        return;
    }
    h = reply_headers(q, media_name(MEDIA_JSON), &n, 0);
    q->ex->user = f;
    q->ex->on_drain = stream_drained;
    q->ex->on_gone = stream_gone;
    http_start(q->ex, 200, h, n);
    http_write(q->ex, buf_view(&b));
    buf_fini(&b);
    stream_more(f);
}

/* ---- protobuf ---- */

static void reply_protobuf(struct forming *f, const struct json *empty,
                           const struct schema_type *list, const struct schema_type *item)
{
    struct buf fields = BUF_INIT, items = BUF_INIT, one = BUF_INIT;

    proto_encode(&fields, list, empty);
    while (f->at < f->n) {
        buf_clear(&one);
        proto_encode(&one, item, next_item(f));
        proto_put_bytes(&items, schema_find_field(list, S("items"))->proto, buf_view(&one));
    }
    buf_clear(&one);
    proto_list_envelope(&one, empty, buf_view(&fields), buf_view(&items));
    buf_fini(&items);
    forming_fini(f);
    reply_bytes(f->q, 200, media_name(MEDIA_PROTOBUF), buf_view(&one));
    buf_fini(&fields);
    buf_fini(&one);
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
