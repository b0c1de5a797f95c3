/* audit.c - who did what: an Event of audit.k8s.io/v1 per stage of a request.
 *
 * The event is made of the request as it came, of what authentication, impersonation and
 * authorization found, and of the answer, which is overheard: the exchange's operations are replaced
 * by ones that note the status (and keep the body at the level RequestResponse) and pass everything
 * on. Nothing else in the API server knows of it.
 *
 * Source: k8s.io/apiserver/pkg/audit. API:
 * https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/ */
#include "api/audit.h"
#include "wire/yaml.h"

#define AUDIT_OBJECT_MAX                                                                           \
    ((size_t)1536 << 10) /* bytes of a body that is kept; longer ones are not */
#define DAY_NS (INT64_C(86400) * NS_PER_S)

struct audited {
    struct audit *audit;
    struct req *q;
    struct audit_verdict verdict;
    const struct http_exchange_ops *inner;
    struct http_exchange_ops ops;
    str id;
    wall_time received;
    const struct user *user, *impersonated;
    const char *constraint;
    struct json annotations;
    bool long_running, tree_made;
    bool refused;         /* nobody knows who it is: one event tells of it */
    struct json *request; /* the body; NULL: none */
    int status;
    str reason, message, result; /* of an answer that is a Status */
    const char *media;           /* Content-Type of the answer */
    bool too_long;
    struct buf body;
};

/* ---- the event ---- */

static void put_user(struct buf *b, const struct user *u)
{
    buf_char(b, '{');
    if (u) {
        buf_z(b, "\"username\":");
        json_encode_string(b, u->name);
        if (u->uid.n) {
            buf_z(b, ",\"uid\":");
            json_encode_string(b, u->uid);
        }
        for (size_t i = 0; i < u->n_groups; i++) {
            buf_z(b, i ? "," : ",\"groups\":[");
            json_encode_string(b, u->groups[i]);
        }
        buf_z(b, u->n_groups ? "]" : "");
        for (size_t i = 0; i < u->n_extra; i++) {
            buf_z(b, i ? "," : ",\"extra\":{");
            json_encode_string(b, u->extra[i].key);
            for (size_t k = 0; k < u->extra[i].n_values; k++) {
                buf_z(b, k ? "," : ":[");
                json_encode_string(b, u->extra[i].values[k]);
            }
            buf_char(b, ']');
        }
        buf_z(b, u->n_extra ? "}" : "");
    }
    buf_char(b, '}');
}

static void member(struct buf *b, bool *first, const char *name, str value)
{
    if (!value.n)
        return;
    buf_fmt(b, "%s\"%s\":", *first ? "" : ",", name);
    *first = false;
    json_encode_string(b, value);
}

/* The body as a tree, made when an event first needs it. */
static const struct json *request_tree(struct audited *t)
{
    str body = t->q->ex->req.body;
    struct json *v = NULL;
    struct err *e;

    if (t->tree_made)
        return t->request;
    t->tree_made = true;
    if (!body.n || body.n > AUDIT_OBJECT_MAX)
        return NULL;
    if (str_is(t->q->route.verb, "patch"))
        /* Server-side apply comes as YAML; that reads JSON too. */
        e = yaml_parse(t->q->a, body, NULL, &v);
    else
        e = body_parse(t->q, NULL, &v);
    if (e)
        err_free(e);
    else
        t->request = v;
    return t->request;
}

static void put_ref(struct buf *b, struct audited *t)
{
    const struct route *r = &t->q->route;
    const struct json *meta = NULL;
    bool first = true;

    if (str_is(r->verb, "create") || str_is(r->verb, "update"))
        meta = json_findz(request_tree(t), "metadata");
    buf_z(b, ",\"objectRef\":{");
    member(b, &first, "resource", r->resource);
    member(b, &first, "namespace", r->ns.n ? r->ns : json_get_str(meta, "namespace"));
    member(b, &first, "name", r->name.n ? r->name : json_get_str(meta, "name"));
    member(b, &first, "uid", json_get_str(meta, "uid"));
    member(b, &first, "apiGroup", r->group);
    member(b, &first, "apiVersion", r->version);
    member(b, &first, "resourceVersion", json_get_str(meta, "resourceVersion"));
    member(b, &first, "subresource", r->subresource);
    buf_char(b, '}');
}

static void put_status(struct buf *b, const struct audited *t)
{
    buf_z(b, ",\"responseStatus\":{\"metadata\":{}");
    if (t->result.n) {
        buf_z(b, ",\"status\":");
        json_encode_string(b, t->result);
    }
    if (t->message.n) {
        buf_z(b, ",\"message\":");
        json_encode_string(b, t->message);
    }
    if (t->reason.n) {
        buf_z(b, ",\"reason\":");
        json_encode_string(b, t->reason);
    }
    buf_fmt(b, ",\"code\":%d}", t->status);
}

static void strip(struct json *v)
{
    json_removez(json_findz(v, "metadata"), "managedFields");
    JSON_EACH(i, json_findz(v, "items"))
        json_removez(json_findz(i, "metadata"), "managedFields");
}

static void put_object(struct buf *b, struct audited *t, const char *name, const struct json *v)
{
    struct json copy;

    if (!v)
        return;
    buf_fmt(b, ",\"%s\":", name);
    if (!t->verdict.omit_managed_fields) {
        json_encode(b, v);
        return;
    }
    copy = json_share(t->q->a, v);
    strip(&copy);
    json_encode(b, &copy);
}

static struct json *response_tree(struct audited *t)
{
    struct json *v = NULL;
    struct err *e;
    str body = buf_view(&t->body), type = str_of(t->media), head;

    if (!body.n || t->too_long)
        return NULL;
    str_cut(&type, ';', &head);
    if (str_is(head, "application/json"))
        e = json_parse(t->q->a, body, NULL, NULL, &v);
    else if (str_is(head, "application/yaml"))
        e = yaml_parse(t->q->a, body, NULL, &v);
    else if (str_is(head, "application/vnd.kubernetes.protobuf"))
        e = proto_decode_envelope(t->q->a, body, &v);
    else
        return NULL;
    if (e) {
        err_free(e);
        return NULL;
    }
    return v;
}

static void put_addresses(struct buf *b, const struct req *q)
{
    static const char *const headers[] = {"x-forwarded-for", "x-real-ip"};
    str peer = q->ex->req.peer.address, ip;
    ptrdiff_t colon = str_rindex(peer, ':');
    bool first = true;

    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        str list = http_header(&q->ex->req, headers[i]);

        while (list.n && str_cut(&list, ',', &ip)) {
            if (!str_trim(ip).n)
                continue;
            buf_z(b, first ? ",\"sourceIPs\":[" : ",");
            first = false;
            json_encode_string(b, str_trim(ip));
        }
    }
    if (colon > 0) {
        ip = str_slice(peer, 0, (size_t)colon);
        if (ip.n > 2 && ip.p[0] == '[')
            ip = str_slice(ip, 1, ip.n - 1);
        buf_z(b, first ? ",\"sourceIPs\":[" : ",");
        first = false;
        json_encode_string(b, ip);
    }
    buf_z(b, first ? "" : "]");
}

static void emit(struct audited *t, unsigned stage)
{
    static const char *const levels[] = {"None", "Metadata", "Request", "RequestResponse"};
    struct req *q = t->q;
    struct buf b = BUF_INIT;

    if (t->verdict.omit & stage)
        return;
    buf_fmt(&b,
            "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"%s\",\"auditID\":",
            levels[t->verdict.level]);
    json_encode_string(&b, t->id);
    buf_fmt(&b, ",\"stage\":\"%s\",\"requestURI\":",
            stage == AUDIT_RECEIVED  ? "RequestReceived"
            : stage == AUDIT_STARTED ? "ResponseStarted"
                                     : "ResponseComplete");
    json_encode_string(&b, q->ex->req.target);
    buf_z(&b, ",\"verb\":");
    json_encode_string(&b, q->route.verb);
    buf_z(&b, ",\"user\":");
    put_user(&b, t->user);
    if (t->impersonated) {
        buf_z(&b, ",\"impersonatedUser\":");
        put_user(&b, t->impersonated);
    }
    if (t->constraint)
        buf_fmt(&b, ",\"authenticationMetadata\":{\"impersonationConstraint\":\"impersonate:%s\"}",
                t->constraint);
    put_addresses(&b, q);
    if (http_header(&q->ex->req, "user-agent").n) {
        buf_z(&b, ",\"userAgent\":");
        json_encode_string(&b, http_header(&q->ex->req, "user-agent"));
    }
    if (q->route.is_resource)
        put_ref(&b, t);
    if (stage != AUDIT_RECEIVED) {
        put_status(&b, t);
        if (t->verdict.level >= AUDIT_REQUEST && !t->long_running)
            put_object(&b, t, "requestObject", request_tree(t));
        if (t->verdict.level == AUDIT_REQUEST_RESPONSE && stage == AUDIT_COMPLETE)
            put_object(&b, t, "responseObject", response_tree(t));
    }
    buf_z(&b, ",\"requestReceivedTimestamp\":\"");
    buf_rfc3339_micro(&b, t->received);
    buf_z(&b, "\",\"stageTimestamp\":\"");
    buf_rfc3339_micro(&b, loop_wall(q->api->loop));
    buf_char(&b, '"');
    if (t->annotations.n) {
        buf_z(&b, ",\"annotations\":");
        json_encode(&b, &t->annotations);
    }
    buf_char(&b, '}');
    audit_log_add(t->audit->log, buf_view(&b));
    buf_fini(&b);
}

/* ---- overhearing the answer ---- */

static struct audited *of(struct http_exchange *ex)
{
    return ex->observer;
}

static void on_start(struct http_exchange *ex, int status, const struct http_header *headers,
                     size_t n, bool has_body)
{
    struct audited *t = of(ex);

    t->status = status;
    for (size_t i = 0; i < n; i++)
        if (str_eq_nocase(headers[i].name, S("Content-Type")))
            t->media = arena_dupz(t->q->a, headers[i].value);
    if (t->long_running || t->refused)
        emit(t, AUDIT_STARTED);
    t->inner->start(ex, status, headers, n, has_body);
}

static void keep(struct audited *t, str data)
{
    if (t->verdict.level != AUDIT_REQUEST_RESPONSE || t->long_running || t->too_long)
        return;
    if (t->body.n + data.n > AUDIT_OBJECT_MAX) {
        t->too_long = true;
        buf_clear(&t->body);
    } else
        buf_str(&t->body, data);
}

static void on_write(struct http_exchange *ex, str data)
{
    keep(of(ex), data);
    of(ex)->inner->write(ex, data);
}

static void on_write_bytes(struct http_exchange *ex, const struct bytes *b)
{
    keep(of(ex), bytes_str(b));
    of(ex)->inner->write_bytes(ex, b);
}

static size_t on_queued(const struct http_exchange *ex)
{
    const struct audited *t = ex->observer;

    return t->inner->queued(ex);
}

static void finish(struct audited *t)
{
    if (!t->refused)
        emit(t, AUDIT_COMPLETE);
    buf_fini(&t->body);
    t->q->ex->ops = t->inner;
    t->q->audited = NULL;
}

static void on_end(struct http_exchange *ex)
{
    finish(of(ex));
    ex->ops->end(ex);
}

static struct stream *on_upgrade(struct http_exchange *ex)
{
    finish(of(ex));
    return ex->ops->upgrade(ex);
}

static void on_messages(struct http_exchange *ex, unsigned opcode)
{
    of(ex)->inner->messages(ex, opcode);
}

static void on_share(struct http_exchange *ex, const struct obj *o, bool deleted)
{
    of(ex)->inner->share(ex, o, deleted);
}

static void overhear(struct audited *t)
{
    struct http_exchange *ex = t->q->ex;

    t->inner = ex->ops;
    t->ops = (struct http_exchange_ops){.start = on_start,
                                        .write = on_write,
                                        .write_bytes = on_write_bytes,
                                        .queued = on_queued,
                                        .end = on_end,
                                        .upgrade = ex->ops->upgrade ? on_upgrade : NULL,
                                        .messages = ex->ops->messages ? on_messages : NULL,
                                        .share = ex->ops->share ? on_share : NULL};
    ex->observer = t;
    ex->ops = &t->ops;
}

/* ---- for the rest of the API server ---- */

static bool is_long_running(const struct route *r)
{
    static const char *const subresources[] = {"attach", "exec", "proxy", "log", "portforward"};

    if (str_is(r->verb, "watch"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(subresources); i++)
        if (str_is(r->subresource, subresources[i]))
            return true;
    return false;
}

void audit_begin(struct req *q)
{
    struct audit *u = q->api->audit;
    struct access x;
    struct audit_verdict v;
    struct audited *t;

    if (!u)
        return;
    x = access_of(q);
    v = audit_policy_ask(u->policy, q->user, &x);
    if (v.level == AUDIT_NONE)
        return;
    t = ARENA_NEW(q->a, struct audited);
    t->audit = u;
    t->q = q;
    t->verdict = v;
    t->received = loop_wall(q->api->loop);
    t->user = q->user;
    t->annotations = json_object();
    t->long_running = is_long_running(&q->route);
    t->id = audit_id(q);
    t->refused = !q->user;
    t->body = BUF_INIT;
    q->audited = t;
    overhear(t);
    if (!t->refused)
        emit(t, AUDIT_RECEIVED);
}

str audit_id(struct req *q)
{
    struct http_header *mark = &q->ex->mark;

    if (!mark->name.n) {
        str given = http_header(&q->ex->req, "audit-id");

        *mark = (struct http_header){S("Audit-Id"), given.n ? given : new_uid(q->api, NULL, q->a)};
    }
    return mark->value;
}

void audit_note(struct req *q, str key, str value)
{
    if (q->audited && !json_find(&q->audited->annotations, key))
        json_set(q->a, &q->audited->annotations, key, json_string(value));
}

uint32_t audit_notes(const struct req *q)
{
    return q->audited ? q->audited->annotations.n : 0;
}

void audit_forget(struct req *q, uint32_t n)
{
    if (q->audited && q->audited->annotations.n > n)
        q->audited->annotations.n = n;
}

bool audit_keeps_notes(const struct req *q)
{
    return q->audited;
}

bool audit_keeps_bodies(const struct req *q)
{
    return q->audited && q->audited->verdict.level >= AUDIT_REQUEST;
}

void audit_decision(struct req *q, bool allowed, str reason)
{
    if (!q->audited)
        return;
    audit_note(q, S("authorization.k8s.io/decision"), allowed ? S("allow") : S("forbid"));
    audit_note(q, S("authorization.k8s.io/reason"), reason);
}

void audit_impersonated(struct req *q, const struct user *u, const char *constraint)
{
    if (!q->audited)
        return;
    q->audited->impersonated = u;
    q->audited->constraint = constraint;
}

void audit_error(struct req *q, const struct err *e)
{
    struct audited *t = q->audited;

    if (!t)
        return;
    t->result = S("Failure");
    t->message = arena_dup(q->a, str_of(err_text(e)));
    t->reason = e->reason == REASON_UNKNOWN ? S("") : reason_name(e->reason);
}

void audit_error_text(struct req *q, str reason, str message)
{
    if (!q->audited)
        return;
    q->audited->result = S("Failure");
    q->audited->reason = reason;
    q->audited->message = message;
}

bool audit_keeps_body(const struct req *q)
{
    return q->audited && q->audited->verdict.level == AUDIT_REQUEST_RESPONSE;
}

struct err *audit_new(struct api *api, struct audit **ret)
{
    const struct api_options *o = &api->o;
    struct audit *u;
    struct err *e;

    if (!o->audit_policy.n || !o->audit_log_path.n) {
        if (o->audit_log_path.n)
            log_warning("api", "no audit-policy-file: nothing is written to the audit log");
        return NULL;
    }
    u = ARENA_NEW(api->arena, struct audit);
    u->api = api;
    e = audit_policy_parse(api->arena, o->audit_policy, &u->policy);
    if (e)
        return e;
    u->log = audit_log_new(api->loop, o->audit_log_path, o->audit_log_max_mb << 20,
                           o->audit_log_max_age_days * DAY_NS, o->audit_log_backups);
    *ret = u;
    return NULL;
}

void audit_close(struct audit *u, loop_fn *closed, void *ctx)
{
    audit_log_close(u->log, closed, ctx);
}
