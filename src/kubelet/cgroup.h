/* cgroup.h - the kubelet's own levels of the control group tree: /kubepods, its two lower classes, one group per pod.
 *
 * The runtime makes the containers' groups below the pod's. Names are those of the kubelet's cgroupfs driver, since the field's
 * tools look there: /kubepods/pod<uid> (guaranteed), /kubepods/burstable/pod<uid>, /kubepods/besteffort/pod<uid>.
 * Works on version 1 (one tree per controller) and version 2 (one tree). Blocking but short: kernel files only. Any thread. */
#ifndef K1S_KUBELET_CGROUP_H
#define K1S_KUBELET_CGROUP_H
#include "kubelet/podspec.h"

struct cgroup_fs {
    const char *root; /* "/sys/fs/cgroup"; a test's own tree */
    bool v2;
};
bool cgroup_is_v2(const char *root);

#define CGROUP_CPU_PERIOD_US INT64_C(100000)
#define CGROUP_CPU_SHARES_MIN INT64_C(2)
#define CGROUP_CPU_SHARES_MAX INT64_C(262144)
#define CGROUP_CPU_QUOTA_MIN_US INT64_C(1000)
int64_t cgroup_shares_of_milli(int64_t cpu_milli);
int64_t cgroup_quota_of_milli(int64_t cpu_milli, int64_t period_us); /* 0: no limit */
int64_t cgroup_weight_of_shares(int64_t shares);                     /* version 2: 1 ... 10000 */

struct cgroup_limits { /* 0: not set */
    int64_t cpu_shares, cpu_quota_us, cpu_period_us, memory_bytes, pids;
};
/* "/kubepods/burstable/pod<uid>"; without a pod the class's own group. */
str cgroup_class_path(struct arena *a, enum pod_qos qos);
str cgroup_pod_path(struct arena *a, const struct json *pod);
void cgroup_pod_limits(const struct json *pod, struct cgroup_limits *ret);

/* Makes the group (and those above it) in every tree and writes the limits. Negative errno. */
int cgroup_make(const struct cgroup_fs *fs, str path, const struct cgroup_limits *limits);
/* Removes the group and all below it; processes in it are killed first when `kill` is set. */
int cgroup_remove(const struct cgroup_fs *fs, str path, bool kill);
/* Names of the pods' groups present ("pod<uid>" -> uid), for cleaning up after a crash. */
typedef void cgroup_pod_fn(void *ctx, str uid, str path);
void cgroup_each_pod(const struct cgroup_fs *fs, cgroup_pod_fn *fn, void *ctx);

struct cgroup_usage {
    bool found;
    uint64_t cpu_ns, memory_usage_bytes, memory_working_set_bytes, memory_rss_bytes, page_faults,
        major_page_faults, pids;
    int64_t oom_kills;
};
void cgroup_usage(const struct cgroup_fs *fs, str path, struct cgroup_usage *ret);
#endif
