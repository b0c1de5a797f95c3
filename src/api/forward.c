/* forward.c - sends a request on to somebody else, and the answer back: see forward.h.
 *
 * The server speaks HTTP to the other side and passes bytes on with back-pressure; for upgrades
 * both connections become plain streams that are spliced together, whatever the protocol inside
 * (SPDY, WebSocket). */
#include "api/authn.h"
#include "api/forward.h"

struct forward {
    struct req *req;
    struct http_call *call;
    struct forward_target t;
    bool head_sent, gone, upgrade;
    int refused; /* status of what a kubelet says instead of a log; 0: nothing */
    str words;
    struct buf page; /* a page whose links are to be changed, while page_status is not 0 */
    int page_status;
    struct http_header *page_head;
    size_t n_page_head;
};
#define REFUSAL_MAX 10000          /* bytes of such words */
#define PAGE_MAX ((size_t)8 << 20) /* a longer page goes on as it is */

/* Headers of one connection are not passed on to the next. */
static bool hop_by_hop(str name, bool upgrade)
{
    static const char *const names[] = {
        "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
        "trailer",    "transfer-encoding",  "content-length",      "host"};
    static const char *const unless_upgrade[] = {"connection", "upgrade"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_of(names[i])))
            return true;
    for (size_t i = 0; !upgrade && i < ARRAY_LEN(unless_upgrade); i++)
        if (str_eq_nocase(name, str_of(unless_upgrade[i])))
            return true;
    return false;
}

/* What the other side says of who else may read its answers is not true of ours. */
static bool cors(str name)
{
    static const char *const names[] = {
        "access-control-allow-credentials", "access-control-allow-headers",
        "access-control-allow-methods", "access-control-allow-origin"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_of(names[i])))
            return true;
    return false;
}

/* Text that a browser follows links in. Compressed pages are not looked into. */
static bool is_page(const struct http_response *r)
{
    str type = STR_NONE;

    for (size_t i = 0; i < r->n_headers; i++) {
        if (str_eq_nocase(r->headers[i].name, S("content-encoding")) ||
            str_eq_nocase(r->headers[i].name, S("location")))
            return false;
        if (str_eq_nocase(r->headers[i].name, S("content-type"))) {
            str rest = r->headers[i].value;

            str_cut(&rest, ';', &type);
        }
    }
    return str_is(str_trim(type), "text/html");
}

static void page_start(struct forward *f)
{
    f->head_sent = true;
    if (!f->gone)
        http_start(f->req->ex, f->page_status, f->page_head, f->n_page_head);
    f->page_status = 0;
}

static void over(struct forward *f)
{
    if (f->t.over)
        f->t.over(f->t.ctx);
}

static void on_head(void *ctx, const struct http_response *r)
{
    struct forward *f = ctx;
    struct http_header *h = ARENA_NEW_N(f->req->a, struct http_header, r->n_headers + 2);
    size_t n = 0;

    h[n++] = (struct http_header){S("Cache-Control"), S("no-cache, private")};
    if (f->t.log && r->status >= 400) {
        f->refused = r->status;
        return;
    }
    for (size_t i = 0; i < r->n_headers; i++) {
        str name = r->headers[i].name, value = r->headers[i].value;

        if (hop_by_hop(name, false) || str_eq_nocase(name, S("cache-control")) ||
            str_eq_nocase(name, S("date")) || (f->t.links && cors(name)))
            continue;
        if (f->t.links && str_eq_nocase(name, S("location")))
            value = proxy_link(f->req->a, f->t.links, value);
        h[n++] = (struct http_header){arena_dup(f->req->a, name), arena_dup(f->req->a, value)};
    }
    if (f->t.links && is_page(r)) {
        f->page_status = r->status;
        f->page_head = h;
        f->n_page_head = n;
        return;
    }
    f->head_sent = true;
    if (!f->gone)
        http_start(f->req->ex, r->status, h, n);
}

static void on_data(void *ctx, const char *p, size_t n)
{
    struct forward *f = ctx;

    if (f->gone)
        return;
    if (f->refused) {
        if (f->words.n + n <= REFUSAL_MAX)
            f->words = arena_fmt(f->req->a, PRI_STR PRI_STR, (int)f->words.n,
                                 f->words.n ? f->words.p : "", (int)n, p);
        return;
    }
    if (f->page_status) {
        buf_str(&f->page, (str){p, n});
        if (f->page.n <= PAGE_MAX)
            return;
        page_start(f);
        http_write(f->req->ex, buf_view(&f->page));
        buf_fini(&f->page);
    } else {
        http_write(f->req->ex, (str){p, n});
    }
    if (http_queued(f->req->ex) > HTTP_QUEUE_HIGH)
        http_call_pause(f->call, true);
}

static void on_done(void *ctx, struct err *e)
{
    struct forward *f = ctx;
    struct req *q = f->req;

    f->call = NULL;
    over(f);
    if (f->page_status && !e && !f->gone) {
        CLEANUP(buf) struct buf out = BUF_INIT;

        proxy_page(&out, f->t.links, buf_view(&f->page));
        page_start(f);
        http_write(q->ex, buf_view(&out));
    }
    buf_fini(&f->page);
    if (f->gone || f->head_sent) {
        /* The head is out: all that can be told is that the rest is missing. */
        if (e)
            http_abort(q->ex);
        else
            http_end(q->ex);
        err_free(e);
        return;
    }
    if (f->refused && !e) {
        reply_error(q, err_new(f->refused == 400   ? REASON_BAD_REQUEST
                               : f->refused == 404 ? REASON_NOT_FOUND
                                                   : REASON_INTERNAL,
                               PRI_STR, STR_ARG(str_trim(f->words))));
        return;
    }
    if (f->t.plain_errors)
        reply_plain_error(
            q, 503,
            arena_fmt(q->a, "error trying to reach service: %s", e ? err_text(e) : "no answer"));
    else
        reply_error(q, err_new(REASON_UNAVAILABLE, "error trying to reach service: %s",
                               e ? err_text(e) : "no answer"));
    err_free(e);
}

static void on_upgraded(void *ctx, const struct http_response *r, struct stream *s)
{
    struct forward *f = ctx;
    struct http_header *h = ARENA_NEW_N(f->req->a, struct http_header, r->n_headers + 1);
    struct stream *client;
    size_t n = 0;

    f->call = NULL;
    over(f);
    if (f->gone) {
        stream_close(s, NULL, NULL);
        http_end(f->req->ex);
        return;
    }
    for (size_t i = 0; i < r->n_headers; i++)
        if (!hop_by_hop(r->headers[i].name, true))
            h[n++] = (struct http_header){arena_dup(f->req->a, r->headers[i].name),
                                          arena_dup(f->req->a, r->headers[i].value)};
    f->req->ex->on_gone = NULL;
    client = http_upgrade(f->req->ex, h, n);
    if (!client) {
        stream_close(s, NULL, NULL);
        http_end(f->req->ex);
        return;
    }
    stream_splice(client, s, NULL, NULL);
}

static void on_gone(void *user, struct http_exchange *ex)
{
    struct forward *f = user;

    (void)ex;
    f->gone = true;
    if (f->call)
        http_call_cancel(f->call); /* on_done ends the exchange */
}

static void on_drain(void *user, struct http_exchange *ex)
{
    struct forward *f = user;

    (void)ex;
    if (f->call)
        http_call_pause(f->call, false);
}

static bool is_replaced(const struct api *api, const struct forward_target *t, str name)
{
    for (size_t i = 0; i < t->n_drop; i++)
        if (name.n >= t->drop[i].n && str_eq_nocase(str_slice(name, 0, t->drop[i].n), t->drop[i]))
            return true;
    return str_eq_nocase(name, S("authorization")) || request_header_is_ours(api, name) ||
           (name.n > 12 && str_eq_nocase(str_slice(name, 0, 12), S("Impersonate-")));
}

void forward_request(struct req *q, const struct forward_target *t)
{
    static const struct http_call_events plain = {.head = on_head,
                                                  .data = on_data,
                                                  .done = on_done},
                                         upgrading = {.head = on_head,
                                                      .data = on_data,
                                                      .done = on_done,
                                                      .upgraded = on_upgraded};
    const struct http_request *r = &q->ex->req;
    struct forward *f = ARENA_NEW(q->a, struct forward);
    struct http_header *h = ARENA_NEW_N(q->a, struct http_header, r->n_headers + t->n_add + 1);
    struct http_call_options o = {
        .method = r->method, .url = t->url, .body = r->body, .address = t->address};
    size_t n = 0;

    f->req = q;
    f->t = *t;
    f->upgrade = r->is_upgrade;
    for (size_t i = 0; i < r->n_headers; i++)
        if (!hop_by_hop(r->headers[i].name, f->upgrade) &&
            !is_replaced(q->api, t, r->headers[i].name))
            h[n++] = r->headers[i];
    for (size_t i = 0; i < t->n_add; i++)
        h[n++] = t->add[i];
    o.headers = h;
    o.n_headers = n;
    q->ex->user = f;
    q->ex->on_gone = on_gone;
    q->ex->on_drain = on_drain;
    f->call = http_call(t->client, &o, f->upgrade ? &upgrading : &plain, f);
}
