/* rules.c - x-kubernetes-validations of custom resources.
 *
 * Rules are compiled once for each definition, in one environment. Validation walks object and rules together; all evaluations for one
 * object share a budget. An error about a value that an update has not changed is only a warning (ratcheting), unless the rule
 * compares with the old value.
 *
 * Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/{compilation,validation}.go. */
#include "schema/cel/rules.h"
#include "schema/change.h"

#define DEPTH_MAX 200

struct node { /* of the schema: where there are rules, at it or below */
    const struct json *schema;
    struct cel_rule *rules;
    size_t n_rules;
    struct member {
        str name;
        struct node *node;
    } * props;
    size_t n_props;
    struct node *items, *values; /* of lists, of maps */
};
struct cel_rules {
    struct arena *arena;
    struct cel_env *env;
    unsigned self, old_self;
    struct node *root;
};

/* ---- compilation ---- */

void cel_rule_fini(struct cel_rule *r)
{
    err_free(r->error);
    err_free(r->message_error);
}

void cel_rule_compile(struct cel_env *env, const struct cel_type *self, const struct json *rule,
                      struct cel_rule *ret)
{
    str text = json_get_str(rule, "rule"), message = json_get_str(rule, "messageExpression");
    bool optional = json_get_bool(rule, "optionalOldSelf", false);
    unsigned old;

    *ret = (struct cel_rule){.json = rule};
    if (!str_trim(text).n)
        return;
    cel_declare(env, S("self"), self);
    old = cel_declare(env, S("oldSelf"), optional ? cel_optional_of(env, self) : self);
    ret->error = cel_compile(env, text, NULL, &ret->program);
    if (!ret->error && !cel_type_equal(cel_program_type(ret->program), cel_bool)) {
        ret->error = err_new(REASON_INVALID, "cel expression must evaluate to a bool");
        ret->program = NULL;
    }
    if (ret->program)
        ret->uses_old = cel_program_uses(ret->program, old);
    if (!str_trim(message).n)
        return;
    ret->message_error = cel_compile(env, message, NULL, &ret->message);
    if (ret->message_error) {
        struct err *e =
            err_new(REASON_INVALID, "messageExpression %s", err_text(ret->message_error));

        err_free(ret->message_error);
        ret->message_error = e;
    } else if (!cel_type_equal(cel_program_type(ret->message), cel_string)) {
        ret->message_error = err_new(REASON_INVALID, "messageExpression must evaluate to a string");
        ret->message = NULL;
    }
}

static bool has_rules(const struct json *s)
{
    return json_count(json_findz(s, "x-kubernetes-validations")) > 0;
}

static struct node *build(struct cel_rules *r, const struct json *s, bool root, int depth);

static void build_below(struct cel_rules *r, struct node *n, const struct json *s, int depth)
{
    const struct json *props = json_findz(s, "properties"),
                      *more = json_findz(s, "additionalProperties");

    n->props = ARENA_NEW_N(r->arena, struct member, json_count(props) + 1);
    JSON_EACH_MEMBER(m, props) {
        struct node *sub = build(r, &m->value, false, depth + 1);

        if (sub)
            n->props[n->n_props++] = (struct member){m->key, sub};
    }
    n->items = build(r, json_findz(s, "items"), false, depth + 1);
    n->values = build(r, more, false, depth + 1);
}

/* NULL: there are no rules at this schema nor below it. */
static struct node *build(struct cel_rules *r, const struct json *s, bool root, int depth)
{
    struct node *n;

    if (!json_is(s, JSON_OBJECT) || depth > DEPTH_MAX)
        return NULL;
    n = ARENA_NEW(r->arena, struct node);
    n->schema = s;
    build_below(r, n, s, depth);
    root |= json_get_bool(s, "x-kubernetes-embedded-resource", false);
    if (has_rules(s)) {
        const struct json *rules = json_findz(s, "x-kubernetes-validations");
        const struct cel_type *type = cel_type_structural(r->env, S("self"), s, root);

        n->rules = ARENA_NEW_N(r->arena, struct cel_rule, json_count(rules));
        if (type)
            JSON_EACH(x, rules)
                cel_rule_compile(r->env, type, x, &n->rules[n->n_rules++]);
    }
    return n->n_rules || n->n_props || n->items || n->values ? n : NULL;
}

static void fini(struct node *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->n_rules; i++)
        cel_rule_fini(&n->rules[i]);
    for (size_t i = 0; i < n->n_props; i++)
        fini(n->props[i].node);
    fini(n->items);
    fini(n->values);
}

struct cel_rules *cel_rules_new(const struct json *schema)
{
    struct cel_rules *r = NEW(struct cel_rules);

    r->arena = arena_new();
    r->env = cel_env_new(CEL_RULES);
    r->self = cel_declare(r->env, S("self"), cel_dyn);
    r->old_self = cel_declare(r->env, S("oldSelf"), cel_dyn);
    r->root = build(r, schema, true, 0);
    if (r->root)
        return r;
    cel_rules_free(r);
    return NULL;
}

void cel_rules_free(struct cel_rules *r)
{
    if (!r)
        return;
    fini(r->root);
    cel_env_free(r->env);
    arena_free(r->arena);
    mem_free(r);
}

/* ---- validation ---- */

struct place { /* of a value, for messages */
    const struct place *up;
    str name;
    int64_t index; /* -1: a name */
    bool key;
};
struct ratchet {
    struct change *here; /* the value and what it was; NULL: that cannot be told */
    struct change *near; /* the nearest around it of which it can; NULL at the root */
};
struct walk {
    struct arena *a;
    const struct cel_rules *r;
    struct cel_vars *vars;
    struct json *warnings;
    struct err **errs;
    int64_t budget;
    bool stop;
};

static void place_text(struct buf *b, const struct place *p)
{
    if (!p)
        return;
    place_text(b, p->up);
    if (p->index >= 0) {
        buf_fmt(b, "[%lld]", (long long)p->index);
    } else if (p->key) {
        buf_fmt(b, "[" PRI_STR "]", STR_ARG(p->name));
    } else {
        if (b->n)
            buf_char(b, '.');
        buf_str(b, p->name);
    }
}

static void complain(struct walk *w, const char *type, const struct place *at, str path_more,
                     bool only_warn, const char *fmt, ...) PRINTF(6, 7);
static void complain(struct walk *w, const char *type, const struct place *at, str path_more,
                     bool only_warn, const char *fmt, ...)
{
    CLEANUP(buf) struct buf path = BUF_INIT;
    va_list ap;
    str message;

    place_text(&path, at);
    if (path_more.n && !path.n && path_more.p[0] == '.')
        path_more = str_skip(path_more, 1);
    buf_str(&path, path_more);
    if (!path.n)
        buf_z(&path, "<nil>");
    va_start(ap, fmt);
    message = arena_vfmt(w->a, fmt, ap);
    va_end(ap);
    if (only_warn) {
        if (w->warnings)
            json_append(w->a, w->warnings,
                        json_string(arena_fmt(w->a, PRI_STR ": " PRI_STR, STR_ARG(buf_view(&path)),
                                              STR_ARG(message))));
        return;
    }
    if (!*w->errs)
        *w->errs = err_new(REASON_INVALID, "%s", "");
    err_cause_add(*w->errs, type, buf_view(&path), message);
}

/* The type as field.Invalid shows it: a string. */
#define INVALID(w, at, n, ...)                                                                     \
    complain(w, "FieldValueInvalid", at, STR_NONE, false, "Invalid value: \"" PRI_STR "\": %s",    \
             STR_ARG(json_get_str((n)->schema, "type")), arena_fmt((w)->a, __VA_ARGS__).p)

static str rule_name(const struct json *rule)
{
    str message = str_trim(json_get_str(rule, "message"));

    return message.n ? message : str_trim(json_get_str(rule, "rule"));
}

static bool unchanged(const struct ratchet *t)
{
    return change_is_none(t->here ? t->here : t->near);
}

static bool spend(struct walk *w, uint64_t cost)
{
    if (cost > INT64_MAX || (int64_t)cost > w->budget)
        return false;
    w->budget -= (int64_t)cost;
    return true;
}

/* The message of an expression; false: none, the rule's own is taken. */
static bool message_of(struct walk *w, const struct node *n, const struct cel_rule *rule,
                       const struct place *at, str more, bool only_warn, str *ret)
{
    str text = json_get_str(rule->json, "messageExpression"), s;
    struct cel_result r;

    if (!rule->message)
        return false;
    r = cel_eval(rule->message, w->vars);
    if (!spend(w, r.cost) || r.out_of_cost) {
        complain(w, "FieldValueInvalid", at, more, only_warn,
                 "Invalid value: \"" PRI_STR "\": %s" PRI_STR "%s",
                 STR_ARG(json_get_str(n->schema, "type")),
                 r.out_of_cost ? "no further validation rules will be run due to call cost exceeds "
                                 "limit for messageExpression: \""
                               : "messageExpression evaluation failed due to running out of cost "
                                 "budget, no further validation rules will be run",
                 STR_ARG(r.out_of_cost ? text : S("")), r.out_of_cost ? "\"" : "");
        w->stop = true;
        return false;
    }
    s = str_trim(cel_string_of(r.value));
    if (!r.ok || !s.n || s.n > CEL_MESSAGE_MAX || str_has_char(s, '\n'))
        return false;
    *ret = s;
    return true;
}

static void failed(struct walk *w, const struct node *n, const struct cel_rule *rule,
                   const struct place *at, const struct ratchet *ratchet)
{
    str reason = json_get_str(rule->json, "reason"), more = json_get_str(rule->json, "fieldPath"),
        message = str_trim(json_get_str(rule->json, "message")), detail,
        type = json_get_str(n->schema, "type");
    bool only_warn = !rule->uses_old && unchanged(ratchet);

    if (message_of(w, n, rule, at, more, only_warn, &detail))
        message = detail;
    else if (w->stop)
        return;
    else if (!message.n)
        message = arena_fmt(w->a, "failed rule: " PRI_STR, STR_ARG(rule_name(rule->json)));
    if (str_is(reason, "FieldValueForbidden"))
        complain(w, "FieldValueForbidden", at, more, only_warn, "Forbidden: " PRI_STR,
                 STR_ARG(message));
    else if (str_is(reason, "FieldValueRequired"))
        complain(w, "FieldValueRequired", at, more, only_warn, "Required value: " PRI_STR,
                 STR_ARG(message));
    else if (str_is(reason, "FieldValueDuplicate"))
        complain(w, "FieldValueDuplicate", at, more, only_warn, "Duplicate value: \"" PRI_STR "\"",
                 STR_ARG(type));
    else
        complain(w, "FieldValueInvalid", at, more, only_warn,
                 "Invalid value: \"" PRI_STR "\": " PRI_STR, STR_ARG(type), STR_ARG(message));
}

static void run_rule(struct walk *w, const struct node *n, const struct cel_rule *rule,
                     const struct json *v, const struct json *old, const struct place *at,
                     const struct ratchet *ratchet)
{
    bool optional = json_get_bool(rule->json, "optionalOldSelf", false);
    struct cel_result r;

    if (rule->error) {
        INVALID(w, at, n, "rule compile error: %s", err_text(rule->error));
        return;
    }
    if (!rule->program || (rule->uses_old && !old && !optional))
        return;
    cel_bind_json(w->vars, w->r->self, v);
    if (optional)
        cel_bind_optional(w->vars, w->r->old_self, old);
    else if (old)
        cel_bind_json(w->vars, w->r->old_self, old);
    else
        cel_unbind(w->vars, w->r->old_self);
    r = cel_eval(rule->program, w->vars);
    if (r.out_of_cost) {
        INVALID(w, at, n,
                "'" PRI_STR "': no further validation rules will be run due to call cost exceeds "
                "limit for rule: " PRI_STR,
                STR_ARG(r.error), STR_ARG(rule_name(rule->json)));
        w->stop = true;
    } else if (!spend(w, r.cost)) {
        INVALID(w, at, n,
                "validation failed due to running out of cost budget, no further validation rules "
                "will be run");
        w->stop = true;
    } else if (!r.ok && str_has_prefix(r.error, S("no such overload"))) {
        INVALID(w, at, n,
                "'" PRI_STR "': call arguments did not match a supported operator, function or "
                "macro signature for rule: " PRI_STR,
                STR_ARG(r.error), STR_ARG(rule_name(rule->json)));
    } else if (!r.ok) {
        INVALID(w, at, n, PRI_STR " evaluating rule: " PRI_STR, STR_ARG(r.error),
                STR_ARG(rule_name(rule->json)));
    } else if (!cel_is_true(r.value)) {
        failed(w, n, rule, at, ratchet);
    }
}

static void visit(struct walk *w, const struct node *n, const struct json *v,
                  const struct json *old, const struct place *at, const struct ratchet *ratchet,
                  int depth);

static void visit_items(struct walk *w, const struct node *n, const struct json *v,
                        const struct json *old, const struct place *at,
                        const struct ratchet *ratchet, int depth)
{
    struct change list;

    change_init(&list, w->a, v, old, n->schema);
    for (uint32_t i = 0; i < v->n; i++) {
        struct place here = {.up = at, .index = i};
        struct ratchet below = *ratchet;
        struct change item, same;
        bool known = change_item(&list, i, &item);

        if (ratchet->here)
            below = (struct ratchet){change_item(ratchet->here, i, &same) ? &same : NULL,
                                     ratchet->here};
        visit(w, n->items, &v->items[i], known ? item.old : NULL, &here, &below, depth + 1);
    }
}

static void visit_member(struct walk *w, const struct node *n, const struct node *sub, str name,
                         bool key, const struct json *v, const struct json *old,
                         const struct place *at, const struct ratchet *ratchet, int depth)
{
    bool atomic = str_is(json_get_str(n->schema, "x-kubernetes-map-type"), "atomic");
    struct place here = {.up = at, .name = name, .index = -1, .key = key};
    struct ratchet below = *ratchet;
    struct change member;

    /* Both versions of an object are converted: of what it came as nothing is to be seen. */
    if (ratchet->here && !ratchet->near && (str_is(name, "apiVersion") || str_is(name, "kind")))
        below = (struct ratchet){NULL, NULL};
    else if (ratchet->here)
        below = (struct ratchet){change_member(ratchet->here, name, &member) ? &member : NULL,
                                 ratchet->here};
    visit(w, sub, json_find(v, name), atomic ? NULL : json_find(old, name), &here, &below,
          depth + 1);
}

static void visit(struct walk *w, const struct node *n, const struct json *v,
                  const struct json *old, const struct place *at, const struct ratchet *ratchet,
                  int depth)
{
    const struct json *old_object = json_is(old, JSON_OBJECT) ? old : NULL;

    if (!n || !v || v->type == JSON_NULL || w->stop || depth > DEPTH_MAX)
        return;
    if (old && old->type == JSON_NULL)
        old = NULL;
    if (n->n_rules && w->budget <= 0) {
        INVALID(w, at, n,
                "validation failed due to running out of cost budget, no further validation rules "
                "will be run");
        w->stop = true;
        return;
    }
    for (size_t i = 0; i < n->n_rules && !w->stop; i++)
        run_rule(w, n, &n->rules[i], v, old, at, ratchet);
    if (v->type == JSON_ARRAY && n->items)
        visit_items(w, n, v, json_is(old, JSON_ARRAY) ? old : NULL, at, ratchet, depth);
    if (v->type != JSON_OBJECT)
        return;
    if (n->values)
        JSON_EACH_MEMBER(m, v)
            visit_member(w, n, n->values, m->key, true, v, old_object, at, ratchet, depth);
    for (size_t i = 0; i < n->n_props; i++)
        visit_member(w, n, n->props[i].node, n->props[i].name, false, v, old_object, at, ratchet,
                     depth);
}

/* Does the object lack the form that rules rely on? */
static bool blocked(const struct err *errs)
{
    static const char *const types[] = {"FieldValueNotSupported", "FieldValueRequired",
                                        "FieldValueTooLong", "FieldValueTooMany",
                                        "FieldValueTypeInvalid"};

    for (unsigned i = 0; errs && i < errs->n_causes; i++)
        for (size_t k = 0; k < ARRAY_LEN(types); k++)
            if (strcmp(errs->causes[i].type, types[k]) == 0)
                return true;
    return false;
}

void cel_rules_validate(struct arena *a, struct loop *loop, const struct cel_rules *r,
                        const struct json *v, const struct json *old, struct json *warnings,
                        struct err **errs)
{
    struct walk w = {.a = a, .r = r, .warnings = warnings, .errs = errs, .budget = CEL_BUDGET};
    struct change whole;
    struct ratchet root = {old ? &whole : NULL, NULL};

    if (blocked(*errs)) {
        complain(&w, "FieldValueInvalid", NULL, STR_NONE, false,
                 "Invalid value: null: some validation rules were not checked because the object "
                 "was invalid; correct the existing errors to complete validation");
        return;
    }
    if (old)
        change_init(&whole, a, v, old, r->root->schema);
    w.vars = cel_vars_new(a, r->env);
    cel_vars_loop(w.vars, loop);
    visit(&w, r->root, v, old, NULL, &root, 0);
}
