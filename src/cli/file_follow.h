/* file_follow.h - tells of another content of a small file, without asking for it again and again. */
#ifndef K1S_CLI_FILE_FOLLOW_H
#define K1S_CLI_FILE_FOLLOW_H
#include "loop/loop.h"

struct file_follow;
/* text is borrowed during the call. */
typedef void file_follow_fn(void *ctx, str text);
/* known: the content that the caller has already. Real loops only, whose thread calls fn. */
struct file_follow *file_follow_new(struct loop *loop, str path, str known, file_follow_fn *fn,
                                    void *ctx);
void file_follow_free(struct file_follow *f); /* NULL: nothing; fn does not run any more */
#endif
