/* health.c - the paths beside the API: health, version, metrics, the tokens' issuer.
 *
 * API: https://kubernetes.io/docs/reference/using-api/health-checks/,
 * https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
 */
#include "api/api_internal.h"

static const struct {
    const char *key, *value;
} version_info[] = {
    {"major", "1"},
    {"minor", "36"},
    {"emulationMajor", "1"},
    {"emulationMinor", "36"},
    {"minCompatibilityMajor", "1"},
    {"minCompatibilityMinor", "35"},
    {"gitVersion", "v1.36.2"},
    {"gitCommit", ""},
    {"gitTreeState", "clean"},
    {"buildDate", "1970-01-01T00:00:00Z"},
    {"goVersion", "none"},
    {"compiler", "gcc"},
#if defined(__aarch64__)
    {"platform", "linux/arm64"},
#else
    {"platform", "linux/amd64"},
#endif
};

static void reply_version(struct req *q)
{
    struct json v = json_object();

    for (size_t i = 0; i < ARRAY_LEN(version_info); i++)
        json_setz(q->a, &v, version_info[i].key, json_z(version_info[i].value));
    q->pretty = true;
    reply_tree(q, 200, NULL, &v);
}

static bool excluded(struct req *q, const char *name)
{
    size_t n;
    struct http_header *all;

    if (!q->ex->req.query.n)
        return false;
    all = http_query_all(q->a, q->ex->req.query, &n);
    for (size_t i = 0; i < n; i++)
        if (str_is(all[i].name, "exclude") && str_is(all[i].value, name))
            return true;
    return false;
}

static void reply_health(struct req *q, str path)
{
    struct api *api = q->api;
    str which = str_skip(path, 1), single = which;
    struct buf b = BUF_INIT;
    bool ok = true, live,
         verbose = q->ex->req.query.n && http_query(q->a, q->ex->req.query, "verbose", &(str){0});
    str kind;

    str_cut(&single, '/', &kind);
    live = !str_is(kind, "readyz");
    if (single.p) {
        bool found = str_is(single, "ping");

        for (struct api_check *c = api->checks; c && !found; c = c->next)
            if (str_is(single, c->name)) {
                found = true;
                ok = c->ok;
            }
        if (!found) {
            reply_page_not_found(q);
            return;
        }
        reply_bytes(q, ok ? 200 : 500, "text/plain; charset=utf-8",
                    ok ? S("ok") : S("internal server error: not ready\n"));
        return;
    }
    buf_z(&b, "[+]ping ok\n");
    for (struct api_check *c = api->checks; c; c = c->next) {
        if (excluded(q, c->name)) {
            buf_fmt(&b, "[+]%s excluded: ok\n", c->name);
            continue;
        }
        /* Components that are still coming up make the server not ready, but it lives. */
        if (c->ok || live)
            buf_fmt(&b, "[+]%s ok\n", c->name);
        else {
            buf_fmt(&b, "[-]%s failed: reason withheld\n", c->name);
            ok = false;
        }
    }
    if (ok && !verbose)
        reply_bytes(q, 200, "text/plain; charset=utf-8", S("ok"));
    else {
        buf_fmt(&b, PRI_STR " check %s\n", STR_ARG(kind), ok ? "passed" : "failed");
        reply_bytes(q, ok ? 200 : 500, "text/plain; charset=utf-8", buf_view(&b));
    }
    buf_fini(&b);
}

static void reply_metrics(struct req *q)
{
    struct buf b = BUF_INIT;
    struct store_stats s;
    size_t watches = 0;

    store_stats(q->api->store, &s);
    for (struct list *l = q->api->watchers.next; l != &q->api->watchers; l = l->next)
        watches++;
    buf_fmt(&b,
            "# HELP apiserver_current_inflight_requests Requests being answered now.\n# TYPE "
            "apiserver_current_inflight_requests "
            "gauge\napiserver_current_inflight_requests{request_kind=\"mutating\"} %zu\n",
            s.pending_writes);
    buf_fmt(&b,
            "# HELP apiserver_longrunning_requests Watches and other long requests.\n# TYPE "
            "apiserver_longrunning_requests gauge\napiserver_longrunning_requests{verb=\"WATCH\"} "
            "%zu\n",
            watches);
    buf_z(&b, "# HELP apiserver_request_duration_seconds Time to answer.\n# TYPE "
              "apiserver_request_duration_seconds histogram\n");
    buf_fmt(&b,
            "# HELP apiserver_request_total Requests answered.\n# TYPE apiserver_request_total "
            "counter\napiserver_request_total %llu\n",
            (unsigned long long)q->api->n_requests);
    buf_fmt(&b,
            "# HELP apiserver_storage_objects Objects stored.\n# TYPE apiserver_storage_objects "
            "gauge\napiserver_storage_objects %zu\n",
            s.objects);
    buf_fmt(&b,
            "# HELP apiserver_storage_size_bytes Bytes of all current objects.\n# TYPE "
            "apiserver_storage_size_bytes gauge\napiserver_storage_size_bytes %zu\n",
            s.bytes);
    buf_fmt(&b,
            "# HELP process_start_time_seconds When the process started.\n# TYPE "
            "process_start_time_seconds gauge\nprocess_start_time_seconds %lld\n",
            (long long)(q->api->started.ns / NS_PER_S));
    reply_bytes(q, 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
                buf_view(&b));
    buf_fini(&b);
}

static void reply_public(struct req *q, const char *type, struct json *v)
{
    struct buf b = BUF_INIT;
    struct http_header h[3];

    json_encode(&b, v);
    h[0] = (struct http_header){S("Cache-Control"), S("public, max-age=3600")};
    h[1] = (struct http_header){S("Content-Type"), str_of(type)};
    h[2] = (struct http_header){S("Content-Length"), arena_fmt(q->a, "%zu", b.n)};
    http_start(q->ex, 200, h, 3);
    http_write(q->ex, buf_view(&b));
    buf_fini(&b);
    http_end(q->ex);
}

static void reply_issuer(struct req *q)
{
    struct json v = json_object(), one = json_array(), alg = json_array(), subject = json_array();
    const struct api_options *o = &q->api->o;

    json_append(q->a, &one, json_z("id_token"));
    json_append(q->a, &subject, json_z("public"));
    json_append(q->a, &alg, json_z(jwt_key_algorithm(authn_key_pem(q->api))));
    json_setz(q->a, &v, "issuer", json_string(o->service_account_issuer));
    json_setz(q->a, &v, "jwks_uri",
              json_string(arena_fmt(q->a, "https://" PRI_STR ":%d/openid/v1/jwks",
                                    STR_ARG(o->advertise_address), o->advertise_port)));
    json_setz(q->a, &v, "response_types_supported", one);
    json_setz(q->a, &v, "subject_types_supported", subject);
    json_setz(q->a, &v, "id_token_signing_alg_values_supported", alg);
    reply_public(q, "application/json", &v);
}

static void reply_jwks(struct req *q)
{
    struct json v = json_object(), keys = json_array(), *key = NULL;
    str accept = http_header(&q->ex->req, "accept"), text;
    struct err *e;

    if (accept.n && str_find(accept, S("application/jwk-set+json")) < 0 &&
        str_find(accept, S("*/*")) < 0) {
        reply_error(
            q,
            err_details(
                err_new(
                    REASON_NOT_ACCEPTABLE,
                    "406: Not Acceptable\n\nAvailable representations: application/jwk-set+json"),
                S(""), S(""), S("")));
        return;
    }
    if (!authn_key_pem(q->api).n) {
        json_setz(q->a, &v, "keys", keys);
        reply_public(q, "application/jwk-set+json", &v);
        return;
    }
    e = jwt_jwk(q->a, authn_key_pem(q->api), &text);
    if (!e)
        e = json_parse(q->a, text, NULL, NULL, &key);
    if (e) {
        reply_error(q, e);
        return;
    }
    json_append(q->a, &keys, *key);
    json_setz(q->a, &v, "keys", keys);
    reply_public(q, "application/jwk-set+json", &v);
}

static void reply_root(struct req *q)
{
    static const char *const paths[] = {"/.well-known/openid-configuration",
                                        "/api",
                                        "/api/v1",
                                        "/apis",
                                        "/apis/",
                                        "/healthz",
                                        "/livez",
                                        "/metrics",
                                        "/openapi/v2",
                                        "/openapi/v3",
                                        "/openid/v1/jwks",
                                        "/readyz",
                                        "/version"};
    struct json v = json_object(), list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        json_append(q->a, &list, json_z(paths[i]));
    json_setz(q->a, &v, "paths", list);
    reply_tree(q, 200, NULL, &v);
}

bool health_handle(struct req *q)
{
    str path = q->route.path;

    if (str_is(path, "/"))
        reply_root(q);
    else if ((str_is(path, "/version") || str_is(path, "/version/")) &&
             !str_is(q->ex->req.method, "GET"))
        reply_error(q, err_no_method());
    else if (str_is(path, "/version") || str_is(path, "/version/"))
        reply_version(q);
    else if (str_is(path, "/healthz") || str_is(path, "/livez") || str_is(path, "/readyz") ||
             str_has_prefix(path, S("/healthz/")) || str_has_prefix(path, S("/livez/")) ||
             str_has_prefix(path, S("/readyz/")))
        reply_health(q, path);
    else if (str_is(path, "/metrics"))
        reply_metrics(q);
    else if (str_is(path, "/.well-known/openid-configuration"))
        reply_issuer(q);
    else if (str_is(path, "/openid/v1/jwks"))
        reply_jwks(q);
    else
        return false;
    return true;
}
