/* lib_strings.c - functions of strings. Positions and lengths are in characters.
 *
 * Source: cel-go ext/strings.go (version 2, which Kubernetes enables; reverse() is of version 3). */
#include "schema/cel/functions.h"

static bool strings(struct cel_value *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (v[i].kind != CEL_STRING)
            return false;
    return true;
}

/* The byte at a character's number; s.n behind the last; SIZE_MAX further on. */
static size_t byte_at(str s, int64_t rune)
{
    size_t i = 0, n;
    uint32_t r;

    for (; rune > 0; rune--, i += n) {
        n = cel_utf8_next(s, i, &r);
        if (!n)
            return SIZE_MAX;
    }
    return i;
}

static struct cel_value from_buf(struct cel_eval *e, struct buf *b)
{
    if (b->overflow) {
        e->out_of_cost = true;
        return cel_v_null();
    }
    return cel_v_str(arena_dup(e->a, buf_view(b)));
}

static struct cel_value out_of_range(struct cel_eval *e, int64_t at)
{
    return cel_v_error(e->a, "index out of range: %lld", (long long)at);
}

struct cel_value cel_fn_contains(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (!strings(v, 2))
        return cel_no_overload(e, n, v);
    return cel_v_bool(!v[1].n || memmem(v[0].p, v[0].n, v[1].p, v[1].n) != NULL);
}

struct cel_value cel_fn_starts_with(struct cel_eval *e, const struct cel_node *n,
                                    struct cel_value *v)
{
    if (!strings(v, 2))
        return cel_no_overload(e, n, v);
    return cel_v_bool(str_has_prefix(cel_v_text(v[0]), cel_v_text(v[1])));
}

struct cel_value cel_fn_ends_with(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    if (!strings(v, 2))
        return cel_no_overload(e, n, v);
    return cel_v_bool(str_has_suffix(cel_v_text(v[0]), cel_v_text(v[1])));
}

struct cel_value cel_fn_char_at(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    str s = cel_v_text(v[0]);
    uint32_t rune;
    size_t at;

    if (v[0].kind != CEL_STRING || v[1].kind != CEL_INT)
        return cel_no_overload(e, n, v);
    at = v[1].i < 0 ? SIZE_MAX : byte_at(s, v[1].i);
    if (at == SIZE_MAX)
        return out_of_range(e, v[1].i);
    return cel_v_str(str_slice(s, at, at + cel_utf8_next(s, at, &rune)));
}

static struct cel_value list_index(struct cel_eval *e, const struct cel_node *n,
                                   struct cel_value *v, bool last)
{
    (void)n;
    for (uint64_t k = 0; k < v[0].n; k++) {
        uint64_t i = last ? v[0].n - 1 - k : k;

        if (cel_equal(e, cel_item(e->a, v[0], i), v[1]))
            return cel_v_int((int64_t)i);
    }
    return cel_v_int(-1);
}

static ptrdiff_t find_last(str s, str what, size_t before_or_at)
{
    for (size_t i = MIN(before_or_at, s.n - what.n) + 1; i-- > 0;)
        if (memcmp(s.p + i, what.p, what.n) == 0)
            return (ptrdiff_t)i;
    return -1;
}

struct cel_value cel_fn_index_of(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    bool last = n->fn->name[0] == 'l';
    str s = cel_v_text(v[0]), what = cel_v_text(v[1]);
    int64_t from = last ? (int64_t)cel_utf8_count(s) : 0;
    size_t at;
    ptrdiff_t found;

    if (v[0].kind == CEL_LIST && n->n == 2)
        return list_index(e, n, v, last);
    if (!strings(v, 2) || (n->n > 2 && v[2].kind != CEL_INT))
        return cel_no_overload(e, n, v);
    if (n->n > 2) {
        from = v[2].i;
        if (from < 0)
            return out_of_range(e, from);
    }
    if (!what.n)
        return cel_v_int(last && n->n == 2 ? (int64_t)cel_utf8_count(s) : from);
    at = byte_at(s, from);
    if (at == SIZE_MAX || (n->n > 2 && at == s.n && s.n))
        return n->n > 2 && at != SIZE_MAX ? cel_v_int(-1) : out_of_range(e, from);
    if (what.n > s.n)
        return cel_v_int(-1);
    if (last) {
        found = find_last(s, what, at);
    } else {
        found = str_find(str_skip(s, at), what);
        if (found >= 0)
            found += (ptrdiff_t)at;
    }
    return cel_v_int(found < 0 ? -1 : (int64_t)cel_utf8_count(str_slice(s, 0, (size_t)found)));
}

struct cel_value cel_fn_join(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    b.limit = CEL_SIZE_MAX;
    if (v[0].kind != CEL_LIST || (n->n > 1 && v[1].kind != CEL_STRING))
        return cel_no_overload(e, n, v);
    for (uint64_t i = 0; i < v[0].n; i++) {
        struct cel_value s = cel_item(e->a, v[0], i);

        if (s.kind != CEL_STRING)
            return cel_no_overload(e, n, v);
        if (i && n->n > 1)
            buf_str(&b, cel_v_text(v[1]));
        buf_str(&b, cel_v_text(s));
    }
    return from_buf(e, &b);
}

struct cel_value cel_fn_ascii_case(struct cel_eval *e, const struct cel_node *n,
                                   struct cel_value *v)
{
    bool up = n->fn->name[0] == 'u';
    char *p;

    if (!strings(v, 1))
        return cel_no_overload(e, n, v);
    p = (char *)arena_dup(e->a, cel_v_text(v[0])).p;
    for (uint32_t i = 0; i < v[0].n; i++)
        if (up ? p[i] >= 'a' && p[i] <= 'z' : p[i] >= 'A' && p[i] <= 'Z')
            p[i] ^= 32;
    return cel_v_str((str){p, v[0].n});
}

struct cel_value cel_fn_replace(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    str s = cel_v_text(v[0]), from = cel_v_text(v[1]), to = cel_v_text(v[2]);
    CLEANUP(buf) struct buf b = BUF_INIT;
    int64_t limit = -1;
    size_t i = 0, step;
    uint32_t rune;

    b.limit = CEL_SIZE_MAX;
    if (!strings(v, 3) || (n->n > 3 && v[3].kind != CEL_INT))
        return cel_no_overload(e, n, v);
    if (n->n > 3)
        limit = v[3].i;
    while (limit != 0) {
        ptrdiff_t at = 0;

        if (from.n) {
            at = str_find(str_skip(s, i), from);
            if (at < 0)
                break;
            buf_str(&b, str_slice(s, i, i + (size_t)at));
            buf_str(&b, to);
            i += (size_t)at + from.n;
        } else { /* before each character and at the end */
            buf_str(&b, to);
            step = cel_utf8_next(s, i, &rune);
            if (!step) {
                limit--;
                break;
            }
            buf_str(&b, str_slice(s, i, i + step));
            i += step;
        }
        limit--;
    }
    buf_str(&b, str_skip(s, i));
    return from_buf(e, &b);
}

struct cel_value cel_fn_split(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    str s = cel_v_text(v[0]), sep = cel_v_text(v[1]);
    struct cel_value *items;
    uint32_t count = 0, cap = 4;
    int64_t limit = -1;
    uint32_t rune;

    if (!strings(v, 2) || (n->n > 2 && v[2].kind != CEL_INT))
        return cel_no_overload(e, n, v);
    if (n->n > 2)
        limit = v[2].i;
    if (!limit || (!sep.n && !s.n))
        return cel_v_list(NULL, 0);
    items = arena_alloc(e->a, cap * sizeof *items);
    for (;;) {
        size_t end, skip = sep.n;
        bool last = limit > 0 && count + 1 >= limit;

        if (sep.n) {
            ptrdiff_t at = last ? -1 : str_find(s, sep);

            last = at < 0;
            end = last ? s.n : (size_t)at;
        } else {
            end = last ? s.n : cel_utf8_next(s, 0, &rune);
            last |= end >= s.n;
        }
        if (count == cap) {
            items = arena_grow(e->a, items, cap * sizeof *items, 2 * cap * sizeof *items);
            cap *= 2;
        }
        items[count++] = cel_v_str(str_slice(s, 0, end));
        if (last || !cel_work(e, 1))
            break;
        s = str_skip(s, end + skip);
    }
    return cel_v_list(items, count);
}

struct cel_value cel_fn_substring(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    str s = cel_v_text(v[0]);
    int64_t from, to;
    size_t start, end;

    if (v[0].kind != CEL_STRING || v[1].kind != CEL_INT || (n->n > 2 && v[2].kind != CEL_INT))
        return cel_no_overload(e, n, v);
    from = v[1].i;
    start = from < 0 ? SIZE_MAX : byte_at(s, from);
    if (start == SIZE_MAX)
        return out_of_range(e, from);
    if (n->n < 3)
        return cel_v_str(str_skip(s, start));
    to = v[2].i;
    if (to < from)
        return cel_v_error(e->a, "invalid substring range. start: %lld, end: %lld", (long long)from,
                           (long long)to);
    end = byte_at(s, to);
    if (end == SIZE_MAX)
        return out_of_range(e, to);
    return cel_v_str(str_slice(s, start, end));
}

/* Unicode's white space, as Go trims it. */
static bool is_space(uint32_t r)
{
    return (r >= 9 && r <= 13) || r == 32 || r == 0x85 || r == 0xa0 || r == 0x1680 ||
           (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f ||
           r == 0x205f || r == 0x3000;
}

struct cel_value cel_fn_trim(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    str s = cel_v_text(v[0]);
    size_t start = 0, end = 0, k;
    uint32_t r;
    bool any = false;

    if (!strings(v, 1))
        return cel_no_overload(e, n, v);
    for (size_t i = 0; (k = cel_utf8_next(s, i, &r)) != 0; i += k) {
        if (is_space(r))
            continue;
        if (!any)
            start = i;
        any = true;
        end = i + k;
    }
    return cel_v_str(str_slice(s, start, end));
}

struct cel_value cel_fn_reverse(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    str s = cel_v_text(v[0]);
    char *out;
    size_t k, at = s.n;
    uint32_t r;

    if (!strings(v, 1))
        return cel_no_overload(e, n, v);
    out = arena_alloc(e->a, s.n + 1);
    for (size_t i = 0; (k = cel_utf8_next(s, i, &r)) != 0; i += k) {
        at -= k;
        memcpy(out + at, s.p + i, k);
    }
    return cel_v_str((str){out, s.n});
}

struct cel_value cel_fn_quote(struct cel_eval *e, const struct cel_node *n, struct cel_value *v)
{
    static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
    str s = cel_v_text(v[0]);
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t k;
    uint32_t r;

    b.limit = CEL_SIZE_MAX;
    if (!strings(v, 1))
        return cel_no_overload(e, n, v);
    buf_char(&b, '"');
    for (size_t i = 0; (k = cel_utf8_next(s, i, &r)) != 0; i += k) {
        const char *f = r && r < 128 ? strchr(from, (int)r) : NULL;

        if (f) {
            buf_char(&b, '\\');
            buf_char(&b, to[f - from]);
        } else {
            cel_buf_rune(&b, r);
        }
    }
    buf_char(&b, '"');
    return from_buf(e, &b);
}
