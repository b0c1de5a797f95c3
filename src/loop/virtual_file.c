/* virtual_file.c - the virtual environment's files: a map from path to content. Modes and sync mean nothing here. */
#include "loop/virtual_internal.h"

static str path_of(const char *path)
{
    str s = str_of(path);

    while (s.n > 1 && s.p[s.n - 1] == '/')
        s.n--;
    return s;
}

static void put(struct virtual_env *env, str path, str data)
{
    bytes_unref(map_put(&env->files, path, (void *)bytes_new(data)));
}

static bool is_folder(struct virtual_env *env, str path)
{
    struct buf key = BUF_INIT;
    bool found;

    if (str_is_empty(path) || str_is(path, "/") || str_is(path, "."))
        return true;
    buf_str(&key, path);
    buf_char(&key, '/');
    found = map_find(&env->files, buf_view(&key)) != NULL;
    buf_fini(&key);
    return found;
}

int virtual_file_read(struct loop *loop, const char *path, size_t limit, struct buf *out)
{
    struct virtual_env *env = virtual_env_of(loop);
    const struct bytes *b = map_find(&env->files, path_of(path));

    if (!b)
        return is_folder(env, path_of(path)) ? -EISDIR : -ENOENT;
    if (b->n > limit)
        return -EFBIG;
    buf_str(out, bytes_str(b));
    return 0;
}

int virtual_file_write(struct loop *loop, const char *path, str data, unsigned mode)
{
    struct virtual_env *env = virtual_env_of(loop);
    str p = path_of(path);
    ptrdiff_t slash = str_rindex(p, '/');

    if (slash > 0 && !is_folder(env, str_slice(p, 0, (size_t)slash)))
        return -ENOENT;
    if (is_folder(env, p))
        return -EISDIR;
    put(env, p, data);
    return 0;
}

int virtual_file_mkdir_all(struct loop *loop, const char *path, unsigned mode)
{
    struct virtual_env *env = virtual_env_of(loop);
    str p = path_of(path);

    for (size_t i = 1; i <= p.n; i++) {
        struct buf key = BUF_INIT;

        if (i < p.n && p.p[i] != '/')
            continue;
        if (map_find(&env->files, str_slice(p, 0, i)))
            return -ENOTDIR;
        buf_str(&key, str_slice(p, 0, i));
        buf_char(&key, '/');
        put(env, buf_view(&key), STR_NONE);
        buf_fini(&key);
    }
    return 0;
}

bool virtual_file_exists(struct loop *loop, const char *path)
{
    struct virtual_env *env = virtual_env_of(loop);

    return map_find(&env->files, path_of(path)) || is_folder(env, path_of(path));
}

int virtual_file_append(struct loop *loop, const char *path, str data, unsigned mode,
                        int64_t *ret_size)
{
    struct virtual_env *env = virtual_env_of(loop);
    const struct bytes *b = map_find(&env->files, path_of(path));
    struct buf all = BUF_INIT;
    int error;

    if (b)
        buf_str(&all, bytes_str(b));
    buf_str(&all, data);
    *ret_size = (int64_t)all.n;
    error = virtual_file_write(loop, path, buf_view(&all), mode);
    buf_fini(&all);
    return error;
}

int virtual_file_remove(struct loop *loop, const char *path)
{
    const struct bytes *b = map_del(&virtual_env_of(loop)->files, path_of(path));

    if (!b)
        return -ENOENT;
    bytes_unref(b);
    return 0;
}

int virtual_file_rename(struct loop *loop, const char *from, const char *to)
{
    struct virtual_env *env = virtual_env_of(loop);
    const struct bytes *b = map_find(&env->files, path_of(from));

    if (!b)
        return -ENOENT;
    put(env, path_of(to), bytes_str(b));
    return virtual_file_remove(loop, from);
}

int virtual_file_list(struct loop *loop, const char *folder, void (*each)(void *ctx, str name),
                      void *ctx)
{
    struct virtual_env *env = virtual_env_of(loop);
    str dir = path_of(folder);

    if (!is_folder(env, dir))
        return -ENOENT;
    MAP_EACH(e, &env->files) {
        str key = map_key(e);

        if (key.n > dir.n + 1 && str_has_prefix(key, dir) && key.p[dir.n] == '/' &&
            str_index(str_skip(key, dir.n + 1), '/') < 0)
            each(ctx, str_skip(key, dir.n + 1));
    }
    return 0;
}

void virtual_files_fini(struct virtual_env *env)
{
    MAP_EACH(e, &env->files)
        bytes_unref(e->value);
    map_fini(&env->files);
}
