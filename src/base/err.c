/* err.c - the one error channel: a reason of the API's vocabulary, a text for the client, a trail for the log. */
#include "base/base.h"

static const struct {
    str name;
    int code;
} reasons[] = {
#define X(id, name, code) {STR(name), code},
    REASONS(X)
#undef X
};

str reason_name(enum reason r)
{
    return reasons[r].name;
}

int reason_code(enum reason r)
{
    return reasons[r].code;
}

static char *vformat(const char *fmt, va_list ap)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, ap) < 0)
        return mem_strdup("(message lost)");
    return text;
}

struct err *err_new(enum reason reason, const char *fmt, ...)
{
    struct err *err = NEW(struct err);
    va_list ap;

    err->reason = reason;
    err->code = reason_code(reason);
    va_start(ap, fmt);
    err->message = vformat(fmt, ap);
    va_end(ap);
    return err;
}

struct err *err_note(struct err *err, const char *doing, ...)
{
    char *note, *trail;
    va_list ap;

    va_start(ap, doing);
    note = vformat(doing, ap);
    va_end(ap);
    if (!err->trail) {
        err->trail = note;
        return err;
    }
    if (asprintf(&trail, "%s: %s", note, err->trail) < 0) {
        free(note);
        return err;
    }
    free(note);
    free(err->trail);
    err->trail = trail;
    return err;
}

struct err *err_errno(int negative_errno, const char *doing, ...)
{
    struct err *err;
    char *text;
    va_list ap;

    va_start(ap, doing);
    text = vformat(doing, ap);
    va_end(ap);
    err = err_new(REASON_INTERNAL, "%s: %s", text, strerror(-negative_errno));
    free(text);
    return err;
}

void err_cause_add(struct err *err, const char *type, str field, str message)
{
    if (err_is_full(err)) {
        err->n_causes_left_out++;
        return;
    }
    err->cause_bytes += field.n + message.n;
    err->causes = mem_realloc(err->causes, (err->n_causes + 1) * sizeof *err->causes);
    err->causes[err->n_causes++] =
        (struct err_cause){mem_strdup(type), str_dupz(message), str_dupz(field)};
}

static char *dup_or_null(const char *z)
{
    return z ? mem_strdup(z) : NULL;
}

struct err *err_copy(const struct err *err)
{
    struct err *copy = NEW(struct err);

    *copy = *err;
    copy->reason_text = dup_or_null(err->reason_text);
    copy->message = dup_or_null(err->message);
    copy->trail = dup_or_null(err->trail);
    copy->details_name = dup_or_null(err->details_name);
    copy->details_group = dup_or_null(err->details_group);
    copy->details_kind = dup_or_null(err->details_kind);
    copy->details_uid = dup_or_null(err->details_uid);
    copy->continue_token = dup_or_null(err->continue_token);
    copy->causes = NULL;
    copy->n_causes = 0;
    copy->cause_bytes = 0;
    for (unsigned i = 0; i < err->n_causes; i++)
        err_cause_add(copy, err->causes[i].type, str_of(err->causes[i].field),
                      str_of(err->causes[i].message));
    return copy;
}

void err_free(struct err *err)
{
    if (!err)
        return;
    for (unsigned i = 0; i < err->n_causes; i++) {
        free(err->causes[i].type);
        free(err->causes[i].message);
        free(err->causes[i].field);
    }
    free(err->causes);
    free(err->reason_text);
    free(err->message);
    free(err->trail);
    free(err->details_name);
    free(err->details_group);
    free(err->details_kind);
    free(err->details_uid);
    free(err->continue_token);
    free(err);
}

const char *err_text(const struct err *err)
{
    return err && err->message ? err->message : "";
}
