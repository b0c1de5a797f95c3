/* resource.c - from what the user names to what the server serves.
 *
 * The server's aggregated discovery is asked once a command (two requests), so that custom resources work like built-in ones. */
#include "cli/kubectl/kubectl.h"

#include "wire/yaml.h"

#include <dirent.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)64 << 20)
#define AGGREGATED                                                                                 \
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

/* k->discovery: array of the group documents' {group, version, resource} in the server's order. */
static struct err *discover(struct kubectl *k)
{
    static const char *const roots[] = {"/api", "/apis"};

    if (k->discovery)
        return NULL;
    k->discovery = json_new(k->a, json_array());
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        struct json *doc;
        struct err *err = kube_call_json(
            k,
            &(struct kube_request){.method = "GET", .path = str_of(roots[i]), .accept = AGGREGATED},
            &doc);

        if (err)
            return err;
        JSON_EACH(group, json_findz(doc, "items")) {
            JSON_EACH(version, json_findz(group, "versions")) {
                JSON_EACH(r, json_findz(version, "resources")) {
                    struct json *item = json_append(k->a, k->discovery, json_share(k->a, r));

                    json_setz(k->a, item, "group",
                              json_string(json_get_str(group, "metadata.name")));
                    json_setz(k->a, item, "version", json_string(json_get_str(version, "version")));
                }
            }
        }
    }
    return NULL;
}

static void to_resource(const struct json *r, struct kube_resource *ret)
{
    *ret = (struct kube_resource){
        .group = json_get_str(r, "group"),
        .version = json_get_str(r, "version"),
        .plural = json_get_str(r, "resource"),
        .singular = json_get_str(r, "singularResource"),
        .kind = json_get_str(r, "responseKind.kind"),
        .namespaced = str_is(json_get_str(r, "scope"), "Namespaced"),
    };
}

static bool names(const struct json *r, str name)
{
    if (str_eq_nocase(json_get_str(r, "resource"), name) ||
        str_eq_nocase(json_get_str(r, "singularResource"), name) ||
        str_eq_nocase(json_get_str(r, "responseKind.kind"), name))
        return true;
    JSON_EACH(s, json_findz(r, "shortNames"))
        if (str_eq_nocase(json_str(s), name))
            return true;
    return false;
}

struct err *kube_resource_find(struct kubectl *k, str name, struct kube_resource *ret)
{
    str rest = name, head;
    struct err *err = discover(k);

    if (err)
        return err;
    str_cut(&rest, '.', &head);
    JSON_EACH(r, k->discovery) {
        str group = json_get_str(r, "group"), tail = rest, version;

        if (!names(r, head))
            continue;
        if (rest.n && !str_eq(rest, group) &&
            !(str_cut(&tail, '.', &version) && str_eq(version, json_get_str(r, "version")) &&
              str_eq(tail, group)))
            continue;
        to_resource(r, ret);
        return NULL;
    }
    return err_new(REASON_NOT_FOUND, "the server doesn't have a resource type \"" PRI_STR "\"",
                   STR_ARG(name));
}

struct err *kube_resource_of(struct kubectl *k, const struct json *object,
                             struct kube_resource *ret)
{
    str api_version = json_get_str(object, "apiVersion"), kind = json_get_str(object, "kind"),
        group, version;
    struct err *err;

    if (api_version.n == 0 || kind.n == 0)
        return err_new(REASON_BAD_REQUEST,
                       "error validating data: [apiVersion not set, kind not set]");
    version = api_version;
    if (str_has_char(api_version, '/'))
        str_cut(&version, '/', &group);
    else
        group = S("");
    err = discover(k);
    if (err)
        return err;
    JSON_EACH(r, k->discovery) {
        if (!str_eq(json_get_str(r, "responseKind.kind"), kind) ||
            !str_eq(json_get_str(r, "group"), group) ||
            !str_eq(json_get_str(r, "version"), version))
            continue;
        to_resource(r, ret);
        return NULL;
    }
    return err_new(REASON_NOT_FOUND,
                   "no matches for kind \"" PRI_STR "\" in version \"" PRI_STR "\"", STR_ARG(kind),
                   STR_ARG(api_version));
}

str kube_path(struct kubectl *k, const struct kube_resource *r, str ns, str name, str sub)
{
    struct buf b = BUF_INIT;
    str path;

    if (r->group.n)
        buf_fmt(&b, "/apis/" PRI_STR "/" PRI_STR, STR_ARG(r->group), STR_ARG(r->version));
    else
        buf_fmt(&b, "/api/" PRI_STR, STR_ARG(r->version));
    if (r->namespaced && ns.n) {
        buf_z(&b, "/namespaces/");
        http_percent_encode(&b, ns);
    }
    buf_fmt(&b, "/" PRI_STR, STR_ARG(r->plural));
    if (name.n) {
        buf_char(&b, '/');
        http_percent_encode(&b, name);
    }
    if (sub.n)
        buf_fmt(&b, "/" PRI_STR, STR_ARG(sub));
    path = arena_dup(k->a, buf_view(&b));
    buf_fini(&b);
    return path;
}

str kube_full_name(struct arena *a, const struct kube_resource *r)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < r->kind.n; i++)
        buf_char(&b, r->kind.p[i] >= 'A' && r->kind.p[i] <= 'Z' ? (char)(r->kind.p[i] + 32)
                                                                : r->kind.p[i]);
    if (r->group.n)
        buf_fmt(&b, "." PRI_STR, STR_ARG(r->group));
    return arena_dup(a, buf_view(&b));
}

static void targets_add(struct kubectl *k, struct kube_targets *t, struct kube_target item)
{
    t->items = arena_grow(k->a, t->items, t->n * sizeof item, (t->n + 1) * sizeof item);
    t->items[t->n++] = item;
}

static str target_ns(const struct kubectl *k, const struct kube_resource *r)
{
    return r->namespaced ? k->ns : STR_NONE;
}

/* `all` as kubectl has it: what carries the category. */
static struct err *category_targets(struct kubectl *k, str name, struct kube_targets *ret)
{
    struct err *err = discover(k);

    if (err)
        return err;
    JSON_EACH(r, k->discovery)
        JSON_EACH(c, json_findz(r, "categories"))
            if (str_eq(json_str(c), name)) {
                struct kube_target t = {0};
                bool twice = false;

                to_resource(r, &t.res);
                for (size_t i = 0; i < ret->n; i++)
                    twice |= str_eq(ret->items[i].res.plural, t.res.plural) &&
                             str_eq(ret->items[i].res.group, t.res.group);
                t.ns = target_ns(k, &t.res);
                if (!twice)
                    targets_add(k, ret, t);
            }
    return NULL;
}

static struct err *type_targets(struct kubectl *k, str types, char **names_, int n_names,
                                struct kube_targets *ret)
{
    str type;

    while (str_cut(&types, ',', &type)) {
        struct kube_target t = {0};
        size_t before = ret->n;
        struct err *err = category_targets(k, type, ret);

        if (err)
            return err;
        if (ret->n > before)
            continue;
        err = kube_resource_find(k, type, &t.res);
        if (err)
            return err;
        t.ns = target_ns(k, &t.res);
        if (n_names == 0)
            targets_add(k, ret, t);
        for (int i = 0; i < n_names; i++) {
            t.name = str_of(names_[i]);
            targets_add(k, ret, t);
        }
    }
    return NULL;
}

struct err *kube_targets_of_args(struct kubectl *k, char **args, int n, struct kube_targets *ret)
{
    struct err *err;

    if (n == 0)
        return err_new(REASON_BAD_REQUEST, "You must specify the type of resource to act on.");
    if (!strchr(args[0], '/'))
        return type_targets(k, str_of(args[0]), args + 1, n - 1, ret);
    for (int i = 0; i < n; i++) {
        str name = str_of(args[i]), type;
        struct kube_target t = {0};

        if (!str_has_char(name, '/'))
            return err_new(
                REASON_BAD_REQUEST,
                "there is no need to specify a resource type as a separate argument when passing "
                "arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' "
                "instead of 'kubectl get resource resource/<resource_name>'");
        str_cut(&name, '/', &type);
        err = kube_resource_find(k, type, &t.res);
        if (err)
            return err;
        t.name = name;
        t.ns = target_ns(k, &t.res);
        targets_add(k, ret, t);
    }
    return NULL;
}

static struct err *object_target(struct kubectl *k, struct json *object, str file,
                                 struct kube_targets *ret)
{
    struct kube_target t = {.object = object,
                            .source = str_is(file, "-") ? S("STDIN") : arena_dup(k->a, file)};
    str ns, version = json_get_str(object, "apiVersion"), kind = json_get_str(object, "kind");
    struct err *err;

    if (object->type != JSON_OBJECT)
        return err_new(REASON_BAD_REQUEST, "error parsing " PRI_STR ": a document is not an object",
                       STR_ARG(file));
    if (str_has_suffix(json_get_str(object, "kind"), S("List")) && json_findz(object, "items")) {
        JSON_EACH(item, json_findz(object, "items")) {
            err = object_target(k, item, file, ret);
            if (err)
                return err;
        }
        return NULL;
    }
    if (!version.n || !kind.n) {
        t.err =
            err_new(REASON_BAD_REQUEST,
                    "error validating \"" PRI_STR "\": error validating data: %s; if you choose "
                    "to ignore these errors, turn validation off with --validate=false",
                    STR_ARG(t.source),
                    version.n ? "kind not set"
                    : kind.n  ? "apiVersion not set"
                              : "[apiVersion not set, kind not set]");
        t.name = json_get_str(object, "metadata.name");
        targets_add(k, ret, t); /* the others go on */
        return NULL;
    }
    err = kube_resource_of(k, object, &t.res);
    if (err) {
        if (err->reason != REASON_NOT_FOUND) /* not of this object: nothing can go on */
            return err;
        t.err = err_new(REASON_BAD_REQUEST,
                        "resource mapping not found for name: \"" PRI_STR "\" namespace: \"" PRI_STR
                        "\" from \"" PRI_STR "\": %s\nensure CRDs are installed first",
                        STR_ARG(json_get_str(object, "metadata.name")),
                        STR_ARG(json_get_str(object, "metadata.namespace")), STR_ARG(file),
                        err_text(err));
        err_free(err);
        t.name = json_get_str(object, "metadata.name");
        targets_add(k, ret, t); /* the others go on */
        return NULL;
    }
    t.name = json_get_str(object, "metadata.name");
    ns = json_get_str(object, "metadata.namespace");
    t.ns = !t.res.namespaced ? STR_NONE : ns.n ? ns : k->ns;
    if (t.res.namespaced && ns.n && k->ns_given && !str_eq(ns, k->ns))
        t.err = err_new(REASON_BAD_REQUEST,
                        "the namespace from the provided object \"" PRI_STR
                        "\" does not match the namespace \"" PRI_STR
                        "\". You must pass '--namespace=" PRI_STR "' to perform this operation.",
                        STR_ARG(ns), STR_ARG(k->ns), STR_ARG(ns));
    if (t.res.namespaced && ns.n == 0)
        json_setz(k->a, json_make(k->a, object, "metadata", JSON_OBJECT), "namespace",
                  json_string(t.ns));
    targets_add(k, ret, t);
    return NULL;
}

static struct err *file_targets(struct kubectl *k, str path, bool recursive,
                                struct kube_targets *ret)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    const char *z = arena_dupz(k->a, path);
    struct json *docs;
    struct stat st;
    struct err *err;
    FILE *f;
    char chunk[65536];
    size_t n;

    if (!str_is(path, "-") && stat(z, &st))
        return err_new(REASON_NOT_FOUND, "the path \"%s\" does not exist", z);
    if (!str_is(path, "-") && S_ISDIR(st.st_mode)) {
        struct dirent **entries;
        int n_entries = scandir(z, &entries, NULL, alphasort);

        err = n_entries < 0 ? err_errno(-errno, "reading %s", z) : NULL;
        for (int i = 0; i < n_entries; i++) {
            str name = str_of(entries[i]->d_name),
                full = arena_fmt(k->a, "%s/%s", z, entries[i]->d_name);
            bool folder = !stat(full.p, &st) && S_ISDIR(st.st_mode);

            if (!err && name.p[0] != '.' &&
                (folder ? recursive
                        : str_has_suffix(name, S(".yaml")) || str_has_suffix(name, S(".yml")) ||
                              str_has_suffix(name, S(".json"))))
                err = file_targets(k, full, recursive, ret);
            free(entries[i]);
        }
        if (n_entries >= 0)
            free(entries);
        return err;
    }
    f = str_is(path, "-") ? stdin : fopen(z, "re");
    if (!f)
        return err_errno(-errno, "opening %s", z);
    text.limit = FILE_MAX;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&text, chunk, n);
    if (f != stdin)
        fclose(f);
    if (text.overflow)
        return err_new(REASON_BAD_REQUEST, "%s is too large", z);
    err = yaml_parse_all(k->a, arena_dup(k->a, buf_view(&text)), &docs);
    if (err) {
        struct kube_target bad = {
            .err = err_new(REASON_BAD_REQUEST, "error parsing %s: %s", z, err_text(err))};

        err_free(err);
        targets_add(k, ret, bad);
        return NULL;
    }
    JSON_EACH(doc, docs) {
        err = object_target(k, doc, path, ret);
        if (err)
            return err;
    }
    return NULL;
}

struct err *kube_targets_of_files(struct kubectl *k, const str *files, size_t n, bool recursive,
                                  struct kube_targets *ret)
{
    for (size_t i = 0; i < n; i++) {
        struct err *err = file_targets(k, files[i], recursive, ret);

        if (err)
            return err;
    }
    if (ret->n == 0)
        return err_new(REASON_BAD_REQUEST, "no objects passed to %s", k->command);
    return NULL;
}

struct err *kube_get(struct kubectl *k, const struct kube_target *t, struct json **ret)
{
    if (t->err)
        return err_new(t->err->reason, "%s", err_text(t->err));
    return kube_call_json(
        k,
        &(struct kube_request){.method = "GET",
                               .path = kube_path(k, &t->res, t->ns, t->name, STR_NONE)},
        ret);
}
