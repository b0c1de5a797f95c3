/* authn.c - who is it? Client certificate, bearer token (file or ServiceAccount JWT), or anonymous;
 * then impersonation.
 *
 * A ServiceAccount token is more than its signature: account, pod and secret it is bound to must
 * still be there, with the same uid. The signature check is remembered per token, the liveness
 * checks are made each time. API:
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/ */
#include "api/api_internal.h"

#define TOKENS_REMEMBERED_MAX 4096
#define TOKEN_MAX (64u << 10)

struct file_token {
    str token, user, uid;
    str *groups;
    size_t n;
};
struct authn {
    struct file_token *tokens;
    size_t n_tokens;
    struct map verified; /* token -> payload (heap, NUL-terminated) */
    str public_pem, key_id;
    bool has_key;
};

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

struct err *authn_new(struct api *api, struct authn **ret)
{
    struct authn *n = NEW(struct authn);
    struct err *e = NULL;

    map_init(&n->verified);
    *ret = n;
    tokens_parse(n, api->arena, api->o.token_file);
    if (api->o.service_account_key_pem.n) {
        e = jwt_public_pem(api->arena, api->o.service_account_key_pem, &n->public_pem);
        if (!e)
            e = jwt_key_id(api->arena, api->o.service_account_key_pem, &n->key_id);
        n->has_key = !e;
    }
    return e ? err_note(e, "service account key") : NULL;
}

static void forget(struct authn *n)
{
    MAP_EACH(e, &n->verified)
        mem_free(e->value);
    map_fini(&n->verified);
    map_init(&n->verified);
}

void authn_free(struct authn *n)
{
    if (!n)
        return;
    forget(n);
    map_fini(&n->verified);
    mem_free(n);
}

static void group_add(struct arena *a, struct user *u, str g)
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

static void extra_add(struct arena *a, struct user *u, str key, str value)
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

static struct user *user_named(struct arena *a, str name)
{
    struct user *u = ARENA_NEW(a, struct user);

    u->name = name;
    return u;
}

static struct err *unauthorized(void)
{
    return err_new(REASON_UNAUTHORIZED, "Unauthorized");
}

static struct err *bad_token(void)
{
    return err_new(REASON_UNAUTHORIZED, "invalid bearer token");
}

/* ---- service account tokens ---- */

static const char *jwt_payload(struct api *api, struct arena *a, str token)
{
    struct authn *n = api->authn;
    const char *known = map_find(&n->verified, token);
    struct err *e;
    str payload;

    if (known)
        return known;
    e = jwt_verify(a, token, &n->public_pem, 1, &payload);
    if (e) {
        err_free(e);
        return NULL;
    }
    if (n->verified.n >= TOKENS_REMEMBERED_MAX)
        forget(n);
    known = str_dupz(payload);
    map_put(&n->verified, token, (void *)(uintptr_t)known);
    return known;
}

static bool object_lives(struct api *api, const char *plural, str ns, str name, str uid)
{
    const struct kind *k = api_core(api, plural);
    const struct obj *o = store_find(api->store, kind_key(k, ns, name));

    return o && (!uid.n || str_eq(o->uid, uid));
}

static bool audience_fits(struct api *api, struct arena *a, const struct json *aud,
                          const str *wanted, size_t n, struct json *ret)
{
    bool any = false;

    for (size_t i = 0; i < (n ? n : 1); i++) {
        str w = n ? wanted[i] : api->o.service_account_issuer;
        bool found = json_is(aud, JSON_STRING) && str_eq(aud->s, w);

        JSON_EACH(v, aud)
            found |= str_eq(json_str(v), w);
        if (found && ret)
            json_append(a, ret, json_string(w));
        any |= found;
    }
    return any;
}

static struct err *service_account_token(struct api *api, struct arena *a, str token,
                                         const str *audiences, size_t n, struct user **ret,
                                         struct json *ret_audiences)
{
    const char *payload = jwt_payload(api, a, token);
    struct json *v = NULL, *k8s, *pod, *node, *secret;
    int64_t now_s = loop_wall(api->loop).ns / NS_PER_S;
    str ns, name, uid, jti;
    struct user *u;
    struct err *e;

    if (!payload)
        return bad_token();
    e = json_parse(a, arena_dup(a, str_of(payload)), NULL, NULL, &v);
    if (e) {
        err_free(e);
        return bad_token();
    }
    if (!str_eq(json_get_str(v, "iss"), api->o.service_account_issuer) ||
        json_get_int(v, "exp", INT64_MAX) <= now_s || json_get_int(v, "nbf", 0) > now_s)
        return bad_token();
    if (!audience_fits(api, a, json_findz(v, "aud"), audiences, n, ret_audiences))
        return bad_token();
    k8s = json_find(v, S("kubernetes.io"));
    ns = json_str(json_findz(k8s, "namespace"));
    name = json_get_str(k8s, "serviceaccount.name");
    uid = json_get_str(k8s, "serviceaccount.uid");
    pod = json_findz(k8s, "pod");
    node = json_findz(k8s, "node");
    secret = json_findz(k8s, "secret");
    if (!object_lives(api, "serviceaccounts", ns, name, uid) ||
        (pod &&
         !object_lives(api, "pods", ns, json_get_str(pod, "name"), json_get_str(pod, "uid"))) ||
        (secret && !object_lives(api, "secrets", ns, json_get_str(secret, "name"),
                                 json_get_str(secret, "uid"))) ||
        (node && !pod &&
         !object_lives(api, "nodes", S(""), json_get_str(node, "name"), json_get_str(node, "uid"))))
        return bad_token();
    u = user_named(
        a, arena_fmt(a, "system:serviceaccount:" PRI_STR ":" PRI_STR, STR_ARG(ns), STR_ARG(name)));
    u->uid = uid;
    group_add(a, u, S("system:serviceaccounts"));
    group_add(a, u, arena_fmt(a, "system:serviceaccounts:" PRI_STR, STR_ARG(ns)));
    jti = json_get_str(v, "jti");
    if (jti.n)
        extra_add(a, u, S("authentication.kubernetes.io/credential-id"),
                  arena_fmt(a, "JTI=" PRI_STR, STR_ARG(jti)));
    if (pod) {
        extra_add(a, u, S("authentication.kubernetes.io/pod-name"), json_get_str(pod, "name"));
        extra_add(a, u, S("authentication.kubernetes.io/pod-uid"), json_get_str(pod, "uid"));
    }
    if (node) {
        extra_add(a, u, S("authentication.kubernetes.io/node-name"), json_get_str(node, "name"));
        if (json_get_str(node, "uid").n)
            extra_add(a, u, S("authentication.kubernetes.io/node-uid"), json_get_str(node, "uid"));
    }
    *ret = u;
    return NULL;
}

struct err *authn_token(struct api *api, struct arena *a, str token, const str *audiences, size_t n,
                        struct user **ret, struct json *ret_audiences)
{
    struct user *u = NULL;
    struct err *e;

    for (size_t i = 0; i < api->authn->n_tokens; i++) {
        const struct file_token *t = &api->authn->tokens[i];

        if (!str_eq(t->token, token))
            continue;
        u = user_named(a, t->user);
        u->uid = t->uid;
        for (size_t g = 0; g < t->n; g++)
            group_add(a, u, t->groups[g]);
    }
    if (!u) {
        if (!api->authn->has_key || token.n > TOKEN_MAX)
            return bad_token();
        e = service_account_token(api, a, token, audiences, n, &u, ret_audiences);
        if (e)
            return e;
    }
    group_add(a, u, S("system:authenticated"));
    *ret = u;
    return NULL;
}

/* ---- requests ---- */

struct err *authn_request(struct req *q)
{
    const struct http_peer *peer = &q->ex->req.peer;
    str auth = http_header(&q->ex->req, "authorization"), scheme;
    struct err *e;

    if (peer->cert_verified && peer->cert_common_name.n) {
        q->user = user_named(q->a, peer->cert_common_name);
        for (size_t i = 0; i < peer->n_cert_organizations; i++)
            group_add(q->a, q->user, peer->cert_organizations[i]);
        if (peer->cert_der_hash.n)
            extra_add(q->a, q->user, S("authentication.kubernetes.io/credential-id"),
                      arena_fmt(q->a, "X509SHA256=" PRI_STR, STR_ARG(peer->cert_der_hash)));
        group_add(q->a, q->user, S("system:authenticated"));
        return NULL;
    }
    if (auth.n) {
        str_cut(&auth, ' ', &scheme);
        if (str_eq_nocase(scheme, S("Bearer")) && auth.p && str_trim(auth).n) {
            e = authn_token(q->api, q->a, str_trim(auth), NULL, 0, &q->user, NULL);
            if (e) {
                err_free(e);
                return unauthorized();
            }
            return NULL;
        }
    }
    if (!q->api->o.anonymous)
        return unauthorized();
    q->user = user_named(q->a, S("system:anonymous"));
    group_add(q->a, q->user, S("system:unauthenticated"));
    return NULL;
}

/* ---- impersonation ---- */

static struct err *may_impersonate(struct req *q, const char *group, const char *resource, str sub,
                                   str ns, str name)
{
    struct access x = {.is_resource = true,
                       .verb = S("impersonate"),
                       .group = str_of(group),
                       .resource = str_of(resource),
                       .subresource = sub,
                       .ns = ns,
                       .name = name},
                  as;

    if (authz_allows(q->api, q->a, q->user, &x, NULL))
        return NULL;
    q->nosniff = true;
    as = access_of(q);
    as.verb = arena_fmt(q->a, "impersonate-on:user-info:" PRI_STR, STR_ARG(as.verb));
    return err_access_denied(q->a, q->user, &as, S(""));
}

struct err *authn_impersonate(struct req *q)
{
    static const str extra_prefix = STR("Impersonate-Extra-"),
                     sa_prefix = STR("system:serviceaccount:");
    const struct http_request *r = &q->ex->req;
    str name = http_header(r, "impersonate-user"), uid = http_header(r, "impersonate-uid");
    struct user *u;
    bool other = uid.n > 0, groups_given = false;
    struct err *e = NULL;

    for (size_t i = 0; i < r->n_headers; i++)
        other |= str_eq_nocase(r->headers[i].name, S("Impersonate-Group")) ||
                 (r->headers[i].name.n > extra_prefix.n &&
                  str_eq_nocase(str_slice(r->headers[i].name, 0, extra_prefix.n), extra_prefix));
    if (!name.n) {
        if (!other)
            return NULL;
        q->nosniff = true;
        return err_new(REASON_BAD_REQUEST,
                       "requested impersonation without impersonating a user name");
    }
    u = user_named(q->a, name);
    u->uid = uid;
    if (str_has_prefix(name, sa_prefix)) {
        str rest = str_skip(name, sa_prefix.n), ns;

        str_cut(&rest, ':', &ns);
        e = may_impersonate(q, "", "serviceaccounts", S(""), ns, rest.p ? rest : S(""));
        for (size_t i = 0; i < r->n_headers && !groups_given; i++)
            groups_given = str_eq_nocase(r->headers[i].name, S("Impersonate-Group"));
        if (!groups_given) {
            group_add(q->a, u, S("system:serviceaccounts"));
            group_add(q->a, u, arena_fmt(q->a, "system:serviceaccounts:" PRI_STR, STR_ARG(ns)));
        }
    } else
        e = may_impersonate(q, "", "users", S(""), S(""), name);
    if (!e && uid.n)
        e = may_impersonate(q, "authentication.k8s.io", "uids", S(""), S(""), uid);
    for (size_t i = 0; i < r->n_headers && !e; i++) {
        str h = r->headers[i].name, v = r->headers[i].value;

        if (str_eq_nocase(h, S("Impersonate-Group"))) {
            e = may_impersonate(q, "", "groups", S(""), S(""), v);
            group_add(q->a, u, v);
        } else if (h.n > extra_prefix.n &&
                   str_eq_nocase(str_slice(h, 0, extra_prefix.n), extra_prefix)) {
            str key = str_skip(h, extra_prefix.n), decoded = key;
            char *low;

            http_percent_decode(q->a, key, false, &decoded);
            low = arena_dupz(q->a, decoded);
            for (size_t k = 0; k < decoded.n; k++)
                if (low[k] >= 'A' && low[k] <= 'Z')
                    low[k] = (char)(low[k] + 32);
            e = may_impersonate(q, "authentication.k8s.io", "userextras", (str){low, decoded.n},
                                S(""), v);
            extra_add(q->a, u, (str){low, decoded.n}, v);
        }
    }
    if (e)
        return e;
    group_add(q->a, u,
              str_is(name, "system:anonymous") ? S("system:unauthenticated")
                                               : S("system:authenticated"));
    q->user = u;
    return NULL;
}

/* ---- issuing ---- */

struct err *token_issue(struct api *api, struct arena *a, str ns, str name, str uid,
                        const struct json *audiences, struct json *bound, int64_t seconds,
                        str *ret_token, wall_time *ret_expires)
{
    struct json v = json_object(), *k8s, *sa, aud = json_array();
    int64_t now_s = loop_wall(api->loop).ns / NS_PER_S;
    struct buf b = BUF_INIT;
    struct err *e;

    if (!api->authn->has_key)
        return err_new(REASON_INTERNAL, "no key to sign service account tokens with");
    JSON_EACH(x, audiences)
        json_append(a, &aud, *x);
    if (!aud.n)
        json_append(a, &aud, json_string(api->o.service_account_issuer));
    json_setz(a, &v, "aud", aud);
    json_setz(a, &v, "exp", json_int(now_s + seconds));
    json_setz(a, &v, "iat", json_int(now_s));
    json_setz(a, &v, "iss", json_string(api->o.service_account_issuer));
    json_setz(a, &v, "jti", json_string(new_uid(api, a)));
    k8s = json_setz(a, &v, "kubernetes.io", json_object());
    json_setz(a, k8s, "namespace", json_string(ns));
    JSON_EACH_MEMBER(m, bound)
        json_set(a, k8s, m->key, m->value);
    sa = json_setz(a, k8s, "serviceaccount", json_object());
    json_setz(a, sa, "name", json_string(name));
    json_setz(a, sa, "uid", json_string(uid));
    json_setz(a, &v, "nbf", json_int(now_s));
    json_setz(a, &v, "sub",
              json_string(arena_fmt(a, "system:serviceaccount:" PRI_STR ":" PRI_STR, STR_ARG(ns),
                                    STR_ARG(name))));
    json_encode(&b, &v);
    e = jwt_sign(a, api->o.service_account_key_pem, api->authn->key_id, buf_view(&b), ret_token);
    buf_fini(&b);
    if (e)
        return e;
    *ret_expires = (wall_time){(now_s + seconds) * NS_PER_S};
    return NULL;
}

const char *authn_key_algorithm(const struct api *api)
{
    struct arena *a = arena_new();
    str jwk;
    struct err *e = jwt_jwk(a, api->o.service_account_key_pem, &jwk);
    const char *alg = !e && str_find(jwk, S("\"RS256\"")) >= 0 ? "RS256" : "ES256";

    err_free(e);
    arena_free(a);
    return alg;
}
