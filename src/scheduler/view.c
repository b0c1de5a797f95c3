/* view.c - pods and nodes as the scheduler needs them.
 *
 * Beside the store's pods the informer keeps what pod_pack_view() makes of them: a head of a few fields, and the text that all
 * pods of one template share, which is the key of their profile. So most events need no parsing at all. */
#include "scheduler/scheduler_internal.h"
#include "schema/quota.h"

/* ---- packing and reducing ---- */
static void member(struct buf *out, const char *name, const struct json *v)
{
    if (!v || v->type == JSON_NULL)
        return;
    if (out->p[out->n - 1] != '{')
        buf_char(out, ',');
    buf_fmt(out, "\"%s\":", name);
    json_encode(out, v);
}

static void containers(struct buf *out, const struct json *pod, const char *name, struct arena *a)
{
    const struct json *list = json_at(pod, "spec", name, NULL);

    if (!json_count(list))
        return;
    if (out->p[out->n - 1] != '{')
        buf_char(out, ',');
    buf_fmt(out, "\"%s\":[", name);
    JSON_EACH(c, list) {
        if (out->p[out->n - 1] != '[')
            buf_char(out, ',');
        buf_char(out, '{');
        member(out, "requests", container_amounts(a, pod, name, c, "requests"));
        member(out, "ports", json_findz(c, "ports"));
        member(out, "restartPolicy", json_findz(c, "restartPolicy"));
        member(out, "restartPolicyRules", json_findz(c, "restartPolicyRules"));
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

/* Claims that the API makes for `ephemeral` volumes are the pod's own and not looked at. */
static void claims(struct buf *out, const struct json *volumes)
{
    bool first = true;

    JSON_EACH(v, volumes) {
        str name = json_get_str(v, "persistentVolumeClaim.claimName");

        if (!name.n)
            continue;
        buf_z(out, first ? (out->p[out->n - 1] == '{' ? "\"claims\":[" : ",\"claims\":[") : ",");
        json_encode_string(out, name);
        first = false;
    }
    if (!first)
        buf_char(out, ']');
}

static void profile_text(const struct json *tree, struct buf *out)
{
    static const char *const copied[] = {
        "nodeSelector", "affinity", "tolerations",     "topologySpreadConstraints",
        "overhead",     "priority", "preemptionPolicy"};
    const struct json *spec = json_findz(tree, "spec");
    CLEANUP(arena) struct arena *a = arena_new(); /* used while the pod's size is being changed */

    buf_char(out, '{');
    member(out, "namespace", json_path(tree, "metadata.namespace"));
    member(out, "labels", json_path(tree, "metadata.labels"));
    JSON_EACH(owner, json_path(tree, "metadata.ownerReferences"))
        if (json_get_bool(owner, "controller", false))
            member(out, "owner", json_findz(owner, "uid"));
    for (size_t i = 0; i < ARRAY_LEN(copied); i++)
        member(out, copied[i], json_findz(spec, copied[i]));
    member(out, "requests", pod_level_amounts(a, tree, "requests"));
    claims(out, json_findz(spec, "volumes"));
    containers(out, tree, "containers", a);
    containers(out, tree, "initContainers", a);
    buf_char(out, '}');
}

static void field(struct buf *out, str s)
{
    buf_str(out, s);
    buf_char(out, '\0');
}

const str pod_unread[] = {
    STR("managedFields"),  STR("env"),          STR("envFrom"),   STR("livenessProbe"),
    STR("readinessProbe"), STR("startupProbe"), STR("lifecycle"), STR("volumeMounts"),
};
const size_t pod_n_unread = ARRAY_LEN(pod_unread);

void pod_pack_view(const struct json *tree, struct buf *out)
{
    str scheduler = json_get_str(tree, "spec.schedulerName");

    field(out, json_get_str(tree, "spec.nodeName"));
    field(out, json_get_str(tree, "status.nominatedNodeName"));
    if (json_path(tree, "metadata.deletionTimestamp"))
        buf_char(out, 't');
    if (json_count(json_path(tree, "spec.schedulingGates")))
        buf_char(out, 'g');
    if (scheduler.n && !str_is(scheduler, SCHEDULER_NAME))
        buf_char(out, 'f');
    buf_char(out, '\0');
    field(out, json_get_str(tree, "status.startTime"));
    buf_int(out, json_get_int(tree, "metadata.generation", 0));
    buf_char(out, '\0');
    JSON_EACH(c, json_path(tree, "status.conditions")) {
        if (!str_is(json_get_str(c, "type"), "PodScheduled"))
            continue;
        buf_str(out, json_get_str(c, "status"));
        buf_char(out, '\n');
        buf_str(out, json_get_str(c, "reason"));
        buf_char(out, '\n');
        buf_str(out, json_get_str(c, "lastTransitionTime"));
        buf_char(out, '\n');
        buf_str(out, json_get_str(c, "message"));
        break;
    }
    buf_char(out, '\0');
    /* Another scheduler's pod counts from when it has a node. */
    if (scheduler.n && !str_is(scheduler, SCHEDULER_NAME) && !json_get_str(tree, "spec.nodeName").n)
        buf_z(out, "{}");
    else
        profile_text(tree, out);
}

bool pod_head_read(str data, struct pod_head *ret)
{
    str flags;

    if (!str_cut(&data, '\0', &ret->node) || !str_cut(&data, '\0', &ret->nominated) ||
        !str_cut(&data, '\0', &flags) || !str_cut(&data, '\0', &ret->start_time) ||
        !str_cut(&data, '\0', &ret->generation) || !str_cut(&data, '\0', &ret->condition))
        return false;
    ret->terminating = str_has_char(flags, 't');
    ret->gated = str_has_char(flags, 'g');
    ret->foreign = str_has_char(flags, 'f');
    ret->profile = data;
    return true;
}

void node_reduce(const struct json *tree, struct buf *out)
{
    buf_char(out, '{');
    member(out, "unschedulable", json_path(tree, "spec.unschedulable"));
    member(out, "taints", json_path(tree, "spec.taints"));
    member(out, "allocatable", json_path(tree, "status.allocatable"));
    member(out, "declaredFeatures", json_path(tree, "status.declaredFeatures"));
    buf_char(out, '}');
}

/* ---- amounts ---- */
uint32_t extended_id(struct scheduler *s, str name)
{
    char *text = map_find(&s->extended, name);
    struct buf b = BUF_INIT;

    for (uint32_t i = 0; text && i < s->n_extended; i++)
        if (s->insufficient[i] == text)
            return i;
    buf_fmt(&b, "Insufficient " PRI_STR, STR_ARG(name));
    s->insufficient = mem_realloc(s->insufficient, (s->n_extended + 1) * sizeof *s->insufficient);
    s->insufficient[s->n_extended] = b.p;
    map_put(&s->extended, name, b.p);
    return s->n_extended++;
}

int64_t demand_extended(const struct demand *d, uint32_t id)
{
    for (uint32_t i = 0; i < d->n_extended; i++)
        if (d->extended[i].id == id)
            return d->extended[i].value;
    return 0;
}

static struct amount *demand_slot(struct demand *d, uint32_t id)
{
    for (uint32_t i = 0; i < d->n_extended; i++)
        if (d->extended[i].id == id)
            return &d->extended[i];
    d->extended = mem_realloc(d->extended, (d->n_extended + 1) * sizeof *d->extended);
    d->extended[d->n_extended] = (struct amount){id, 0};
    return &d->extended[d->n_extended++];
}

void demand_add(struct demand *to, const struct demand *d, int sign)
{
    to->cpu_milli += sign * d->cpu_milli;
    to->mem_bytes += sign * d->mem_bytes;
    to->eph_bytes += sign * d->eph_bytes;
    for (uint32_t i = 0; i < d->n_extended; i++)
        demand_slot(to, d->extended[i].id)->value += sign * d->extended[i].value;
}

static void demand_max(struct demand *to, const struct demand *d)
{
    to->cpu_milli = MAX(to->cpu_milli, d->cpu_milli);
    to->mem_bytes = MAX(to->mem_bytes, d->mem_bytes);
    to->eph_bytes = MAX(to->eph_bytes, d->eph_bytes);
    for (uint32_t i = 0; i < d->n_extended; i++) {
        struct amount *a = demand_slot(to, d->extended[i].id);

        a->value = MAX(a->value, d->extended[i].value);
    }
}

void demand_fini(struct demand *d)
{
    mem_free(d->extended);
    *d = (struct demand){0};
}

/* Sets what is named in a resource list; `pods` apart. */
static void demand_read(struct scheduler *s, const struct json *list, struct demand *ret,
                        int64_t *ret_pods)
{
    JSON_EACH_MEMBER(m, list) {
        struct quantity q;

        if (!quantity_parse(json_str(&m->value), &q))
            continue; /* validation keeps such out */
        if (str_is(m->key, "cpu"))
            ret->cpu_milli = quantity_milli(&q);
        else if (str_is(m->key, "memory"))
            ret->mem_bytes = quantity_value(&q);
        else if (str_is(m->key, "ephemeral-storage"))
            ret->eph_bytes = quantity_value(&q);
        else if (!str_is(m->key, "pods"))
            demand_slot(ret, extended_id(s, m->key))->value = quantity_value(&q);
        else if (ret_pods)
            *ret_pods = quantity_value(&q);
    }
}

/* What a pod needs at its most demanding moment: init containers run one by one, beside the sidecars started before them.
 * With `unset`, containers that do not ask for CPU or memory count as if they asked for a little.
 * API: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers */
static void pod_demand(struct scheduler *s, const struct json *t, bool unset, struct demand *ret)
{
    struct demand sidecars = {0}, init = {0}, level = {0}, overhead = {0};

    JSON_EACH(c, json_findz(t, "containers")) {
        struct demand d = {.cpu_milli = unset ? CPU_MILLI_UNSET : 0,
                           .mem_bytes = unset ? MEM_BYTES_UNSET : 0};

        demand_read(s, json_findz(c, "requests"), &d, NULL);
        demand_add(ret, &d, 1);
        demand_fini(&d);
    }
    JSON_EACH(c, json_findz(t, "initContainers")) {
        struct demand d = {.cpu_milli = unset ? CPU_MILLI_UNSET : 0,
                           .mem_bytes = unset ? MEM_BYTES_UNSET : 0};

        demand_read(s, json_findz(c, "requests"), &d, NULL);
        if (str_is(json_get_str(c, "restartPolicy"), "Always")) {
            demand_add(ret, &d, 1);
            demand_add(&sidecars, &d, 1);
            demand_max(&init, &sidecars);
        } else {
            demand_add(&d, &sidecars, 1);
            demand_max(&init, &d);
        }
        demand_fini(&d);
    }
    demand_max(ret, &init);
    /* Requests of the pod as a whole, where given, take the place of the sum. */
    level.cpu_milli = level.mem_bytes = -1;
    demand_read(s, json_findz(t, "requests"), &level, NULL);
    ret->cpu_milli = level.cpu_milli >= 0 ? level.cpu_milli : ret->cpu_milli;
    ret->mem_bytes = level.mem_bytes >= 0 ? level.mem_bytes : ret->mem_bytes;
    for (uint32_t i = 0; i < level.n_extended; i++)
        demand_slot(ret, level.extended[i].id)->value = level.extended[i].value;
    demand_read(s, json_findz(t, "overhead"), &overhead, NULL);
    demand_add(ret, &overhead, 1);
    demand_fini(&sidecars);
    demand_fini(&init);
    demand_fini(&level);
    demand_fini(&overhead);
}

/* ---- selectors and terms ---- */
static const struct {
    str name;
    enum selector_op op;
} operators[] = {
    {STR("In"), SELECTOR_IN},         {STR("NotIn"), SELECTOR_NOT_IN},
    {STR("Exists"), SELECTOR_EXISTS}, {STR("DoesNotExist"), SELECTOR_NOT_EXISTS},
    {STR("Gt"), SELECTOR_GT},         {STR("Lt"), SELECTOR_LT},
};

static struct selector requirements(struct arena *a, const struct json *list)
{
    struct selector sel = {.terms = ARENA_NEW_N(a, struct selector_term, json_count(list))};

    JSON_EACH(r, list) {
        struct selector_term *t = &sel.terms[sel.n_terms];
        const struct json *values = json_findz(r, "values");

        t->key = json_get_str(r, "key");
        for (size_t i = 0; i < ARRAY_LEN(operators); i++)
            if (str_eq(operators[i].name, json_get_str(r, "operator")))
                t->op = operators[i].op;
        t->values = ARENA_NEW_N(a, str, json_count(values));
        JSON_EACH(v, values)
            t->values[t->n_values++] = json_str(v);
        sel.n_terms++;
    }
    return sel;
}

static struct node_term node_term_read(struct arena *a, const struct json *t)
{
    struct node_term term = {.labels = requirements(a, json_findz(t, "matchExpressions")),
                             .names = requirements(a, json_findz(t, "matchFields"))};

    term.is_empty = !term.labels.n_terms && !term.names.n_terms;
    return term;
}

struct node_term *node_terms_read(struct arena *a, const struct json *list, uint32_t *ret_n)
{
    struct node_term *terms = ARENA_NEW_N(a, struct node_term, json_count(list));

    *ret_n = 0;
    JSON_EACH(t, list)
        terms[(*ret_n)++] = node_term_read(a, t);
    return terms;
}

static struct selector equalities(struct arena *a, const struct json *map)
{
    struct selector sel = {.terms = ARENA_NEW_N(a, struct selector_term, json_count(map))};

    JSON_EACH_MEMBER(m, map) {
        struct selector_term *t = &sel.terms[sel.n_terms++];

        *t = (struct selector_term){m->key, SELECTOR_EQ, ARENA_NEW(a, str), 1};
        t->values[0] = json_str(&m->value);
    }
    return sel;
}

static struct selector label_selector(struct arena *a, const struct json *v)
{
    struct selector sel = {0};
    struct err *err = selector_from_object(a, v, &sel);

    if (err) { /* validation keeps such out; one that matches nothing does no harm */
        err_free(err);
        return (struct selector){.nothing = true};
    }
    return sel;
}

static struct pod_term pod_term_read(struct arena *a, const struct json *t, str own_ns)
{
    const struct json *namespaces = json_findz(t, "namespaces"),
                      *ns_selector = json_findz(t, "namespaceSelector");
    struct pod_term term = {.selector = label_selector(a, json_findz(t, "labelSelector")),
                            .topology_key = json_get_str(t, "topologyKey")};

    term.has_ns_selector = json_is(ns_selector, JSON_OBJECT);
    if (term.has_ns_selector)
        term.ns_selector = label_selector(a, ns_selector);
    term.namespaces = ARENA_NEW_N(a, str, json_count(namespaces) + 1);
    JSON_EACH(ns, namespaces)
        term.namespaces[term.n_namespaces++] = json_str(ns);
    if (!term.n_namespaces && !term.has_ns_selector)
        term.namespaces[term.n_namespaces++] = own_ns;
    return term;
}

static void required_terms(struct arena *a, const struct json *list, str own_ns,
                           struct pod_term **ret, uint32_t *ret_n)
{
    *ret = ARENA_NEW_N(a, struct pod_term, json_count(list));
    JSON_EACH(t, list)
        (*ret)[(*ret_n)++] = pod_term_read(a, t, own_ns);
}

static void preferred_terms(struct arena *a, const struct json *list, int sign, struct profile *p)
{
    JSON_EACH(t, list) {
        struct pod_term *term = &p->preferred[p->n_preferred++];

        *term = pod_term_read(a, json_findz(t, "podAffinityTerm"), p->ns);
        term->weight = sign * json_get_int(t, "weight", 0);
    }
}

static void affinity_read(struct arena *a, const struct json *affinity, struct profile *p)
{
    const struct json *node_required =
        json_path(affinity, "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
    const struct json *node_preferred =
        json_path(affinity, "nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution");
    const struct json *with =
        json_path(affinity, "podAffinity.preferredDuringSchedulingIgnoredDuringExecution");
    const struct json *without =
        json_path(affinity, "podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution");
    const struct json *terms = json_findz(node_required, "nodeSelectorTerms");

    p->has_node_required = node_required != NULL;
    p->node_required = node_terms_read(a, terms, &p->n_node_required);
    p->node_preferred = ARENA_NEW_N(a, struct node_term, json_count(node_preferred));
    JSON_EACH(t, node_preferred) {
        p->node_preferred[p->n_node_preferred] = node_term_read(a, json_findz(t, "preference"));
        p->node_preferred[p->n_node_preferred++].weight = json_get_int(t, "weight", 0);
    }
    required_terms(
        a, json_path(affinity, "podAffinity.requiredDuringSchedulingIgnoredDuringExecution"), p->ns,
        &p->affinity, &p->n_affinity);
    required_terms(
        a, json_path(affinity, "podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution"),
        p->ns, &p->anti_affinity, &p->n_anti_affinity);
    p->preferred = ARENA_NEW_N(a, struct pod_term, json_count(with) + json_count(without));
    preferred_terms(a, with, 1, p);
    preferred_terms(a, without, -1, p);
}

static void tolerations_read(struct arena *a, const struct json *list, struct profile *p)
{
    p->tolerations = ARENA_NEW_N(a, struct toleration, json_count(list));
    JSON_EACH(t, list)
        p->tolerations[p->n_tolerations++] =
            (struct toleration){.key = json_get_str(t, "key"),
                                .value = json_get_str(t, "value"),
                                .effect = json_get_str(t, "effect"),
                                .exists = str_is(json_get_str(t, "operator"), "Exists")};
}

/* matchLabelKeys: the pod's own values of these labels join the selector. */
static void add_own_labels(struct arena *a, const struct json *keys, const struct profile *p,
                           struct selector *sel)
{
    struct selector_term *terms;

    if (!json_count(keys) || sel->nothing)
        return;
    terms = ARENA_NEW_N(a, struct selector_term, sel->n_terms + json_count(keys));
    if (sel->n_terms)
        memcpy(terms, sel->terms, sel->n_terms * sizeof *terms);
    sel->terms = terms;
    JSON_EACH(key, keys) {
        str value;

        if (!packed_get(p->labels, json_str(key), &value))
            continue;
        terms[sel->n_terms] =
            (struct selector_term){json_str(key), SELECTOR_EQ, ARENA_NEW(a, str), 1};
        terms[sel->n_terms++].values[0] = value;
    }
}

static void spreads_read(struct arena *a, const struct json *list, struct profile *p)
{
    p->spreads = ARENA_NEW_N(a, struct spread, json_count(list));
    JSON_EACH(c, list) {
        struct spread *sp = &p->spreads[p->n_spreads++];

        *sp = (struct spread){.topology_key = json_get_str(c, "topologyKey"),
                              .selector = label_selector(a, json_findz(c, "labelSelector")),
                              .max_skew = json_get_int(c, "maxSkew", 1),
                              .min_domains = json_get_int(c, "minDomains", 1),
                              .hard = str_is(json_get_str(c, "whenUnsatisfiable"), "DoNotSchedule"),
                              .honor_affinity =
                                  !str_is(json_get_str(c, "nodeAffinityPolicy"), "Ignore"),
                              .honor_taints = str_is(json_get_str(c, "nodeTaintsPolicy"), "Honor")};
        add_own_labels(a, json_findz(c, "matchLabelKeys"), p, &sp->selector);
    }
}

static void ports_of(struct arena *a, const struct json *list, bool sidecars_only,
                     struct profile *p)
{
    JSON_EACH(c, list) {
        if (sidecars_only && !str_is(json_get_str(c, "restartPolicy"), "Always"))
            continue;
        JSON_EACH(port, json_findz(c, "ports")) {
            int64_t n = json_get_int(port, "hostPort", 0);
            str ip = json_get_str(port, "hostIP"), protocol = json_get_str(port, "protocol");

            if (n <= 0)
                continue;
            p->ports = arena_grow(a, p->ports, p->n_ports * sizeof *p->ports,
                                  (p->n_ports + 1) * sizeof *p->ports);
            p->ports[p->n_ports++] =
                (struct host_port){ip.n ? ip : S("0.0.0.0"), protocol.n ? protocol : S("TCP"), n};
        }
    }
}

static bool restarts_all_containers(const struct json *t)
{
    static const char *const lists[] = {"containers", "initContainers"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        JSON_EACH(c, json_findz(t, lists[i]))
            JSON_EACH(rule, json_findz(c, "restartPolicyRules"))
                if (str_is(json_get_str(rule, "action"), "RestartAllContainers"))
                    return true;
    return false;
}

/* ---- profiles ---- */
static void profile_read(struct scheduler *s, struct profile *p, const struct json *t)
{
    struct arena *a = p->arena;
    struct demand scored = {0};

    p->ns = json_get_str(t, "namespace");
    p->owner = json_get_str(t, "owner");
    p->priority = (int32_t)json_get_int(t, "priority", 0);
    p->never_preempts = str_is(json_get_str(t, "preemptionPolicy"), "Never");
    p->node_selector = equalities(a, json_findz(t, "nodeSelector"));
    pod_demand(s, t, false, &p->request);
    pod_demand(s, t, true, &scored);
    p->score_cpu_milli = scored.cpu_milli;
    p->score_mem_bytes = scored.mem_bytes;
    demand_fini(&scored);
    affinity_read(a, json_findz(t, "affinity"), p);
    tolerations_read(a, json_findz(t, "tolerations"), p);
    p->claims = ARENA_NEW_N(a, str, json_count(json_findz(t, "claims")));
    JSON_EACH(claim, json_findz(t, "claims"))
        p->claims[p->n_claims++] = json_str(claim);
    spreads_read(a, json_findz(t, "topologySpreadConstraints"), p);
    ports_of(a, json_findz(t, "containers"), false, p);
    ports_of(a, json_findz(t, "initContainers"), true, p);
    p->restarts_all_containers = restarts_all_containers(t);
}

struct profile *profile_get(struct scheduler *s, str text, str labels)
{
    struct profile *p = map_find(&s->profiles, text);
    struct json *t = NULL;
    struct err *err;

    if (p) {
        p->refs++;
        return p;
    }
    p = NEW(struct profile);
    p->refs = 1;
    p->arena = arena_new();
    p->text = arena_dup(p->arena, text);
    p->labels = arena_dup(p->arena, labels);
    err = json_parse(p->arena, p->text, NULL, NULL, &t);
    if (err) { /* our own text: only its size could be the reason */
        log_error("scheduler", "pod template: %s", err_text(err));
        err_free(err);
    }
    profile_read(s, p, t);
    map_put(&s->profiles, p->text, p);
    list_add_tail(&s->profile_list, &p->link);
    s->n_anti_profiles += p->n_anti_affinity > 0;
    s->n_preferring_profiles += p->n_preferred > 0 || p->n_affinity > 0;
    return p;
}

void profile_unref(struct scheduler *s, struct profile *p)
{
    if (--p->refs)
        return;
    s->n_anti_profiles -= p->n_anti_affinity > 0;
    s->n_preferring_profiles -= p->n_preferred > 0 || p->n_affinity > 0;
    map_del(&s->profiles, p->text);
    list_del(&p->link);
    demand_fini(&p->request);
    mem_free(p->tally);
    arena_free(p->arena);
    mem_free(p);
}

/* ---- nodes ---- */
static bool demand_eq(const struct demand *a, const struct demand *b)
{
    if (a->cpu_milli != b->cpu_milli || a->mem_bytes != b->mem_bytes ||
        a->eph_bytes != b->eph_bytes || a->n_extended != b->n_extended)
        return false;
    for (uint32_t i = 0; i < a->n_extended; i++)
        if (demand_extended(b, a->extended[i].id) != a->extended[i].value)
            return false;
    return true;
}

static bool taints_eq(const struct taint *a, uint32_t n_a, const struct taint *b, uint32_t n_b)
{
    if (n_a != n_b)
        return false;
    for (uint32_t i = 0; i < n_a; i++)
        if (!str_eq(a[i].key, b[i].key) || !str_eq(a[i].value, b[i].value) ||
            !str_eq(a[i].effect, b[i].effect))
            return false;
    return true;
}

uint32_t node_parse(struct scheduler *s, struct node *n, const struct obj *o)
{
    struct arena *old_arena = n->arena;
    struct taint *old_taints = n->taints;
    uint32_t old_n = n->n_taints, events = 0;
    struct demand allocatable = {0};
    int64_t pods = 0;
    bool unschedulable, restarts_all = false;
    struct json *t = NULL;
    str text;

    n->arena = arena_new();
    text = arena_dup(n->arena, o->data);
    err_free(json_parse(n->arena, text, NULL, NULL, &t));
    demand_read(s, json_findz(t, "allocatable"), &allocatable, &pods);
    unschedulable = json_get_bool(t, "unschedulable", false);
    n->n_taints = 0;
    n->taints = ARENA_NEW_N(n->arena, struct taint, json_count(json_findz(t, "taints")));
    JSON_EACH(taint, json_findz(t, "taints"))
        n->taints[n->n_taints++] =
            (struct taint){json_get_str(taint, "key"), json_get_str(taint, "value"),
                           json_get_str(taint, "effect")};
    JSON_EACH(feature, json_findz(t, "declaredFeatures"))
        restarts_all |= str_is(json_str(feature), "RestartAllContainersOnContainerExits");
    if (restarts_all != n->restarts_all_containers)
        events |= EVENT_NODE_FEATURES;
    if (!demand_eq(&allocatable, &n->allocatable) || pods != n->allocatable_pods)
        events |= EVENT_NODE_ALLOCATABLE;
    if (unschedulable != n->unschedulable || !taints_eq(old_taints, old_n, n->taints, n->n_taints))
        events |= EVENT_NODE_TAINTS;
    if (!str_eq(n->labels, o->labels)) {
        events |= EVENT_NODE_LABELS;
        mem_free((char *)n->labels.p);
        n->labels = (str){mem_dup(o->labels.p, o->labels.n ? o->labels.n : 1), o->labels.n};
    }
    demand_fini(&n->allocatable);
    n->allocatable = allocatable;
    n->allocatable_pods = pods;
    n->unschedulable = unschedulable;
    n->restarts_all_containers = restarts_all;
    if (old_arena)
        arena_free(old_arena);
    return events;
}
