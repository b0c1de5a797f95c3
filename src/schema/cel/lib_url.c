/* lib_url.c - URLs, as Go's url.ParseRequestURI reads them: absolute, or a path.
 *
 * Source: k8s.io/apiserver/pkg/cel/library/urls.go, Go's net/url. */
#include "schema/cel/functions.h"

struct url {
    str scheme, host, path, query; /* path: escaped */
};

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool among(char c, const char *set)
{
    return c && strchr(set, c);
}

/* Undoes %xx; false with *ret_problem. */
static bool unescape(struct arena *a, str s, bool plus, str *ret, str *ret_problem)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            if (i + 2 >= s.n || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0) {
                *ret_problem = arena_fmt(a, "invalid URL escape \"" PRI_STR "\"",
                                         STR_ARG(str_slice(s, i, i + 3)));
                return false;
            }
            buf_char(&b, (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2])));
            i += 2;
        } else {
            buf_char(&b, plus && s.p[i] == '+' ? ' ' : s.p[i]);
        }
    }
    *ret = arena_dup(a, buf_view(&b));
    return true;
}

static bool optional_port(str s)
{
    if (!s.n)
        return true;
    if (s.p[0] != ':')
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

static bool parse_host(struct arena *a, str authority, str *ret, str *ret_problem)
{
    ptrdiff_t at = str_rindex(authority, '@');
    str host = authority, port = STR_NONE;

    if (at >= 0) {
        for (ptrdiff_t i = 0; i < at; i++)
            if (!is_alnum(authority.p[i]) && !among(authority.p[i], "-._:~!$&'()*+,;=%@")) {
                *ret_problem = S("net/url: invalid userinfo");
                return false;
            }
        host = str_skip(authority, (size_t)at + 1);
    }
    if (host.n && host.p[0] == '[') {
        ptrdiff_t end = str_rindex(host, ']');

        if (end < 0) {
            *ret_problem = S("missing ']' in host");
            return false;
        }
        port = str_skip(host, (size_t)end + 1);
    } else if (str_rindex(host, ':') >= 0) {
        port = str_skip(host, (size_t)str_rindex(host, ':'));
    }
    if (!optional_port(port)) {
        *ret_problem = arena_fmt(a, "invalid port \"" PRI_STR "\" after host", STR_ARG(port));
        return false;
    }
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];

        if (c == '%') {
            if (i + 2 >= host.n || hex(host.p[i + 1]) < 0 || hex(host.p[i + 2]) < 0 ||
                (hex(host.p[i + 1]) < 8 && !str_has_prefix(str_skip(host, i), S("%25")))) {
                *ret_problem = arena_fmt(a, "invalid URL escape \"" PRI_STR "\"",
                                         STR_ARG(str_slice(host, i, i + 3)));
                return false;
            }
        } else if ((unsigned char)c < 0x80 && !is_alnum(c) && !among(c, "-_.~!$&'()*+,;=:[]<>\"")) {
            *ret_problem = arena_fmt(a, "invalid character \"%c\" in host name", c);
            return false;
        }
    }
    return unescape(a, host, false, ret, ret_problem);
}

/* The path as it is when it is escaped well, else escaped anew. */
static str escape_path(struct arena *a, str p, str decoded)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool valid = true;

    for (size_t i = 0; i < p.n; i++)
        valid &= is_alnum(p.p[i]) || among(p.p[i], "-_.~$&+,/:;=@!'()*[]%");
    if (valid)
        return p;
    for (size_t i = 0; i < decoded.n; i++)
        if (is_alnum(decoded.p[i]) || among(decoded.p[i], "-_.~$&+,/:;=@"))
            buf_char(&b, decoded.p[i]);
        else
            buf_fmt(&b, "%%%02X", (unsigned char)decoded.p[i]);
    return arena_dup(a, buf_view(&b));
}

static bool parse_scheme(str *s, str *ret, str *ret_problem)
{
    for (size_t i = 0; i < s->n; i++) {
        char c = s->p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            continue;
        if ((c >= '0' && c <= '9') || among(c, "+-.")) {
            if (!i)
                return true;
            continue;
        }
        if (c != ':')
            return true;
        if (!i) {
            *ret_problem = S("missing protocol scheme");
            return false;
        }
        *ret = str_slice(*s, 0, i);
        *s = str_skip(*s, i + 1);
        return true;
    }
    return true;
}

static bool url_parse(struct arena *a, str raw, struct url *ret, str *ret_problem)
{
    str rest = raw, decoded;
    ptrdiff_t at;

    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < raw.n; i++)
        if ((unsigned char)raw.p[i] < ' ' || raw.p[i] == 0x7f) {
            *ret_problem = S("net/url: invalid control character in URL");
            return false;
        }
    if (!raw.n) {
        *ret_problem = S("empty url");
        return false;
    }
    if (str_is(raw, "*")) {
        ret->path = raw;
        return true;
    }
    if (!parse_scheme(&rest, &ret->scheme, ret_problem))
        return false;
    if (ret->scheme.n) {
        char *p = arena_dupz(a, ret->scheme);

        for (size_t i = 0; i < ret->scheme.n; i++)
            if (p[i] >= 'A' && p[i] <= 'Z')
                p[i] |= 32;
        ret->scheme.p = p;
    }
    at = str_index(rest, '?');
    if (at >= 0) {
        ret->query = str_skip(rest, (size_t)at + 1);
        rest = str_slice(rest, 0, (size_t)at);
    }
    if (!rest.n || rest.p[0] != '/') {
        if (ret->scheme.n) /* opaque */
            return true;
        *ret_problem = S("invalid URI for request");
        return false;
    }
    if (ret->scheme.n && str_has_prefix(rest, S("//"))) {
        str authority = str_skip(rest, 2);

        at = str_index(authority, '/');
        rest = at < 0 ? STR_NONE : str_skip(authority, (size_t)at);
        if (at >= 0)
            authority = str_slice(authority, 0, (size_t)at);
        if (!parse_host(a, authority, &ret->host, ret_problem))
            return false;
    }
    if (!unescape(a, rest, false, &decoded, ret_problem))
        return false;
    ret->path = escape_path(a, rest, decoded);
    return true;
}

/* ---- functions ---- */

struct cel_value cel_fn_url(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct url *u = ARENA_NEW(e->a, struct url);
    struct cel_value r;
    str problem;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    if (!url_parse(e->a, cel_v_text(v[0]), u, &problem))
        return cel_v_error(
            e->a, "URL parse error during conversion from string: parse \"" PRI_STR "\": " PRI_STR,
            STR_ARG(cel_v_text(v[0])), STR_ARG(problem));
    r = cel_v_opaque(OPAQUE_URL, u);
    r.aux = v[0].p;
    r.n = v[0].n;
    return r;
}

struct cel_value cel_fn_is_url(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    struct url u;
    str problem;

    if (v[0].kind != CEL_STRING)
        return cel_no_overload(e, n, v);
    return cel_v_bool(url_parse(e->a, cel_v_text(v[0]), &u, &problem));
}

bool cel_url_check(struct arena *a, str s, str *ret_problem)
{
    struct url u;

    return url_parse(a, s, &u, ret_problem);
}

static void split_port(str host, str *ret_name, str *ret_port)
{
    ptrdiff_t colon = str_rindex(host, ':');

    *ret_port = STR_NONE;
    if (colon >= 0 && optional_port(str_skip(host, (size_t)colon))) {
        *ret_port = str_skip(host, (size_t)colon + 1);
        host = str_slice(host, 0, (size_t)colon);
    }
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = str_slice(host, 1, host.n - 1);
    *ret_name = host;
}

struct cel_value cel_fn_url_part(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    const struct url *u = v[0].ref;
    const char *name = n->fn->name;
    str host, port;

    if (v[0].kind != CEL_OPAQUE || v[0].sub != OPAQUE_URL)
        return cel_no_overload(e, n, v);
    split_port(u->host, &host, &port);
    if (strcmp(name, "getScheme") == 0)
        return cel_v_str(u->scheme);
    if (strcmp(name, "getHost") == 0)
        return cel_v_str(u->host);
    if (strcmp(name, "getHostname") == 0)
        return cel_v_str(host);
    if (strcmp(name, "getPort") == 0)
        return cel_v_str(port);
    return cel_v_str(u->path);
}

struct cel_value cel_fn_url_query(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    const struct url *u = v[0].ref;
    str rest, part, key, value, problem;
    struct cel_value *pairs;
    uint32_t count = 0;
    size_t most = 1;

    if (v[0].kind != CEL_OPAQUE || v[0].sub != OPAQUE_URL)
        return cel_no_overload(e, n, v);
    for (size_t i = 0; i < u->query.n; i++)
        most += u->query.p[i] == '&';
    pairs = arena_alloc(e->a, 2 * most * sizeof *pairs);
    rest = u->query;
    while (rest.p && str_cut(&rest, '&', &part)) {
        struct cel_value *values, old;
        uint32_t i = 0;

        if (!part.n || str_index(part, ';') >= 0)
            continue;
        value = part;
        str_cut(&value, '=', &key);
        if (!unescape(e->a, key, true, &key, &problem) ||
            !unescape(e->a, value.p ? value : S(""), true, &value, &problem))
            continue;
        while (i < count && !str_eq(cel_v_text(pairs[2 * i]), key))
            i++;
        if (!cel_work(e, count + 1))
            break;
        old = i < count ? pairs[2 * i + 1] : cel_v_list(NULL, 0);
        values = arena_alloc(e->a, (old.n + 1) * sizeof *values);
        if (old.n)
            memcpy(values, old.ref, old.n * sizeof *values);
        values[old.n] = cel_v_str(value);
        pairs[2 * i] = cel_v_str(key);
        pairs[2 * i + 1] = cel_v_list(values, old.n + 1);
        count = MAX(count, i + 1);
    }
    return cel_v_map(pairs, count);
}
