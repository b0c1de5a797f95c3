/* webhooks.c - what webhooks decide: mutating ones one after the other, each seeing what those before have made of the
 * object; validating ones all at once.
 *
 * API: k8s.io/apiserver/pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go, webhook/errors */
#include "api/dynamic/dynamic_internal.h"

/* ---- refusals ---- */

static void details_of(struct err *e, const struct json *d)
{
    str uid = json_get_str(d, "uid");
    int64_t retry = json_get_int(d, "retryAfterSeconds", 0);

    if (!d)
        return;
    err_details(e, json_get_str(d, "group"), json_get_str(d, "kind"), json_get_str(d, "name"));
    if (uid.n)
        e->details_uid = str_dupz(uid);
    if (retry > 0 && retry <= INT32_MAX)
        e->retry_after_s = (unsigned)retry;
    JSON_EACH(c, json_findz(d, "causes")) {
        CLEANUP(buf) struct buf type = BUF_INIT;

        buf_str(&type, json_get_str(c, "reason"));
        err_cause_add(e, buf_cstr(&type), json_get_str(c, "field"), json_get_str(c, "message"));
    }
}

/* The webhook's own Status, with who it is put before its message. It cannot refuse with a code that means success. */
static struct err *denied(const struct webhook *h, const struct json *response)
{
    const struct json *status = json_findz(response, "status");
    str message = json_get_str(status, "message"), reason = json_get_str(status, "reason");
    int64_t code = json_get_int(status, "code", 400);
    struct err *e;

    if (message.n || reason.n)
        e = err_new(REASON_UNKNOWN,
                    "admission webhook \"" PRI_STR "\" denied the request: " PRI_STR,
                    STR_ARG(h->name), STR_ARG(message.n ? message : reason));
    else
        e = err_new(REASON_UNKNOWN,
                    "admission webhook \"" PRI_STR "\" denied the request without explanation",
                    STR_ARG(h->name));
    e->code = code < 400 ? 400 : code > 999 ? 500 : (int)code;
    if (reason.n)
        e->reason_text = str_dupz(reason);
    details_of(e, json_findz(status, "details"));
    return e;
}

static struct err *call_failure(const struct webhook *h, const struct answer *x)
{
    return err_internal("failed calling webhook \"" PRI_STR "\": " PRI_STR, STR_ARG(h->name),
                        STR_ARG(x->failure));
}

static struct err *no_dry_run(const struct webhook *h)
{
    return err_new(REASON_BAD_REQUEST, "admission webhook \"" PRI_STR "\" does not support dry run",
                   STR_ARG(h->name));
}

/* A failure that the webhook's policy ignores is only logged. */
static bool is_ignored(const struct webhook *h, const struct answer *x)
{
    if (x->outcome != OUTCOME_FAILED || !h->ignore_failure)
        return false;
    log_warning("webhook", "failed calling webhook, failing open " PRI_STR ": " PRI_STR,
                STR_ARG(h->name), STR_ARG(x->failure));
    return true;
}

/* ---- one question ---- */

/* *ret_ask: is it to be asked at all? Then about *ret_shown. */
static struct err *should_ask(struct attributes *t, struct webhook *h, bool *ret_ask,
                              struct shown *ret_shown)
{
    const struct kind *k;
    struct err *e = matcher_try(&h->match, t, ret_ask, &k);

    if (!e && *ret_ask)
        e = shown_make(t, k, ret_shown);
    if (!e && *ret_ask)
        e = conditions_match(t, h, ret_shown, ret_ask);
    if (!e && *ret_ask && t->dry_run && !h->dry_run_ok)
        e = no_dry_run(h);
    return e;
}

/* ---- the audit log's view ---- */

struct place { /* of a webhook in its round */
    int round, index;
};

static void note(struct attributes *t, const char *prefix, struct place at, str value)
{
    struct arena *a = t->req->a;

    audit_note(t->req, arena_fmt(a, "%s/round_%d_index_%d", prefix, at.round, at.index),
               arena_dup(a, value));
}

static void note_mutation(struct attributes *t, const struct webhook *h, struct place at,
                          const struct json *patch, bool mutated)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!t->req->audited)
        return;
    buf_fmt(&b, "{\"configuration\":\"" PRI_STR "\",\"webhook\":\"" PRI_STR "\",\"mutated\":%s}",
            STR_ARG(h->of->name), STR_ARG(h->name), mutated ? "true" : "false");
    note(t, "mutation.webhook.admission.k8s.io", at, buf_view(&b));
    if (!patch || !audit_keeps_bodies(t->req))
        return;
    buf_clear(&b);
    buf_fmt(&b, "{\"configuration\":\"" PRI_STR "\",\"webhook\":\"" PRI_STR "\",\"patch\":",
            STR_ARG(h->of->name), STR_ARG(h->name));
    json_encode(&b, patch);
    buf_z(&b, ",\"patchType\":\"JSONPatch\"}");
    note(t, "patch.webhook.admission.k8s.io", at, buf_view(&b));
}

/* ---- mutating ---- */

static struct err *patch_apply(struct attributes *t, const struct webhook *h,
                               const struct shown *shown, const struct json *patch,
                               bool *ret_changed)
{
    struct json *next;
    struct err *e, *out;

    if (!shown->obj)
        return err_internal("admission webhook \"" PRI_STR
                            "\" attempted to modify the object, which is not supported for this "
                            "operation",
                            STR_ARG(h->name));
    next = json_new(t->a, json_share(t->a, shown->obj));
    e = patch_json(t->a, next, patch);
    if (e) {
        /* The library's own words, which PATCH requests do not show. */
        out = err_internal("%s", e->trail ? e->trail : err_text(e));
        err_free(e);
        return out;
    }
    /* The patch outlives this run, the object does not change it. */
    *next = json_copy(t->a, next);
    return form_take(t, shown->kind, shown->obj, next, ret_changed);
}

static struct err *mutate_one(struct attributes *t, struct webhook *h, struct place at,
                              struct second_round *s)
{
    const struct answer *x;
    struct shown shown = {0};
    bool ask, changed = false;
    struct err *e = should_ask(t, h, &ask, &shown);

    if (e || !ask || (at.round && !map_find(&s->webhooks.again, h->id)))
        return e;
    x = answers_ask(t->answers, h, at.round, review_question(t, &shown));
    if (!x)
        return answers_not_yet(t->answers);
    if (x->response)
        answers_tell(t->answers, h, x->response);
    if (x->outcome == OUTCOME_DENIED)
        return denied(h, x->response);
    if (x->outcome == OUTCOME_FAILED && !is_ignored(h, x))
        return call_failure(h, x);
    if (x->outcome == OUTCOME_FAILED)
        note(t, "failed-open.mutation.webhook.admission.k8s.io", at, h->name);
    if (x->patch) {
        e = patch_apply(t, h, &shown, x->patch, &changed);
        if (e)
            return e;
    }
    note_mutation(t, h, at, x->patch, changed);
    if (changed) {
        round_require(&s->webhooks);
        s->wanted = true;
    }
    if (h->reinvoke)
        map_put(&s->webhooks.invoked, h->id, s);
    return NULL;
}

struct err *webhooks_mutate(struct attributes *t, int round, struct second_round *s)
{
    struct place at = {round, 0};

    round_begin(&s->webhooks, t, round);
    WEBHOOK_EACH(h, t->req->api->dynamic, CONFIGURED_MUTATING) {
        struct err *e = mutate_one(t, h, at, s);

        at.index++;
        if (e)
            return e;
    }
    round_end(&s->webhooks, t);
    return NULL;
}

/* ---- validating ---- */

struct validation {
    struct attributes *t;
    struct err *first; /* the first refusal, in the webhooks' order */
    bool missing;
};

static struct err *validate_one(struct validation *v, struct webhook *h, struct place at)
{
    struct attributes *t = v->t;
    const struct answer *x;
    struct shown shown = {0};
    struct err *refusal = NULL, *e;
    bool ask;

    e = should_ask(t, h, &ask, &shown);
    if (e || !ask)
        return e;
    x = answers_ask(t->answers, h, 0, review_question(t, &shown));
    if (!x) {
        v->missing = true;
        return NULL;
    }
    if (x->response)
        answers_tell(t->answers, h, x->response);
    if (x->outcome == OUTCOME_DENIED)
        refusal = denied(h, x->response);
    else if (x->outcome == OUTCOME_FAILED && !is_ignored(h, x))
        refusal = call_failure(h, x);
    else if (x->outcome == OUTCOME_FAILED)
        note(t, "failed-open.validating.webhook.admission.k8s.io", at, h->name);
    if (v->first)
        err_free(refusal);
    else
        v->first = refusal;
    return NULL;
}

struct err *webhooks_validate(struct attributes *t)
{
    struct validation v = {.t = t};
    struct place at = {0, 0};

    WEBHOOK_EACH(h, t->req->api->dynamic, CONFIGURED_VALIDATING) {
        struct err *e = validate_one(&v, h, at);

        at.index++;
        if (e) {
            err_free(v.first);
            return e;
        }
    }
    if (!v.missing)
        return v.first;
    err_free(v.first);
    return answers_not_yet(t->answers);
}
