/* flowschemas_test.c - the condition of flow schemas, which the server applies. */
#include "test/api/world.h"

#define FLOWCONTROL "/apis/flowcontrol.apiserver.k8s.io/v1"

static const struct json *read_schema(struct world *w)
{
    world_run(w, NS_PER_S);
    return world_json(w, "GET", FLOWCONTROL "/flowschemas/s", NULL, 200);
}

static void expect(struct world *w, const char *status, const char *reason, const char *message)
{
    const struct json *schema = read_schema(w),
                      *c = json_item(json_path(schema, "status.conditions"), 0);

    CHECK_INT(json_count(json_path(schema, "status.conditions")), 1);
    CHECK_STRZ(json_get_str(c, "type"), "Dangling");
    CHECK_STRZ(json_get_str(c, "status"), status);
    CHECK_STRZ(json_get_str(c, "reason"), reason);
    CHECK_STRZ(json_get_str(c, "message"), message);
}

TEST(flowschemas, tell_whether_their_level_is_missing)
{
    struct world w;
    const struct json *owner;

    world_init(&w);
    world_json(&w, "POST", FLOWCONTROL "/flowschemas",
               "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"matchingPrecedence\":1000,"
               "\"priorityLevelConfiguration\":{\"name\":\"l\"}}}",
               201);
    expect(&w, "True", "NotFound",
           "This FlowSchema references the PriorityLevelConfiguration object named \"l\" but there "
           "is no such object");
    owner = json_item(json_path(read_schema(&w), "metadata.managedFields"), 0);
    CHECK_STRZ(json_get_str(owner, "manager"), "api-priority-and-fairness-config-consumer-v1");
    CHECK_STRZ(json_get_str(owner, "operation"), "Apply");
    CHECK_STRZ(json_get_str(owner, "subresource"), "status");

    world_json(&w, "POST", FLOWCONTROL "/prioritylevelconfigurations",
               "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"type\":\"Limited\",\"limited\":{"
               "\"limitResponse\":{\"type\":\"Reject\"}}}}",
               201);
    expect(&w, "False", "Found",
           "This FlowSchema references the PriorityLevelConfiguration object named \"l\" and it "
           "exists");
    CHECK_INT(world_status(&w, "DELETE", FLOWCONTROL "/prioritylevelconfigurations/l", NULL), 200);
    expect(&w, "True", "NotFound",
           "This FlowSchema references the PriorityLevelConfiguration object named \"l\" but there "
           "is no such object");
    world_fini(&w);
}

/* Nothing is written when nothing has changed. */
TEST(flowschemas, are_left_alone_once_they_tell)
{
    struct world w;
    str revision;

    world_init(&w);
    world_json(&w, "POST", FLOWCONTROL "/flowschemas",
               "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"matchingPrecedence\":1000,"
               "\"priorityLevelConfiguration\":{\"name\":\"l\"}}}",
               201);
    revision = json_get_str(read_schema(&w), "metadata.resourceVersion");
    world_run(&w, 10 * NS_PER_S);
    CHECK_STR(json_get_str(read_schema(&w), "metadata.resourceVersion"), revision);
    world_fini(&w);
}

TEST_MAIN
