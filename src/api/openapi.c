/* openapi.c - /openapi/v2 and /openapi/v3: documents made at build time, with what custom kinds add.
 *
 * The built-in documents lie compressed in the binary, and mostly leave it so. Those of custom group-versions, and the merged v2 when
 * there are custom kinds, are made for each request that does not know them yet by their hash.
 * API: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition */
#include "schema/openapi.h"
#include "api/apiservices.h"
#include "api/crd.h"
#include "api/crd_openapi.h"

static const char proto_type[] = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/* What an answer depends on. That of v2 goes through one handler more, which tells its own. */
static void add_vary(struct http_header *h, size_t *n, bool v2)
{
    if (v2)
        h[(*n)++] = (struct http_header){S("Vary"), S("Accept-Encoding")};
    h[(*n)++] = (struct http_header){S("Vary"), S("Accept")};
}

/* Nothing but a status: no such document, or none in a form that the client takes. */
static void refuse(struct req *q, int status, bool v2)
{
    size_t n;
    struct http_header *h = reply_headers(q, NULL, &n, 3);

    if (v2)
        add_vary(h, &n, true);
    h[n++] = (struct http_header){S("Content-Length"), S("0")};
    http_start(q->ex, status, h, n);
    http_end(q->ex);
}

/* The document is known by this tag: answered when the client has it. */
static bool known(struct req *q, str etag, bool v2, const char *content_type)
{
    struct http_header *h;
    size_t n;

    if (!str_eq(http_header(&q->ex->req, "if-none-match"), etag))
        return false;
    h = reply_headers(q, content_type, &n, 3);
    h[n++] = (struct http_header){S("ETag"), etag};
    add_vary(h, &n, v2);
    http_start(q->ex, 304, h, n);
    http_end(q->ex);
    return true;
}

static void reply_builtin(struct req *q, const struct openapi_doc *doc, const char *content_type)
{
    bool zipped = str_find(http_header(&q->ex->req, "accept-encoding"), S("gzip")) >= 0;
    str etag = arena_fmt(q->a, "\"" PRI_STR "\"", STR_ARG(doc->etag)), body = doc->gzip;
    struct buf text = BUF_INIT;
    struct http_header *h;
    size_t n;
    bool v2 = str_has_prefix(doc->path, S("v2"));

    if (known(q, etag, v2, content_type))
        return;
    h = reply_headers(q, content_type, &n, 5);
    h[n++] = (struct http_header){S("ETag"), etag};
    add_vary(h, &n, v2);
    if (zipped)
        h[n++] = (struct http_header){S("Content-Encoding"), S("gzip")};
    else {
        openapi_text(doc, &text);
        body = buf_view(&text);
    }
    h[n++] = (struct http_header){S("Content-Length"), arena_fmt(q->a, "%zu", body.n)};
    http_start(q->ex, 200, h, n);
    if (!str_is(q->ex->req.method, "HEAD"))
        http_write(q->ex, body);
    http_end(q->ex);
    buf_fini(&text);
}

/* The merged v2 document, in either form. */
static void reply_v2(struct req *q, bool proto)
{
    const struct openapi_doc *doc = openapi_find(proto ? S("v2.pb") : S("v2"));
    const char *type = proto ? proto_type : "application/json";
    str etag;
    CLEANUP(buf) struct buf text = BUF_INIT, merged = BUF_INIT;
    char hash[65], both[65];

    if (!crds_hash(q->api->crds, NULL, NULL, hash)) {
        reply_builtin(q, doc, type);
        return;
    }
    sha256_hex(arena_fmt(q->a, PRI_STR "%s", STR_ARG(doc->etag), hash), both);
    etag = arena_fmt(q->a, "\"%s\"", both);
    if (known(q, etag, true, type))
        return;
    openapi_text(doc, &text);
    if (proto) {
        crd_openapi_v2_proto(q->api, q->a, &text);
        reply_cacheable(q, type, etag, S("Accept-Encoding, Accept"), buf_view(&text));
    } else {
        crd_openapi_v2(q->api, q->a, buf_view(&text), &merged);
        reply_cacheable(q, type, etag, S("Accept-Encoding, Accept"), buf_view(&merged));
    }
}

/* ---- v3 ---- */

static void index_add(struct buf *b, str path, str hash)
{
    buf_fmt(
        b, "%s\"" PRI_STR "\":{\"serverRelativeURL\":\"/openapi/v3/" PRI_STR "?hash=" PRI_STR "\"}",
        b->p[b->n - 1] == '{' ? "" : ",", STR_ARG(path), STR_ARG(path), STR_ARG(hash));
}

/* Where the v3 documents are; the hash in an address lets clients keep them for ever. */
static void reply_index(struct req *q)
{
    const struct apiservice *s;
    struct crds *crds = q->api->crds;
    struct buf b = BUF_INIT;
    char hash[65];

    buf_z(&b, "{\"paths\":{");
    for (size_t i = 0; i < openapi_n_docs; i++) {
        const struct openapi_doc *d = &openapi_docs[i];

        if (str_has_prefix(d->path, S("v3/")) && (!d->legacy || q->api->o.legacy_apis))
            index_add(&b, str_skip(d->path, 3), d->etag);
    }
    for (size_t i = 0; i < crds_count(crds); i++) { /* sorted by group and version */
        const struct resource *r = crds_at(crds, i)->r,
                              *before = i ? crds_at(crds, i - 1)->r : NULL;

        if (before && str_eq(before->group, r->group) && str_eq(before->version, r->version))
            continue;
        if (crds_hash(crds, &r->group, &r->version, hash))
            index_add(&b,
                      arena_fmt(q->a, "apis/" PRI_STR "/" PRI_STR, STR_ARG(r->group),
                                STR_ARG(r->version)),
                      str_of(hash));
    }
    for (size_t i = 0; (s = apiservices_remote_at(q->api, i)) != NULL; i++)
        if (s->openapi_hash.n)
            index_add(&b,
                      arena_fmt(q->a, "apis/" PRI_STR "/" PRI_STR, STR_ARG(s->group),
                                STR_ARG(s->version)),
                      s->openapi_hash);
    buf_z(&b, "}}");
    reply_bytes(q, 200, "text/plain; charset=utf-8", buf_view(&b));
    buf_fini(&b);
}

/* false: no custom group-version. */
static bool reply_custom(struct req *q, str path)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    str rest = str_skip(path, strlen("v3/apis/")), group, version, etag;
    char hash[65];

    if (!str_has_prefix(path, S("v3/apis/")) || !str_cut(&rest, '/', &group) ||
        !str_cut(&rest, '/', &version) || rest.n ||
        !crds_hash(q->api->crds, &group, &version, hash))
        return false;
    etag = arena_fmt(q->a, "\"%s\"", hash);
    if (known(q, etag, false, "application/json"))
        return true;
    crd_openapi_v3(q->api, q->a, group, version, &b);
    reply_cacheable(q, "application/json", etag, S("Accept"), buf_view(&b));
    return true;
}

static bool acceptable(str accept)
{
    return !accept.n || str_find(accept, S("json")) >= 0 || str_find(accept, S("*/*")) >= 0 ||
           str_find(accept, S("application/*")) >= 0;
}

bool openapi_handle(struct req *q, str path)
{
    str accept = http_header(&q->ex->req, "accept"), name = str_skip(path, strlen("/openapi/"));
    const struct openapi_doc *doc = openapi_find(name);

    if (str_is(path, "/openapi/v3") || str_is(path, "/openapi/v3/")) {
        reply_index(q);
        return true;
    }
    if (str_is(name, "v2") && str_find(accept, S("proto-openapi")) >= 0) {
        reply_v2(q, true);
        return true;
    }
    if (str_is(name, "v2.pb") || (doc && doc->legacy && !q->api->o.legacy_apis))
        doc = NULL;
    if (doc && !acceptable(accept)) {
        refuse(q, 406, str_is(name, "v2"));
        return true;
    }
    if (str_is(name, "v2"))
        reply_v2(q, false);
    else if (doc)
        reply_builtin(q, doc, "application/json");
    else if (str_has_prefix(name, S("v3/"))) {
        if (!reply_custom(q, name))
            refuse(q, 404, false);
    } else
        reply_page_not_found(q);
    return true;
}
