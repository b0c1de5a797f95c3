/* oidc.c - ID tokens of an OpenID Connect provider: who it is stands in the token's claims.
 *
 * The provider's configuration and keys are fetched when the server starts; nothing waits for them.
 * A token whose key is not known lets them be fetched anew, not more often than every ten seconds,
 * and is refused meanwhile: its sender tries again. Distributed claims are not followed.
 *
 * Source: k8s.io/apiserver/plugin/pkg/authenticator/token/oidc and OpenID Connect Core and
 * Discovery 1.0. API: https://kubernetes.io/docs/reference/access-authn-authz/authentication/ */
#include "api/oidc.h"

#define ANSWER_MAX (1u << 20)        /* bytes of the configuration or the keys */
#define CALL_NS (30 * NS_PER_S)      /* for one of them */
#define RETRY_NS (10 * NS_PER_S)     /* after a failure; also between refreshes */
#define TOKENS_REMEMBERED_MAX 1024   /* then all are verified anew */
#define NOT_BEFORE_LEEWAY_S (5 * 60) /* as go-oidc */

struct fetch; /* one call under way */
struct oidc {
    struct api *api;
    const struct authn_config *config;
    const struct jwt_issuer *issuer;
    struct http_client *http;
    struct tls_client *tls;
    struct loop_timer *retry;
    struct fetch *fetch; /* NULL: none */
    bool asked;          /* keys were asked for before: refreshes wait */
    mono_time asked_at;
    str jwks_url; /* empty: the configuration has not come; heap */
    struct arena *keys_arena;
    const struct json *keys; /* NULL: have not come */
    struct map verified;     /* token -> struct remembered */
};
struct remembered {
    struct arena *a;
    struct json *claims;
};
struct fetch {
    struct oidc *o; /* NULL: nobody is interested any more */
};

static void discover(struct oidc *o);

static void forget(struct oidc *o)
{
    MAP_EACH(e, &o->verified)
        arena_free(((struct remembered *)e->value)->a);
    map_fini(&o->verified);
    map_init(&o->verified);
}

/* ---- the provider ---- */

static void failed(struct oidc *o, const char *what, const char *why)
{
    log_warning("api", "oidc: %s of " PRI_STR ": %s", what, STR_ARG(o->issuer->url), why);
    loop_timer_set(o->retry, RETRY_NS);
}

/* The answer as a tree in the arena; NULL: it is none, and that has been said. */
static struct json *answer_parse(struct oidc *o, struct arena *a, const char *what, struct err *err,
                                 const struct http_response *r, str body)
{
    struct json *v = NULL;

    if (!err && r->status != 200)
        err = err_new(REASON_INTERNAL, "status %d", r->status);
    if (!err)
        err = json_parse(a, arena_dup(a, body), NULL, NULL, &v);
    if (!err)
        return v;
    failed(o, what, err_text(err));
    err_free(err);
    return NULL;
}

static struct oidc *fetch_end(struct fetch *f)
{
    struct oidc *o = f->o;

    if (o)
        o->fetch = NULL;
    mem_free(f);
    return o;
}

static void get(struct oidc *o, str url, http_fetch_fn *fn)
{
    o->fetch = NEW(struct fetch);
    o->fetch->o = o;
    o->asked = true;
    o->asked_at = loop_now(o->api->loop);
    http_fetch(o->http,
               &(struct http_call_options){.method = S("GET"), .url = url, .timeout_ns = CALL_NS},
               ANSWER_MAX, fn, o->fetch);
}

static void keys_came(void *ctx, struct err *err, const struct http_response *r, str body)
{
    struct oidc *o = fetch_end(ctx);
    struct arena *a;
    struct json *v;

    if (!o) {
        err_free(err);
        return;
    }
    a = arena_new();
    v = answer_parse(o, a, "the keys", err, r, body);
    if (!v || !json_is(json_findz(v, "keys"), JSON_ARRAY)) {
        if (v)
            failed(o, "the keys", "no array \"keys\"");
        arena_free(a);
        return;
    }
    arena_free(o->keys_arena);
    o->keys_arena = a;
    o->keys = json_findz(v, "keys");
    forget(o); /* of a key that was withdrawn perhaps */
}

static void configuration_came(void *ctx, struct err *err, const struct http_response *r, str body)
{
    struct oidc *o = fetch_end(ctx);
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v;
    str url;

    if (!o) {
        err_free(err);
        return;
    }
    v = answer_parse(o, a, "the configuration", err, r, body);
    if (!v)
        return;
    url = json_get_str(v, "jwks_uri");
    if (!str_eq(json_get_str(v, "issuer"), o->issuer->url)) {
        failed(o, "the configuration", "it names another issuer");
        return;
    }
    if (!str_has_prefix(url, S("https://"))) {
        failed(o, "the configuration", "jwks_uri is not https");
        return;
    }
    mem_free((void *)(uintptr_t)o->jwks_url.p);
    o->jwks_url = (str){str_dupz(url), url.n};
    get(o, o->jwks_url, keys_came);
}

static void discover(struct oidc *o)
{
    CLEANUP(arena) struct arena *a = arena_new();
    str base = o->issuer->url;

    if (o->fetch)
        return;
    if (o->jwks_url.n) {
        get(o, o->jwks_url, keys_came);
        return;
    }
    if (o->issuer->discovery_url.n) {
        get(o, o->issuer->discovery_url, configuration_came);
        return;
    }
    while (base.n && base.p[base.n - 1] == '/')
        base.n--;
    get(o, arena_fmt(a, PRI_STR "/.well-known/openid-configuration", STR_ARG(base)),
        configuration_came);
}

static void retry(void *ctx)
{
    discover(ctx);
}

/* Somebody shows a key that we have not. */
static void refresh(struct oidc *o)
{
    int64_t since_ns = loop_now(o->api->loop).ns - o->asked_at.ns;

    if (o->fetch || loop_timer_is_set(o->retry))
        return;
    if (!o->asked || since_ns >= RETRY_NS)
        discover(o);
    else
        loop_timer_set(o->retry, RETRY_NS - since_ns);
}

struct err *oidc_new(struct api *api, const struct authn_config *config,
                     const struct jwt_issuer *issuer, struct oidc **ret)
{
    struct oidc *o = NEW(struct oidc);
    struct err *e;

    *ret = o;
    o->api = api;
    o->config = config;
    o->issuer = issuer;
    map_init(&o->verified);
    e = tls_client_new(&(struct tls_client_options){.ca_pem = issuer->ca_pem}, &o->tls);
    if (e)
        return err_note(e, "certificates of issuer " PRI_STR, STR_ARG(issuer->url));
    o->http = http_client_new(api->loop, &(struct http_client_options){.tls = o->tls});
    o->retry = loop_timer_new(api->loop, retry, o);
    discover(o);
    return NULL;
}

void oidc_free(struct oidc *o)
{
    if (!o)
        return;
    if (o->fetch)
        o->fetch->o = NULL;
    if (o->retry)
        loop_timer_free(o->retry);
    if (o->http)
        http_client_free(o->http);
    if (o->tls)
        tls_client_free(o->tls);
    forget(o);
    map_fini(&o->verified);
    if (o->keys_arena)
        arena_free(o->keys_arena);
    mem_free((void *)(uintptr_t)o->jwks_url.p);
    mem_free(o);
}

/* ---- tokens ---- */

static struct err *bad(const char *fmt, ...) PRINTF(1, 2);
static struct err *bad(const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    return err_new(REASON_UNAUTHORIZED, "oidc: verify token: %s", buf_cstr(&b));
}

static void quote_audiences(struct buf *b, const struct json *aud)
{
    bool first = true;

    buf_char(b, '[');
    if (json_is(aud, JSON_STRING))
        buf_quoted(b, aud->s);
    JSON_EACH(v, aud) {
        buf_z(b, first ? "" : " ");
        first = false;
        buf_quoted(b, json_str(v));
    }
    buf_char(b, ']');
}

static bool has_audience(const struct json *aud, str wanted)
{
    if (str_eq(json_str(aud), wanted))
        return true;
    JSON_EACH(v, aud)
        if (str_eq(json_str(v), wanted))
            return true;
    return false;
}

/* One of the issuer's is enough. */
static struct err *check_audience(struct oidc *o, const struct json *claims)
{
    const struct json *aud = json_findz(claims, "aud"), *wanted = &o->issuer->audiences;
    CLEANUP(buf) struct buf got = BUF_INIT, want = BUF_INIT;

    JSON_EACH(w, wanted)
        if (has_audience(aud, json_str(w)))
            return NULL;
    quote_audiences(&got, aud);
    if (json_count(wanted) == 1)
        return bad("oidc: expected audience \"" PRI_STR "\" got %s",
                   STR_ARG(json_str(json_item(wanted, 0))), buf_cstr(&got));
    quote_audiences(&want, wanted);
    return bad("oidc: expected audience in %s got %s", buf_cstr(&want), buf_cstr(&got));
}

/* A NumericDate: seconds, perhaps with a fraction. */
static bool seconds_of(const struct json *v, int64_t *ret)
{
    if (json_is(v, JSON_INT))
        *ret = v->i;
    else if (json_is(v, JSON_DOUBLE) && v->d > -1e15 && v->d < 1e15)
        *ret = (int64_t)v->d;
    else
        return false;
    return true;
}

static struct err *check_times(struct oidc *o, const struct json *claims)
{
    int64_t now_s = loop_wall(o->api->loop).ns / NS_PER_S, at_s;
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!seconds_of(json_findz(claims, "exp"), &at_s) || at_s <= now_s) {
        buf_rfc3339(
            &b, (wall_time){seconds_of(json_findz(claims, "exp"), &at_s) ? at_s * NS_PER_S : 0});
        return bad("oidc: token is expired (Token Expiry: %s)", buf_cstr(&b));
    }
    if (seconds_of(json_findz(claims, "nbf"), &at_s) && at_s > now_s + NOT_BEFORE_LEEWAY_S)
        return bad("oidc: current time before the nbf (not before) time");
    return NULL;
}

/* The claims of a token whose signature fits. */
static struct err *verify(struct oidc *o, struct arena *a, str token, struct json **ret)
{
    struct remembered *r = map_find(&o->verified, token);
    struct arena *kept;
    bool unknown = false;
    struct err *e;
    str payload;

    if (r) {
        *ret = r->claims;
        return NULL;
    }
    if (!o->keys) {
        refresh(o);
        return err_new(REASON_UNAUTHORIZED,
                       "oidc: authenticator for issuer \"" PRI_STR "\" is not initialized",
                       STR_ARG(o->issuer->url));
    }
    e = jwt_verify_jwks(a, token, o->keys, o->issuer->algs, &payload, &unknown);
    if (e) {
        str text = arena_fmt(a, "%s", err_text(e));

        if (unknown)
            refresh(o);
        err_free(e);
        return bad(PRI_STR, STR_ARG(text));
    }
    if (o->verified.n >= TOKENS_REMEMBERED_MAX)
        forget(o);
    kept = arena_new();
    r = ARENA_NEW(kept, struct remembered);
    r->a = kept;
    e = json_parse(kept, arena_dup(kept, payload), NULL, NULL, &r->claims);
    if (e) {
        arena_free(kept);
        return e;
    }
    map_put(&o->verified, token, r);
    *ret = r->claims;
    return NULL;
}

struct err *oidc_token(struct oidc *o, struct arena *a, str token, struct token_user *ret)
{
    struct json *claims = NULL;
    struct user *u = NULL;
    struct err *e;
    str payload;

    /* Of another issuer, or no JSON Web Token at all: not ours. */
    e = jwt_payload(a, token, &payload);
    if (!e)
        e = json_parse(a, payload, NULL, NULL, &claims);
    if (e || !str_eq(json_get_str(claims, "iss"), o->issuer->url)) {
        err_free(e);
        return NULL;
    }
    e = verify(o, a, token, &claims);
    if (!e)
        e = check_audience(o, claims);
    if (!e)
        e = check_times(o, claims);
    if (!e)
        e = oidc_user(o->config, o->issuer, o->api->loop, a, claims, &u);
    if (!e)
        ret->user = u;
    return e;
}
