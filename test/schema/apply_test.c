/* apply_test.c - claims about field ownership and server-side apply. */
#include "schema/apply_internal.h"

#include "test/test.h"

#include <dirent.h>

static struct json *parse(struct arena *a, str text)
{
    struct json_limits limits = {.depth = 512, .size = 64 << 20};
    struct json *v = NULL;

    CHECK_OK(json_parse(a, text, &limits, NULL, &v));
    return v;
}

static str text_of(struct arena *a, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    return arena_dup(a, buf_view(&b));
}

/* ---- sets ---- */

TEST(apply_set, algebra_is_that_of_sets_of_paths)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *x =
        parse(a, S("{\"f:a\":{},\"f:b\":{\".\":{},\"f:c\":{},\"f:d\":{}},\"f:e\":{\"f:f\":{}}}"));
    struct json *y = parse(a, S("{\"f:b\":{\"f:c\":{},\"f:x\":{}},\"f:e\":{},\"f:g\":{}}"));
    struct json r;

    r = set_union(a, x, y);
    CHECK_STRZ(text_of(a, &r), "{\"f:a\":{},\"f:b\":{\".\":{},\"f:c\":{},\"f:d\":{},\"f:x\":{}},"
                               "\"f:e\":{\".\":{},\"f:f\":{}},\"f:g\":{}}");
    r = set_minus(a, x, y);
    CHECK_STRZ(text_of(a, &r), "{\"f:a\":{},\"f:b\":{\".\":{},\"f:d\":{}},\"f:e\":{\"f:f\":{}}}");
    r = set_common(a, x, y);
    CHECK_STRZ(text_of(a, &r), "{\"f:b\":{\"f:c\":{}}}");
    CHECK(set_meets(x, y));
    r = set_minus(a, x, x);
    CHECK(set_is_empty(&r));
    CHECK(!set_meets(x, &r));
}

static void add_line(void *ctx, str path)
{
    buf_fmt(ctx, PRI_STR "\n", STR_ARG(path));
}

TEST(apply_set, paths_are_shown_as_kubernetes_shows_them)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;

    set_each_path(parse(a, S("{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":"
                             "{},\"f:args\":{}}},\"f:nodeSelector\":{},"
                             "\"f:ports\":{\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{}}"
                             ",\"f:tags\":{\"v:\\\"x\\\"\":{}}}}")),
                  add_line, &b);
    CHECK_STRZ(
        buf_view(&b),
        ".spec.nodeSelector\n.spec.containers[name=\"c\"]\n.spec.containers[name=\"c\"].args\n"
        ".spec.ports[port=80,protocol=\"TCP\"]\n.spec.tags[=\"x\"]\n");
}

/* ---- one object through its life ---- */

static const struct resource *configmaps(void)
{
    return schema_find_resource(S(""), S("v1"), S("configmaps"));
}

static struct apply_options by(const char *manager, const char *subresource, bool force)
{
    return (struct apply_options){
        .manager = str_of(manager),
        .force = force,
        .subresource = str_of(subresource),
        .api_version = S("v1"),
        .now = {.ns = 1700000000 * INT64_C(1000000000)},
    };
}

/* "manager operation fields" of each entry, one per line. */
static str owners(struct arena *a, const struct json *object)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    JSON_EACH(e, json_at(object, "metadata", "managedFields", NULL)) {
        buf_fmt(&b, PRI_STR " " PRI_STR " ", STR_ARG(json_get_str(e, "manager")),
                STR_ARG(json_get_str(e, "operation")));
        json_encode(&b, json_findz(e, "fieldsV1"));
        buf_char(&b, '\n');
    }
    return arena_dup(a, buf_view(&b));
}

static struct json *apply(struct arena *a, const struct json *live, str config,
                          struct apply_options o)
{
    struct json *out = NULL;

    CHECK_OK(apply_merge(a, configmaps(), live, parse(a, config), &o, &out));
    return out;
}

static struct json *update(struct arena *a, const struct json *live, str next_text,
                           struct apply_options o)
{
    struct json *next = parse(a, next_text);

    CHECK_OK(apply_track_update(a, configmaps(), live, next, &o));
    return next;
}

#define CM                                                                                         \
    "\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"uid\":\"u\"}"
#define CM_CONFIG "\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"}"

TEST(apply, an_update_owns_what_it_changes_and_takes_it_from_others)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v;

    v = update(a, NULL, S("{" CM ",\"data\":{\"a\":\"1\",\"b\":\"2\"}}"), by("one", "", false));
    CHECK_STRZ(owners(a, v), "one Update {\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}\n");
    v = update(a, v, S("{" CM ",\"data\":{\"a\":\"9\",\"b\":\"2\",\"c\":\"3\"}}"),
               by("two", "", false));
    CHECK_STRZ(owners(a, v), "one Update {\"f:data\":{\".\":{},\"f:b\":{}}}\ntwo Update "
                             "{\"f:data\":{\"f:a\":{},\"f:c\":{}}}\n");
    v = update(a, v, S("{" CM ",\"data\":{\"c\":\"3\"}}"), by("two", "", false));
    CHECK_STRZ(owners(a, v), "one Update {\"f:data\":{}}\ntwo Update {\"f:data\":{\"f:c\":{}}}\n");
    v = update(a, v, S("{" CM "}"), by("three", "", false));
    CHECK_STRZ(owners(a, v), "");
}

TEST(apply, an_update_that_changes_nothing_keeps_the_entries_as_they_are)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = update(a, NULL, S("{" CM ",\"data\":{\"a\":\"1\"}}"), by("one", "", false)),
                *again;
    struct apply_options later = by("two", "", false);

    later.now.ns += 100 * INT64_C(1000000000);
    again = update(a, v, S("{" CM ",\"data\":{\"a\":\"1\"}}"), later);
    CHECK(json_equal(json_path(v, "metadata.managedFields"),
                     json_path(again, "metadata.managedFields")));
}

TEST(apply, an_empty_entry_in_a_request_resets_all_and_untracked_objects_stay_untracked)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = update(a, NULL, S("{" CM ",\"data\":{\"a\":\"1\"}}"), by("one", "", false)),
                *next;
    struct apply_options o = by("two", "", false);

    next = parse(a, S("{" CM ",\"data\":{\"a\":\"2\"}}"));
    json_append(a, json_make(a, json_findz(next, "metadata"), "managedFields", JSON_ARRAY),
                json_object());
    CHECK_OK(apply_track_update(a, configmaps(), v, next, &o));
    CHECK_STRZ(owners(a, next), "");
    v = update(a, next, S("{" CM ",\"data\":{\"a\":\"3\"}}"), o);
    CHECK_STRZ(owners(a, v), "");
    v = apply(a, v, S("{" CM_CONFIG ",\"data\":{\"b\":\"1\"}}"), by("three", "", false));
    CHECK_STRZ(owners(a, v), "three Apply {\"f:data\":{\"f:b\":{}}}\nbefore-first-apply Update "
                             "{\"f:data\":{\".\":{},\"f:a\":{}}}\n");
}

TEST(apply, an_apply_owns_its_configuration_and_removes_what_it_no_longer_says)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v;

    v = apply(a, NULL, S("{" CM_CONFIG ",\"data\":{\"k\":\"v\",\"l\":\"w\"}}"),
              by("one", "", false));
    CHECK_STRZ(owners(a, v), "one Apply {\"f:data\":{\"f:k\":{},\"f:l\":{}}}\n");
    v = apply(a, v, S("{" CM_CONFIG ",\"data\":{\"m\":\"z\",\"k\":\"v\"}}"), by("two", "", false));
    CHECK_STRZ(owners(a, v), "one Apply {\"f:data\":{\"f:k\":{},\"f:l\":{}}}\ntwo Apply "
                             "{\"f:data\":{\"f:k\":{},\"f:m\":{}}}\n");
    v = apply(a, v, S("{" CM_CONFIG "}"), by("one", "", false));
    CHECK_STRZ(text_of(a, json_findz(v, "data")), "{\"k\":\"v\",\"m\":\"z\"}");
    CHECK_STRZ(owners(a, v), "two Apply {\"f:data\":{\"f:k\":{},\"f:m\":{}}}\n");
    v = apply(a, v, S("{" CM_CONFIG "}"), by("two", "", false));
    CHECK(!json_findz(v, "data"));
    CHECK_STRZ(owners(a, v), "");
}

TEST(apply, metadata_stays_when_the_last_label_goes)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = apply(a, NULL,
                           S("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                             "\"x\",\"labels\":{\"a\":\"1\"}}}"),
                           by("one", "", false));

    json_setz(a, json_findz(v, "metadata"), "uid", json_z("u"));
    v = apply(a, v, S("{" CM_CONFIG "}"), by("one", "", false));
    CHECK_STRZ(text_of(a, json_findz(v, "metadata")), "{\"name\":\"x\",\"uid\":\"u\"}");
}

TEST(apply, conflicts_are_told_as_kubernetes_tells_them_and_force_overrides)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *v = apply(a, NULL, S("{" CM_CONFIG ",\"data\":{\"k\":\"v\",\"l\":\"w\"}}"),
                           by("one", "", false)),
                *out = NULL;
    struct apply_options two = by("two", "", false);
    struct err *err;

    err = apply_merge(a, configmaps(), v, parse(a, S("{" CM_CONFIG ",\"data\":{\"k\":\"x\"}}")),
                      &two, &out);
    CHECK(err && err->reason == REASON_CONFLICT && err->n_causes == 1);
    if (err) {
        CHECK_STRZ(str_of(err_text(err)),
                   "Apply failed with 1 conflict: conflict with \"one\": .data.k");
        CHECK_STRZ(str_of(err->causes[0].field), ".data.k");
        CHECK_STRZ(str_of(err->causes[0].message), "conflict with \"one\"");
        CHECK_STRZ(str_of(err->causes[0].type), "FieldManagerConflict");
    }
    err_free(err);
    err =
        apply_merge(a, configmaps(), v,
                    parse(a, S("{" CM_CONFIG ",\"data\":{\"k\":\"x\",\"l\":\"y\"}}")), &two, &out);
    CHECK(err != NULL);
    if (err)
        CHECK_STRZ(str_of(err_text(err)),
                   "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.k\n- .data.l");
    err_free(err);
    v = apply(a, v, S("{" CM_CONFIG ",\"data\":{\"k\":\"x\"}}"), by("two", "", true));
    CHECK_STRZ(owners(a, v),
               "one Apply {\"f:data\":{\"f:l\":{}}}\ntwo Apply {\"f:data\":{\"f:k\":{}}}\n");
    v = update(a, v, S("{" CM ",\"data\":{\"k\":\"upd\",\"l\":\"w\"}}"), by("upd", "", false));
    err = apply_merge(a, configmaps(), v, parse(a, S("{" CM_CONFIG ",\"data\":{\"k\":\"x\"}}")),
                      &two, &out);
    CHECK(err != NULL);
    if (err)
        CHECK_STRZ(str_of(err_text(err)),
                   "Apply failed with 1 conflict: conflict with \"upd\" using v1: .data.k");
    err_free(err);
}

TEST(apply, kubectl_takes_over_what_its_client_side_apply_wrote)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *
        v = update(a, NULL,
                   S("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\","
                     "\"uid\":\"u\",\"annotations\":{"
                     "\"kubectl.kubernetes.io/last-applied-configuration\":"
                     "\"{\\\"apiVersion\\\":\\\"v1\\\",\\\"kind\\\":\\\"ConfigMap\\\","
                     "\\\"metadata\\\":{\\\"name\\\":\\\"x\\\"},"
                     "\\\"data\\\":{\\\"k\\\":\\\"v\\\"}}\"}},\"data\":{\"k\":\"v\",\"o\":\"1\"}}"),
                   by("kubectl-client-side-apply", "", false)),
       *out = NULL;
    struct apply_options o = by("kubectl", "", false);
    struct err *err;

    v = apply(a, v, S("{" CM_CONFIG ",\"data\":{\"k\":\"new\"}}"), o);
    CHECK_STRZ(json_str(json_at(v, "data", "k", NULL)), "new");
    CHECK_STRZ(json_str(json_at(v, "metadata", "annotations",
                                "kubectl.kubernetes.io/last-applied-configuration", NULL)),
               "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"new\"},\"kind\":\"ConfigMap\","
               "\"metadata\":{\"name\":\"x\"}}\n");
    err = apply_merge(a, configmaps(), v, parse(a, S("{" CM_CONFIG ",\"data\":{\"o\":\"2\"}}")), &o,
                      &out);
    CHECK(err && err->reason == REASON_CONFLICT);
    err_free(err);
}

TEST(apply, what_does_not_fit_the_schema_is_refused_as_kubernetes_refuses_it)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct apply_options o = by("one", "", false);
    struct json *out = NULL;
    struct err *err = apply_merge(a, configmaps(), NULL,
                                  parse(a, S("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
                                             "\"metadata\":{\"name\":\"ap\"},\"nosuch\":1}")),
                                  &o, &out);

    CHECK(err && err->code == 500);
    if (err)
        CHECK_STRZ(str_of(err_text(err)), "failed to create typed patch object (/ap; /v1, "
                                          "Kind=ConfigMap): .nosuch: field not declared in schema");
    err_free(err);
    err = apply_merge(a, configmaps(), NULL,
                      parse(a, S("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                 "\"name\":\"ap\",\"managedFields\":[]}}")),
                      &o, &out);
    CHECK(err && err->code == 400);
    err_free(err);
    err = apply_merge(
        a, configmaps(), NULL,
        parse(a,
              S("{\"apiVersion\":\"v2\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"ap\"}}")),
        &o, &out);
    CHECK(err && err->code == 400);
    err_free(err);
}

TEST(apply, more_than_ten_updaters_are_united_as_ancient_changes)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct json *v = NULL;

    for (int i = 0; i < 14; i++) {
        struct apply_options o = by("", "", false);
        CLEANUP(buf) struct buf next = BUF_INIT;

        o.manager = arena_fmt(a, "m%02d", i);
        o.now.ns += i * INT64_C(1000000000);
        buf_fmt(&text, "%s\"k%02d\":\"x\"", i ? "," : "", i);
        buf_fmt(&next, "{" CM ",\"data\":{%s}}", buf_cstr(&text));
        v = update(a, v, arena_dup(a, buf_view(&next)), o);
    }
    CHECK_INT(json_count(json_path(v, "metadata.managedFields")), 10);
    CHECK_STRZ(json_get_str(json_item(json_path(v, "metadata.managedFields"), 0), "manager"),
               "ancient-changes");
    CHECK_STRZ(
        text_of(a, json_findz(json_item(json_path(v, "metadata.managedFields"), 0), "fieldsV1")),
        "{\"f:data\":{\".\":{},\"f:k00\":{},\"f:k01\":{},\"f:k02\":{},\"f:k03\":{},\"f:k04\":{}}}");
}

TEST(apply, a_status_request_owns_no_spec)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct resource *pods = schema_find_resource(S(""), S("v1"), S("pods"));
    struct json *live = parse(a, S("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                                   "\"x\",\"uid\":\"u\"},\"spec\":{\"nodeName\":\"n\"},"
                                   "\"status\":{}}"));
    struct json *next = parse(a, S("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                                   "\"x\",\"uid\":\"u\"},\"spec\":{\"nodeName\":\"m\"},"
                                   "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":"
                                   "\"Ready\",\"status\":\"True\"}]}}"));
    struct apply_options o = by("kubelet", "status", false);
    struct apply_options first = by("creator", "", false);

    CHECK_OK(apply_track_update(a, pods, NULL, live, &first));
    CHECK_OK(apply_track_update(a, pods, live, next, &o));
    CHECK_STRZ(owners(a, next), "creator Update {\"f:spec\":{\"f:nodeName\":{}}}\nkubelet Update "
                                "{\"f:status\":{\"f:conditions\":{\".\":{},"
                                "\"k:{\\\"type\\\":\\\"Ready\\\"}\":{\".\":{},\"f:status\":{},\"f:"
                                "type\":{}}},\"f:phase\":{}}}\n");
}

/* ---- recordings of a real server ---- */

/* Entries as text without their times, sorted. */
static int by_text(const void *x, const void *y)
{
    return str_cmp(*(const str *)x, *(const str *)y);
}

static str entries_text(struct arena *a, const struct json *object)
{
    const struct json *entries = json_at(object, "metadata", "managedFields", NULL);
    str *lines = arena_alloc(a, (json_count(entries) + 1) * sizeof *lines);
    CLEANUP(buf) struct buf b = BUF_INIT;
    size_t n = 0;

    JSON_EACH(e, entries) {
        struct json copy = json_share(a, e);

        json_removez(&copy, "time");
        json_sort_keys(&copy);
        lines[n++] = text_of(a, &copy);
    }
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 0; i < n; i++)
        buf_fmt(&b, PRI_STR "\n", STR_ARG(lines[i]));
    return arena_dup(a, buf_view(&b));
}

static str query_value(str path, str key)
{
    ptrdiff_t at = str_find(path, key);
    str rest, v;

    if (at < 0)
        return STR_NONE;
    rest = str_skip(path, (size_t)at + key.n);
    str_cut(&rest, '&', &v);
    return v;
}

struct tally {
    int same, different;
};

/* Ownership is settled before admission and allocation; recorded objects are as stored afterwards. So a recorded create of
 * a Pod, say, lacks the token volume among its owned fields, while we cannot but see it: those steps count as different. */
static void check_step(struct arena *a, const char *file, uint32_t step, const struct json *s,
                       const struct json *live, struct tally *t)
{
    const struct json *request = json_findz(s, "request"),
                      *body = json_at(s, "response", "body", NULL);
    str method = json_get_str(request, "method"), path = json_get_str(request, "path");
    str media = json_str(json_at(request, "headers", "Content-Type", NULL)),
        version = json_get_str(body, "apiVersion"), group = STR_NONE, v;
    const struct resource *r = NULL;
    struct apply_options o = {.api_version = version,
                              .now = {.ns = 1700000000 * INT64_C(1000000000)}};
    struct json *out = NULL;
    str rest = path, p, sub = STR_NONE;
    struct err *err = NULL;

    v = version;
    if (str_has_char(version, '/'))
        str_cut(&v, '/', &group);
    for (size_t i = 0; i < schema_n_resources; i++)
        if (str_eq(schema_resources[i].group, group) && str_eq(schema_resources[i].version, v) &&
            str_eq(schema_resources[i].kind, json_get_str(body, "kind")) &&
            schema_resources[i].type)
            r = &schema_resources[i];
    if (!r)
        return;
    str_cut(&rest, '?', &p);
    while (str_cut(&p, '/', &sub))
        ;
    for (size_t i = 0; i < r->n_subresources; i++)
        if (str_eq(r->subresources[i].name, sub))
            o.subresource = sub;
    o.manager = query_value(path, S("fieldManager="));
    if (!o.manager.n)
        o.manager = S("golden");
    o.force = str_is(query_value(path, S("force=")), "true");
    if (str_is(media, "application/apply-patch+yaml")) {
        const struct json *config = json_findz(request, "body");

        if (!json_is(config, JSON_OBJECT))
            return;
        err = apply_merge(a, r, live, config, &o, &out);
    } else {
        struct json copy = json_share(a, body);

        json_removez(json_findz(&copy, "metadata"), "managedFields");
        out = json_new(a, copy);
        err = apply_track_update(a, r, str_is(method, "POST") ? NULL : live, out, &o);
    }
    if (err) {
        test_fail(__FILE__, __LINE__, "%s step %u: %s", file, step, err_text(err));
        err_free(err);
        return;
    }
    if (str_eq(entries_text(a, out), entries_text(a, body))) {
        t->same++;
        return;
    }
    t->different++;
    if (getenv("APPLY_VERBOSE"))
        printf("%s step %u " PRI_STR " " PRI_STR "\n got " PRI_STR "want " PRI_STR "\n", file, step,
               STR_ARG(method), STR_ARG(path), STR_ARG(entries_text(a, out)),
               STR_ARG(entries_text(a, body)));
}

static void replay(const char *dir, struct tally *t)
{
    struct dirent *e;
    DIR *d = opendir(dir);

    while (d && (e = readdir(d))) {
        CLEANUP(arena) struct arena *a = arena_new();
        CLEANUP(buf) struct buf b = BUF_INIT;
        struct json *recording;
        struct map live;
        char path[PATH_MAX + 300];
        uint32_t step = 0;

        if (!str_has_suffix(str_of(e->d_name), S(".json")))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (!test_read_file(path, &b))
            continue;
        recording = parse(a, buf_view(&b));
        map_init(&live);
        JSON_EACH(s, json_findz(recording, "steps")) {
            struct json *body = json_at(s, "response", "body", NULL);
            str method = json_get_str(json_findz(s, "request"), "method");
            int64_t status = json_get_int(s, "response.status", 0);
            str key;

            step++;
            if (!json_is(body, JSON_OBJECT) || (status != 200 && status != 201) ||
                !json_get_str(body, "metadata.uid").n)
                continue;
            key = arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(body, "kind")),
                            STR_ARG(json_get_str(body, "metadata.name")));
            if (str_is(method, "POST") || str_is(method, "PUT") || str_is(method, "PATCH")) {
                if (json_path(body, "metadata.managedFields") &&
                    (status == 201 || map_find(&live, key)))
                    check_step(a, e->d_name, step - 1, s, map_find(&live, key), t);
            }
            if (str_is(method, "DELETE"))
                map_del(&live, key);
            else
                map_put(&live, key, body);
        }
        map_fini(&live);
    }
    if (d)
        closedir(d);
}

TEST(apply, recorded_ownership_is_reproduced)
{
    static const char *const areas[] = {"apply",    "patch",        "defaulting",
                                        "deletion", "subresources", "rich",
                                        "tables",   "validation",   "list-watch"};
    struct tally all = {0};

    if (!test_shared("golden/data/apply")) {
        test_skip("no recordings");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(areas); i++) {
        char sub[256], dir[PATH_MAX];
        struct tally t = {0};

        snprintf(sub, sizeof sub, "golden/data/%s", areas[i]);
        if (!test_shared(sub))
            continue;
        snprintf(dir, sizeof dir, "%s", test_shared(sub));
        replay(dir, &t);
        if (getenv("APPLY_VERBOSE"))
            printf("%s: %d same, %d different\n", areas[i], t.same, t.different);
        if (strcmp(areas[i], "apply") == 0)
            CHECK_INT(t.different, 0);
        all.same += t.same;
        all.different += t.different;
    }
    CHECK(all.same > 250);
}

/* "manager operation subresource version fields", one entry after the other, as managedFields. */
static struct json entries(struct arena *a, const char *text)
{
    struct json list = json_array();
    str rest = str_of(text), line;

    while (str_cut(&rest, ';', &line) && line.n) {
        str name, operation, sub, version;
        struct json e = json_object();

        str_cut(&line, ' ', &name);
        str_cut(&line, ' ', &operation);
        str_cut(&line, ' ', &sub);
        str_cut(&line, ' ', &version);
        json_setz(a, &e, "manager", json_string(name));
        json_setz(a, &e, "operation", json_string(operation));
        json_setz(a, &e, "apiVersion", json_string(version));
        json_setz(a, &e, "fieldsType", json_z("FieldsV1"));
        json_setz(a, &e, "fieldsV1", *parse(a, line));
        if (!str_is(sub, "-"))
            json_setz(a, &e, "subresource", json_string(sub));
        json_append(a, &list, e);
    }
    return list;
}

#define REPLICAS "{\"f:spec\":{\"f:replicas\":{}}}"
#define SELECTOR "{\"f:spec\":{\"f:selector\":{}}}"
#define BOTH "{\"f:spec\":{\"f:replicas\":{},\"f:selector\":{}}}"

/* Source: apimachinery/pkg/util/managedfields/scalehandler_test.go. */
TEST(scale, entries_come_back_to_the_object_as_the_scale_left_them)
{
    static const struct {
        const char *parent, *scale, *want;
    } rows[] = {
        {"test Apply - apps/v1 " BOTH, "scale Apply scale autoscaling/v1 " REPLICAS,
         "scale Apply scale apps/v1 " REPLICAS ";test Apply - apps/v1 " SELECTOR},
        {"test Update - apps/v1 " BOTH, "scale Update scale autoscaling/v1 " REPLICAS,
         "scale Update scale apps/v1 " REPLICAS ";test Update - apps/v1 " SELECTOR},
        {"test Apply - apps/v1 " BOTH, "test Apply scale autoscaling/v1 " REPLICAS,
         "test Apply - apps/v1 " SELECTOR ";test Apply scale apps/v1 " REPLICAS},
        {"test Update - apps/v1 " BOTH, "test Apply scale autoscaling/v1 " REPLICAS,
         "test Apply scale apps/v1 " REPLICAS ";test Update - apps/v1 " SELECTOR},
        {"test Apply - apps/v1 " SELECTOR,
         "scale Update scale autoscaling/v1 {\"f:status\":{\"f:replicas\":{}}}",
         "test Apply - apps/v1 " SELECTOR},
        {"test Apply - apps/v1 " REPLICAS, "scale Update scale autoscaling/v1 " REPLICAS,
         "scale Update scale apps/v1 " REPLICAS},
        {"test Apply - apps/v1 " BOTH,
         "test Apply - autoscaling/v1 " REPLICAS ";test Apply scale autoscaling/v1 " REPLICAS,
         "test Apply - apps/v1 " BOTH ";test Apply scale apps/v1 " REPLICAS},
        {"test Update - apps/v1 " BOTH, "test Update - autoscaling/v1 " REPLICAS,
         "test Update - apps/v1 " SELECTOR ";test Update - apps/v1 " REPLICAS},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct json parent = entries(a, rows[i].parent), scale = entries(a, rows[i].scale),
                    want = entries(a, rows[i].want),
                    got = scale_entries_back(a, &parent, &scale, "spec.replicas", S("apps/v1"));

        CHECK_STR(text_of(a, &got), text_of(a, &want));
    }
}

TEST(scale, shows_those_who_own_the_replicas)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json parent = entries(a, "a Apply - apps/v1 " BOTH ";b Update - apps/v1 " SELECTOR
                                    ";c Update scale apps/v1 " REPLICAS),
                want = entries(a, "a Apply - autoscaling/v1 " REPLICAS
                                  ";c Update scale autoscaling/v1 " REPLICAS),
                got = scale_entries(a, &parent, "spec.replicas");

    CHECK_STR(text_of(a, &got), text_of(a, &want));
}

TEST_MAIN
