/* describe.c - an object for people, then its events.
 *
 * The kinds that people look at most have kubectl's own layout (describe_pod.c, describe_kinds.c). Every other kind, custom ones too,
 * is an outline of its fields with kubectl's head and events. */
#include "cli/kubectl/describe.h"

#include <ctype.h>

/* "hostIP" -> "Host IP", "nodeName" -> "Node Name" */
static str title(struct kubectl *k, str key)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < key.n; i++) {
        bool cap = isupper((unsigned char)key.p[i]),
             before = i && islower((unsigned char)key.p[i - 1]);

        if (i && cap && before)
            buf_char(&b, ' ');
        buf_char(&b, i ? key.p[i] : (char)toupper((unsigned char)key.p[i]));
    }
    return arena_dup(k->a, buf_view(&b));
}

static str scalar(struct kubectl *k, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (v->type == JSON_STRING)
        return v->s;
    json_encode(&b, v);
    return arena_dup(k->a, buf_view(&b));
}

static bool is_scalar(const struct json *v)
{
    return v->type != JSON_ARRAY && v->type != JSON_OBJECT;
}

static void outline(struct describe *d, const struct json *v, int indent)
{
    JSON_EACH_MEMBER(m, v) {
        str name = title(d->k, m->key);

        if (is_scalar(&m->value)) {
            buf_fmt(&d->b, "%*s" PRI_STR ":\t" PRI_STR "\n", indent, "", STR_ARG(name),
                    STR_ARG(scalar(d->k, &m->value)));
        } else if (json_count(&m->value) == 0) {
            buf_fmt(&d->b, "%*s" PRI_STR ":\t<none>\n", indent, "", STR_ARG(name));
        } else {
            buf_fmt(&d->b, "%*s" PRI_STR ":\n", indent, "", STR_ARG(name));
            outline(d, &m->value, indent + 2);
        }
    }
    JSON_EACH(item, v) {
        if (is_scalar(item)) {
            buf_fmt(&d->b, "%*s" PRI_STR "\n", indent, "", STR_ARG(scalar(d->k, item)));
            continue;
        }
        outline(d, item, indent);
        if (item + 1 < item_end)
            buf_fmt(&d->b, "%*s---\n", indent, "");
    }
}

static int by_last_seen(const void *a, const void *b, void *ctx)
{
    str x = json_get_str(a, "lastTimestamp"), y = json_get_str(b, "lastTimestamp");

    return str_cmp(x.n ? x : json_get_str(a, "eventTime"), y.n ? y : json_get_str(b, "eventTime"));
}

static struct err *events_of(struct describe *d, const struct json *o)
{
    struct kubectl *k = d->k;
    str ns = json_get_str(o, "metadata.namespace");
    struct json *list, *items;
    CLEANUP(buf) struct buf selector = BUF_INIT, path = BUF_INIT;
    struct err *err;

    buf_fmt(&selector, "involvedObject.name=" PRI_STR ",involvedObject.uid=" PRI_STR,
            STR_ARG(json_get_str(o, "metadata.name")), STR_ARG(json_get_str(o, "metadata.uid")));
    if (ns.n)
        buf_fmt(&path, "/api/v1/namespaces/" PRI_STR "/events?fieldSelector=", STR_ARG(ns));
    else
        buf_z(&path, "/api/v1/events?fieldSelector=");
    http_percent_encode(&path, buf_view(&selector));
    err = kube_call_json(
        k, &(struct kube_request){.method = "GET", .path = arena_dup(k->a, buf_view(&path))},
        &list);
    if (err)
        return err;
    items = json_findz(list, "items");
    if (!json_count(items)) {
        buf_z(&d->b, "Events:\t<none>\n");
        return NULL;
    }
    sort_with(items->items, items->n, sizeof items->items[0], by_last_seen, NULL);
    buf_z(&d->b,
          "Events:\n  Type\tReason\tAge\tFrom\tMessage\n  ----\t------\t----\t----\t-------\n");
    JSON_EACH(e, items) {
        str last = json_get_str(e, "lastTimestamp"), from = json_get_str(e, "source.component"),
            message = str_trim(json_get_str(e, "message")), age;
        int64_t count = json_get_int(e, "count", 1);

        age = kube_age(k, last.n ? last : json_get_str(e, "eventTime"));
        if (count > 1)
            age =
                arena_fmt(k->a, PRI_STR " (x%lld over " PRI_STR ")", STR_ARG(age), (long long)count,
                          STR_ARG(kube_age(k, json_get_str(e, "firstTimestamp"))));
        buf_fmt(&d->b, "  " PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\t" PRI_STR "\n",
                STR_ARG(json_get_str(e, "type")), STR_ARG(json_get_str(e, "reason")), STR_ARG(age),
                STR_ARG(from.n ? from : json_get_str(e, "reportingComponent")), STR_ARG(message));
    }
    return NULL;
}

/* What kubectl has no layout for here: head, and the rest as it comes. */
static void outline_of(struct describe *d, const struct kube_target *t, const struct json *o)
{
    struct kubectl *k = d->k;
    struct json rest = json_object();

    describe_labels(d, "Labels", json_path(o, "metadata.labels"));
    describe_annotations(d, "Annotations", json_path(o, "metadata.annotations"));
    buf_fmt(&d->b,
            "API Version:\t" PRI_STR "%s" PRI_STR "\nKind:\t" PRI_STR "\nCreated:\t" PRI_STR "\n",
            STR_ARG(t->res.group), t->res.group.n ? "/" : "", STR_ARG(t->res.version),
            STR_ARG(t->res.kind),
            STR_ARG(describe_time(k, json_get_str(o, "metadata.creationTimestamp"))));
    describe_owner(d, o);
    JSON_EACH_MEMBER(m, o)
        if (!str_is(m->key, "metadata") && !str_is(m->key, "apiVersion") && !str_is(m->key, "kind"))
            json_set(k->a, &rest, m->key, m->value);
    outline(d, &rest, 0);
}

static struct err *describe_one(struct describe *d, const struct kube_target *t,
                                const struct json *o)
{
    static const struct {
        const char *group, *kind;
        struct err *(*asks)(struct describe *d, const struct json *o);
        void (*tells)(struct describe *d, const struct json *o);
        bool no_events;
    } kinds[] = {
        {"", "Pod", NULL, describe_pod, false},
        {"apps", "Deployment", describe_deployment, NULL, false},
        {"apps", "ReplicaSet", describe_replicaset, NULL, false},
        {"", "Service", describe_service, NULL, false},
        {"", "Namespace", describe_namespace, NULL, true},
        {"", "ConfigMap", NULL, describe_configmap, false},
        {"", "Secret", NULL, describe_secret, true},
    };

    buf_fmt(&d->b, "Name:\t" PRI_STR "\n", STR_ARG(json_get_str(o, "metadata.name")));
    if (t->res.namespaced)
        buf_fmt(&d->b, "Namespace:\t" PRI_STR "\n", STR_ARG(json_get_str(o, "metadata.namespace")));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct err *err = NULL;

        if (!str_is(t->res.group, kinds[i].group) || !str_is(t->res.kind, kinds[i].kind))
            continue;
        if (kinds[i].asks)
            err = kinds[i].asks(d, o);
        else
            kinds[i].tells(d, o);
        return err || kinds[i].no_events ? err : events_of(d, o);
    }
    outline_of(d, t, o);
    return events_of(d, o);
}

static struct err *describe(struct kubectl *k, const struct kube_target *t, const struct json *o)
{
    struct describe d = {.k = k};
    struct err *err = describe_one(&d, t, o);

    if (!err)
        kube_print_tabbed(k, buf_view(&d.b));
    fflush(stdout);
    buf_fini(&d.b);
    return err;
}

struct err *cmd_describe(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct kube_targets t = {0};
    bool first = true;
    struct err *err = args->f->n_files ? kube_targets_of_files(k, args->f->files, args->f->n_files,
                                                               args->f->recursive, &t)
                                       : kube_targets_of_args(k, args->args, args->n, &t);

    for (size_t i = 0; !err && i < t.n; i++) {
        struct json *answer;
        str path = kube_path(k, &t.items[i].res, k->all_namespaces ? STR_NONE : t.items[i].ns,
                             t.items[i].name, STR_NONE);
        CLEANUP(buf) struct buf q = BUF_INIT;

        if (t.items[i].err)
            return TAKE(t.items[i].err);
        if (!t.items[i].name.n && args->f->selector.n) {
            buf_z(&q, "?labelSelector=");
            http_percent_encode(&q, args->f->selector);
        }
        err = kube_call_json(
            k,
            &(struct kube_request){
                .method = "GET",
                .path = arena_fmt(k->a, PRI_STR PRI_STR, STR_ARG(path), STR_ARG(buf_view(&q)))},
            &answer);
        if (err)
            return err;
        if (t.items[i].name.n) {
            if (!first)
                puts("\n");
            first = false;
            err = describe(k, &t.items[i], answer);
            continue;
        }
        JSON_EACH(item, json_findz(answer, "items")) {
            if (!first)
                puts("\n");
            first = false;
            err = describe(k, &t.items[i], item);
            if (err)
                return err;
        }
    }
    if (!err && first && k->all_namespaces)
        fputs("No resources found\n", stderr);
    else if (!err && first)
        fprintf(stderr, "No resources found in " PRI_STR " namespace.\n", STR_ARG(k->ns));
    return err;
}
