/* api_internal.h - what the files of src/api share: the server, a request, and the steps of its
 * way.
 *
 * A request lives in its exchange's arena, from api_handle() to http_end(). Steps return an error
 * or answer; whoever answers (reply_*) ends the request: it must not be touched afterwards. */
#ifndef K1S_API_INTERNAL_H
#define K1S_API_INTERNAL_H
#include "api/api.h"
#include "api/authz_config.h"
#include "api/kinds.h"

#define API_BODY_MAX (3u << 20)      /* bytes of a request body, as Kubernetes */
#define API_GZIP_MIN (128u << 10)    /* smaller answers are not compressed, as Kubernetes */
#define API_STALL_NS (60 * NS_PER_S) /* for a reader to take something of a list */
#define API_LIST_CHUNK (128u << 10)  /* bytes written at a time while a list is streamed */
#define API_ZIP_CHUNKS 4             /* of them compressed in one turn: some three milliseconds */
#define API_LIST_WHOLE                                                                             \
    64 /* items at most of a made list that is sent as a whole, with its length */
#define API_WATCH_QUEUE_MAX (16u << 20) /* bytes a watcher may lag behind before it is ended */
#define API_GENERATE_TRIES 8            /* names tried for generateName, as Kubernetes */

/* A served resource: its schema row, its hooks, and what is worked out once. */
struct kind {
    const struct resource *r;
    const struct kind_hooks *hooks;
    kind_validate_fn *rules;      /* beyond the schema's; NULL: none (api/validation/) */
    const struct column *columns; /* NULL: default ones */
    const struct kind *storage;   /* the kind in whose version objects are stored; itself mostly */
    str api_version;              /* "apps/v1" */
    str head;        /* {"kind":"Deployment","apiVersion":"apps/v1", : how stored bytes begin */
    str status_name; /* "deployments.apps": in messages */
    const struct converter *converter; /* custom kinds with a conversion webhook; NULL: none */
    bool has_status, has_scale;
    const char *scale_replicas, *scale_status,
        *scale_selector; /* custom kinds: where the scale subresource looks; dot paths */
};

struct user_extra {
    str key;
    str *values;
    size_t n_values;
};
struct user {
    str name, uid;
    str *groups;
    size_t n_groups;
    struct user_extra *extra;
    size_t n_extra;
    bool masters; /* in system:masters */
};

/* As authentication.k8s.io/v1 UserInfo (reviews.c). */
struct json user_json(struct arena *a, const struct user *u);

struct route { /* Kubernetes' RequestInfo */
    bool is_resource;
    str verb; /* "get", "list", "deletecollection"...; lower-case method otherwise */
    str path;
    str prefix, group, version; /* prefix "api" or "apis" */
    str ns, resource, name, subresource;
    str selected_name; /* metadata.name of a collection's field selector: authorization asks for it
                        */
    str rest;          /* below the subresource (proxy): "a/b", no leading slash */
    bool watch_prefix; /* /api/v1/watch/... */
    bool malformed;    /* empty segments and the like: found nowhere */
    const struct kind *kind;       /* NULL: not served */
    const struct subresource *sub; /* NULL: none or not served */
};

enum media { MEDIA_JSON, MEDIA_YAML, MEDIA_PROTOBUF };
enum accept_as { AS_OBJECT, AS_TABLE, AS_PARTIAL, AS_PARTIAL_LIST, AS_DISCOVERY };
struct accept {
    enum media media;
    enum accept_as as;
    str as_version;    /* "v1", "v1beta1", "v2" */
    bool stream_watch; /* ";stream=watch" was asked for by name */
};

enum field_validation { FIELDS_WARN, FIELDS_STRICT, FIELDS_IGNORE };
struct write_options { /* CreateOptions, UpdateOptions, PatchOptions */
    bool dry_run, force;
    enum field_validation fields;
    str manager;
};

struct req {
    struct api *api;
    struct http_exchange *ex;
    struct arena *a;
    struct user *user;
    struct route route;
    struct accept accept;
    bool pretty, nosniff;
    struct json warnings; /* array of strings: Warning headers to send */
    struct write_options wo;
    struct conversions *conversions; /* NULL: nothing was converted by a webhook */
    struct audited *audited;         /* NULL: the audit log does not want to know */
    str flow_uid, level_uid;         /* of priority and fairness; empty: not classified */
};

struct api_check {
    struct api_check *next;
    char *name;
    bool ok;
};
struct rbac;
struct authn;
struct node_authorizer;
struct audit;
struct audited;
struct flow;
struct addresses;
struct node_ports;
struct repair;
struct event_ttl;
struct quota_sums;
struct flowschemas;
struct dynamic;
struct discovery;
struct crds;
struct outgoing;
struct apiservices;
struct conversions;
struct converter;

struct api {
    struct loop *loop;
    struct store *store;
    struct arena *arena;  /* lives as long as the server: options, kinds */
    struct api_options o; /* strings in the arena */
    struct kind *kinds;
    size_t n_kinds;
    struct map kind_by_path; /* "group/version/plural" -> struct kind */
    struct rbac *rbac;
    struct authn *authn;
    struct authz_config authz;
    struct security_config *security; /* which Pod Security Standards count (pod_security.h) */
    struct node_authorizer *nodes;
    struct audit *audit; /* NULL: no audit log */
    struct flow *flow;
    struct addresses *addresses;
    struct node_ports *node_ports;
    struct repair *repair; /* NULL until bootstrapped */
    struct event_ttl *event_ttl;
    struct quota_sums *quota_sums;
    struct flowschemas *flowschemas;
    struct dynamic *dynamic; /* webhooks and policies (dynamic/) */
    size_t n_dynamic;        /* of them configured; 0: nobody need look */
    struct discovery *discovery;
    struct crds *crds; /* custom kinds */
    struct api_check *checks;
    struct http_client *kubelets; /* for log, exec, proxy; made at first use */
    struct tls_client *kubelet_tls;
    struct apiservices *apiservices; /* who serves which group-version */
    struct outgoing *outgoing;       /* to webhooks and aggregated servers; made at first use */
    struct list watchers;            /* open watches, so that close can end them */
    bool bootstrapped, closing;
    wall_time started;
    uint64_t n_requests; /* for /metrics */
};

/* ---- resource.c: which kinds are served ---- */
void api_kinds_init(struct api *api);
const struct kind *api_find_kind(struct api *api, str group, str version,
                                 str plural); /* NULL: not served */
const struct kind *api_find_kind_by_name(struct api *api, str group, str version, str kind);
const struct kind *api_core(struct api *api, const char *plural); /* of core v1; must exist */
const struct subresource *kind_find_sub(const struct kind *k, str name);
struct key kind_key(const struct kind *k, str ns, str name);
size_t api_kind_count(struct api *api); /* all that is served, custom kinds last */
const struct kind *api_kind_at(struct api *api, size_t i);
bool api_group_is_served(struct api *api, str group, str version);

/* ---- route.c ---- */
void route_parse(struct api *api, struct arena *a, const struct http_request *r, struct route *ret);

#define FIELD_MANAGER_MAX 128 /* bytes of a field manager's name */

/* ---- request.c: options and negotiation ---- */
MUST_USE struct err *accept_parse(struct req *q, bool list_like, bool watch);
MUST_USE struct err *write_options_parse(struct req *q, const char *options_kind);
MUST_USE struct err *query_int(struct req *q, const char *name, int64_t *ret, bool *ret_given);
bool query_bool(struct req *q, const char *name, bool *ret_given);
str query_str(struct req *q, const char *name); /* empty: absent */
/* The body as a tree by its Content-Type. Texts are those of create and update of `k`; warnings and
 * strictness follow q->wo. */
MUST_USE struct err *body_decode(struct req *q, const struct kind *k, const struct schema_type *t,
                                 str group, str version, str kind, struct json **ret);
/* The type that a body's kind is looked up with, as errors print it. */
#define GO_TYPE_META                                                                               \
    "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "               \
    "\"json:\\\"kind,omitempty\\\"\" }"
/* PATCH of what is no stored object, such as a Scale: options and body, with all that is said of them. k: the kind that it has,
 * which is its own storage. Lives as long as the request. */
struct patching;
MUST_USE struct err *patch_begin(struct req *q, const struct kind *k, struct patching **ret);
const struct json *patch_config(const struct patching *p); /* NULL: it is no apply */
/* What the patch makes of live, decoded; may be called again. */
MUST_USE struct err *patch_tree(struct patching *p, struct arena *a, const struct json *live,
                                struct json **ret);
/* 409 of an update that names another UID. */
struct err *err_uid_mismatch(const struct kind *k, str ns, str name, str wanted, str have);
/* w may be NULL; otherwise it is made ready for schema_decode(), or told what only YAML's reader tells. */
MUST_USE struct err *body_parse(struct req *q, struct schema_warnings *w, struct json **ret);
/* What a strict decoder told, as the end of an error or as warnings. yaml_head: how the error that YAML's texts are part of
 * begins. */
void strict_text(struct buf *b, const struct json *problems, const char *yaml_head);
void strict_warn(struct req *q, const struct json *problems);
#define YAML_ERRORS "yaml: unmarshal errors:"
void req_warn(struct req *q, str text);
str req_manager(struct req *q); /* fieldManager or the user agent's first word */

/* ---- status.c ---- */
struct err *err_details(struct err *e, str group, str kind, str name);
struct err *err_not_found(const struct kind *k, str name);
struct err *err_exists(const struct kind *k, str name);
struct err *err_conflict(const struct kind *k, str name, const char *why);
/* An object that was sent must be the one of the URL. */
struct err *err_other_namespace(void);
MUST_USE struct err *check_url_name(str sent, str of_url);
struct err *err_forbidden(const struct kind *k, str name, const char *fmt, ...) PRINTF(3, 4);
struct err *err_no_route(void);  /* 404 of an unknown path below /api */
struct err *err_no_method(void); /* 405 */
/* Fills message and details of collected causes: `Kind.group "name" is invalid: ...`. */
struct err *err_invalid(struct err *causes, str group, str kind, str name);
/* Appends a cause, making *errs when it is the first. */
void cause(struct err **errs, const char *type, str field, const char *fmt, ...) PRINTF(4, 5);
#define CAUSE_INVALID "FieldValueInvalid"
#define CAUSE_REQUIRED "FieldValueRequired"
#define CAUSE_NOT_SUPPORTED "FieldValueNotSupported"
#define CAUSE_FORBIDDEN "FieldValueForbidden"
#define CAUSE_DUPLICATE "FieldValueDuplicate"
#define CAUSE_NOT_FOUND "FieldValueNotFound"
#define CAUSE_TOO_LONG "FieldValueTooLong"
#define CAUSE_TOO_MANY "FieldValueTooMany"
#define CAUSE_INTERNAL "InternalError"
void buf_status(struct buf *b, const struct err *e);

/* ---- respond.c: all answers leave through here ---- */
void reply_error(struct req *q, struct err *e); /* owns e */
void reply_bytes(struct req *q, int code, const char *content_type, str body);
/* With an ETag: whoever sends it back is answered before the body is made. */
void reply_cacheable(struct req *q, const char *content_type, str etag, str vary, str body);
/* Canonical JSON of a stored object of kind k (in storage version) in the negotiated form. */
void reply_object(struct req *q, int code, const struct kind *k, str data);
/* A tree that is not stored: Status, reviews, Scale. t may be NULL: then protobuf is refused. */
void reply_tree(struct req *q, int code, const struct schema_type *t, struct json *v);
/* 200 with what is made on request and not stored (a Scale; component statuses, one or a list), in the form that q accepts.
 * columns NULL: those of the kind of the URL. t: the type of `v`. */
void reply_made(struct req *q, const struct column *columns, const struct schema_type *t,
                struct json *v);
void reply_page_not_found(struct req *q);
/* As Go's http.Error: what stands outside of the API's own conventions. */
void reply_plain_error(struct req *q, int code, str text);
void reply_no_content(struct req *q); /* 204 */
void reply_status_ok(struct req *q, int code, const struct kind *k, str name, str uid);
/* With each piece of an answer that waits for its reader: one who takes nothing for a minute loses it, as kube-apiserver ends
 * each request after that time. Then on_gone is called, after which http_end() breaks the answer off. `timer` is freed with
 * loop_timer_free(). */
void reply_awaits_reader(struct req *q, struct loop_timer **timer);
struct http_header *reply_headers(struct req *q, const char *content_type, size_t *ret_n,
                                  size_t extra);
const char *media_name(enum media m);
/* Encodes a tree in the negotiated media type into b. */
void encode_media(struct req *q, struct buf *b, const struct schema_type *t, struct json *v);

/* ---- object.c: from trees to stored bytes ---- */
/* Canonical bytes, labels and fields of obj into ret, for the revision. */
MUST_USE struct err *object_store(struct arena *a, const struct kind *k, struct json *obj,
                                  int64_t revision, struct store_change *ret);
void object_encode(struct buf *b, const struct kind *k, const struct json *obj);
/* Parses stored bytes; they are ours and always parse. */
struct json *object_parse(struct arena *a, str data);
str object_with_revision(struct arena *a, str data, int64_t from,
                         int64_t to); /* the same bytes with another resourceVersion */
bool object_matches(const struct obj *o, const struct selector *labels,
                    const struct selector *fields);
MUST_USE struct err *field_selector_check(const struct kind *k, const struct selector *s);
/* Stored tree -> as served by k. */
/* With a conversion webhook both may fail with "not yet": conversion.h. */
MUST_USE struct err *object_to_served(struct req *q, struct arena *a, const struct kind *k,
                                      struct json *obj);
MUST_USE struct err *object_to_storage(struct req *q, struct arena *a, const struct kind *k,
                                       struct json *obj);
void object_reorder(struct arena *a, const struct kind *k, struct json *obj);

/* ---- meta.c: metadata of objects ---- */
void meta_fill_create(struct write *w); /* uid, creationTimestamp, generation, generateName */
void meta_generate_name(struct write *w);
void meta_validate(struct write *w, struct err **errs); /* validation/metadata.c */
void meta_validate_update(struct write *w, struct err **errs);
void meta_keep_system(struct write *w);                           /* what an update may leave out */
str new_uid(struct api *api, struct answers *n, struct arena *a); /* n: dynamic.h; mostly NULL */
str now_text(struct arena *a, wall_time t);
struct json *meta_of(struct arena *a, struct json *obj); /* made when absent */
str meta_str(const struct json *obj, const char *field);
bool name_is_dns_subdomain(str s);
bool name_is_dns_label(str s);

/* ---- write.c: the steps that create, update, patch and apply share ---- */
MUST_USE struct err *write_create_steps(struct write *w);
/* `status`, `scale`... keep what the subresource does not own. */
MUST_USE struct err *write_update_steps(struct write *w);
/* Warning headers about an accepted object (warnings.c). */
void warnings_add(struct write *w);
MUST_USE struct err *write_track(struct write *w, str manager, str subresource);
/* Stores w->obj unless nothing changed; deletes it when its last finalizer went. ret_reply: what
 * the client gets (may be empty: the stored bytes). */
MUST_USE struct err *write_put(struct write *w, const struct obj *current, int64_t revision,
                               struct store_change *ret, str *ret_reply);
/* The write has been answered by the store, or never got there: for the kind's `settled`. */
void write_settled(struct write *w, bool ok);

/* ---- verbs ---- */
/* ---- zipped.c ---- */
bool wants_gzip(struct req *q);         /* and may have it */
bool gzip_all(struct buf *out, str in); /* false: did not work, send as it is */
struct zipper;                          /* a compressed answer that is written in pieces */
struct zipper *zipper_new(void);        /* NULL: did not work */
void zipper_free(struct zipper *zip);   /* NULL: nothing */
void zipper_write(struct zipper *zip, struct http_exchange *ex, str piece, bool last);
/* What the head of such an answer says of its body, two headers at most; returns how many. length SIZE_MAX: not known. */
size_t stream_headers(struct req *q, struct http_header *h, const struct zipper *zip,
                      size_t length);
void verb_create(struct req *q);
void verb_get(struct req *q);
void verb_list(struct req *q);
void verb_watch(struct req *q);
void verb_update(struct req *q);
void verb_patch(struct req *q);
void verb_delete(struct req *q);
void verb_deletecollection(struct req *q);
/* Dot paths that a view of the object (approval, finalize...) may change; NULL: it is no such view.
 */
const char *subresource_owns(str plural, str sub);
void subresource_token(struct req *q);
void subresource_binding(struct req *q);
void subresource_eviction(struct req *q);
void verb_subresource(struct req *q); /* all but status, which the verbs above do themselves */
struct list_options {
    struct selector labels, fields;
    bool has_labels, has_fields;
    int64_t limit, revision, timeout_s;
    bool has_revision, has_timeout, watch, bookmarks, has_send_initial, send_initial;
    str continue_token, match, revision_text;
};
/* "apps/v1, Kind=..." names of Go's internal packages in messages. */
const char *internal_package(str group);
MUST_USE struct err *list_options_parse(struct req *q, bool watch, struct list_options *ret);
/* A whole list as JSON (small ones; large lists are streamed by read.c). remaining < 0: not told.
 */
void list_encode(struct buf *b, const struct kind *k, const struct obj *const *objs, size_t n,
                 int64_t revision, str cont, int64_t remaining);
/* list_form.c: tables, metadata and protobuf, an object at a time. Takes over the references. */
bool list_is_formed_singly(const struct req *q);
void list_reply_formed(struct req *q, const struct obj **objs, size_t n, int64_t revision, str cont,
                       int64_t remaining);
/* list_find - the objects that a list request means: its selectors, limit, revision and continue token.
 *
 * found   called once, in this turn or later, with a listing that lives as long as the request and holds references until
 *         list_reply() or list_drop(). Not called on errors: these have been answered by then. */
struct listing;
typedef void list_found_fn(void *ctx, struct listing *l);
void list_find(struct req *q, list_found_fn *found, void *ctx);
const struct obj *list_object(const struct listing *l, size_t i); /* borrowed; NULL: no more */
void list_reply(struct listing *l); /* answers with the list in the form that was negotiated */
void list_drop(struct listing *l);
void watch_close_all(struct api *api);
void watch_close_resource(
    struct api *api,
    str storage_resource); /* watches of a custom kind whose definition has changed */

/* DeleteOptions from body or query. */
struct delete_options {
    bool has_grace, has_orphan, orphan, dry_run, evicted;
    int64_t grace_s;
    str propagation, uid, resource_version;
    bool has_uid, has_rv;
};
MUST_USE struct err *delete_options_parse(struct req *q, struct delete_options *ret);
/* What deleting `current` amounts to: a write that marks it, or its end. ret_gone: it is gone after
 * this change. */
MUST_USE struct err *delete_decide(struct req *q, const struct kind *k, struct arena *a,
                                   const struct obj *current, int64_t revision,
                                   const struct delete_options *o, struct store_change *ret,
                                   bool *ret_gone, str *ret_reply);

/* ---- table.c ---- */
/* One Table for n objects: trees as they are stored; custom resources as they are served. with_columns: only the first event
 * of a watch has them. */
struct json *table_make(struct req *q, const struct kind *k, struct json **objs, size_t n,
                        str list_meta_rv, str cont, int64_t remaining, bool with_columns);
/* Rows of the one kind whose tables are not in the order of names. */
void table_sort(struct req *q, const struct kind *k, const struct obj **objs, size_t n);
/* A row as text, from stored text; uses q's arena. */
void buf_table_row(struct buf *b, struct req *q, const struct kind *k, str data);
/* PartialObjectMetadata from stored text, in JSON. */
void buf_partial(struct buf *b, const struct req *q, str data);
/* The object in the form that q accepts, where stored text yields that without a tree; false: it does not. */
bool object_form(struct buf *b, const struct req *q, const struct kind *k, str data,
                 struct arena *scratch);
struct json *partial_make(struct req *q, struct json *obj);

/* ---- authn.c, authz.c, rbac.c ---- */
MUST_USE struct err *authz_new(struct api *api); /* reads who is asked */
MUST_USE struct err *authn_new(struct api *api, struct authn **ret);
void authn_free(struct authn *n);
MUST_USE struct err *authn_request(struct req *q);
MUST_USE struct err *authn_impersonate(struct req *q);
struct token_user { /* whose a token is */
    struct user *user;
    struct json *audiences; /* given by the caller, or NULL: those of `audiences` that fit */
    str warning;            /* for a Warning header */
    str note_key, note;     /* for the audit log */
};
/* A bearer token's user; UNAUTHORIZED when it is nobody's. audiences: what the caller accepts (none:
 * ours). */
MUST_USE struct err *authn_token(struct api *api, struct arena *a, str token,
                                 const struct json *audiences, struct token_user *ret);
struct json authn_audiences(const struct api *api, struct arena *a);
/* Signs a token; UNAVAILABLE before there is a key. bound: members of the claim "kubernetes.io". */
MUST_USE struct err *token_issue(struct api *api, struct arena *a, str ns, str name, str uid,
                                 const struct json *audiences, struct json *bound, int64_t seconds,
                                 str *ret_token, str *ret_id);
str authn_key_pem(const struct api *api); /* empty: not yet */

/* flow.c: priority and fairness */
MUST_USE struct err *flow_new(struct api *api, struct flow **ret);
void flow_stop(struct flow *f); /* the server closes */
void flow_free(struct flow *f);
/* true: go on. false: the request waits, and api_serve() comes later, or it was refused. */
bool flow_admit(struct req *q);
void api_serve(struct req *q); /* server.c: from authorization on */

/* audit.c: nothing of it happens when there is no audit log */
MUST_USE struct err *audit_new(struct api *api, struct audit **ret);
void audit_close(struct audit *u, loop_fn *closed, void *ctx);
/* What the request is known by, to its client and in the log: as the client named it, else random. Every answer tells it. */
str audit_id(struct req *q);
void audit_begin(struct req *q); /* after authentication; q->user may be NULL: that failed */
void audit_decision(struct req *q, bool allowed, str reason);
void audit_error(struct req *q, const struct err *e);          /* the answer will be this Status */
void audit_error_text(struct req *q, str reason, str message); /* likewise */
bool audit_keeps_body(const struct req *q);         /* the answer must not be compressed */
void audit_note(struct req *q, str key, str value); /* both live as long as the request */
uint32_t audit_notes(const struct req *q);          /* how many there are */
void audit_forget(struct req *q, uint32_t n);       /* all but the first n */
bool audit_keeps_notes(const struct req *q);        /* is there an event of this request? */
bool audit_keeps_bodies(const struct req *q);       /* at its level */
void audit_impersonated(struct req *q, const struct user *u, const char *constraint);

struct access { /* what is asked: authorizer attributes */
    bool is_resource;
    str verb, group, version, resource, subresource, name, ns, path;
    str field_selector;                    /* text, or the next */
    const struct json *field_requirements; /* of a SubjectAccessReview; NULL: none */
};
bool authz_allows(struct api *api, struct arena *a, const struct user *u, const struct access *x,
                  str *ret_reason);
MUST_USE struct err *authz_request(struct req *q);
struct access access_of(const struct req *q);
MUST_USE struct err *err_access_denied(struct arena *a, const struct user *u,
                                       const struct access *x, str why);
/* node_authorizer.c. Is the user a kubelet? Then its node's name, else empty. */
str node_of_user(const struct user *u);
struct node_authorizer *node_authorizer_new(struct api *api);
void node_authorizer_free(struct node_authorizer *g);
bool node_authorizer_allows(struct node_authorizer *g, struct arena *a, str node,
                            const struct access *x, str *ret_why);
/* Do the rules of a cluster role, whoever has it, allow this? */
bool rbac_role_allows(struct rbac *r, struct arena *a, str cluster_role, const struct access *x);
MUST_USE struct err *rbac_new(struct api *api, struct rbac **ret);
void rbac_free(struct rbac *r);
bool rbac_allows(struct rbac *r, struct arena *a, const struct user *u, const struct access *x,
                 str *ret_reason);
/* All rules of the user in ns as SubjectRulesReviewStatus. */
void rbac_rules_of(struct rbac *r, struct arena *a, const struct user *u, str ns,
                   struct json *resource_rules, struct json *non_resource_rules);

/* ---- others ---- */
MUST_USE struct err *admission_create(struct write *w);
MUST_USE struct err *admission_update(struct write *w);
/* The plugins that only look, once the object is valid: the last word has the quota. */
MUST_USE struct err *admission_validate(struct write *w);
/* alone: it is not one of a collection. */
MUST_USE struct err *admission_delete(struct req *q, const struct kind *k, str name, bool alone);
void discovery_init(struct api *api);
void discovery_fini(struct api *api);
void discovery_again(struct api *api);        /* what is served has changed */
bool discovery_handle(struct req *q);         /* false: not its path */
bool openapi_handle(struct req *q, str path); /* below /openapi/ */
bool health_handle(struct req *q);
void proxy_log(struct req *q);
void proxy_exec(struct req *q);
void proxy_any(struct req *q);
struct node_ports *node_ports_new(struct api *api);
void node_ports_free(struct node_ports *ports);
MUST_USE struct err *event_ttl_new(struct api *api, struct event_ttl **ret);
void event_ttl_free(struct event_ttl *t);
/* Keeps the condition of FlowSchemas that tells whether their level is missing. */
MUST_USE struct err *flowschemas_new(struct api *api, struct flowschemas **ret);
void flowschemas_free(struct flowschemas *f); /* NULL: nothing */

struct group_info {
    const char *name;
    const char *version;
    int group_priority, version_priority;
};
extern const struct group_info
    api_groups[]; /* in the order of /apis; ends with name NULL; core is not among them */
#endif
