/* read.c - GET of an object and LIST: stored bytes concatenated, filtered without parsing, streamed
 * in pieces.
 *
 * A list is of one revision: the newest (from memory), or, for continue tokens and
 * resourceVersionMatch=Exact, an older one (store_list_at). Large lists are written as the
 * connection takes them; the references keep the versions alive meanwhile. API:
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
 */
#include "api/api_internal.h"
#include "api/conversion.h"

static struct err *invalid_revision(str text, enum reason reason, const char *before)
{
    struct buf b = BUF_INIT;
    struct err *e;

    buf_quoted(&b, text);
    e = err_new(
        reason,
        "%sresourceVersion: Invalid value: %s: strconv.ParseUint: parsing %s: invalid syntax",
        before, buf_cstr(&b), buf_cstr(&b));
    buf_fini(&b);
    return e;
}

static struct err *too_large(int64_t wanted, int64_t current)
{
    struct err *e =
        err_new(REASON_TIMEOUT, "Timeout: Too large resource version: %lld, current: %lld",
                (long long)wanted, (long long)current);

    err_cause_add(e, "ResourceVersionTooLarge", S(""), S("Too large resource version"));
    e->retry_after_s = 1;
    return e;
}

static struct err *expired_list(void)
{
    return err_new(REASON_EXPIRED, "The resourceVersion for the provided list is too old.");
}

void verb_get(struct req *q)
{
    const struct kind *k = q->route.kind;
    const struct obj *o;
    str rv = query_str(q, "resourceVersion");

    if (rv.n) {
        int64_t wanted;

        if (!str_to_int64(rv, &wanted) || wanted < 0) {
            reply_error(q, invalid_revision(rv, REASON_UNKNOWN, ""));
            return;
        }
        if (wanted > store_revision(q->api->store)) {
            reply_error(q, too_large(wanted, store_revision(q->api->store)));
            return;
        }
    }
    o = store_find(q->api->store, kind_key(k, q->route.ns, q->route.name));
    if (!o) {
        reply_error(q, err_not_found(k, q->route.name));
        return;
    }
    reply_object(q, 200, k, o->data);
}

/* ---- options ---- */

static void match_unsupported(struct err **errs, str match, const char *supported)
{
    struct buf b = BUF_INIT;

    buf_quoted(&b, match);
    cause(errs, CAUSE_NOT_SUPPORTED, S("resourceVersionMatch"),
          "Unsupported value: %s: supported values: %s", buf_cstr(&b), supported);
    buf_fini(&b);
}

/* Source: apimachinery/pkg/apis/meta/internalversion/validation, ValidateListOptions(). */
static void list_options_check(const struct list_options *o, struct err **errs)
{
    static const str field = STR("resourceVersionMatch");
    bool exact = str_is(o->match, "Exact"), not_older = str_is(o->match, "NotOlderThan");

    if (o->watch && o->has_send_initial && !not_older)
        cause(errs, CAUSE_FORBIDDEN, field,
              "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (o->watch && o->match.n && !o->has_send_initial)
        cause(errs, CAUSE_FORBIDDEN, field,
              "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
              "provided");
    if (o->watch && o->match.n && !not_older)
        match_unsupported(errs, o->match, "\"NotOlderThan\"");
    if (!o->watch && o->match.n && !o->revision_text.n)
        cause(errs, CAUSE_FORBIDDEN, field,
              "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (o->match.n && o->continue_token.n)
        cause(errs, CAUSE_FORBIDDEN, field,
              "Forbidden: resourceVersionMatch is forbidden when continue is provided");
    if (!o->watch && o->match.n && !exact && !not_older)
        match_unsupported(errs, o->match, "\"Exact\", \"NotOlderThan\", \"\"");
    if (!o->watch && exact && str_is(o->revision_text, "0"))
        cause(errs, CAUSE_FORBIDDEN, field,
              "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    if (!o->watch && o->has_send_initial)
        cause(errs, CAUSE_FORBIDDEN, S("sendInitialEvents"),
              "Forbidden: sendInitialEvents is forbidden for list");
}

struct err *list_options_parse(struct req *q, bool watch, struct list_options *o)
{
    const struct kind *k = q->route.kind;
    struct err *e, *errs = NULL;
    bool given;
    str text;

    *o = (struct list_options){.watch = watch};
    e = query_int(q, "limit", &o->limit, &given);
    if (!e)
        e = query_int(q, "timeoutSeconds", &o->timeout_s, &o->has_timeout);
    if (e)
        return e;
    if (o->limit < 0)
        o->limit = 0;
    text = query_str(q, "labelSelector");
    if (text.n) {
        e = selector_parse(q->a, text, &o->labels);
        if (e)
            return e;
        o->has_labels = true;
    }
    text = query_str(q, "fieldSelector");
    if (text.n) {
        e = field_selector_parse(q->a, text, &o->fields);
        if (!e)
            e = field_selector_check(k, &o->fields);
        if (e)
            return e;
        o->has_fields = o->fields.n_terms > 0;
    }
    o->bookmarks = query_bool(q, "allowWatchBookmarks", NULL);
    o->send_initial = query_bool(q, "sendInitialEvents", &o->has_send_initial);
    o->continue_token = query_str(q, "continue");
    o->match = query_str(q, "resourceVersionMatch");
    o->revision_text = query_str(q, "resourceVersion");
    list_options_check(o, &errs);
    if (errs)
        return err_invalid(errs, S("meta.k8s.io"), S("ListOptions"), S(""));
    if (o->revision_text.n) {
        if (!str_to_int64(o->revision_text, &o->revision) || o->revision < 0)
            return watch ? invalid_revision(o->revision_text, REASON_UNKNOWN, "")
                         : invalid_revision(o->revision_text, REASON_BAD_REQUEST,
                                            "invalid resource version: ");
        o->has_revision = true;
    }
    return NULL;
}

/* ---- continue tokens: {"v":"meta.k8s.io/v1","rv":7,"start":"ns/name\u0000"}, base64url ---- */

#define TOKEN_INCONSISTENT (-1) /* the rest as it is now; handed out when the past is gone */

static str token_make(struct arena *a, const struct kind *k, int64_t revision,
                      const struct key *last, bool all_namespaces)
{
    struct buf json = BUF_INIT, b = BUF_INIT;
    str out;

    buf_fmt(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%lld,\"start\":\"", (long long)revision);
    if (k->r->namespaced && all_namespaces) {
        buf_str(&json, last->ns);
        buf_char(&json, '/');
    }
    buf_str(&json, last->name);
    buf_z(&json, "\\u0000\"}");
    buf_base64url(&b, buf_view(&json));
    out = arena_dup(a, buf_view(&b));
    buf_fini(&json);
    buf_fini(&b);
    return out;
}

/* Where Go's decoder would stop. */
static size_t base64_bad_at(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return i;
    }
    return s.n - s.n % 4;
}

/* Whether Go's path.Clean() leaves it as it is, below a slash. */
static bool is_clean(str path)
{
    str rest = path, part;

    if (path.p[0] == '/')
        rest = str_skip(path, 1);
    while (str_cut(&rest, '/', &part))
        if (!part.n || str_is(part, ".") || str_is(part, ".."))
            return false;
    return true;
}

static struct err *token_parse(struct req *q, str token, int64_t *ret_revision,
                               struct key *ret_after)
{
    struct json *v = NULL;
    str text, start, version;
    struct err *e;

    if (token.n % 4 == 1 || !base64url_decode(q->a, token, &text))
        return err_new(REASON_BAD_REQUEST,
                       "invalid continue token: continue key is not valid: illegal base64 data at "
                       "input byte %zu",
                       base64_bad_at(token));
    e = json_parse(q->a, text, NULL, NULL, &v);
    if (e) {
        struct err *out =
            err_new(REASON_BAD_REQUEST, "invalid continue token: continue key is not valid: %s",
                    err_text(e));

        err_free(e);
        return out;
    }
    version = json_get_str(v, "v");
    if (!str_is(version, "meta.k8s.io/v1"))
        return err_new(REASON_BAD_REQUEST,
                       "invalid continue token: continue key is not valid: server does not "
                       "recognize this encoded version " PRI_STR,
                       STR_ARG(version));
    *ret_revision = json_get_int(v, "rv", 0);
    if (!*ret_revision)
        return err_new(REASON_BAD_REQUEST,
                       "invalid continue token: continue key is not valid: incorrect encoded start "
                       "resourceVersion (version meta.k8s.io/v1)");
    start = json_get_str(v, "start");
    if (!start.n)
        return err_new(REASON_BAD_REQUEST, "invalid continue token: continue key is not valid: "
                                           "encoded start key empty (version meta.k8s.io/v1)");
    if (!is_clean(start))
        return err_new(REASON_BAD_REQUEST,
                       "invalid continue token: continue key is not valid: " PRI_STR,
                       STR_ARG(start));
    if (start.p[start.n - 1] == 0)
        start.n--;
    *ret_after = (struct key){q->route.kind->r->storage_resource, q->route.ns, start};
    if (q->route.kind->r->namespaced && !q->route.ns.n) {
        ret_after->name = start;
        str_cut(&ret_after->name, '/', &ret_after->ns);
        if (!ret_after->name.p)
            ret_after->name = S("");
    }
    return NULL;
}

/* ---- lists ---- */

struct listing {
    struct req *q;
    struct list_options o;
    struct key after; /* with a continue token: where the page before ended */
    const struct obj **objs;
    size_t n, cap;
    int64_t revision, remaining; /* remaining < 0: not told */
    bool more;
    str next;
    size_t at; /* while streaming: the next object to write; those before have been let go */
    struct loop_timer *timer;
    bool gone, deferred; /* deferred: stream_turn() will come */
    bool shared;         /* to a caller in this process: the objects themselves */
    str tail;            /* what follows the objects */
    struct zipper *zip;  /* NULL: sent as it is */
    list_found_fn *found;
    void *found_ctx;
};

static void listing_keep(struct listing *l, const struct obj *o)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 32;

        l->objs = arena_grow(l->q->a, l->objs, l->cap * sizeof *l->objs, cap * sizeof *l->objs);
        l->cap = cap;
    }
    l->objs[l->n++] = obj_ref(o);
}

static void listing_fini(struct listing *l)
{
    for (size_t i = l->at; i < l->n; i++)
        obj_unref(l->objs[i]);
    l->n = l->at = 0;
    loop_timer_free(TAKE(l->timer));
    zipper_free(TAKE(l->zip));
}

static bool list_one(void *ctx, const struct obj *o)
{
    struct listing *l = ctx;

    if ((l->o.has_labels || l->o.has_fields) &&
        !object_matches(o, l->o.has_labels ? &l->o.labels : NULL,
                        l->o.has_fields ? &l->o.fields : NULL))
        return true;
    if (l->o.limit && l->n == (size_t)l->o.limit) {
        l->more = true;
        l->remaining++;
        /* Counting the rest is for lists without selectors only. */
        return !(l->o.has_labels || l->o.has_fields);
    }
    listing_keep(l, o);
    return true;
}

/* An item is the object without kind and apiVersion, as Kubernetes lists built-in kinds. */
static str item_tail(const struct kind *k, const struct obj *o)
{
    return str_skip(o->data, k->head.n + (k->r->custom ? 0 : 1));
}

static void list_head(struct buf *b, const struct kind *k, int64_t revision, str cont,
                      int64_t remaining)
{
    buf_fmt(b,
            "{\"kind\":\"" PRI_STR "\",\"apiVersion\":\"" PRI_STR
            "\",\"metadata\":{\"resourceVersion\":\"%lld\"",
            STR_ARG(k->r->list_kind), STR_ARG(k->api_version), (long long)revision);
    if (cont.n || k->r->custom) { /* of custom kinds it is always there */
        buf_z(b, ",\"continue\":");
        json_encode_string(b, cont);
    }
    if (remaining > 0)
        buf_fmt(b, ",\"remainingItemCount\":%lld", (long long)remaining);
    buf_z(b, "},\"items\":[");
}

static void list_item(struct buf *b, const struct kind *k, const struct obj *o, bool first)
{
    if (!first)
        buf_char(b, ',');
    if (k->r->custom)
        buf_str(b, o->data);
    else {
        buf_char(b, '{');
        buf_str(b, item_tail(k, o));
    }
}

void list_encode(struct buf *b, const struct kind *k, const struct obj *const *objs, size_t n,
                 int64_t revision, str cont, int64_t remaining)
{
    list_head(b, k, revision, cont, remaining);
    for (size_t i = 0; i < n; i++)
        list_item(b, k, objs[i], i == 0);
    buf_z(b, "]}\n");
}

static void list_write(struct listing *l, str piece, bool last)
{
    if (l->zip)
        zipper_write(l->zip, l->q->ex, piece, last);
    else if (piece.n)
        http_write(l->q->ex, piece);
}

static void stream_turn(void *ctx);

static void stream_more(struct listing *l)
{
    struct req *q = l->q;
    const struct kind *k = q->route.kind;
    struct buf b = BUF_INIT;
    unsigned budget = l->zip ? API_ZIP_CHUNKS : UINT_MAX;

    if (l->deferred)
        return;
    while (!l->gone && l->at < l->n && http_queued(q->ex) < HTTP_QUEUE_HIGH && budget--) {
        if (l->shared) {
            http_share(q->ex, l->objs[l->at], false);
            obj_unref(l->objs[l->at++]);
            continue;
        }
        buf_clear(&b);
        while (l->at < l->n && b.n < API_LIST_CHUNK) {
            list_item(&b, k, l->objs[l->at], l->at == 0);
            obj_unref(l->objs[l->at++]);
        }
        list_write(l, buf_view(&b), false);
    }
    buf_fini(&b);
    if (l->gone || l->at == l->n) {
        if (!l->gone)
            list_write(l, l->tail, true);
        listing_fini(l);
        http_end(q->ex);
        return;
    }
    reply_awaits_reader(q, &l->timer);
    if (http_queued(q->ex) < HTTP_QUEUE_HIGH) {
        l->deferred = true;
        loop_defer(q->api->loop, stream_turn, l);
    }
}

static void stream_turn(void *ctx)
{
    struct listing *l = ctx;

    l->deferred = false;
    stream_more(l);
}

static void stream_drained(void *user, struct http_exchange *ex)
{
    (void)ex;
    stream_more(user);
}

static void stream_gone(void *user, struct http_exchange *ex)
{
    struct listing *l = user;

    (void)ex;
    l->gone = true;
    stream_more(l);
}

/* The head, then the objects as the connection takes them, then l->tail. */
static void reply_stream(struct listing *l, const struct http_header *h, size_t n, str head)
{
    struct http_exchange *ex = l->q->ex;

    ex->user = l;
    ex->on_drain = stream_drained;
    ex->on_gone = stream_gone;
    l->gone = ex->gone; /* while the past was read, or a collection was deleted */
    http_start(ex, 200, h, n);
    list_write(l, head, false);
    stream_more(l);
}

/* To a caller in this process: the objects, then what else a list says. */
static void reply_list_shared(struct listing *l)
{
    struct req *q = l->q;
    struct http_header *h;
    size_t n;

    h = reply_headers(q, "application/json", &n, 0);
    l->shared = true;
    l->tail = arena_fmt(
        q->a, "{\"metadata\":{\"resourceVersion\":\"%lld\",\"continue\":\"" PRI_STR "\"}}\n",
        (long long)l->revision, STR_ARG(l->next));
    reply_stream(l, h, n, S(""));
}

static void reply_list_bytes(struct listing *l)
{
    struct req *q = l->q;
    const struct kind *k = q->route.kind;
    struct buf b = BUF_INIT;
    size_t total = 3, n;
    struct http_header *h;

    list_head(&b, k, l->revision, l->next, l->remaining);
    total += b.n;
    for (size_t i = 0; i < l->n; i++)
        total += (i ? 1 : 0) + (k->r->custom ? l->objs[i]->data.n : item_tail(k, l->objs[i]).n + 1);
    if (total < HTTP_QUEUE_HIGH) {
        buf_reserve(&b, total);
        for (size_t i = 0; i < l->n; i++)
            list_item(&b, k, l->objs[i], i == 0);
        buf_z(&b, "]}\n");
        listing_fini(l);
        reply_bytes(q, 200, "application/json", buf_view(&b));
        buf_fini(&b);
        return;
    }
    h = reply_headers(q, "application/json", &n, 2);
    l->zip = wants_gzip(q) ? zipper_new() : NULL;
    n += stream_headers(q, h + n, l->zip, total);
    l->tail = S("]}\n");
    reply_stream(l, h, n, buf_view(&b));
    buf_fini(&b);
}

/* What is left: objects that a webhook has converted, rows that show objects of another version. Through one tree. */
static void reply_list_trees(struct listing *l)
{
    struct req *q = l->q;
    const struct kind *k = q->route.kind;
    struct json **trees = ARENA_NEW_N(q->a, struct json *, l->n + 1);
    struct json list = json_object(), *meta, items = json_array();
    const struct schema_type *t = NULL;
    struct err *e = NULL;

    for (size_t i = 0; i < l->n && !e; i++) {
        trees[i] = object_parse(q->a, arena_dup(q->a, l->objs[i]->data));
        if (q->accept.as == AS_OBJECT || (q->accept.as == AS_TABLE && k->r->custom))
            e = object_to_served(q, q->a, k, trees[i]);
    }
    if (e) {
        listing_fini(l);
        reply_error(q, e);
        return;
    }
    if (q->accept.as == AS_TABLE) {
        struct json *table =
            table_make(q, k, trees, l->n, arena_fmt(q->a, "%lld", (long long)l->revision), l->next,
                       l->remaining, true);

        listing_fini(l);
        reply_tree(q, 200, NULL, table);
        return;
    }
    json_setz(q->a, &list, "kind", json_string(k->r->list_kind));
    json_setz(q->a, &list, "apiVersion", json_string(k->api_version));
    t = schema_find_gvk(k->r->group, k->r->version, k->r->list_kind);
    meta = json_setz(q->a, &list, "metadata", json_object());
    json_setz(q->a, meta, "resourceVersion",
              json_string(arena_fmt(q->a, "%lld", (long long)l->revision)));
    if (l->next.n || k->r->custom)
        json_setz(q->a, meta, "continue", json_string(l->next));
    if (l->remaining > 0)
        json_setz(q->a, meta, "remainingItemCount", json_int(l->remaining));
    for (size_t i = 0; i < l->n; i++) {
        if (!k->r->custom) {
            json_removez(trees[i], "kind");
            json_removez(trees[i], "apiVersion");
        }
        json_append(q->a, &items, *trees[i]);
    }
    json_setz(q->a, &list, "items", items);
    listing_fini(l);
    reply_tree(q, 200, t, &list);
}

static void reply_list_now(struct listing *l)
{
    struct req *q = l->q;
    const struct kind *k = q->route.kind;

    if (!l->more || l->o.has_labels || l->o.has_fields)
        l->remaining = -1;
    if (l->more && l->n)
        l->next = token_make(q->a, k, l->revision, &l->objs[l->n - 1]->key, !q->route.ns.n);
    if (q->accept.as == AS_TABLE)
        table_sort(q, k, l->objs, l->n);
    if (q->ex->shares && q->accept.media == MEDIA_JSON &&
        (q->accept.as == AS_PARTIAL_LIST || (q->accept.as == AS_OBJECT && k->storage == k)))
        reply_list_shared(l);
    else if (q->accept.media == MEDIA_JSON && q->accept.as == AS_OBJECT && !q->pretty &&
             k->storage == k)
        reply_list_bytes(l);
    else if (list_is_formed_singly(q))
        list_reply_formed(q, l->objs, l->n, l->revision, l->next, l->remaining);
    else
        reply_list_trees(l);
}

static void list_converted(void *ctx, struct err *e)
{
    struct listing *l = ctx;

    if (!e) {
        reply_list_now(l);
        return;
    }
    listing_fini(l);
    reply_error(l->q, e);
}

static void reply_list(struct listing *l)
{
    struct req *q = l->q;
    str *data;

    if (!q->route.kind->converter || q->accept.as == AS_PARTIAL_LIST) {
        reply_list_now(l);
        return;
    }
    data = ARENA_NEW_N(q->a, str, l->n + 1);
    for (size_t i = 0; i < l->n; i++)
        data[i] = l->objs[i]->data;
    convert_then(q, q->route.kind, data, l->n, list_converted, l);
}

void list_reply(struct listing *l)
{
    reply_list(l);
}

void list_drop(struct listing *l)
{
    listing_fini(l);
}

const struct obj *list_object(const struct listing *l, size_t i)
{
    return i < l->n ? l->objs[i] : NULL;
}

static void listed_at(void *ctx, struct err *e, const struct obj *const *objs, size_t n, bool more)
{
    struct listing *l = ctx;
    struct req *q = l->q;

    (void)more;
    if (e) {
        if (e->reason == REASON_EXPIRED) {
            err_free(e);
            e = l->o.continue_token.n
                    ? err_new(
                          REASON_EXPIRED,
                          "The provided continue parameter is too old to display a consistent list "
                          "result. You can start a new list without the continue parameter, or use "
                          "the continue token in this response to retrieve the remainder of the "
                          "results. Continuing with the provided token results in an inconsistent "
                          "list - objects that were created, modified, or deleted between the time "
                          "the first chunk was returned and now may show up in the list.")
                    : expired_list();
            if (l->o.continue_token.n)
                e->continue_token = str_dupz(
                    token_make(q->a, q->route.kind, TOKEN_INCONSISTENT, &l->after, !q->route.ns.n));
        }
        reply_error(q, e);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!list_one(l, objs[i]))
            break;
    l->found(l->found_ctx, l);
}

void list_find(struct req *q, list_found_fn *found, void *ctx)
{
    struct listing *l = ARENA_NEW(q->a, struct listing);
    const struct kind *k = q->route.kind;
    int64_t current = store_revision(q->api->store);
    bool has_after = false;
    struct err *e;

    l->q = q;
    l->found = found;
    l->found_ctx = ctx;
    e = list_options_parse(q, false, &l->o);
    if (!e && l->o.continue_token.n) {
        if (l->o.has_revision && l->o.revision)
            e = err_new(REASON_BAD_REQUEST,
                        "specifying resource version is not allowed when using continue");
        if (!e)
            e = token_parse(q, l->o.continue_token, &l->revision, &l->after);
        has_after = true;
    }
    if (e) {
        reply_error(q, e);
        return;
    }
    if (!has_after) {
        l->revision = current;
        if (l->o.revision > current) {
            reply_error(q, too_large(l->o.revision, current));
            return;
        }
        /* Without "Exact" anything newer will do, and the newest is at hand. */
        if (str_is(l->o.match, "Exact"))
            l->revision = l->o.revision;
        /* limit with a resourceVersion of "0" is served from a cache in Kubernetes, which ignores
         * it. */
        if (l->o.has_revision && l->o.revision == 0 && !l->o.match.n)
            l->o.limit = 0;
    }
    if (l->revision < 0) /* TOKEN_INCONSISTENT, or as good as */
        l->revision = current;
    if (l->revision > current) {
        reply_error(q, too_large(l->revision, current));
        return;
    }
    if (l->revision != current) {
        store_list_at(q->api->store, k->r->storage_resource, k->r->namespaced ? q->route.ns : S(""),
                      l->revision, has_after ? &l->after : NULL, 0, listed_at, l);
        return;
    }
    store_each(q->api->store, k->r->storage_resource, k->r->namespaced ? q->route.ns : S(""),
               has_after ? &l->after : NULL, list_one, l);
    found(ctx, l);
}

static void found_for_reply(void *ctx, struct listing *l)
{
    (void)ctx;
    reply_list(l);
}

void verb_list(struct req *q)
{
    list_find(q, found_for_reply, NULL);
}
