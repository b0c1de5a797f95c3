/* status.c - errors as Kubernetes words them, and the Status bodies that carry them.
 *
 * The texts are wire contract: clients match on them.
 * API: k8s.io/apimachinery/pkg/api/errors, pkg/util/validation/field */
#include "api/api_internal.h"

static char *dup_or_null(str s)
{
    return s.n ? str_dupz(s) : NULL;
}

/* Details that name what the error is about. All empty still gives "details": {}. */
struct err *err_details(struct err *e, str group, str kind, str name)
{
    mem_free(e->details_group);
    mem_free(e->details_kind);
    mem_free(e->details_name);
    e->details_group = dup_or_null(group);
    e->details_kind = str_dupz(kind.p ? kind : S(""));
    e->details_name = dup_or_null(name);
    return e;
}

struct err *err_not_found(const struct kind *k, str name)
{
    return err_details(err_new(REASON_NOT_FOUND, PRI_STR " \"" PRI_STR "\" not found",
                               STR_ARG(k->status_name), STR_ARG(name)),
                       k->r->group, k->r->plural, name);
}

struct err *err_exists(const struct kind *k, str name)
{
    return err_details(err_new(REASON_ALREADY_EXISTS, PRI_STR " \"" PRI_STR "\" already exists",
                               STR_ARG(k->status_name), STR_ARG(name)),
                       k->r->group, k->r->plural, name);
}

struct err *err_conflict(const struct kind *k, str name, const char *why)
{
    return err_details(err_new(REASON_CONFLICT,
                               "Operation cannot be fulfilled on " PRI_STR " \"" PRI_STR "\": %s",
                               STR_ARG(k->status_name), STR_ARG(name), why),
                       k->r->group, k->r->plural, name);
}

struct err *err_other_namespace(void)
{
    return err_new(REASON_BAD_REQUEST, "the namespace of the provided object does not match "
                                       "the namespace sent on the request");
}

struct err *check_url_name(str sent, str of_url)
{
    if (!sent.n)
        return err_new(REASON_BAD_REQUEST,
                       "the name of the object (" PRI_STR
                       " based on URL) was undeterminable: name must be provided",
                       STR_ARG(of_url));
    if (!str_eq(sent, of_url))
        return err_new(REASON_BAD_REQUEST,
                       "the name of the object (" PRI_STR
                       ") does not match the name on the URL (" PRI_STR ")",
                       STR_ARG(sent), STR_ARG(of_url));
    return NULL;
}

struct err *err_forbidden(const struct kind *k, str name, const char *fmt, ...)
{
    struct buf why = BUF_INIT;
    struct err *e;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&why, fmt, ap);
    va_end(ap);
    if (name.n)
        e = err_new(REASON_FORBIDDEN, PRI_STR " \"" PRI_STR "\" is forbidden: %s",
                    STR_ARG(k->status_name), STR_ARG(name), buf_cstr(&why));
    else
        e = err_new(REASON_FORBIDDEN, PRI_STR " is forbidden: %s", STR_ARG(k->status_name),
                    buf_cstr(&why));
    buf_fini(&why);
    return err_details(e, k->r->group, k->r->plural, name);
}

struct err *err_no_route(void)
{
    return err_details(
        err_new(REASON_NOT_FOUND, "the server could not find the requested resource"), S(""), S(""),
        S(""));
}

struct err *err_no_method(void)
{
    return err_details(err_new(REASON_METHOD_NOT_ALLOWED,
                               "the server does not allow this method on the requested resource"),
                       S(""), S(""), S(""));
}

void cause(struct err **errs, const char *type, str field, const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    va_list ap;

    if (!*errs)
        *errs = err_new(REASON_INVALID, "invalid");
    if (!err_is_full(*errs)) {
        va_start(ap, fmt);
        buf_vfmt(&text, fmt, ap);
        va_end(ap);
    }
    err_cause_add(*errs, type, field, buf_view(&text));
    buf_fini(&text);
}

/* The aggregate names each distinct cause once; several stand in brackets. */
struct err *err_invalid(struct err *e, str group, str kind, str name)
{
    struct buf m = BUF_INIT, all = BUF_INIT;
    unsigned shown = 0;

    if (!e)
        return NULL;
    for (unsigned i = 0; i < e->n_causes; i++) {
        const struct err_cause *c = &e->causes[i];
        bool seen = false;

        for (unsigned k = 0; k < i && !seen; k++)
            seen =
                !strcmp(e->causes[k].field, c->field) && !strcmp(e->causes[k].message, c->message);
        if (seen)
            continue;
        if (shown++)
            buf_z(&m, ", ");
        buf_fmt(&m, "%s: %s", c->field, c->message);
    }
    if (e->n_causes_left_out)
        buf_fmt(&m, ", and %u more", e->n_causes_left_out);
    mem_free(e->message);
    buf_str(&all, kind);
    if (group.n) {
        buf_char(&all, '.');
        buf_str(&all, group);
    }
    buf_fmt(&all, " \"" PRI_STR "\" is invalid: %s", STR_ARG(name), shown > 1 ? "[" : "");
    buf_str(&all, buf_view(&m));
    if (shown > 1)
        buf_char(&all, ']');
    e->message = mem_strdup(buf_cstr(&all));
    buf_fini(&all);
    buf_fini(&m);
    return err_details(e, group, kind, name);
}

static void member(struct buf *b, bool *first, const char *name, str value)
{
    if (!*first)
        buf_char(b, ',');
    *first = false;
    buf_fmt(b, "\"%s\":", name);
    json_encode_string(b, value);
}

/* metav1.Status as JSON. */
void buf_status(struct buf *b, const struct err *e)
{
    str reason = e->reason_text ? str_of(e->reason_text) : reason_name(e->reason);
    bool details = e->details_kind || e->details_name || e->details_group || e->details_uid ||
                   e->n_causes || e->retry_after_s;

    buf_z(b, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{");
    if (e->continue_token) {
        buf_z(b, "\"continue\":");
        json_encode_string(b, str_of(e->continue_token));
    }
    buf_z(b, "},\"status\":\"Failure\"");
    if (e->message && *e->message) {
        buf_z(b, ",\"message\":");
        json_encode_string(b, str_of(e->message));
    }
    if (reason.n) {
        buf_z(b, ",\"reason\":");
        json_encode_string(b, reason);
    }
    if (details) {
        bool first = true;

        buf_z(b, ",\"details\":{");
        if (e->details_name && *e->details_name)
            member(b, &first, "name", str_of(e->details_name));
        if (e->details_group && *e->details_group)
            member(b, &first, "group", str_of(e->details_group));
        if (e->details_kind && *e->details_kind)
            member(b, &first, "kind", str_of(e->details_kind));
        if (e->details_uid && *e->details_uid)
            member(b, &first, "uid", str_of(e->details_uid));
        if (e->n_causes) {
            buf_fmt(b, "%s\"causes\":[", first ? "" : ",");
            first = false;
            for (unsigned i = 0; i < e->n_causes; i++) {
                bool f = true;

                buf_z(b, i ? ",{" : "{");
                if (e->causes[i].type && *e->causes[i].type)
                    member(b, &f, "reason", str_of(e->causes[i].type));
                if (e->causes[i].message && *e->causes[i].message)
                    member(b, &f, "message", str_of(e->causes[i].message));
                if (e->causes[i].field && *e->causes[i].field)
                    member(b, &f, "field", str_of(e->causes[i].field));
                buf_char(b, '}');
            }
            buf_char(b, ']');
        }
        if (e->retry_after_s)
            buf_fmt(b, "%s\"retryAfterSeconds\":%u", first ? "" : ",", e->retry_after_s);
        buf_char(b, '}');
    }
    buf_fmt(b, ",\"code\":%d}", e->code);
}
