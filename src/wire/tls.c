/* tls.c - TLS over any stream: the handshake, and the encrypted stream.
 *
 * OpenSSL never sees a socket. Its BIO reads the bytes that the raw stream has just delivered,
 * in place, and writes into a scratch area on the stack, which leaves as one write of the raw
 * stream: no copies of our own in either direction unless somebody has to wait.
 *
 * Invariants
 *   (1) `in` holds ciphertext only while the stream is paused or inside a callback; while it is
 *       paused so is the raw one.
 *   (2) `scratch` is set only while a function of OpenSSL runs, never while a callback of the
 *       user does.
 *   (3) At most TLS_RAW_HIGH bytes wait as ciphertext; what is beyond waits as the user's
 *       plaintext, which for shared bytes costs a reference however many connections send them.
 *   (4) Renegotiation, tickets and session caches are off: a connection's identity is decided
 *       once.
 *
 * Not here: contexts (tls_context.c), the names of a peer (tls_peer.c). */
#include "wire/tls_internal.h"
#include "loop/stream.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define TLS_HANDSHAKE_NS (10 * NS_PER_S)
#define TLS_ALERT_NS NS_PER_S                    /* for the alert of a failed handshake to leave */
#define TLS_RECORD_MAX 16384                     /* bytes of plaintext in a record */
#define TLS_SCRATCH (3 * (TLS_RECORD_MAX + 256)) /* ciphertext of one raw write; on the stack */
#define TLS_CHUNK (3 * TLS_RECORD_MAX)           /* plaintext that fits it */
#define TLS_RAW_HIGH ((size_t)256 << 10)

struct tls_segment { /* plaintext that waits for the raw stream to drain */
    struct list link;
    const struct bytes *bytes;
    size_t at;
    stream_done_fn *done;
    void *ctx;
};

struct tls_stream {
    struct stream s;
    struct stream *raw;
    struct tls_context *context;
    SSL *ssl;
    tls_ready_fn *ready; /* NULL once it has run */
    void *ready_ctx;
    struct loop_timer *timer; /* of the handshake; NULL afterwards */
    const char *now;          /* ciphertext being delivered by the raw stream */
    size_t now_n;
    struct buf in; /* ciphertext that had to wait; `in_at` bytes of it are used up */
    size_t in_at;
    char *scratch; /* NULL: OpenSSL is not running */
    size_t scratch_n, scratch_cap;
    struct list queue;  /* of struct tls_segment */
    size_t queued;      /* plaintext bytes in it */
    unsigned raw_dones; /* raw writes that will tell us when they are through */
    unsigned refs;      /* the owner, and a deferred pump */
    bool pumping, deferred, raw_ended, failed, shut_sent;
    bool alerting; /* the handshake has failed; the stream closes when the peer can know why */
    int raw_error;
    struct tls_peer peer;
    void *peer_block;
};

/* ---- between OpenSSL and the raw stream ---- */

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long number, void *p)
{
    return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_PUSH || cmd == BIO_CTRL_POP;
}

static int bio_read(BIO *bio, char *p, int n)
{
    struct tls_stream *t = BIO_get_data(bio);
    size_t got = 0;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (t->in.n > t->in_at) {
        got = MIN((size_t)n, t->in.n - t->in_at);
        memcpy(p, t->in.p + t->in_at, got);
        t->in_at += got;
        if (t->in_at == t->in.n) {
            buf_clear(&t->in);
            t->in_at = 0;
        }
    } else if (t->now_n) {
        got = MIN((size_t)n, t->now_n);
        memcpy(p, t->now, got);
        t->now += got;
        t->now_n -= got;
    } else {
        BIO_set_retry_read(bio);
        return -1;
    }
    return (int)got;
}

/* Sends what OpenSSL has written so far; done may be NULL. */
static void scratch_flush(struct tls_stream *t, stream_done_fn *done, void *ctx)
{
    if (t->scratch_n && !t->raw->shut)
        stream_write(t->raw, (str){t->scratch, t->scratch_n}, done, ctx);
    t->scratch_n = 0;
}

static void scratch_open(struct tls_stream *t, char *p, size_t cap)
{
    t->scratch = p;
    t->scratch_n = 0;
    t->scratch_cap = cap;
    /* SSL_get_error() looks at the thread's queue; clearing an empty one is not free. */
    if (ERR_peek_error())
        ERR_clear_error();
}

static void scratch_close(struct tls_stream *t, stream_done_fn *done, void *ctx)
{
    scratch_flush(t, done, ctx);
    t->scratch = NULL;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct tls_stream *t = BIO_get_data(bio);
    size_t left = n > 0 ? (size_t)n : 0;

    BIO_clear_retry_flags(bio);
    BUG_ON(!t->scratch);
    while (left) {
        size_t now = MIN(left, t->scratch_cap - t->scratch_n);

        memcpy(t->scratch + t->scratch_n, p, now);
        t->scratch_n += now;
        p += now;
        left -= now;
        if (t->scratch_n == t->scratch_cap)
            scratch_flush(t, NULL, NULL);
    }
    return n;
}

BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

    BUG_ON(!m);
    BIO_meth_set_create(m, bio_create);
    BIO_meth_set_ctrl(m, bio_ctrl);
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    return m;
}

/* ---- the stream ---- */

static void tls_unref(struct tls_stream *t)
{
    if (--t->refs)
        return;
    SSL_free(t->ssl);
    tls_context_unref(t->context);
    buf_fini(&t->in);
    mem_free(t->peer_block);
    mem_free(t);
}

static void segment_free(struct tls_stream *t, struct tls_segment *g)
{
    t->queued -= g->bytes->n - g->at;
    list_del(&g->link);
    bytes_unref(g->bytes);
    mem_free(g);
}

/* Encrypts what is waiting in (p, n); false when the session is broken. The last record is left
 * in the scratch area. */
static bool encrypt(struct tls_stream *t, const char *p, size_t n)
{
    int wrote;

    if (t->failed)
        return false;
    wrote = SSL_write(t->ssl, p, (int)n);
    if (wrote != (int)n)
        t->failed = true;
    return !t->failed;
}

static void on_raw_written(void *ctx, int error);

/* A write on a connection that is beyond use: the raw stream knows how to run `done` later and
 * in order. */
static void write_nothing(struct tls_stream *t, stream_done_fn *done, void *ctx)
{
    if (done && !t->raw->shut)
        stream_write(t->raw, S(""), done, ctx);
}

static void queue_pump(struct tls_stream *t)
{
    char scratch[TLS_SCRATCH];

    while (!list_is_empty(&t->queue) && (stream_queued(t->raw) < TLS_RAW_HIGH || !t->raw_dones)) {
        struct tls_segment *g = LIST_ITEM(t->queue.next, struct tls_segment, link);
        size_t n = MIN(g->bytes->n - g->at, (size_t)TLS_CHUNK);
        bool last = g->at + n == g->bytes->n, ok;

        scratch_open(t, scratch, sizeof scratch);
        ok = n && encrypt(t, g->bytes->data + g->at, n);
        if (!ok) {
            scratch_close(t, NULL, NULL);
            write_nothing(t, g->done, g->ctx);
            segment_free(t, g);
        } else if (last) {
            scratch_close(t, g->done, g->ctx);
            segment_free(t, g);
        } else {
            t->raw_dones++;
            scratch_close(t, on_raw_written, t);
            g->at += n;
            t->queued -= n;
        }
    }
    if (t->s.shut && !t->shut_sent && list_is_empty(&t->queue)) {
        t->shut_sent = true;
        scratch_open(t, scratch, sizeof scratch);
        if (!t->failed)
            SSL_shutdown(t->ssl);
        scratch_close(t, NULL, NULL);
        stream_shutdown(t->raw);
    }
}

static void on_raw_written(void *ctx, int error)
{
    struct tls_stream *t = ctx;

    t->raw_dones--;
    if (error)
        t->failed = true;
    if (!t->s.closing)
        queue_pump(t);
}

static void tls_queue(struct tls_stream *t, const struct bytes *b, stream_done_fn *done, void *ctx)
{
    struct tls_segment *g = NEW(struct tls_segment);

    *g = (struct tls_segment){.bytes = b, .done = done, .ctx = ctx};
    list_add_tail(&t->queue, &g->link);
    t->queued += b->n;
    queue_pump(t);
}

static bool tls_can_write_now(const struct tls_stream *t, size_t n)
{
    return n <= TLS_CHUNK && list_is_empty(&t->queue) && stream_queued(t->raw) < TLS_RAW_HIGH;
}

static void tls_write_now(struct tls_stream *t, str data, stream_done_fn *done, void *ctx)
{
    char scratch[TLS_SCRATCH];
    bool ok;

    scratch_open(t, scratch, sizeof scratch);
    ok = data.n && encrypt(t, data.p, data.n);
    scratch_close(t, ok ? done : NULL, ctx);
    if (!ok)
        write_nothing(t, done, ctx);
}

/* As much of a large write as the raw stream takes now; the last piece is left. */
static size_t write_ahead(struct tls_stream *t, str data)
{
    size_t n = 0;

    for (; data.n - n > TLS_CHUNK && !t->failed && tls_can_write_now(t, TLS_CHUNK); n += TLS_CHUNK)
        tls_write_now(t, (str){data.p + n, TLS_CHUNK}, NULL, NULL);
    return n;
}

static void tls_write(struct stream *s, str data, stream_done_fn *done, void *ctx)
{
    struct tls_stream *t = CONTAINER_OF(s, struct tls_stream, s);

    data = str_skip(data, write_ahead(t, data));
    if (tls_can_write_now(t, data.n))
        tls_write_now(t, data, done, ctx);
    else
        tls_queue(t, bytes_new(data), done, ctx);
}

static void tls_write_bytes(struct stream *s, const struct bytes *b, stream_done_fn *done,
                            void *ctx)
{
    struct tls_stream *t = CONTAINER_OF(s, struct tls_stream, s);

    if (tls_can_write_now(t, b->n))
        tls_write_now(t, bytes_str(b), done, ctx);
    else
        tls_queue(t, bytes_ref(b), done, ctx);
}

static size_t tls_queued(const struct stream *s)
{
    const struct tls_stream *t = CONTAINER_OF(s, struct tls_stream, s);

    return t->queued + stream_queued(t->raw);
}

static void tls_shutdown(struct stream *s)
{
    queue_pump(CONTAINER_OF(s, struct tls_stream, s));
}

struct tls_closing { /* what runs when the raw stream is gone */
    struct tls_stream *t;
    loop_fn *closed;
    void *ctx;
};

static void on_raw_closed(void *ctx)
{
    struct tls_closing *c = ctx;
    loop_fn *closed = c->closed;
    void *closed_ctx = c->ctx;

    tls_unref(c->t);
    mem_free(c);
    if (closed)
        closed(closed_ctx);
}

static void tls_close(struct stream *s, loop_fn *closed, void *ctx)
{
    struct tls_stream *t = CONTAINER_OF(s, struct tls_stream, s);
    struct tls_closing *c = NEW(struct tls_closing);
    char scratch[TLS_SCRATCH];

    *c = (struct tls_closing){t, closed, ctx};
    if (!t->ready && !t->shut_sent && !t->failed && !t->raw_ended && list_is_empty(&t->queue)) {
        scratch_open(t, scratch, sizeof scratch);
        SSL_shutdown(t->ssl);
        scratch_close(t, NULL, NULL);
    }
    while (!list_is_empty(&t->queue))
        segment_free(t, LIST_ITEM(t->queue.next, struct tls_segment, link));
    loop_timer_free(t->timer);
    t->timer = NULL;
    stream_close(t->raw, on_raw_closed, c);
}

/* Decrypts and delivers until the user pauses, closes, or nothing is left. */
static void read_pump(struct tls_stream *t)
{
    char plain[TLS_RECORD_MAX], scratch[512];
    int n, why;

    if (t->pumping)
        return;
    t->pumping = true;
    while (t->s.reading && !t->s.ended && !t->s.closing) {
        scratch_open(t, scratch, sizeof scratch);
        n = SSL_read(t->ssl, plain, sizeof plain);
        why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, n);
        scratch_close(t, NULL, NULL);
        if (n > 0) {
            stream_emit_data(&t->s, plain, (size_t)n);
            continue;
        }
        if (why == SSL_ERROR_WANT_READ && !t->raw_ended)
            break;
        /* A peer that goes without close_notify may have been cut off by somebody else. */
        t->failed = t->failed || why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL;
        stream_emit_end(&t->s, why == SSL_ERROR_ZERO_RETURN ? 0
                               : why != SSL_ERROR_WANT_READ ? -EPROTO
                               : t->raw_error               ? t->raw_error
                                                            : -ECONNRESET);
    }
    t->pumping = false;
}

static void on_deferred_pump(void *ctx)
{
    struct tls_stream *t = ctx;

    t->deferred = false;
    read_pump(t);
    tls_unref(t);
}

static const struct stream_events raw_events;

static void tls_start(struct stream *s)
{
    struct tls_stream *t = CONTAINER_OF(s, struct tls_stream, s);

    if (!t->raw->closing && !t->raw->ended && !t->raw->reading)
        stream_start(t->raw, &raw_events, t);
    if (t->pumping || t->deferred ||
        !(t->in.n > t->in_at || SSL_has_pending(t->ssl) || t->raw_ended))
        return;
    t->deferred = true;
    t->refs++;
    loop_defer(s->loop, on_deferred_pump, t);
}

static void tls_pause(struct stream *s)
{
    struct tls_stream *t = CONTAINER_OF(s, struct tls_stream, s);

    if (!t->raw->closing)
        stream_pause(t->raw);
}

static str tls_peer_address(const struct stream *s)
{
    return stream_peer(CONTAINER_OF(s, struct tls_stream, s)->raw);
}

static str tls_local_address(const struct stream *s)
{
    return stream_local(CONTAINER_OF(s, struct tls_stream, s)->raw);
}

static const struct stream_ops tls_ops = {
    .start = tls_start,
    .pause = tls_pause,
    .write = tls_write,
    .write_bytes = tls_write_bytes,
    .queued = tls_queued,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .peer = tls_peer_address,
    .local = tls_local_address,
};

/* ---- handshake ---- */

static void on_alert_sent(void *ctx, int error)
{
    struct tls_stream *t = ctx;

    if (!t->s.closing)
        stream_close(&t->s, NULL, NULL);
}

/* The raw stream sends at the end of its turn: closing it at once would lose the alert that
 * tells the peer why. */
static void handshake_fail(struct tls_stream *t, int error, const char *why)
{
    tls_ready_fn *ready = TAKE(t->ready);

    t->failed = t->alerting = true;
    loop_timer_set(t->timer, TLS_ALERT_NS);
    stream_write(t->raw, S(""), on_alert_sent, t);
    ready(t->ready_ctx, error, why, NULL, NULL);
}

/* The words of Go's crypto/x509, which users look for; NULL: OpenSSL's own will do. */
static const char *verify_words(long result)
{
    static const struct {
        long result;
        const char *words;
    } table[] = {
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "x509: certificate signed by unknown authority"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
         "x509: certificate signed by unknown authority"},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
         "x509: certificate signed by unknown authority"},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "x509: certificate signed by unknown authority"},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "x509: certificate signed by unknown authority"},
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, "x509: certificate signed by unknown authority"},
        {X509_V_ERR_CERT_HAS_EXPIRED, "x509: certificate has expired or is not yet valid"},
        {X509_V_ERR_CERT_NOT_YET_VALID, "x509: certificate has expired or is not yet valid"},
        {X509_V_ERR_HOSTNAME_MISMATCH, "x509: certificate is not valid for the name of the server"},
        {X509_V_ERR_IP_ADDRESS_MISMATCH,
         "x509: certificate is not valid for the address of the server"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].result == result)
            return table[i].words;
    return NULL;
}

static void handshake_done(struct tls_stream *t)
{
    tls_ready_fn *ready;

    loop_timer_free(t->timer);
    t->timer = NULL;
    tls_peer_fill(t->ssl, t->context->front, &t->peer, &t->peer_block);
    ready = TAKE(t->ready);
    stream_pause(t->raw);
    ready(t->ready_ctx, 0, "", &t->s, &t->peer);
}

static const char *handshake_words(const struct tls_stream *t, unsigned long code)
{
    long result = SSL_is_server(t->ssl) ? X509_V_OK : SSL_get_verify_result(t->ssl);
    const char *words = result == X509_V_OK ? NULL : verify_words(result);

    if (!words && result != X509_V_OK)
        words = X509_verify_cert_error_string(result);
    if (!words && code)
        words = ERR_reason_error_string(code);
    return words ? words : "TLS handshake failed";
}

/* Go's net/http answers so to a client that has forgotten the s of https. */
static const str answer_to_plain_http =
    STR("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");

static void handshake_step(struct tls_stream *t)
{
    char scratch[TLS_SCRATCH];
    unsigned long code;
    int n, why;

    scratch_open(t, scratch, sizeof scratch);
    n = SSL_do_handshake(t->ssl);
    why = n == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, n);
    code = ERR_peek_error();
    if (code && ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST) {
        t->scratch_n = 0;
        stream_write(t->raw, answer_to_plain_http, NULL, NULL);
    }
    scratch_close(t, NULL, NULL);
    if (n == 1) {
        handshake_done(t);
    } else if (why != SSL_ERROR_WANT_READ) {
        handshake_fail(t, -EPROTO, handshake_words(t, code));
    } else if (t->raw_ended) {
        handshake_fail(t, t->raw_error ? t->raw_error : -ECONNRESET,
                       "connection ended during the TLS handshake");
    }
}

static void on_handshake_timeout(void *ctx)
{
    struct tls_stream *t = ctx;

    if (t->alerting)
        on_alert_sent(t, 0);
    else
        handshake_fail(t, -ETIMEDOUT, "TLS handshake timeout");
}

static void on_raw_data(void *ctx, const char *p, size_t n)
{
    struct tls_stream *t = ctx;

    if (t->alerting)
        return;
    t->refs++;
    if (t->in.n > t->in_at) {
        buf_add(&t->in, p, n);
    } else {
        t->now = p;
        t->now_n = n;
    }
    if (t->ready)
        handshake_step(t);
    if (!t->ready && !t->s.closing && !t->failed)
        read_pump(t);
    if (t->now_n && !t->s.closing)
        buf_add(&t->in, t->now, t->now_n);
    else if (t->in.n == 0)
        buf_fini(&t->in);
    t->now_n = 0;
    tls_unref(t);
}

static void on_raw_end(void *ctx, int error)
{
    struct tls_stream *t = ctx;

    t->raw_ended = true;
    t->raw_error = error;
    t->refs++;
    if (t->alerting)
        on_alert_sent(t, 0);
    else if (t->ready)
        handshake_step(t);
    else if (error && !t->s.reading) /* a broken connection is news even for who has paused */
        stream_emit_end(&t->s, error);
    else
        read_pump(t);
    tls_unref(t);
}

static const struct stream_events raw_events = {.data = on_raw_data, .end = on_raw_end};

static struct tls_stream *tls_stream_new(struct tls_context *c, struct loop *loop,
                                         struct stream *raw, int64_t timeout_ns,
                                         tls_ready_fn *ready, void *ctx)
{
    struct tls_stream *t = NEW(struct tls_stream);
    BIO *bio = BIO_new(c->bio);

    stream_init(&t->s, &tls_ops, loop);
    t->refs = 1;
    t->raw = raw;
    t->context = c;
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    t->ready = ready;
    t->ready_ctx = ctx;
    list_init(&t->queue);
    t->ssl = SSL_new(c->ctx);
    BUG_ON(!t->ssl || !bio);
    BIO_set_data(bio, t);
    SSL_set_bio(t->ssl, bio, bio);
    X509_VERIFY_PARAM_set_time(SSL_get0_param(t->ssl), loop_wall(loop).ns / NS_PER_S);
    t->timer = loop_timer_new(loop, on_handshake_timeout, t);
    loop_timer_set(t->timer, timeout_ns ? timeout_ns : TLS_HANDSHAKE_NS);
    stream_start(raw, &raw_events, t);
    return t;
}

struct tls_handshake *tls_accept(const struct tls_server *server, struct loop *loop,
                                 struct stream *raw, int64_t timeout_ns, tls_ready_fn *ready,
                                 void *ctx)
{
    struct tls_stream *t = tls_stream_new(server->context, loop, raw, timeout_ns, ready, ctx);

    SSL_set_accept_state(t->ssl);
    return (struct tls_handshake *)t;
}

static void on_deferred_hello(void *ctx)
{
    struct tls_stream *t = ctx;

    if (t->ready && !t->s.closing)
        handshake_step(t);
    tls_unref(t);
}

/* NULL-terminated copy of a name for OpenSSL; false when it does not fit a DNS name's 253
 * characters. */
static bool verify_name_set(SSL *ssl, str name)
{
    char z[254];

    if (name.n == 0 || name.n >= sizeof z)
        return false;
    memcpy(z, name.p, name.n);
    z[name.n] = '\0';
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), z))
        return true;
    ERR_clear_error();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, z) && SSL_set1_host(ssl, z);
}

struct tls_handshake *tls_connect(const struct tls_client *client, struct loop *loop,
                                  struct stream *raw, str server_name, int64_t timeout_ns,
                                  tls_ready_fn *ready, void *ctx)
{
    struct tls_stream *t = tls_stream_new(client->context, loop, raw, timeout_ns, ready, ctx);

    SSL_set_connect_state(t->ssl);
    if (!verify_name_set(t->ssl, server_name) && !client->context->insecure)
        X509_VERIFY_PARAM_set1_host(SSL_get0_param(t->ssl), "invalid.",
                                    0); /* fails verification, with its words */
    /* Deferred, lest a failure call `ready` from within this call. */
    t->refs++;
    loop_defer(loop, on_deferred_hello, t);
    return (struct tls_handshake *)t;
}

void tls_cancel(struct tls_handshake *h)
{
    struct tls_stream *t = (struct tls_stream *)h;

    BUG_ON(!t->ready);
    t->failed = true;
    stream_close(&t->s, NULL, NULL);
}
