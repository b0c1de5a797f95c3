/* form.c - the object as a webhook or a policy wants to see it, and what they made of it. */
#include "api/dynamic/dynamic_internal.h"

struct err *err_internal(const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    struct err *e;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&text, fmt, ap);
    va_end(ap);
    e = err_new(REASON_INTERNAL, "Internal error occurred: %s", buf_cstr(&text));
    err_cause_add(e, "", S(""), buf_view(&text));
    buf_fini(&text);
    return e;
}

static void name_kind(struct attributes *t, const struct kind *k, struct json *v)
{
    str api_version = k->api_version, name = k->r->kind;

    if (t->type) {
        name = t->kind_name;
        api_version = t->group.n ? arena_fmt(t->a, PRI_STR "/" PRI_STR, STR_ARG(t->group),
                                             STR_ARG(t->version))
                                 : t->version;
    }
    json_setz(t->a, v, "kind", json_string(name));
    json_setz(t->a, v, "apiVersion", json_string(api_version));
}

static const struct schema_type *type_of(const struct attributes *t, const struct kind *k)
{
    return t->type ? t->type : k->r->type;
}

struct err *form_show(struct attributes *t, const struct kind *k, const struct json *obj,
                      struct json **ret)
{
    struct json *v;
    struct err *e = NULL;

    *ret = NULL;
    if (!obj)
        return NULL;
    v = json_new(t->a, json_share(t->a, obj));
    if (!t->type)
        e = object_to_served(t->req, t->a, k, v);
    if (e)
        return e;
    name_kind(t, k, v);
    e = schema_decode(t->a, type_of(t, k), v, NULL);
    if (!e)
        *ret = v;
    return e;
}

/* Field managers may be changed, but not into something that cannot be read again: then they stay as they were, as in
 * Kubernetes. */
static bool managers_are_sound(const struct json *managers)
{
    if (managers && managers->type != JSON_ARRAY)
        return false;
    JSON_EACH(m, managers)
        if (!json_is(json_findz(m, "fieldsV1"), JSON_OBJECT) ||
            !str_is(json_get_str(m, "fieldsType"), "FieldsV1") ||
            !json_get_str(m, "apiVersion").n || !json_get_str(m, "operation").n)
            return false;
    return true;
}

static void keep_managers(struct attributes *t, const struct json *shown, struct json *next)
{
    const struct json *was = json_at(shown, "metadata", "managedFields", NULL);

    if (managers_are_sound(json_at(next, "metadata", "managedFields", NULL)))
        return;
    if (was)
        json_setz(t->a, meta_of(t->a, next), "managedFields", json_share(t->a, was));
    else
        json_removez(meta_of(t->a, next), "managedFields");
}

struct err *form_take(struct attributes *t, const struct kind *k, const struct json *shown,
                      struct json *next, bool *ret_changed)
{
    str kind = json_get_str(shown, "kind"), api_version = json_get_str(shown, "apiVersion");
    struct err *e, *out;

    *ret_changed = false;
    if (!json_is(next, JSON_OBJECT))
        return err_internal("json: cannot unmarshal a value that is no object into Go value of "
                            "type " PRI_STR,
                            STR_ARG(kind));
    if (!str_eq(json_get_str(next, "kind"), kind) ||
        !str_eq(json_get_str(next, "apiVersion"), api_version))
        return err_internal("no kind \"" PRI_STR "\" is registered for version \"" PRI_STR "\"",
                            STR_ARG(json_get_str(next, "kind")),
                            STR_ARG(json_get_str(next, "apiVersion")));
    keep_managers(t, shown, next);
    e = schema_decode(t->a, type_of(t, k), next, NULL);
    if (e) {
        out = err_internal("%s", err_text(e));
        err_free(e);
        return out;
    }
    *ret_changed = !json_equal(shown, next);
    if (!t->type) {
        schema_default(t->a, k->r, next);
        e = object_to_storage(t->req, t->a, k, next);
        if (e)
            return e;
        json_setz(t->a, next, "kind", json_string(t->kind->storage->r->kind));
        json_setz(t->a, next, "apiVersion", json_string(t->kind->storage->api_version));
        schema_default(t->a, t->kind->storage->r, next);
    }
    *t->obj = *next;
    return NULL;
}

static void set_dry_run(struct attributes *t, struct json *v)
{
    struct json all = json_array();

    if (!t->dry_run)
        return;
    json_append(t->a, &all, json_z("All"));
    json_setz(t->a, v, "dryRun", all);
}

static void delete_options_fill(struct attributes *t, struct json *v)
{
    const struct delete_options *o = t->deletion;
    struct json pre = json_object();

    if (o->has_grace)
        json_setz(t->a, v, "gracePeriodSeconds", json_int(o->grace_s));
    if (o->has_uid)
        json_setz(t->a, &pre, "uid", json_string(o->uid));
    if (o->has_rv)
        json_setz(t->a, &pre, "resourceVersion", json_string(o->resource_version));
    if (pre.n)
        json_setz(t->a, v, "preconditions", pre);
    if (o->has_orphan)
        json_setz(t->a, v, "orphanDependents", json_bool(o->orphan));
    if (o->propagation.n)
        json_setz(t->a, v, "propagationPolicy", json_string(o->propagation));
}

struct json form_options(struct attributes *t)
{
    static const char *const kinds[] = {[ADMIT_CREATE] = "CreateOptions",
                                        [ADMIT_UPDATE] = "UpdateOptions",
                                        [ADMIT_DELETE] = "DeleteOptions"};
    static const char *const given[] = {"fieldManager", "fieldValidation"};
    struct json v = json_object();

    if (t->op == ADMIT_CONNECT)
        return json_null();
    json_setz(t->a, &v, "kind", json_z(kinds[t->op]));
    json_setz(t->a, &v, "apiVersion", json_z("meta.k8s.io/v1"));
    if (t->op == ADMIT_DELETE && t->deletion)
        delete_options_fill(t, &v);
    set_dry_run(t, &v);
    for (size_t i = 0; t->op != ADMIT_DELETE && i < ARRAY_LEN(given); i++) {
        str text = query_str(t->req, given[i]);

        if (text.n)
            json_setz(t->a, &v, given[i], json_string(text));
    }
    return v;
}

/* {"group":…,"version":…,"kind":…} or …"resource":…} */
static struct json gv(struct arena *a, str group, str version, const char *last, str value)
{
    struct json v = json_object();

    json_setz(a, &v, "group", json_string(group));
    json_setz(a, &v, "version", json_string(version));
    json_setz(a, &v, last, json_string(value));
    return v;
}

static struct json kind_shown(const struct attributes *t, const struct kind *k)
{
    return t->type ? gv(t->a, t->group, t->version, "kind", t->kind_name)
                   : gv(t->a, k->r->group, k->r->version, "kind", k->r->kind);
}

static void set_if(struct attributes *t, struct json *v, const char *name, str value)
{
    if (value.n)
        json_setz(t->a, v, name, json_string(value));
}

struct json form_request(struct attributes *t, const struct kind *k)
{
    const struct resource *asked = t->kind->r;
    struct json v = json_object();

    json_setz(t->a, &v, "kind", kind_shown(t, k));
    json_setz(t->a, &v, "resource", gv(t->a, k->r->group, k->r->version, "resource", k->r->plural));
    set_if(t, &v, "subResource", t->subresource);
    json_setz(t->a, &v, "requestKind", kind_shown(t, t->kind));
    json_setz(t->a, &v, "requestResource",
              gv(t->a, asked->group, asked->version, "resource", asked->plural));
    set_if(t, &v, "requestSubResource", t->subresource);
    set_if(t, &v, "name", t->name);
    set_if(t, &v, "namespace", t->ns);
    json_setz(t->a, &v, "operation", json_string(operation_name(t->op)));
    json_setz(t->a, &v, "userInfo", user_json(t->a, t->req->user));
    json_setz(t->a, &v, "dryRun", json_bool(t->dry_run));
    json_setz(t->a, &v, "options", form_options(t));
    return v;
}

struct err *shown_make(struct attributes *t, const struct kind *k, struct shown *ret)
{
    struct err *e = form_show(t, k, t->obj, &ret->obj);

    ret->kind = k;
    return e ? e : form_show(t, k, t->old, &ret->old);
}
