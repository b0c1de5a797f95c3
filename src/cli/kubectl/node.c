/* node.c - what is done to nodes: cordon, uncordon, taint; and which nodes a command means.
 *
 * Not here: drain (drain.c). Source: k8s.io/kubectl/pkg/cmd/drain, cmd/taint. */
#include "cli/kubectl/kubectl.h"

struct err *kube_patch(struct kube_args *args, const struct kube_target *t, const char *type,
                       str patch, str sub, struct json **ret)
{
    struct kubectl *k = args->k;

    return kube_call_json(
        k,
        &(struct kube_request){
            .method = "PATCH",
            .path = arena_fmt(
                k->a, PRI_STR "?fieldManager=" PRI_STR "%s",
                STR_ARG(kube_path(k, &t->res, t->ns, t->name, sub)),
                STR_ARG(args->f->field_manager.n ? args->f->field_manager : S("kubectl-edit")),
                str_is(args->f->dry_run, "server") ? "&dryRun=All" : ""),
            .content_type = type,
            .body = patch,
        },
        ret);
}

struct err *kube_nodes(struct kube_args *args, char **names, int n, struct kube_resource *ret_res,
                       struct json **ret)
{
    struct kubectl *k = args->k;
    struct json *nodes = json_new(k->a, json_array()), *list;
    struct err *err = kube_resource_find(k, S("nodes"), ret_res);

    if (!err && (args->f->selector.n || args->f->all)) {
        CLEANUP(buf) struct buf q = BUF_INIT;

        if (n)
            return err_new(REASON_BAD_REQUEST,
                           "name cannot be provided when a selector is specified");
        buf_str(&q, kube_path(k, ret_res, STR_NONE, STR_NONE, STR_NONE));
        buf_z(&q, "?labelSelector=");
        http_percent_encode(&q, args->f->selector);
        err =
            kube_call_json(k, &(struct kube_request){.method = "GET", .path = buf_view(&q)}, &list);
        JSON_EACH(item, err ? NULL : json_findz(list, "items"))
            json_append(k->a, nodes, *item);
    }
    for (int i = 0; !err && i < n; i++) {
        struct kube_target t = {.res = *ret_res, .name = str_of(names[i])};
        struct json *node;
        str kind;

        if (str_has_char(t.name, '/'))
            str_cut(&t.name, '/', &kind);
        err = kube_get(k, &t, &node);
        if (!err)
            json_append(k->a, nodes, *node);
    }
    if (!err && !n && !args->f->selector.n && !args->f->all)
        err = err_new(REASON_BAD_REQUEST, "USAGE: %s NODE [flags]", k->command);
    *ret = nodes;
    return err;
}

struct err *kube_cordon(struct kube_args *args, const struct kube_resource *res,
                        const struct json *node, bool cordon)
{
    struct kube_target t = {.res = *res, .name = json_get_str(node, "metadata.name")};
    const char *done = cordon ? "cordoned" : "uncordoned";
    struct json *after;
    struct err *err;

    if (json_get_bool(node, "spec.unschedulable", false) == cordon) {
        kube_report(args, res, t.name, cordon ? "already cordoned" : "already uncordoned");
        return NULL;
    }
    err = kube_is_client_dry_run(args)
              ? NULL
              : kube_patch(args, &t, "application/merge-patch+json",
                           cordon ? S("{\"spec\":{\"unschedulable\":true}}")
                                  : S("{\"spec\":{\"unschedulable\":null}}"),
                           STR_NONE, &after);
    if (!err)
        kube_report(args, res, t.name, done);
    return err;
}

static struct err *cordon_all(struct kube_args *args, bool cordon)
{
    struct kube_resource res;
    struct json *nodes;
    struct err *err = kube_nodes(args, args->args, args->n, &res, &nodes);

    JSON_EACH(node, err ? NULL : nodes) {
        err = kube_cordon(args, &res, node, cordon);
        if (err)
            return err;
    }
    return err;
}

struct err *cmd_cordon(struct kube_args *args)
{
    return cordon_all(args, true);
}

struct err *cmd_uncordon(struct kube_args *args)
{
    return cordon_all(args, false);
}

/* ---- taints ---- */

static struct json taint_of(struct arena *a, str key, str value, str effect)
{
    struct json t = json_object();

    json_setz(a, &t, "key", json_string(key));
    if (value.n)
        json_setz(a, &t, "value", json_string(value));
    json_setz(a, &t, "effect", json_string(effect));
    return t;
}

static bool same_taint(const struct json *a, const struct json *b)
{
    str effect = json_get_str(b, "effect");

    return str_eq(json_get_str(a, "key"), json_get_str(b, "key")) &&
           (!effect.n || str_eq(json_get_str(a, "effect"), effect));
}

static bool has_taint(const struct json *list, const struct json *taint)
{
    JSON_EACH(t, list)
        if (same_taint(t, taint))
            return true;
    return false;
}

/* A taint as Go prints one: "key=value:effect". */
static str taint_text(struct arena *a, const struct json *t)
{
    str value = json_get_str(t, "value"), effect = json_get_str(t, "effect");

    if (!effect.n && !value.n)
        return json_get_str(t, "key");
    return arena_fmt(a, PRI_STR "%s" PRI_STR ":" PRI_STR, STR_ARG(json_get_str(t, "key")),
                     value.n ? "=" : "", STR_ARG(value), STR_ARG(effect));
}

struct err *taint_parse(struct arena *a, str spec, struct taint_change *c)
{
    bool removes = str_has_suffix(spec, S("-"));
    str rest = removes ? str_slice(spec, 0, spec.n - 1) : spec, key, value = STR_NONE;
    struct json taint;

    if (!c->add)
        c->add = json_new(a, json_array()), c->remove = json_new(a, json_array());
    str_cut(&rest, ':', &key); /* rest: the effect */
    if (str_has_char(key, '=')) {
        value = key;
        str_cut(&value, '=', &key);
    }
    if (!key.n || str_has_char(rest, ':') || str_has_char(value, '='))
        return err_new(REASON_BAD_REQUEST, "invalid taint spec: " PRI_STR, STR_ARG(spec));
    if (rest.n && !str_is(rest, "NoSchedule") && !str_is(rest, "PreferNoSchedule") &&
        !str_is(rest, "NoExecute"))
        return err_new(REASON_BAD_REQUEST,
                       "invalid taint effect: " PRI_STR ", unsupported taint effect",
                       STR_ARG(rest));
    if (!rest.n && !removes)
        return err_new(REASON_BAD_REQUEST, "invalid taint spec: " PRI_STR, STR_ARG(spec));
    taint = taint_of(a, key, removes ? STR_NONE : value, rest);
    if (!removes && has_taint(c->add, &taint))
        return err_new(REASON_BAD_REQUEST,
                       "duplicated taints with the same key and effect: " PRI_STR,
                       STR_ARG(taint_text(a, &taint)));
    json_append(a, removes ? c->remove : c->add, taint);
    return NULL;
}

struct err *taint_apply(struct arena *a, const struct json *node, const struct taint_change *c,
                        bool overwrite, struct json **ret, const char **ret_word)
{
    const struct json *old = json_path(node, "spec.taints");
    struct json *taints = json_new(a, json_array());
    CLEANUP(buf) struct buf there = BUF_INIT;
    bool added, removed = false;

    JSON_EACH(t, c->add) {
        if (has_taint(old, t))
            buf_fmt(&there, "%s" PRI_STR, there.n ? "," : "", STR_ARG(json_get_str(t, "key")));
        json_append(a, taints, *t);
    }
    if (there.n && !overwrite)
        return err_new(REASON_BAD_REQUEST,
                       "node " PRI_STR
                       " already has %s taint(s) with same effect(s) and --overwrite is false",
                       STR_ARG(json_get_str(node, "metadata.name")), buf_cstr(&there));
    JSON_EACH(t, old)
        if (!has_taint(taints, t))
            json_append(a, taints, *t);
    added = json_count(old) != taints->n;
    JSON_EACH(t, c->remove) {
        uint32_t before = taints->n;

        for (uint32_t i = 0; i < taints->n;)
            if (same_taint(&taints->items[i], t))
                json_remove_item(taints, i);
            else
                i++;
        if (taints->n == before)
            return err_new(REASON_BAD_REQUEST, "taint \"" PRI_STR "\" not found",
                           STR_ARG(taint_text(a, t)));
        removed = true;
    }
    *ret = taints;
    *ret_word = (added && removed) || overwrite ? "modified" : added ? "tainted" : "untainted";
    return NULL;
}

struct err *cmd_taint(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct taint_change c = {0};
    struct kube_resource res;
    struct json *nodes, *after;
    int first = 1;
    struct err *err;

    if (args->n < 2 ||
        (!str_is(str_of(args->args[0]), "node") && !str_is(str_of(args->args[0]), "nodes") &&
         !str_is(str_of(args->args[0]), "no")))
        return err_new(REASON_BAD_REQUEST, "usage: taint nodes NODE... KEY=VALUE:EFFECT... KEY-");
    /* Names come first: what has one of these signs is a taint. */
    while (first < args->n && !strpbrk(args->args[first], "=:") &&
           !str_has_suffix(str_of(args->args[first]), S("-")))
        first++;
    if (first == args->n)
        return err_new(REASON_BAD_REQUEST, "at least one taint update is required");
    for (int i = first; i < args->n; i++) {
        err = taint_parse(k->a, str_of(args->args[i]), &c);
        if (err)
            return err;
    }
    err = kube_nodes(args, args->args + 1, first - 1, &res, &nodes);
    JSON_EACH(node, err ? NULL : nodes) {
        struct kube_target t = {.res = res, .name = json_get_str(node, "metadata.name")};
        struct json *taints, patch = json_object(), spec = json_object();
        const char *word;

        err = taint_apply(k->a, node, &c, args->f->overwrite, &taints, &word);
        if (!err) {
            json_setz(k->a, &spec, "taints", taints->n ? *taints : json_null());
            json_setz(k->a, &patch, "spec", spec);
        }
        if (!err && !kube_is_client_dry_run(args))
            err = kube_patch(args, &t, "application/merge-patch+json", kube_encode(k, &patch),
                             STR_NONE, &after);
        if (err)
            return err;
        kube_report(args, &res, t.name, word);
    }
    return err;
}
