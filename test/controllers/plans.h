/* plans.h - a world of caches for tests of reconciles alone: objects in, a plan out as text. No loop runs, no request is sent. */
#ifndef K1S_TEST_CONTROLLERS_PLANS_H
#define K1S_TEST_CONTROLLERS_PLANS_H
#include "controllers/controllers_internal.h"
#include "test/test.h"

#include <inttypes.h>

struct world {
    struct loop *loop;
    struct client *client;
    struct informer *caches[K_N];
    int64_t revision;
    struct arena *a;
    struct config config;
    wall_time now;
    const char *failure;
    void *state; /* the controller's own */
};

static inline void no_api(void *ctx, struct http_exchange *ex) {}

static inline void world_init(struct world *w)
{
    *w = (struct world){.loop = loop_new_virtual(1, (wall_time){0}),
                        .a = arena_new(),
                        .now = {INT64_C(1767225600) * NS_PER_S}};
    w->client = client_new_inproc(
        w->loop,
        &(struct client_inproc_options){.handler = no_api, .server_loop = w->loop, .user = S("x")});
    for (int k = 0; k < K_N; k++)
        w->caches[k] = kind_informer(w->client, (enum kind_id)k);
}

static inline void world_fini(struct world *w)
{
    for (int k = 0; k < K_N; k++)
        informer_free(w->caches[k]);
    client_free(w->client);
    loop_free(w->loop);
    arena_free(w->a);
}

/* Adds or replaces an object; kind, apiVersion, namespace "default", uid ("u-" and the name) and
 * revision are filled in. */
static inline void have(struct world *w, enum kind_id k, const char *fmt, ...) PRINTF(3, 4);
static inline void have(struct world *w, enum kind_id k, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json *tree = NULL, *meta;
    va_list ap;
    str text;

    va_start(ap, fmt);
    text = arena_vfmt(w->a, fmt, ap);
    va_end(ap);
    CHECK_OK(json_parse(w->a, text, NULL, NULL, &tree));
    json_setz(w->a, tree, "kind", json_string(kinds[k].kind));
    json_setz(w->a, tree, "apiVersion",
              json_string(kinds[k].group.n
                              ? arena_fmt(w->a, PRI_STR "/" PRI_STR, STR_ARG(kinds[k].group),
                                          STR_ARG(kinds[k].version))
                              : kinds[k].version));
    meta = json_findz(tree, "metadata");
    if (kinds[k].namespaced)
        json_setz(w->a, meta, "namespace", json_z("default"));
    if (!json_findz(meta, "uid"))
        json_setz(w->a, meta, "uid",
                  json_string(arena_fmt(w->a, "u-" PRI_STR, STR_ARG(json_get_str(meta, "name")))));
    json_setz(w->a, meta, "resourceVersion",
              json_string(arena_fmt(w->a, "%" PRId64, ++w->revision)));
    json_encode(&b, tree);
    informer_put(w->caches[k], buf_view(&b));
}

static inline str plan_of(struct world *w, const struct controller_type *t, const char *ns,
                          const char *name)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct reconcile r = {.a = w->a,
                          .now = w->now,
                          .ns = str_of(ns),
                          .name = str_of(name),
                          .caches = w->caches,
                          .config = &w->config,
                          .failure = w->failure ? str_of(w->failure) : STR_NONE,
                          .state = w->state,
                          .plan = {.arena = w->a}};

    t->reconcile(&r);
    plan_format(&r.plan, &b);
    return arena_dup(w->a, buf_view(&b));
}

#define OWNED(kind, owner)                                                                         \
    "\"ownerReferences\":[{\"kind\":\"" kind "\",\"name\":\"" owner "\",\"uid\":\"u-" owner        \
    "\",\"controller\":true}]"
#define LABELS "\"labels\":{\"app\":\"x\"}"
#define TEMPLATE                                                                                   \
    "\"selector\":{\"matchLabels\":{\"app\":\"x\"}},\"template\":{\"metadata\":{" LABELS           \
    "},\"spec\":{}}"
#define POD(name, extra, status)                                                                   \
    "{\"metadata\":{\"name\":\"" name "\"," LABELS "," OWNED("ReplicaSet", "rs") extra             \
        "},\"spec\":{},\"status\":" status "}"
#define RUNNING                                                                                    \
    "{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","              \
    "\"lastTransitionTime\":\"2025-12-31T23:00:00Z\"}]}"
#define PENDING "{\"phase\":\"Pending\"}"

static inline bool has_line(str plan, const char *line)
{
    return str_find(plan, str_of(line)) >= 0;
}

#endif
