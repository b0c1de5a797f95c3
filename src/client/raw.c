/* raw.c - cuts JSON text of lists and watch events into its objects without building trees.
 *
 * A list of ten thousand pods is one text of 30 MB; as one tree it would be ten times that. The
 * cache keeps text anyway, so the text is cut where the objects are, and each object alone is
 * parsed for its metadata.
 *
 * Not here: checking the text; whoever keeps a piece parses it. */
#include "client/client_internal.h"
#include "wire/json_scan.h"

static size_t skip_space(str s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\t' || s.p[i] == '\r'))
        i++;
    return i;
}

/* Behind the closing quote of the string that opens at i; SIZE_MAX when it does not close. */
static size_t skip_string(str s, size_t i)
{
    size_t from = ++i;

    while (i < s.n) {
        const char *quote = memchr(s.p + i, '"', s.n - i);
        size_t end, escapes = 0;

        if (!quote)
            return SIZE_MAX;
        end = (size_t)(quote - s.p);
        while (end - escapes > from && s.p[end - escapes - 1] == '\\')
            escapes++;
        i = end + 1;
        if (escapes % 2 == 0)
            return i;
    }
    return SIZE_MAX;
}

static size_t skip_value(str s, size_t i)
{
    const char *behind;

    if (i >= s.n)
        return i;
    if (s.p[i] == '"')
        return skip_string(s, i);
    if (s.p[i] == '{' || s.p[i] == '[') {
        behind = json_skip(s.p + i, s.p + s.n);
        return behind ? (size_t)(behind - s.p) : SIZE_MAX;
    }
    while (i < s.n && !memchr(",]} \t\n\v\f\r", s.p[i], 9))
        i++;
    return i;
}

static bool raw_open(str text, char opening, struct raw_iter *ret)
{
    size_t i = skip_space(text, 0);

    if (i >= text.n || text.p[i] != opening)
        return false;
    *ret = (struct raw_iter){text, skip_space(text, i + 1)};
    return true;
}

bool raw_object(str text, struct raw_iter *ret)
{
    return raw_open(text, '{', ret);
}

bool raw_array(str text, struct raw_iter *ret)
{
    return raw_open(text, '[', ret);
}

static bool raw_broken(struct raw_iter *it)
{
    it->at = SIZE_MAX;
    return false;
}

bool raw_item(struct raw_iter *it, str *ret_value)
{
    size_t from, to;

    if (it->at >= it->text.n || it->text.p[it->at] == ']' || it->text.p[it->at] == '}')
        return false;
    from = it->at;
    to = skip_value(it->text, from);
    if (to == SIZE_MAX || to == from)
        return raw_broken(it);
    *ret_value = str_slice(it->text, from, to);
    it->at = skip_space(it->text, to);
    if (it->at < it->text.n && it->text.p[it->at] == ',')
        it->at = skip_space(it->text, it->at + 1);
    return true;
}

/* To the value of the next member. */
static bool raw_key(struct raw_iter *it, str *ret_key)
{
    size_t from, to;

    if (it->at >= it->text.n || it->text.p[it->at] == '}')
        return false;
    from = it->at;
    if (it->text.p[from] != '"' || (to = skip_string(it->text, from)) == SIZE_MAX)
        return raw_broken(it);
    *ret_key = str_slice(it->text, from + 1, to - 1);
    to = skip_space(it->text, to);
    if (to >= it->text.n || it->text.p[to] != ':')
        return raw_broken(it);
    it->at = skip_space(it->text, to + 1);
    return true;
}

bool raw_member(struct raw_iter *it, str *ret_key, str *ret_value)
{
    if (!raw_key(it, ret_key))
        return false;
    return raw_item(it, ret_value) || raw_broken(it);
}

/* To the value of that member. */
static bool raw_seek(struct raw_iter *it, str key)
{
    bool named = false;
    str k, v;

    while (raw_key(it, &k)) {
        if (str_eq(k, key))
            return true;
        /* Servers write them last in metadata, and they are longer than all before; but of custom
         * objects, whose members are sorted, all that comes after `m` follows. */
        if (str_is(k, "managedFields") && named)
            return false;
        named |= str_is(k, "name");
        if (!raw_item(it, &v))
            return false;
    }
    return false;
}

str raw_find(str object, const char *key)
{
    struct raw_iter it;
    str k, v;

    if (!raw_object(object, &it))
        return STR_NONE;
    while (raw_member(&it, &k, &v))
        if (str_is(k, key))
            return v;
    return STR_NONE;
}

str raw_string(str value)
{
    if (value.n < 2 || value.p[0] != '"' || str_has_char(value, '\\'))
        return STR_NONE;
    return str_slice(value, 1, value.n - 1);
}

str client_text_find(str object, const char *dotted)
{
    str rest = str_of(dotted), part, value;
    struct raw_iter it;

    while (str_cut(&rest, '.', &part)) {
        if (!raw_object(object, &it))
            return STR_NONE;
        if (!raw_seek(&it, part))
            return STR_NONE;
        object = str_skip(it.text, it.at); /* on the way down the value need not be measured */
    }
    if (!raw_item(&it, &value))
        return STR_NONE;
    object = value;
    return object.n >= 2 && object.p[0] == '"' ? str_slice(object, 1, object.n - 1) : object;
}

/* Managed fields are half of a small object and nobody who reads a cache wants them; an update
 * without them leaves them alone. */
static void add_without_managed_fields(struct buf *out, str metadata)
{
    struct raw_iter it;
    bool first = true;
    str k, v;

    if (!raw_object(metadata, &it)) {
        buf_str(out, metadata);
        return;
    }
    buf_char(out, '{');
    while (raw_member(&it, &k, &v)) {
        if (str_is(k, "managedFields"))
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        buf_char(out, '"');
        buf_str(out, k);
        buf_z(out, "\":");
        buf_str(out, v);
    }
    buf_char(out, '}');
}

void raw_object_for_cache(struct buf *out, str object, str api_version, str kind)
{
    bool has_kind = raw_find(object, "kind").n > 0;
    struct raw_iter it;
    bool first = true;
    str k, v;

    if (!raw_object(object, &it))
        return;
    buf_char(out, '{');
    if (!has_kind) {
        buf_z(out, "\"kind\":\"");
        buf_str(out, kind);
        buf_z(out, "\",\"apiVersion\":\"");
        buf_str(out, api_version);
        buf_char(out, '"');
        first = false;
    }
    while (raw_member(&it, &k, &v)) {
        if (!first)
            buf_char(out, ',');
        first = false;
        buf_char(out, '"');
        buf_str(out, k);
        buf_z(out, "\":");
        if (str_is(k, "metadata"))
            add_without_managed_fields(out, v);
        else
            buf_str(out, v);
    }
    buf_char(out, '}');
}
