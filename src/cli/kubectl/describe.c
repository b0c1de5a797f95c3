/* describe.c - an object for people: its fields as an indented outline, then its events.
 *
 * One generic outline for every kind (custom ones too), in kubectl's form for the head, conditions and events. kubectl's hand-made
 * layouts of single kinds are not copied: use kubectl where scripts read them. */
#include "cli/kubectl/kubectl.h"

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

static void scalar(const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (v->type == JSON_STRING) {
        printf(PRI_STR "\n", STR_ARG(v->s));
        return;
    }
    json_encode(&b, v);
    printf(PRI_STR "\n", STR_ARG(buf_view(&b)));
}

static bool is_scalar(const struct json *v)
{
    return v->type != JSON_ARRAY && v->type != JSON_OBJECT;
}

static void outline(struct kubectl *k, const struct json *v, int indent)
{
    size_t wide = 0;

    JSON_EACH_MEMBER(m, v)
        if (is_scalar(&m->value))
            wide = MAX(wide, title(k, m->key).n);
    JSON_EACH_MEMBER(m, v) {
        str name = title(k, m->key);

        if (is_scalar(&m->value)) {
            printf("%*s" PRI_STR ":%*s", indent, "", STR_ARG(name),
                   (int)(wide - MIN(name.n, wide) + 2), "");
            scalar(&m->value);
        } else if (json_count(&m->value) == 0) {
            printf("%*s" PRI_STR ":  <none>\n", indent, "", STR_ARG(name));
        } else {
            printf("%*s" PRI_STR ":\n", indent, "", STR_ARG(name));
            outline(k, &m->value, indent + 2);
        }
    }
    JSON_EACH(item, v) {
        if (is_scalar(item)) {
            printf("%*s", indent, "");
            scalar(item);
            continue;
        }
        outline(k, item, indent);
        if (item + 1 < item_end)
            printf("%*s---\n", indent, "");
    }
}

static void pairs(struct kubectl *k, const char *name, const struct json *map)
{
    bool first = true;

    printf("%-14s", name);
    JSON_EACH_MEMBER(m, map) {
        printf("%s" PRI_STR ": " PRI_STR "\n", first ? "" : "              ", STR_ARG(m->key),
               STR_ARG(json_str(&m->value)));
        first = false;
    }
    if (first)
        puts("<none>");
}

static struct err *events_of(struct kubectl *k, const struct json *o, str ns)
{
    struct columns c = {.a = k->a, .n_columns = 5};
    struct json *list;
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
    if (!json_count(json_findz(list, "items"))) {
        puts("Events:         <none>");
        return NULL;
    }
    puts("Events:");
    for (size_t i = 0; i < 5; i++)
        columns_add(&c, str_of((const char *[]){"Type", "Reason", "Age", "From", "Message"}[i]));
    JSON_EACH(e, json_findz(list, "items")) {
        str last = json_get_str(e, "lastTimestamp"), from = json_get_str(e, "source.component"),
            age;
        int64_t count = json_get_int(e, "count", 1);

        age = kube_age(k, last.n ? last : json_get_str(e, "eventTime"));
        if (count > 1)
            age =
                arena_fmt(k->a, PRI_STR " (x%lld over " PRI_STR ")", STR_ARG(age), (long long)count,
                          STR_ARG(kube_age(k, json_get_str(e, "firstTimestamp"))));
        columns_add(&c, json_get_str(e, "type"));
        columns_add(&c, json_get_str(e, "reason"));
        columns_add(&c, age);
        columns_add(&c, from.n ? from : json_get_str(e, "reportingComponent"));
        columns_add(&c, str_trim(json_get_str(e, "message")));
    }
    columns_print(&c, "  ");
    return NULL;
}

static struct err *describe(struct kubectl *k, const struct kube_target *t, struct json *o)
{
    struct json *meta = json_findz(o, "metadata"), rest = json_object();
    str ns = json_get_str(meta, "namespace");

    printf("%-14s" PRI_STR "\n", "Name:", STR_ARG(json_get_str(meta, "name")));
    if (t->res.namespaced)
        printf("%-14s" PRI_STR "\n", "Namespace:", STR_ARG(ns));
    pairs(k, "Labels:", json_findz(meta, "labels"));
    pairs(k, "Annotations:", json_findz(meta, "annotations"));
    printf("%-14s" PRI_STR "\n", "Created:", STR_ARG(json_get_str(meta, "creationTimestamp")));
    if (json_findz(meta, "deletionTimestamp"))
        printf("%-14s" PRI_STR "\n",
               "Terminating:", STR_ARG(json_get_str(meta, "deletionTimestamp")));
    JSON_EACH(owner, json_findz(meta, "ownerReferences"))
        if (json_get_bool(owner, "controller", false))
            printf("%-14s" PRI_STR "/" PRI_STR "\n",
                   "Controlled By:", STR_ARG(json_get_str(owner, "kind")),
                   STR_ARG(json_get_str(owner, "name")));
    JSON_EACH_MEMBER(m, o) {
        if (str_is(m->key, "metadata") || str_is(m->key, "apiVersion") || str_is(m->key, "kind"))
            continue;
        if (str_is(json_get_str(o, "kind"), "Secret") && str_is(m->key, "data")) {
            puts("Data:");
            JSON_EACH_MEMBER(d, &m->value)
                printf("  " PRI_STR ":  %zu bytes\n", STR_ARG(d->key),
                       json_str(&d->value).n / 4 * 3);
            continue;
        }
        json_set(k->a, &rest, m->key, m->value);
    }
    outline(k, &rest, 0);
    return events_of(k, o, ns);
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
    if (!err && first)
        fputs("No resources found\n", stderr);
    return err;
}
