/* kubectl.h - `k1s kubectl`: the client for a machine that has no other.
 *
 * A command is a short-lived process: everything lives in one arena, calls wait for their answer, the first error ends the
 * command. Wording of output and errors follows kubectl. */
#ifndef K1S_CLI_KUBECTL_H
#define K1S_CLI_KUBECTL_H
#include "schema/schema.h"
#include "wire/http.h"
#include "wire/json.h"

struct kube_config {
    str path, context, server, server_name, ca_pem, cert_pem, key_pem, token, ns;
    bool insecure;
};
struct kubectl {
    struct arena *a;
    struct loop *loop;
    struct http_client *http;
    struct tls_client *tls;
    struct kube_config config;
    str ns;        /* of -n, else the context's, else "default" */
    bool ns_given; /* by -n */
    bool all_namespaces;
    const char *command;
    struct json *discovery; /* array of resources, see kube_resource_find; NULL: not fetched yet */
};

/* ---- config.c: kubeconfig files and the flags that override them ---- */
struct kube_flags {
    str kubeconfig, context, server, token, ns, ca_file, user_agent;
    bool insecure;
};
MUST_USE struct err *kube_config_load(struct kubectl *k, const struct kube_flags *f);

/* ---- rest.c: one call at a time ---- */
struct kube_request {
    const char *method;
    str path;                          /* with query */
    const char *accept, *content_type; /* NULL: JSON */
    str body;
    int64_t timeout_ns; /* 0: none */
};
/* The answer of a status below 400; otherwise the Status as error. */
MUST_USE struct err *kube_call(struct kubectl *k, const struct kube_request *r, str *ret_body);
MUST_USE struct err *kube_call_json(struct kubectl *k, const struct kube_request *r,
                                    struct json **ret);
/* Streams a GET; fn returning false ends it (no error). */
typedef bool kube_data_fn(void *ctx, str data);
MUST_USE struct err *kube_stream(struct kubectl *k, str path, const char *accept,
                                 int64_t timeout_ns, kube_data_fn *fn, void *ctx);
/* Watches: fn gets each event's type and object; false ends it. */
typedef bool kube_event_fn(void *ctx, str type, struct json *object);
MUST_USE struct err *kube_watch(struct kubectl *k, str path, const char *accept, int64_t timeout_ns,
                                kube_event_fn *fn, void *ctx);
/* The same without waiting: for who drives the loop itself. */
struct http_call *kube_http(struct kubectl *k, const struct kube_request *r,
                            const struct http_header *more, size_t n_more,
                            const struct http_call_events *ev, void *ctx);
struct err *kube_status_err(struct kubectl *k, int status, str body);
struct err *kube_connection_err(struct kubectl *k, struct err *err); /* takes err */
/* Trails that tell how an error is shown: "Error from server (Reason): ...", or as it stands. Otherwise "error: ...". */
#define KUBE_SERVER "server"
#define KUBE_PLAIN "plain"
/* "error when creating "f.yaml": ...", as kubectl says where an object came from. Takes err. */
struct err *kube_add_source(struct err *err, str doing, str source);
void kube_print_error(const struct err *err);
/* Goes on after a failed object: shows the error kept so far, and keeps this one for the end. */
void kube_keep_error(struct err **kept, struct err *err);

/* ---- channel.c: numbered channels over WebSocket (exec, attach, port-forward) ---- */
struct channel;
struct channel_events {
    void (*opened)(void *ctx, struct err *err); /* once, first; owns err: it did not open */
    void (*data)(void *ctx, unsigned char number, str data);
    void (*end)(void *ctx);     /* once, after opened without an error */
    void (*drained)(void *ctx); /* after a write, when little is queued; may be NULL */
};
/* Not to be closed in its own callbacks. protocols: of Sec-WebSocket-Protocol. */
struct channel *channel_open(struct kubectl *k, str path, const char *protocols,
                             const struct channel_events *ev, void *ctx);
void channel_send(struct channel *c, unsigned char number, str data);
bool channel_send_end(struct channel *c, unsigned char number); /* false: the protocol cannot */
bool channel_is_full(const struct channel *c);                  /* then wait for drained */
void channel_close(struct channel *c);

/* ---- resource.c: what "deploy", "pods/x" or a manifest mean ---- */
struct kube_resource {
    str group, version, plural, singular, kind;
    bool namespaced;
};
MUST_USE struct err *
kube_resource_find(struct kubectl *k, str name,
                   struct kube_resource *ret); /* "po", "deployments.apps", "deployment.v1.apps" */
MUST_USE struct err *kube_resource_of(struct kubectl *k, const struct json *object,
                                      struct kube_resource *ret);
str kube_path(struct kubectl *k, const struct kube_resource *r, str ns, str name, str sub);
str kube_full_name(struct arena *a, const struct kube_resource *r); /* "deployment.apps" */
struct kube_target {
    struct kube_resource res;
    str name, ns;
    struct json *object; /* from a file; else NULL */
    str source;          /* that file */
    struct err *err;     /* owned: the server has no such kind; else NULL */
};
struct kube_targets {
    struct kube_target *items;
    size_t n;
};
/* "TYPE NAME...", "TYPE/NAME ...", "TYPE1,TYPE2"; names empty: all of the type. */
MUST_USE struct err *kube_targets_of_args(struct kubectl *k, char **args, int n,
                                          struct kube_targets *ret);
MUST_USE struct err *kube_targets_of_files(struct kubectl *k, const str *files, size_t n,
                                           bool recursive, struct kube_targets *ret);
MUST_USE struct err *kube_get(struct kubectl *k, const struct kube_target *t, struct json **ret);

/* ---- print.c ---- */
enum kube_format {
    FORMAT_TABLE,
    FORMAT_WIDE,
    FORMAT_JSON,
    FORMAT_YAML,
    FORMAT_NAME,
    FORMAT_JSONPATH,
    FORMAT_COLUMNS
};
struct kube_output {
    enum kube_format format;
    str argument;
    bool no_headers, show_labels, with_kind;
};
MUST_USE struct err *kube_output_parse(str o, struct kube_output *ret);
/* A Table answer; widths are kept in `state` across calls of one watch (NULL: none). */
struct table_state {
    bool header_printed;
    uint32_t widths[32];
};
void kube_print_table(struct kubectl *k, const struct json *table, const struct kube_output *o,
                      str kind_prefix, struct table_state *state);
MUST_USE struct err *kube_print_object(struct kubectl *k, struct json *object,
                                       const struct kube_output *o);
/* Left-aligned columns, three spaces apart, as tabwriter does for kubectl. */
struct columns {
    struct arena *a;
    str *cells;
    size_t n_columns, n_cells, cap;
};
void columns_add(struct columns *c, str cell);
void columns_print(const struct columns *c, const char *indent);

/* ---- tabs.c ---- */
void kube_print_tabbed(struct kubectl *k, str text); /* cells end with tabs */

/* ---- jsonpath.c: kubectl's JSONPath templates ---- */
MUST_USE struct err *jsonpath_eval(struct arena *a, str template, const struct json *root,
                                   struct buf *out);

/* ---- apply.c, create.c, delete.c, generate.c: what commands that write share ---- */
struct kube_args;
str kube_encode(struct kubectl *k, const struct json *v);
str kube_dry_run_query(const struct kube_args *args);
str kube_validation_query(const struct kube_args *args);
bool kube_is_client_dry_run(const struct kube_args *args);
/* "deployment.apps/x created" */
void kube_report(struct kube_args *args, const struct kube_resource *res, str name,
                 const char *what);
MUST_USE struct err *kube_print_result(struct kube_args *args, const struct kube_target *t,
                                       struct json *object, const char *what);
void kube_record_applied(struct kubectl *k, struct json *manifest); /* the annotation of apply */
MUST_USE struct err *kube_create(struct kube_args *args, struct kube_target *t,
                                 struct json **ret /* may be NULL */);
MUST_USE struct err *kube_delete(struct kube_args *args, const struct kube_target *t);
/* Until the object is gone or another one has its name. timeout_ns 0: for ever. Errors: TIMEOUT. */
MUST_USE struct err *kube_wait_deleted(struct kubectl *k, const struct kube_target *t, str uid,
                                       int64_t timeout_ns);
/* PATCH of the object or of a part of it (sub); honours --field-manager and --dry-run=server. */
MUST_USE struct err *kube_patch(struct kube_args *args, const struct kube_target *t,
                                const char *type, str patch, str sub, struct json **ret);
MUST_USE struct err *kube_generate(struct kube_args *args, struct json **ret);
MUST_USE struct err *kube_create_token(struct kube_args *args);
str kube_lower(struct kubectl *k, str s);

/* ---- pods.c, exec.c ---- */
MUST_USE struct err *kube_pod_of(struct kubectl *k, const char *name, struct json **ret);
/* The container meant when none was named; says so where there are several. */
str kube_default_container(const struct json *pod, str wanted, bool quiet);
const struct json *kube_container_spec(const struct json *pod, str name); /* of any kind; or NULL */
struct kube_process {
    const struct json *pod;
    str container;
    int in_fd, out_fd;
    bool with_input, tty, quiet;
    char **command; /* none: attach */
    int n_command;
};
/* Runs until it ends. Its exit status comes as an error of code 1000 + status without a message. */
MUST_USE struct err *kube_process(struct kubectl *k, const struct kube_process *what);

/* ---- node.c, drain.c ---- */
/* The nodes named ("n1", "node/n1"), or those of --selector or --all: an array. */
MUST_USE struct err *kube_nodes(struct kube_args *args, char **names, int n,
                                struct kube_resource *ret_res, struct json **ret);
/* Marks the node as (un)schedulable where it is not, and says so. */
MUST_USE struct err *kube_cordon(struct kube_args *args, const struct kube_resource *res,
                                 const struct json *node, bool cordon);
struct drain_verdict { /* what becomes of a pod when its node is drained */
    bool goes;
    const char *warning; /* NULL: none */
    const char *error;   /* NULL: none; the node cannot be drained */
};
struct drain_options {
    bool force, ignore_daemonsets, delete_emptydir_data;
};
/* daemonset_error: why the pod's DaemonSet could not be read; NULL: it could, or there is none. */
struct drain_verdict drain_verdict(const struct drain_options *o, const struct json *pod,
                                   const struct err *daemonset_error);
struct taint_change { /* of `kubectl taint`; arrays of {key, value, effect} */
    struct json *add, *remove;
};
/* KEY=VALUE:EFFECT, KEY:EFFECT; with "-" behind it: to be removed, then without an effect, too. */
MUST_USE struct err *taint_parse(struct arena *a, str spec, struct taint_change *c);
/* The taints that the node has afterwards, and kubectl's word for what happened: tainted, untainted, modified. */
MUST_USE struct err *taint_apply(struct arena *a, const struct json *node,
                                 const struct taint_change *c, bool overwrite, struct json **ret,
                                 const char **ret_word);

str kube_age(struct kubectl *k, str rfc3339); /* "5m", "<unknown>" */

/* ---- commands; argv[0] is the command's name. They return the exit status's error. ---- */
struct kube_args { /* what all commands share, already parsed */
    struct kubectl *k;
    char **args;
    int n; /* positional, without flags */
    char **rest;
    int n_rest; /* behind "--" */
    const struct kube_flagvals *f;
};
struct kube_flagvals {
    struct kube_flags common;
    str output, selector, field_selector, container, since, condition, timeout, image, type, patch,
        subresource, field_manager, dry_run, cascade, to_revision, revision, replicas,
        current_replicas, tail, grace, address, overrides, sort_by, resource_version, port,
        limit_bytes, cluster_ip, tcp, schedule, validate, since_time, from_env_file, docker_server,
        docker_username, docker_password, docker_email, cert, key, from, node_port, external_name,
        verb, resource, resource_name, user, group, service_account, role, cluster_role, hard,
        value, description, class_name, audience, target_port, name, protocol, min, max,
        cpu_percent, restart, pull_policy, labels, label_columns, pod_selector;
    str rules[64], env[64];
    size_t n_rules, n_env;
    str files[64];
    size_t n_files;
    str literals[64];
    size_t n_literals;
    str from_files[64];
    size_t n_from_files;
    bool watch, watch_only, no_headers, show_labels, show_kind, all, recursive, follow, previous,
        timestamps, all_containers, prefix, stdin_, tty, force, force_conflicts, server_side, now,
        ignore_not_found, wait, wait_given, overwrite, client_only, help, all_namespaces, quiet,
        prune, save_config, record, rm, as_command, ignore_daemonsets, delete_emptydir_data,
        disable_eviction;
    str raw;
};
typedef struct err *kube_command_fn(struct kube_args *args);
kube_command_fn cmd_get, cmd_describe, cmd_apply, cmd_create, cmd_replace, cmd_delete, cmd_logs,
    cmd_exec, cmd_scale, cmd_rollout, cmd_wait, cmd_version, cmd_api_resources, cmd_api_versions,
    cmd_patch, cmd_set, cmd_label, cmd_annotate, cmd_cluster_info, cmd_cordon, cmd_uncordon,
    cmd_drain, cmd_taint, cmd_attach, cmd_cp, cmd_port_forward, cmd_edit, cmd_explain, cmd_diff,
    cmd_run, cmd_expose, cmd_autoscale;

#endif
