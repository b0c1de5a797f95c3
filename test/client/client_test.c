/* client_test.c - calls inside the process, informers, work queue and events, under virtual time.
 */
#include "test/client/fake_api.h"

#include <inttypes.h>
#include <malloc.h>

static struct loop *virtual_loop(void)
{
    return loop_new_virtual(7, (wall_time){INT64_C(1700000000) * NS_PER_S});
}

static void run_ms(struct loop *loop, int64_t ms)
{
    loop_virtual_run(loop, loop_virtual_elapsed_ns(loop) + ms * NS_PER_MS, NULL, NULL);
}

struct answer {
    int n, status;
    struct buf text;
};

static void on_answer(void *ctx, struct err *err, int status, str body)
{
    struct answer *a = ctx;

    a->n++;
    a->status = status;
    buf_clear(&a->text);
    if (err)
        buf_fmt(&a->text, "%s: %s", reason_name(err->reason).p, err_text(err));
    else
        buf_str(&a->text, body);
    err_free(err);
}

TEST(client, an_answer_comes_later_and_once)
{
    struct loop *loop = virtual_loop();
    struct fake_api f = {.list_body = "{\"kind\":\"PodList\"}"};
    struct client *c = fake_client(&f, loop);
    struct answer a = {.text = BUF_INIT};

    client_do(c, &(struct client_request){.method = "GET", .path = S("/api/v1/pods")}, on_answer,
              &a);
    CHECK_INT(a.n, 0);
    run_ms(loop, 1);
    CHECK_INT(a.n, 1);
    CHECK_INT(a.status, 200);
    CHECK_STRZ(buf_view(&a.text), "{\"kind\":\"PodList\"}");
    f.fail_lists = 1;
    client_do(c, &(struct client_request){.method = "GET", .path = S("/api/v1/pods")}, on_answer,
              &a);
    run_ms(loop, 1);
    CHECK_STRZ(buf_view(&a.text), "InternalError: boom");
    client_cancel(
        client_do(c, &(struct client_request){.method = "GET", .path = S("/x")}, on_answer, &a));
    run_ms(loop, 1);
    CHECK_INT(a.n, 2);
    buf_fini(&a.text);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

TEST(client, a_call_without_an_answer_times_out)
{
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct answer a = {.text = BUF_INIT};

    /* The fake never ends a watch. */
    client_do(
        c,
        &(struct client_request){.method = "GET", .path = S("/x?watch=1"), .timeout_ns = NS_PER_S},
        on_answer, &a);
    run_ms(loop, 999);
    CHECK_INT(a.n, 0);
    run_ms(loop, 10);
    CHECK_INT(a.n, 1);
    CHECK(f.watch == NULL);
    buf_fini(&a.text);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

TEST(client, a_status_becomes_an_error_with_causes)
{
    struct err *err =
        client_status_err(422, S("{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"m\","
                                 "\"code\":422,\"details\":{\"name\":\"n\",\"kind\":\"Pod\","
                                 "\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":"
                                 "\"Required value\",\"field\":\"spec.x\"}]}}"));

    CHECK_INT(err->reason, REASON_INVALID);
    CHECK_INT(err->n_causes, 1);
    CHECK_STRZ(str_of(err->causes[0].type), "FieldValueRequired");
    CHECK_STRZ(str_of(err->causes[0].field), "spec.x");
    CHECK_STRZ(str_of(err->details_name), "n");
    err_free(err);
    err = client_status_err(503, S("upstream down"));
    CHECK_INT(err->reason, REASON_UNAVAILABLE);
    err_free(err);
}

TEST(client, paths_are_spelled_as_kubernetes_does)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_api_path(&b, S("apps"), S("v1"), S("deployments"), S("x"), S("y"), S("status"));
    buf_char(&b, ' ');
    buf_api_path(&b, S(""), S("v1"), S("nodes"), S(""), S("n"), S(""));
    CHECK_STRZ(buf_view(&b), "/apis/apps/v1/namespaces/x/deployments/y/status /api/v1/nodes/n");
}

TEST(client, members_are_found_in_text)
{
    str o = S("{ \"a\" : {\"b\":[1,{\"x\":\"}\\\"\"}] , \"c\" : \"d\"}, \"e\":-12 }");

    CHECK_STRZ(client_text_find(o, "a.c"), "d");
    CHECK_STRZ(client_text_find(o, "a.b"), "[1,{\"x\":\"}\\\"\"}]");
    CHECK_STRZ(client_text_find(o, "e"), "-12");
    CHECK(client_text_find(o, "a.z").p == NULL);
}

/* ---- informers ---- */

static struct buf seen;

static void on_change(void *ctx, const struct obj *o, const struct obj *prev)
{
    const struct obj *any = o ? o : prev;

    buf_fmt(&seen, "%s " PRI_STR "@%" PRId64 "\n",
            !o     ? "del"
            : prev ? "mod"
                   : "add",
            STR_ARG(any->key.name), any->revision);
}

static void on_synced(void *ctx)
{
    buf_z(&seen, "synced\n");
}

static void on_progress(void *ctx)
{
    buf_z(&seen, "progress\n");
}

static const struct informer_handler handler = {on_change, on_synced, on_progress};

static void index_app(const struct obj *o, const struct json *tree, struct buf *out)
{
    buf_str(out, json_get_str(tree, "metadata.labels.app"));
    buf_char(out, '\0');
}

#define OBJECT(name, rv, app)                                                                      \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"u-" name                  \
    "\",\"resourceVersion\":\"" rv "\",\"labels\":{\"app\":\"" app                                 \
    "\"},\"managedFields\":[{\"manager\":\"x\"}]},\"spec\":{}}"
#define LIST(rv, items)                                                                            \
    "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"" rv          \
    "\"},\"items\":[" items "]}"

static bool count_each(void *ctx, const struct obj *o)
{
    ++*(int *)ctx;
    return true;
}

struct rig {
    struct loop *loop;
    struct fake_api f;
    struct client *c;
    struct informer *i;
};

static void rig_start(struct rig *r, const char *list)
{
    *r = (struct rig){.loop = virtual_loop()};
    r->f.list_body = list;
    r->c = fake_client(&r->f, r->loop);
    r->i = informer_new(r->c, &(struct informer_options){
                                  .version = S("v1"), .plural = S("pods"), .index = index_app});
    seen = BUF_INIT;
    informer_add_handler(r->i, &handler, NULL);
    informer_start(r->i);
    run_ms(r->loop, 10);
}

static void rig_end(struct rig *r)
{
    informer_free(r->i);
    run_ms(r->loop, 10);
    CHECK(r->f.watch == NULL);
    client_free(r->c);
    fake_fini(&r->f);
    buf_fini(&seen);
    loop_free(r->loop);
}

TEST(informer, lists_once_and_then_follows_the_watch)
{
    struct rig r;
    int n = 0;

    rig_start(&r, LIST("7", OBJECT("a", "3", "x") "," OBJECT("b", "5", "y")));
    CHECK_STRZ(buf_view(&seen), "add a@3\nadd b@5\nsynced\n");
    CHECK_STRZ(buf_view(&r.f.log),
               "GET /api/v1/pods?resourceVersion=\n"
               "GET /api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=7\n");
    CHECK_STRZ(informer_find(r.i, S("ns"), S("a"))->data,
               "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":"
               "\"ns\",\"uid\":\"u-a\","
               "\"resourceVersion\":\"3\",\"labels\":{\"app\":\"x\"}},\"spec\":{}}");
    informer_each_indexed(r.i, S("x"), count_each, &n);
    CHECK_INT(n, 1);
    /* In pieces, as a socket would bring it. */
    fake_event(&r.f,
               "{\"type\":\"MODIFIED\",\"object\":" OBJECT("b", "8", "x") "}\n{\"type\":\"ADD");
    run_ms(r.loop, 1);
    fake_event(&r.f, "ED\",\"object\":" OBJECT("c", "9", "x") "}\n");
    run_ms(r.loop, 1);
    n = 0;
    informer_each_indexed(r.i, S("x"), count_each, &n);
    CHECK_INT(n, 3);
    fake_event(&r.f, "{\"type\":\"DELETED\",\"object\":" OBJECT("a", "10", "x") "}\n");
    run_ms(r.loop, 1);
    n = 0;
    informer_each_indexed(r.i, S("x"), count_each, &n);
    CHECK_INT(n, 2);
    CHECK(informer_find(r.i, S("ns"), S("a")) == NULL);
    CHECK_STRZ(buf_view(&seen), "add a@3\nadd b@5\nsynced\nmod b@8\nadd c@9\ndel a@3\n");
    CHECK_INT(informer_revision(r.i), 10);
    rig_end(&r);
}

TEST(informer, resumes_a_broken_watch_from_the_last_bookmark)
{
    struct rig r;

    rig_start(&r, LIST("7", ""));
    fake_event(&r.f, "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{"
                     "\"resourceVersion\":\"42\"}}}\n");
    run_ms(r.loop, 5000);
    fake_end_watch(&r.f);
    run_ms(r.loop, 10);
    CHECK_INT(r.f.n_lists, 1);
    CHECK_INT(r.f.n_watches, 2);
    CHECK(str_has_suffix(buf_view(&r.f.log), S("resourceVersion=42\n")));
    rig_end(&r);
}

TEST(informer, relists_after_410_and_tells_only_what_changed)
{
    struct rig r;

    rig_start(&r,
              LIST("7", OBJECT("a", "3", "x") "," OBJECT("b", "5", "y") "," OBJECT("c", "6", "y")));
    buf_clear(&seen);
    r.f.list_body = LIST("20", OBJECT("a", "3", "x") "," OBJECT("c", "15", "y"));
    run_ms(r.loop, 5000);
    fake_event(&r.f, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":"
                     "\"Expired\"}}\n");
    fake_end_watch(&r.f);
    run_ms(r.loop, 10);
    CHECK_INT(r.f.n_lists, 2);
    CHECK_STRZ(buf_view(&seen), "mod c@15\ndel b@5\nprogress\n");
    rig_end(&r);
}

TEST(informer, retries_a_failing_list_with_growing_pauses)
{
    struct rig r = {.loop = virtual_loop()};

    r.f = (struct fake_api){.fail_lists = 3, .list_body = LIST("7", "")};
    r.c = fake_client(&r.f, r.loop);
    r.i = informer_new(r.c, &(struct informer_options){.version = S("v1"), .plural = S("pods")});
    seen = BUF_INIT;
    informer_start(r.i);
    informer_add_handler(r.i, &handler, NULL);
    run_ms(r.loop, 790);
    CHECK_INT(r.f.n_lists, 1);
    run_ms(r.loop, 820);
    CHECK_INT(r.f.n_lists, 2);
    run_ms(r.loop, 11000);
    CHECK_INT(r.f.n_lists, 4);
    CHECK_STRZ(buf_view(&seen), "synced\n");
    rig_end(&r);
}

TEST(informer, a_watch_that_always_ends_at_once_does_not_spin)
{
    struct rig r = {.loop = virtual_loop()};

    r.f =
        (struct fake_api){.list_body = LIST("7", ""), .watch_status = 500, .watch_error_body = "x"};
    r.c = fake_client(&r.f, r.loop);
    r.i = informer_new(r.c, &(struct informer_options){.version = S("v1"), .plural = S("pods")});
    seen = BUF_INIT;
    informer_start(r.i);
    run_ms(r.loop, 60000);
    CHECK(r.f.n_watches < 12);
    CHECK_INT(r.f.n_lists, 1);
    rig_end(&r);
}

TEST(informer, a_late_handler_gets_what_is_there)
{
    struct rig r;

    rig_start(&r, LIST("7", OBJECT("a", "3", "x")));
    buf_clear(&seen);
    informer_add_handler(r.i, &handler, NULL);
    CHECK_INT(seen.n, 0);
    run_ms(r.loop, 1);
    CHECK_STRZ(buf_view(&seen), "add a@3\nsynced\n");
    rig_end(&r);
}

/* ---- work queue ---- */

struct work {
    struct loop *loop;
    struct workqueue *q;
    struct buf log;
    int fail, hold;
};

static void on_work(void *ctx, str key)
{
    struct work *w = ctx;

    buf_fmt(&w->log, PRI_STR "@%" PRId64 "\n", STR_ARG(key),
            loop_virtual_elapsed_ns(w->loop) / NS_PER_MS);
    if (w->hold)
        return;
    workqueue_done(w->q, key, w->fail-- > 0);
}

TEST(workqueue, hands_a_key_out_once_however_often_it_was_added)
{
    struct work w = {.loop = virtual_loop(), .log = BUF_INIT};

    w.q = workqueue_new(w.loop, on_work, &w, 1);
    workqueue_add(w.q, S("a"));
    workqueue_add(w.q, S("b"));
    workqueue_add(w.q, S("a"));
    run_ms(w.loop, 1);
    CHECK_STRZ(buf_view(&w.log), "a@0\nb@0\n");
    /* Added while at work: again afterwards, not at the same time. */
    buf_clear(&w.log);
    w.hold = 1;
    workqueue_add(w.q, S("a"));
    run_ms(w.loop, 1);
    workqueue_add(w.q, S("a"));
    run_ms(w.loop, 1);
    CHECK_STRZ(buf_view(&w.log), "a@1\n");
    w.hold = 0;
    workqueue_done(w.q, S("a"), false);
    run_ms(w.loop, 1);
    CHECK_STRZ(buf_view(&w.log), "a@1\na@3\n");
    workqueue_free(w.q);
    buf_fini(&w.log);
    loop_free(w.loop);
}

TEST(workqueue, a_delay_that_is_forgotten_does_not_come)
{
    struct work w = {.loop = virtual_loop(), .log = BUF_INIT, .hold = 1};

    w.q = workqueue_new(w.loop, on_work, &w, 2);
    workqueue_add_after(w.q, S("a"), 10 * NS_PER_MS);
    workqueue_add_after(w.q, S("b"), 10 * NS_PER_MS);
    workqueue_forget_delay(w.q, S("a"));
    workqueue_forget_delay(w.q, S("unknown"));
    run_ms(w.loop, 100);
    CHECK_STRZ(buf_view(&w.log), "b@10\n");
    /* At work: what was added meanwhile stays. */
    buf_clear(&w.log);
    workqueue_add_after(w.q, S("b"), 10 * NS_PER_MS);
    workqueue_add(w.q, S("b"));
    workqueue_forget_delay(w.q, S("b"));
    w.hold = 0;
    workqueue_done(w.q, S("b"), false);
    run_ms(w.loop, 100);
    CHECK_STRZ(buf_view(&w.log), "b@100\n");
    workqueue_free(w.q);
    buf_fini(&w.log);
    loop_free(w.loop);
}

TEST(workqueue, retries_with_doubling_delays_and_forgets_after_success)
{
    struct work w = {.loop = virtual_loop(), .log = BUF_INIT, .fail = 4};

    w.q = workqueue_new(w.loop, on_work, &w, 2);
    workqueue_add(w.q, S("a"));
    run_ms(w.loop, 1000);
    CHECK_STRZ(buf_view(&w.log), "a@0\na@5\na@15\na@35\na@75\n");
    buf_clear(&w.log);
    w.fail = 1;
    workqueue_add_after(w.q, S("a"), 10 * NS_PER_MS);
    workqueue_add_after(w.q, S("a"), 500 * NS_PER_MS);
    run_ms(w.loop, 1000);
    CHECK_STRZ(buf_view(&w.log), "a@1010\na@1015\n");
    workqueue_free(w.q);
    buf_fini(&w.log);
    loop_free(w.loop);
}

/* ---- events ---- */

static struct json *involved_as(struct arena *a, const char *name)
{
    struct json *tree = NULL;

    CHECK_OK(json_parse(
        a,
        arena_fmt(a,
                  "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\","
                  "\"namespace\":\"ns\",\"uid\":\"u\","
                  "\"resourceVersion\":\"5\"}}",
                  name),
        NULL, NULL, &tree));
    return tree;
}

static struct json *involved(struct arena *a)
{
    return involved_as(a, "p");
}

TEST(events, the_first_is_created_and_repeats_raise_its_count)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct event_recorder *r = event_recorder_new(c, S("kubelet"), S("n1"));

    for (int i = 0; i < 3; i++) {
        event_record(r, involved(a), S("spec.containers{c}"), "Warning", "BackOff", "Back-off %s",
                     "restarting");
        run_ms(loop, 2000);
    }
    CHECK_INT(f.n_creates, 1);
    CHECK_INT(f.n_patches, 2);
    CHECK(str_has_prefix(
        buf_view(&f.log),
        S("POST /api/v1/namespaces/ns/events\nPATCH /api/v1/namespaces/ns/events/p.")));
    CHECK_STRZ(buf_view(&f.bodies),
               "{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p."
               "17979cfe362a0000\",\"namespace\":\"ns\"},"
               "\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"ns\",\"name\":\"p\",\"uid\":"
               "\"u\",\"apiVersion\":\"v1\","
               "\"resourceVersion\":\"5\",\"fieldPath\":\"spec.containers{c}\"},\"reason\":"
               "\"BackOff\",\"source\":{\"component\":"
               "\"kubelet\",\"host\":\"n1\"},\"type\":\"Warning\",\"reportingComponent\":"
               "\"kubelet\",\"reportingInstance\":\"n1\","
               "\"firstTimestamp\":\"2023-11-14T22:13:20Z\",\"lastTimestamp\":\"2023-11-14T22:13:"
               "20Z\",\"count\":1,"
               "\"eventTime\":null,\"message\":\"Back-off restarting\"}\n"
               "{\"count\":2,\"lastTimestamp\":\"2023-11-14T22:13:22Z\",\"message\":\"Back-off "
               "restarting\"}\n"
               "{\"count\":3,\"lastTimestamp\":\"2023-11-14T22:13:24Z\",\"message\":\"Back-off "
               "restarting\"}\n");
    event_recorder_free(r);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

TEST(events, a_series_that_slept_for_an_hour_begins_anew)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct event_recorder *r = event_recorder_new(c, S("x"), S(""));

    event_record(r, involved(a), S(""), "Normal", "Pulled", "said");
    run_ms(loop, 3599000);
    event_record(r, involved(a), S(""), "Normal", "Pulled", "said");
    run_ms(loop, 3000);
    CHECK_INT(f.n_creates, 1);
    CHECK_INT(f.n_patches, 1);
    run_ms(loop, 3601000);
    event_record(r, involved(a), S(""), "Normal", "Pulled", "said");
    run_ms(loop, 1);
    CHECK_INT(f.n_creates, 2);
    CHECK_INT(f.n_patches, 1);
    event_recorder_free(r);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

/* Under sanitizers and valgrind malloc is another. */
static bool heap_is_counted(void)
{
    size_t before = mallinfo2().uordblks;
    void *p = mem_alloc(100000);
    bool counted = mallinfo2().uordblks >= before + 100000;

    mem_free(p);
    return counted;
}

TEST(events, what_is_remembered_of_a_thousand_is_forgotten_without_another)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct event_recorder *r = event_recorder_new(c, S("x"), S(""));
    size_t before, told;

    if (!heap_is_counted())
        test_skip("malloc does not tell what is in use");
    event_record(r, involved(a), S(""), "Normal", "Pulled", "said");
    run_ms(loop, 3 * 3600000);
    before = mallinfo2().uordblks;
    for (int i = 0; i < 1000; i++) {
        char name[16];

        snprintf(name, sizeof name, "p-%d", i);
        event_record(r, involved_as(a, name), S(""), "Normal", "Pulled", "said");
        run_ms(loop, 1);
    }
    CHECK_INT(f.n_creates, 1001);
    buf_fini(&f.log);
    buf_fini(&f.bodies);
    arena_reset(a);
    told = mallinfo2().uordblks;
    if (heap_is_counted())
        CHECK(told > before + 50000 && told < before + 200000);
    run_ms(loop, 3 * 3600000);
    if (heap_is_counted())
        CHECK(mallinfo2().uordblks <= before + 10000);
    event_recorder_free(r);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

TEST(events, many_similar_ones_are_combined_and_floods_are_cut)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct event_recorder *r = event_recorder_new(c, S("x"), S(""));

    for (int i = 0; i < 100; i++) {
        event_record(r, involved(a), S(""), "Normal", "SuccessfulCreate", "Created pod: p-%d", i);
        run_ms(loop, 1);
    }
    CHECK_INT(f.n_creates, 10);
    CHECK_INT(f.n_creates + f.n_patches, 25);
    CHECK(str_find(buf_view(&f.bodies), S("(combined from similar events): Created pod: p-9")) >=
          0);
    event_recorder_free(r);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

TEST_MAIN

/* ---- Events of events.k8s.io/v1 ---- */

static const struct event_about pod_p = {.api_version = STR("v1"),
                                         .kind = STR("Pod"),
                                         .ns = STR("ns"),
                                         .name = STR("p"),
                                         .uid = STR("u"),
                                         .resource_version = STR("5")};

static void say(struct series_recorder *r, const struct event_about *about, const char *note)
{
    series_record(r, &(struct series_event){.regarding = about,
                                            .type = "Warning",
                                            .reason = "FailedScheduling",
                                            .action = "Scheduling",
                                            .note = str_of(note)});
}

TEST(event_series, the_second_makes_a_series_and_later_ones_only_count)
{
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct series_recorder *r = series_recorder_new(c, S("default-scheduler"), S("h"));
    static const char first[] =
        "{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/v1\",\"metadata\":{\"name\":\"p."
        "17979cfe362a0000\",\"namespace\":\"ns\"},\"eventTime\":\"2023-11-14T22:13:20.000000Z\","
        "\"reportingController\":\"default-scheduler\","
        "\"reportingInstance\":\"default-scheduler-h\",\"action\":\"Scheduling\","
        "\"reason\":\"FailedScheduling\",\"regarding\":{\"kind\":\"Pod\",\"namespace\":\"ns\","
        "\"name\":\"p\",\"uid\":\"u\",\"apiVersion\":\"v1\",\"resourceVersion\":\"5\"},"
        "\"note\":\"no\",\"type\":\"Warning\"}\n";

    say(r, &pod_p, "no");
    run_ms(loop, 2000);
    CHECK_STRZ(buf_view(&f.bodies), first);
    say(r, &pod_p, "still no"); /* the note does not matter */
    run_ms(loop, 2000);
    for (int i = 0; i < 5; i++)
        say(r, &pod_p, "no");
    run_ms(loop, 2000);
    CHECK_INT(f.n_creates, 1);
    CHECK_INT(f.n_patches, 1);
    CHECK_STRZ(str_slice(buf_view(&f.bodies), sizeof first - 1, f.bodies.n),
               "{\"series\":{\"count\":2,\"lastObservedTime\":\"2023-11-14T22:13:22.000000Z\"}}\n");
    buf_clear(&f.bodies);
    run_ms(loop, 13 * 60000); /* nobody says it any more: its last count is written */
    CHECK_STRZ(buf_view(&f.bodies),
               "{\"series\":{\"count\":7,\"lastObservedTime\":\"2023-11-14T22:13:24.000000Z\"}}\n");
    say(r, &pod_p, "no"); /* and another begins */
    run_ms(loop, 2000);
    CHECK_INT(f.n_creates, 2);
    series_recorder_free(r);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

TEST(event_series, one_that_goes_on_is_refreshed_each_half_hour)
{
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct series_recorder *r = series_recorder_new(c, S("x"), S("h"));

    for (int minute = 0; minute < 62; minute++) {
        say(r, &pod_p, "no");
        run_ms(loop, 60000);
    }
    CHECK_INT(f.n_creates, 1);
    CHECK_INT(f.n_patches, 1 + 2);
    series_recorder_free(r);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

TEST(event_series, another_version_of_the_object_is_another_event)
{
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct series_recorder *r = series_recorder_new(c, S("x"), S("h"));
    struct event_about later = pod_p;

    later.resource_version = S("6");
    say(r, &pod_p, "no");
    say(r, &later, "no");
    say(r, &later, "no"); /* before the first is answered: the patch waits for it */
    CHECK_INT(f.n_patches, 0);
    run_ms(loop, 2000);
    CHECK_INT(f.n_creates, 2);
    CHECK_INT(f.n_patches, 1);
    run_ms(loop, 13 * 60000);
    say(r, &pod_p, "no"); /* long ago: not a series */
    run_ms(loop, 2000);
    CHECK_INT(f.n_creates, 3);
    series_recorder_free(r);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}

TEST(event_series, a_long_note_is_cut_where_the_api_wants_it)
{
    struct loop *loop = virtual_loop();
    struct fake_api f = {0};
    struct client *c = fake_client(&f, loop);
    struct series_recorder *r = series_recorder_new(c, S("x"), S("h"));
    char note[1200];

    memset(note, 'n', sizeof note - 1);
    note[sizeof note - 1] = '\0';
    say(r, &pod_p, note);
    run_ms(loop, 100);
    CHECK(str_find(buf_view(&f.bodies), S("nn ...\",\"type\"")) > 0);
    CHECK_INT(str_find(buf_view(&f.bodies), S(" ...\"")) - str_find(buf_view(&f.bodies), S("nnn")),
              1020);
    series_recorder_free(r);
    client_free(c);
    fake_fini(&f);
    loop_free(loop);
}
