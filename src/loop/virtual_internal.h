/* virtual_internal.h - the virtual environment's inside, shared by its parts. */
#ifndef K1S_LOOP_VIRTUAL_INTERNAL_H
#define K1S_LOOP_VIRTUAL_INTERNAL_H

#include "loop/loop_internal.h"

#define VIRTUAL_PORT_FIRST 32768u /* given out for port 0 and to connecting sides */
#define VIRTUAL_PORT_LAST 65535u

struct virtual_env {
    struct loop base;
    wall_time start;
    int64_t now_ns; /* since the start */
    uint64_t rng[4];
    bool stopped, closed;
    struct virtual_faults faults;
    size_t n_once;        /* functions queued */
    struct map listeners; /* address → struct virtual_listener */
    struct map udps;      /* address → struct virtual_udp */
    struct map
        files; /* path → struct bytes; a folder is an empty entry with a '/' behind its path */
    unsigned next_port;
};
static inline struct virtual_env *virtual_env_of(struct loop *loop)
{
    return (struct virtual_env *)loop;
}

int virtual_listen(struct loop *loop, str address, listener_accept_fn *fn, void *ctx,
                   struct listener **ret);
struct connecting *virtual_connect(struct loop *loop, str address, int64_t timeout_ns,
                                   connect_done_fn *done, void *ctx);
int virtual_udp_open(struct loop *loop, str address, udp_recv_fn *fn, void *ctx, struct udp **ret);
int virtual_file_read(struct loop *loop, const char *path, size_t limit, struct buf *out);
int virtual_file_write(struct loop *loop, const char *path, str data, unsigned mode);
int virtual_file_mkdir_all(struct loop *loop, const char *path, unsigned mode);
bool virtual_file_exists(struct loop *loop, const char *path);
int virtual_file_append(struct loop *loop, const char *path, str data, unsigned mode,
                        int64_t *ret_size);
int virtual_file_rename(struct loop *loop, const char *from, const char *to);
int virtual_file_remove(struct loop *loop, const char *path);
int virtual_file_list(struct loop *loop, const char *folder, void (*each)(void *ctx, str name),
                      void *ctx);
void virtual_files_fini(struct virtual_env *env);

#endif
