/* node_internal.h - what node.c (calls and times) and node_status.c (contents) share. */
#ifndef K1S_KUBELET_NODE_INTERNAL_H
#define K1S_KUBELET_NODE_INTERNAL_H
#include "kubelet/kubelet_internal.h"

enum node_condition {
    NODE_MEMORY_PRESSURE,
    NODE_DISK_PRESSURE,
    NODE_PID_PRESSURE,
    NODE_READY,
    NODE_N_CONDITIONS
};
struct condition_state {
    bool known, is_true;
    wall_time since;
};
struct node {
    struct kubelet *k;
    struct arena *arena;
    char *uid; /* NULL: not registered yet */
    struct loop_timer *lease_timer, *status_timer, *register_timer;
    bool registering, registered, telling, told, looking, dirty, images_dirty, closed;
    size_t calls; /* completions that name this node */
    mono_time last_told;
    uint64_t told_hash,
        telling_hash; /* of what the API has, and of what is on its way, without times; 0: nothing */
    int64_t told_revision; /* the Node's, with what was told last */
    struct condition_state conditions[NODE_N_CONDITIONS];
    /* the machine: read once */
    str hostname, machine_id, system_uuid, boot_id, kernel, os_image, architecture;
    int cpus;
    int64_t memory_bytes, disk_bytes;
    struct arena *images_arena;
    struct json *images;
};
void node_read_machine(struct node *n);
void node_object(struct node *n, struct arena *a, struct json *ret);      /* for its registration */
void node_labels_patch(struct node *n, struct arena *a, struct buf *out); /* for one that exists */
bool node_status_patch(struct node *n, struct arena *a, bool force,
                       struct buf *out);                       /* false: nothing new */
void node_set_images(struct node *n, const struct json *list); /* CRI's */
void node_event(struct node *n, const char *type, const char *reason, const char *message);
void node_is_registered(struct node *n, str body);
/* Whether the API's Node says what was told; what it says otherwise is told again as a transition. */
bool node_status_differs(struct node *n, const struct obj *obj);
void node_really_free(struct node *n);
/* kubelet.c: the API has the node's first status. */
void kubelet_node_is_told(struct kubelet *k);
#endif
