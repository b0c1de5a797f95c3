/* answers.c - a write's memory: what webhooks have answered to it, and how it waits for what they have not.
 *
 * An answer belongs to the very question: SHA-256 of the webhook, the round, and the review without its uid. A write that
 * runs again with the same content finds all its answers; one whose object has changed in between asks again. */
#include "api/conversion.h"
#include "api/dynamic/policy.h"

struct answers {
    struct dynamic *d;
    struct req *req;
    struct arena *a;   /* questions and answers */
    struct arena *run; /* what a run works with */
    struct list link;  /* in d->waits while it waits */
    struct answer *known;
    struct call **asked; /* by this run, not sent yet; then those that are out */
    size_t n_asked, cap_asked, n_open;
    struct err *not_yet; /* what ends a run; borrowed */
    answers_again_fn *again;
    void *ctx;
    struct loop_timer *timer;
    mono_time deadline;
    size_t held_bytes;
    unsigned char *random; /* drawn so far */
    size_t n_random, at_random;
    uint32_t n_warnings, n_notes; /* of the request before its first run */
    bool began, waiting;
    struct err *end; /* ends the write at the next turn */
};

static void answers_free(void *ctx)
{
    struct answers *n = ctx;

    BUG_ON(n->waiting);
    loop_timer_free(n->timer);
    arena_free(n->run);
    arena_free(n->a);
}

static bool concerns(struct dynamic *d, const struct kind *k, str subresource, enum admission_op op)
{
    for (int kind = 0; kind < N_CONFIGURED; kind++)
        WEBHOOK_EACH(h, d, kind)
            if (matcher_concerns(&h->match, d->api, k, subresource, op))
                return true;
    return policies_concern(d, k, subresource, op);
}

static void on_timer(void *ctx);

/* A client may ask for less time than it is given, as kubectl --request-timeout does. */
static int64_t patience_ns(struct req *q)
{
    int64_t ns;

    return str_to_duration(query_str(q, "timeout"), &ns) && ns > 0 && ns < ANSWERS_DEADLINE_NS
               ? ns
               : ANSWERS_DEADLINE_NS;
}

struct answers *answers_new(struct req *q, const struct kind *k, str subresource,
                            enum admission_op op, enum admission_op or_op)
{
    struct api *api = q->api;
    struct answers *n;

    if (!k->converter && (!api->n_dynamic || kind_is_exempt(k) ||
                          !(concerns(api->dynamic, k, subresource, op) ||
                            (or_op != op && concerns(api->dynamic, k, subresource, or_op)))))
        return NULL;
    n = ARENA_NEW(q->a, struct answers);
    n->d = api->dynamic;
    n->req = q;
    n->a = arena_new();
    n->n_warnings = q->warnings.n;
    n->n_notes = audit_notes(q);
    n->deadline = (mono_time){loop_now(api->loop).ns + patience_ns(q)};
    n->timer = loop_timer_new(api->loop, on_timer, n);
    n->run = arena_new();
    arena_at_end(q->a, answers_free, n);
    return n;
}

struct arena *answers_arena(struct answers *n, struct req *q)
{
    return n ? n->run : q->a;
}

void answers_begin(struct answers *n)
{
    if (!n)
        return;
    n->at_random = 0;
    n->n_asked = 0;
    n->not_yet = NULL;
    if (n->began) {
        /* Those of a run that came to nothing. */
        n->req->warnings.n = n->n_warnings;
        audit_forget(n->req, n->n_notes);
        arena_reset(n->run);
    }
    n->began = true;
}

void answers_random(struct answers *n, struct api *api, void *p, size_t size)
{
    size_t old;

    if (!n) {
        loop_random(api->loop, p, size);
        return;
    }
    if (n->at_random + size > n->n_random) {
        old = n->n_random;
        n->n_random = n->at_random + size;
        n->random = arena_grow(n->a, n->random, old, n->n_random);
        loop_random(api->loop, n->random + old, n->n_random - old);
    }
    memcpy(p, n->random + n->at_random, size);
    n->at_random += size;
}

int64_t answers_left_ns(const struct answers *n)
{
    return n->deadline.ns - loop_now(n->d->api->loop).ns;
}

struct api *answers_api(const struct answers *n)
{
    return n->d->api;
}

struct arena *answers_memory(const struct answers *n)
{
    return n->a;
}

void answers_forget(struct answers *n)
{
    n->known = NULL;
    n->asked = NULL;
    n->random = NULL;
    n->cap_asked = n->n_asked = n->n_random = 0;
    n->n_warnings = n->req->warnings.n;
    n->n_notes = audit_notes(n->req);
    arena_reset(n->a);
}

/* ---- questions ---- */

static void key_of(struct answers *n, const struct webhook *h, int round, str question,
                   char ret[65])
{
    struct buf b = BUF_INIT;

    (void)n;
    buf_fmt(&b, PRI_STR "\n%d\n", STR_ARG(h->id), round);
    buf_str(&b, question);
    sha256_hex(buf_view(&b), ret);
    buf_fini(&b);
}

const struct answer *answers_ask(struct answers *n, struct webhook *h, int round, str question)
{
    struct answer *x;
    char key[65];

    key_of(n, h, round, question, key);
    for (x = n->known; x; x = x->next)
        if (!strcmp(x->key, key))
            return x;
    x = ARENA_NEW(n->a, struct answer);
    memcpy(x->key, key, sizeof key);
    if (n->n_asked == n->cap_asked) {
        size_t cap = n->cap_asked ? 2 * n->cap_asked : 4;

        n->asked =
            arena_grow(n->a, n->asked, n->cap_asked * sizeof *n->asked, cap * sizeof *n->asked);
        n->cap_asked = cap;
    }
    n->asked[n->n_asked++] = call_new(n, x, h, question);
    x->next = n->known;
    n->known = x;
    return NULL;
}

struct err *answers_not_yet(struct answers *n)
{
    BUG_ON(!n->n_asked);
    n->not_yet = err_new(REASON_UNAVAILABLE, "webhooks have not answered yet");
    return n->not_yet;
}

void answers_tell(struct answers *n, const struct webhook *h, const struct json *response)
{
    JSON_EACH(w, json_findz(response, "warnings"))
        req_warn(n->req, json_str(w));
    JSON_EACH_MEMBER(m, json_findz(response, "auditAnnotations"))
        audit_note(n->req,
                   arena_fmt(n->req->a, PRI_STR "/" PRI_STR, STR_ARG(h->name), STR_ARG(m->key)),
                   arena_dup(n->req->a, json_str(&m->value)));
}

/* ---- waiting ---- */

/* Ends the wait, and lets the write go on or end. */
static void resume(struct answers *n, struct err *e)
{
    BUG_ON(!n->waiting);
    n->waiting = false;
    list_del(&n->link);
    loop_timer_stop(n->timer);
    n->d->waiting_bytes -= n->held_bytes;
    n->req->ex->on_gone = NULL;
    n->again(n->ctx, e);
}

/* Whatever is out is nobody's any more. What was asked and not answered may be asked again. */
static void abandon(struct answers *n)
{
    struct answer **at = &n->known;

    conversions_cancel(n->req);
    for (size_t i = 0; i < n->n_asked; i++)
        if (n->asked[i])
            call_abandon(n->asked[i]);
    n->n_asked = n->n_open = 0;
    while (*at)
        if ((*at)->outcome == OUTCOME_PENDING)
            *at = (*at)->next;
        else
            at = &(*at)->next;
}

static void give_up(struct answers *n, struct err *e)
{
    abandon(n);
    resume(n, e);
}

static struct err *deadline_passed(void)
{
    return err_details(err_new(REASON_TIMEOUT,
                               "Timeout: request did not complete within requested timeout - "
                               "context deadline exceeded"),
                       S(""), S(""), S(""));
}

static void on_timer(void *ctx)
{
    struct answers *n = ctx;

    give_up(n, n->end ? TAKE(n->end) : deadline_passed());
}

/* The exchange may not be ended before this call has returned. */
static void on_gone(void *user, struct http_exchange *ex)
{
    struct answers *n = user;

    ex->on_gone = NULL;
    abandon(n);
    if (!n->end)
        n->end = err_new(REASON_TIMEOUT, "the client has gone");
    loop_timer_set(n->timer, 0);
}

static void wait_begin(struct answers *n, answers_again_fn *again, void *ctx)
{
    struct dynamic *d = n->d;

    n->again = again;
    n->ctx = ctx;
    n->waiting = true;
    n->held_bytes = arena_used(n->req->a) + arena_used(n->a) + arena_used(n->run);
    d->waiting_bytes += n->held_bytes;
    list_add_tail(&d->waits, &n->link);
    n->req->ex->user = n;
    n->req->ex->on_gone = on_gone;
    if (d->stopped)
        n->end = err_new(REASON_UNAVAILABLE, "apiserver is shutting down");
    else if (n->req->ex->gone)
        n->end = err_new(REASON_TIMEOUT, "the client has gone");
    else if (d->waiting_bytes > WAITING_BYTES_MAX) {
        n->end = err_new(REASON_TOO_MANY_REQUESTS, "Too many requests, please try again later.");
        n->end->retry_after_s = 1;
    }
    loop_timer_set(n->timer, n->end ? 0 : answers_left_ns(n));
}

static void on_converted(void *ctx, struct err *e)
{
    resume(ctx, e);
}

bool answers_wait(struct answers *n, struct err *e, answers_again_fn *again, void *ctx)
{
    if (!n || !e)
        return false;
    if (conversions_missing(n->req, e)) {
        abandon(n);
        err_free(e);
        n->not_yet = NULL;
        wait_begin(n, again, ctx);
        if (!n->end)
            conversions_ask(n->req, on_converted, n);
        return true;
    }
    if (e != n->not_yet) {
        abandon(n); /* refused for another reason before the questions were sent */
        return false;
    }
    err_free(e);
    n->not_yet = NULL;
    n->n_open = n->n_asked;
    wait_begin(n, again, ctx);
    for (size_t i = 0; !n->end && i < n->n_asked; i++)
        call_submit(n->asked[i]);
    return true;
}

void answers_heard(struct answers *n, struct call *c)
{
    for (size_t i = 0; i < n->n_asked; i++)
        if (n->asked[i] == c)
            n->asked[i] = NULL;
    if (--n->n_open == 0)
        resume(n, NULL);
}

void dynamic_stop(struct dynamic *d)
{
    if (!d)
        return;
    d->stopped = true;
    while (!list_is_empty(&d->waits))
        give_up(LIST_ITEM(d->waits.next, struct answers, link),
                err_new(REASON_UNAVAILABLE, "apiserver is shutting down"));
}
