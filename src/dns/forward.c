/* forward.c - names that are not the cluster's: asked upstream, and the answers kept for a while.
 *
 * Each question goes out from a socket of its own (so a port of the kernel's choice, hard to guess) under a random id, and only a
 * datagram from the address asked, with that id and that question, is its answer. The same question asked meanwhile waits for the
 * first. No answer in time, or a refusal: the next upstream. Truncated: the same upstream again over TCP.
 *
 * Limits: questions under way, bytes and entries of the cache, time an answer is kept. At a limit a question fails at once, and the
 * oldest cache entry goes.
 *
 * Loops: at the start a random name is asked upstream; if that question arrives at our own server, upstream forwards to us, and
 * nothing is forwarded any more (CoreDNS' loop plugin).
 *
 * Left out: following changes of resolv.conf while running, DNS over TLS. */
#include "dns/dns_internal.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define ASKS_MAX 2048
#define WAITERS_MAX 256 /* per question */
#define ATTEMPTS_MAX 3
#define ATTEMPT_NS (2 * NS_PER_S) /* CoreDNS' read timeout */
#define TCP_NS (4 * NS_PER_S)
#define CACHE_BYTES_MAX ((size_t)2 << 20)
#define CACHE_ENTRIES_MAX 8192
#define TTL_MAX_S 30 /* kubeadm's Corefile: cache 30 */
/* bytes: name, type, a flag; the three longest names that exist are not cached */
#define KEY_MAX 255

struct entry {
    struct list link; /* in forwarder.oldest_first */
    struct dns_cached cached;
    size_t size;
    uint8_t key_n;
    const uint8_t *key;
    uint16_t data[]; /* ttl_at, then the message, then the key */
};
struct upstream {
    char *address; /* "192.0.2.1:53" */
    struct sockaddr_storage sa;
};
struct waiter {
    forward_done_fn *done;
    void *ctx;
};
struct ask {
    struct forwarder *f;
    struct dns_name name;
    uint16_t type, id;
    bool dnssec_ok, cd, listed;
    int attempt;
    struct udp *udp;
    struct connecting *connecting;
    struct stream *stream;
    struct buf in;
    struct loop_timer *timer;
    struct waiter *waiters;
    size_t n_waiters;
    struct list link; /* in forwarder.asks */
};
struct forwarder {
    struct loop *loop;
    struct upstream upstreams[FORWARD_UPSTREAMS_MAX];
    size_t n_upstreams;
    struct map cache; /* key -> struct entry */
    struct list oldest_first;
    size_t cache_bytes, n_entries;
    struct map by_key; /* key -> struct ask, of those that others may join */
    struct list asks;
    size_t n_asks;
    struct dns_name probe;
    bool looped;
};

/* ---- keys and cache ---- */

struct key_buf {
    uint8_t n;
    uint8_t bytes[KEY_MAX];
};

/* False: too long for a key: neither cached nor joined. */
static bool key_of(const struct dns_name *name, uint16_t type, bool dnssec_ok, struct key_buf *ret)
{
    if ((size_t)name->n + 3 > sizeof ret->bytes)
        return false;
    memcpy(ret->bytes, name->wire, name->n);
    ret->bytes[name->n] = (uint8_t)(type >> 8);
    ret->bytes[name->n + 1] = (uint8_t)type;
    ret->bytes[name->n + 2] = dnssec_ok;
    ret->n = (uint8_t)(name->n + 3);
    return true;
}

static str key_str(const struct key_buf *k)
{
    return (str){(const char *)k->bytes, k->n};
}

static void entry_drop(struct forwarder *f, struct entry *e)
{
    map_del(&f->cache, (str){(const char *)e->key, e->key_n});
    list_del(&e->link);
    f->cache_bytes -= e->size;
    f->n_entries--;
    mem_free(e);
}

static struct entry *entry_new(struct forwarder *f, const struct dns_reply *r,
                               const struct key_buf *k /* NULL: none */)
{
    size_t ttls = r->n_ttls * sizeof(uint16_t),
           size = sizeof(struct entry) + ttls + r->n + (k ? k->n : 0);
    struct entry *e = mem_zalloc(size);
    uint16_t *ttl_at = e->data;
    uint8_t *message = (uint8_t *)(e->data + r->n_ttls);

    if (k) {
        memcpy(message + r->n, k->bytes, k->n);
        e->key = message + r->n;
        e->key_n = k->n;
    }

    memcpy(ttl_at, r->ttl_at, ttls);
    memcpy(message, r->p, r->n);
    for (int s = 0; s < 4; s++) {
        message[4 + 2 * s] = (uint8_t)(r->counts[s] >> 8);
        message[5 + 2 * s] = (uint8_t)r->counts[s];
    }
    e->size = size;
    e->cached = (struct dns_cached){.stored = loop_now(f->loop),
                                    .n = r->n,
                                    .message = message,
                                    .n_ttls = r->n_ttls,
                                    .ttl_at = ttl_at};
    e->cached.expires.ns =
        e->cached.stored.ns + (int64_t)MIN(r->ttl, (uint32_t)TTL_MAX_S) * NS_PER_S;
    list_init(&e->link);
    return e;
}

static void entry_keep(struct forwarder *f, struct entry *e)
{
    str key = {(const char *)e->key, e->key_n};
    struct entry *old = map_find(&f->cache, key);

    if (old)
        entry_drop(f, old);
    map_put(&f->cache, key, e);
    list_add_tail(&f->oldest_first, &e->link);
    f->cache_bytes += e->size;
    f->n_entries++;
    while (f->cache_bytes > CACHE_BYTES_MAX || f->n_entries > CACHE_ENTRIES_MAX)
        entry_drop(f, LIST_ITEM(f->oldest_first.next, struct entry, link));
}

const struct dns_cached *forwarder_find(struct forwarder *f, const struct dns_name *name,
                                        uint16_t type, bool dnssec_ok)
{
    struct key_buf k;
    struct entry *e = key_of(name, type, dnssec_ok, &k) ? map_find(&f->cache, key_str(&k)) : NULL;

    if (!e)
        return NULL;
    if (loop_now(f->loop).ns >= e->cached.expires.ns) {
        entry_drop(f, e);
        return NULL;
    }
    return &e->cached;
}

/* ---- asking ---- */

static void ask_send(struct ask *a);

static void ask_hang_up(struct ask *a)
{
    if (a->udp)
        udp_close(TAKE(a->udp));
    if (a->stream)
        stream_close(TAKE(a->stream), NULL, NULL);
    loop_timer_stop(a->timer);
    buf_clear(&a->in);
}

static void ask_free(struct ask *a)
{
    ask_hang_up(a);
    loop_timer_free(a->timer);
    buf_fini(&a->in);
    mem_free(a->waiters);
    mem_free(a);
}

/* Ends the question: everybody who waits is told, then it is gone. A connection attempt under way frees it later. */
static void ask_finish(struct ask *a, const struct dns_reply *r)
{
    struct forwarder *f = a->f;
    struct entry *e = NULL;
    bool keep = false;
    struct key_buf k;

    if (a->listed && key_of(&a->name, a->type, a->dnssec_ok, &k)) {
        map_del(&f->by_key, key_str(&k));
        keep = r && r->ttl > 0 && (r->rcode == DNS_NOERROR || r->rcode == DNS_NXDOMAIN);
    }
    if (r)
        e = entry_new(f, r, keep ? &k : NULL);
    list_del(&a->link);
    f->n_asks--;
    for (size_t i = 0; i < a->n_waiters; i++)
        a->waiters[i].done(a->waiters[i].ctx, e ? &e->cached : NULL);
    if (keep)
        entry_keep(f, e);
    else
        mem_free(e);
    ask_hang_up(a);
    if (a->connecting) {
        a->f = NULL;
        a->n_waiters = 0;
        connecting_cancel(a->connecting);
        return;
    }
    ask_free(a);
}

static const struct upstream *ask_upstream(const struct ask *a)
{
    return &a->f->upstreams[(size_t)a->attempt % a->f->n_upstreams];
}

static void ask_next(struct ask *a)
{
    ask_hang_up(a);
    if (++a->attempt >= ATTEMPTS_MAX || a->f->looped) {
        ask_finish(a, NULL);
        return;
    }
    ask_send(a);
}

static void ask_timed_out(void *ctx)
{
    struct ask *a = ctx;

    if (a->connecting ||
        a->stream) /* the datagram's answer was there: another upstream will hardly be shorter */
        ask_finish(a, NULL);
    else
        ask_next(a);
}

static bool same_address(const struct sockaddr_storage *sa, const void *peer, size_t peer_len)
{
    const struct sockaddr *p = peer;

    if (peer_len < sizeof(sa_family_t) || p->sa_family != sa->ss_family)
        return false;
    if (p->sa_family == AF_INET && peer_len >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)sa, *y = peer;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    if (p->sa_family == AF_INET6 && peer_len >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)sa, *y = peer;
        return x->sin6_port == y->sin6_port && !memcmp(&x->sin6_addr, &y->sin6_addr, 16);
    }
    return false;
}

static void tcp_data(void *ctx, const char *p, size_t n)
{
    struct ask *a = ctx;
    struct dns_reply r;
    size_t size;

    if (a->in.n + n > 2u + DNS_MESSAGE_MAX) {
        ask_finish(a, NULL);
        return;
    }
    buf_add(&a->in, p, n);
    if (a->in.n < 2)
        return;
    size = (size_t)(uint8_t)a->in.p[0] << 8 | (uint8_t)a->in.p[1];
    if (a->in.n < 2 + size)
        return;
    if (dns_reply_parse((str){a->in.p + 2, size}, a->id, &a->name, a->type, &r) && !r.truncated)
        ask_finish(a, &r);
    else
        ask_finish(a, NULL);
}

static void tcp_end(void *ctx, int error UNUSED)
{
    ask_finish(ctx, NULL);
}

static void tcp_connected(void *ctx, int error, struct stream *s)
{
    static const struct stream_events events = {tcp_data, tcp_end};
    struct ask *a = ctx;
    uint8_t out[2 + DNS_HEADER + DNS_NAME_MAX + 4 + DNS_OPT_SIZE];
    size_t n;

    a->connecting = NULL;
    if (!a->f) { /* ended meanwhile */
        if (s)
            stream_close(s, NULL, NULL);
        ask_free(a);
        return;
    }
    if (error < 0) {
        ask_finish(a, NULL);
        return;
    }
    a->stream = s;
    n = dns_question_write(out + 2, a->id, &a->name, a->type, a->dnssec_ok, a->cd);
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    stream_start(s, &events, a);
    stream_write(s, (str){(char *)out, n + 2}, NULL, NULL);
}

static void udp_arrived(void *ctx, str datagram, const void *peer, size_t peer_len)
{
    struct ask *a = ctx;
    struct dns_reply r;

    if (!a->udp || !same_address(&ask_upstream(a)->sa, peer, peer_len) ||
        !dns_reply_parse(datagram, a->id, &a->name, a->type, &r))
        return; /* somebody guesses, or a late answer to an earlier attempt */
    if (r.truncated) {
        ask_hang_up(a);
        loop_timer_set(a->timer, TCP_NS);
        a->connecting =
            stream_connect(a->f->loop, str_of(ask_upstream(a)->address), TCP_NS, tcp_connected, a);
        return;
    }
    /* An upstream that cannot or will not is no better than one that is silent, while there is another. */
    if ((r.rcode == DNS_SERVFAIL || r.rcode == DNS_REFUSED) && a->attempt + 1 < ATTEMPTS_MAX &&
        (size_t)a->attempt + 1 < a->f->n_upstreams) {
        ask_next(a);
        return;
    }
    ask_finish(a, &r);
}

static void ask_send(struct ask *a)
{
    const struct upstream *u = ask_upstream(a);
    uint8_t out[DNS_HEADER + DNS_NAME_MAX + 4 + DNS_OPT_SIZE];
    bool is_v6 = u->sa.ss_family == AF_INET6;
    size_t n;

    a->id = (uint16_t)loop_random_u64(a->f->loop);
    loop_timer_set(a->timer, ATTEMPT_NS);
    if (udp_open(a->f->loop, is_v6 ? S("[::]:0") : S("0.0.0.0:0"), udp_arrived, a, &a->udp) < 0) {
        a->udp = NULL; /* no socket now: the timer makes the next attempt */
        return;
    }
    n = dns_question_write(out, a->id, &a->name, a->type, a->dnssec_ok, a->cd);
    udp_send(a->udp, (str){(char *)out, n}, &u->sa,
             is_v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
}

static void waiter_add(struct ask *a, forward_done_fn *done, void *ctx)
{
    a->waiters = mem_realloc(a->waiters, (a->n_waiters + 1) * sizeof *a->waiters);
    a->waiters[a->n_waiters++] = (struct waiter){done, ctx};
}

static void fail_now(void *ctx)
{
    ask_finish(ctx, NULL);
}

void forwarder_ask(struct forwarder *f, const struct dns_name *name, uint16_t type, bool dnssec_ok,
                   bool cd, forward_done_fn *done, void *ctx)
{
    struct key_buf k;
    bool has_key = !cd && key_of(name, type, dnssec_ok, &k);
    struct ask *a = has_key ? map_find(&f->by_key, key_str(&k)) : NULL;

    if (a && a->n_waiters < WAITERS_MAX) {
        waiter_add(a, done, ctx);
        return;
    }
    has_key = has_key && !a;
    a = NEW(struct ask);
    a->f = f;
    a->name = *name;
    a->type = type;
    a->dnssec_ok = dnssec_ok;
    a->cd = cd;
    a->in.limit = 2u + DNS_MESSAGE_MAX;
    a->timer = loop_timer_new(f->loop, ask_timed_out, a);
    waiter_add(a, done, ctx);
    list_add_tail(&f->asks, &a->link);
    if (f->n_asks++ >= ASKS_MAX || f->n_upstreams == 0 || f->looped) {
        loop_timer_free(a->timer);
        a->timer = loop_timer_new(f->loop, fail_now, a);
        loop_timer_set(a->timer, 0);
        return;
    }
    if (has_key) {
        a->listed = true;
        map_put(&f->by_key, key_str(&k), a);
    }
    ask_send(a);
}

/* ---- probing for loops ---- */

static void probe_done(void *ctx UNUSED, const struct dns_cached *answer UNUSED)
{
    /* Whatever upstream thinks of the name: what counts is whether the question came back (forwarder_is_probe). */
}

bool forwarder_is_probe(struct forwarder *f, const struct dns_name *name, uint16_t type)
{
    if (type != DNS_HINFO || f->probe.n == 0 ||
        !str_eq(dns_name_str(name), dns_name_str(&f->probe)))
        return false;
    if (!f->looped)
        log_error("dns", "the upstream name server forwards to us: names outside the cluster fail "
                         "until its configuration is mended");
    f->looped = true;
    return true;
}

static void probe_start(struct forwarder *f)
{
    CLEANUP(buf) struct buf name = BUF_INIT;

    buf_fmt(&name, "%llu.%llu", (unsigned long long)loop_random_u64(f->loop),
            (unsigned long long)loop_random_u64(f->loop));
    BUG_ON(!dns_name_parse(buf_view(&name), &f->probe));
    forwarder_ask(f, &f->probe, DNS_HINFO, false, false, probe_done, f);
}

/* ---- life ---- */

static bool upstream_parse(str address, struct sockaddr_storage *ret)
{
    char host[INET6_ADDRSTRLEN];
    ptrdiff_t colon = str_rindex(address, ':');
    int64_t port;
    str h;

    if (colon < 0 || !str_to_int64(str_skip(address, (size_t)colon + 1), &port) || port < 1 ||
        port > 65535)
        return false;
    h = str_slice(address, 0, (size_t)colon);
    if (h.n > 1 && h.p[0] == '[')
        h = str_slice(h, 1, h.n - 1);
    if (h.n == 0 || h.n >= sizeof host)
        return false;
    memcpy(host, h.p, h.n);
    host[h.n] = 0;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, host, &((struct sockaddr_in *)ret)->sin_addr) == 1) {
        ret->ss_family = AF_INET;
        ((struct sockaddr_in *)ret)->sin_port = htons((uint16_t)port);
        return true;
    }
    if (inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)ret)->sin6_addr) == 1) {
        ret->ss_family = AF_INET6;
        ((struct sockaddr_in6 *)ret)->sin6_port = htons((uint16_t)port);
        return true;
    }
    return false;
}

size_t resolv_conf_parse(struct arena *a, str text, str *ret, size_t max)
{
    size_t n = 0;
    str line;

    while (n < max && str_cut(&text, '\n', &line)) {
        line = str_trim(line);
        if (!str_has_prefix(line, S("nameserver")) || line.n < 11 ||
            (line.p[10] != ' ' && line.p[10] != '\t'))
            continue;
        str v = str_trim(str_skip(line, 10));
        struct sockaddr_storage sa;
        if (str_has_char(v,
                         '%')) /* an interface's scope: link-local servers are not for a cluster */
            continue;
        /* A port is our addition to the format: "127.0.0.1:5353". */
        if (!upstream_parse(v, &sa) || sa.ss_family == AF_INET6)
            v = str_has_char(v, ':') ? arena_fmt(a, "[" PRI_STR "]:53", STR_ARG(v))
                                     : arena_fmt(a, PRI_STR ":53", STR_ARG(v));
        if (upstream_parse(v, &sa))
            ret[n++] = arena_dup(a, v);
    }
    return n;
}

struct forwarder *forwarder_new(struct loop *loop, const str *upstreams, size_t n, str own_address)
{
    struct forwarder *f = NEW(struct forwarder);

    f->loop = loop;
    map_init(&f->cache);
    map_init(&f->by_key);
    list_init(&f->oldest_first);
    list_init(&f->asks);
    for (size_t i = 0; i < n && f->n_upstreams < FORWARD_UPSTREAMS_MAX; i++) {
        struct upstream *u = &f->upstreams[f->n_upstreams];
        if (str_eq(upstreams[i], own_address))
            continue; /* the host asks the cluster's DNS: it must not ask back */
        if (!upstream_parse(upstreams[i], &u->sa))
            continue;
        u->address = str_dupz(upstreams[i]);
        f->n_upstreams++;
    }
    if (f->n_upstreams)
        probe_start(f);
    return f;
}

void forwarder_free(struct forwarder *f)
{
    if (!f)
        return;
    f->looped = true; /* nobody asks anew from inside a completion */
    while (!list_is_empty(&f->asks))
        ask_finish(LIST_ITEM(f->asks.next, struct ask, link), NULL);
    while (!list_is_empty(&f->oldest_first))
        entry_drop(f, LIST_ITEM(f->oldest_first.next, struct entry, link));
    for (size_t i = 0; i < f->n_upstreams; i++)
        mem_free(f->upstreams[i].address);
    map_fini(&f->cache);
    map_fini(&f->by_key);
    mem_free(f);
}
