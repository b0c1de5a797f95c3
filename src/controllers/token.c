/* token.c - Secrets of type kubernetes.io/service-account-token: fills them with a token, and
 * removes them with their account.
 *
 * Tokens are signed by the API server: the account's token subresource is asked for one that is
 * bound to the Secret. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#token-controller
 */
#include "controllers/framework.h"

#define ANNOTATION_NAME "kubernetes.io/service-account.name"
#define ANNOTATION_UID "kubernetes.io/service-account.uid"
#define LIFETIME_S                                                                                 \
    (INT64_C(10) * 365 * 86400) /* such tokens are meant to last; the server may give less */

struct state {
    struct controller *c;
    struct list jobs;
};
struct job {
    struct list link;
    struct state *s;
    char *key;
    struct arena *a;
    struct json *secret;
    struct client_call *call;
};

static void job_free(struct job *j)
{
    list_del(&j->link);
    arena_free(j->a);
    mem_free(j->key);
    mem_free(j);
}

static void job_end(struct job *j, bool retry)
{
    struct controller *c = j->s->c;
    CLEANUP(mem) void *key = mem_strdup(j->key);

    job_free(j);
    work_done(c, str_of(key), retry);
}

static void on_written(void *ctx, struct err *err, int status, str body)
{
    struct job *j = ctx;
    bool retry = err && err->reason != REASON_NOT_FOUND;

    if (retry)
        log_warning("token", "%s: %s", j->key, err_text(err));
    err_free(err);
    job_end(j, retry);
}

static void put_base64(struct job *j, const char *name, str value)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_base64(&b, value);
    json_make(j->a, j->secret, "data", JSON_OBJECT);
    json_setz(j->a, json_findz(j->secret, "data"), name,
              json_string(arena_dup(j->a, buf_view(&b))));
}

static void on_token(void *ctx, struct err *err, int status, str body)
{
    struct job *j = ctx;
    CLEANUP(buf) struct buf path = BUF_INIT, text = BUF_INIT;
    str ns, name, token = client_text_find(body, "status.token");

    if (err || !token.n) {
        on_written(j, err, status, body);
        return;
    }
    key_split(str_of(j->key), &ns, &name);
    put_base64(j, "ca.crt", controller_config(j->s->c)->ca_pem);
    put_base64(j, "namespace", ns);
    put_base64(j, "token", token);
    buf_api_path(&path, S(""), S("v1"), S("secrets"), ns, name, STR_NONE);
    json_encode(&text, j->secret);
    j->call = client_do(
        controller_client(j->s->c),
        &(struct client_request){.method = "PUT", .path = buf_view(&path), .body = buf_view(&text)},
        on_written, j);
}

static void job_start(struct controller *c, str key, const struct obj *secret,
                      const struct obj *account, bool gone)
{
    struct state *s = controller_state(c);
    struct job *j = NEW(struct job);
    CLEANUP(buf) struct buf path = BUF_INIT, body = BUF_INIT;

    j->s = s;
    j->key = str_dupz(key);
    j->a = arena_new();
    list_add_tail(&s->jobs, &j->link);
    j->secret = json_new(j->a, json_copy(j->a, tree_of(j->a, secret)));
    if (gone) {
        buf_api_path(&path, S(""), S("v1"), S("secrets"), secret->key.ns, secret->key.name,
                     STR_NONE);
        buf_fmt(&body,
                "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":"
                "\"" PRI_STR "\"}}",
                STR_ARG(secret->uid));
        j->call =
            client_do(controller_client(c),
                      &(struct client_request){
                          .method = "DELETE", .path = buf_view(&path), .body = buf_view(&body)},
                      on_written, j);
        return;
    }
    meta_set(j->a, j->secret, "annotations", S(ANNOTATION_UID), arena_dup(j->a, account->uid));
    buf_api_path(&path, S(""), S("v1"), S("serviceaccounts"), account->key.ns, account->key.name,
                 S("token"));
    buf_fmt(&body,
            "{\"kind\":\"TokenRequest\",\"apiVersion\":\"authentication.k8s.io/"
            "v1\",\"spec\":{\"audiences\":null,\"expirationSeconds\":%lld,"
            "\"boundObjectRef\":{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"name\":\"" PRI_STR
            "\",\"uid\":\"" PRI_STR "\"}}}",
            (long long)LIFETIME_S, STR_ARG(secret->key.name), STR_ARG(secret->uid));
    j->call = client_do(controller_client(c),
                        &(struct client_request){
                            .method = "POST", .path = buf_view(&path), .body = buf_view(&body)},
                        on_token, j);
}

static void work(struct controller *c, str key)
{
    CLEANUP(arena) struct arena *a = NULL;
    const struct obj *secret, *account;
    const struct json *tree;
    str ns, name, uid;

    key_split(key, &ns, &name);
    secret = informer_find(controller_cache(c, K_SECRETS), ns, name);
    if (!secret ||
        !str_is(client_text_find(secret->data, "type"), "kubernetes.io/service-account-token")) {
        work_done(c, key, false);
        return;
    }
    a = arena_new();
    tree = tree_of(a, secret);
    account = informer_find(controller_cache(c, K_SERVICEACCOUNTS), ns,
                            meta_get(tree, "annotations", S(ANNOTATION_NAME)));
    uid = meta_get(tree, "annotations", S(ANNOTATION_UID));
    if (!account || (uid.n && !str_eq(uid, account->uid)))
        job_start(c, key, secret, NULL, true);
    else if (!json_get_str(json_findz(tree, "data"), "token").n)
        job_start(c, key, secret, account, false);
    else
        work_done(c, key, false);
}

static bool wake_token(void *ctx, const struct obj *o)
{
    if (str_is(client_text_find(o->data, "type"), "kubernetes.io/service-account-token"))
        wake(ctx, o->key.ns, o->key.name);
    return true;
}

static void account_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (!obj || !prev)
        informer_each(controller_cache(c, K_SECRETS), (obj ? obj : prev)->key.ns, wake_token, c);
}

static void *state_new(struct controller *c)
{
    struct state *s = NEW(struct state);

    s->c = c;
    list_init(&s->jobs);
    return s;
}

static void state_free(void *state)
{
    struct state *s = state;

    while (!list_is_empty(&s->jobs)) {
        struct job *j = LIST_ITEM(s->jobs.next, struct job, link);

        client_cancel(j->call);
        job_free(j);
    }
    mem_free(s);
}

static const struct trigger triggers[] = {{K_SERVICEACCOUNTS, account_changed}};

const struct controller_type token_controller = {
    .name = "token",
    .component = "serviceaccount-token-controller",
    .primary = K_SECRETS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .work = work,
    .state_new = state_new,
    .state_free = state_free,
    .parallel = 4,
};
