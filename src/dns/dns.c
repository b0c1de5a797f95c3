/* dns.c - the cluster DNS' server: sockets, caches of the API's objects, and which part answers what.
 *
 * Every node answers at the same address (the cluster DNS' Service address is on a link of each), so a query never leaves the node
 * for a name of the cluster.
 *
 * Invariants
 *   (1) An answer about the cluster is written while the query is handled, without waiting and without allocating.
 *   (2) Before the caches are complete, names of the cluster get SERVFAIL (the client tries again), never NXDOMAIN.
 *   (3) A TCP client that vanishes leaves its queries without a receiver, not without memory: a connection lives until they end.
 *
 * API: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ */
#include "dns/dns_internal.h"
#include <netinet/in.h>
#include <sys/socket.h>

#define PENDING_MAX 4096 /* queries that wait for upstream; more get SERVFAIL */
#define CONNS_MAX 256
#define CONN_IDLE_NS (10 * NS_PER_S)
#define CONN_PENDING_MAX 64                /* per connection: more is read later */
#define CONN_QUEUE_MAX ((size_t)256 << 10) /* a client that does not read is dropped */
#define RESOLV_CONF_MAX ((size_t)64 << 10)
#define SERVICE_NAME_LABEL "kubernetes.io/service-name"
#define HEADLESS_TEXT "\"clusterIP\":\"None\""

struct conn {
    struct dns *dns; /* NULL: closed; freed with the last pending query */
    struct list link;
    struct stream *stream;
    struct buf in;
    struct loop_timer *idle;
    unsigned n_pending;
    bool ended, paused;
};
struct source {        /* where the answer goes */
    struct conn *conn; /* NULL: a datagram's sender */
    size_t peer_len;
    struct sockaddr_storage peer;
};
struct pending { /* a query that waits for upstream */
    struct dns *dns;
    struct list link;
    struct dns_query query;
    struct source source;
    bool chained; /* CNAMEs of the cluster come first */
};
struct dns {
    struct loop *loop;
    struct zone *zone;
    struct forwarder *forwarder;
    struct udp *udp;
    struct listener *listener;
    struct informer *services, *slices, *namespaces;
    struct map dirty; /* "ns/name" of Services to index anew */
    bool flush_deferred, done_once, stopped;
    struct list conns, pendings;
    size_t n_conns, n_pendings;
    void (*synced)(void *ctx);
    void *ctx;
    uint8_t out[2 + DNS_MESSAGE_MAX]; /* the answer being written, behind its length for TCP */
};

/* ---- answering ---- */

static void conn_close(struct conn *c);
static void conn_read(struct conn *c);
static void conn_data(void *ctx, const char *p, size_t n);
static void conn_end(void *ctx, int error);
static const struct stream_events conn_events = {conn_data, conn_end};

static void reply(struct dns *d, const struct source *to, size_t n)
{
    if (!to->conn) {
        udp_send(d->udp, (str){(char *)d->out + 2, n}, &to->peer, to->peer_len);
        return;
    }
    struct conn *c = to->conn;
    if (!c->dns)
        return;
    d->out[0] = (uint8_t)(n >> 8);
    d->out[1] = (uint8_t)n;
    stream_write(c->stream, (str){(char *)d->out, n + 2}, NULL, NULL);
    loop_timer_set(c->idle, CONN_IDLE_NS);
    if (stream_queued(c->stream) > CONN_QUEUE_MAX)
        conn_close(c);
}

static size_t limit_of(const struct source *s, const struct dns_query *q)
{
    return s->conn ? DNS_MESSAGE_MAX : q->udp_size;
}

static void reply_code(struct dns *d, const struct source *to, const struct dns_query *q, int rcode)
{
    struct dns_writer w;

    dns_write_start(&w, d->out + 2, q, limit_of(to, q));
    dns_write_end(&w, q, false, rcode);
    reply(d, to, w.n);
}

struct copying { /* upstream's records behind our CNAMEs */
    struct dns_writer *w;
    uint32_t age_s;
};

static void copy_record(void *ctx, str owner, uint16_t type, uint32_t ttl, str rdata)
{
    struct copying *c = ctx;

    /* Other types may have compressed names inside that would point into the wrong message. */
    if (type == DNS_A || type == DNS_AAAA || type == DNS_CNAME || type == DNS_TXT)
        dns_write_record(c->w, DNS_ANSWER, &owner, type, ttl > c->age_s ? ttl - c->age_s : 0,
                         rdata);
}

static void reply_upstream(struct dns *d, const struct source *to, const struct dns_query *q,
                           bool chained, const struct dns_cached *answer)
{
    uint32_t age_s = answer ? (uint32_t)((loop_now(d->loop).ns - answer->stored.ns) / NS_PER_S) : 0;
    struct dns_writer w;
    struct dns_name target;
    int rcode;

    if (!chained) {
        if (answer)
            reply(d, to,
                  dns_reply_write(d->out + 2, q, answer->message, answer->n, answer->ttl_at,
                                  answer->n_ttls, age_s, limit_of(to, q)));
        else
            reply_code(d, to, q, DNS_SERVFAIL);
        return;
    }
    dns_write_start(&w, d->out + 2, q, limit_of(to, q));
    if (zone_answer(d->zone, q, &w, &rcode, &target) ==
        ZONE_CNAME) { /* still: the Service may have changed meanwhile */
        rcode = DNS_SERVFAIL;
        if (answer) {
            struct dns_reply r = {.p = answer->message, .n = answer->n};
            struct copying c = {&w, age_s};
            r.counts[DNS_ANSWER] = (uint16_t)(answer->message[6] << 8 | answer->message[7]);
            rcode = answer->message[3] & 15;
            dns_reply_each_answer(&r, copy_record, &c);
        }
    }
    dns_write_end(&w, q, false, rcode);
    reply(d, to, w.n);
}

static void upstream_done(void *ctx, const struct dns_cached *answer)
{
    struct pending *p = ctx;
    struct conn *c = p->source.conn;

    p->dns->n_pendings--;
    list_del(&p->link);
    if (!p->dns->stopped)
        reply_upstream(p->dns, &p->source, &p->query, p->chained, answer);
    mem_free(p);
    if (!c)
        return;
    if (c->dns && c->paused) { /* there is room again; our own count keeps c alive meanwhile */
        c->paused = false;
        stream_start(c->stream, &conn_events, c);
        conn_read(c);
    }
    c->n_pending--;
    if (c->dns && c->ended && c->n_pending == 0)
        conn_close(c);
    else if (!c->dns && c->n_pending == 0)
        mem_free(c);
}

static bool is_synced(const struct dns *d)
{
    return d->done_once;
}

static void handle(struct dns *d, str message, const struct source *from)
{
    static const int rcodes[] = {[DNS_BAD_FORMAT] = DNS_FORMERR,
                                 [DNS_NOT_IMPLEMENTED] = DNS_NOTIMP,
                                 [DNS_REFUSE] = DNS_REFUSED,
                                 [DNS_BAD_VERSION] = DNS_BADVERS};
    const struct dns_cached *cached;
    struct dns_name target;
    struct dns_writer w;
    struct dns_query q;
    enum dns_verdict verdict = dns_query_parse(message, &q);
    enum zone_result result;
    int rcode;

    if (verdict == DNS_DROP)
        return;
    if (verdict != DNS_OK) {
        reply_code(d, from, &q, rcodes[verdict]);
        return;
    }
    if (q.type == DNS_AXFR || q.type == DNS_IXFR) { /* zones are not handed out */
        reply_code(d, from, &q, DNS_REFUSED);
        return;
    }
    dns_write_start(&w, d->out + 2, &q, limit_of(from, &q));
    result = zone_answer(d->zone, &q, &w, &rcode, &target);
    if (result == ZONE_ANSWERED) {
        if (!is_synced(d)) {
            reply_code(d, from, &q, DNS_SERVFAIL);
            return;
        }
        dns_write_end(&w, &q, true, rcode);
        reply(d, from, w.n);
        return;
    }
    if (forwarder_is_probe(d->forwarder, &target, q.type)) {
        reply_code(d, from, &q, DNS_REFUSED);
        return;
    }
    cached = q.cd ? NULL : forwarder_find(d->forwarder, &target, q.type, q.dnssec_ok);
    if (cached) {
        reply_upstream(d, from, &q, result == ZONE_CNAME, cached);
        return;
    }
    if (d->n_pendings >= PENDING_MAX) {
        reply_code(d, from, &q, DNS_SERVFAIL);
        return;
    }
    struct pending *p = NEW(struct pending);
    p->dns = d;
    p->query = q;
    p->source = *from;
    p->chained = result == ZONE_CNAME;
    list_add_tail(&d->pendings, &p->link);
    d->n_pendings++;
    if (from->conn)
        from->conn->n_pending++;
    forwarder_ask(d->forwarder, &target, q.type, q.dnssec_ok, q.cd, upstream_done, p);
}

/* ---- datagrams ---- */

static void udp_arrived(void *ctx, str datagram, const void *peer, size_t peer_len)
{
    struct source from = {.peer_len = peer_len};

    if (peer_len > sizeof from.peer)
        return;
    memcpy(&from.peer, peer, peer_len);
    handle(ctx, datagram, &from);
}

/* ---- connections ---- */

static void conn_close(struct conn *c)
{
    struct dns *d = c->dns;

    if (!d)
        return;
    c->dns = NULL;
    list_del(&c->link);
    d->n_conns--;
    loop_timer_free(c->idle);
    buf_fini(&c->in);
    stream_close(c->stream, NULL, NULL);
    if (c->n_pending == 0)
        mem_free(c);
}

/* Handles what has arrived completely. */
static void conn_read(struct conn *c)
{
    struct source from = {.conn = c};
    size_t at = 0;

    c->n_pending++; /* keeps it alive while answers may close it */
    while (c->dns && c->in.n - at >= 2) {
        size_t size = (size_t)(uint8_t)c->in.p[at] << 8 | (uint8_t)c->in.p[at + 1];
        if (c->in.n - at < 2 + size)
            break;
        if (c->n_pending > CONN_PENDING_MAX) {
            c->paused = true;
            stream_pause(c->stream);
            break;
        }
        handle(c->dns, (str){c->in.p + at + 2, size}, &from);
        at += 2 + size;
    }
    c->n_pending--;
    if (!c->dns) {
        if (c->n_pending == 0)
            mem_free(c);
        return;
    }
    buf_drop(&c->in, at);
    loop_timer_set(c->idle, CONN_IDLE_NS);
}

static void conn_data(void *ctx, const char *p, size_t n)
{
    struct conn *c = ctx;

    buf_add(&c->in, p, n);
    if (c->in.overflow) {
        conn_close(c);
        return;
    }
    conn_read(c);
}

static void conn_end(void *ctx, int error)
{
    struct conn *c = ctx;

    c->ended = true;
    if (error < 0 || c->n_pending == 0)
        conn_close(c);
}

static void conn_idle(void *ctx)
{
    conn_close(ctx);
}

static void accepted(void *ctx, struct stream *s)
{
    struct dns *d = ctx;
    struct conn *c;

    if (d->n_conns == CONNS_MAX) {
        stream_close(s, NULL, NULL);
        return;
    }
    c = NEW(struct conn);
    c->dns = d;
    c->stream = s;
    c->in.limit =
        2 * (2u + DNS_MESSAGE_MAX) + 65536; /* one message, and what one read brings behind it */
    c->idle = loop_timer_new(d->loop, conn_idle, c);
    loop_timer_set(c->idle, CONN_IDLE_NS);
    list_add_tail(&d->conns, &c->link);
    d->n_conns++;
    stream_start(s, &conn_events, c);
}

/* ---- the zone follows the API ---- */

static void index_service(struct dns *d, str id)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct json **slices = NULL;
    size_t n_slices = 0;
    struct json *tree = NULL;
    str rest = id, ns;
    const struct obj *o;

    str_cut(&rest, '/', &ns);
    o = informer_find(d->services, ns, rest);
    if (o) {
        struct err *err = json_parse(a, o->data, NULL, NULL, &tree);
        if (err) {
            log_error("dns", "Service " PRI_STR ": %s", STR_ARG(id), err_text(err));
            err_free(err);
            return;
        }
        if (str_find(o->data, S(HEADLESS_TEXT)) >= 0)
            slices = informer_trees_indexed(d->slices, id, a, "dns", &n_slices);
    }
    zone_put_service(d->zone, id, tree, slices, n_slices);
}

static void flush(void *ctx)
{
    struct dns *d = ctx;

    d->flush_deferred = false;
    if (d->stopped) {
        mem_free(d); /* dns_stop() left that to us */
        return;
    }
    if (!informer_is_synced(d->services) || !informer_is_synced(d->slices) ||
        !informer_is_synced(d->namespaces))
        return;
    MAP_EACH(e, &d->dirty)
        index_service(d, map_key(e));
    map_fini(&d->dirty);
    map_init(&d->dirty);
    if (!d->done_once) {
        d->done_once = true;
        if (d->synced)
            d->synced(d->ctx);
    }
}

static void flush_soon(struct dns *d)
{
    if (!d->flush_deferred)
        loop_defer(d->loop, flush, d);
    d->flush_deferred = true;
}

static void dirty(struct dns *d, str ns, str name)
{
    CLEANUP(buf) struct buf key = BUF_INIT;

    buf_fmt(&key, PRI_STR "/" PRI_STR, STR_ARG(ns), STR_ARG(name));
    if (!map_find(&d->dirty, buf_view(&key)))
        map_put(&d->dirty, buf_view(&key), d);
    flush_soon(d);
}

static void service_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    const struct obj *o = obj ? obj : prev;

    dirty(ctx, o->key.ns, o->key.name);
}

static void slice_service_dirty(struct dns *d, const struct obj *o)
{
    const struct obj *service;
    str name;

    if (!o || !packed_get(o->labels, S(SERVICE_NAME_LABEL), &name))
        return;
    /* Only headless Services publish their endpoints; the text is a cheap first look, the index looks properly. */
    service = informer_find(d->services, o->key.ns, name);
    if (service && str_find(service->data, S(HEADLESS_TEXT)) >= 0)
        dirty(d, o->key.ns, name);
}

static void slice_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    slice_service_dirty(ctx, obj);
    slice_service_dirty(ctx, prev);
}

static void namespace_changed(void *ctx, const struct obj *obj, const struct obj *prev)
{
    struct dns *d = ctx;
    const struct obj *o = obj ? obj : prev;

    zone_put_namespace(d->zone, o->key.name, obj != NULL);
}

static void cache_synced(void *ctx)
{
    flush_soon(ctx);
}

static void slice_index(const struct obj *o, const struct json *tree UNUSED, struct buf *out)
{
    str name;

    if (packed_get(o->labels, S(SERVICE_NAME_LABEL), &name))
        buf_fmt(out, PRI_STR "/" PRI_STR, STR_ARG(o->key.ns), STR_ARG(name));
}

static struct forwarder *upstreams(struct loop *loop, const struct dns_options *o)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf text = BUF_INIT;
    const char *path = o->resolv_conf.n ? arena_dupz(a, o->resolv_conf) : "/etc/resolv.conf";
    str found[FORWARD_UPSTREAMS_MAX];
    size_t n = 0;
    int rc = file_read(loop, path, RESOLV_CONF_MAX, &text);

    if (rc < 0)
        log_warning("dns", "%s: %s; names outside the cluster will fail", path, strerror(-rc));
    else
        n = resolv_conf_parse(a, buf_view(&text), found, ARRAY_LEN(found));
    return forwarder_new(loop, found, n, o->listen);
}

struct err *dns_start(const struct dns_options *o, struct dns **ret)
{
    static const struct informer_handler on_service = {service_changed, cache_synced},
                                         on_slice = {slice_changed, cache_synced},
                                         on_namespace = {namespace_changed, cache_synced};
    struct zone *zone = zone_new(o->cluster_domain);
    struct dns *d;
    int rc;

    BUG_ON(!loop_is_mine(o->loop));
    if (!zone)
        return err_new(REASON_INVALID, "\"" PRI_STR "\" is no domain name",
                       STR_ARG(o->cluster_domain));
    d = NEW(struct dns);
    d->loop = o->loop;
    d->zone = zone;
    d->synced = o->synced;
    d->ctx = o->ctx;
    map_init(&d->dirty);
    list_init(&d->conns);
    list_init(&d->pendings);
    rc = udp_open(d->loop, o->listen, udp_arrived, d, &d->udp);
    if (rc == 0) {
        /* A port of the system's choice is chosen once, for both. */
        rc = listener_open(d->loop, udp_address(d->udp), accepted, d, &d->listener);
        if (rc < 0)
            udp_close(d->udp);
    }
    if (rc < 0) {
        zone_free(zone);
        map_fini(&d->dirty);
        mem_free(d);
        return err_errno(rc, "listening for DNS at " PRI_STR, STR_ARG(o->listen));
    }
    d->forwarder = upstreams(d->loop, o);
    d->services = informer_new(
        o->client, &(struct informer_options){.version = S("v1"), .plural = S("services")});
    d->slices = informer_new(o->client, &(struct informer_options){.group = S("discovery.k8s.io"),
                                                                   .version = S("v1"),
                                                                   .plural = S("endpointslices"),
                                                                   .index = slice_index});
    d->namespaces = informer_new(
        o->client, &(struct informer_options){.version = S("v1"), .plural = S("namespaces")});
    informer_add_handler(d->services, &on_service, d);
    informer_add_handler(d->slices, &on_slice, d);
    informer_add_handler(d->namespaces, &on_namespace, d);
    informer_start(d->services);
    informer_start(d->slices);
    informer_start(d->namespaces);
    *ret = d;
    return NULL;
}

void dns_stop(struct dns *d)
{
    if (!d)
        return;
    BUG_ON(!loop_is_mine(d->loop));
    d->stopped = true;
    informer_free(d->services);
    informer_free(d->slices);
    informer_free(d->namespaces);
    forwarder_free(d->forwarder); /* ends all pending queries */
    while (!list_is_empty(&d->conns))
        conn_close(LIST_ITEM(d->conns.next, struct conn, link));
    udp_close(d->udp);
    listener_close(d->listener);
    zone_free(d->zone);
    map_fini(&d->dirty);
    if (!d->flush_deferred)
        mem_free(d);
}
