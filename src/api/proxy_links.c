/* proxy_links.c - see proxy_links.h. The tokens of HTML are found as far as is needed to know what is an attribute and what is not;
 * attributes of links are changed where they stand. Not here: which answers this is for (forward.c). */
#include "api/proxy_links.h"

#define LINK_ATTRIBUTES_MAX 4

/* Which attributes hold links, as the HTML standard has it. */
static const struct {
    str tag;
    const char *attributes[LINK_ATTRIBUTES_MAX];
} link_tags[] = {
    {STR("a"), {"href"}},
    {STR("applet"), {"codebase"}},
    {STR("area"), {"href"}},
    {STR("audio"), {"src"}},
    {STR("base"), {"href"}},
    {STR("blockquote"), {"cite"}},
    {STR("body"), {"background"}},
    {STR("button"), {"formaction"}},
    {STR("command"), {"icon"}},
    {STR("del"), {"cite"}},
    {STR("embed"), {"src"}},
    {STR("form"), {"action"}},
    {STR("frame"), {"longdesc", "src"}},
    {STR("head"), {"profile"}},
    {STR("html"), {"manifest"}},
    {STR("iframe"), {"longdesc", "src"}},
    {STR("img"), {"longdesc", "src", "usemap"}},
    {STR("input"), {"src", "usemap", "formaction"}},
    {STR("ins"), {"cite"}},
    {STR("link"), {"href"}},
    {STR("object"), {"classid", "codebase", "data", "usemap"}},
    {STR("q"), {"cite"}},
    {STR("script"), {"src"}},
    {STR("source"), {"src"}},
    {STR("video"), {"poster", "src"}},
};
/* Within these there are no tags but their own end. */
static const str raw_tags[] = {STR("iframe"),    STR("noembed"), STR("noframes"), STR("noscript"),
                               STR("plaintext"), STR("script"),  STR("style"),    STR("title"),
                               STR("textarea"),  STR("xmp")};

/* ---- one link ---- */

/* prefix and path as one, without "", "." and "..". */
static str join(struct arena *a, str prefix, str path)
{
    str all = arena_fmt(a, PRI_STR PRI_STR, STR_ARG(prefix), STR_ARG(path)), seg;
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool slash = path.n && path.p[path.n - 1] == '/';

    while (str_cut(&all, '/', &seg)) {
        if (!seg.n || str_is(seg, "."))
            continue;
        if (str_is(seg, "..")) {
            while (b.n && b.p[--b.n] != '/')
                ;
            continue;
        }
        buf_fmt(&b, "/" PRI_STR, STR_ARG(seg));
    }
    if (slash || !b.n)
        buf_char(&b, '/');
    return arena_dup(a, buf_view(&b));
}

static size_t span_not(str s, const char *stop)
{
    size_t n = 0;

    while (n < s.n && !strchr(stop, s.p[n]))
        n++;
    return n;
}

str proxy_link(struct arena *a, const struct proxy_links *l, str url)
{
    size_t at = span_not(url, ":/?#");
    str rest = url, origin = STR_NONE, host = STR_NONE, path;
    bool has_scheme = at && at < url.n && url.p[at] == ':';

    if (has_scheme)
        rest = str_skip(url, at + 1);
    if (str_has_prefix(rest, S("//"))) {
        host = str_skip(rest, 2);
        host.n = span_not(host, "/?#");
        rest = str_skip(rest, host.n + 2);
        origin = str_slice(url, 0, url.n - rest.n);
    } else if (has_scheme) {
        return url; /* "mailto:" and the like */
    }
    path = str_slice(rest, 0, span_not(rest, "?#"));
    if (!path.n || path.p[0] != '/' ||
        (host.n && !str_eq(host, l->target) && !str_eq(host, l->host)))
        return url;
    rest = str_skip(rest, path.n);
    if (!host.n || !str_eq(host, l->host))
        origin = STR_NONE;
    if (!str_has_prefix(path, l->prefix))
        path = join(a, l->prefix, path);
    return arena_fmt(a, PRI_STR PRI_STR PRI_STR, (int)origin.n, origin.n ? origin.p : "",
                     STR_ARG(path), STR_ARG(rest));
}

/* ---- a page ---- */

static const char *const *link_attributes(str tag)
{
    for (size_t i = 0; i < ARRAY_LEN(link_tags); i++)
        if (str_eq_nocase(tag, link_tags[i].tag))
            return link_tags[i].attributes;
    return NULL;
}

static bool is_link(const char *const *attributes, str name)
{
    for (size_t i = 0; attributes && i < LINK_ATTRIBUTES_MAX && attributes[i]; i++)
        if (str_eq_nocase(name, str_of(attributes[i])))
            return true;
    return false;
}

#define BLANKS " \t\r\n\f"

/* The length of what stands before `end`, with it; all when it does not come. */
static size_t through(str s, const char *end)
{
    int64_t at = str_find(s, str_of(end));

    return at < 0 ? s.n : (size_t)at + strlen(end);
}

/* A start tag, from '<' to its '>': into out. Returns its length. */
static size_t start_tag(struct buf *out, struct arena *a, const struct proxy_links *l, str s,
                        str *ret_name)
{
    size_t i = 1 + span_not(str_skip(s, 1), BLANKS "/>"), from = 0;
    const char *const *attributes;

    *ret_name = str_slice(s, 1, i);
    attributes = link_attributes(*ret_name);
    while (i < s.n && s.p[i] != '>') {
        size_t name, end, after;
        str value;
        char quote = 0;

        if (strchr(BLANKS "/", s.p[i])) {
            i++;
            continue;
        }
        name = i;
        end = i = i + 1 + span_not(str_skip(s, i + 1), BLANKS "/>=");
        while (i < s.n && strchr(BLANKS, s.p[i]))
            i++;
        if (i == s.n || s.p[i] != '=')
            continue;
        for (i++; i < s.n && strchr(BLANKS, s.p[i]);)
            i++;
        if (i < s.n && (s.p[i] == '"' || s.p[i] == '\''))
            quote = s.p[i++];
        value = str_skip(s, i);
        value.n = span_not(value, quote == '"' ? "\"" : quote ? "'" : BLANKS ">");
        after = i + value.n;
        if (is_link(attributes, str_slice(s, name, end)) && after < s.n) {
            buf_str(out, str_slice(s, from, i));
            buf_str(out, proxy_link(a, l, value));
            from = after;
        }
        i = after + (quote && after < s.n);
    }
    i = MIN(i + 1, s.n);
    buf_str(out, str_slice(s, from, i));
    return i;
}

/* The length of the text of a raw element: up to the tag that ends it. */
static size_t raw_text(str s, str tag)
{
    for (size_t i = 0; i + 2 + tag.n <= s.n; i++)
        if (s.p[i] == '<' && s.p[i + 1] == '/' &&
            str_eq_nocase(str_slice(s, i + 2, i + 2 + tag.n), tag))
            return i;
    return s.n;
}

void proxy_page(struct buf *out, const struct proxy_links *l, str page)
{
    CLEANUP(arena) struct arena *a = arena_new();

    while (page.n) {
        size_t n = span_not(page, "<");
        char next;

        buf_str(out, str_slice(page, 0, n));
        page = str_skip(page, n);
        if (page.n < 2) {
            buf_str(out, page);
            return;
        }
        next = page.p[1];
        if ((next | 32) >= 'a' && (next | 32) <= 'z') {
            str name;

            page = str_skip(page, start_tag(out, a, l, page, &name));
            n = 0;
            for (size_t i = 0; i < ARRAY_LEN(raw_tags); i++)
                if (str_eq_nocase(name, raw_tags[i]))
                    n = raw_text(page, name);
        } else if (str_has_prefix(page, S("<!--"))) {
            n = through(page, "-->");
        } else if (next == '!' || next == '/' || next == '?') {
            n = through(page, ">");
        } else {
            n = 1;
        }
        buf_str(out, str_slice(page, 0, n));
        page = str_skip(page, n);
    }
}
