/* dynamic_internal.h - the parts of src/api/dynamic and how they hang together.
 *
 *   configure.c   what is configured, kept current by store watches
 *   match.c       rules and selectors: does it concern this request, and in which version?
 *   form.c        the object as a webhook or policy wants to see it, and back
 *   answers.c     a write's memory: what has been asked, waiting, running again
 *   review.c      AdmissionReview: the question as JSON, what is wrong with an answer
 *   call.c        one call over HTTPS (outgoing.h), in its turn
 *   expressions.c CEL: variables, budgets, the authorizer
 *   conditions.c  matchConditions of webhooks
 *   policies.c    policies and bindings, and whom they concern; policy_params.c, policy_validate.c, policy_mutate.c
 *   webhooks.c    mutating webhooks one after the other, validating ones at once
 *   mutate.c      mutating policies and webhooks, and their second round
 *   connect.c     requests that write no object */
#ifndef K1S_API_DYNAMIC_INTERNAL_H
#define K1S_API_DYNAMIC_INTERNAL_H
#include "api/dynamic/dynamic.h"
#include "schema/cel/cel.h"

#define WEBHOOK_TIMEOUT_S 10 /* where the configuration does not say, as Kubernetes */

/* ---- match.c ---- */
struct match_rule { /* borrowed from the configuration's tree */
    const struct json *groups, *versions, *resources, *operations, *names;
    char scope; /* '*', 'N', 'C' */
};
struct matcher {
    struct match_rule *rules, *excluded;
    size_t n_rules, n_excluded;
    bool equivalent;
    struct selector namespaces, objects;
    bool some_namespaces, some_objects; /* the selectors leave something out */
};
/* m: the webhook, or matchConstraints / matchResources; NULL matches everything. rules: the member's name. */
struct matcher matcher_of(struct arena *a, const struct json *m, const char *rules);
/* Does it match? ret_kind: the version to show, t->kind unless only another one matches. An error only where rules match. */
MUST_USE struct err *matcher_try(const struct matcher *m, struct attributes *t, bool *ret_matches,
                                 const struct kind **ret_kind);
/* By resource and operation alone: false where no object whatsoever could match. */
bool matcher_concerns(const struct matcher *m, struct api *api, const struct kind *k,
                      str subresource, enum admission_op op);
/* The kinds of the admission configuration itself are admitted by nobody. */
bool kind_is_exempt(const struct kind *k);
str operation_name(enum admission_op op);

/* ---- form.c ---- */
/* A copy of obj (t->obj or t->old) in the version of k, in the form that Go writes. NULL gives NULL. */
MUST_USE struct err *form_show(struct attributes *t, const struct kind *k, const struct json *obj,
                               struct json **ret);
/* `next` (in the version of k, changed by somebody) becomes t->obj: decoded, defaulted, converted. shown: what it was. */
MUST_USE struct err *form_take(struct attributes *t, const struct kind *k, const struct json *shown,
                               struct json *next, bool *ret_changed);
struct json form_options(struct attributes *t); /* CreateOptions, ...; null for CONNECT */
/* "Internal error occurred: ..." with its cause. */
MUST_USE struct err *err_internal(const char *fmt, ...) PRINTF(1, 2);

/* The question's members but object and oldObject. */
struct json form_request(struct attributes *t, const struct kind *k);
/* Both objects in the version of k. */
struct shown {
    const struct kind *kind;
    struct json *obj, *old; /* NULL: there is none */
};
MUST_USE struct err *shown_make(struct attributes *t, const struct kind *k, struct shown *ret);
str attributes_name(const struct attributes *t); /* for messages; never empty */

/* ---- expressions.c ---- */
struct scope { /* what expressions can name */
    struct cel_env *env;
    unsigned object, old, request, namespace, authorizer, check, params;
    bool has_params, uses_request, uses_namespace; /* uses: some expression does */
};
struct expression {
    str text, error; /* error: why it does not compile */
    const struct cel_program *program;
};
enum evaluation_state { EVALUATION_NONE, EVALUATION_DONE, EVALUATION_FAILED, EVALUATION_OVER };
struct evaluation {
    enum evaluation_state state; /* OVER: the budget is spent, nothing more is evaluated */
    str error;
    struct cel_value value;
};
void scope_init(struct scope *s, unsigned cel_flags, bool has_params);
void scope_fini(struct scope *s); /* a zeroed one too */
/* want NULL: any type. One that does not compile fails whenever it is evaluated. */
struct expression scope_compile(struct scope *s, struct arena *a, str text,
                                const struct cel_type *want);
struct cel_vars *scope_bind(const struct scope *s, struct attributes *t, const struct shown *shown,
                            const struct json *params, bool with_namespace);
struct evaluation expression_eval(struct arena *a, const struct expression *x,
                                  struct cel_vars *vars, int64_t *budget);
/* false with an error: they could not be evaluated, and that is not to be ignored. */
bool conditions_hold(struct arena *a, const struct expression *list, size_t n,
                     struct cel_vars *vars, bool ignore_failure, str *ret_error);

/* ---- configure.c ---- */
enum review_version { REVIEW_UNKNOWN, REVIEW_V1, REVIEW_V1BETA1 };
struct webhook {
    struct webhooks *of;
    bool mutating;
    str name, id; /* id: "configuration/name/n", unique */
    struct matcher match;
    struct scope scope; /* of its conditions */
    struct expression *conditions;
    size_t n_conditions;
    bool ignore_failure, reinvoke, dry_run_ok;
    enum review_version review;
    int64_t timeout_ns;
    const struct json *client_config;
};
struct webhooks { /* one version of a configuration object; calls hold references */
    unsigned refs;
    struct arena *arena;
    str name;
    struct webhook *list;
    size_t n;
};
void webhooks_unref(struct webhooks *w);

enum { CONFIGURED_MUTATING, CONFIGURED_VALIDATING, N_CONFIGURED };
struct configured { /* objects of one kind, by name: Kubernetes' order */
    struct dynamic *d;
    int what;
    struct store_watch *watch;
    struct tree *by_name;
};
enum { POLICY_MUTATING, POLICY_VALIDATING, N_POLICY_KINDS };
struct policy_set {
    struct dynamic *d;
    int kind;
    struct tree *policies, *bindings; /* by name */
    struct store_watch *policy_watch, *binding_watch;
    size_t n_bound; /* bindings whose policy is there */
};
struct dynamic {
    struct api *api;
    struct policy_set policies[N_POLICY_KINDS];
    struct configured configured[N_CONFIGURED];
    struct list queue; /* waiting for their turn */
    struct list waits; /* struct answers that wait */
    size_t n_out, waiting_bytes;
    struct loop_timer *turn; /* takes calls from the queue */
    bool turn_queued, stopped;
};
/* All webhooks of one kind in their order. */
#define WEBHOOK_EACH(h, d, kind)                                                                   \
    for (const struct tree_node *node_ = tree_first_from((d)->configured[kind].by_name, S(""));    \
         node_; node_ = tree_next(node_))                                                          \
        for (struct webhook *h = ((struct webhooks *)tree_value(node_))->list,                     \
                            *h##_end = h + ((struct webhooks *)tree_value(node_))->n;              \
             h < h##_end; h++)

/* ---- answers.c ---- */
enum outcome { OUTCOME_PENDING, OUTCOME_ALLOWED, OUTCOME_DENIED, OUTCOME_FAILED };
struct answer {
    struct answer *next;
    char key[65]; /* SHA-256 of who was asked what */
    enum outcome outcome;
    str failure;                 /* FAILED: why, in the client's words */
    const struct json *response; /* of the review */
    const struct json *patch;    /* operations; NULL: none */
};
/* NULL: not known yet; it has been noted as a question, and the run has to end with answers_not_yet(). round tells the
 * second asking of a mutating webhook from the first. question: the review without its uid. */
const struct answer *answers_ask(struct answers *n, struct webhook *h, int round, str question);
struct err *answers_not_yet(struct answers *n);
/* What a webhook says besides its verdict: Warning headers, audit annotations. */
void answers_tell(struct answers *n, const struct webhook *h, const struct json *response);
/* For call.c: */
struct call;
int64_t answers_left_ns(const struct answers *n); /* of its deadline */
struct api *answers_api(const struct answers *n);
struct arena *answers_memory(const struct answers *n); /* answers live here */
void answers_heard(struct answers *n, struct call *c); /* one of its calls is over */

/* ---- call.c ---- */
struct call *call_new(struct answers *n, struct answer *answer, struct webhook *h, str question);
void call_submit(struct call *c);  /* now, or when its turn comes */
void call_abandon(struct call *c); /* nobody wants to know any more; frees it, now or later */
struct loop_timer *calls_turn_new(struct dynamic *d);

/* ---- review.c ---- */
/* All of the review that follows the uid. */
str review_question(struct attributes *t, const struct shown *shown);
void review_text(struct buf *b, const struct webhook *h, str uid, str question);
void review_read(struct arena *a, const struct webhook *h, str uid, str body, struct answer *ret);

/* ---- conditions.c ---- */
void conditions_compile(struct webhook *h, const struct json *list);
MUST_USE struct err *conditions_match(struct attributes *t, const struct webhook *h,
                                      const struct shown *shown, bool *ret_matches);

/* ---- mutate.c ---- */
struct plugin_round {   /* who is asked a second time */
    struct map invoked; /* who may be, and was asked */
    struct map again;   /* who will be */
    struct json *left;  /* the object as this plugin left it */
};
struct second_round { /* Kubernetes' reinvocation context */
    bool wanted;      /* something changed: everything runs again */
    struct plugin_round policies, webhooks;
};
/* Has something else changed what this plugin has seen? Then all that may be are asked again. */
void round_begin(struct plugin_round *r, const struct attributes *t, int round);
void round_require(struct plugin_round *r); /* the object has changed */
void round_end(struct plugin_round *r, const struct attributes *t);

/* ---- webhooks.c, policy_mutate.c, policy_validate.c, policies.c, policy_params.c ---- */
MUST_USE struct err *webhooks_mutate(struct attributes *t, int round, struct second_round *s);
MUST_USE struct err *webhooks_validate(struct attributes *t);
MUST_USE struct err *policies_mutate(struct attributes *t, int round, struct second_round *s);
MUST_USE struct err *policies_validate(struct attributes *t);
#endif
