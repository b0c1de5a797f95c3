/* logs.h - the container logs that the runtime writes: reading, following, rotating. */
#ifndef K1S_KUBELET_LOGS_H
#define K1S_KUBELET_LOGS_H
#include "loop/loop.h"

/* One line of CRI's format: `2026-11-20T20:35:17.123456789Z stdout F text`. false: malformed. */
struct log_entry {
    str time, stream, text; /* text without the line's end */
    bool partial;           /* the line goes on in the next entry */
};
bool log_entry_parse(str line, struct log_entry *ret);

struct log_options {
    int64_t tail;        /* lines; -1: all */
    int64_t limit_bytes; /* of output; -1: no limit */
    wall_time since;     /* ns 0: from the beginning */
    bool timestamps, follow;
    str stream; /* "stdout", "stderr"; empty: both */
};
/* Where the last n lines (whole ones, partial entries counted with their line) begin. Blocking. */
int64_t log_tail_offset(int fd, int64_t lines);
/* The text of the last lines, at most max_bytes of it. Blocking. */
void log_tail_text(const char *path, int64_t lines, size_t max_bytes, struct buf *out);

/* ---- a reading in progress: whole file, then what is added, until the container has ended ---- */
struct log_reader;
struct log_reader_events {
    void (*data)(void *ctx, str text); /* on the loop */
    void (*end)(void *ctx, int error); /* once; the reader is gone afterwards */
};
/* Follows renames of the file (rotation). options.stream is copied. */
struct log_reader *log_reader_new(struct loop *loop, str path, const struct log_options *o,
                                  const struct log_reader_events *ev, void *ctx);
void log_reader_pause(struct log_reader *r, bool paused);
void log_reader_finish(
    struct log_reader *r); /* the container has ended: end after what is there now */
void log_reader_free(struct log_reader *r); /* without end() */
#endif
