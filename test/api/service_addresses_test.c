/* service_addresses_test.c - cluster addresses and node ports: taken, given back, and set right
 * after somebody else's changes. */
#include "test/api/world.h"

#define SERVICES "/api/v1/namespaces/default/services"
#define NETWORK "/apis/networking.k8s.io/v1"
#define ADDRESSES NETWORK "/ipaddresses"
#define RANGES NETWORK "/servicecidrs"

/* ' stands for ". */
static struct json *send(struct world *w, const char *method, const char *path, const char *body,
                         int want)
{
    return world_json(w, method, path, body ? world_quoted(w, body) : NULL, want);
}

/* A Service with more in its spec (", 'x': y"); its address. */
static const char *service(struct world *w, const char *name, const char *more, int want)
{
    const char *body =
        arena_fmt(w->arena,
                  "{'metadata': {'name': '%s'}, 'spec': {'selector': {'a': 'b'}, 'ports': "
                  "[{'port': 80}]%s}}",
                  name, more)
            .p;
    struct json *v = send(w, "POST", SERVICES, body, want);

    return arena_fmt(w->arena, PRI_STR,
                     STR_ARG(want == 201 ? json_get_str(json_findz(v, "spec"), "clusterIP")
                                         : json_get_str(v, "message")))
        .p;
}

static struct json *address(struct world *w, const char *ip, int want)
{
    return world_json(w, "GET", arena_fmt(w->arena, ADDRESSES "/%s", ip).p, NULL, want);
}

static void foreign(struct world *w, const char *ip, const char *labels, const char *resource,
                    int want)
{
    send(w, "POST", ADDRESSES,
         arena_fmt(w->arena,
                   "{'kind': 'IPAddress', 'apiVersion': 'networking.k8s.io/v1', 'metadata': "
                   "{'name': '%s', 'labels': {%s}}, 'spec': {'parentRef': {'resource': '%s', "
                   "'namespace': 'default', 'name': 'x'}}}",
                   ip, labels, resource)
             .p,
         want);
}

#define OURS                                                                                       \
    "'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': "          \
    "'ipallocator.k8s.io'"

static void range(struct world *w, const char *name, const char *cidr)
{
    send(w, "POST", RANGES,
         arena_fmt(w->arena,
                   "{'kind': 'ServiceCIDR', 'apiVersion': 'networking.k8s.io/v1', 'metadata': "
                   "{'name': '%s'}, 'spec': {'cidrs': ['%s']}}",
                   name, cidr)
             .p,
         201);
}

static uint32_t count(struct world *w, const char *path)
{
    return json_count(json_findz(world_json(w, "GET", path, NULL, 200), "items"));
}

/* How many Events have this reason; the note of the last one. */
static uint32_t events(struct world *w, const char *reason, str *ret_note)
{
    uint32_t n = 0;

    JSON_EACH(e,
              json_findz(world_json(w, "GET", "/apis/events.k8s.io/v1/events", NULL, 200), "items"))
        if (str_is(json_get_str(e, "reason"), reason)) {
            n++;
            *ret_note = json_get_str(e, "note");
        }
    return n;
}

/* ---- restarts ---- */

static void set_flag(void *ctx)
{
    *(bool *)ctx = true;
}

static void on_boot(void *ctx, struct err *e)
{
    CHECK_OK(e);
    *(bool *)ctx = true;
}

/* The server ends; the store stays. */
static void down(struct world *w)
{
    bool closed = false;

    api_close(w->api, set_flag, &closed);
    world_run(w, NS_PER_S);
    CHECK(closed);
}

static void up(struct world *w)
{
    struct api_options o = {.store = w->store,
                            .service_cidr = S("10.96.0.0/16"),
                            .token_file = S("admin-token,admin,uid-1,\"system:masters\"\n")};
    bool booted = false;

    CHECK_OK(api_new(w->loop, &o, &w->api));
    api_bootstrap(w->api, on_boot, &booted);
    world_run(w, NS_PER_S);
    CHECK(booted);
}

static struct err *remove_it(void *ctx, struct arena *a, const struct obj *current,
                             int64_t revision, struct store_change *ret)
{
    CHECK(current != NULL);
    if (current)
        *ret = (struct store_change){STORE_DELETE, current->data, current->uid, current->labels,
                                     current->fields};
    return NULL;
}

static void removed(void *ctx, struct err *e, const struct obj *result)
{
    CHECK_OK(e);
}

/* Behind the server's back. */
static void lose(struct world *w, const char *resource, const char *ns, const char *name)
{
    store_update(w->store, (struct key){str_of(resource), str_of(ns), str_of(name)}, remove_it,
                 removed, NULL);
    world_run(w, NS_PER_S);
}

/* ---- claims ---- */

TEST(addresses, come_and_go_with_their_service)
{
    struct world w;
    const struct json *ref, *v;
    const char *ip;

    world_init(&w);
    address(&w, "10.96.0.1", 200);
    ip = service(&w, "a", "", 201);
    v = address(&w, ip, 200);
    ref = json_at(v, "spec", "parentRef", NULL);
    CHECK_STRZ(json_get_str(ref, "resource"), "services");
    CHECK_STRZ(json_get_str(ref, "namespace"), "default");
    CHECK_STRZ(json_get_str(ref, "name"), "a");
    v = json_at(v, "metadata", "labels", NULL);
    CHECK_STRZ(json_str(json_find(v, S("ipaddress.kubernetes.io/ip-family"))), "IPv4");
    CHECK_STRZ(json_str(json_find(v, S("ipaddress.kubernetes.io/managed-by"))),
               "ipallocator.k8s.io");
    CHECK_INT(world_status(&w, "DELETE", SERVICES "/a", NULL), 200);
    address(&w, ip, 404);
    ip = service(&w, "b", "", 201);
    CHECK_INT(world_status(&w, "DELETE", SERVICES, NULL), 200);
    address(&w, ip, 404);
    world_fini(&w);
}

TEST(addresses, of_one_write_are_both_there_or_not)
{
    struct world w;
    struct call *a, *b;

    world_init(&w);
    /* Neither is durable when the other asks. */
    a = world_open(&w, "POST", SERVICES,
                   world_quoted(&w, "{'metadata': {'name': 'a'}, 'spec': {'type': 'NodePort', "
                                    "'clusterIP': '10.96.0.9', 'ports': [{'port': 80}]}}"),
                   NULL);
    b = world_open(&w, "POST", SERVICES,
                   world_quoted(&w,
                                "{'metadata': {'name': 'b'}, 'spec': {'clusterIP': '10.96.0.9', "
                                "'ports': [{'port': 80}]}}"),
                   NULL);
    world_run(&w, NS_PER_S);
    CHECK_INT(a->status, 201);
    CHECK_INT(b->status, 422);
    CHECK(str_find(buf_view(&b->body), S("failed to allocate IP 10.96.0.9: provided IP is already "
                                         "allocated")) > 0);
    call_free(a);
    call_free(b);
    /* A Service that is not made takes nothing. */
    CHECK_INT(count(&w, ADDRESSES), 2);
    service(&w, "a", "", 409);
    CHECK_INT(count(&w, ADDRESSES), 2);
    world_fini(&w);
}

TEST(node_ports, are_not_given_twice_before_the_first_is_durable)
{
    struct world w;
    struct call *c[2];

    world_init(&w);
    for (int i = 0; i < 2; i++)
        c[i] =
            world_open(&w, "POST", SERVICES,
                       world_quoted(&w, "{'metadata': {'generateName': 'a-'}, 'spec': {'type': "
                                        "'NodePort', 'ports': [{'port': 80, 'nodePort': 30080}]}}"),
                       NULL);
    world_run(&w, NS_PER_S);
    CHECK_INT(c[0]->status, 201);
    CHECK_INT(c[1]->status, 422);
    for (int i = 0; i < 2; i++)
        call_free(c[i]);
    world_fini(&w);
}

TEST(addresses, of_a_dry_run_are_never_taken)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = send(&w, "POST", SERVICES "?dryRun=All",
             "{'metadata': {'name': 'a'}, 'spec': {'ports': [{'port': 80}]}}", 201);
    CHECK_STRZ(json_get_str(json_findz(v, "spec"), "clusterIP"), "10.96.0.0");
    send(&w, "POST", SERVICES "?dryRun=All",
         "{'metadata': {'name': 'a'}, 'spec': {'clusterIP': '10.96.0.7', 'ports': [{'port': "
         "80}]}}",
         201);
    v = send(&w, "POST", SERVICES "?dryRun=All",
             "{'metadata': {'name': 'a'}, 'spec': {'clusterIP': '10.9.0.7', 'ports': [{'port': "
             "80}]}}",
             422);
    CHECK(str_find(json_get_str(v, "message"),
                   S("the provided IP (10.9.0.7) is not in the valid range. The range of valid IPs "
                     "is 10.96.0.0/16")) > 0);
    service(&w, "b", "", 201);
    CHECK_INT(world_status(&w, "DELETE", SERVICES "/b?dryRun=All", NULL), 200);
    CHECK_INT(count(&w, ADDRESSES), 2);
    world_fini(&w);
}

TEST(addresses, are_released_when_the_type_needs_none)
{
    struct world w;
    struct json *v;
    const char *ip;

    world_init(&w);
    ip = service(&w, "a", "", 201);
    send(&w, "PATCH", SERVICES "/a",
         "{'spec': {'type': 'ExternalName', 'externalName': 'x.example', 'clusterIP': '', "
         "'clusterIPs': null, 'ipFamilies': null, 'ipFamilyPolicy': null}}",
         200);
    address(&w, ip, 404);
    v = send(&w, "PATCH", SERVICES "/a", "{'spec': {'type': 'ClusterIP', 'externalName': null}}",
             200);
    address(
        &w,
        arena_fmt(w.arena, PRI_STR, STR_ARG(json_get_str(json_findz(v, "spec"), "clusterIP"))).p,
        200);
    send(&w, "PATCH", SERVICES "/a",
         "{'spec': {'type': 'ExternalName', 'externalName': 'x.example', 'clusterIP': '', "
         "'clusterIPs': null, 'ipFamilies': null, 'ipFamilyPolicy': null}}",
         200);
    send(&w, "PATCH", SERVICES "/a",
         "{'spec': {'type': 'ClusterIP', 'externalName': null, 'clusterIP': 'None'}}", 200);
    service(&w, "headless", ", 'clusterIP': 'None'", 201);
    CHECK_INT(count(&w, ADDRESSES), 1);
    world_fini(&w);
}

TEST(addresses, of_a_service_with_a_finalizer_stay_until_it_is_gone)
{
    struct world w;
    const char *ip;

    world_init(&w);
    ip = service(&w, "a", "", 201);
    send(&w, "PATCH", SERVICES "/a", "{'metadata': {'finalizers': ['x.example/y']}}", 200);
    CHECK_INT(world_status(&w, "DELETE", SERVICES "/a", NULL), 200);
    address(&w, ip, 200);
    send(&w, "PATCH", SERVICES "/a", "{'metadata': {'finalizers': null}}", 200);
    address(&w, ip, 404);
    CHECK_INT(world_status(&w, "GET", SERVICES "/a", NULL), 404);
    world_fini(&w);
}

TEST(addresses, of_somebody_else_are_not_given_out)
{
    struct world w;

    world_init(&w);
    foreign(&w, "10.96.0.20", "'a': 'b'", "gateways", 201);
    CHECK(strstr(service(&w, "a", ", 'clusterIP': '10.96.0.20'", 422),
                 "spec.clusterIPs: Invalid value: [\"10.96.0.20\"]: failed to allocate IP "
                 "10.96.0.20: provided IP is already allocated"));
    CHECK_INT(world_status(&w, "DELETE", ADDRESSES "/10.96.0.20", NULL), 200);
    service(&w, "a", ", 'clusterIP': '10.96.0.20'", 201);
    world_fini(&w);
}

/* ---- ranges ---- */

TEST(addresses, come_from_the_upper_part_of_a_range_until_it_is_full)
{
    struct world w;
    const char *ip;

    world_init(&w);
    /* Only /27 is left: 30 addresses, the 16 lowest last. */
    range(&w, "small", "10.8.0.0/27");
    send(&w, "PATCH", RANGES "/kubernetes", "{'metadata': {'finalizers': ['x.example/y']}}", 200);
    CHECK_INT(world_status(&w, "DELETE", RANGES "/kubernetes", NULL), 200);
    for (int i = 0; i < 30; i++) {
        unsigned last = 0;

        ip = service(&w, arena_fmt(w.arena, "s%d", i).p, "", 201);
        CHECK_INT(sscanf(ip, "10.8.0.%u", &last), 1);
        CHECK(i < 14 ? last > 16 && last < 31 : last > 0 && last <= 16);
    }
    CHECK(strstr(service(&w, "more", "", 500), "failed to allocate a serviceIP: range is full"));
    world_fini(&w);
}

TEST(addresses, of_a_second_range_may_be_had_while_it_is_ready)
{
    struct world w;

    world_init(&w);
    CHECK(strstr(service(&w, "a", ", 'clusterIP': '10.8.0.5'", 422),
                 "the provided network does not match the current range"));
    range(&w, "more", "10.8.0.0/24");
    service(&w, "a", ", 'clusterIP': '10.8.0.5'", 201);
    address(&w, "10.8.0.5", 200);
    send(&w, "PATCH", RANGES "/more/status",
         "{'status': {'conditions': [{'type': 'Ready', 'status': 'False', 'reason': 'x', "
         "'message': '', 'lastTransitionTime': '2026-01-01T00:00:00Z'}]}}",
         200);
    CHECK(strstr(service(&w, "b", ", 'clusterIP': '10.8.0.6'", 422),
                 "the provided network does not match the current range"));
    world_fini(&w);
}

/* ---- repair ---- */

TEST(repair, makes_the_default_range_again)
{
    struct world w;
    const struct json *v;

    world_init(&w);
    CHECK_INT(world_status(&w, "DELETE", RANGES "/kubernetes", NULL), 200);
    world_run(&w, NS_PER_S);
    v = world_json(&w, "GET", RANGES "/kubernetes", NULL, 200);
    CHECK_STRZ(json_str(json_item(json_at(v, "spec", "cidrs", NULL), 0)), "10.96.0.0/16");
    CHECK_STRZ(json_get_str(json_item(json_at(v, "status", "conditions", NULL), 0), "status"),
               "True");
    service(&w, "a", "", 201);
    world_fini(&w);
}

TEST(repair, makes_a_deleted_address_again)
{
    struct world w;
    const char *ip;
    str note;

    world_init(&w);
    ip = service(&w, "a", "", 201);
    CHECK_INT(world_status(&w, "DELETE", arena_fmt(w.arena, ADDRESSES "/%s", ip).p, NULL), 200);
    world_run(&w, NS_PER_S);
    address(&w, ip, 200);
    CHECK_INT(events(&w, "ClusterIPNotAllocated", &note), 1);
    CHECK_STR(note, arena_fmt(w.arena, "Cluster IP [IPv4]: %s is not allocated; repairing", ip));
    world_fini(&w);
}

TEST(repair, gives_an_address_its_labels_back)
{
    struct world w;
    const char *ip;

    world_init(&w);
    ip = service(&w, "a", "", 201);
    send(&w, "PATCH", arena_fmt(w.arena, ADDRESSES "/%s", ip).p, "{'metadata': {'labels': null}}",
         200);
    world_run(&w, NS_PER_S);
    CHECK_INT(json_count(json_at(address(&w, ip, 200), "metadata", "labels", NULL)), 2);
    world_fini(&w);
}

TEST(repair, lets_a_leaked_address_go_after_a_minute)
{
    struct world w;
    str note;

    world_init(&w);
    foreign(&w, "10.96.0.30", OURS, "services", 201);
    world_run(&w, 55 * NS_PER_S);
    address(&w, "10.96.0.30", 200);
    world_run(&w, 10 * NS_PER_S);
    address(&w, "10.96.0.30", 404);
    CHECK_INT(events(&w, "IPAddressNotAllocated", &note), 1);
    CHECK_STRZ(note,
               "IPAddress: 10.96.0.30 for Service default/x appears to have leaked: cleaning up");
    world_fini(&w);
}

TEST(repair, ends_an_address_that_names_no_service_or_the_wrong_one)
{
    struct world w;
    str note;

    world_init(&w);
    service(&w, "x", "", 201);
    foreign(&w, "10.96.0.30", OURS, "gateways", 201);
    foreign(&w, "10.96.0.31", OURS, "services", 201);
    world_run(&w, NS_PER_S);
    address(&w, "10.96.0.30", 404);
    address(&w, "10.96.0.31", 404);
    CHECK_INT(events(&w, "IPAddressNotAllocated", &note), 1);
    CHECK_INT(events(&w, "IPAddressWrongReference", &note), 1);
    CHECK_STRZ(note,
               "IPAddress: 10.96.0.31 for Service default/x has a wrong reference; cleaning up");
    world_fini(&w);
}

TEST(repair, at_the_start_finds_what_is_missing_and_what_is_too_much)
{
    struct world w;
    const char *kept, *lost, *leaked;
    str note;

    world_init(&w);
    kept = service(&w, "kept", ", 'type': 'NodePort'", 201);
    lost = service(&w, "lost", "", 201);
    leaked = service(&w, "leaked", "", 201);
    down(&w);
    lose(&w, "ipaddresses.networking.k8s.io", "", lost);
    lose(&w, "services", "default", "leaked");
    world_run(&w, 70 * NS_PER_S);
    up(&w);
    address(&w, kept, 200);
    address(&w, lost, 200);
    address(&w, leaked, 404);
    CHECK_INT(events(&w, "ClusterIPNotAllocated", &note), 1);
    CHECK_INT(events(&w, "IPAddressNotAllocated", &note), 1);
    /* All are taken as before. */
    service(&w, "again", arena_fmt(w.arena, ", 'clusterIP': '%s'", kept).p, 422);
    service(&w, "again", arena_fmt(w.arena, ", 'clusterIP': '%s'", lost).p, 422);
    service(&w, "again", arena_fmt(w.arena, ", 'clusterIP': '%s'", leaked).p, 201);
    world_fini(&w);
}

TEST(node_ports, are_known_after_a_restart)
{
    struct world w;
    struct json *v;

    world_init(&w);
    v = send(&w, "POST", SERVICES,
             "{'metadata': {'name': 'a'}, 'spec': {'type': 'NodePort', 'ports': [{'port': 80, "
             "'nodePort': 30123}]}}",
             201);
    down(&w);
    up(&w);
    v = send(&w, "POST", SERVICES,
             "{'metadata': {'name': 'b'}, 'spec': {'type': 'NodePort', 'ports': [{'port': 80, "
             "'nodePort': 30123}]}}",
             422);
    CHECK(str_find(json_get_str(v, "message"), S("provided port is already allocated")) > 0);
    CHECK_INT(world_status(&w, "DELETE", SERVICES "/a", NULL), 200);
    v = send(&w, "POST", SERVICES,
             "{'metadata': {'name': 'b'}, 'spec': {'type': 'NodePort', 'ports': [{'port': 80, "
             "'nodePort': 30123}]}}",
             201);
    world_fini(&w);
}

TEST_MAIN
