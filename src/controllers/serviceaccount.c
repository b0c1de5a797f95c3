/* serviceaccount.c - every active namespace has a ServiceAccount "default". */
#include "controllers/controllers_internal.h"

bool namespace_is_active(const struct reconcile *r, str name)
{
    const struct obj *o = look_up(r, K_NAMESPACES, STR_NONE, name);

    return o && str_is(client_text_find(o->data, "status.phase"), "Active");
}

static void reconcile(struct reconcile *r)
{
    struct json *sa, meta = json_object();
    struct action *act;

    if (!namespace_is_active(r, r->name) || look_up(r, K_SERVICEACCOUNTS, r->name, S("default")))
        return;
    sa = json_new(r->a, json_object());
    json_setz(r->a, sa, "kind", json_z("ServiceAccount"));
    json_setz(r->a, sa, "apiVersion", json_z("v1"));
    json_setz(r->a, &meta, "name", json_z("default"));
    json_setz(r->a, &meta, "namespace", json_string(r->name));
    json_setz(r->a, sa, "metadata", meta);
    act = plan_create(&r->plan, K_SERVICEACCOUNTS, r->name, sa);
    act->flags = ACT_IGNORE_EXISTS | ACT_IGNORE_TERMINATING | ACT_IGNORE_NOT_FOUND;
}

static void sa_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    if (!obj && str_is(prev->key.name, "default"))
        wake(c, STR_NONE, prev->key.ns);
}

static const struct trigger triggers[] = {{K_SERVICEACCOUNTS, sa_changed}};

const struct controller_type serviceaccount_controller = {
    .name = "serviceaccount",
    .component = "serviceaccount-controller",
    .primary = K_NAMESPACES,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
};
