/* writer.h - writes JSON text piece by piece, with commas where they belong. */
#ifndef K1S_SCHEMAGEN_WRITER_H
#define K1S_SCHEMAGEN_WRITER_H
#include "base/base.h"

#define WRITER_DEPTH_MAX 32
struct writer {
    struct buf *out;
    bool begun[WRITER_DEPTH_MAX]; /* something was written on this level */
    unsigned depth;
};
void writer_key(struct writer *w, const char *key);
void writer_key_str(struct writer *w, str key);
void writer_open(struct writer *w, char bracket);
void writer_close(struct writer *w, char bracket);
void writer_string(struct writer *w, str s);
void writer_z(struct writer *w, const char *z);
void writer_fmt(struct writer *w, const char *fmt, ...) PRINTF(2, 3); /* as a string */
void writer_raw(struct writer *w, str text);                          /* text is JSON */
/* key and value at once */
void writer_member(struct writer *w, const char *key, str value);
void writer_memberz(struct writer *w, const char *key, const char *value);
#endif
