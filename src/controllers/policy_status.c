/* policy_status.c - tells the author of a validating policy what is wrong with its expressions for the kinds it is about.
 *
 * When the policy is evaluated its objects have no types, so a wrong field name is found by the first request only. Here
 * each expression is compiled once more with the types of up to ten kinds that the rules name without wildcards, built-in
 * and custom ones; what does not fit becomes a warning in the status.
 * API: k8s.io/kubernetes/pkg/controller/validatingadmissionpolicystatus,
 * k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go */
#include "controllers/controllers_internal.h"
#include "schema/cel/cel.h"

#define TYPES_MAX 10 /* of one rule, as Kubernetes */
#define COMPILATION_PREFIX "compilation failed: "

struct object_type {
    str group, version, kind;
    const struct schema_type *builtin; /* NULL: a custom kind */
    const struct json *schema;         /* of a custom kind; NULL: it has none */
};

struct checking {
    const struct reconcile *r;
    struct arena *a;
    const struct json *spec;
    struct object_type *types; /* by group, version, kind */
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
    const struct object_type *a = x, *b = y;
    int c = str_cmp(a->group, b->group);

    (void)ctx;
    if (!c)
        c = str_cmp(a->version, b->version);
    return c ? c : str_cmp(a->kind, b->kind);
}

static bool type_add(struct checking *c, const struct object_type *t)
{
    for (size_t i = 0; i < c->n; i++)
        if (!type_cmp(&c->types[i], t, NULL))
            return false;
    c->types = arena_grow(c->a, c->types, c->n * sizeof *c->types, (c->n + 1) * sizeof *c->types);
    c->types[c->n++] = *t;
    return true;
}

/* As the definition has it in this version. false: it does not serve that. */
static bool type_of_definition(const struct json *crd, str version, struct object_type *ret)
{
    JSON_EACH(v, json_path(crd, "spec.versions")) {
        if (!str_eq(json_get_str(v, "name"), version) || !json_get_bool(v, "served", false))
            continue;
        *ret = (struct object_type){.group = json_get_str(crd, "spec.group"),
                                    .version = version,
                                    .kind = json_get_str(crd, "spec.names.kind"),
                                    .schema = json_path(v, "schema.openAPIV3Schema")};
        return true;
    }
    return false;
}

static bool type_of_resource(const struct checking *c, str group, str version, str plural,
                             struct object_type *ret)
{
    const struct resource *r = schema_find_resource(group, version, plural);

    if (r) {
        *ret = (struct object_type){
            .group = r->group, .version = r->version, .kind = r->kind, .builtin = r->type};
        return true;
    }
    return type_of_definition(
        look_tree(c->r, K_CUSTOMRESOURCEDEFINITIONS, STR_NONE,
                  arena_fmt(c->a, PRI_STR "." PRI_STR, STR_ARG(plural), STR_ARG(group))),
        version, ret);
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
                struct object_type t;

                if (n < TYPES_MAX && !str_has_char(json_str(name), '*') &&
                    !str_has_char(json_str(name), '/') &&
                    type_of_resource(c, json_str(group), json_str(version), json_str(name), &t) &&
                    type_add(c, &t))
                    n++;
            }
}

/* ---- one expression against one kind ---- */

struct search {
    const struct checking *c;
    str group, version, kind;
    struct object_type found;
};

static bool is_params_definition(void *ctx, const struct obj *o)
{
    struct search *s = ctx;
    struct json *crd;

    if (!str_has_suffix(o->key.name, s->group))
        return true;
    crd = tree_of(s->c->a, o);
    return !str_eq(json_get_str(crd, "spec.group"), s->group) ||
           !str_eq(json_get_str(crd, "spec.names.kind"), s->kind) ||
           !type_of_definition(crd, s->version, &s->found);
}

static struct object_type param_type(const struct checking *c)
{
    struct search s = {.c = c,
                       .group = S(""),
                       .version = json_get_str(c->spec, "paramKind.apiVersion"),
                       .kind = json_get_str(c->spec, "paramKind.kind")};

    if (str_has_char(s.version, '/'))
        str_cut(&s.version, '/', &s.group);
    s.found.builtin = schema_find_gvk(s.group, s.version, s.kind);
    if (!s.found.builtin && s.group.n)
        informer_each(c->r->caches[K_CUSTOMRESOURCEDEFINITIONS], STR_NONE, is_params_definition,
                      &s);
    return s.found;
}

static const struct cel_type *typed(struct cel_env *env, const char *name,
                                    const struct object_type *t)
{
    const struct cel_type *type = t->builtin ? cel_type_builtin(env, t->builtin)
                                  : t->schema
                                      ? cel_type_structural(env, str_of(name), t->schema, true)
                                      : NULL;

    return type ? type : cel_dyn;
}

static struct cel_env *env_of(const struct checking *c, const struct object_type *t)
{
    struct cel_env *env = cel_env_new(CEL_POLICY);
    const struct cel_type *object = typed(env, "object", t);

    cel_declare(env, S("object"), object);
    cel_declare(env, S("oldObject"), object);
    cel_declare(env, S("request"), cel_type_admission_request(env));
    cel_declare(env, S("namespaceObject"), cel_type_namespace(env));
    cel_declare(env, S("authorizer"), cel_authorizer);
    cel_declare(env, S("authorizer.requestResource"), cel_resource_check);
    if (json_findz(c->spec, "paramKind")) {
        struct object_type params = param_type(c);

        cel_declare(env, S("params"), typed(env, "params", &params));
    }
    JSON_EACH(v, json_findz(c->spec, "variables")) {
        const struct cel_program *p;
        struct err *e = cel_compile(env, json_get_str(v, "expression"), NULL, &p);

        if (!e)
            cel_declare_composed(env, json_get_str(v, "name"), p);
        err_free(e);
    }
    return env;
}

static void check_one(struct checking *c, const struct object_type *t, str expression,
                      struct buf *text)
{
    struct cel_env *env = env_of(c, t);
    const struct cel_program *p;
    struct err *e = cel_compile(env, expression, NULL, &p);

    if (e) {
        str why = str_of(err_text(e));

        if (str_has_prefix(why, S(COMPILATION_PREFIX)))
            why = str_skip(why, sizeof COMPILATION_PREFIX - 1);
        if (text->n)
            buf_char(text, '\n');
        buf_fmt(text, PRI_STR "/" PRI_STR ", Kind=" PRI_STR ": " PRI_STR "\n", STR_ARG(t->group),
                STR_ARG(t->version), STR_ARG(t->kind), STR_ARG(why));
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
        check_one(c, &c->types[i], expression, &text);
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
    struct checking c = {
        .r = r, .a = r->a, .spec = json_findz(policy, "spec"), .warnings = json_array()};
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

static const enum kind_id reads[] = {K_CUSTOMRESOURCEDEFINITIONS, K_N};

const struct controller_type policy_status_controller = {
    .name = "validatingadmissionpolicy-status",
    .component = "validatingadmissionpolicy-status-controller",
    .primary = K_VALIDATINGADMISSIONPOLICIES,
    .reads = reads,
    .reconcile = reconcile,
};
