/* authn.c - who is it? Whom a front proxy names, client certificate, bearer token, or anonymous.
 *
 * A bearer token is shown to the authenticators one after the other: the token file, ServiceAccount
 * tokens, bootstrap tokens, OpenID Connect. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/ */
#include "api/authn.h"
#include "api/oidc.h"

#define TOKEN_MAX (64u << 10)

/* One CSV field: plain or quoted with doubled quotes. */
static str csv_field(struct arena *a, str *line)
{
    str out;

    if (line->n && line->p[0] == '"') {
        struct buf b = BUF_INIT;
        size_t i = 1;

        for (; i < line->n; i++) {
            if (line->p[i] == '"') {
                if (i + 1 < line->n && line->p[i + 1] == '"')
                    i++;
                else
                    break;
            }
            buf_char(&b, line->p[i]);
        }
        out = arena_dup(a, buf_view(&b));
        buf_fini(&b);
        *line = str_skip(*line, i + 1);
        if (line->n && line->p[0] == ',')
            *line = str_skip(*line, 1);
        return out;
    }
    out = S("");
    if (!str_cut(line, ',', &out))
        return S("");
    return arena_dup(a, str_trim(out));
}

static void tokens_parse(struct authn *n, struct arena *a, str text)
{
    size_t lines = 1;
    str line;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    n->tokens = ARENA_NEW_N(a, struct file_token, lines);
    while (text.n && str_cut(&text, '\n', &line)) {
        struct file_token t = {0};
        str groups, g;

        line = str_trim(line);
        if (!line.n || line.p[0] == '#')
            continue;
        t.token = csv_field(a, &line);
        t.user = csv_field(a, &line);
        t.uid = csv_field(a, &line);
        groups = line.p ? csv_field(a, &line) : S("");
        t.groups = ARENA_NEW_N(a, str, groups.n + 2);
        while (groups.n && str_cut(&groups, ',', &g))
            if (str_trim(g).n)
                t.groups[t.n++] = str_trim(g);
        if (t.token.n && t.user.n)
            n->tokens[n->n_tokens++] = t;
    }
}

static void audiences_parse(struct authn *n, struct api *api)
{
    str rest = api->o.api_audiences, one;

    n->audiences = json_array();
    while (rest.n && str_cut(&rest, ',', &one))
        if (str_trim(one).n)
            json_append(api->arena, &n->audiences, json_string(str_trim(one)));
    if (!n->audiences.n)
        json_append(api->arena, &n->audiences, json_string(api->o.service_account_issuer));
}

static void issuers_free(struct authn *n)
{
    for (size_t i = 0; i < n->n_oidc; i++)
        oidc_free(n->oidc[i]);
    mem_free(n->oidc);
    authn_config_free(n->config);
    n->oidc = NULL;
    n->n_oidc = 0;
    n->config = NULL;
}

/* Owns the configuration, in any case. The issuers of before are forgotten only when all is well. */
static struct err *issuers_set(struct api *api, struct authn_config *config)
{
    struct authn *n = api->authn;
    struct authn next = {.config = config,
                         .oidc = mem_zalloc((config->n + 1) * sizeof(struct oidc *))};
    struct err *e = NULL;

    while (next.n_oidc < config->n && !e) {
        e = oidc_new(api, config, &config->issuers[next.n_oidc], &next.oidc[next.n_oidc]);
        next.n_oidc++;
    }
    if (e) {
        issuers_free(&next);
        return e;
    }
    issuers_free(n);
    n->config = next.config;
    n->oidc = next.oidc;
    n->n_oidc = next.n_oidc;
    return NULL;
}

static struct err *configure(struct api *api)
{
    struct json own = json_array();
    struct authn_config *config = NULL;
    struct err *e;

    json_append(api->arena, &own, json_string(api->o.service_account_issuer));
    if (api->o.authentication_config.n)
        e = authn_config_parse(api->o.authentication_config, &own, &config);
    else if (api->o.oidc.issuer_url.n)
        e = authn_config_of_flags(&api->o.oidc, &own, &config);
    else
        return NULL;
    return e ? e : issuers_set(api, config);
}

struct err *api_set_authentication_config(struct api *api, str yaml)
{
    struct authn *n = api->authn;
    CLEANUP(arena) struct arena *a = arena_new();
    struct json own = json_array();
    struct authn_config *config = NULL;
    struct err *e;

    json_append(a, &own, json_string(api->o.service_account_issuer));
    e = authn_config_parse(yaml, &own, &config);
    if (e)
        return e;
    if (n->config && (n->config->has_anonymous != config->has_anonymous ||
                      n->config->anonymous != config->anonymous ||
                      !json_equal(&n->config->anonymous_paths, &config->anonymous_paths))) {
        authn_config_free(config);
        return err_new(REASON_BAD_REQUEST, "changes to anonymous authentication require a restart");
    }
    return issuers_set(api, config);
}

struct err *authn_new(struct api *api, struct authn **ret)
{
    struct authn *n = NEW(struct authn);
    struct err *e = NULL;

    *ret = n;
    list_init(&n->awaiting_key);
    n->accounts = service_accounts_new();
    tokens_parse(n, api->arena, api->o.token_file);
    audiences_parse(n, api);
    if (api->o.service_account_key_pem.n)
        e = service_accounts_key(n->accounts, api->arena, api->o.service_account_key_pem);
    return e ? e : configure(api);
}

void authn_free(struct authn *n)
{
    if (!n)
        return;
    issuers_free(n);
    service_accounts_free(n->accounts);
    mem_free(n);
}

struct err *api_set_service_account_key(struct api *api, str key_pem)
{
    struct err *e =
        service_accounts_key(api->authn->accounts, api->arena, arena_dup(api->arena, key_pem));

    if (!e)
        token_requests_resume(api);
    return e;
}

str authn_key_pem(const struct api *api)
{
    return service_accounts_pem(api->authn->accounts);
}

void user_group_add(struct arena *a, struct user *u, str g)
{
    for (size_t i = 0; i < u->n_groups; i++)
        if (str_eq(u->groups[i], g))
            return;
    u->groups = arena_grow(a, u->groups, u->n_groups * sizeof *u->groups,
                           (u->n_groups + 1) * sizeof *u->groups);
    u->groups[u->n_groups++] = g;
    if (str_is(g, "system:masters"))
        u->masters = true;
}

void user_extra_add(struct arena *a, struct user *u, str key, str value)
{
    struct user_extra *x = NULL;

    for (size_t i = 0; i < u->n_extra; i++)
        if (str_eq(u->extra[i].key, key))
            x = &u->extra[i];
    if (!x) {
        u->extra = arena_grow(a, u->extra, u->n_extra * sizeof *u->extra,
                              (u->n_extra + 1) * sizeof *u->extra);
        x = &u->extra[u->n_extra++];
        *x = (struct user_extra){.key = key};
    }
    x->values =
        arena_grow(a, x->values, x->n_values * sizeof(str), (x->n_values + 1) * sizeof(str));
    x->values[x->n_values++] = value;
}

struct user *user_named(struct arena *a, str name)
{
    struct user *u = ARENA_NEW(a, struct user);

    u->name = name;
    return u;
}

static struct err *unauthorized(void)
{
    return err_new(REASON_UNAUTHORIZED, "Unauthorized");
}

struct json authn_audiences(const struct api *api, struct arena *a)
{
    return json_share(a, &api->authn->audiences);
}

/* Those that know nothing of audiences answer for the API server's own. */
static bool audience_is_ours(struct api *api, struct arena *a, const struct json *wanted,
                             struct json *ret)
{
    const struct json *own = &api->authn->audiences;
    bool any = false;

    if (!json_count(wanted) && !ret)
        return true;

    JSON_EACH(o, own)
        JSON_EACH(w, json_count(wanted) ? wanted : own)
            if (str_eq(json_str(o), json_str(w))) {
                any = true;
                if (ret)
                    json_append(a, ret, *o);
            }
    return any;
}

/* Without leaking by its time how much fits. */
bool same_secret(str a, str b)
{
    unsigned char differs = a.n != b.n;

    for (size_t i = 0; i < a.n && i < b.n; i++)
        differs |= (unsigned char)(a.p[i] ^ b.p[i]);
    return !differs;
}

static struct user *file_token_user(struct authn *n, struct arena *a, str token)
{
    for (size_t i = 0; i < n->n_tokens; i++) {
        const struct file_token *t = &n->tokens[i];
        struct user *u;

        if (!same_secret(t->token, token))
            continue;
        u = user_named(a, t->user);
        u->uid = t->uid;
        for (size_t g = 0; g < t->n; g++)
            user_group_add(a, u, t->groups[g]);
        return u;
    }
    return NULL;
}

/* Everybody who is somebody is in this group. Source: k8s.io/apiserver/pkg/authentication/group. */
static void authenticated_add(struct arena *a, struct user *u)
{
    if (str_is(u->name, "system:anonymous"))
        return;
    for (size_t i = 0; i < u->n_groups; i++)
        if (str_is(u->groups[i], "system:unauthenticated"))
            return;
    user_group_add(a, u, S("system:authenticated"));
}

struct err *authn_token(struct api *api, struct arena *a, str token, const struct json *audiences,
                        struct token_user *ret)
{
    struct authn *n = api->authn;
    struct err *e = NULL;

    if (token.n <= TOKEN_MAX) {
        ret->user = file_token_user(n, a, token);
        if (!ret->user)
            e = service_account_token(api, a, token, audiences, ret);
        else if (!audience_is_ours(api, a, audiences, ret->audiences))
            ret->user = NULL;
        if (!e && !ret->user && (!ret->audiences || !ret->audiences->n) &&
            audience_is_ours(api, a, audiences, ret->audiences)) {
            e = bootstrap_token(api, a, token, ret);
            for (size_t i = 0; i < n->n_oidc && !e && !ret->user; i++)
                e = oidc_token(n->oidc[i], a, token, ret);
        }
    }
    if (e) {
        str text = arena_fmt(a, "[invalid bearer token, %s]", err_text(e));

        err_free(e);
        ret->user = NULL;
        return err_new(REASON_UNAUTHORIZED, PRI_STR, STR_ARG(text));
    }
    if (!ret->user)
        return err_new(REASON_UNAUTHORIZED, "invalid bearer token");
    authenticated_add(a, ret->user);
    return NULL;
}

/* ---- requests ---- */

static struct err *by_token(struct req *q, str token)
{
    struct token_user t = {0};
    struct err *e = authn_token(q->api, q->a, token, NULL, &t);

    if (e) {
        log_debug("api", "unable to authenticate the request: %s", err_text(e));
        err_free(e);
        return unauthorized();
    }
    q->user = t.user;
    if (t.warning.n)
        req_warn(q, t.warning);
    if (t.note.n)
        audit_note(q, t.note_key, t.note);
    return NULL;
}

#define TOKEN_PROTOCOL "base64url.bearer.authorization.k8s.io."

bool authn_is_token_protocol(str protocol)
{
    return str_has_prefix(protocol, S(TOKEN_PROTOCOL));
}

/* Browsers cannot set headers of a WebSocket: the token is one of the protocols they offer. There has to be another one, with
 * which to answer; *ret is empty otherwise, or when it is no token. false: none is offered.
 * Source: k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go */
static bool websocket_token(struct req *q, str *ret)
{
    str list = http_header(&q->ex->req, "sec-websocket-protocol"), one, encoded = STR_NONE;
    bool other = false;

    while (list.n && str_cut(&list, ',', &one)) {
        one = str_trim(one);
        if (!encoded.n && authn_is_token_protocol(one))
            encoded = str_skip(one, sizeof TOKEN_PROTOCOL - 1);
        else
            other |= one.n > 0;
    }
    if (!other || !base64url_decode(q->a, encoded, ret))
        *ret = STR_NONE;
    return encoded.n;
}

static void certificate_user(struct req *q)
{
    const struct http_peer *peer = &q->ex->req.peer;

    q->user = user_named(q->a, peer->cert_common_name);
    for (size_t i = 0; i < peer->n_cert_organizations; i++)
        user_group_add(q->a, q->user, peer->cert_organizations[i]);
    if (peer->cert_der_hash.n)
        user_extra_add(q->a, q->user, S("authentication.kubernetes.io/credential-id"),
                       arena_fmt(q->a, "X509SHA256=" PRI_STR, STR_ARG(peer->cert_der_hash)));
}

static bool anonymous_may(const struct req *q)
{
    const struct authn_config *c = q->api->authn->config;

    if (!c || !c->has_anonymous)
        return q->api->o.anonymous;
    JSON_EACH(path, &c->anonymous_paths)
        if (str_eq(json_str(path), q->route.path))
            return true;
    return c->anonymous && !json_count(&c->anonymous_paths);
}

/* A certificate that nobody here trusts is an error, unless a token says who it is. */
static struct err *authenticate(struct req *q)
{
    const struct http_peer *peer = &q->ex->req.peer;
    str auth = http_header(&q->ex->req, "authorization"), scheme;
    bool bad_certificate = false;
    str token;

    if (peer->cert_der_hash.n)
        bad_certificate = !request_header_user(q) || !peer->cert_verified;
    if (!q->user && peer->cert_verified && peer->cert_common_name.n)
        certificate_user(q);
    if (q->user) {
        authenticated_add(q->a, q->user);
        return NULL;
    }
    if (auth.n) {
        str_cut(&auth, ' ', &scheme);
        if (str_eq_nocase(scheme, S("Bearer")) && auth.p && str_trim(auth).n)
            return by_token(q, str_trim(auth));
    }
    if (q->ex->req.is_upgrade && websocket_token(q, &token))
        return token.n ? by_token(q, token) : unauthorized();
    if (bad_certificate || !anonymous_may(q))
        return unauthorized();
    q->user = user_named(q->a, S("system:anonymous"));
    user_group_add(q->a, q->user, S("system:unauthenticated"));
    return NULL;
}

static bool is_anonymous(const struct user *u)
{
    for (size_t i = 0; i < u->n_groups; i++)
        if (str_is(u->groups[i], "system:unauthenticated"))
            return true;
    return str_is(u->name, "system:anonymous");
}

/* Whom nobody knows has an HTTP/2 connection for one request only, lest it make work for many: UnauthenticatedHTTP2DOSMitigation,
 * on by default. Source: k8s.io/apiserver/pkg/endpoints/filters/authentication.go. */
struct err *authn_request(struct req *q)
{
    struct err *e = authenticate(q);

    q->ex->last = q->ex->req.version == 20 && (e || is_anonymous(q->user));
    return e;
}
