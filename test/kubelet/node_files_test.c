/* node_files_test.c - what the agent writes on the node: cgroups, volumes, logs, configurations, archives. Temporary directories only. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubelet/cgroup.h"
#include "kubelet/containerd.h"
#include "kubelet/logs.h"
#include "kubelet/oci_archive.h"
#include "kubelet/runtime.h"
#include "kubelet/volume.h"
#include "test/test.h"

static char *temp_dir(void)
{
    static char dir[64];

    snprintf(dir, sizeof dir, "/tmp/k1s-kubelet-files-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    return dir;
}

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;

    CHECK_OK(json_parse(a, str_of(text), NULL, NULL, &v));
    return v;
}

static void check_file(const char *dir, const char *name, const char *want)
{
    char path[PATH_MAX], text[256] = "";
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_RDONLY);
    n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (!want)
        CHECK(fd < 0);
    else if (n < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
    else
        CHECK_STRZ(((str){text, (size_t)n}), want);
}

static void make_file(const char *dir, const char *name, const char *text)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    int fd;

    buf_fmt(&path, "%s/%s", dir, name);
    for (char *s = path.p + 1; *s; s++)
        if (*s == '/') {
            *s = 0;
            mkdir(path.p, 0755);
            *s = '/';
        }
    fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* ---- cgroups ---- */

TEST(cgroup, cpu_becomes_shares_quota_and_weight)
{
    CHECK_INT(cgroup_shares_of_milli(0), 2);
    CHECK_INT(cgroup_shares_of_milli(1000), 1024);
    CHECK_INT(cgroup_shares_of_milli(1000000), 262144);
    CHECK_INT(cgroup_quota_of_milli(500, 100000), 50000);
    CHECK_INT(cgroup_quota_of_milli(1, 100000), 1000);
    CHECK_INT(cgroup_quota_of_milli(0, 100000), 0);
    CHECK_INT(cgroup_weight_of_shares(2), 1);
    CHECK_INT(cgroup_weight_of_shares(1024), 39);
    CHECK_INT(cgroup_weight_of_shares(262144), 10000);
}

TEST(cgroup, version_1_writes_each_tree)
{
    static const char *const made[] = {"cpu/kubepods/podx/cpu.shares",
                                       "cpu/kubepods/podx/cpu.cfs_quota_us",
                                       "cpu/kubepods/podx/cpu.cfs_period_us",
                                       "memory/kubepods/podx/memory.limit_in_bytes",
                                       "cpuacct/kubepods/podx/x",
                                       "pids/kubepods/podx/x"};
    CLEANUP(arena) struct arena *a = arena_new();
    struct cgroup_fs fs = {temp_dir(), false};
    struct json *pod =
        parse(a, "{\"metadata\":{\"uid\":\"x\"},\"spec\":{\"containers\":[{\"resources\":{"
                 "\"limits\":{\"cpu\":\"2\",\"memory\":\"1Mi\"}}}]}}");
    struct cgroup_limits limits;

    for (size_t i = 0; i < ARRAY_LEN(made); i++) /* the kernel makes these files */
        make_file(fs.root, made[i], "");
    cgroup_pod_limits(pod, &limits);
    CHECK_STRZ(cgroup_pod_path(a, pod), "/kubepods/podx");
    CHECK_INT(cgroup_make(&fs, cgroup_pod_path(a, pod), &limits), 0);
    check_file(fs.root, made[0], "2048");
    check_file(fs.root, made[1], "200000");
    check_file(fs.root, made[2], "100000");
    check_file(fs.root, made[3], "1048576");
    volume_remove_tree(fs.root);
}

TEST(cgroup, version_2_writes_one_tree_and_hands_controllers_down)
{
    static const char *const made[] = {"cgroup.subtree_control",
                                       "kubepods/cgroup.subtree_control",
                                       "kubepods/burstable/cgroup.subtree_control",
                                       "kubepods/burstable/podx/cgroup.subtree_control",
                                       "kubepods/burstable/podx/cpu.weight",
                                       "kubepods/burstable/podx/cpu.max",
                                       "kubepods/burstable/podx/memory.max"};
    CLEANUP(arena) struct arena *a = arena_new();
    struct cgroup_fs fs = {temp_dir(), true};
    struct cgroup_limits limits = {
        .cpu_shares = 1024, .cpu_quota_us = 50000, .cpu_period_us = 100000, .memory_bytes = 4096};

    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        make_file(fs.root, made[i], "");
    CHECK_INT(cgroup_make(&fs, S("/kubepods/burstable/podx"), &limits), 0);
    check_file(fs.root, "kubepods/burstable/podx/cpu.weight", "39");
    check_file(fs.root, "kubepods/burstable/podx/cpu.max", "50000 100000");
    check_file(fs.root, "kubepods/burstable/podx/memory.max", "4096");
    CHECK(access(arena_fmt(a, "%s/kubepods/cgroup.subtree_control", fs.root).p, F_OK) == 0);
    volume_remove_tree(fs.root);
}

TEST(cgroup, usage_leaves_out_what_the_kernel_can_drop)
{
    struct cgroup_fs fs = {temp_dir(), true};
    struct cgroup_usage u;

    make_file(fs.root, "p/cpu.stat", "usage_usec 1500\nuser_usec 1\n");
    make_file(fs.root, "p/memory.current", "1000\n");
    make_file(fs.root, "p/memory.stat", "anon 300\ninactive_file 400\npgfault 7\n");
    cgroup_usage(&fs, S("/p"), &u);
    CHECK(u.found);
    CHECK_INT(u.cpu_ns, 1500000);
    CHECK_INT(u.memory_working_set_bytes, 600);
    CHECK_INT(u.memory_rss_bytes, 300);
    volume_remove_tree(fs.root);
    make_file(fs.root, "cpuacct/p/cpuacct.usage", "42\n");
    make_file(fs.root, "memory/p/memory.usage_in_bytes", "1000\n");
    make_file(fs.root, "memory/p/memory.stat", "total_rss 10\ntotal_inactive_file 100\n");
    fs.v2 = false;
    cgroup_usage(&fs, S("/p"), &u);
    CHECK_INT(u.cpu_ns, 42);
    CHECK_INT(u.memory_working_set_bytes, 900);
    volume_remove_tree(fs.root);
}

/* ---- volumes ---- */

TEST(volume, files_are_replaced_as_one)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    CLEANUP(arena) struct arena *a = arena_new();
    const struct volume_file one[] = {{S("a"), S("1"), 0644, -1}, {S("d/e"), S("2"), 0400, -1}},
                             two[] = {{S("a"), S("new"), 0600, -1}, {S("f"), S("3"), 0644, -1}};
    char *dir = temp_dir(), first[PATH_MAX] = "", second[PATH_MAX] = "";
    struct stat st;
    bool changed = false;

    buf_fmt(&path, "%s/..data", dir);
    CHECK_OK(volume_write_files(dir, one, 2, -1, &changed));
    CHECK(changed);
    check_file(dir, "a", "1");
    check_file(dir, "d/e", "2");
    CHECK(stat(arena_fmt(a, "%s/d/e", dir).p, &st) == 0 && (st.st_mode & 07777) == 0400);
    CHECK(readlink(buf_cstr(&path), first, sizeof first - 1) > 0);
    CHECK_OK(volume_write_files(dir, one, 2, -1, &changed));
    CHECK(!changed); /* the same again writes nothing */
    CHECK(readlink(buf_cstr(&path), second, sizeof second - 1) > 0 && !strcmp(first, second));
    CHECK_OK(volume_write_files(dir, two, 2, -1, &changed));
    CHECK(changed);
    check_file(dir, "a", "new");
    check_file(dir, "f", "3");
    check_file(dir, "d/e", NULL);
    memset(second, 0, sizeof second);
    CHECK(readlink(buf_cstr(&path), second, sizeof second - 1) > 0 && strcmp(first, second));
    check_file(dir, first, NULL); /* the old version is gone */
    CHECK_OK(volume_write_files(dir, NULL, 0, -1, &changed));
    check_file(dir, "a", NULL);
    volume_remove_tree(dir);
}

static const struct json *lookup(void *ctx, struct arena *a, enum ref_kind kind, str ns, str name)
{
    return kind == REF_CONFIGMAP && str_is(name, "cm")
               ? parse(a, "{\"data\":{\"k\":\"v\"},\"binaryData\":{\"b\":\"AAE=\"}}")
               : NULL;
}

static bool token(void *ctx, str audience, int64_t expiration_s, str *ret)
{
    *ret = S("tok");
    return true;
}

static struct err *set_of(struct arena *a, const char *volumes, struct volume_set *ret)
{
    char text[1024];
    struct pod_context *pc = ARENA_NEW(a, struct pod_context);
    struct volume_context vc = {pc, S("/r"), token, NULL};

    snprintf(text, sizeof text,
             "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\",\"labels\":{\"a\":"
             "\"b\"}},\"spec\":{\"volumes\":[%s],\"containers\":[]}}",
             volumes);
    pc->pod = parse(a, text);
    pc->lookup = lookup;
    return volume_set_make(a, &vc, ret);
}

TEST(volume, sources_become_files)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct volume_set set;

    CHECK_OK(
        set_of(a, "{\"name\":\"v\",\"configMap\":{\"name\":\"cm\",\"defaultMode\":256}}", &set));
    CHECK_INT(set.volumes[0].n_files, 2);
    CHECK_STRZ(set.volumes[0].path, "/r/pods/u/volumes/kubernetes.io~configmap/v");
    CHECK_INT(set.volumes[0].files[0].mode, 0400);
    CHECK_INT(set.volumes[0].files[1].data.n, 2);
    CHECK_OK(set_of(a,
                    "{\"name\":\"v\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{"
                    "\"path\":\"token\"}},{\"downwardAPI\":{\"items\":[{\"path\":\"l\","
                    "\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}]}},"
                    "{\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"k\",\"path\":\"sub/"
                    "k\"}]}},{\"secret\":{\"name\":\"no\",\"optional\":true}}]}}",
                    &set));
    CHECK_INT(set.volumes[0].n_files, 3);
    CHECK_STRZ(set.volumes[0].files[0].data, "tok");
    CHECK_STRZ(set.volumes[0].files[1].data, "a=\"b\"");
    CHECK_STRZ(set.volumes[0].files[2].path, "sub/k");
    CHECK(set.volumes[0].memory);
}

static void check_set_error(const char *volumes, const char *want)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct volume_set set;
    CLEANUP(err) struct err *err = set_of(a, volumes, &set);

    CHECK(err != NULL);
    if (err)
        CHECK_STRZ(str_of(err_text(err)), want);
}

TEST(volume, what_is_missing_or_leads_out_is_refused)
{
    check_set_error("{\"name\":\"v\",\"configMap\":{\"name\":\"no\"}}",
                    "MountVolume.SetUp failed for volume \"v\" : configmap \"no\" not found");
    check_set_error("{\"name\":\"v\",\"secret\":{\"secretName\":\"no\"}}",
                    "MountVolume.SetUp failed for volume \"v\" : secret \"no\" not found");
    check_set_error("{\"name\":\"v\",\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"z\","
                    "\"path\":\"z\"}]}}",
                    "MountVolume.SetUp failed for volume \"v\" : configmap references non-existent "
                    "config key: z");
    check_set_error("{\"name\":\"v\",\"configMap\":{\"name\":\"cm\",\"items\":[{\"key\":\"k\","
                    "\"path\":\"../z\"}]}}",
                    "MountVolume.SetUp failed for volume \"v\" : invalid path: ../z");
}

/* ---- logs ---- */

TEST(logs, an_entry_has_time_stream_and_text)
{
    struct log_entry e;

    CHECK(log_entry_parse(S("2026-11-20T20:35:17.1Z stdout F hello world"), &e));
    CHECK_STRZ(e.text, "hello world");
    CHECK_STRZ(e.stream, "stdout");
    CHECK(!e.partial);
    CHECK(log_entry_parse(S("2026-11-20T20:35:17.1Z stderr P "), &e));
    CHECK(e.partial && e.text.n == 0);
    CHECK(log_entry_parse(S("2026-11-20T20:35:17.1Z stderr F"), &e));
    CHECK(!log_entry_parse(S("2026-11-20T20:35:17.1Z other F x"), &e));
    CHECK(!log_entry_parse(S("garbage"), &e));
    CHECK(!log_entry_parse(S(""), &e));
}

TEST(logs, the_tail_is_whole_lines)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    CLEANUP(buf) struct buf out = BUF_INIT;
    char *dir = temp_dir();

    make_file(dir, "l", "t stdout F one\nt stdout P tw\nt stdout F o\nt stderr F three\n");
    buf_fmt(&path, "%s/l", dir);
    log_tail_text(buf_cstr(&path), 1, 100, &out);
    CHECK_STRZ(buf_view(&out), "three\n");
    buf_clear(&out);
    log_tail_text(buf_cstr(&path), 80, 100, &out);
    CHECK_STRZ(buf_view(&out), "one\ntwo\nthree\n");
    buf_clear(&out);
    log_tail_text(buf_cstr(&path), 80, 6, &out);
    CHECK_STRZ(buf_view(&out), "three\n");
    volume_remove_tree(dir);
}

/* ---- configurations ---- */

struct converted {
    struct buf text;
};

static void add_registry(void *ctx, str dir, str text)
{
    struct converted *c = ctx;

    buf_fmt(&c->text, "[[" PRI_STR "]]\n" PRI_STR, STR_ARG(dir), STR_ARG(text));
}

TEST(registries, mirrors_and_certificates_become_hosts_files)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct converted c = {BUF_INIT};

    CHECK_OK(registries_convert(
        a,
        parse(
            a,
            "{\"mirrors\":{\"docker.io\":{\"endpoint\":[\"http://127.0.0.1:5000\",\"m.example/v2/"
            "x\"]},\"*\":{\"endpoint\":[\"https://all.example\"]}},"
            "\"configs\":{\"m.example\":{\"tls\":{\"ca_file\":\"/ca\",\"cert_file\":\"/"
            "c\",\"key_file\":\"/"
            "k\",\"insecure_skip_verify\":true}},\"own.example\":{\"tls\":{\"ca_file\":\"/o\"}}}}"),
        add_registry, &c));
    CHECK_STRZ(
        buf_view(&c.text),
        "[[docker.io]]\nserver = \"https://registry-1.docker.io\"\n"
        "\n[host.\"http://127.0.0.1:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
        "\n[host.\"https://m.example/v2/x\"]\n  capabilities = [\"pull\", \"resolve\"]\n  "
        "override_path = true\n  ca = [\"/ca\"]\n  client = [[\"/c\", \"/k\"]]\n  skip_verify = "
        "true\n"
        "[[_default]]\n\n[host.\"https://all.example\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
        "[[m.example]]\nserver = \"https://m.example\"\n\n[host.\"https://m.example\"]\n  "
        "capabilities = [\"pull\", \"resolve\"]\n  ca = [\"/ca\"]\n  client = [[\"/c\", \"/k\"]]\n "
        " skip_verify = true\n"
        "[[own.example]]\nserver = \"https://own.example\"\n\n[host.\"https://own.example\"]\n  "
        "capabilities = [\"pull\", \"resolve\"]\n  ca = [\"/o\"]\n");
    buf_fini(&c.text);
}

TEST(registries, nonsense_is_refused_with_its_place)
{
    static const char *const bad[] = {"{\"mirrors\":[]}", "{\"mirrors\":{\"a/b\":{}}}",
                                      "{\"mirrors\":{\"a\":{\"endpoint\":[5]}}}",
                                      "{\"mirrors\":{\"a\":{\"endpoint\":[\"ftp://x\"]}}}", "[]"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct converted c = {BUF_INIT};
        CLEANUP(err) struct err *err = registries_convert(a, parse(a, bad[i]), add_registry, &c);

        CHECK(err && err->reason == REASON_BAD_REQUEST);
        buf_fini(&c.text);
    }
    CHECK_OK(registries_convert(NULL, NULL, add_registry, NULL));
}

TEST(containerd, configuration_names_our_places_and_credentials)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct containerd_config c = {
        .cni_bin_dir = S("/usr/lib/cni"),
        .restrict_oom_score_adj = true,
        .registry_configs =
            parse(a, "{\"r.example\":{\"auth\":{\"username\":\"u\",\"password\":\"p\\\"w\"}}}")};
    static const char *const has[] = {
        "sandbox_image = \"k1s.io/pause:1\"\n",
        "restrict_oom_score_adj = true\n",
        "root = \"/d/containerd\"\n",
        "state = \"/d/run/containerd\"\n",
        "bin_dir = \"/usr/lib/cni\"\n",
        "config_path = \"/d/etc/certs.d\"\n",
        ".registry.configs.\"r.example\".auth]\nusername = \"u\"\npassword = \"p\\\"w\"\n"};

    containerd_paths_init(a, S("/d"), &c.paths);
    containerd_config_write(&b, &c);
    for (size_t i = 0; i < ARRAY_LEN(has); i++)
        if (str_find(buf_view(&b), str_of(has[i])) < 0)
            test_fail(__FILE__, __LINE__, "lacks %s", has[i]);
    containerd_paths_init(a, S("/var/lib/k1s"), &c.paths);
    CHECK_STRZ(c.paths.socket, "/run/k1s/containerd/containerd.sock");
    containerd_paths_init(a,
                          S("/a/very/long/path/that/no/socket/address/has/room/for/because/the/"
                            "kernel/allows/only/a/hundred/bytes"),
                          &c.paths);
    CHECK(c.paths.socket.n < 100);
}

TEST(containerd, programs_are_found_without_a_path)
{
    CLEANUP(arena) struct arena *a = arena_new();
    char *path = mem_strdup(getenv("PATH") ? getenv("PATH") : "");

    setenv("PATH", "", 1);
    CHECK(containerd_program(a, "sh") != NULL);
    CHECK(containerd_program(a, "k1s-no-such-program") == NULL);
    setenv("PATH", path, 1);
    mem_free(path);
}

TEST(cni, the_network_is_valid_json_with_our_range)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    const struct cni_config c = {S("br0"), S("10.1.2.0/24"), S("/d"), true, true};
    const struct json *first;

    cni_config_write(&b, &c);
    first = json_item(json_findz(parse(a, buf_cstr(&b)), "plugins"), 0);
    CHECK_STRZ(json_get_str(first, "bridge"), "br0");
    CHECK(json_get_bool(first, "ipMasq", false));
    CHECK_STRZ(
        json_get_str(json_item(json_item(json_at(first, "ipam", "ranges", NULL), 0), 0), "subnet"),
        "10.1.2.0/24");
}

/* ---- archives and events ---- */

TEST(oci, the_pause_archive_is_a_tar_of_what_its_index_names)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t at = 0, n = 0, blobs = 0;
    str index = STR_NONE;

    oci_pause_archive(&b, S("k1s.io/pause:1"));
    CHECK_INT(b.n % 512, 0);
    while (at + 512 <= b.n && b.p[at]) {
        int64_t size = strtol(b.p + at + 124, NULL, 8);
        unsigned sum = 0;

        for (size_t i = 0; i < 512; i++)
            sum += i >= 148 && i < 156 ? ' ' : (unsigned char)b.p[at + i];
        CHECK_INT(strtol(b.p + at + 148, NULL, 8), sum);
        blobs += !strncmp(b.p + at, "blobs/sha256/", 13);
        if (!strcmp(b.p + at, "index.json"))
            index = (str){b.p + at + 512, (size_t)size};
        at += 512 + (size_t)((size + 511) / 512 * 512);
        n++;
    }
    CHECK_INT(n, 5);
    CHECK_INT(blobs, 3);
    CHECK_STRZ(json_str(json_findz(
                   json_at(json_item(json_findz(parse(a, arena_dupz(a, index)), "manifests"), 0),
                           "annotations", NULL),
                   "io.containerd.image.name")),
               "k1s.io/pause:1");
}

TEST(oci, long_names_are_split_or_refused)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    char name[400];
    struct oci_file f = {.mode = 0644};

    memset(name, 'a', sizeof name);
    name[120] = '/';
    f.path = (str){name, 200};
    CHECK(tar_add(&b, &f));
    CHECK(!strncmp(b.p + 345, name, 120) && !strncmp(b.p, name + 121, 79));
    f.path = (str){name, 399};
    CHECK(!tar_add(&b, &f));
}

TEST(cri_event, an_exit_is_told_from_the_end_of_an_exec)
{
    /* Envelope{topic=3, event=4: Any{value=2: TaskExit{container_id=1, id=2}}} */
    static const char exit_of_container[] = "\x1a\x0b/tasks/exit\x22\x08\x12\x06\x0a\x01x\x12\x01x",
                      exit_of_exec[] = "\x1a\x0b/tasks/exit\x22\x08\x12\x06\x0a\x01x\x12\x01y",
                      image[] = "\x1a\x0e/images/create\x22\x05\x12\x03\x0a\x01i",
                      start[] = "\x1a\x0c/tasks/start\x22\x05\x12\x03\x0a\x01z",
                      other[] = "\x1a\x0e/content/create\x22\x05\x12\x03\x0a\x01z";
    enum runtime_event event = RUNTIME_CHANGED;
    str id = STR_NONE;

    CHECK(cri_event_parse((str){exit_of_container, sizeof exit_of_container - 1}, &event, &id));
    CHECK(event == RUNTIME_EXITED);
    CHECK_STRZ(id, "x");
    CHECK(!cri_event_parse((str){exit_of_exec, sizeof exit_of_exec - 1}, &event, &id));
    CHECK(cri_event_parse((str){start, sizeof start - 1}, &event, &id));
    CHECK(event == RUNTIME_CHANGED);
    CHECK_STRZ(id, "z");
    CHECK(cri_event_parse((str){image, sizeof image - 1}, &event, &id) && event == RUNTIME_IMAGES);
    CHECK(!cri_event_parse((str){other, sizeof other - 1}, &event, &id));
    for (size_t i = 0; i < sizeof exit_of_container;
         i++) /* cut anywhere: no crash, no answer past the end */
        cri_event_parse((str){exit_of_container, i}, &event, &id);
}

TEST_MAIN
