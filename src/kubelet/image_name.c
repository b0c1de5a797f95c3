/* image_name.c - names of images and the credentials that fit; see image_name.h. Pure.
 *
 * API: https://github.com/distribution/reference, https://kubernetes.io/docs/concepts/containers/images/#config-json */
#include "kubelet/image_name.h"

#define NAME_MAX_BYTES 255
#define TAG_MAX_BYTES 128

static bool is_alnum_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_path_part(str s)
{
    if (!s.n || !is_alnum_lower(s.p[0]) || !is_alnum_lower(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum_lower(s.p[i]) && s.p[i] != '.' && s.p[i] != '_' && s.p[i] != '-')
            return false;
    return true;
}

static bool is_registry(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!is_alnum_lower((char)(c | 32)) && c != '.' && c != '-' && c != ':' && c != '[' &&
            c != ']')
            return false;
    }
    return s.n > 0;
}

static bool is_tag(str s)
{
    if (!s.n || s.n > TAG_MAX_BYTES || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!is_alnum_lower((char)(c | 32)) && c != '.' && c != '-' && c != '_')
            return false;
    }
    return true;
}

static bool is_digest(str s)
{
    ptrdiff_t colon = str_index(s, ':');
    str hex;

    if (colon <= 0)
        return false;
    hex = str_skip(s, (size_t)colon + 1);
    if (hex.n < 32)
        return false;
    for (size_t i = 0; i < hex.n; i++)
        if (!((hex.p[i] >= '0' && hex.p[i] <= '9') || (hex.p[i] >= 'a' && hex.p[i] <= 'f')))
            return false;
    return true;
}

static bool has_upper(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'Z')
            return true;
    return false;
}

/* The part before the first slash names a registry when no path could begin like this. */
static bool looks_like_registry(str part)
{
    return str_has_char(part, '.') || str_has_char(part, ':') || str_is(part, "localhost") ||
           has_upper(part);
}

str image_name_problem(struct arena *a, str text)
{
    str rest = text, path, part;
    ptrdiff_t slash = str_index(rest, '/');

    part = slash < 0 ? STR_NONE : str_slice(rest, 0, (size_t)slash);
    if (part.n && looks_like_registry(part))
        rest = str_skip(rest, (size_t)slash + 1);
    else if (slash < 0)
        rest = arena_fmt(a, "library/" PRI_STR, STR_ARG(rest));
    str_cut(&rest, ':', &path);
    if (has_upper(path))
        return arena_fmt(
            a, "invalid reference format: repository name (" PRI_STR ") must be lowercase",
            STR_ARG(path));
    return S("invalid reference format");
}

bool image_name_parse(struct arena *a, str text, struct image_name *ret)
{
    struct image_name n = {0};
    str rest = text, part;
    ptrdiff_t at = str_index(rest, '@'), slash, colon;

    if (at >= 0) {
        n.digest = str_skip(rest, (size_t)at + 1);
        rest = str_slice(rest, 0, (size_t)at);
        if (!is_digest(n.digest))
            return false;
    }
    slash = str_rindex(rest, '/');
    colon = str_rindex(rest, ':');
    if (colon > slash) {
        n.tag = str_skip(rest, (size_t)colon + 1);
        rest = str_slice(rest, 0, (size_t)colon);
        if (!is_tag(n.tag))
            return false;
    }
    slash = str_index(rest, '/');
    part = slash < 0 ? STR_NONE : str_slice(rest, 0, (size_t)slash);
    if (part.n && looks_like_registry(part)) {
        n.registry = part;
        n.path = str_skip(rest, (size_t)slash + 1);
        if (!is_registry(part))
            return false;
        if (str_is(n.registry, "index.docker.io"))
            n.registry = S("docker.io");
    } else {
        n.registry = S("docker.io");
        n.path = rest;
    }
    if (str_is(n.registry, "docker.io") && !str_has_char(n.path, '/'))
        n.path = arena_fmt(a, "library/" PRI_STR, STR_ARG(n.path));
    if (n.path.n > NAME_MAX_BYTES)
        return false;
    rest = n.path;
    if (!rest.n)
        return false;
    while (str_cut(&rest, '/', &part))
        if (!is_path_part(part))
            return false;
    *ret = n;
    return true;
}

str image_name_full(struct arena *a, const struct image_name *n)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b, PRI_STR "/" PRI_STR, STR_ARG(n->registry), STR_ARG(n->path));
    if (n->tag.n)
        buf_fmt(&b, ":" PRI_STR, STR_ARG(n->tag));
    else if (!n->digest.n)
        buf_z(&b, ":latest");
    if (n->digest.n)
        buf_fmt(&b, "@" PRI_STR, STR_ARG(n->digest));
    return arena_dup(a, buf_view(&b));
}

str image_name_with_tag(struct arena *a, str text, const struct image_name *n)
{
    return n->tag.n || n->digest.n ? text : arena_fmt(a, PRI_STR ":latest", STR_ARG(text));
}

/* ---- credentials ---- */

/* How exactly an entry's key ("https://host/v1/", "host:port/path", "*.host") fits; -1: not at all. */
static int fit(str key, const struct image_name *n)
{
    str host = key, path = STR_NONE, h, r;
    ptrdiff_t at = str_find(host, S("://"));

    if (at >= 0)
        host = str_skip(host, (size_t)at + 3);
    at = str_index(host, '/');
    if (at >= 0) {
        path = str_skip(host, (size_t)at + 1);
        host = str_slice(host, 0, (size_t)at);
    }
    while (str_has_suffix(path, S("/")))
        path.n--;
    if (str_is(path, "v1") || str_is(path, "v2")) /* of the registry's protocol, not of the image */
        path = STR_NONE;
    if (str_is(host, "index.docker.io") || str_is(host, "registry-1.docker.io"))
        host = S("docker.io");
    h = host;
    r = n->registry;
    for (;;) { /* each label may be "*", in whole or at an end */
        str a, b;
        bool more_a = str_cut(&h, '.', &a), more_b = str_cut(&r, '.', &b);

        if (more_a != more_b)
            return -1;
        if (!more_a)
            break;
        if (str_has_prefix(a, S("*"))   ? !str_has_suffix(b, str_skip(a, 1))
            : str_has_suffix(a, S("*")) ? !str_has_prefix(b, str_slice(a, 0, a.n - 1))
                                        : !str_eq(a, b))
            return -1;
    }
    if (path.n &&
        !(str_has_prefix(n->path, path) && (n->path.n == path.n || n->path.p[path.n] == '/')))
        return -1;
    return (int)path.n + (str_has_char(host, '*') ? 0 : 1);
}

struct candidate {
    int fit;
    struct json auth;
};

static int by_fit(const void *x, const void *y, void *ctx)
{
    return ((const struct candidate *)y)->fit - ((const struct candidate *)x)->fit;
}

static struct json auth_of(struct arena *a, const struct json *entry)
{
    str user = json_get_str(entry, "username"), password = json_get_str(entry, "password"),
        auth = json_get_str(entry, "auth"), plain;
    struct json v = json_object();

    if (auth.n && base64_decode(a, auth, &plain)) {
        ptrdiff_t colon = str_index(plain, ':');

        if (colon >= 0) {
            user = str_slice(plain, 0, (size_t)colon);
            password = str_skip(plain, (size_t)colon + 1);
        }
    }
    json_setz(a, &v, "username", json_string(user));
    json_setz(a, &v, "password", json_string(password));
    if (json_get_str(entry, "identitytoken").n)
        json_setz(a, &v, "identity_token", json_string(json_get_str(entry, "identitytoken")));
    if (json_get_str(entry, "registrytoken").n)
        json_setz(a, &v, "registry_token", json_string(json_get_str(entry, "registrytoken")));
    return v;
}

void image_auth_each(struct arena *a, const struct json *secret, const struct image_name *n,
                     image_auth_fn *fn, void *ctx)
{
    static const struct {
        const char *key;
        bool nested;
    } forms[] = {{".dockerconfigjson", true}, {".dockercfg", false}};

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        str base64 = json_str(json_findz(json_findz(secret, "data"), forms[i].key)), text;
        struct json *config = NULL;
        const struct json *auths;
        struct candidate *list;
        size_t count = 0;
        struct err *err;

        if (!base64.n || !base64_decode(a, base64, &text))
            continue;
        err = json_parse(a, text, NULL, NULL, &config);
        if (err) {
            err_free(err);
            continue;
        }
        auths = forms[i].nested ? json_findz(config, "auths") : config;
        list = ARENA_NEW_N(a, struct candidate, json_count(auths) + 1);
        JSON_EACH_MEMBER(m, auths) {
            int f = fit(m->key, n);

            if (f >= 0)
                list[count++] = (struct candidate){f, auth_of(a, &m->value)};
        }
        sort_with(list, count, sizeof *list, by_fit, NULL);
        for (size_t k = 0; k < count; k++)
            fn(ctx, &list[k].auth);
    }
}
