/* status.c - Status objects become errors, and API paths are spelled.
 *
 * API: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
#include "client/client_internal.h"

static enum reason reason_of(str name, int code)
{
    static const enum reason all[] = {
#define X(id, reason_text, http_code) REASON_##id,
        REASONS(X)
#undef X
    };

    for (size_t i = 0; name.n && i < ARRAY_LEN(all); i++)
        if (str_eq(reason_name(all[i]), name))
            return all[i];
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (reason_code(all[i]) == code)
            return all[i];
    return REASON_UNKNOWN;
}

static char *dup_or_null(str s)
{
    return s.n ? str_dupz(s) : NULL;
}

struct err *client_status_err(int status, str body)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *tree = NULL;
    struct err *err = json_parse(a, body, NULL, NULL, &tree);
    str reason, message;

    if (err || !str_is(json_get_str(tree, "kind"), "Status")) {
        /* Not an API server's answer: a proxy's page, or the connection's own error. */
        err_free(err);
        body = str_slice(str_trim(body), 0, 512);
        err = err_new(reason_of(STR_NONE, status), PRI_STR,
                      STR_ARG(body.n ? body : S("the server gave no reason")));
        err->code = status;
        return err;
    }
    reason = json_get_str(tree, "reason");
    message = json_get_str(tree, "message");
    err = err_new(reason_of(reason, status), PRI_STR, STR_ARG(message));
    err->code = status;
    err->retry_after_s =
        (unsigned)MAX(json_get_int(tree, "details.retryAfterSeconds", 0), INT64_C(0));
    err->details_name = dup_or_null(json_get_str(tree, "details.name"));
    err->details_group = dup_or_null(json_get_str(tree, "details.group"));
    err->details_kind = dup_or_null(json_get_str(tree, "details.kind"));
    err->details_uid = dup_or_null(json_get_str(tree, "details.uid"));
    JSON_EACH(cause, json_path(tree, "details.causes")) {
        CLEANUP(mem) void *type = str_dupz(json_get_str(cause, "reason"));

        err_cause_add(err, type, json_get_str(cause, "field"), json_get_str(cause, "message"));
    }
    return err;
}

void buf_api_path(struct buf *b, str group, str version, str plural, str ns, str name, str sub)
{
    buf_z(b, group.n ? "/apis/" : "/api/");
    if (group.n) {
        buf_str(b, group);
        buf_char(b, '/');
    }
    buf_str(b, version);
    if (ns.n) {
        buf_z(b, "/namespaces/");
        buf_str(b, ns);
    }
    if (plural.n) {
        buf_char(b, '/');
        buf_str(b, plural);
    }
    if (name.n) {
        buf_char(b, '/');
        /* Names are path segments already, but for custom kinds whose rules are their own. */
        http_percent_encode(b, name);
    }
    if (sub.n) {
        buf_char(b, '/');
        buf_str(b, sub);
    }
}
