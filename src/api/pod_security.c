/* pod_security.c - PodSecurity admission: the Pod Security Standards, per namespace, by its labels.
 *
 * enforce refuses pods; warn tells, for pods and for workloads that would make them; audit goes into the audit log. Which checks a
 * level has: pod_security_checks.c.
 *
 * API: https://kubernetes.io/docs/concepts/security/pod-security-admission/
 * Source: k8s.io/pod-security-admission/admission/admission.go, api/helpers.go */
#include "api/pod_security.h"

static const char *const level_names[] = {"privileged", "baseline", "restricted"};
#define LABEL "pod-security.kubernetes.io/"
#define PODS_MAX 3000 /* of a namespace that are held against a new level */

/* ---- policies from labels ---- */

bool security_level_parse(str s, enum security_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (str_is(s, level_names[i])) {
            *ret = (enum security_level)i;
            return true;
        }
    *ret = SECURITY_RESTRICTED;
    return false;
}

/* "latest" or "v1.x" without leading zeros. */
bool security_version_parse(str s, int *ret)
{
    int64_t minor;
    str digits = str_skip(s, 3);

    *ret = SECURITY_LATEST;
    if (str_is(s, "latest"))
        return true;
    if (!str_has_prefix(s, S("v1.")) || !digits.n || digits.p[0] < '0' || digits.p[0] > '9' ||
        (digits.n > 1 && digits.p[0] == '0') || !str_to_int64(digits, &minor) ||
        minor >= SECURITY_LATEST)
        return false;
    *ret = (int)minor;
    return true;
}

const char *const security_mode_names[SECURITY_MODES] = {"enforce", "audit", "warn"};

/* What the labels say, or the defaults where they do not. ret_errs: those that say nothing; enforce takes such a level as the
 * strictest, the others as none. */
static void policies_of(struct arena *a, const struct security_config *c, const struct json *labels,
                        struct security_policy ret[SECURITY_MODES], struct err **ret_errs)
{
    bool has_level[SECURITY_MODES], has_version[SECURITY_MODES];

    for (int i = 0; i < SECURITY_MODES; i++) {
        str key = arena_fmt(a, LABEL "%s", security_mode_names[i]),
            version_key = arena_fmt(a, LABEL "%s-version", security_mode_names[i]);
        const struct json *level = json_find(labels, key),
                          *version = json_find(labels, version_key);

        ret[i] = c->defaults[i];
        has_level[i] = level;
        has_version[i] = version;
        if (level && !security_level_parse(json_str(level), &ret[i].level)) {
            if (i != SECURITY_ENFORCE)
                ret[i].level = SECURITY_PRIVILEGED;
            else
                has_level[i] = false; /* by mistake: nobody is warned of it */
            cause(ret_errs, CAUSE_INVALID,
                  arena_fmt(a, "metadata.labels[" PRI_STR "]", STR_ARG(key)),
                  "Invalid value: \"" PRI_STR "\": " SECURITY_LEVELS, STR_ARG(json_str(level)));
        }
        if (version && !security_version_parse(json_str(version), &ret[i].minor))
            cause(ret_errs, CAUSE_INVALID,
                  arena_fmt(a, "metadata.labels[" PRI_STR "]", STR_ARG(version_key)),
                  "Invalid value: \"" PRI_STR "\": " SECURITY_VERSIONS, STR_ARG(json_str(version)));
    }
    if (has_level[SECURITY_ENFORCE] && !has_level[SECURITY_WARN] &&
        ret[SECURITY_ENFORCE].level > ret[SECURITY_WARN].level) {
        ret[SECURITY_WARN].level = ret[SECURITY_ENFORCE].level;
        if (!has_version[SECURITY_WARN])
            ret[SECURITY_WARN].minor = ret[SECURITY_ENFORCE].minor;
    }
}

static bool is_privileged(const struct security_policy p[SECURITY_MODES])
{
    for (int i = 0; i < SECURITY_MODES; i++)
        if (p[i].level > SECURITY_PRIVILEGED)
            return false;
    return true;
}

static bool is_listed(const struct json *list, str name)
{
    JSON_EACH(v, list)
        if (str_eq(json_str(v), name))
            return true;
    return false;
}

static bool same(const struct security_policy *x, const struct security_policy *y)
{
    return x->level == y->level && x->minor == y->minor;
}

static str policy_text(struct arena *a, const struct security_policy *p)
{
    if (p->minor == SECURITY_LATEST)
        return arena_fmt(a, "%s:latest", level_names[p->level]);
    return arena_fmt(a, "%s:v1.%d", level_names[p->level], p->minor);
}

/* ---- namespaces: labels must mean something, and tightening tells which pods would not fit ---- */

struct fit {
    struct write *w;
    struct security_policy policy;
    struct json groups; /* reasons -> names */
    uint32_t n;
};

static bool fit_pod(void *ctx, const struct obj *o)
{
    struct fit *f = ctx;
    struct arena *a = f->w->a;
    CLEANUP(buf) struct buf reasons = BUF_INIT;
    struct json *list;

    if (f->n++ >= PODS_MAX)
        return true; /* only counted */
    security_evaluate(a, &f->policy, object_parse(a, arena_dup(a, o->data)), NULL, &reasons);
    if (reasons.n) {
        list = json_find(&f->groups, buf_view(&reasons));
        if (!list)
            list = json_set(a, &f->groups, arena_dup(a, buf_view(&reasons)), json_array());
        json_append(a, list, json_string(arena_dup(a, o->key.name)));
    }
    return true;
}

static int by_text(const void *x, const void *y, void *ctx)
{
    (void)ctx;
    return str_cmp(((const struct json *)x)->s, ((const struct json *)y)->s);
}

static void tell_pods(struct write *w, const struct security_policy *now)
{
    struct fit f = {.w = w, .policy = *now, .groups = json_object()};
    struct json texts = json_array();

    store_each(w->api->store, api_core(w->api, "pods")->r->storage_resource, w->name, NULL, fit_pod,
               &f);
    if (f.n > PODS_MAX)
        req_warn(w->req, arena_fmt(w->a,
                                   "new PodSecurity enforce level only checked against the first "
                                   "%u of %u existing pods",
                                   PODS_MAX, f.n));
    if (f.groups.n)
        req_warn(w->req, arena_fmt(w->a,
                                   "existing pods in namespace \"" PRI_STR
                                   "\" violate the new PodSecurity enforce level \"" PRI_STR "\"",
                                   STR_ARG(w->name), STR_ARG(policy_text(w->a, now))));
    JSON_EACH_MEMBER(m, &f.groups) {
        str first = json_str(json_item(&m->value, 0)); /* the store gives them by name */
        uint32_t others = m->value.n - 1;
        str more = others ? arena_fmt(w->a, " (and %u other pod%s)", others, others == 1 ? "" : "s")
                          : S("");

        json_append(w->a, &texts,
                    json_string(arena_fmt(w->a, PRI_STR PRI_STR ": " PRI_STR, STR_ARG(first),
                                          STR_ARG(more), STR_ARG(m->key))));
    }
    sort_with(texts.items, texts.n, sizeof *texts.items, by_text, NULL);
    JSON_EACH(t, &texts)
        req_warn(w->req, t->s);
}

static bool same_causes(const struct err *x, const struct err *y)
{
    if (!x || !y || x->n_causes != y->n_causes)
        return false;
    for (unsigned i = 0; i < x->n_causes; i++)
        if (strcmp(x->causes[i].field, y->causes[i].field) != 0 ||
            strcmp(x->causes[i].message, y->causes[i].message) != 0)
            return false;
    return true;
}

/* To somebody who gives an exempt namespace a policy: all that is not privileged of it. */
static void warn_of_exemption(struct write *w, const struct security_policy p[SECURITY_MODES],
                              str name)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    bool differs = false;

    for (int i = 0; i < SECURITY_MODES; i++) {
        differs |= !same(&p[i], &w->api->security->defaults[i]);
        if (p[i].level > SECURITY_PRIVILEGED)
            buf_fmt(&b, "%s%s=" PRI_STR, b.n ? ", " : "", security_mode_names[i],
                    STR_ARG(policy_text(w->a, &p[i])));
    }
    if (b.n && differs)
        req_warn(w->req, arena_fmt(w->a,
                                   "namespace \"" PRI_STR "\" is exempt from Pod Security, and the "
                                   "policy (%s) will be ignored",
                                   STR_ARG(name), buf_cstr(&b)));
}

static struct err *check_namespace(struct write *w)
{
    str name = w->name.n ? w->name : meta_str(w->obj, "name");
    bool exempt = is_listed(&w->api->security->namespaces, name);
    const struct json *labels = json_at(w->obj, "metadata", "labels", NULL),
                      *old = json_at(w->old, "metadata", "labels", NULL);
    struct security_policy now[SECURITY_MODES], was[SECURITY_MODES];
    struct err *errs = NULL, *old_errs = NULL;
    bool unchanged;

    policies_of(w->a, w->api->security, labels, now, &errs);
    policies_of(w->a, w->api->security, old, was, &old_errs);
    unchanged = w->old && same_causes(errs, old_errs);
    err_free(old_errs);
    if (errs && !unchanged)
        return err_invalid(errs, S(""), S("Namespace"), name);
    err_free(errs);
    if (!w->old && exempt)
        warn_of_exemption(w, now, name);
    if (!w->old || same(&now[SECURITY_ENFORCE], &was[SECURITY_ENFORCE]) ||
        now[SECURITY_ENFORCE].level == SECURITY_PRIVILEGED ||
        (now[SECURITY_ENFORCE].minor == was[SECURITY_ENFORCE].minor &&
         now[SECURITY_ENFORCE].level <= was[SECURITY_ENFORCE].level))
        return NULL;
    if (exempt)
        warn_of_exemption(w, now, name);
    else
        tell_pods(w, &now[SECURITY_ENFORCE]);
    return NULL;
}

/* ---- pods and what makes them ---- */

static const struct {
    const char *group, *plural, *template;
} templates[] = {
    {"", "podtemplates", "template"},
    {"", "replicationcontrollers", "spec.template"},
    {"apps", "replicasets", "spec.template"},
    {"apps", "deployments", "spec.template"},
    {"apps", "statefulsets", "spec.template"},
    {"apps", "daemonsets", "spec.template"},
    {"batch", "jobs", "spec.template"},
    {"batch", "cronjobs", "spec.jobTemplate.spec.template"},
};

/* The pod or the template of pods that is written; NULL: neither. */
static const struct json *pod_of(const struct write *w, bool *ret_is_pod)
{
    str group = w->kind->r->group, plural = w->kind->r->plural;

    *ret_is_pod = !group.n && str_is(plural, "pods");
    if (*ret_is_pod)
        return w->obj;
    for (size_t i = 0; i < ARRAY_LEN(templates); i++)
        if (str_is(group, templates[i].group) && str_is(plural, templates[i].plural))
            return json_path(w->obj, templates[i].template);
    return NULL;
}

static bool container_changed(const struct json *now, const struct json *old)
{
    return !str_eq(json_get_str(now, "image"), json_get_str(old, "image"));
}

/* Does an update of a pod change what the checks look at? Of all that may change only images and added containers do. */
static bool is_significant(const struct json *pod, const struct json *was)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct json *now = json_path(pod, lists[i]), *old = json_path(was, lists[i]);

        if (json_count(now) != json_count(old))
            return true;
        for (uint32_t k = 0; k < json_count(now); k++)
            if (container_changed(json_item(now, k), json_item(old, k)))
                return true;
    }
    JSON_EACH(c, json_path(pod, "spec.ephemeralContainers")) {
        const struct json *old = NULL;

        JSON_EACH(o, json_path(was, "spec.ephemeralContainers"))
            if (str_eq(json_get_str(o, "name"), json_get_str(c, "name")))
                old = o;
        if (!old || container_changed(c, old))
            return true;
    }
    return false;
}

static void note(struct write *w, const char *key, str value)
{
    if (audit_keeps_notes(w->req))
        audit_note(w->req, arena_fmt(w->req->a, LABEL "%s", key), arena_dup(w->req->a, value));
}

/* The details of what is wrong in one mode; empty: nothing. */
static str wrong_in(struct write *w, const struct json *pod, const struct security_policy *p)
{
    CLEANUP(buf) struct buf details = BUF_INIT;

    if (p->level > SECURITY_PRIVILEGED)
        security_evaluate(w->a, p, pod, &details, NULL);
    return arena_dup(w->a, buf_view(&details));
}

static struct err *evaluate(struct write *w, const struct json *pod, bool is_pod,
                            const struct security_policy p[SECURITY_MODES])
{
    struct err *e = NULL;
    str wrong;

    if (is_pod) {
        note(w, "enforce-policy", policy_text(w->a, &p[SECURITY_ENFORCE]));
        wrong = wrong_in(w, pod, &p[SECURITY_ENFORCE]);
        if (wrong.n)
            e = err_forbidden(w->kind, w->name.n ? w->name : meta_str(w->obj, "name"),
                              "violates PodSecurity \"" PRI_STR "\": " PRI_STR,
                              STR_ARG(policy_text(w->a, &p[SECURITY_ENFORCE])), STR_ARG(wrong));
    }
    wrong = wrong_in(w, pod, &p[SECURITY_AUDIT]);
    if (wrong.n)
        note(w, "audit-violations",
             arena_fmt(w->a, "would violate PodSecurity \"" PRI_STR "\": " PRI_STR,
                       STR_ARG(policy_text(w->a, &p[SECURITY_AUDIT])), STR_ARG(wrong)));
    if (e)
        return e;
    wrong = wrong_in(w, pod, &p[SECURITY_WARN]);
    if (wrong.n)
        req_warn(w->req, arena_fmt(w->a, "would violate PodSecurity \"" PRI_STR "\": " PRI_STR,
                                   STR_ARG(policy_text(w->a, &p[SECURITY_WARN])), STR_ARG(wrong)));
    return NULL;
}

/* Labels that say nothing do not stop anything; the audit log tells of them. */
static void note_errors(struct write *w, struct err *errs)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (unsigned i = 0; errs && i < errs->n_causes; i++)
        buf_fmt(&b, "%s%s: %s", i ? ", " : "", errs->causes[i].field, errs->causes[i].message);
    if (b.n)
        note(w, "error",
             arena_fmt(w->a, "Failed to parse policy: %s" PRI_STR "%s",
                       errs->n_causes > 1 ? "[" : "", STR_ARG(buf_view(&b)),
                       errs->n_causes > 1 ? "]" : ""));
    err_free(errs);
}

/* Whoever and whatever the standards are not for, by the server's configuration. */
static bool is_exempt(struct write *w, const struct json *pod)
{
    const struct security_config *c = w->api->security;
    const char *by = is_listed(&c->namespaces, w->ns)               ? "namespace"
                     : is_listed(&c->usernames, w->req->user->name) ? "user"
                     : is_listed(&c->runtime_classes, json_get_str(pod, "spec.runtimeClassName"))
                         ? "runtimeClass"
                         : NULL;

    if (by)
        note(w, "exempt", str_of(by));
    return by;
}

struct err *pod_security(struct write *w)
{
    const struct kind *namespaces = api_core(w->api, "namespaces");
    const struct security_config *c = w->api->security;
    const struct obj *ns;
    const struct json *labels, *pod;
    struct security_policy p[SECURITY_MODES];
    struct err *errs = NULL;
    bool is_pod;

    if (w->kind == namespaces)
        return w->subresource.n ? NULL : check_namespace(w);
    if (w->bootstrap || !w->kind->r->namespaced ||
        (w->subresource.n && !str_is(w->subresource, "ephemeralcontainers") &&
         !str_is(w->subresource, "resize")))
        return NULL;
    pod = pod_of(w, &is_pod);
    if (!json_findz(pod, "spec") || (!is_pod && w->subresource.n) || is_exempt(w, pod))
        return NULL;
    ns = store_find(w->api->store, kind_key(namespaces, S(""), w->ns));
    if (!ns || (str_find(ns->labels, S(LABEL)) < 0 && is_privileged(c->defaults))) {
        if (is_pod && ns)
            note(w, "enforce-policy", S("privileged:latest"));
        return NULL;
    }
    if (is_pod && w->old && !is_significant(w->obj, w->old))
        return NULL;
    labels = json_at(object_parse(w->a, arena_dup(w->a, ns->data)), "metadata", "labels", NULL);
    policies_of(w->a, c, labels, p, &errs);
    note_errors(w, errs);
    return evaluate(w, pod, is_pod, p);
}
