/* cronjob.c - makes a Job at each time of a schedule, and forgets old ones.
 *
 * Everything follows from what there is: the Jobs it owns, lastScheduleTime, and the clock. A time
 * that was missed while nobody looked is made up for once, unless its deadline has passed.
 *
 * A schedule is read in the CronJob's time zone, or in UTC.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ */
#include "controllers/controllers_internal.h"
#include "loop/zone.h"
#include "schema/cron.h"

#include <inttypes.h>

#define SCHEDULED "batch.kubernetes.io/cronjob-scheduled-timestamp" /* on the jobs made here */
#define MISSED_MAX 100
#define SECONDS_BACK 86400

struct owned {
    const struct obj *obj;
    struct json *tree;
    const char *end; /* "Complete", "Failed"; NULL: it runs */
    bool active;     /* it runs, and was made here */
    int64_t start_s;
};
struct state {
    struct controller *c;
    struct map zones; /* name -> struct time_zone */
};
struct cj {
    const struct time_zone *zone; /* NULL: UTC */
    struct reconcile *r;
    struct json *tree, *status;
    struct owned *jobs;
    uint32_t n, cap;
};

static bool add_job(void *ctx, const struct obj *o)
{
    static const char *const ends[] = {"Complete", "Failed"};
    struct cj *c = ctx;
    struct owned *j;
    wall_time t = {0};

    if (c->n == c->cap) {
        uint32_t cap = c->cap ? c->cap * 2 : 8;

        c->jobs = arena_grow(c->r->a, c->jobs, c->cap * sizeof *c->jobs, cap * sizeof *c->jobs);
        c->cap = cap;
    }
    j = &c->jobs[c->n++];
    *j = (struct owned){.obj = o, .tree = tree_of(c->r->a, o)};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (str_is(json_get_str(condition_find(json_path(j->tree, "status.conditions"), ends[i]),
                                "status"),
                   "True"))
            j->end = ends[i];
    if (!time_of(json_path(j->tree, "status.startTime"), &t))
        time_of(json_path(j->tree, "metadata.creationTimestamp"), &t);
    j->start_s = t.ns / NS_PER_S;
    return true;
}

static int by_start(const void *pa, const void *pb, void *ctx)
{
    const struct owned *a = pa, *b = pb;

    if (a->start_s != b->start_s)
        return a->start_s < b->start_s ? -1 : 1;
    return str_cmp(a->obj->key.name, b->obj->key.name);
}

static struct json *reference_to(struct cj *c, const struct obj *o)
{
    struct arena *a = c->r->a;
    struct json *ref = json_new(a, json_object());

    json_setz(a, ref, "kind", json_z("Job"));
    json_setz(a, ref, "namespace", json_string(o->key.ns));
    json_setz(a, ref, "name", json_string(o->key.name));
    json_setz(a, ref, "uid", json_string(o->uid));
    json_setz(a, ref, "apiVersion", json_z("batch/v1"));
    json_setz(a, ref, "resourceVersion", json_string(arena_fmt(a, "%" PRId64, o->revision)));
    return ref;
}

/* status.active is what runs of what was made here, not what somebody made from the CronJob's template; what was in it and
 * runs no more is told. */
static uint32_t sync_active(struct cj *c)
{
    const struct json *before = json_findz(c->status, "active");
    struct json active = json_array();
    wall_time last = {0};

    time_of(json_findz(c->status, "lastSuccessfulTime"), &last);
    for (uint32_t i = 0; i < c->n; i++) {
        struct owned *j = &c->jobs[i];
        const struct json *known = NULL;
        wall_time done;

        JSON_EACH(ref, before)
            if (str_eq(json_get_str(ref, "uid"), j->obj->uid))
                known = ref;
        j->active = !j->end && (known || meta_get(j->tree, "annotations", S(SCHEDULED)).n);
        if (!j->end && !j->active)
            plan_event(&c->r->plan, c->tree, "Warning", "UnexpectedJob",
                       "Saw a job that the controller did not create or forgot: " PRI_STR,
                       STR_ARG(j->obj->key.name));
        if (j->active)
            json_append(c->r->a, &active, known ? *known : *reference_to(c, j->obj));
        if (!j->end)
            continue;
        if (known)
            plan_event(&c->r->plan, c->tree, "Normal", "SawCompletedJob",
                       "Saw completed job: " PRI_STR ", condition: %s", STR_ARG(j->obj->key.name),
                       j->end);
        if (!strcmp(j->end, "Complete") &&
            time_of(json_path(j->tree, "status.completionTime"), &done) && done.ns > last.ns) {
            last = done;
            json_setz(c->r->a, c->status, "lastSuccessfulTime", time_json(c->r->a, done));
        }
    }
    JSON_EACH(ref, before) {
        bool there = false;

        for (uint32_t i = 0; i < c->n; i++)
            there |= str_eq(json_get_str(ref, "uid"), c->jobs[i].obj->uid);
        if (!there)
            plan_event(&c->r->plan, c->tree, "Normal", "MissingJob",
                       "Active job went missing: " PRI_STR, STR_ARG(json_get_str(ref, "name")));
    }
    if (active.n)
        json_setz(c->r->a, c->status, "active", active);
    else
        json_removez(c->status, "active");
    return active.n;
}

static void delete_job(struct cj *c, const struct owned *j)
{
    struct action *act = plan_delete(&c->r->plan, K_JOBS, j->obj);

    act->propagation = "Background";
    act->success = (struct action_event){
        c->tree, "Normal", "SuccessfulDelete",
        arena_fmt(c->r->a, "Deleted job " PRI_STR, STR_ARG(j->obj->key.name))};
    act->failure = (struct action_event){c->tree, "Warning", "FailedDelete", S("Deleted job: %s")};
}

static void clean_up(struct cj *c, const char *end, const char *limit_field)
{
    int64_t limit = json_get_int(json_findz(c->tree, "spec"), limit_field, INT64_MAX), n = 0;

    for (uint32_t i = c->n; i-- > 0;)
        if (c->jobs[i].end && !strcmp(c->jobs[i].end, end) && ++n > limit)
            delete_job(c, &c->jobs[i]);
}

static void create_job(struct cj *c, int64_t at_s)
{
    struct arena *a = c->r->a;
    const struct json *template = json_path(c->tree, "spec.jobTemplate");
    str name = arena_fmt(a, PRI_STR "-%" PRId64, STR_ARG(c->r->name), at_s / 60);
    struct json *job = json_new(a, json_object()), meta = json_object(), refs = json_array();
    static const char *const copied[] = {"labels", "annotations"};
    struct action *act;

    json_append(a, &refs, controller_reference(a, &kinds[K_CRONJOBS], c->tree));
    json_setz(a, &meta, "name", json_string(name));
    json_setz(a, &meta, "namespace", json_string(c->r->ns));
    for (size_t i = 0; i < ARRAY_LEN(copied); i++)
        if (json_count(json_findz(json_findz(template, "metadata"), copied[i])))
            json_setz(a, &meta, copied[i],
                      json_copy(a, json_findz(json_findz(template, "metadata"), copied[i])));
    json_setz(a, &meta, "ownerReferences", refs);
    json_setz(a, job, "kind", json_z("Job"));
    json_setz(a, job, "apiVersion", json_z("batch/v1"));
    json_setz(a, job, "metadata", meta);
    json_setz(a, job, "spec", json_copy(a, json_findz(template, "spec")));
    meta_set(a, job, "annotations", S(SCHEDULED), time_json(a, (wall_time){at_s * NS_PER_S}).s);
    act = plan_create(&c->r->plan, K_JOBS, c->r->ns, job);
    act->flags = ACT_IGNORE_EXISTS | ACT_IGNORE_TERMINATING;
    act->success = (struct action_event){c->tree, "Normal", "SuccessfulCreate",
                                         arena_fmt(a, "Created job " PRI_STR, STR_ARG(name))};
    act->failure =
        (struct action_event){c->tree, "Warning", "FailedCreate", S("Error creating job: %s")};
}

static const struct time_zone *zone_find(struct state *s, str name)
{
    struct time_zone *z;

    if (!s)
        return NULL;
    z = map_find(&s->zones, name);
    if (!z) {
        z = time_zone_load(controller_loop(s->c), name);
        if (z)
            map_put(&s->zones, name, z);
    }
    return z;
}

static void schedule(struct cj *c, uint32_t n_active)
{
    struct reconcile *r = c->r;
    const struct json *deadline = json_path(c->tree, "spec.startingDeadlineSeconds");
    str text = json_get_str(c->tree, "spec.schedule"),
        zone = json_get_str(c->tree, "spec.timeZone"), policy;
    int64_t now_s = r->now.ns / NS_PER_S, from_s, due_s = 0, next_s;
    struct cron cron;
    const char *wrong;
    wall_time t = {0};
    int missed = 0;

    if (zone.n && !(c->zone = zone_find(r->state, zone))) {
        plan_event(&r->plan, c->tree, "Warning", "UnknownTimeZone",
                   "invalid timeZone: \"" PRI_STR "\": unknown time zone " PRI_STR, STR_ARG(zone),
                   STR_ARG(zone));
        return;
    }
    wrong = cron_parse(r->a, text, &cron);
    if (wrong) {
        plan_event(&r->plan, c->tree, "Warning", "UnparseableSchedule",
                   "unparseable schedule: \"" PRI_STR "\" : %s", STR_ARG(text), wrong);
        return;
    }
    if (!time_of(json_findz(c->status, "lastScheduleTime"), &t))
        time_of(json_path(c->tree, "metadata.creationTimestamp"), &t);
    from_s = t.ns / NS_PER_S;
    if (json_is(deadline, JSON_INT))
        from_s = MAX(from_s, now_s - deadline->i);
    for (next_s = cron_next(&cron, c->zone, from_s); next_s && next_s <= now_s;
         next_s = cron_next(&cron, c->zone, next_s)) {
        due_s = next_s;
        if (++missed == MISSED_MAX) {
            plan_event(&r->plan, c->tree, "Warning", "TooManyMissedTimes",
                       "too many missed start times. Set or decrease .spec.startingDeadlineSeconds "
                       "or check clock skew");
            /* Far behind: look at the last stretch only. */
            next_s = MAX(next_s, now_s - SECONDS_BACK);
        }
    }
    if (next_s)
        plan_requeue(&r->plan, (next_s * NS_PER_S - r->now.ns) + 100 * NS_PER_MS);
    if (!due_s)
        return;
    policy = json_get_str(c->tree, "spec.concurrencyPolicy");
    if (str_is(policy, "Forbid") && n_active) {
        plan_event(
            &r->plan, c->tree, "Normal", "JobAlreadyActive",
            "Not starting job because prior execution is running and concurrency policy is Forbid");
        return;
    }
    if (str_is(policy, "Replace"))
        for (uint32_t i = 0; i < c->n; i++)
            if (c->jobs[i].active)
                delete_job(c, &c->jobs[i]);
    create_job(c, due_s);
    json_setz(r->a, c->status, "lastScheduleTime", time_json(r->a, (wall_time){due_s * NS_PER_S}));
}

static void reconcile(struct reconcile *r)
{
    struct cj c = {.r = r, .tree = look_tree(r, K_CRONJOBS, r->ns, r->name)};
    struct json before;
    uint32_t n_active;

    if (!c.tree)
        return;
    json_make(r->a, c.tree, "status", JSON_OBJECT);
    c.status = json_findz(c.tree, "status");
    before = json_copy(r->a, c.status);
    informer_each_indexed(r->caches[K_JOBS],
                          index_owner(r->a, json_get_str(c.tree, "metadata.uid")), add_job, &c);
    if (c.n)
        sort_with(c.jobs, c.n, sizeof *c.jobs, by_start, NULL);
    n_active = sync_active(&c);
    clean_up(&c, "Complete", "successfulJobsHistoryLimit");
    clean_up(&c, "Failed", "failedJobsHistoryLimit");
    if (!is_deleting(c.tree) && !json_get_bool(c.tree, "spec.suspend", false))
        schedule(&c, n_active);
    if (!json_equal(&before, c.status)) {
        plan_then(&r->plan);
        plan_update_status(&r->plan, K_CRONJOBS, c.tree)->flags = ACT_IGNORE_NOT_FOUND;
    }
}

static void job_changed(struct controller *c, const struct obj *obj, const struct obj *prev)
{
    wake_owner(c, &kinds[K_CRONJOBS], obj, prev);
}

static void *state_new(struct controller *c)
{
    struct state *s = NEW(struct state);

    s->c = c;
    map_init(&s->zones);
    return s;
}

static void state_free(void *state)
{
    struct state *s = state;

    MAP_EACH(e, &s->zones)
        time_zone_free(e->value);
    map_fini(&s->zones);
    mem_free(s);
}

static const struct trigger triggers[] = {{K_JOBS, job_changed}};

const struct controller_type cronjob_controller = {
    .name = "cronjob",
    .component = "cronjob-controller",
    .primary = K_CRONJOBS,
    .triggers = triggers,
    .n_triggers = ARRAY_LEN(triggers),
    .reconcile = reconcile,
    .state_new = state_new,
    .state_free = state_free,
};
