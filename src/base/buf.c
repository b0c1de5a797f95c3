/* buf.c - growing text with a limit, and immutable shared bytes.
 *
 * A write that would pass the limit is dropped and `overflow` sticks: the writer checks once at the end. */
#include "base/base.h"

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = BUF_INIT;
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->overflow = false;
    if (b->p)
        b->p[0] = '\0';
}

/* Room for `more` bytes and the NUL; false past the limit. */
static bool buf_room(struct buf *b, size_t more)
{
    size_t limit = b->limit ? b->limit : BUF_LIMIT_DEFAULT, cap;

    if (more > limit || b->n > limit - more) {
        b->overflow = true;
        return false;
    }
    if (b->n + more < b->cap)
        return true;
    cap = MAX(b->cap * 2, (size_t)64);
    while (cap <= b->n + more)
        cap *= 2;
    cap = MIN(cap, limit + 1);
    b->p = mem_realloc(b->p, cap);
    b->cap = cap;
    return true;
}

void buf_reserve(struct buf *b, size_t more)
{
    size_t limit = b->limit ? b->limit : BUF_LIMIT_DEFAULT;

    if (more <= limit && b->n <= limit - more)
        buf_room(b, more);
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || b->overflow || !buf_room(b, n))
        return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_str(struct buf *b, str s)
{
    buf_add(b, s.p, s.n);
}

void buf_z(struct buf *b, const char *z)
{
    buf_add(b, z, strlen(z));
}

void buf_char_grow(struct buf *b, char c)
{
    if (b->overflow || !buf_room(b, 1))
        return;
    b->p[b->n++] = c;
    b->p[b->n] = '\0';
}

void buf_int(struct buf *b, int64_t v)
{
    char text[24], *p = text + sizeof text;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        *--p = '-';
    buf_add(b, p, (size_t)(text + sizeof text - p));
}

void buf_vfmt(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    int n;

    if (b->overflow)
        return;
    va_copy(again, ap);
    n = vsnprintf(b->p ? b->p + b->n : NULL, b->cap - b->n, fmt, ap); /* usually there is room */
    if (n > 0 && b->n + (size_t)n < b->cap) {
        b->n += (size_t)n;
    } else if (n > 0 && buf_room(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    } else if (b->p) {
        b->p[b->n] = '\0';
    }
    va_end(again);
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(b, fmt, ap);
    va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
    n = MIN(n, b->n);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    b->p[b->n] = '\0';
}

str buf_view(const struct buf *b)
{
    return (str){b->p ? b->p : "", b->n};
}

const char *buf_cstr(struct buf *b)
{
    return b->p ? b->p : "";
}

const struct bytes *bytes_new(str s)
{
    struct bytes *b = mem_alloc(sizeof *b + s.n + 1);

    b->refs = 1;
    b->pad = 0;
    b->n = s.n;
    if (s.n)
        memcpy(b->data, s.p, s.n);
    b->data[s.n] = '\0';
    return b;
}

/* The count is the only field that changes once the bytes are shared, so casting const away is sound. */
const struct bytes *bytes_ref(const struct bytes *b)
{
    __atomic_fetch_add(&((struct bytes *)(uintptr_t)b)->refs, 1, __ATOMIC_RELAXED);
    return b;
}

void bytes_unref(const struct bytes *b)
{
    struct bytes *own = (struct bytes *)(uintptr_t)b;

    if (own && __atomic_sub_fetch(&own->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(own);
}

void buf_quoted(struct buf *b, str s)
{
    buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\') {
            buf_char(b, '\\');
            buf_char(b, (char)c);
        } else if (c == '\n')
            buf_z(b, "\\n");
        else if (c == '\t')
            buf_z(b, "\\t");
        else if (c == '\r')
            buf_z(b, "\\r");
        else if (c < 0x20 || c == 0x7f)
            buf_fmt(b, "\\x%02x", c);
        else
            buf_char(b, (char)c);
    }
    buf_char(b, '"');
}
