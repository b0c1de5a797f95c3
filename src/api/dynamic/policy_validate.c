/* policy_validate.c - validating policies: what their expressions decide, and what a binding makes of it.
 *
 * API: k8s.io/apiserver/pkg/admission/plugin/policy/validating (dispatcher.go, validator.go) */
#include "api/dynamic/policy.h"

struct verdict {
    struct attributes *t;
    bool denied; /* then by the first that denied: */
    str message, reason;
    struct map notes; /* audit annotations: key -> struct json: values */
};

static void deny(struct verdict *v, const struct policy *p, const struct binding *b, str why,
                 str reason)
{
    if (v->denied)
        return;
    v->denied = true;
    v->reason = reason.n ? reason : S("Invalid");
    if (b)
        v->message = arena_fmt(v->t->a,
                               "ValidatingAdmissionPolicy '" PRI_STR "' with binding '" PRI_STR
                               "' denied request: " PRI_STR,
                               STR_ARG(p->name), STR_ARG(b->name), STR_ARG(why));
    else
        v->message =
            arena_fmt(v->t->a, "ValidatingAdmissionPolicy '" PRI_STR "' denied request: " PRI_STR,
                      STR_ARG(p->name), STR_ARG(why));
}

static void on_fault(void *ctx, struct policy *p, struct binding *b, str why)
{
    struct verdict *v = ctx;

    if (p->ignore_failure)
        return;
    deny(v, p, b,
         arena_fmt(v->t->a, "failed to configure %s: " PRI_STR, b ? "binding" : "policy",
                   STR_ARG(why)),
         S(""));
}

/* ---- what a binding does with a failure ---- */

static void audit_failure(struct verdict *v, const struct policy *p, const struct binding *b,
                          size_t index, str why)
{
    struct arena *a = v->t->a;
    struct json item = json_object(), list = json_array();
    struct buf text = BUF_INIT;

    json_setz(a, &item, "message", json_string(why));
    json_setz(a, &item, "policy", json_string(p->name));
    json_setz(a, &item, "binding", json_string(b->name));
    json_setz(a, &item, "expressionIndex", json_int((int64_t)index));
    json_setz(a, &item, "validationActions", json_share(a, b->actions));
    json_append(a, &list, item);
    json_encode(&text, &list);
    audit_note(v->t->req, S("validation.policy.admission.k8s.io/validation_failure"),
               arena_dup(v->t->req->a, buf_view(&text)));
    buf_fini(&text);
}

static void act(struct verdict *v, const struct invocation *x, size_t index, str why, str reason)
{
    const struct policy *p = x->policy;
    const struct binding *b = x->binding;

    JSON_EACH(action, b->actions) {
        if (str_is(json_str(action), "Deny"))
            deny(v, p, b, why, reason);
        else if (str_is(json_str(action), "Audit"))
            audit_failure(v, p, b, index, why);
        else if (str_is(json_str(action), "Warn"))
            req_warn(v->t->req, arena_fmt(v->t->a,
                                          "Validation failed for ValidatingAdmissionPolicy "
                                          "'" PRI_STR "' with binding '" PRI_STR "': " PRI_STR,
                                          STR_ARG(p->name), STR_ARG(b->name), STR_ARG(why)));
    }
}

/* ---- validations ---- */

static str message_of(struct arena *a, const struct validation_rule *r,
                      const struct evaluation *evaluated)
{
    str text = S("");

    if (evaluated->state == EVALUATION_DONE)
        text = str_trim(cel_string_of(evaluated->value));
    if (text.n > MESSAGE_MAX || str_has_char(text, '\n'))
        text = S("");
    if (!text.n)
        text = str_trim(r->message_text);
    return text.n ? text
                  : arena_fmt(a, "failed expression: " PRI_STR, STR_ARG(str_trim(r->rule.text)));
}

struct results { /* of all validations, before what they mean is known */
    struct evaluation *rules, *messages;
    str over; /* the budget of rules is spent: no single result counts */
    str message_over;
};

static struct results evaluate(struct arena *a, const struct policy *p, struct cel_vars *vars)
{
    int64_t budget = CEL_BUDGET;
    struct results r = {
        .rules = ARENA_NEW_N(a, struct evaluation, p->n_validations + 1),
        .messages = ARENA_NEW_N(a, struct evaluation, p->n_validations + 1),
    };

    for (size_t i = 0; i < p->n_validations; i++) {
        r.rules[i] = expression_eval(a, &p->validations[i].rule, vars, &budget);
        if (r.rules[i].state == EVALUATION_OVER) {
            r.over = r.rules[i].error;
            return r;
        }
    }
    for (size_t i = 0; i < p->n_validations && !r.message_over.n; i++) {
        if (!p->validations[i].message.text.n)
            continue;
        r.messages[i] = expression_eval(a, &p->validations[i].message, vars, &budget);
        if (r.messages[i].state == EVALUATION_OVER)
            r.message_over = r.messages[i].error;
    }
    return r;
}

static void validate(struct verdict *v, const struct invocation *x, struct cel_vars *vars)
{
    const struct policy *p = x->policy;
    struct arena *a = v->t->a;
    struct results r = evaluate(a, p, vars);

    if (r.over.n) {
        if (!p->ignore_failure)
            act(v, x, 0, r.over, S(""));
        return;
    }
    for (size_t i = 0; i < p->n_validations; i++) {
        const struct validation_rule *rule = &p->validations[i];

        if (r.rules[i].state == EVALUATION_FAILED) {
            if (!p->ignore_failure)
                act(v, x, i, r.rules[i].error, S(""));
        } else if (r.message_over.n) {
            if (!p->ignore_failure)
                act(v, x, i,
                    arena_fmt(a, "failed messageExpression: " PRI_STR, STR_ARG(r.message_over)),
                    S(""));
        } else if (!cel_is_true(r.rules[i].value)) {
            act(v, x, i, message_of(a, rule, &r.messages[i]), rule->reason);
        }
    }
}

/* ---- audit annotations ---- */

static void note_add(struct verdict *v, str key, str value)
{
    struct json *values = map_find(&v->notes, key);

    if (!values) {
        values = json_new(v->t->a, json_array());
        map_put(&v->notes, key, values);
    }
    JSON_EACH(had, values)
        if (str_eq(had->s, value))
            return;
    json_append(v->t->a, values, json_string(value));
}

static void annotate(struct verdict *v, const struct invocation *x, struct cel_vars *vars)
{
    const struct policy *p = x->policy;
    struct arena *a = v->t->a;
    int64_t budget = CEL_BUDGET;

    for (size_t i = 0; i < p->n_audits; i++) {
        struct evaluation r = expression_eval(a, &p->audits[i].value, vars, &budget);
        str value;

        if (r.state != EVALUATION_DONE) {
            if (!p->ignore_failure)
                deny(v, p, x->binding, r.error, S(""));
        } else if (r.value.kind == CEL_STRING) {
            value = str_slice(str_trim(cel_string_of(r.value)), 0, AUDIT_VALUE_MAX);
            if (value.n)
                note_add(
                    v,
                    arena_fmt(a, PRI_STR "/" PRI_STR, STR_ARG(p->name), STR_ARG(p->audits[i].key)),
                    value);
        } else if (r.value.kind != CEL_NULL) {
            deny(v, p, x->binding,
                 arena_fmt(a,
                           "valueExpression '" PRI_STR
                           "' resulted in unsupported return type: " PRI_STR
                           ". Return type must be either string or null.",
                           STR_ARG(p->audits[i].value.text), STR_ARG(cel_value_type_name(r.value))),
                 S(""));
        }
    }
}

/* Values that bindings and parameters have made different stand in one annotation. */
static void publish(struct verdict *v)
{
    MAP_EACH(m, &v->notes) {
        CLEANUP(buf) struct buf text = BUF_INIT;
        const struct json *values = m->value;

        JSON_EACH(value, values)
            buf_fmt(&text, "%s" PRI_STR, value == values->items ? "" : ", ", STR_ARG(value->s));
        audit_note(v->t->req, arena_dup(v->t->req->a, map_key(m)),
                   arena_dup(v->t->req->a, buf_view(&text)));
    }
}

/* ---- the verdict ---- */

static struct err *on_invocation(void *ctx, struct invocation *x)
{
    struct verdict *v = ctx;
    struct policy *p = x->policy;
    struct cel_vars *vars = scope_bind(&p->scope, v->t, &x->shown, x->param, true);
    str error;

    if (!conditions_hold(v->t->a, p->conditions, p->n_conditions, vars, p->ignore_failure,
                         &error)) {
        if (error.n)
            act(v, x, 0, error, S(""));
        return NULL;
    }
    validate(v, x, vars);
    annotate(v, x, vars);
    return NULL;
}

static int code_of(str reason)
{
    static const struct {
        const char *reason;
        int code;
    } codes[] = {{"Forbidden", 403}, {"Unauthorized", 401}, {"RequestEntityTooLarge", 413}};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (str_is(reason, codes[i].reason))
            return codes[i].code;
    return 422;
}

/* Whom a refusal names: before a name is generated, what it will begin with. */
str attributes_name(const struct attributes *t)
{
    str name = t->name.n ? t->name : meta_str(t->obj, "name");

    if (!name.n)
        name = meta_str(t->obj, "generateName");
    return name.n ? name : S("Unknown");
}

static struct err *refusal(const struct verdict *v)
{
    struct err *e = err_forbidden(v->t->kind, attributes_name(v->t), PRI_STR, STR_ARG(v->message));

    e->reason_text = str_dupz(v->reason);
    e->code = code_of(v->reason);
    err_cause_add(e, "", S(""), v->message);
    return e;
}

struct err *policies_validate(struct attributes *t)
{
    struct verdict v = {.t = t};
    struct err *e;

    map_init(&v.notes);
    e = policies_each(t, POLICY_VALIDATING, on_fault, on_invocation, &v);
    if (!e)
        publish(&v);
    if (!e && v.denied)
        e = refusal(&v);
    map_fini(&v.notes);
    return e;
}
