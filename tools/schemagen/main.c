/* k1s-schemagen - turns the schema in api/ into what the build compiles in.
 *
 *     k1s-schemagen API-FOLDER DEPFILE TABLES.c OPENAPI.c
 *
 * api/index.k1s lists the files; their order is the order of discovery. The output depends on
 * nothing else, so that two runs agree byte for byte. */
#include "model.h"

static void write_file(const char *path, str data)
{
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(data.p, 1, data.n, f) != data.n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct model m = {.arena = arena_new()};
    struct buf out = BUF_INIT, docs = BUF_INIT, deps = BUF_INIT;
    char path[PATH_MAX];
    str index, line;

    if (argc != 5) {
        fprintf(stderr, "usage: %s API-FOLDER DEPFILE TABLES.c OPENAPI.c\n", argv[0]);
        return 2;
    }
    map_init(&m.by_name);
    map_init(&m.by_alias);
    snprintf(path, sizeof path, "%s/index.k1s", argv[1]);
    buf_fmt(&deps, "%s: %s", argv[3], path);
    index = read_file(m.arena, path);
    while (str_cut(&index, '\n', &line)) {
        char *file;

        line = str_trim(line);
        if (!line.n || line.p[0] == '#')
            continue;
        file =
            arena_dupz(m.arena, arena_fmt(m.arena, "%s/" PRI_STR ".k1s", argv[1], STR_ARG(line)));
        buf_fmt(&deps, " %s", file);
        model_parse(&m, file, line);
    }
    model_resolve(&m);
    if (!m.n_errors)
        tables_write(&m, &out); /* numbers the types, too */
    if (!m.n_errors)
        openapi_write(&m, &docs);
    if (m.n_errors)
        return 1;
    buf_char(&deps, '\n');
    write_file(argv[2], buf_view(&deps));
    write_file(argv[3], buf_view(&out));
    write_file(argv[4], buf_view(&docs));
    buf_fini(&out);
    buf_fini(&docs);
    buf_fini(&deps);
    map_fini(&m.by_name);
    map_fini(&m.by_alias);
    arena_free(m.arena);
    return 0;
}
