/* roundtrip_test.c - every kind of Kubernetes between JSON, protobuf and YAML, byte for byte.
 *
 * The fixtures are one object of every kind with every field filled, as a real API server's own
 * tests have them. */
#include "schema/schema.h"
#include "test/test.h"
#include "wire/yaml.h"

#include <dirent.h>

static str read_all(struct arena *a, const char *path)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    return test_read_file(path, &b) ? arena_dup(a, buf_view(&b)) : STR_NONE;
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
    test_fail(__FILE__, __LINE__, "%s: %s: at %zu got ...%.160s\n  want ...%.160s", name, what, i,
              i < got.n ? got.p + i : "", i < want.n ? want.p + i : "");
}

static str path_to(struct arena *a, const char *dir, const char *name, const char *suffix)
{
    return arena_fmt(a, "%s/%s%s", dir, name, suffix);
}

/* false: the text needs a tree. */
static bool text_is_as_tree(struct arena *a, const char *name, const struct schema_type *t,
                            const struct json *v)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    CLEANUP(buf) struct buf from_tree = BUF_INIT;
    CLEANUP(buf) struct buf from_text = BUF_INIT;

    json_encode(&text, v);
    proto_encode(&from_tree, t, v);
    if (!proto_encode_text(&from_text, t, buf_view(&text), a)) {
        CHECK_INT(from_text.n, 0);
        if (getenv("K1S_TEST_VERBOSE"))
            printf("by tree: %s\n", name);
        return false;
    }
    if (!str_eq(buf_view(&from_tree), buf_view(&from_text)))
        test_fail(__FILE__, __LINE__, "%s: protobuf from text differs, %zu bytes, want %zu", name,
                  from_text.n, from_tree.n);
    return true;
}

/* Leaves out about every third member, at every level. */
static void thin_out(struct json *v, uint32_t *seed)
{
    for (uint32_t i = 0; json_is(v, JSON_OBJECT) && i < v->n;) {
        *seed = *seed * 1664525 + 1013904223;
        if (*seed >> 16 & 1 && *seed >> 20 & 1) {
            json_remove(v, v->members[i].key);
        } else {
            thin_out(&v->members[i].value, seed);
            i++;
        }
    }
    JSON_EACH(item, v)
        thin_out(item, seed);
}

TEST(roundtrip, protobuf_from_text_is_that_of_a_tree_whatever_is_absent)
{
    struct arena *a = arena_new(), *names_arena = arena_new();
    const char *dir = test_shared("suites/kubernetes-roundtrip");
    char *names[512];
    size_t n, n_by_text = 0, n_all = 0;
    uint32_t seed = 1;

    if (!dir) {
        test_skip("no suites/kubernetes-roundtrip");
        return;
    }
    dir = arena_dupz(names_arena, str_of(dir));
    n = fixtures(names_arena, dir, names, ARRAY_LEN(names));
    for (size_t i = 0; i < n * 5; i++) {
        const char *name = names[i % n];
        struct json *v = NULL;
        const struct schema_type *t;
        struct err *err;

        arena_reset(a);
        CHECK_OK(json_parse(a, read_all(a, path_to(a, dir, name, ".json").p), NULL, NULL, &v));
        t = type_of(v);
        if (!t)
            continue;
        thin_out(v, &seed);
        err = schema_decode(a, t, v, NULL);
        if (!err) {
            n_all++;
            n_by_text += text_is_as_tree(a, name, t, v);
        }
        err_free(err);
    }
    printf("%zu of %zu went without a tree\n", n_by_text, n_all);
    CHECK(n_all > 500 && n_by_text * 10 > n_all * 9);
    arena_free(a);
    arena_free(names_arena);
}

TEST(roundtrip, every_kind_is_the_same_in_json_and_protobuf)
{
    struct arena *a = arena_new(), *names_arena = arena_new();
    const char *dir = test_shared("suites/kubernetes-roundtrip");
    char *names[512];
    size_t n, n_known = 0, n_by_text = 0;

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
        struct schema_warnings w = {.list = NULL};
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
            test_fail(__FILE__, __LINE__, "%s: " PRI_STR, names[i],
                      STR_ARG(json_str(json_item(w.list, 0))));
        json_encode_pretty(&pretty, v, 2, 0);
        if (!str_eq(buf_view(&pretty), text))
            differ(names[i], "JSON", buf_view(&pretty), text);
        proto_encode_envelope(&b, t, v);
        if (!str_eq(buf_view(&b), pb)) {
            struct json *other = NULL;

            err = proto_decode_envelope(a, pb, &other);
            test_fail(__FILE__, __LINE__, "%s: protobuf differs, %zu bytes, want %zu%s", names[i],
                      b.n, pb.n,
                      err                            ? " (cannot be read)"
                      : json_equal(other, want_json) ? " (reads the same)"
                                                     : "");
            err_free(err);
        }
        n_by_text += text_is_as_tree(a, names[i], t, v);
        err = proto_decode_envelope(a, pb, &back);
        if (err) {
            test_fail(__FILE__, __LINE__, "%s: %s", names[i], err_text(err));
            err_free(err);
        } else {
            buf_clear(&pretty);
            json_encode_pretty(&pretty, back, 2, 0);
            if (!str_eq(buf_view(&pretty), text))
                differ(names[i], "JSON from protobuf", buf_view(&pretty), text);
        }
        buf_fini(&b);
        buf_fini(&pretty);
    }
    printf("%zu of %zu fixtures have a type, %zu went from text to protobuf without a tree\n",
           n_known, n, n_by_text);
    CHECK(n_by_text * 10 > n_known * 9);
    CHECK(n_known > 100);
    arena_free(a);
    arena_free(names_arena);
}

TEST(roundtrip, every_kind_is_the_same_in_yaml)
{
    struct arena *a = arena_new(), *names_arena = arena_new();
    const char *dir = test_shared("suites/kubernetes-roundtrip");
    char *names[512];
    size_t n;

    if (!dir) {
        test_skip("no suites/kubernetes-roundtrip");
        return;
    }
    dir = arena_dupz(names_arena, str_of(dir));
    n = fixtures(names_arena, dir, names, ARRAY_LEN(names));
    for (size_t i = 0; i < n; i++) {
        struct json *v = NULL, *from_yaml = NULL;
        struct buf b = BUF_INIT;
        const struct schema_type *t;
        str yaml;

        arena_reset(a);
        yaml = read_all(a, path_to(a, dir, names[i], ".yaml").p);
        CHECK_OK(json_parse(a, read_all(a, path_to(a, dir, names[i], ".json").p), NULL, NULL, &v));
        t = type_of(v);
        if (!t)
            continue;
        CHECK_OK(schema_decode(a, t, v, NULL));
        CHECK_OK(yaml_parse(a, yaml, NULL, &from_yaml));
        CHECK_OK(schema_decode(a, t, from_yaml, NULL));
        if (!json_equal(v, from_yaml))
            test_fail(__FILE__, __LINE__, "%s: YAML reads differently", names[i]);
        yaml_encode(&b, v);
        if (!str_eq(buf_view(&b), yaml))
            differ(names[i], "YAML", buf_view(&b), yaml);
        buf_fini(&b);
    }
    arena_free(a);
    arena_free(names_arena);
}

TEST(roundtrip, a_watch_event_carries_any_object)
{
    struct arena *a = arena_new();
    const char *dir = test_shared("suites/kubernetes-roundtrip");
    const struct schema_type *t =
        schema_find_type(S("io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent"));
    struct json *v = NULL;
    struct buf b = BUF_INIT;
    str pb;

    if (!dir) {
        test_skip("no suites/kubernetes-roundtrip");
        return;
    }
    dir = arena_dupz(a, str_of(dir));
    pb = read_all(a, path_to(a, dir, "core.v1.WatchEvent", ".pb").p);
    CHECK_OK(json_parse(a, read_all(a, path_to(a, dir, "core.v1.WatchEvent", ".json").p), NULL,
                        NULL, &v));
    CHECK_OK(schema_decode(a, t, v, NULL));
    proto_encode(&b, t, v);
    CHECK(str_find(pb, buf_view(&b)) > 0);
    buf_fini(&b);
    arena_free(a);
}

/* Through bytes written by hand, so that encoder and decoder cannot agree on a mistake. */
static void check_message(const char *type, const char *json, str bytes)
{
    struct arena *a = arena_new();
    const struct schema_type *t = schema_find_message(str_of(type));
    struct json *v = NULL, *back = NULL;
    struct buf b = BUF_INIT, hex = BUF_INIT, want = BUF_INIT, text = BUF_INIT;

    CHECK(t != NULL);
    CHECK_OK(json_parse(a, str_of(json), NULL, NULL, &v));
    proto_encode(&b, t, v);
    buf_hex(&hex, buf_view(&b));
    buf_hex(&want, bytes);
    CHECK_STR(buf_view(&hex), buf_view(&want));
    CHECK_OK(proto_decode(a, t, bytes, &back));
    if (back)
        json_encode(&text, back);
    CHECK_STR(buf_view(&text), str_of(json));
    buf_fini(&b);
    buf_fini(&hex);
    buf_fini(&want);
    buf_fini(&text);
    arena_free(a);
}

TEST(roundtrip, cri_messages_leave_out_what_is_zero)
{
    check_message("runtime.v1.VersionRequest", "{\"version\":\"v1\"}", S("\x0a\x02v1"));
    check_message("runtime.v1.VersionRequest", "{}", S(""));
    check_message("runtime.v1.PortMapping", "{\"protocol\":1,\"container_port\":80}",
                  S("\x08\x01\x10\x50"));
    check_message("runtime.v1.RunPodSandboxRequest",
                  "{\"config\":{\"metadata\":{\"name\":\"a\",\"attempt\":3},\"labels\":{\"k\":"
                  "\"v\"}},\"runtime_handler\":\"r\"}",
                  S("\x0a\x0f\x0a\x05\x0a\x01"
                    "a\x20\x03\x32\x06\x0a\x01k\x12\x01v\x12\x01r"));
}

TEST(roundtrip, proto3_packs_numbers_and_keeps_empty_messages)
{
    check_message("runtime.v1.LinuxSandboxSecurityContext",
                  "{\"run_as_user\":{},\"supplemental_groups\":[1,300]}",
                  S("\x1a\x00\x2a\x03\x01\xac\x02"));
}

TEST(roundtrip, etcd_values_are_raw_bytes_and_a_oneof_keeps_its_zero)
{
    check_message("etcdserverpb.Compare", "{\"target\":1,\"key\":\"/k\",\"create_revision\":0}",
                  S("\x10\x01\x1a\x02/k\x28\x00"));
}

TEST(roundtrip, damaged_messages_are_refused)
{
    static const str bad[] = {
        STR("\x0a"),
        STR("\x0a\xff\xff\xff\xff\x0f"),
        STR("\x0a\x05"
            "ab"),
        STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        STR("\x08\x01"),
        STR("\x0b\x0b\x0b"),
    };
    const struct schema_type *t = schema_find_message(S("runtime.v1.VersionResponse"));
    struct arena *a = arena_new();

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json *v = NULL;
        struct err *err = proto_decode(a, t, bad[i], &v);

        if (!err)
            test_fail(__FILE__, __LINE__, "case %zu is accepted", i);
        err_free(err);
    }
    arena_free(a);
}

TEST_MAIN
