/* mkimage.c - mkimage RECIPE OUT.tar [KEY=VALUE...]: a container image (OCI archive) from files of this machine.
 *
 * For the demo and the tests: nothing is pulled, no daemon is needed, and the same files give the same bytes. A recipe has one
 * directive a line ('#' begins a comment; $KEY is replaced by VALUE):
 *
 *     name k1s.io/demo/web:1             full image name
 *     dir PATH [MODE]                    a directory
 *     file PATH FROM [MODE]              a file of this machine; MODE 0755 if it is executable, else 0644
 *     program PATH FROM                  the same, with the shared libraries that ldd names
 *     link PATH TARGET                   a symbolic link
 *     text PATH TEXT                     a small file; \n is a line's end
 *     env KEY=VALUE, user U, workdir D, entrypoint WORD..., cmd WORD...
 *
 * Everything belongs to root in the image. */
#include "kubelet/oci_archive.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)256 << 20)
#define WORDS_MAX 32

struct recipe {
    struct arena *a;
    struct oci_image image;
    struct oci_file *files;
    size_t n, cap;
    str words[3][WORDS_MAX]; /* env, entrypoint, cmd */
    size_t n_words[3];
    int argc;
    char **argv; /* KEY=VALUE */
    const char *path;
    int line;
};

NORETURN static void die(const struct recipe *r, const char *what, str about)
{
    fprintf(stderr, "mkimage: %s:%d: %s " PRI_STR "\n", r->path, r->line, what, STR_ARG(about));
    exit(1);
}

static str slurp(struct recipe *r, str path, unsigned *ret_mode)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    char chunk[65536];
    struct stat st;
    ssize_t n;
    int fd = open(arena_dupz(r->a, path),
                  O_RDONLY | O_CLOEXEC); /* follows links: the image gets the file itself */

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        die(r, "no such file:", path);
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        buf_add(&b, chunk, (size_t)n);
        if (b.n > FILE_MAX)
            die(r, "too large:", path);
    }
    if (n < 0)
        die(r, strerror(errno), path);
    close(fd);
    *ret_mode = st.st_mode & 0111 ? 0755 : 0644;
    return arena_dup(r->a, buf_view(&b));
}

static bool has(const struct recipe *r, str path)
{
    for (size_t i = 0; i < r->n; i++)
        if (str_eq(r->files[i].path, path))
            return true;
    return false;
}

static void add(struct recipe *r, struct oci_file f)
{
    if (f.path.n && f.path.p[0] == '/')
        f.path = str_skip(f.path, 1);
    if (has(r, f.path))
        return;
    /* Directories first: some unpackers want them. */
    for (size_t i = 0; i + 1 < f.path.n; i++)
        if (f.path.p[i] == '/' && !has(r, str_slice(f.path, 0, i + 1)))
            add(r, (struct oci_file){.path = str_slice(f.path, 0, i + 1), .mode = 0755});
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        r->files = arena_grow(r->a, r->files, r->cap * sizeof *r->files, cap * sizeof *r->files);
        r->cap = cap;
    }
    r->files[r->n++] = f;
}

/* "libz.so.1 => /lib/x/libz.so.1 (0x…)" and "/lib64/ld-linux-x86-64.so.2 (0x…)": the second form names the loader, whose path is
 * part of every program. */
static void add_libraries(struct recipe *r, str program)
{
    char line[4096];
    FILE *p = popen(arena_fmt(r->a, "ldd '" PRI_STR "'", STR_ARG(program)).p, "r");

    if (!p)
        die(r, "ldd:", program);
    while (fgets(line, sizeof line, p)) {
        str s = str_trim(str_of(line));
        ptrdiff_t arrow = str_find(s, S("=> "));
        unsigned mode;

        if (arrow >= 0)
            s = str_skip(s, (size_t)arrow + 3);
        if (s.n == 0 || s.p[0] != '/')
            continue; /* the kernel's vdso */
        ptrdiff_t space = str_index(s, ' ');
        if (space >= 0)
            s = str_slice(s, 0, (size_t)space);
        s = arena_dup(r->a, s);
        str data = slurp(r, s, &mode);
        add(r, (struct oci_file){.path = s, .data = data, .mode = 0755});
    }
    if (pclose(p) != 0)
        die(r, "ldd failed on", program);
}

static str expand(struct recipe *r, str in)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < in.n; i++) {
        int k;
        if (in.p[i] != '$') {
            buf_char(&b, in.p[i]);
            continue;
        }
        for (k = 0; k < r->argc; k++) {
            str value = str_of(r->argv[k]), key;
            if (str_cut(&value, '=', &key) && key.n && str_has_prefix(str_skip(in, i + 1), key)) {
                buf_str(&b, value);
                i += key.n;
                break;
            }
        }
        if (k == r->argc)
            die(r, "no value for", str_skip(in, i));
    }
    return arena_dup(r->a, buf_view(&b));
}

static unsigned octal(const struct recipe *r, str s, unsigned otherwise)
{
    unsigned v = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '7' || v > 07777)
            die(r, "no mode:", s);
        v = v * 8 + (unsigned)(s.p[i] - '0');
    }
    return s.n ? v : otherwise;
}

static str word(str *rest)
{
    str w = STR_NONE;

    *rest = str_trim(*rest);
    if (rest->n)
        str_cut(rest, ' ', &w);
    return w;
}

static void directive(struct recipe *r, str line)
{
    str what = word(&line), path, from;
    unsigned mode = 0;

    line = str_trim(line);
    if (str_is(what, "name")) {
        r->image.name = line;
    } else if (str_is(what, "user")) {
        r->image.user = line;
    } else if (str_is(what, "workdir")) {
        r->image.working_dir = line;
    } else if (str_is(what, "dir")) {
        path = word(&line);
        add(r, (struct oci_file){.path = arena_fmt(r->a, PRI_STR "/", STR_ARG(path)),
                                 .mode = octal(r, word(&line), 0755)});
    } else if (str_is(what, "file") || str_is(what, "program")) {
        path = word(&line);
        from = word(&line);
        str data = slurp(r, from, &mode);
        add(r, (struct oci_file){.path = path, .data = data, .mode = octal(r, word(&line), mode)});
        if (str_is(what, "program"))
            add_libraries(r, from);
    } else if (str_is(what, "link")) {
        path = word(&line);
        add(r, (struct oci_file){.path = path, .data = word(&line), .mode = 0777, .is_link = true});
    } else if (str_is(what, "text")) {
        CLEANUP(buf) struct buf b = BUF_INIT;
        path = word(&line);
        for (size_t i = 0; i < line.n; i++) {
            bool is_end = line.p[i] == '\\' && i + 1 < line.n && line.p[i + 1] == 'n';
            buf_char(&b, is_end ? '\n' : line.p[i]);
            i += is_end;
        }
        add(r,
            (struct oci_file){.path = path, .data = arena_dup(r->a, buf_view(&b)), .mode = 0644});
    } else {
        int list = str_is(what, "env")          ? 0
                   : str_is(what, "entrypoint") ? 1
                   : str_is(what, "cmd")        ? 2
                                                : -1;
        if (list < 0)
            die(r, "unknown directive", what);
        while (list == 0 ? line.n > 0 : (line = str_trim(line)).n > 0) {
            if (r->n_words[list] == WORDS_MAX)
                die(r, "too many words for", what);
            r->words[list][r->n_words[list]++] = list == 0 ? line : word(&line);
            if (list == 0)
                break;
        }
    }
}

int main(int argc, char **argv)
{
    struct recipe r = {
        .a = arena_new(), .argc = argc - 3, .argv = argv + 3, .path = argc > 1 ? argv[1] : ""};
    CLEANUP(buf) struct buf out = BUF_INIT;
    unsigned mode;
    str text, line;

    if (argc < 3) {
        fprintf(stderr, "usage: mkimage RECIPE OUT.tar [KEY=VALUE...]\n");
        return 2;
    }
    text = slurp(&r, str_of(argv[1]), &mode);
    while (str_cut(&text, '\n', &line)) {
        r.line++;
        line = str_trim(line);
        if (line.n && line.p[0] != '#')
            directive(&r, expand(&r, line));
    }
    if (r.image.name.n == 0)
        die(&r, "the recipe names no", S("name"));
    r.image.files = r.files;
    r.image.n_files = r.n;
    r.image.env = r.words[0], r.image.n_env = r.n_words[0];
    r.image.entrypoint = r.words[1], r.image.n_entrypoint = r.n_words[1];
    r.image.cmd = r.words[2], r.image.n_cmd = r.n_words[2];
    oci_archive_write(&out, &r.image);
    FILE *f = fopen(argv[2], "wb");
    if (!f || fwrite(out.p, 1, out.n, f) != out.n || fclose(f) != 0) {
        fprintf(stderr, "mkimage: %s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    arena_free(r.a);
    return 0;
}
