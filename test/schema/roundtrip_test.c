/* roundtrip_test.c - every kind of Kubernetes between JSON, protobuf and YAML, byte for byte.
 *
 * The fixtures are one object of every kind with every field filled, as a real API server's own tests have them. */
#include "schema/schema.h"
#include "test/test.h"
#include "wire/yaml.h"

#include <dirent.h>

static str read_all(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    struct buf b = BUF_INIT;
    char chunk[65536];
    size_t n;
    str s = STR_NONE;

    if (!f)
        return s;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&b, chunk, n);
    fclose(f);
    s = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

static const struct schema_type *type_of(const struct json *v)
{
    str version = json_get_str(v, "apiVersion"), group = S("");

    if (str_has_char(version, '/'))
        str_cut(&version, '/', &group);
    return schema_find_gvk(group, version, json_get_str(v, "kind"));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the fixtures without suffix, sorted. */
static size_t fixtures(struct arena *a, const char *dir, char **names, size_t cap)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0;

    while (d && (e = readdir(d)))
        if (str_has_suffix(str_of(e->d_name), S(".json")) && n < cap)
            names[n++] = arena_dupz(a, str_slice(str_of(e->d_name), 0, strlen(e->d_name) - 5));
    if (d)
        closedir(d);
    qsort(names, n, sizeof *names, by_name);
    return n;
}

/* The place where two texts part, for the message. */
static void differ(const char *name, const char *what, str got, str want)
{
    size_t i = 0;

    while (i < got.n && i < want.n && got.p[i] == want.p[i])
        i++;
    i = i > 60 ? i - 60 : 0;
    test_fail(__FILE__, __LINE__, "%s: %s: at %zu got ...%.160s\n  want ...%.160s", name, what, i, i < got.n ? got.p + i : "",
              i < want.n ? want.p + i : "");
}

static str path_to(struct arena *a, const char *dir, const char *name, const char *suffix)
{
    return arena_fmt(a, "%s/%s%s", dir, name, suffix);
}

TEST(roundtrip, every_kind_is_the_same_in_json_and_protobuf)
{
    struct arena *a = arena_new(), *names_arena = arena_new();
    const char *dir = test_shared("suites/kubernetes-roundtrip");
    char *names[512];
    size_t n, n_known = 0;

    if (!dir) {
        test_skip("no suites/kubernetes-roundtrip");
        return;
    }
    dir = arena_dupz(names_arena, str_of(dir));
    n = fixtures(names_arena, dir, names, ARRAY_LEN(names));
    CHECK(n > 100);
    for (size_t i = 0; i < n; i++) {
        struct json *v = NULL, *back = NULL, *want_json;
        struct buf b = BUF_INIT, pretty = BUF_INIT;
        const struct schema_type *t;
        struct schema_warnings w = {NULL};
        str text, pb;
        struct err *err;

        arena_reset(a);
        text = read_all(a, path_to(a, dir, names[i], ".json").p);
        pb = read_all(a, path_to(a, dir, names[i], ".pb").p);
        CHECK_OK(json_parse(a, text, NULL, NULL, &v));
        t = type_of(v);
        if (!t && getenv("K1S_TEST_VERBOSE"))
            printf("unknown %s\n", names[i]);
        if (!t)
            continue;
        n_known++;
        want_json = json_new(a, json_copy(a, v));
        err = schema_decode(a, t, v, &w);
        if (err) {
            test_fail(__FILE__, __LINE__, "%s: %s", names[i], err_text(err));
            err_free(err);
            continue;
        }
        if (json_count(w.list))
            test_fail(__FILE__, __LINE__, "%s: " PRI_STR, names[i], STR_ARG(json_str(json_item(w.list, 0))));
        json_encode_pretty(&pretty, v, 2);
        if (!str_eq(buf_view(&pretty), text))
            differ(names[i], "JSON", buf_view(&pretty), text);
        proto_encode_envelope(&b, t, v);
        if (!str_eq(buf_view(&b), pb)) {
            struct json *other = NULL;

            err = proto_decode_envelope(a, pb, &other);
            test_fail(__FILE__, __LINE__, "%s: protobuf differs, %zu bytes, want %zu%s", names[i], b.n, pb.n,
                      err ? " (cannot be read)" : json_equal(other, want_json) ? " (reads the same)" : "");
            err_free(err);
        }
        err = proto_decode_envelope(a, pb, &back);
        if (err) {
            test_fail(__FILE__, __LINE__, "%s: %s", names[i], err_text(err));
            err_free(err);
        } else {
            buf_clear(&pretty);
            json_encode_pretty(&pretty, back, 2);
            if (!str_eq(buf_view(&pretty), text))
                differ(names[i], "JSON from protobuf", buf_view(&pretty), text);
        }
        buf_fini(&b);
        buf_fini(&pretty);
    }
    printf("%zu of %zu fixtures have a type\n", n_known, n);
    CHECK(n_known > 100);
    arena_free(a);
    arena_free(names_arena);
}

TEST_MAIN
