/* get.c - `get`, with tables made by the server and `-w`. */
#include "cli/kubectl/kubectl.h"

#define TABLE_ACCEPT "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

struct getting {
    struct kube_args *args;
    struct kube_output o;
    struct table_state state;
    str prefix;
    struct err *err;
};

static bool is_table(const struct getting *g)
{
    return g->o.format == FORMAT_TABLE || g->o.format == FORMAT_WIDE;
}

static str query_of(struct kube_args *args, bool watch, str name, str resource_version)
{
    struct buf b = BUF_INIT;
    str q;

#define PARAM(key, v)                                                                              \
    do {                                                                                           \
        if ((v).n) {                                                                               \
            buf_fmt(&b, "%s" key "=", b.n ? "&" : "?");                                            \
            http_percent_encode(&b, v);                                                            \
        }                                                                                          \
    } while (0)
    PARAM("labelSelector", args->f->selector);
    if (watch && name.n)
        PARAM("fieldSelector", arena_fmt(args->k->a, "metadata.name=" PRI_STR, STR_ARG(name)));
    else
        PARAM("fieldSelector", args->f->field_selector);
    if (watch) {
        PARAM("watch", S("true"));
        PARAM("resourceVersion", resource_version);
    } else if (!name.n && b.n == 0) {
        PARAM("limit", S("500"));
    }
#undef PARAM
    q = arena_dup(args->k->a, buf_view(&b));
    buf_fini(&b);
    return q;
}

static bool got_event(void *ctx, str type, struct json *object)
{
    struct getting *g = ctx;

    if (str_is(type, "BOOKMARK"))
        return true;
    if (is_table(g))
        kube_print_table(g->args->k, object, &g->o, g->prefix, &g->state);
    else
        g->err = kube_print_object(g->args->k, object, &g->o);
    fflush(stdout);
    return g->err == NULL;
}

static struct err *watch_on(struct getting *g, const struct kube_target *t, str path, str version)
{
    for (;;) {
        str q = query_of(g->args, true, t->name, version);
        struct err *err = kube_watch(
            g->args->k, arena_fmt(g->args->k->a, PRI_STR PRI_STR, STR_ARG(path), STR_ARG(q)),
            is_table(g) ? TABLE_ACCEPT : NULL, 0, got_event, g);

        if (err || g->err)
            return err ? err : g->err;
        /* The server ended the watch (its time was up). Without the last version of each kind at hand, start anew from now. */
        version = STR_NONE;
    }
}

/* The items of a list come without the kind that the list's own says. */
static void name_items(struct kubectl *k, struct json *list)
{
    str kind = json_get_str(list, "kind"), version = json_get_str(list, "apiVersion");

    if (!str_has_suffix(kind, S("List")))
        return;
    JSON_EACH(item, json_findz(list, "items")) {
        if (json_findz(item, "kind"))
            continue;
        json_setz(k->a, item, "apiVersion", json_string(version));
        json_setz(k->a, item, "kind", json_string(str_slice(kind, 0, kind.n - 4)));
    }
}

/* Lists page by page; the pages' rows or items end in one document. */
static struct err *list_all(struct getting *g, str path, struct json **ret)
{
    struct kubectl *k = g->args->k;
    struct json *all = NULL;
    str token = STR_NONE;
    const char *field = is_table(g) ? "rows" : "items";

    do {
        struct json *page;
        CLEANUP(buf) struct buf b = BUF_INIT;
        struct err *err;

        buf_str(&b, path);
        if (token.n) {
            buf_z(&b, str_has_char(path, '?') ? "&continue=" : "?continue=");
            http_percent_encode(&b, token);
        }
        err = kube_call_json(k,
                             &(struct kube_request){.method = "GET",
                                                    .path = arena_dup(k->a, buf_view(&b)),
                                                    .accept = is_table(g) ? TABLE_ACCEPT : NULL},
                             &page);
        if (err)
            return err;
        if (!all) {
            all = page;
        } else {
            struct json *into = json_findz(all, field);

            JSON_EACH(item, json_findz(page, field))
                json_append(k->a, into, *item);
        }
        token = json_get_str(page, "metadata.continue");
    } while (token.n);
    if (!is_table(g))
        name_items(k, all);
    *ret = all;
    return NULL;
}

static struct err *get_one(struct getting *g, const struct kube_target *t, bool many,
                           struct json *collected)
{
    struct kubectl *k = g->args->k;
    str ns = k->all_namespaces ? STR_NONE : t->ns;
    str list_path = kube_path(k, &t->res, ns, STR_NONE, STR_NONE), path = list_path, version;
    struct json *answer;
    struct err *err;

    if (t->name.n)
        path = kube_path(k, &t->res, ns, t->name, g->args->f->subresource);
    path = arena_fmt(k->a, PRI_STR PRI_STR, STR_ARG(path),
                     STR_ARG(query_of(g->args, false, t->name, STR_NONE)));
    err = list_all(g, path, &answer);
    if (err) {
        if (err->code == 404 && t->name.n && g->args->f->ignore_not_found) {
            err_free(err);
            return NULL;
        }
        return err;
    }
    version = json_get_str(answer, "metadata.resourceVersion");
    if (is_table(g)) {
        g->prefix = many || g->args->f->show_kind ? kube_full_name(k->a, &t->res) : STR_NONE;
        if (json_count(json_findz(answer, "rows")) || t->name.n) {
            if (many && g->state.header_printed) {
                g->state = (struct table_state){0};
                putchar('\n');
            }
            if (!g->args->f->watch_only)
                kube_print_table(k, answer, &g->o, g->prefix, &g->state);
        } else if (!many && !g->args->f->watch && !g->args->f->watch_only) {
            if (k->all_namespaces || !t->res.namespaced)
                fputs("No resources found\n", stderr);
            else
                fprintf(stderr, "No resources found in " PRI_STR " namespace.\n", STR_ARG(t->ns));
        }
    } else if (collected) {
        if (json_findz(answer, "items"))
            JSON_EACH(item, json_findz(answer, "items"))
                json_append(k->a, collected, *item);
        else
            json_append(k->a, collected, *answer);
    } else if (!g->args->f->watch_only) {
        err = kube_print_object(k, answer, &g->o);
        if (err)
            return err;
    }
    fflush(stdout);
    if (g->args->f->watch || g->args->f->watch_only)
        return watch_on(g, t, list_path, version);
    return NULL;
}

static struct err *get_raw(struct kube_args *args)
{
    str body;
    struct err *err =
        kube_call(args->k,
                  &(struct kube_request){
                      .method = "GET", .path = args->f->raw, .accept = "application/json, */*"},
                  &body);

    if (!err)
        fwrite(body.p, 1, body.n, stdout);
    return err;
}

/* One List of everything for -o yaml|json|jsonpath|name with several types or names. */
static struct err *print_collected(struct getting *g, struct json *items)
{
    struct kubectl *k = g->args->k;
    struct json *list = json_new(k->a, json_object());

    if (g->o.format == FORMAT_NAME || g->o.format == FORMAT_COLUMNS ||
        g->o.format == FORMAT_JSONPATH || items->n) {
        json_setz(k->a, list, "apiVersion", json_z("v1"));
        json_setz(k->a, list, "items", *items);
        json_setz(k->a, list, "kind", json_z("List"));
        json_setz(k->a, json_make(k->a, list, "metadata", JSON_OBJECT), "resourceVersion",
                  json_z(""));
        return kube_print_object(k, list, &g->o);
    }
    return NULL;
}

/* Lists come without apiVersion and kind in their items when the server leaves them out. */
struct err *cmd_get(struct kube_args *args)
{
    struct getting g = {.args = args};
    struct kube_targets t = {0};
    struct json *collected = NULL;
    bool many_types = false, is_list;
    struct err *err, *kept = NULL;

    if (args->f->raw.n)
        return get_raw(args);
    err = kube_output_parse(args->f->output, &g.o);
    if (err)
        return err;
    g.o.no_headers = args->f->no_headers;
    g.o.show_labels = args->f->show_labels;
    err = args->f->n_files ? kube_targets_of_files(args->k, args->f->files, args->f->n_files,
                                                   args->f->recursive, &t)
                           : kube_targets_of_args(args->k, args->args, args->n, &t);
    if (err)
        return err;
    for (size_t i = 1; i < t.n; i++)
        many_types |= !str_eq(t.items[i].res.plural, t.items[0].res.plural) ||
                      !str_eq(t.items[i].res.group, t.items[0].res.group);
    is_list = t.n > 1 || (t.n == 1 && !t.items[0].name.n);
    if (!is_table(&g) && is_list && !args->f->watch && !args->f->watch_only)
        collected = json_new(args->k->a, json_array());
    for (size_t i = 0; i < t.n; i++) {
        err =
            t.items[i].err ? TAKE(t.items[i].err) : get_one(&g, &t.items[i], many_types, collected);
        if (err)
            kube_keep_error(&kept, err);
    }
    if (is_table(&g) && many_types && !g.state.header_printed && !kept)
        fprintf(stderr,
                args->k->all_namespaces ? "No resources found\n"
                                        : "No resources found in %.*s namespace.\n",
                STR_ARG(args->k->ns));
    if (collected && (json_count(collected) || !kept)) {
        err = print_collected(&g, collected);
        if (err)
            kube_keep_error(&kept, err);
    }
    return kept;
}
