/* respond.c - every answer leaves through here: form (object, table, metadata only), media type,
 * warnings, compression.
 *
 * Stored bytes are the answer where the client wants plain JSON; every other form is made from the
 * parsed tree. Whoever calls reply_*() must not touch the request afterwards. */
#include "api/api_internal.h"
#include "api/conversion.h"
#include "wire/yaml.h"

#define HEADERS_FIXED 6

static str warning_text(struct arena *a, str text)
{
    struct buf b = BUF_INIT;
    str out;

    buf_z(&b, "299 - ");
    buf_quoted(&b, text);
    out = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return out;
}

/* ---- warnings: as many as fit, whole while they all do ---- */

#define WARNING_TOTAL_RUNES 4096
#define WARNING_ITEM_RUNES 256 /* of each, once the total is exceeded */

static size_t runes(str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static str first_runes(str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] & 0xc0) != 0x80 && max-- == 0)
            return str_slice(s, 0, i);
    return s;
}

static bool has_controls(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

/* Past the total, all are cut short, and those that came before the one too many are sent in any
 * case. Source: k8s.io/apiserver/pkg/endpoints/filters/warning.go */
static size_t warning_headers(struct req *q, struct http_header *h)
{
    size_t n = 0, written = 0;
    bool cut = false;

    for (uint32_t i = 0; i < q->warnings.n; i++) {
        str text = json_item(&q->warnings, i)->s;

        if (has_controls(text) || (cut && written >= WARNING_TOTAL_RUNES))
            continue;
        if (cut)
            text = first_runes(text, WARNING_ITEM_RUNES);
        written += runes(text);
        h[n++] = (struct http_header){S("Warning"), warning_text(q->a, text)};
        if (written <= WARNING_TOTAL_RUNES || cut)
            continue;
        cut = true;
        n = written = 0;
        for (uint32_t k = 0; k <= i; k++) {
            text = first_runes(json_item(&q->warnings, k)->s, WARNING_ITEM_RUNES);
            if (has_controls(text))
                continue;
            written += runes(text);
            h[n++] = (struct http_header){S("Warning"), warning_text(q->a, text)};
        }
    }
    return n;
}

/* Headers of every answer, with room for `extra` more behind *ret_n. */
struct http_header *reply_headers(struct req *q, const char *content_type, size_t *ret_n,
                                  size_t extra)
{
    struct http_header *h =
        ARENA_NEW_N(q->a, struct http_header, HEADERS_FIXED + q->warnings.n + extra);
    size_t n = 0;

    h[n++] = (struct http_header){S("Cache-Control"), S("no-cache, private")};
    if (content_type)
        h[n++] = (struct http_header){S("Content-Type"), str_of(content_type)};
    if (q->flow_uid.n) {
        h[n++] = (struct http_header){S("X-Kubernetes-Pf-Flowschema-Uid"), q->flow_uid};
        h[n++] = (struct http_header){S("X-Kubernetes-Pf-Prioritylevel-Uid"), q->level_uid};
    }
    n += warning_headers(q, h + n);
    *ret_n = n;
    return h;
}

static void on_stalled(void *ctx)
{
    struct http_exchange *ex = ((struct req *)ctx)->ex;

    ex->broken = true;
    ex->on_gone(ex->user, ex);
}

void reply_awaits_reader(struct req *q, struct loop_timer **timer)
{
    if (!*timer)
        *timer = loop_timer_new(q->api->loop, on_stalled, q);
    loop_timer_set(*timer, API_STALL_NS);
}

void reply_bytes(struct req *q, int code, const char *content_type, str body)
{
    struct http_exchange *ex = q->ex;
    struct buf zipped = BUF_INIT;
    struct http_header *h;
    size_t n;

    h = reply_headers(q, content_type, &n, 3);
    if (body.n > API_GZIP_MIN && wants_gzip(q) && gzip_all(&zipped, body)) {
        h[n++] = (struct http_header){S("Content-Encoding"), S("gzip")};
        h[n++] = (struct http_header){S("Vary"), S("Accept-Encoding")};
        body = buf_view(&zipped);
    }
    h[n++] = (struct http_header){S("Content-Length"), arena_fmt(q->a, "%zu", body.n)};
    http_start(ex, code, h, n);
    if (body.n && !str_is(ex->req.method, "HEAD"))
        http_write(ex, body);
    buf_fini(&zipped);
    http_end(ex);
}

void reply_cacheable(struct req *q, const char *content_type, str etag, str vary, str body)
{
    struct buf zipped = BUF_INIT;
    struct http_header *h;
    size_t n;

    h = reply_headers(q, content_type, &n, 4);
    h[n++] = (struct http_header){S("ETag"), etag};
    h[n++] = (struct http_header){S("Vary"), vary};
    if (body.n > API_GZIP_MIN && wants_gzip(q) && gzip_all(&zipped, body)) {
        h[n++] = (struct http_header){S("Content-Encoding"), S("gzip")};
        body = buf_view(&zipped);
    }
    h[n++] = (struct http_header){S("Content-Length"), arena_fmt(q->a, "%zu", body.n)};
    http_start(q->ex, 200, h, n);
    if (!str_is(q->ex->req.method, "HEAD"))
        http_write(q->ex, body);
    buf_fini(&zipped);
    http_end(q->ex);
}

void encode_media(struct req *q, struct buf *b, const struct schema_type *t, struct json *v)
{
    switch (q->accept.media) {
    case MEDIA_PROTOBUF:
        if (t) {
            proto_encode_envelope(b, t, v);
            return;
        }
        q->accept.media = MEDIA_JSON;
        break;
    case MEDIA_YAML:
        yaml_encode(b, v);
        return;
    case MEDIA_JSON:
        break;
    }
    if (q->pretty) {
        json_encode_pretty(b, v, 2, 0);
    } else
        json_encode(b, v);
    buf_char(b, '\n');
}

void reply_tree(struct req *q, int code, const struct schema_type *t, struct json *v)
{
    struct buf b = BUF_INIT;

    encode_media(q, &b, t, v);
    reply_bytes(q, code, media_name(q->accept.media), buf_view(&b));
    buf_fini(&b);
}

void reply_error(struct req *q, struct err *e)
{
    struct buf b = BUF_INIT;
    const char *type = media_name(MEDIA_JSON);

    if (e->code >= 500)
        log_debug("api", PRI_STR " " PRI_STR ": %d %s%s%s", STR_ARG(q->ex->req.method),
                  STR_ARG(q->ex->req.target), e->code, err_text(e), e->trail ? ": " : "",
                  e->trail ? e->trail : "");
    if (q->audited)
        audit_error(q, e);
    buf_status(&b, e);
    if (q->accept.media != MEDIA_JSON || q->pretty) {
        struct json *tree = NULL;
        struct err *e2 = json_parse(q->a, arena_dup(q->a, buf_view(&b)), NULL, NULL, &tree);

        if (e2)
            err_free(e2);
        else {
            buf_clear(&b);
            encode_media(q, &b, schema_find_gvk(S(""), S("v1"), S("Status")), tree);
            type = media_name(q->accept.media);
        }
    } else
        buf_char(&b, '\n');
    if (e->retry_after_s || q->nosniff) {
        struct http_header *h;
        size_t n;

        h = reply_headers(q, type, &n, 3);
        if (e->retry_after_s)
            h[n++] =
                (struct http_header){S("Retry-After"), arena_fmt(q->a, "%u", e->retry_after_s)};
        h[n++] = (struct http_header){S("Content-Length"), arena_fmt(q->a, "%zu", b.n)};
        if (q->nosniff)
            h[n++] = (struct http_header){S("X-Content-Type-Options"), S("nosniff")};
        http_start(q->ex, e->code, h, n);
        http_write(q->ex, buf_view(&b));
        http_end(q->ex);
    } else
        reply_bytes(q, e->code, type, buf_view(&b));
    buf_fini(&b);
    err_free(e);
}

void reply_status_ok(struct req *q, int code, const struct kind *k, str name, str uid)
{
    struct json v = json_object(), *d;

    json_setz(q->a, &v, "kind", json_z("Status"));
    json_setz(q->a, &v, "apiVersion", json_z("v1"));
    json_setz(q->a, &v, "metadata", json_object());
    json_setz(q->a, &v, "status", json_z("Success"));
    if (code == 201)
        json_setz(q->a, &v, "code", json_int(code));
    if (k) {
        d = json_setz(q->a, &v, "details", json_object());
        json_setz(q->a, d, "name", json_string(name));
        if (k->r->group.n)
            json_setz(q->a, d, "group", json_string(k->r->group));
        json_setz(q->a, d, "kind", json_string(k->r->plural));
        if (uid.n)
            json_setz(q->a, d, "uid", json_string(uid));
    }
    reply_tree(q, code, schema_find_gvk(S(""), S("v1"), S("Status")), &v);
}

static void reply_object_now(struct req *q, int code, const struct kind *k, str data)
{
    struct buf b = BUF_INIT;
    struct json *v;
    struct err *e;

    if (q->accept.media == MEDIA_JSON && q->accept.as == AS_OBJECT && !q->pretty &&
        k->storage == k) {
        reply_bytes(q, code, "application/json", data);
        return;
    }
    if (object_form(&b, q, k, data, q->a)) {
        if (q->accept.media == MEDIA_JSON)
            buf_char(&b, '\n');
        reply_bytes(q, code, media_name(q->accept.media), buf_view(&b));
        buf_fini(&b);
        return;
    }
    v = object_parse(q->a, data);
    switch (q->accept.as) {
    case AS_TABLE:
        e = k->r->custom ? object_to_served(q, q->a, k, v) : NULL;
        if (e) {
            reply_error(q, e);
            return;
        }
        reply_tree(q, code, NULL,
                   table_make(q, k, &v, 1, meta_str(v, "resourceVersion"), S(""), -1, true));
        return;
    case AS_PARTIAL:
        reply_tree(q, code, schema_find_gvk(S("meta.k8s.io"), S("v1"), S("PartialObjectMetadata")),
                   partial_make(q, v));
        return;
    case AS_OBJECT:
    case AS_PARTIAL_LIST:
    case AS_DISCOVERY:
        e = object_to_served(q, q->a, k, v);
        if (e) {
            reply_error(q, e);
            return;
        }
        reply_tree(q, code, k->r->type, v);
        return;
    }
}

struct converted_reply {
    struct req *q;
    const struct kind *k;
    str data;
    int code;
};

static void reply_converted(void *ctx, struct err *e)
{
    struct converted_reply *r = ctx;

    if (e)
        reply_error(r->q, e);
    else
        reply_object_now(r->q, r->code, r->k, r->data);
}

void reply_object(struct req *q, int code, const struct kind *k, str data)
{
    struct converted_reply *r;

    if (!convert_needed(k, data) || q->accept.as == AS_PARTIAL) {
        reply_object_now(q, code, k, data);
        return;
    }
    r = ARENA_NEW(q->a, struct converted_reply);
    *r = (struct converted_reply){q, k, arena_dup(q->a, data), code};
    convert_then(q, k, &r->data, 1, reply_converted, r);
}

void reply_made(struct req *q, const struct column *columns, const struct schema_type *t,
                struct json *v)
{
    struct json *items = json_findz(v, "items"), one = json_array(), *partial;
    struct kind view = *q->route.kind;
    struct json **objs;
    size_t n = 0;

    if (q->accept.as == AS_OBJECT || q->accept.as == AS_DISCOVERY) {
        reply_tree(q, 200, t, v);
        return;
    }
    if (q->accept.as == AS_PARTIAL) {
        reply_tree(q, 200, schema_find_gvk(S("meta.k8s.io"), S("v1"), S("PartialObjectMetadata")),
                   partial_make(q, v));
        return;
    }
    if (!items) {
        json_append(q->a, &one, *v);
        items = &one;
    }
    objs = ARENA_NEW_N(q->a, struct json *, json_count(items) + 1);
    JSON_EACH(i, items) {
        if (!json_findz(i, "kind")) { /* items of a list do not say what they are, rows do */
            json_setz(q->a, i, "kind", json_string(view.r->kind));
            json_setz(q->a, i, "apiVersion", json_string(view.api_version));
        }
        objs[n++] = i;
    }
    if (q->accept.as == AS_TABLE) {
        view.storage = &view; /* made as it is served */
        if (columns)
            view.columns = columns;
        reply_tree(q, 200, NULL,
                   table_make(q, &view, objs, n, meta_str(v, "resourceVersion"), S(""), -1, true));
        return;
    }
    partial = json_new(q->a, json_object());
    json_setz(q->a, partial, "kind", json_z("PartialObjectMetadataList"));
    json_setz(q->a, partial, "apiVersion",
              json_string(arena_fmt(q->a, "meta.k8s.io/" PRI_STR, STR_ARG(q->accept.as_version))));
    json_setz(q->a, partial, "metadata", *json_findz(v, "metadata"));
    one = json_array();
    for (size_t i = 0; i < n; i++)
        json_append(q->a, &one, *partial_make(q, objs[i]));
    json_setz(q->a, partial, "items", one);
    reply_tree(q, 200, schema_find_gvk(S("meta.k8s.io"), S("v1"), S("PartialObjectMetadataList")),
               partial);
}

/* What nobody serves outside of the API's own paths: the plain page of Go's HTTP server. */
void reply_page_not_found(struct req *q)
{
    struct http_header *h;
    size_t n;

    h = reply_headers(q, "text/plain; charset=utf-8", &n, 2);
    h[n++] = (struct http_header){S("X-Content-Type-Options"), S("nosniff")};
    h[n++] = (struct http_header){S("Content-Length"), S("19")};
    http_start(q->ex, 404, h, n);
    if (!str_is(q->ex->req.method, "HEAD"))
        http_write(q->ex, S("404 page not found\n"));
    http_end(q->ex);
}

void reply_plain_error(struct req *q, int code, str text)
{
    struct http_header *h;
    size_t n;

    h = reply_headers(q, "text/plain; charset=utf-8", &n, 2);
    h[n++] = (struct http_header){S("X-Content-Type-Options"), S("nosniff")};
    h[n++] = (struct http_header){S("Content-Length"), arena_fmt(q->a, "%zu", text.n + 1)};
    http_start(q->ex, code, h, n);
    http_write(q->ex, arena_fmt(q->a, PRI_STR "\n", STR_ARG(text)));
    http_end(q->ex);
}

void reply_no_content(struct req *q)
{
    size_t n;
    struct http_header *h = reply_headers(q, NULL, &n, 0);

    http_start(q->ex, 204, h, n);
    http_end(q->ex);
}
