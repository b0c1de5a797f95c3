/* info.c - what is this cluster: version, cluster-info, api-resources, api-versions. */
#include "cli/kubectl/kubectl.h"

#include "cli/version.h"

struct err *cmd_version(struct kube_args *args)
{
    struct json *v;
    struct err *err;

    printf("Client Version: %s\n", K1S_VERSION);
    if (args->f->client_only)
        return NULL;
    err =
        kube_call_json(args->k, &(struct kube_request){.method = "GET", .path = S("/version")}, &v);
    if (!err)
        printf("Server Version: " PRI_STR "\n", STR_ARG(json_get_str(v, "gitVersion")));
    return err;
}

struct err *cmd_cluster_info(struct kube_args *args)
{
    struct json *v;
    struct err *err =
        kube_call_json(args->k, &(struct kube_request){.method = "GET", .path = S("/version")}, &v);

    if (!err)
        printf("Kubernetes control plane is running at " PRI_STR "\n",
               STR_ARG(args->k->config.server));
    return err;
}

static int by_text(const void *a, const void *b, void *ctx)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

struct err *cmd_api_versions(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct json *groups;
    str *all = NULL;
    size_t n = 1;
    struct err *err =
        kube_call_json(k, &(struct kube_request){.method = "GET", .path = S("/apis")}, &groups);

    if (err)
        return err;
    JSON_EACH(g, json_findz(groups, "groups"))
        n += json_count(json_findz(g, "versions"));
    all = ARENA_NEW_N(k->a, str, n);
    n = 0;
    all[n++] = S("v1");
    JSON_EACH(g, json_findz(groups, "groups"))
        JSON_EACH(v, json_findz(g, "versions"))
            all[n++] = json_get_str(v, "groupVersion");
    sort_with(all, n, sizeof *all, by_text, NULL);
    for (size_t i = 0; i < n; i++)
        printf(PRI_STR "\n", STR_ARG(all[i]));
    return NULL;
}

struct err *cmd_api_resources(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct columns c = {.a = k->a, .n_columns = 5};
    struct kube_resource unused;
    struct err *err = kube_resource_find(k, S("pods"), &unused); /* fetches the discovery */

    if (err)
        return err;
    if (!args->f->no_headers)
        for (size_t i = 0; i < 5; i++)
            columns_add(&c, str_of((const char *[]){"NAME", "SHORTNAMES", "APIVERSION",
                                                    "NAMESPACED", "KIND"}[i]));
    JSON_EACH(r, k->discovery) {
        CLEANUP(buf) struct buf shorts = BUF_INIT;
        str group = json_get_str(r, "group"), version = json_get_str(r, "version");

        JSON_EACH(s, json_findz(r, "shortNames"))
            buf_fmt(&shorts, "%s" PRI_STR, shorts.n ? "," : "", STR_ARG(json_str(s)));
        columns_add(&c, json_get_str(r, "resource"));
        columns_add(&c, arena_dup(k->a, buf_view(&shorts)));
        columns_add(&c, group.n
                            ? arena_fmt(k->a, PRI_STR "/" PRI_STR, STR_ARG(group), STR_ARG(version))
                            : version);
        columns_add(&c, str_is(json_get_str(r, "scope"), "Namespaced") ? S("true") : S("false"));
        columns_add(&c, json_get_str(r, "responseKind.kind"));
    }
    columns_print(&c, "");
    return NULL;
}
