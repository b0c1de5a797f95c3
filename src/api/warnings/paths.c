/* paths.c - warnings about files of one volume that get in each other's way: the same path twice, or a file where a
 * folder is to be.
 *
 * Source: warningsForOverlappingVirtualPaths() of pkg/api/pod/warnings.go */
#include "api/warnings/warn.h"

#define PATHS_COMPARED_MAX 128 /* of one volume; the others are not looked at */

struct paths {
    struct write *w;
    str volume; /* quoted */
    str what;   /* the volume's source */
    const str
        *named; /* of a projected volume: which of its sources is being looked at; else NULL */
    struct {
        str path, text; /* as messages show it */
    } seen[PATHS_COMPARED_MAX];
    size_t n;
};

static bool is_below(str path, str other)
{
    return str_has_prefix(path, other) && (path.n == other.n || path.p[other.n] == '/');
}

static void add_path(struct paths *p, str path)
{
    struct arena *a = p->w->a;
    str text;

    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    text = p->named ? arena_fmt(a, "%s (" PRI_STR ")", quoted(a, path), STR_ARG(*p->named))
                    : str_of(quoted(a, path));
    for (size_t i = 0; i < p->n && path.n; i++)
        if (p->seen[i].path.n &&
            (is_below(path, p->seen[i].path) || is_below(p->seen[i].path, path)))
            warn(p->w,
                 "volume " PRI_STR " (" PRI_STR "): overlapping paths: " PRI_STR " with " PRI_STR,
                 STR_ARG(p->volume), STR_ARG(p->what), STR_ARG(text), STR_ARG(p->seen[i].text));
    if (p->n < PATHS_COMPARED_MAX) {
        p->seen[p->n].path = path;
        p->seen[p->n++].text = text;
    }
}

static void add_items(struct paths *p, const struct json *items)
{
    JSON_EACH(item, items)
        add_path(p, json_get_str(item, "path"));
}

static str named(struct arena *a, const char *kind, str name)
{
    return arena_fmt(a, "%s %s", kind, quoted(a, name));
}

static void warn_projected(struct paths *p, const struct json *sources)
{
    struct arena *a = p->w->a;

    JSON_EACH(s, sources) {
        const struct json *map = field(s, "configMap"), *secret = field(s, "secret"),
                          *api = field(s, "downwardAPI"), *token = field(s, "serviceAccountToken"),
                          *bundle = field(s, "clusterTrustBundle"),
                          *certificate = field(s, "podCertificate");
        str name = STR_NONE;

        p->named = &name;
        if (!map && !secret && !api && !token && !bundle && !certificate) {
            warn(p->w, "volume " PRI_STR " (Projected) has no sources provided",
                 STR_ARG(p->volume));
        } else if (field(map, "items")) {
            name = named(a, "ConfigMap", json_get_str(map, "name"));
            add_items(p, field(map, "items"));
        } else if (field(secret, "items")) {
            name = named(a, "Secret", json_get_str(secret, "name"));
            add_items(p, field(secret, "items"));
        } else if (field(api, "items")) {
            name = S("DownwardAPI");
            add_items(p, field(api, "items"));
        } else if (token) {
            name = S("ServiceAccountToken");
            add_path(p, json_get_str(token, "path"));
        } else if (bundle) {
            name = named(a, "ClusterTrustBundle",
                         json_get_str(bundle, field(bundle, "name") ? "name" : "signerName"));
            add_path(p, json_get_str(bundle, "path"));
        } else if (certificate) {
            static const struct {
                const char *field, *name;
            } files[] = {
                {"certificateChainPath", "PodCertificate chain"},
                {"keyPath", "PodCertificate key"},
                {"credentialBundlePath", "PodCertificate credential bundle"},
            };

            for (size_t i = 0; i < ARRAY_LEN(files); i++)
                if (json_get_str(certificate, files[i].field).n) {
                    name = str_of(files[i].name);
                    add_path(p, json_get_str(certificate, files[i].field));
                }
        }
    }
}

void warn_paths(struct write *w, const struct json *volumes)
{
    JSON_EACH(v, volumes) {
        const struct json *map = field(v, "configMap"), *secret = field(v, "secret"),
                          *api = field(v, "downwardAPI"), *projected = field(v, "projected");
        struct paths p = {.w = w, .volume = str_of(quoted(w->a, json_get_str(v, "name")))};

        if (map) {
            p.what = named(w->a, "ConfigMap", json_get_str(map, "name"));
            add_items(&p, field(map, "items"));
        } else if (secret) {
            p.what = named(w->a, "Secret", json_get_str(secret, "secretName"));
            add_items(&p, field(secret, "items"));
        } else if (api) {
            p.what = S("DownwardAPI");
            add_items(&p, field(api, "items"));
        } else if (projected) {
            p.what = S("Projected");
            warn_projected(&p, field(projected, "sources"));
        }
    }
}
