/* volume_test.c - pods with claims. */
#include "test/scheduler/world.h"

#define WITH_CLAIM                                                                                 \
    "\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]"
#define NOT_HELPFUL(n)                                                                             \
    " no new claims to deallocate, preemption: 0/" n " nodes are available: " n                    \
    " Preemption is not helpful for scheduling.\n"

static void put_claim(struct world *w, const char *annotations, const char *spec)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b,
            "{\"metadata\":{\"name\":\"data\",\"namespace\":\"default\",\"uid\":\"c\","
            "\"resourceVersion\":\"%lld\",\"annotations\":{%s}},\"spec\":{%s}}",
            (long long)++w->revision, annotations, spec);
    informer_put(w->s->claim_informer, buf_view(&b));
}

static void put_volume(struct world *w, const char *spec)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(
        &b,
        "{\"metadata\":{\"name\":\"pv\",\"uid\":\"v\",\"resourceVersion\":\"%lld\"},\"spec\":{%s}}",
        (long long)++w->revision, spec);
    informer_put(w->s->volume_informer, buf_view(&b));
}

static bool said(struct world *w, const char *text)
{
    return str_find(buf_view(&w->log), str_of(text)) >= 0;
}

TEST(volumes, a_claim_for_one_pod_is_used_by_one_at_a_time)
{
    struct world w = {0};
#define BOUND(mode)                                                                                \
    "\"accessModes\":[\"" mode "\"],\"storageClassName\":\"manual\",\"volumeName\":\"pv\""

    world_open(&w);
    put_node(&w, "n1", "", "", ROOMY);
    put_node(&w, "n2", "", "", ROOMY);
    put_volume(&w, "\"capacity\":{}");
    put_claim(&w, "\"pv.kubernetes.io/bind-completed\":\"yes\"", BOUND("ReadWriteOncePod"));
    put_pod(&w, "first", "", WITH_CLAIM);
    settle(&w, NS_PER_MS);
    CHECK(*node_of(&w, "first"));
    put_pod(&w, "second", "", WITH_CLAIM);
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "condition second: 0/2 nodes are available: 2 node has pod using "
                   "PersistentVolumeClaim with the same name and ReadWriteOncePod access mode."));
    drop_pod(&w, "first");
    settle(&w, NS_PER_MS);
    CHECK(*node_of(&w, "second"));
    put_pod(&w, "urgent", "", "\"priority\":10," WITH_CLAIM);
    settle(&w, 20 * NS_PER_S);
    CHECK(said(&w, "delete second")); /* one of higher priority takes it over */
    CHECK(*node_of(&w, "urgent"));
    put_claim(&w, "\"pv.kubernetes.io/bind-completed\":\"yes\"", BOUND("ReadWriteOnce"));
    put_pod(&w, "third", "", WITH_CLAIM); /* other modes are shared */
    settle(&w, NS_PER_MS);
    CHECK(*node_of(&w, "third"));
    world_close(&w);
}

TEST(volumes, a_pod_waits_for_its_claim_and_goes_where_its_volume_is)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n1", ",\"disk\":\"a\"", "", ROOMY);
    put_node(&w, "n2", ",\"disk\":\"b\"", "", ROOMY);
    put_pod(&w, "p", "", WITH_CLAIM);
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "condition p: 0/2 nodes are available: persistentvolumeclaim \"data\" not "
                   "found." NOT_HELPFUL("2")));
    put_claim(&w, "", "\"storageClassName\":\"manual\"");
    settle(&w, 2 * NS_PER_S);
    CHECK(said(&w, "condition p: 0/2 nodes are available: pod has unbound immediate "
                   "PersistentVolumeClaims." NOT_HELPFUL("2")));
    put_volume(&w, "\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{"
                   "\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"b\"]}]}]}}");
    put_claim(&w, "\"pv.kubernetes.io/bind-completed\":\"yes\"",
              "\"storageClassName\":\"manual\",\"volumeName\":\"pv\"");
    settle(&w, 5 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "p")), "n2");
    world_close(&w);
}

TEST(volumes, a_volume_elsewhere_and_a_volume_gone_are_told)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n1", "", "", ROOMY);
    put_claim(&w, "\"pv.kubernetes.io/bind-completed\":\"yes\"", "\"volumeName\":\"pv\"");
    put_pod(&w, "p", "", WITH_CLAIM);
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "0/1 nodes are available: 1 node(s) unavailable due to one or more pvc(s) bound "
                   "to non-existent pv(s)." NOT_HELPFUL("1")));
    put_volume(&w, "\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{"
                   "\"key\":\"disk\",\"operator\":\"Exists\"}]}]}}");
    settle(&w, 2 * NS_PER_S);
    CHECK(said(&w, "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node "
                   "affinity." NOT_HELPFUL("1")));
    put_volume(&w, "\"capacity\":{}");
    settle(&w, 5 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "p")), "n1");
    world_close(&w);
}

/* ---- claims that wait for their first pod ---- */

#define ON_DISK(disk)                                                                              \
    ",\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":"     \
    "\"disk\",\"operator\":\"In\",\"values\":[\"" disk "\"]}]}]}}"
#define SIZE(n) "\"storageClassName\":\"late\",\"capacity\":{\"storage\":\"" n "\"}"
#define WANTS "\"storageClassName\":\"late\",\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}"

static void put_class(struct world *w, const char *provisioner, const char *more)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b,
            "{\"metadata\":{\"name\":\"late\",\"uid\":\"s\",\"resourceVersion\":\"%lld\"},"
            "\"provisioner\":\"%s\",\"volumeBindingMode\":\"WaitForFirstConsumer\"%s}",
            (long long)++w->revision, provisioner, more);
    informer_put(w->s->class_informer, buf_view(&b));
}

static void put_named_volume(struct world *w, const char *name, const char *spec)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    buf_fmt(&b,
            "{\"metadata\":{\"name\":\"%s\",\"uid\":\"u-%s\",\"resourceVersion\":\"%lld\"},"
            "\"spec\":{%s}}",
            name, name, (long long)++w->revision, spec);
    informer_put(w->s->volume_informer, buf_view(&b));
}

TEST(volumes, of_a_class_that_waits_the_smallest_in_reach_is_reserved_with_the_node)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n1", ",\"disk\":\"a\"", "", ROOMY);
    put_class(&w, "kubernetes.io/no-provisioner", "");
    put_claim(&w, "", WANTS);
    put_named_volume(&w, "elsewhere", SIZE("2Gi") ON_DISK("b"));
    put_named_volume(&w, "small", SIZE("1Gi"));
    put_pod(&w, "p", "", WITH_CLAIM);
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "condition p: 0/1 nodes are available: 1 node(s) didn't find available "
                   "persistent volumes to bind." NOT_HELPFUL("1")));
    put_named_volume(&w, "large", SIZE("9Gi") ON_DISK("a"));
    put_named_volume(&w, "fits", SIZE("3Gi") ON_DISK("a"));
    settle(&w, 2 * NS_PER_S);
    CHECK(said(&w, "patch /api/v1/persistentvolumes/fits {\"metadata\":{\"uid\":\"u-fits\","));
    CHECK(said(&w, "\"claimRef\":{\"kind\":\"PersistentVolumeClaim\",\"namespace\":\"default\","
                   "\"name\":\"data\",\"uid\":\"c\",\"apiVersion\":\"v1\",\"resourceVersion\":"));
    CHECK(!said(&w, "persistentvolumes/large"));
    CHECK(!said(&w, "bind p"));
    /* Reserved: nothing more is asked, until the claim is bound. */
    w.log.n = 0;
    put_named_volume(&w, "fits",
                     SIZE("3Gi") ON_DISK("a") ",\"claimRef\":{\"namespace\":\"default\",\"name\":"
                                              "\"data\",\"uid\":\"c\"}");
    settle(&w, 5 * NS_PER_S);
    CHECK(!said(&w, "patch "));
    put_claim(&w, "\"pv.kubernetes.io/bind-completed\":\"yes\"", WANTS ",\"volumeName\":\"fits\"");
    settle(&w, 5 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "p")), "n1");
    world_close(&w);
}

TEST(volumes, a_provisioner_is_asked_for_one_where_the_pod_is_to_run)
{
    struct world w = {0};

    world_open(&w);
    put_node(&w, "n1", ",\"disk\":\"a\"", "", ROOMY);
    put_node(&w, "n2", ",\"disk\":\"b\"", "", ROOMY);
    put_class(&w, "example.com/disks",
              ",\"allowedTopologies\":[{\"matchLabelExpressions\":[{\"key\":\"disk\",\"values\":"
              "[\"b\"]}]}]");
    put_claim(&w, "", WANTS);
    put_pod(&w, "p", "", WITH_CLAIM);
    settle(&w, NS_PER_MS);
    CHECK(said(&w, "patch /api/v1/namespaces/default/persistentvolumeclaims/data {\"metadata\":"
                   "{\"uid\":\"c\",\"annotations\":{\"volume.kubernetes.io/selected-node\":"
                   "\"n2\"}}}"));
    CHECK(!said(&w, "condition p"));
    /* The node stays as asked, and it is asked once. */
    w.log.n = 0;
    put_claim(&w, "\"volume.kubernetes.io/selected-node\":\"n2\"", WANTS);
    settle(&w, 5 * NS_PER_S);
    CHECK(!said(&w, "patch "));
    CHECK(!said(&w, "bind p"));
    put_named_volume(&w, "made", SIZE("2Gi") ON_DISK("b"));
    put_claim(&w, "\"pv.kubernetes.io/bind-completed\":\"yes\"", WANTS ",\"volumeName\":\"made\"");
    settle(&w, 5 * NS_PER_S);
    CHECK_STRZ(str_of(node_of(&w, "p")), "n2");
    world_close(&w);
}
