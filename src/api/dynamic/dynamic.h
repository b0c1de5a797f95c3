/* dynamic.h - admission that users configure: webhooks and policies.
 *
 * A write is a function of the request, of what is stored, and of the answers that webhooks have given. Its steps (write.c)
 * never wait. Where they come to a webhook whose answer to just this content is not known yet, they leave with an error that
 * means "not yet"; the verb's completion hands it to answers_wait(), which makes the calls and has the verb run again from
 * the newest stored version. What is unchanged takes the answer it has; what another writer changed meanwhile is asked anew,
 * as Kubernetes does on a conflict.
 *
 *     run ──▶ steps ──▶ answered? ── yes ──▶ store, reply
 *      ▲                   │ no: error "not yet"
 *      │                   ▼
 *      └── again() ◀── answers_wait(): calls, each with its own time limit
 *
 * Invariants
 *   (1) Where nothing configured concerns a write, its `answers` is NULL and its steps look at that one pointer.
 *   (2) All runs of a write see the same moment (write.now) and the same random numbers (answers_random).
 *   (3) A write waits for ANSWERS_DEADLINE_NS altogether; then, or when the client goes or the server stops, again() comes
 *       with an error, once, and the write is over. So does each wait end.
 *   (4) At most CALLS_OUT_MAX calls are out; the writes that wait hold at most WAITING_BYTES_MAX bytes, more get 429.
 *
 * API: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ */
#ifndef K1S_API_DYNAMIC_H
#define K1S_API_DYNAMIC_H
#include "api/api_internal.h"

#define ANSWERS_DEADLINE_NS (34 * NS_PER_S) /* of one write with all its webhooks, as Kubernetes */
#define CALLS_OUT_MAX 256                   /* others wait for their turn */
#define WAITING_BYTES_MAX ((size_t)64 << 20)

struct dynamic;
struct answers;

/* Loads what is configured and keeps it current by store watches. */
MUST_USE struct err *dynamic_new(struct api *api, struct dynamic **ret);
void dynamic_stop(struct dynamic *d); /* the server stops: ends all waits. NULL: nothing */
void dynamic_free(struct dynamic *d); /* NULL: nothing */

/* What match conditions and policies can name (schema/cel/cel.h), for those who check expressions before they are stored. The caller
 * frees it. */
struct cel_env;
struct cel_env *dynamic_env_new(unsigned cel_flags, bool has_params);

enum admission_op { ADMIT_CREATE, ADMIT_UPDATE, ADMIT_DELETE, ADMIT_CONNECT };

/* What is decided about: Kubernetes' admission.Attributes. */
struct attributes {
    struct req *req;
    struct arena *a;
    const struct kind *kind; /* of the URL's resource */
    str ns, name, subresource;
    enum admission_op op;
    /* Of the object, where it is not one of `kind` (Scale, Eviction, PodExecOptions ...): then obj and old are as clients see
     * them. Otherwise both are in the stored version. */
    const struct schema_type *type;
    str group, version, kind_name;
    struct json *obj;       /* changed in place by what mutates; NULL: there is none */
    const struct json *old; /* NULL: there is none */
    const struct delete_options *deletion;
    bool dry_run;
    struct answers *answers;
};

/* ---- one write's memory ---- */
/* NULL when nothing configured could concern requests to this resource and subresource with `op` (or `or_op`), and no webhook
 * converts its objects: writes wait for conversions as they do for admission. */
struct answers *answers_new(struct req *q, const struct kind *k, str subresource,
                            enum admission_op op, enum admission_op or_op);
/* A run begins: what the one before has made in the arena of runs is gone. NULL: nothing. */
void answers_begin(struct answers *n);
void answers_forget(struct answers *n); /* the next run is about another object */
struct arena *answers_arena(struct answers *n, struct req *q); /* n NULL: the request's */
/* Did the run end because of an answer that is missing? Then takes e, and again() will be called, later: with NULL to run
 * again, else with the error that ends the write. */
typedef void answers_again_fn(void *ctx, struct err *e);
bool answers_wait(struct answers *n, struct err *e, answers_again_fn *again, void *ctx);
/* Random bytes, the same ones in each run. n NULL: just random. */
void answers_random(struct answers *n, struct api *api, void *p, size_t size);

/* ---- the steps ---- */
struct attributes write_attributes(struct write *w);
/* in_tree: the built-in mutating plugins, which run once more when something changed; may be NULL. */
typedef struct err *in_tree_fn(void *ctx);
MUST_USE struct err *dynamic_mutate(struct attributes *t, in_tree_fn *in_tree, void *ctx);
MUST_USE struct err *dynamic_validate(struct attributes *t);

/* ---- requests that are no writes of an object: runs go(ctx) once they are admitted, or answers with the refusal. `t` is
 * copied; obj is changed in place, with nothing of an unfinished run left in it. ---- */
void dynamic_admit_then(const struct attributes *t, void (*go)(void *ctx), void *ctx);
/* exec, attach, port-forward and proxies: the options of the query as an object, back into the query when changed. */
void dynamic_connect(struct req *q, void (*go)(struct req *q));
#endif
