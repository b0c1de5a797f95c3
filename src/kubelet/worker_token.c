/* worker_token.c - service account tokens for a pod's projected volumes: asked for, kept, and renewed before they end.
 *
 * API: https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken */
#include "kubelet/kubelet_internal.h"

#define RETRY_NS NS_PER_S
#define AGE_MAX_S (24 * 3600)

struct need {
    struct pod_worker *w;
    bool ready;
};
struct token_call {
    struct pod_worker *w;
    char *audience;
    int64_t expiration_s;
};

static struct token *find(struct pod_worker *w, str audience, int64_t expiration_s)
{
    for (size_t i = 0; i < w->n_tokens; i++)
        if (str_is(audience, w->tokens[i].audience) && w->tokens[i].expiration_s == expiration_s)
            return &w->tokens[i];
    return NULL;
}

bool worker_token_find(void *ctx, str audience, int64_t expiration_s, str *ret)
{
    struct token *t = find(ctx, audience, expiration_s);

    if (!t || !t->value)
        return false;
    *ret = str_of(t->value);
    return true;
}

void worker_tokens_free(struct pod_worker *w)
{
    for (size_t i = 0; i < w->n_tokens; i++) {
        mem_free(w->tokens[i].audience);
        mem_free(w->tokens[i].value);
    }
    mem_free(w->tokens);
}

static void on_token(void *ctx, struct err *err, int status, str body)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct token_call *call = ctx;
    struct pod_worker *w = call->w;
    struct token *t = find(w, str_of(call->audience), call->expiration_s);
    struct json *v = NULL;
    bool alive = worker_return(w);

    if (alive && !err)
        err = json_parse(a, body, NULL, NULL, &v);
    if (alive) {
        wall_time now = loop_wall(w->k->loop), end;
        str value = json_get_str(v, "status.token");

        t->pending = false;
        if (err || !value.n) {
            log_warning("kubelet", "pod %s/%s: token: %s", w->ns, w->name,
                        err ? err_text(err) : "the answer has none");
            if (!t->value)
                kubelet_event(w->k, w->pod, STR_NONE, "Warning", "FailedMount",
                              "failed to fetch token: %s",
                              err ? err_text(err) : "the answer has none");
            t->refresh_at.ns = now.ns + RETRY_NS;
            worker_wake_in(w, RETRY_NS);
        } else {
            int64_t life = call->expiration_s * NS_PER_S;

            if (rfc3339_parse(json_get_str(v, "status.expirationTimestamp"), &end) &&
                end.ns > now.ns)
                life = end.ns - now.ns;
            mem_free(t->value);
            t->value = str_dupz(value);
            t->refresh_at.ns = now.ns + MIN(life / 5 * 4, AGE_MAX_S * NS_PER_S);
            w->volumes_dirty = true;
            worker_wake_in(w, t->refresh_at.ns - now.ns);
            worker_wake(w);
        }
    }
    err_free(err);
    mem_free(call->audience);
    mem_free(call);
}

static void ask(struct pod_worker *w, struct token *t)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    CLEANUP(buf) struct buf body = BUF_INIT;
    CLEANUP(buf) struct buf audiences = BUF_INIT;
    struct client_request request = {.method = "POST"};
    struct token_call *call = NEW(struct token_call);
    str account = json_get_str(w->pod, "spec.serviceAccountName");

    *call = (struct token_call){w, mem_strdup(t->audience), t->expiration_s};
    if (t->audience[0]) {
        buf_z(&audiences, "\"audiences\":[");
        json_encode_string(&audiences, str_of(t->audience));
        buf_z(&audiences, "],");
    }
    buf_api_path(&path, STR_NONE, S("v1"), S("serviceaccounts"), str_of(w->ns),
                 account.n ? account : S("default"), S("token"));
    buf_fmt(&body,
            "{\"apiVersion\":\"authentication.k8s.io/"
            "v1\",\"kind\":\"TokenRequest\",\"spec\":{%s\"expirationSeconds\":%lld,"
            "\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"%s\",\"uid\":\"%"
            "s\"}}}",
            audiences.n ? buf_cstr(&audiences) : "", (long long)t->expiration_s, w->name, w->uid);
    request.path = buf_view(&path);
    request.body = buf_view(&body);
    t->pending = true;
    worker_call(w);
    client_do(w->k->client, &request, on_token, call);
}

static void check(void *ctx, str audience, int64_t expiration_s)
{
    struct need *need = ctx;
    struct pod_worker *w = need->w;
    struct token *t = find(w, audience, expiration_s);

    if (!t) {
        w->tokens = mem_realloc(w->tokens, (w->n_tokens + 1) * sizeof *t);
        t = &w->tokens[w->n_tokens++];
        *t = (struct token){.audience = str_dupz(audience), .expiration_s = expiration_s};
    }
    if (!t->pending && (!t->refresh_at.ns || t->refresh_at.ns <= loop_wall(w->k->loop).ns))
        ask(w, t);
    need->ready &= t->value != NULL;
}

bool worker_tokens_ready(struct pod_worker *w)
{
    struct need need = {w, true};

    volume_each_token(w->pod, check, &need);
    return need.ready;
}
