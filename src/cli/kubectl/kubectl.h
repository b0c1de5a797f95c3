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
    str ns; /* of -n, else the context's, else "default" */
    bool all_namespaces;
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
/* An upgraded connection (exec, attach, port-forward) speaking `protocol` over WebSocket. */
MUST_USE struct err *kube_websocket(struct kubectl *k, str path, const char *protocol,
                                    struct stream **ret);

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

/* ---- jsonpath.c: kubectl's JSONPath templates ---- */
MUST_USE struct err *jsonpath_eval(struct arena *a, str template, const struct json *root,
                                   struct buf *out);

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
        limit_bytes, cluster_ip, tcp, username, schedule, message;
    str files[64];
    size_t n_files;
    str literals[64];
    size_t n_literals;
    str from_files[64];
    size_t n_from_files;
    bool watch, watch_only, no_headers, show_labels, show_kind, all, recursive, follow, previous,
        timestamps, all_containers, prefix, stdin_, tty, force, force_conflicts, server_side, now,
        ignore_not_found, wait, wait_given, overwrite, client_only, help, all_namespaces,
        raw_output, quiet, prune;
    str raw;
};
typedef struct err *kube_command_fn(struct kube_args *args);
kube_command_fn cmd_get, cmd_describe, cmd_apply, cmd_create, cmd_replace, cmd_delete, cmd_logs,
    cmd_exec, cmd_scale, cmd_rollout, cmd_wait, cmd_version, cmd_api_resources, cmd_api_versions,
    cmd_patch, cmd_set, cmd_label, cmd_annotate, cmd_cluster_info, cmd_cordon, cmd_uncordon;

#endif
