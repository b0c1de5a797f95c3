/* service_account.c - tokens of ServiceAccounts: issued, verified, tied to what they are bound to.
 *
 * A token is more than its signature: account, pod, node and secret that it names must still be
 * there, with the same uid. Signature and claims are remembered per token; what they are bound to
 * is looked at each time, but each version of an object only once. Two forms: bound tokens of the
 * TokenRequest API, and those of before, which live in a Secret and never expire.
 *
 * Source: k8s.io/kubernetes/pkg/serviceaccount (claims.go, legacy.go, jwt.go), texts included. */
#include "api/authn.h"

#define TOKENS_REMEMBERED_MAX 4096 /* then all are forgotten and verified anew */
#define LEEWAY_S 60                /* clocks differ; go-jose's default */
#define LEGACY_ISSUER "kubernetes/serviceaccount"
#define LAST_USED "kubernetes.io/legacy-token-last-used"
#define INVALID_SINCE "kubernetes.io/legacy-token-invalid-since"
#define EXTENDED_S (INT64_C(365) * 24 * 3600) /* kubelets' tokens, for clients that never reload */
#define EXTENDS_S 3607                        /* what kubelets ask for */

enum { BOUND_ACCOUNT, BOUND_SECRET, BOUND_POD, BOUND_NODE, N_BOUND };
static const struct bound_kind {
    const char *plural, *word, *claim;
    bool namespaced;
} bound_kinds[N_BOUND] = {
    [BOUND_ACCOUNT] = {"serviceaccounts", "service account", "serviceaccount", true},
    [BOUND_SECRET] = {"secrets", "secret", "secret", true},
    [BOUND_POD] = {"pods", "pod", "pod", true},
    [BOUND_NODE] = {"nodes", "node", "node", false},
};

/* A token whose signature fitted. */
struct verified {
    struct arena *a;
    const struct json *audiences;
    str ns, jti;
    struct {
        str name, uid;
        int64_t good; /* revision of the version that was found right */
    } bound[N_BOUND];
    int64_t expires_s, not_before_s, warn_after_s;
    bool legacy;
};
struct service_accounts {
    struct map verified; /* token -> struct verified */
    str private_pem, public_pem, key_id;
    bool has_key;
};

struct service_accounts *service_accounts_new(void)
{
    struct service_accounts *s = NEW(struct service_accounts);

    map_init(&s->verified);
    return s;
}

struct err *service_accounts_key(struct service_accounts *s, struct arena *a, str private_pem)
{
    struct err *e = jwt_public_pem(a, private_pem, &s->public_pem);

    if (!e)
        e = jwt_key_id(a, private_pem, &s->key_id);
    if (e)
        return err_note(e, "service account key");
    s->private_pem = private_pem;
    s->has_key = true;
    return NULL;
}

static void forget(struct service_accounts *s)
{
    MAP_EACH(e, &s->verified)
        arena_free(((struct verified *)e->value)->a);
    map_fini(&s->verified);
    map_init(&s->verified);
}

void service_accounts_free(struct service_accounts *s)
{
    if (!s)
        return;
    forget(s);
    map_fini(&s->verified);
    mem_free(s);
}

/* ---- verifying ---- */

static struct verified *claims_parse(struct arena *a, const struct json *v)
{
    static const char *const names[] = {"kubernetes.io/serviceaccount/service-account.name",
                                        "kubernetes.io/serviceaccount/secret.name"};
    struct verified *t = ARENA_NEW(a, struct verified);
    const struct json *k8s = json_findz(v, "kubernetes.io");

    t->a = a;
    t->audiences = json_findz(v, "aud");
    t->jti = json_get_str(v, "jti");
    t->expires_s = json_get_int(v, "exp", INT64_MAX - LEEWAY_S);
    t->not_before_s = json_get_int(v, "nbf", 0);
    t->warn_after_s = json_get_int(k8s, "warnafter", 0);
    t->legacy = str_is(json_get_str(v, "iss"), LEGACY_ISSUER);
    if (t->legacy) {
        t->ns = json_str(json_findz(v, "kubernetes.io/serviceaccount/namespace"));
        for (int i = BOUND_ACCOUNT; i <= BOUND_SECRET; i++)
            t->bound[i].name = json_str(json_findz(v, names[i]));
        t->bound[BOUND_ACCOUNT].uid =
            json_str(json_findz(v, "kubernetes.io/serviceaccount/service-account.uid"));
        return t;
    }
    t->ns = json_str(json_findz(k8s, "namespace"));
    for (int i = 0; i < N_BOUND; i++) {
        const struct json *ref = json_findz(k8s, bound_kinds[i].claim);

        t->bound[i].name = json_get_str(ref, "name");
        t->bound[i].uid = json_get_str(ref, "uid");
    }
    return t;
}

/* NULL without an error: not one of ours. */
static struct err *verify(struct api *api, struct service_accounts *s, str token,
                          struct verified **ret)
{
    struct arena *a;
    struct json *v = NULL;
    struct err *e;
    str payload, issuer;

    *ret = map_find(&s->verified, token);
    if (*ret || !s->has_key)
        return NULL;
    a = arena_new();
    e = jwt_payload(a, token, &payload);
    if (!e)
        e = json_parse(a, payload, NULL, NULL, &v);
    issuer = e ? S("") : json_get_str(v, "iss");
    if (e || !(str_eq(issuer, api->o.service_account_issuer) || str_is(issuer, LEGACY_ISSUER))) {
        err_free(e);
        arena_free(a);
        return NULL;
    }
    e = jwt_verify(a, token, &s->public_pem, 1, &payload);
    if (e) {
        err_free(e);
        arena_free(a);
        return err_new(REASON_UNAUTHORIZED, "go-jose/go-jose: error in cryptographic primitive");
    }
    if (s->verified.n >= TOKENS_REMEMBERED_MAX)
        forget(s);
    *ret = claims_parse(a, v);
    map_put(&s->verified, token, *ret);
    return NULL;
}

static bool deleted_before(const struct obj *o, int64_t limit_s)
{
    static const str mark = STR("\"deletionTimestamp\":\"");
    ptrdiff_t at = str_find(o->data, mark), end;
    wall_time t;
    str text;

    if (at < 0)
        return false;
    text = str_skip(o->data, (size_t)at + mark.n);
    end = str_index(text, '"');
    return end > 0 && rfc3339_parse(str_slice(text, 0, (size_t)end), &t) &&
           t.ns / NS_PER_S < limit_s;
}

/* Is what the token is bound to still there? */
static struct err *check_bound(struct api *api, struct verified *t, int which, int64_t now_s)
{
    const struct bound_kind *k = &bound_kinds[which];
    str name = t->bound[which].name, uid = t->bound[which].uid;
    const struct obj *o = store_find(
        api->store, kind_key(api_core(api, k->plural), k->namespaced ? t->ns : S(""), name));

    if (o && o->revision == t->bound[which].good)
        return NULL;
    if (which == BOUND_ACCOUNT) {
        if (!o)
            return err_new(REASON_UNAUTHORIZED, "serviceaccounts \"" PRI_STR "\" not found",
                           STR_ARG(name));
        if (deleted_before(o, now_s - LEEWAY_S))
            return err_new(REASON_UNAUTHORIZED,
                           "service account " PRI_STR "/" PRI_STR " has been deleted",
                           STR_ARG(t->ns), STR_ARG(name));
        if (!str_eq(o->uid, uid))
            return err_new(REASON_UNAUTHORIZED,
                           "service account UID (" PRI_STR ") does not match claim (" PRI_STR ")",
                           STR_ARG(o->uid), STR_ARG(uid));
    } else if (!o || deleted_before(o, now_s - LEEWAY_S)) {
        return err_new(REASON_UNAUTHORIZED, "service account token has been invalidated");
    } else if (!str_eq(o->uid, uid)) {
        return err_new(REASON_UNAUTHORIZED,
                       "%s UID (" PRI_STR ") does not match service account %s ref claim (" PRI_STR
                       ")",
                       k->word, STR_ARG(o->uid), k->word, STR_ARG(uid));
    }
    /* One that is going is looked at again: it turns bad by time alone. */
    if (str_find(o->data, S("\"deletionTimestamp\":\"")) < 0)
        t->bound[which].good = o->revision;
    return NULL;
}

static struct err *check_claims(struct api *api, struct verified *t)
{
    int64_t now_s = loop_wall(api->loop).ns / NS_PER_S;
    struct err *e = NULL;

    if (t->expires_s + LEEWAY_S <= now_s)
        return err_new(REASON_UNAUTHORIZED, "service account token has expired");
    if (t->not_before_s - LEEWAY_S > now_s)
        return err_new(REASON_UNAUTHORIZED, "service account token is not valid yet");
    for (int i = 0; i < N_BOUND && !e; i++)
        /* A pod's token names the node only to tell it. */
        if (i == BOUND_ACCOUNT ||
            (t->bound[i].name.n && !(i == BOUND_NODE && t->bound[BOUND_POD].name.n)))
            e = check_bound(api, t, i, now_s);
    return e;
}

/* ---- tokens that live in a Secret ---- */

struct usage {
    struct api *api;
    str today;
};

static struct err *set_last_used(void *ctx, struct arena *a, const struct obj *current,
                                 int64_t revision, struct store_change *ret)
{
    struct usage *u = ctx;
    struct json *v;

    if (!current)
        return NULL;
    v = object_parse(a, arena_dup(a, current->data));
    json_setz(a, json_make(a, v, "metadata.labels", JSON_OBJECT), LAST_USED, json_string(u->today));
    ret->op = STORE_PUT;
    return object_store(a, api_core(u->api, "secrets"), v, revision, ret);
}

static void last_used_set(void *ctx, struct err *e, const struct obj *result)
{
    struct usage *u = ctx;

    (void)result;
    if (e)
        log_debug("api", "marking a token as used: %s", err_text(e));
    err_free(e);
    mem_free((void *)(uintptr_t)u->today.p);
    mem_free(u);
}

/* Once a day and token: operators find out which tokens nobody needs. */
static void mark_used(struct api *api, struct arena *a, const struct obj *secret)
{
    str today = str_slice(now_text(a, loop_wall(api->loop)), 0, strlen("2006-01-02")), was;
    struct usage *u;

    if (packed_get(secret->labels, S(LAST_USED), &was) && str_eq(was, today))
        return;
    u = NEW(struct usage);
    *u = (struct usage){api, {str_dupz(today), today.n}};
    store_update(api->store, secret->key, set_last_used, last_used_set, u);
}

static struct err *check_legacy(struct api *api, struct arena *a, struct verified *t, str token,
                                struct token_user *ret)
{
    str ns = t->ns, account = t->bound[BOUND_ACCOUNT].name, name = t->bound[BOUND_SECRET].name;
    const struct obj *o, *sa;
    struct json *v;
    str stored, since;

    o = store_find(api->store, kind_key(api_core(api, "secrets"), ns, name));
    if (!o || str_find(o->data, S("\"deletionTimestamp\":\"")) >= 0)
        return err_new(REASON_UNAUTHORIZED, "Token has been invalidated");
    if (o->revision != t->bound[BOUND_SECRET].good) {
        v = object_parse(a, arena_dup(a, o->data));
        if (!base64_decode(a, json_get_str(v, "data.token"), &stored) || !str_eq(stored, token))
            return err_new(REASON_UNAUTHORIZED, "Token does not match server's copy");
    }
    sa = store_find(api->store, kind_key(api_core(api, "serviceaccounts"), ns, account));
    if (!sa)
        return err_new(REASON_UNAUTHORIZED, "serviceaccounts \"" PRI_STR "\" not found",
                       STR_ARG(account));
    if (str_find(sa->data, S("\"deletionTimestamp\":\"")) >= 0)
        return err_new(REASON_UNAUTHORIZED,
                       "ServiceAccount " PRI_STR "/" PRI_STR " has been deleted", STR_ARG(ns),
                       STR_ARG(account));
    if (!str_eq(sa->uid, t->bound[BOUND_ACCOUNT].uid))
        return err_new(REASON_UNAUTHORIZED,
                       "ServiceAccount UID (" PRI_STR ") does not match claim (" PRI_STR ")",
                       STR_ARG(sa->uid), STR_ARG(t->bound[BOUND_ACCOUNT].uid));
    mark_used(api, a, o);
    if (packed_get(o->labels, S(INVALID_SINCE), &since) && since.n)
        return err_new(
            REASON_UNAUTHORIZED,
            "the token in secret " PRI_STR "/" PRI_STR " for service account " PRI_STR "/" PRI_STR
            " has been marked invalid. Use tokens from the TokenRequest API or manually created "
            "secret-based tokens, or remove the '" INVALID_SINCE
            "' label from the secret to temporarily allow use of this token",
            STR_ARG(ns), STR_ARG(name), STR_ARG(ns), STR_ARG(account));
    t->bound[BOUND_SECRET].good = o->revision;
    v = object_parse(a, arena_dup(a, sa->data));
    JSON_EACH(s, json_findz(v, "secrets"))
        if (str_eq(json_get_str(s, "name"), name))
            ret->warning =
                S("Use tokens from the TokenRequest API or manually created secret-based tokens "
                  "instead of auto-generated secret-based tokens.");
    ret->note_key = S("authentication.k8s.io/legacy-token");
    ret->note = ret->user->name;
    return NULL;
}

/* ---- whose it is ---- */

static bool contains(const struct json *audiences, str s)
{
    if (json_is(audiences, JSON_STRING))
        return str_eq(audiences->s, s);
    JSON_EACH(v, audiences)
        if (str_eq(json_str(v), s))
            return true;
    return false;
}

static void quote_list(struct buf *b, const struct json *list)
{
    bool first = true;

    buf_char(b, '[');
    if (json_is(list, JSON_STRING))
        buf_quoted(b, list->s);
    JSON_EACH(v, list) {
        if (!first)
            buf_char(b, ' ');
        first = false;
        buf_quoted(b, json_str(v));
    }
    buf_char(b, ']');
}

/* The token's audiences that the caller accepts; none is an error. A token without any is for the
 * API server. */
static struct err *check_audiences(struct api *api, struct arena *a, struct verified *t,
                                   const struct json *wanted, struct token_user *ret)
{
    const struct json *own = &api->authn->audiences;
    const struct json *has =
        json_count(t->audiences) || json_is(t->audiences, JSON_STRING) ? t->audiences : own;
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!json_count(wanted))
        wanted = own;
    JSON_EACH(w, wanted)
        if (contains(has, json_str(w))) {
            if (!ret->audiences)
                return NULL;
            json_append(a, ret->audiences, *w);
        }
    if (ret->audiences && ret->audiences->n)
        return NULL;
    buf_z(&b, "token audiences ");
    quote_list(&b, has);
    buf_z(&b, " is invalid for the target audiences ");
    quote_list(&b, wanted);
    return err_new(REASON_UNAUTHORIZED, "%s", buf_cstr(&b));
}

static void add_extra(struct arena *a, struct user *u, const struct verified *t)
{
    if (t->jti.n)
        user_extra_add(a, u, S("authentication.kubernetes.io/credential-id"),
                       arena_fmt(a, "JTI=" PRI_STR, STR_ARG(t->jti)));
    if (t->bound[BOUND_POD].name.n) {
        user_extra_add(a, u, S("authentication.kubernetes.io/pod-name"), t->bound[BOUND_POD].name);
        user_extra_add(a, u, S("authentication.kubernetes.io/pod-uid"), t->bound[BOUND_POD].uid);
    }
    if (t->bound[BOUND_NODE].name.n) {
        user_extra_add(a, u, S("authentication.kubernetes.io/node-name"),
                       t->bound[BOUND_NODE].name);
        if (t->bound[BOUND_NODE].uid.n)
            user_extra_add(a, u, S("authentication.kubernetes.io/node-uid"),
                           t->bound[BOUND_NODE].uid);
    }
}

struct err *service_account_token(struct api *api, struct arena *a, str token,
                                  const struct json *audiences, struct token_user *ret)
{
    struct verified *t;
    struct err *e = verify(api, api->authn->accounts, token, &t);
    struct user *u;
    str name;

    if (e || !t)
        return e;
    e = check_audiences(api, a, t, audiences, ret);
    if (!e && !t->legacy)
        e = check_claims(api, t);
    if (e)
        return e;
    name = t->bound[BOUND_ACCOUNT].name;
    u = user_named(a, arena_fmt(a, "system:serviceaccount:" PRI_STR ":" PRI_STR, STR_ARG(t->ns),
                                STR_ARG(name)));
    u->uid = t->bound[BOUND_ACCOUNT].uid;
    user_group_add(a, u, S("system:serviceaccounts"));
    user_group_add(a, u, arena_fmt(a, "system:serviceaccounts:" PRI_STR, STR_ARG(t->ns)));
    add_extra(a, u, t);
    ret->user = u;
    if (t->legacy) {
        e = check_legacy(api, a, t, token, ret);
        if (e)
            ret->user = NULL;
        return e;
    }
    if (t->warn_after_s && loop_wall(api->loop).ns / NS_PER_S > t->warn_after_s) {
        ret->note_key = S("authentication.k8s.io/stale-token");
        ret->note = arena_fmt(a, "subject: " PRI_STR ", seconds after warning threshold: %lld",
                              STR_ARG(u->name),
                              (long long)(loop_wall(api->loop).ns / NS_PER_S - t->warn_after_s));
    }
    return NULL;
}

/* ---- issuing ---- */

struct err *token_issue(struct api *api, struct arena *a, str ns, str name, str uid,
                        const struct json *audiences, struct json *bound, int64_t seconds,
                        str *ret_token, str *ret_id)
{
    struct service_accounts *s = api->authn->accounts;
    struct json v = json_object(), *k8s, *sa, aud = json_array();
    int64_t now_s = loop_wall(api->loop).ns / NS_PER_S, warn_after_s = 0;
    struct buf b = BUF_INIT;
    struct err *e;

    if (!s->has_key) {
        e = err_new(REASON_UNAVAILABLE, "the key of service account tokens is being made");
        e->retry_after_s = 1;
        return e;
    }
    JSON_EACH(x, audiences) {
        json_append(a, &aud, *x);
        if (!contains(&api->authn->audiences, json_str(x)))
            warn_after_s = -1;
    }
    /* Clients from before bound tokens read the file once: they are warned, not refused. */
    if (!warn_after_s && json_findz(bound, "pod") && seconds == EXTENDS_S &&
        !api->o.token_no_extension) {
        warn_after_s = now_s + seconds;
        seconds = EXTENDED_S;
    }
    *ret_id = new_uid(api, NULL, a);
    json_setz(a, &v, "aud", aud);
    json_setz(a, &v, "exp", json_int(now_s + seconds));
    json_setz(a, &v, "iat", json_int(now_s));
    json_setz(a, &v, "iss", json_string(api->o.service_account_issuer));
    json_setz(a, &v, "jti", json_string(*ret_id));
    k8s = json_setz(a, &v, "kubernetes.io", json_object());
    json_setz(a, k8s, "namespace", json_string(ns));
    JSON_EACH_MEMBER(m, bound)
        json_set(a, k8s, m->key, m->value);
    sa = json_setz(a, k8s, "serviceaccount", json_object());
    json_setz(a, sa, "name", json_string(name));
    json_setz(a, sa, "uid", json_string(uid));
    if (warn_after_s > 0)
        json_setz(a, k8s, "warnafter", json_int(warn_after_s));
    json_setz(a, &v, "nbf", json_int(now_s));
    json_setz(a, &v, "sub",
              json_string(arena_fmt(a, "system:serviceaccount:" PRI_STR ":" PRI_STR, STR_ARG(ns),
                                    STR_ARG(name))));
    json_encode(&b, &v);
    e = jwt_sign(a, s->private_pem, s->key_id, buf_view(&b), ret_token);
    buf_fini(&b);
    return e;
}

str service_accounts_pem(const struct service_accounts *s)
{
    return s->private_pem;
}
