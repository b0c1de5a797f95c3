/* writer.c - see writer.h. */
#include "writer.h"

#include <stdarg.h>

static void separate(struct writer *w)
{
    if (w->begun[w->depth])
        buf_char(w->out, ',');
    w->begun[w->depth] = true;
}

static void quoted(struct buf *b, str s)
{
    buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\')
            buf_fmt(b, "\\%c", c);
        else if (c < 32)
            buf_fmt(b, "\\u%04x", c);
        else
            buf_char(b, (char)c);
    }
    buf_char(b, '"');
}

void writer_key_str(struct writer *w, str key)
{
    separate(w);
    quoted(w->out, key);
    buf_char(w->out, ':');
    w->begun[w->depth] = false; /* the value follows without comma */
}

void writer_key(struct writer *w, const char *key)
{
    writer_key_str(w, str_of(key));
}

void writer_open(struct writer *w, char bracket)
{
    separate(w);
    buf_char(w->out, bracket);
    BUG_ON(w->depth + 1 == WRITER_DEPTH_MAX);
    w->begun[++w->depth] = false;
}

void writer_close(struct writer *w, char bracket)
{
    buf_char(w->out, bracket);
    w->depth--;
}

void writer_string(struct writer *w, str s)
{
    separate(w);
    quoted(w->out, s);
}

void writer_z(struct writer *w, const char *z)
{
    writer_string(w, str_of(z));
}

void writer_fmt(struct writer *w, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    writer_string(w, buf_view(&b));
    buf_fini(&b);
}

void writer_raw(struct writer *w, str text)
{
    separate(w);
    buf_str(w->out, text);
}

void writer_member(struct writer *w, const char *key, str value)
{
    writer_key(w, key);
    writer_string(w, value);
}

void writer_memberz(struct writer *w, const char *key, const char *value)
{
    writer_member(w, key, str_of(value));
}
