/* policy_status.c - tells the author of a validating policy what is wrong with its expressions for the kinds it is about.
 *
 * When the policy is evaluated its objects have no types, so a wrong field name is found by the first request only. Here
 * each expression is compiled once more with the types of up to ten kinds that the rules name without wildcards; what
 * does not fit becomes a warning in the status. Built-in kinds only: what a custom kind looks like is not known here.
 * API: k8s.io/kubernetes/pkg/controller/validatingadmissionpolicystatus,
 * k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go */
#include "controllers/controllers_internal.h"
#include "schema/cel/cel.h"

#define TYPES_MAX 10 /* of one rule, as Kubernetes */
#define COMPILATION_PREFIX "compilation failed: "

struct checking {
    struct arena *a;
    const struct json *spec;
    const struct resource **types; /* by group, version, kind */
    size_t n;
    struct json warnings;
};

/* ---- the kinds to check against ---- */

static bool has_wildcard(const struct json *list)
{
    JSON_EACH(v, list)
        if (str_has_char(json_str(v), '*'))
            return true;
    return !json_count(list);
}

static int type_cmp(const void *x, const void *y, void *ctx)
{
    const struct resource *a = *(const struct resource *const *)x,
                          *b = *(const struct resource *const *)y;
    int c = str_cmp(a->group, b->group);

    (void)ctx;
    if (!c)
        c = str_cmp(a->version, b->version);
    return c ? c : str_cmp(a->kind, b->kind);
}

static bool type_add(struct checking *c, const struct resource *r)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->types[i] == r)
            return false;
    c->types = arena_grow(c->a, c->types, c->n * sizeof *c->types, (c->n + 1) * sizeof *c->types);
    c->types[c->n++] = r;
    return true;
}

/* Wildcards stand for too much; subresources have objects of other kinds. */
static void rule_types(struct checking *c, const struct json *rule)
{
    const struct json *groups = json_findz(rule, "apiGroups"),
                      *versions = json_findz(rule, "apiVersions");
    size_t n = 0;

    if (has_wildcard(groups) || has_wildcard(versions))
        return;
    JSON_EACH(group, groups)
        JSON_EACH(version, versions)
            JSON_EACH(name, json_findz(rule, "resources")) {
                const struct resource *r =
                    str_has_char(json_str(name), '*') || str_has_char(json_str(name), '/')
                        ? NULL
                        : schema_find_resource(json_str(group), json_str(version), json_str(name));

                if (r && n < TYPES_MAX && type_add(c, r))
                    n++;
            }
}

/* ---- one expression against one kind ---- */

static const struct schema_type *param_type(const struct checking *c)
{
    str version = json_get_str(c->spec, "paramKind.apiVersion"), group = S("");

    if (str_has_char(version, '/'))
        str_cut(&version, '/', &group);
    return schema_find_gvk(group, version, json_get_str(c->spec, "paramKind.kind"));
}

static const struct cel_type *typed(struct cel_env *env, const struct schema_type *t)
{
    const struct cel_type *type = t ? cel_type_builtin(env, t) : NULL;

    return type ? type : cel_dyn;
}

static struct cel_env *env_of(const struct checking *c, const struct resource *r)
{
    struct cel_env *env = cel_env_new(CEL_POLICY);
    const struct cel_type *object = typed(env, r->type);

    cel_declare(env, S("object"), object);
    cel_declare(env, S("oldObject"), object);
    cel_declare(env, S("request"), cel_type_admission_request(env));
    cel_declare(env, S("namespaceObject"), cel_type_namespace(env));
    cel_declare(env, S("authorizer"), cel_authorizer);
    cel_declare(env, S("authorizer.requestResource"), cel_resource_check);
    if (json_findz(c->spec, "paramKind"))
        cel_declare(env, S("params"), typed(env, param_type(c)));
    JSON_EACH(v, json_findz(c->spec, "variables")) {
        const struct cel_program *p;
        struct err *e = cel_compile(env, json_get_str(v, "expression"), NULL, &p);

        if (!e)
            cel_declare_composed(env, json_get_str(v, "name"), p);
        err_free(e);
    }
    return env;
}

static void check_one(struct checking *c, const struct resource *r, str expression,
                      struct buf *text)
{
    struct cel_env *env = env_of(c, r);
    const struct cel_program *p;
    struct err *e = cel_compile(env, expression, NULL, &p);

    if (e) {
        str why = str_of(err_text(e));

        if (str_has_prefix(why, S(COMPILATION_PREFIX)))
            why = str_skip(why, sizeof COMPILATION_PREFIX - 1);
        if (text->n)
            buf_char(text, '\n');
        buf_str(text, r->group);
        buf_fmt(text, "/" PRI_STR ", Kind=" PRI_STR ": " PRI_STR "\n", STR_ARG(r->version),
                STR_ARG(r->kind), STR_ARG(why));
    }
    err_free(e);
    cel_env_free(env);
}

static void check(struct checking *c, uint32_t index, const char *field, str expression)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    struct json w = json_object();

    if (!expression.n)
        return;
    for (size_t i = 0; i < c->n; i++)
        check_one(c, c->types[i], expression, &text);
    if (!text.n)
        return;
    json_setz(c->a, &w, "fieldRef",
              json_string(arena_fmt(c->a, "spec.validations[%u].%s", index, field)));
    json_setz(c->a, &w, "warning", json_string(arena_dup(c->a, buf_view(&text))));
    json_append(c->a, &c->warnings, w);
}

static void check_all(struct checking *c)
{
    const struct json *list = json_findz(c->spec, "validations");

    JSON_EACH(rule, json_path(c->spec, "matchConstraints.resourceRules"))
        rule_types(c, rule);
    if (c->n)
        sort_with(c->types, c->n, sizeof *c->types, type_cmp, NULL);
    for (uint32_t i = 0; i < json_count(list); i++) {
        check(c, i, "expression", json_get_str(json_item(list, i), "expression"));
        check(c, i, "messageExpression", json_get_str(json_item(list, i), "messageExpression"));
    }
}

/* ---- the status ---- */

static void reconcile(struct reconcile *r)
{
    struct json *policy = look_tree(r, K_VALIDATINGADMISSIONPOLICIES, STR_NONE, r->name);
    int64_t generation = json_get_int(policy, "metadata.generation", 0);
    struct checking c = {.a = r->a, .spec = json_findz(policy, "spec"), .warnings = json_array()};
    struct json *body, status = json_object(), result = json_object(), meta = json_object();

    if (!policy || generation <= json_get_int(policy, "status.observedGeneration", 0))
        return;
    check_all(&c);
    if (c.warnings.n)
        json_setz(r->a, &result, "expressionWarnings", c.warnings);
    json_setz(r->a, &status, "observedGeneration", json_int(generation));
    json_setz(r->a, &status, "typeChecking", result);
    json_setz(r->a, &meta, "name", json_string(r->name));
    body = json_new(r->a, json_object());
    json_setz(r->a, body, "kind", json_z("ValidatingAdmissionPolicy"));
    json_setz(r->a, body, "apiVersion", json_z("admissionregistration.k8s.io/v1"));
    json_setz(r->a, body, "metadata", meta);
    json_setz(r->a, body, "status", status);
    plan_patch(&r->plan, &kinds[K_VALIDATINGADMISSIONPOLICIES], STR_NONE, r->name, S("status"),
               PATCH_APPLY, body)
        ->query = "?fieldManager=validatingadmissionpolicy-status&force=true";
}

const struct controller_type policy_status_controller = {
    .name = "validatingadmissionpolicy-status",
    .component = "validatingadmissionpolicy-status-controller",
    .primary = K_VALIDATINGADMISSIONPOLICIES,
    .reconcile = reconcile,
};
