/* call.c - one question to one webhook.
 *
 * outgoing.c makes the connection and words what goes wrong with it. Calls beyond CALLS_OUT_MAX wait in line; a webhook's
 * time limit begins when it is asked. */
#include "api/dynamic/dynamic_internal.h"
#include "api/outgoing.h"

struct call {
    struct list link; /* in d->queue while it waits for its turn */
    struct dynamic *d;
    struct answers *of;
    struct answer *answer;
    struct webhook *hook; /* its configuration is referenced */
    str question;         /* of the run that asks: there until the call is sent or abandoned */
    char uid[40];
    struct outgoing_call *out; /* NULL: not sent yet */
};

struct call *call_new(struct answers *n, struct answer *answer, struct webhook *h, str question)
{
    struct call *c = NEW(struct call);

    c->d = answers_api(n)->dynamic;
    c->of = n;
    c->answer = answer;
    c->hook = h;
    h->of->refs++;
    c->question = question;
    list_init(&c->link);
    return c;
}

static void call_free(struct call *c)
{
    list_del(&c->link);
    webhooks_unref(c->hook->of);
    mem_free(c);
}

static void call_send(struct call *c);

static void next_from_queue(struct dynamic *d)
{
    while (!d->stopped && d->n_out < CALLS_OUT_MAX && !list_is_empty(&d->queue)) {
        struct call *c = LIST_ITEM(d->queue.next, struct call, link);

        list_del(&c->link);
        call_send(c);
    }
}

static void call_over(struct call *c)
{
    struct answers *n = c->of;

    answers_heard(n, c);
    call_free(c);
}

static void call_failed(struct call *c, const char *what, const char *why)
{
    c->answer->outcome = OUTCOME_FAILED;
    c->answer->failure = arena_fmt(answers_memory(c->of), "%s: %s", what, why);
}

static void on_answer(void *ctx, struct err *e, str body)
{
    struct call *c = ctx;
    struct dynamic *d = c->d;
    struct arena *a = answers_memory(c->of);

    c->out = NULL;
    d->n_out--;
    if (e)
        call_failed(c, "failed to call webhook", err_text(e));
    else
        review_read(a, c->hook, str_of(c->uid), arena_dup(a, body), c->answer);
    err_free(e);
    call_over(c);
    next_from_queue(d);
}

/* Seconds as the webhook is told them: rounded up. A URL without a path has one all the same. */
static struct err *target_of(struct call *c, struct arena *a, int64_t timeout_ns,
                             struct outgoing_target *ret)
{
    str query = arena_fmt(a, "timeout=%llds", (long long)((timeout_ns + NS_PER_S - 1) / NS_PER_S));
    struct err *e = outgoing_target_of(a, c->hook->client_config, S(""), ret);
    ptrdiff_t at;

    if (e)
        return e;
    at = str_find(ret->url, S("://"));
    ret->url =
        arena_fmt(a, PRI_STR "%s?" PRI_STR, STR_ARG(ret->url),
                  at > 0 && !str_has_char(str_skip(ret->url, (size_t)at + 3), '/') ? "/" : "",
                  STR_ARG(query));
    return NULL;
}

static void call_send(struct call *c)
{
    struct arena *a = arena_new();
    int64_t left = answers_left_ns(c->of),
            timeout_ns = c->hook->timeout_ns < left ? c->hook->timeout_ns : left;
    struct outgoing_target target;
    struct buf body = BUF_INIT;
    struct err *e = NULL;

    if (c->hook->review == REVIEW_UNKNOWN)
        call_failed(c, "could not create admission objects",
                    "webhook does not accept known AdmissionReview versions (v1, v1beta1)");
    else
        e = target_of(c, a, timeout_ns, &target);
    if (e)
        call_failed(c, "could not get REST client", err_text(e));
    if (c->answer->outcome == OUTCOME_FAILED) {
        err_free(e);
        arena_free(a);
        call_over(c);
        return;
    }
    snprintf(c->uid, sizeof c->uid, PRI_STR, STR_ARG(new_uid(c->d->api, NULL, a)));
    review_text(&body, c->hook, str_of(c->uid), c->question);
    c->d->n_out++;
    c->out = outgoing_post(c->d->api, &target, buf_view(&body), timeout_ns > 0 ? timeout_ns : 0,
                           on_answer, c);
    buf_fini(&body);
    arena_free(a);
}

/* Failing at once would run the write again inside its own completion: all calls begin in a turn of their own. */
static void on_turn(void *ctx)
{
    struct dynamic *d = ctx;

    d->turn_queued = false;
    next_from_queue(d);
}

void call_submit(struct call *c)
{
    struct dynamic *d = c->d;

    list_add_tail(&d->queue, &c->link);
    if (!d->turn_queued)
        loop_timer_set(d->turn, 0);
    d->turn_queued = true;
}

void call_abandon(struct call *c)
{
    struct dynamic *d = c->d;

    if (c->out) {
        outgoing_cancel(c->out);
        d->n_out--;
        if (!d->turn_queued)
            loop_timer_set(d->turn, 0); /* its place is another's */
        d->turn_queued = true;
    }
    call_free(c);
}

struct loop_timer *calls_turn_new(struct dynamic *d)
{
    return loop_timer_new(d->api->loop, on_turn, d);
}
