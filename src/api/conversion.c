/* conversion.c - the requests and answers of conversion webhooks: see conversion.h.
 *
 * Invariants
 *   (1) What a webhook says is believed only of spec and the like: kind, name, namespace and uid have to be the same, all metadata but
 *       labels and annotations stays what it was.
 *   (2) An answer belongs to the content that was asked about (SHA-256), whatever its resourceVersion, generation and managedFields.
 *
 * API: k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go */
#include "api/conversion.h"
#include "api/outgoing.h"
#include "api/validation/check.h"

struct conversion { /* one object into one version */
    struct conversion *next;
    const struct kind *kind;
    str to, source; /* apiVersion; JSON */
    str text;       /* converted; p NULL: not known */
};
struct conversions { /* of one request */
    struct req *q;
    struct arena *a;
    struct map known; /* hash -> struct conversion */
    struct conversion *missing, **last;
    const struct err *not_yet; /* borrowed */
    struct outgoing_call *call;
    struct conversion *asked; /* by this call: so many of `missing` */
    size_t n_asked;
    char uid[37];
    conversions_fn *done;
    void *ctx;
    /* convert_then() */
    conversions_fn *then;
    void *then_ctx;
    struct loop_timer *gone;
};

static void conversions_free(void *ctx)
{
    struct conversions *c = ctx;

    if (c->call)
        outgoing_cancel(c->call);
    if (c->gone)
        loop_timer_free(c->gone);
    map_fini(&c->known);
    arena_free(c->a);
    mem_free(c);
}

static struct conversions *of(struct req *q)
{
    struct conversions *c = q->conversions;

    if (c)
        return c;
    c = q->conversions = NEW(struct conversions);
    c->q = q;
    c->a = arena_new();
    map_init(&c->known);
    c->last = &c->missing;
    arena_at_end(q->ex->arena, conversions_free, c);
    return c;
}

/* ---- what is known ---- */

/* Its kind and version, what a user writes, and who it is. */
static str key_of(struct arena *a, str to, const struct json *obj)
{
    static const char *const volatile_fields[] = {"managedFields", "resourceVersion", "generation"};
    struct json plain = json_share(a, obj), *meta = json_findz(&plain, "metadata");
    CLEANUP(buf) struct buf b = BUF_INIT;
    char hex[65];

    for (size_t i = 0; i < ARRAY_LEN(volatile_fields); i++)
        json_removez(meta, volatile_fields[i]);
    buf_fmt(&b, PRI_STR "\n", STR_ARG(to));
    json_encode(&b, &plain);
    sha256_hex(buf_view(&b), hex);
    return arena_dup(a, str_of(hex));
}

/* Labels and annotations are the webhook's to change. */
static void take(struct arena *a, struct json *obj, struct json *converted)
{
    static const char *const fields[] = {"labels", "annotations"};
    const struct json *said = json_findz(converted, "metadata"), *was = json_findz(obj, "metadata");
    struct json meta = was ? json_share(a, was) : json_object();

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct json *v = json_findz(said, fields[i]);

        if (v && v->type == JSON_OBJECT)
            json_setz(a, &meta, fields[i], *v);
        else
            json_removez(&meta, fields[i]);
    }
    json_setz(a, converted, "metadata", meta);
    *obj = *converted;
}

struct err *convert(struct req *q, struct arena *a, const struct kind *k, str to, struct json *obj)
{
    struct conversions *c = of(q);
    str key = key_of(a, to, obj);
    struct conversion *x = map_find(&c->known, key);
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *converted = NULL;
    static const struct json_limits limits = {JSON_DEPTH_MAX, OUTGOING_ANSWER_MAX};
    struct err *e;

    if (!x) {
        x = ARENA_NEW(c->a, struct conversion);
        json_encode(&b, obj);
        *x = (struct conversion){
            .kind = k, .to = arena_dup(c->a, to), .source = arena_dup(c->a, buf_view(&b))};
        map_put(&c->known, key, x);
        *c->last = x;
        c->last = &x->next;
    }
    if (!x->text.p) {
        e = err_new(REASON_UNAVAILABLE, "the conversion webhook has not answered yet");
        c->not_yet = e;
        return e;
    }
    e = json_parse(a, arena_dup(a, x->text), &limits, NULL, &converted);
    if (e)
        return e; /* it was parsed before */
    take(a, obj, converted);
    return NULL;
}

bool conversions_missing(const struct req *q, const struct err *e)
{
    return q->conversions && e && q->conversions->not_yet == e;
}

void conversions_forget(struct req *q)
{
    struct conversions *c = q->conversions;

    if (!c)
        return;
    BUG_ON(c->call);
    map_fini(&c->known);
    map_init(&c->known);
    c->missing = NULL;
    c->last = &c->missing;
    arena_reset(c->a);
}

/* ---- answers ---- */

static str kind_text(struct conversions *c, const struct conversion *x)
{
    struct json *source = NULL;

    err_free(json_parse(c->a, x->source, NULL, NULL, &source));
    return arena_fmt(c->a, PRI_STR ", Kind=" PRI_STR, STR_ARG(json_get_str(source, "apiVersion")),
                     STR_ARG(x->kind->r->kind));
}

static struct err *failed(struct conversions *c, const char *fmt, ...) PRINTF(2, 3);
static struct err *failed(struct conversions *c, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    return err_new(REASON_UNKNOWN, "conversion webhook for " PRI_STR " %s",
                   STR_ARG(kind_text(c, c->asked)), buf_cstr(&b));
}

static struct err *check_map(struct conversions *c, const struct json *meta, const char *field)
{
    const struct json *v = json_findz(meta, field);
    struct err *errs = NULL;
    struct check check = {c->a, &errs};

    if (!v || v->type == JSON_NULL)
        return NULL;
    if (v->type != JSON_OBJECT)
        return err_new(REASON_UNKNOWN, "invalid metadata.%s of type %s in converted object", field,
                       json_go_type(v));
    JSON_EACH_MEMBER(m, v)
        if (m->value.type != JSON_STRING)
            return err_new(REASON_UNKNOWN,
                           "metadata.%s[" PRI_STR "] must be a string, but is %s in converted "
                           "object",
                           field, STR_ARG(m->key), json_go_type(&m->value));
    if (!strcmp(field, "labels"))
        check_labels(&check, AT(AT(NULL, "metadata"), "labels"), v);
    if (errs) {
        struct err *e =
            err_new(REASON_UNKNOWN, "%s: %s", errs->causes[0].field, errs->causes[0].message);

        err_free(errs);
        return e;
    }
    return NULL;
}

static struct err *check_metadata(struct conversions *c, const struct json *v)
{
    const struct json *meta = json_findz(v, "metadata");
    struct err *e;

    if (!meta)
        return err_new(REASON_UNKNOWN, "missing metadata in converted object");
    if (meta->type != JSON_OBJECT)
        return err_new(REASON_UNKNOWN, "invalid metadata of type %s in converted object",
                       json_go_type(meta));
    e = check_map(c, meta, "labels");
    return e ? e : check_map(c, meta, "annotations");
}

static struct err *check_identity(const struct json *was, const struct json *v)
{
    static const struct {
        const char *path, *text;
    } same[] = {
        {"metadata.name", "name"}, {"metadata.namespace", "namespace"}, {"metadata.uid", "UID"}};

    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        str x = json_get_str(was, same[i].path), y = json_get_str(v, same[i].path);

        if (!str_eq(x, y))
            return err_new(REASON_UNKNOWN, "must have the same %s: " PRI_STR " != " PRI_STR,
                           same[i].text, STR_ARG(x), STR_ARG(y));
    }
    return NULL;
}

/* One of the objects that came. several: the message tells which. */
static struct err *check_object(struct conversions *c, const struct conversion *x, size_t at,
                                const struct json *v)
{
    str version = json_get_str(v, "apiVersion"), kind = json_get_str(v, "kind");
    const char *what = c->n_asked > 1 ? "converted object" : "object";
    struct json *was = NULL;
    struct err *e, *why;

    e = json_parse(c->a, x->source, NULL, NULL, &was);
    if (e)
        return e;
    if (v->type != JSON_OBJECT || !version.n || !kind.n)
        return failed(c, "returned invalid converted object at index %zu: Object 'Kind' is missing",
                      at);
    if (!str_eq(version, x->to))
        return failed(c,
                      "returned invalid %s at index %zu: invalid groupVersion (expected " PRI_STR
                      ", received " PRI_STR ")",
                      what, at, STR_ARG(x->to), STR_ARG(version));
    if (!str_eq(kind, x->kind->r->kind))
        return failed(c,
                      "returned invalid %s at index %zu: invalid kind (expected " PRI_STR
                      ", received " PRI_STR ")",
                      what, at, STR_ARG(x->kind->r->kind), STR_ARG(kind));
    why = check_identity(was, v);
    if (why) {
        e = c->n_asked > 1
                ? failed(c, "returned invalid converted object at index %zu: %s", at, err_text(why))
                : failed(c, "returned invalid object: %s", err_text(why));
        err_free(why);
        return e;
    }
    why = check_metadata(c, v);
    if (why) {
        e = c->n_asked > 1 ? failed(c, "returned invalid metadata in object at index %zu: %s", at,
                                    err_text(why))
                           : failed(c, "returned invalid metadata: %s", err_text(why));
        err_free(why);
        return e;
    }
    return NULL;
}

static struct err *check_review(struct conversions *c, const struct json *review)
{
    const struct json *response = json_findz(review, "response");
    const char *version = c->asked->kind->converter->v1 ? "v1" : "v1beta1";
    str api_version = json_get_str(review, "apiVersion"), kind = json_get_str(review, "kind"),
        uid = json_get_str(response, "uid"), status = json_get_str(response, "result.status"),
        message = json_get_str(response, "result.message");

    if (!str_eq(api_version, arena_fmt(c->a, "apiextensions.k8s.io/%s", version)) ||
        !str_is(kind, "ConversionReview"))
        return failed(c,
                      "failed: expected webhook response of apiextensions.k8s.io/%s, "
                      "Kind=ConversionReview, got " PRI_STR ", Kind=" PRI_STR,
                      version, STR_ARG(api_version), STR_ARG(kind));
    if (!json_is(response, JSON_OBJECT))
        return failed(c, "failed: no response provided");
    if (c->asked->kind->converter->v1 && !str_is(uid, c->uid))
        return failed(c, "failed: expected response.uid=\"%s\", got \"" PRI_STR "\"", c->uid,
                      STR_ARG(uid));
    if (!str_is(status, "Success"))
        return message.n
                   ? failed(c, "failed: " PRI_STR, STR_ARG(message))
                   : failed(c, "failed: response.result.status was '" PRI_STR "', not 'Success'",
                            STR_ARG(status));
    return NULL;
}

static struct err *read_answer(struct conversions *c, str body)
{
    static const struct json_limits limits = {JSON_DEPTH_MAX, OUTGOING_ANSWER_MAX};
    struct conversion *x = c->asked;
    const struct json *objects;
    struct json *review = NULL;
    struct err *e, *why;

    why = json_parse(c->a, arena_dup(c->a, body), &limits, NULL, &review);
    if (why) {
        e = failed(c, "failed: %s", err_text(why));
        err_free(why);
        return e;
    }
    e = check_review(c, review);
    if (e)
        return e;
    objects = json_path(review, "response.convertedObjects");
    if (json_count(objects) != c->n_asked)
        return failed(c, "returned %u objects, expected %zu", json_count(objects), c->n_asked);
    for (size_t i = 0; i < c->n_asked; i++, x = x->next) {
        e = check_object(c, x, i, &objects->items[i]);
        if (e)
            return e;
    }
    x = c->asked;
    for (size_t i = 0; i < c->n_asked; i++, x = x->next) {
        CLEANUP(buf) struct buf b = BUF_INIT;

        json_encode(&b, &objects->items[i]);
        x->text = arena_dup(c->a, buf_view(&b));
    }
    c->missing = x;
    if (!x)
        c->last = &c->missing;
    return NULL;
}

/* ---- questions ---- */

static void ask(struct conversions *c);

static void finish(struct conversions *c, struct err *e)
{
    conversions_fn *done = TAKE(c->done);

    c->asked = NULL;
    if (e) { /* what is missing stays missing: whoever tries again asks again */
        MAP_EACH(m, &c->known) {
            const struct conversion *x = m->value;

            if (!x->text.p)
                map_del(&c->known, map_key(m));
        }
        c->missing = NULL;
        c->last = &c->missing;
    }
    done(c->ctx, e);
}

static void on_answer(void *ctx, struct err *e, str body)
{
    struct conversions *c = ctx;
    struct err *why = e;

    c->call = NULL;
    if (e) {
        e = failed(c, "failed: %s", err_text(why));
        err_free(why);
    } else
        e = read_answer(c, body);
    if (!e && c->missing)
        ask(c);
    else
        finish(c, e);
}

/* As many as fit into one review, all into the same version. */
static void write_review(struct conversions *c, struct buf *b)
{
    struct conversion *x = c->missing;
    str uid = new_uid(c->q->api, NULL, c->a);

    snprintf(c->uid, sizeof c->uid, PRI_STR, STR_ARG(uid));
    c->asked = x;
    c->n_asked = 0;
    buf_fmt(b,
            "{\"kind\":\"ConversionReview\",\"apiVersion\":\"apiextensions.k8s.io/%s\","
            "\"request\":{\"uid\":\"%s\",\"desiredAPIVersion\":\"" PRI_STR "\",\"objects\":[",
            x->kind->converter->v1 ? "v1" : "v1beta1", c->uid, STR_ARG(x->to));
    for (; x && c->n_asked < CONVERT_BATCH_MAX && b->n < CONVERT_BATCH_BYTES &&
           str_eq(x->to, c->asked->to);
         x = x->next) {
        if (c->n_asked++)
            buf_char(b, ',');
        buf_str(b, x->source);
    }
    buf_z(b, "]},\"response\":null}");
}

static void ask(struct conversions *c)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct outgoing_target t;
    struct err *e;

    write_review(c, &b);
    e = outgoing_target_of(c->a, c->asked->kind->converter->client_config,
                           arena_fmt(c->a, "timeout=%ds", OUTGOING_TIMEOUT_S), &t);
    if (e) {
        t = (struct outgoing_target){.url = S("https:")};
        err_free(e); /* the definition was checked: a bundle that cannot be read stays so */
    }
    c->call =
        outgoing_post(c->q->api, &t, buf_view(&b), OUTGOING_TIMEOUT_S * NS_PER_S, on_answer, c);
}

void conversions_ask(struct req *q, conversions_fn *done, void *ctx)
{
    struct conversions *c = of(q);

    BUG_ON(c->done || !c->missing);
    c->not_yet = NULL;
    c->done = done;
    c->ctx = ctx;
    ask(c);
}

void conversions_cancel(struct req *q)
{
    struct conversions *c = q->conversions;

    if (!c)
        return;
    if (c->call)
        outgoing_cancel(TAKE(c->call));
    c->done = NULL;
}

/* ---- for reads ---- */

bool convert_needed(const struct kind *k, str data)
{
    return k->converter && !str_has_prefix(data, k->head);
}

static void then(struct conversions *c, struct err *e)
{
    c->q->ex->on_gone = NULL;
    c->then(c->then_ctx, e);
}

static void then_asked(void *ctx, struct err *e)
{
    then(ctx, e);
}

static void then_gone_later(void *ctx)
{
    then(ctx, err_new(REASON_TIMEOUT, "the client has gone"));
}

static void then_gone(void *user, struct http_exchange *ex)
{
    struct conversions *c = user;

    ex->on_gone = NULL;
    conversions_cancel(c->q);
    if (!c->gone)
        c->gone = loop_timer_new(c->q->api->loop, then_gone_later, c);
    loop_timer_set(c->gone, 0);
}

void convert_then(struct req *q, const struct kind *k, const str *data, size_t n,
                  conversions_fn *done, void *ctx)
{
    struct arena *a = arena_new();
    struct conversions *c = NULL;
    bool missing = false;
    struct err *e = NULL;

    for (size_t i = 0; i < n && !e; i++) {
        if (!convert_needed(k, data[i]))
            continue;
        e = convert(q, a, k, k->api_version, object_parse(a, data[i]));
        if (conversions_missing(q, e)) {
            err_free(e);
            e = NULL;
            missing = true;
        }
        arena_reset(a);
    }
    arena_free(a);
    if (e || !missing) {
        done(ctx, e);
        return;
    }
    c = of(q);
    c->then = done;
    c->then_ctx = ctx;
    q->ex->user = c;
    q->ex->on_gone = then_gone;
    conversions_ask(q, then_asked, c);
}
