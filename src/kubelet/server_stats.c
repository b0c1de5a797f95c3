/* server_stats.c - /stats/summary and /metrics/resource: what pods and the node use, read from their control groups.
 *
 * API: https://kubernetes.io/docs/reference/instrumentation/node-metrics/ */
#include "kubelet/server_internal.h"

#include <sys/statvfs.h>

struct cpu_sample {
    uint64_t cpu_ns, nano_cores;
    mono_time at;
};
#define SAMPLE_MIN_NS (5 * NS_PER_S) /* a rate over less is noise */
#define SAMPLES_MAX 4096

void server_stats_free(struct kubelet_server *s)
{
    MAP_EACH(e, &s->cpu_samples)
        mem_free(e->value);
    map_fini(&s->cpu_samples);
}

/* CPU used per second since the sample before, in nano cores. */
static uint64_t rate(struct kubelet_server *s, str id, uint64_t cpu_ns)
{
    struct cpu_sample *p = map_find(&s->cpu_samples, id);
    mono_time now = loop_now(s->k->loop);

    if (!p) {
        if (s->cpu_samples.n >= SAMPLES_MAX) { /* of containers long gone */
            server_stats_free(s);
            map_init(&s->cpu_samples);
        }
        p = NEW(struct cpu_sample);
        *p = (struct cpu_sample){cpu_ns, 0, now};
        map_put(&s->cpu_samples, id, p);
        return 0;
    }
    if (now.ns - p->at.ns >= SAMPLE_MIN_NS) {
        p->nano_cores =
            cpu_ns >= p->cpu_ns
                ? (uint64_t)((__int128)(cpu_ns - p->cpu_ns) * NS_PER_S / (now.ns - p->at.ns))
                : 0;
        p->cpu_ns = cpu_ns;
        p->at = now;
    }
    return p->nano_cores;
}

static void usage_json(struct kubelet_server *s, struct buf *b, str id,
                       const struct cgroup_usage *u, const char *time)
{
    buf_fmt(b, "\"cpu\":{\"time\":\"%s\",\"usageNanoCores\":%llu,\"usageCoreNanoSeconds\":%llu},",
            time, (unsigned long long)rate(s, id, u->cpu_ns), (unsigned long long)u->cpu_ns);
    buf_fmt(b,
            "\"memory\":{\"time\":\"%s\",\"usageBytes\":%llu,\"workingSetBytes\":%llu,\"rssBytes\":"
            "%llu,\"pageFaults\":%llu,\"majorPageFaults\":%llu}",
            time, (unsigned long long)u->memory_usage_bytes,
            (unsigned long long)u->memory_working_set_bytes,
            (unsigned long long)u->memory_rss_bytes, (unsigned long long)u->page_faults,
            (unsigned long long)u->major_page_faults);
}

static str group_of(struct arena *a, const struct pod_worker *w, str container_id)
{
    return arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(cgroup_pod_path(a, w->pod)),
                     STR_ARG(container_id));
}

typedef void each_fn(void *ctx, struct pod_worker *w, const struct rt_container *c,
                     const struct cgroup_usage *u);

/* Every running container, and every pod (c NULL). */
static void each_usage(struct kubelet *k, struct arena *a, each_fn *fn, void *ctx)
{
    MAP_EACH(e, &k->workers) {
        struct pod_worker *w = e->value;
        struct cgroup_usage u;

        if (!w->pod || w->forgotten || !pod_runtime_any_running(w->rt))
            continue;
        cgroup_usage(&k->cgroups, cgroup_pod_path(a, w->pod), &u);
        fn(ctx, w, NULL, &u);
        for (size_t i = 0; i < w->rt->n_containers; i++) {
            const struct rt_container *c = &w->rt->containers[i];

            if (c->state != CONTAINER_STATE_RUNNING)
                continue;
            cgroup_usage(&k->cgroups, group_of(a, w, c->id), &u);
            if (u.found)
                fn(ctx, w, c, &u);
        }
    }
}

struct summary {
    struct kubelet_server *s;
    struct arena *a;
    struct buf *b;
    const char *time;
    bool any_pod, any_container;
};

static void close_pod(struct summary *y)
{
    if (y->any_pod)
        buf_z(y->b, "]}");
}

static void add_summary(void *ctx, struct pod_worker *w, const struct rt_container *c,
                        const struct cgroup_usage *u)
{
    struct summary *y = ctx;
    CLEANUP(buf) struct buf start = BUF_INIT;

    if (!c) {
        close_pod(y);
        buf_fmt(
            y->b,
            "%s{\"podRef\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"%s\"},\"startTime\":",
            y->any_pod ? "," : "", w->name, w->ns, w->uid);
        json_encode_string(y->b, json_get_str(w->pod, "status.startTime"));
        buf_char(y->b, ',');
        usage_json(y->s, y->b, str_of(w->uid), u, y->time);
        buf_z(y->b, ",\"containers\":[");
        y->any_pod = true;
        y->any_container = false;
        return;
    }
    buf_rfc3339(&start, (wall_time){c->started_ns});
    buf_fmt(y->b, "%s{\"name\":\"" PRI_STR "\",\"startTime\":\"%s\",", y->any_container ? "," : "",
            STR_ARG(c->name), buf_cstr(&start));
    usage_json(y->s, y->b, c->id, u, y->time);
    buf_char(y->b, '}');
    y->any_container = true;
}

static void fs_json(struct buf *b, const char *path, const char *time)
{
    struct statvfs fs;

    if (statvfs(path, &fs) < 0)
        memset(&fs, 0, sizeof fs);
    buf_fmt(b,
            "{\"time\":\"%s\",\"availableBytes\":%llu,\"capacityBytes\":%llu,\"usedBytes\":%llu,"
            "\"inodesFree\":%llu,\"inodes\":%llu,\"inodesUsed\":%llu}",
            time, (unsigned long long)fs.f_bavail * fs.f_frsize,
            (unsigned long long)fs.f_blocks * fs.f_frsize,
            (unsigned long long)(fs.f_blocks - fs.f_bfree) * fs.f_frsize,
            (unsigned long long)fs.f_ffree, (unsigned long long)fs.f_files,
            (unsigned long long)(fs.f_files - fs.f_ffree));
}

static void node_usage(struct kubelet *k, struct cgroup_usage *ret)
{
    /* The root group has no limit files of its own in version 2, but all that is read here. */
    cgroup_usage(&k->cgroups, S("/"), ret);
}

void server_stats_summary(struct request *r)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    CLEANUP(buf) struct buf time = BUF_INIT;
    struct kubelet *k = r->s->k;
    struct summary y = {.s = r->s, .a = a, .b = &b};
    struct cgroup_usage u;

    buf_rfc3339(&time, loop_wall(k->loop));
    y.time = buf_cstr(&time);
    node_usage(k, &u);
    buf_fmt(&b, "{\"node\":{\"nodeName\":\"" PRI_STR "\",", STR_ARG(k->o.node_name));
    usage_json(r->s, &b, S("/"), &u, y.time);
    buf_z(&b, ",\"fs\":");
    fs_json(&b, k->o.root_dir.p, y.time);
    buf_z(&b, "},\"pods\":[");
    each_usage(k, a, add_summary, &y);
    close_pod(&y);
    buf_z(&b, "]}");
    http_reply(r->ex, 200, "application/json", buf_view(&b));
}

/* ---- Prometheus text ---- */

enum series { CONTAINER_CPU, CONTAINER_MEMORY, CONTAINER_START, POD_CPU, POD_MEMORY, N_SERIES };
static const struct {
    const char *name, *type, *help;
} series[N_SERIES] = {
    [CONTAINER_CPU] = {"container_cpu_usage_seconds_total", "counter",
                       "Cumulative cpu time consumed by the container in core-seconds"},
    [CONTAINER_MEMORY] = {"container_memory_working_set_bytes", "gauge",
                          "Current working set of the container in bytes"},
    [CONTAINER_START] = {"container_start_time_seconds", "gauge",
                         "Start time of the container since unix epoch in seconds"},
    [POD_CPU] = {"pod_cpu_usage_seconds_total", "counter",
                 "Cumulative cpu time consumed by the pod in core-seconds"},
    [POD_MEMORY] = {"pod_memory_working_set_bytes", "gauge",
                    "Current working set of the pod in bytes"},
};
struct scrape {
    struct buf text[N_SERIES];
    long long now_ms;
};

static void add_metrics(void *ctx, struct pod_worker *w, const struct rt_container *c,
                        const struct cgroup_usage *u)
{
    struct scrape *m = ctx;

    if (!c) {
        buf_fmt(&m->text[POD_CPU],
                "pod_cpu_usage_seconds_total{namespace=\"%s\",pod=\"%s\"} %.9g %lld\n", w->ns,
                w->name, (double)u->cpu_ns / 1e9, m->now_ms);
        buf_fmt(&m->text[POD_MEMORY],
                "pod_memory_working_set_bytes{namespace=\"%s\",pod=\"%s\"} %llu %lld\n", w->ns,
                w->name, (unsigned long long)u->memory_working_set_bytes, m->now_ms);
        return;
    }
#define LABELS "{container=\"" PRI_STR "\",namespace=\"%s\",pod=\"%s\"} "
    buf_fmt(&m->text[CONTAINER_CPU], "container_cpu_usage_seconds_total" LABELS "%.9g %lld\n",
            STR_ARG(c->name), w->ns, w->name, (double)u->cpu_ns / 1e9, m->now_ms);
    buf_fmt(&m->text[CONTAINER_MEMORY], "container_memory_working_set_bytes" LABELS "%llu %lld\n",
            STR_ARG(c->name), w->ns, w->name, (unsigned long long)u->memory_working_set_bytes,
            m->now_ms);
    buf_fmt(&m->text[CONTAINER_START], "container_start_time_seconds" LABELS "%.9g\n",
            STR_ARG(c->name), w->ns, w->name, (double)c->started_ns / 1e9);
#undef LABELS
}

void server_metrics_resource(struct request *r)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct kubelet *k = r->s->k;
    struct scrape m = {.now_ms = loop_wall(k->loop).ns / NS_PER_MS};
    struct cgroup_usage u;

    each_usage(k, a, add_metrics, &m);
    for (size_t i = 0; i < N_SERIES; i++) {
        if (m.text[i].n) {
            buf_fmt(&b, "# HELP %s [STABLE] %s\n# TYPE %s %s\n", series[i].name, series[i].help,
                    series[i].name, series[i].type);
            buf_str(&b, buf_view(&m.text[i]));
        }
        buf_fini(&m.text[i]);
    }
    node_usage(k, &u);
    buf_fmt(&b,
            "# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the node "
            "in core-seconds\n# TYPE node_cpu_usage_seconds_total counter\n"
            "node_cpu_usage_seconds_total %.9g %lld\n",
            (double)u.cpu_ns / 1e9, m.now_ms);
    buf_fmt(&b,
            "# HELP node_memory_working_set_bytes [STABLE] Current working set of the node in "
            "bytes\n# TYPE node_memory_working_set_bytes gauge\n"
            "node_memory_working_set_bytes %llu %lld\n",
            (unsigned long long)u.memory_working_set_bytes, m.now_ms);
    buf_z(&b,
          "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container "
          "metrics, 0 otherwise\n# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n");
    http_reply(r->ex, 200, "text/plain; version=0.0.4; charset=utf-8", buf_view(&b));
}

void server_metrics(struct request *r)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct kubelet *k = r->s->k;
    int pods = 0, containers = 0;

    MAP_EACH(e, &k->workers) {
        struct pod_worker *w = e->value;

        pods += w->pod && !w->forgotten && pod_runtime_any_running(w->rt);
        for (size_t i = 0; w->rt && i < w->rt->n_containers; i++)
            containers += w->rt->containers[i].state == CONTAINER_STATE_RUNNING;
    }
    buf_fmt(&b,
            "# TYPE kubelet_running_pods gauge\nkubelet_running_pods %d\n# TYPE "
            "kubelet_running_containers "
            "gauge\nkubelet_running_containers{container_state=\"running\"} %d\n"
            "# TYPE kubelet_node_name gauge\nkubelet_node_name{node=\"" PRI_STR "\"} 1\n",
            pods, containers, STR_ARG(k->o.node_name));
    http_reply(r->ex, 200, "text/plain; version=0.0.4; charset=utf-8", buf_view(&b));
}
