/* event.c - rules of Events: those with an eventTime follow the newer ones, and those of events.k8s.io
 * more still.
 *
 * What is looked at is the stored form, with the core group's names, whichever group was asked.
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/events.go. */
#include "api/api_internal.h"
#include "api/validation/check.h"
#include "api/validation/validation.h"

static void check_texts(struct check *c, const struct json *o)
{
    static const struct {
        const char *field;
        size_t max;
        bool required;
    } texts[] = {{"reportingInstance", 128, true},
                 {"action", 128, true},
                 {"reason", 128, true},
                 {"message", 1024, false}};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        str s = json_get_str(o, texts[i].field);

        if (texts[i].required && !s.n)
            bad_required(c, AT(NULL, texts[i].field), "");
        if (s.n > texts[i].max)
            bad_invalid(c, AT(NULL, texts[i].field), json_z(""), "can have at most %zu characters",
                        texts[i].max);
    }
}

/* shown: what the controller's field is called where it was asked for. */
static void check_any(struct check *c, const struct json *o, const char *shown)
{
    str ns = json_get_str(o, "metadata.namespace"),
        object_ns = json_get_str(o, "involvedObject.namespace"),
        controller = json_get_str(o, "reportingComponent");
    const struct at *at = AT(AT(NULL, "involvedObject"), "namespace");
    bool newer = json_get_str(o, "eventTime").n > 0, elsewhere;

    /* Objects of no namespace have their events in `default`. */
    elsewhere = object_ns.n ? !newer && !str_eq(ns, object_ns)
                            : !str_is(ns, "default") && !(newer && str_is(ns, "kube-system"));
    if (elsewhere)
        bad_invalid(c, at, json_string(object_ns), "does not match event.namespace");
    if (newer) {
        if (!controller.n)
            bad_required(c, AT(NULL, shown), "");
        check_qualified_name(c, AT(NULL, shown), controller);
        check_texts(c, o);
    }
    check_dns_subdomain(c, AT(NULL, "namespace"), ns);
}

static void check_series(struct check *c, const struct json *series)
{
    if (!series)
        return;
    if (json_get_int(series, "count", 0) < 2)
        bad_invalid(c, AT(NULL, "series.count"), json_z(""), "should be at least 2");
    if (!json_get_str(series, "lastObservedTime").n)
        bad_required(c, AT(NULL, "series.lastObservedTime"), "");
}

static void check_new(struct check *c, const struct json *o)
{
    static const char *const unset[] = {"firstTimestamp", "lastTimestamp", "count"};
    str type = json_get_str(o, "type");

    check_series(c, field(o, "series"));
    if (!json_get_str(o, "eventTime").n)
        bad_required(c, AT(NULL, "eventTime"), "");
    if (!str_is(type, "Normal") && !str_is(type, "Warning"))
        bad_invalid(c, AT(NULL, "type"), json_z(""), "has invalid value: " PRI_STR, STR_ARG(type));
    for (size_t i = 0; i < ARRAY_LEN(unset); i++) {
        const struct json *v = field(o, unset[i]);

        if (v && !(v->type == JSON_INT && v->i == 0))
            bad_invalid(c, AT(NULL, unset[i]), json_z(""), "needs to be unset");
    }
    if (json_get_str(o, "source.component").n || json_get_str(o, "source.host").n)
        bad_invalid(c, AT(NULL, "source"), json_z(""), "needs to be unset");
}

/* Only the series goes on. */
static void check_changed(struct check *c, const struct json *o, const struct json *old)
{
    static const struct {
        const char *field, *shown, *type; /* type: of a structured value */
    } fixed[] = {{"involvedObject", "involvedObject", "ObjectReference"},
                 {"reason", "reason", NULL},
                 {"message", "message", NULL},
                 {"source", "source", "EventSource"},
                 {"firstTimestamp", "firstTimestamp", NULL},
                 {"lastTimestamp", "lastTimestamp", NULL},
                 {"count", "count", NULL},
                 {"reason", "reason", NULL},
                 {"type", "type", NULL},
                 {"eventTime", "eventTime", NULL},
                 {"action", "action", NULL},
                 {"related", "related", "ObjectReference"},
                 {"reportingComponent", "reportingController", NULL},
                 {"reportingInstance", "reportingInstance", NULL}};
    static const struct json null = {.type = JSON_NULL};
    const struct json *now = field(o, "series"), *was = field(old, "series");

    if (!json_equal(now ? now : &null, was ? was : &null))
        check_series(c, now);
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        const struct json *x = field(o, fixed[i].field), *y = field(old, fixed[i].field);

        if (!json_equal(x ? x : &null, y ? y : &null))
            bad_invalid(c, AT(NULL, fixed[i].shown),
                        fixed[i].type ? go_value(c, fixed[i].type, x) : *(x ? x : &null),
                        "field is immutable");
    }
}

void validate_event(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};

    check_any(c, w->obj, w->kind->r->group.n ? "reportingController" : "reportingComponent");
    if (!w->kind->r->group.n)
        return;
    if (w->old)
        check_changed(c, w->obj, w->old);
    else
        check_new(c, w->obj);
}
