/* reviews.c - questions to the server that are asked by creating an object: who am I, may he, whose
 * token is that.
 *
 * Nothing is stored. API: authentication.k8s.io/v1, authorization.k8s.io/v1 */
#include "api/api_internal.h"
#include "api/hooks.h"
#include "api/validation/check.h"

static void answer(struct req *q, struct json *obj, struct json status)
{
    const struct kind *k = q->route.kind;
    struct err *e;

    json_setz(q->a, obj, "status", status);
    e = accept_parse(q, false, false);
    if (!e)
        e = schema_decode(q->a, k->r->type, obj, NULL);
    if (e)
        reply_error(q, e);
    else
        reply_tree(q, 201, k->r->type, obj);
}

struct json user_json(struct arena *a, const struct user *u)
{
    struct json v = json_object(), groups = json_array(), extra = json_object();

    json_setz(a, &v, "username", json_string(u->name));
    if (u->uid.n)
        json_setz(a, &v, "uid", json_string(u->uid));
    for (size_t i = 0; i < u->n_groups; i++)
        json_append(a, &groups, json_string(u->groups[i]));
    if (groups.n)
        json_setz(a, &v, "groups", groups);
    for (size_t i = 0; i < u->n_extra; i++) {
        struct json values = json_array();

        for (size_t k = 0; k < u->extra[i].n_values; k++)
            json_append(a, &values, json_string(u->extra[i].values[k]));
        json_set(a, &extra, u->extra[i].key, values);
    }
    if (extra.n)
        json_setz(a, &v, "extra", extra);
    return v;
}

/* Reviews own no fields but their spec; managedFields are told as for any create. */
static void track(struct req *q, struct json *obj)
{
    struct write w = {.api = q->api,
                      .req = q,
                      .a = q->a,
                      .kind = q->route.kind,
                      .ns = q->route.ns,
                      .obj = obj,
                      .now = loop_wall(q->api->loop)};
    struct err *e;

    json_removez(obj, "status");
    e = write_track(&w, req_manager(q), S(""));
    err_free(e); /* a review without them is still answered */
}

void self_review(struct req *q, struct json *obj)
{
    struct json status = json_object();

    track(q, obj);
    json_setz(q->a, meta_of(q->a, obj), "creationTimestamp",
              json_string(now_text(q->a, loop_wall(q->api->loop))));
    json_setz(q->a, &status, "userInfo", user_json(q->a, q->user));
    answer(q, obj, status);
}

void token_review(struct req *q, struct json *obj)
{
    str token = json_get_str(obj, "spec.token");
    struct json status = json_object(), audiences = json_array();
    struct token_user t = {.audiences = &audiences};
    struct err *e;

    if (!token.n) {
        reply_error(
            q, err_new(REASON_BAD_REQUEST, "token is required for TokenReview in authentication"));
        return;
    }
    track(q, obj);
    e = authn_token(q->api, q->a, token, json_at(obj, "spec", "audiences", NULL), &t);
    if (e) {
        json_setz(q->a, &status, "user", json_object());
        json_setz(q->a, &status, "error", json_string(arena_dup(q->a, str_of(err_text(e)))));
        err_free(e);
    } else {
        json_setz(q->a, &status, "authenticated", json_bool(true));
        json_setz(q->a, &status, "user", user_json(q->a, t.user));
        json_setz(q->a, &status, "audiences", audiences);
    }
    answer(q, obj, status);
}

/* ---- may he? ---- */

/* Operators that are not known come from newer clients: whoever decides does not count them. */
static void validate_requirements(struct check *c, const struct at *list,
                                  const struct json *requirements, bool labels)
{
    int64_t i = 0;

    JSON_EACH(r, requirements) {
        const struct at *at = AT_INDEX(list, i++);
        str op = json_get_str(r, "operator"), key = json_get_str(r, "key");
        const struct json *values = field(r, "values");
        int64_t v = 0;

        if (!labels && !key.n)
            bad_required(c, AT(at, "key"), "must be specified");
        if ((str_is(op, "In") || str_is(op, "NotIn")) && !json_count(values))
            bad_required(c, AT(at, "values"),
                         "must be specified when `operator` is 'In' or 'NotIn'");
        if ((str_is(op, "Exists") || str_is(op, "DoesNotExist")) && json_count(values))
            bad_forbidden(c, AT(at, "values"),
                          "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        if (!labels)
            continue;
        check_qualified_name(c, AT(at, "key"), key);
        JSON_EACH(value, values)
            check_label_value(c, AT_INDEX(AT(at, "values"), v++), json_str(value));
    }
}

static void validate_selector(struct check *c, const struct json *attributes, const char *which)
{
    const struct json *s = field(attributes, which), *requirements = field(s, "requirements");
    const struct at *at = AT(AT(AT(NULL, "spec"), "resourceAttributes"), which);
    str raw = json_get_str(s, "rawSelector");

    if (!s)
        return;
    if (raw.n && json_count(requirements))
        bad_invalid(c, AT(at, "rawSelector"), json_string(raw),
                    "may not specified at the same time as requirements");
    if (!raw.n && !json_count(requirements))
        bad_required(c, AT(at, "requirements"),
                     arena_fmt(c->a,
                               "when spec.resourceAttributes.%s is specified, requirements or "
                               "rawSelector is required",
                               which)
                         .p);
    validate_requirements(c, AT(at, "requirements"), requirements,
                          str_is(str_of(which), "labelSelector"));
}

static struct err *validate_access(struct req *q, const struct json *obj, bool self, bool local)
{
    const struct json *spec = json_findz(obj, "spec"),
                      *res = json_findz(spec, "resourceAttributes"),
                      *non = json_findz(spec, "nonResourceAttributes"),
                      *meta = json_findz(obj, "metadata");
    struct err *errs = NULL;
    bool extra_meta = false;

    if (res && non) {
        cause(&errs, CAUSE_INVALID, S("spec.nonResourceAttributes"),
              "Invalid value: {\"Path\":\"" PRI_STR "\",\"Verb\":\"" PRI_STR
              "\"}: cannot be specified in combination with resourceAttributes",
              STR_ARG(json_get_str(non, "path")), STR_ARG(json_get_str(non, "verb")));
    }
    if (!res && !non)
        cause(&errs, CAUSE_INVALID, S("spec.resourceAttributes"),
              "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes "
              "must be specified");
    if (!self && !json_get_str(spec, "user").n && !json_count(json_findz(spec, "groups")))
        cause(&errs, CAUSE_INVALID, S("spec.user"),
              "Invalid value: \"\": at least one of user or group must be specified");
    if (res) {
        struct check c = {q->a, &errs};

        validate_selector(&c, res, "fieldSelector");
        validate_selector(&c, res, "labelSelector");
    }
    JSON_EACH_MEMBER(m, meta)
        extra_meta |= !str_is(m->key, "managedFields") && !(local && str_is(m->key, "namespace"));
    if (extra_meta) {
        struct buf b = BUF_INIT;

        json_encode(&b, meta);
        cause(&errs, CAUSE_INVALID, S("metadata"), "Invalid value: %s: must be empty%s",
              buf_cstr(&b), local ? " except for namespace" : "");
        buf_fini(&b);
    }
    if (local && res && !str_eq(json_get_str(res, "namespace"), q->route.ns)) {
        struct buf b = BUF_INIT;

        buf_quoted(&b, json_get_str(res, "namespace"));
        cause(&errs, CAUSE_INVALID, S("spec.resourceAttributes.namespace"),
              "Invalid value: %s: must match metadata.namespace", buf_cstr(&b));
        buf_fini(&b);
    }
    if (local && non)
        cause(&errs, CAUSE_INVALID, S("spec.nonResourceAttributes"),
              "Invalid value: {\"Path\":\"" PRI_STR "\",\"Verb\":\"" PRI_STR
              "\"}: disallowed on this kind of request",
              STR_ARG(json_get_str(non, "path")), STR_ARG(json_get_str(non, "verb")));
    return err_invalid(errs, S("authorization.k8s.io"), S(""), S(""));
}

void access_review(struct req *q, struct json *obj)
{
    str kind = q->route.kind->r->kind;
    bool self = str_is(kind, "SelfSubjectAccessReview"),
         local = str_is(kind, "LocalSubjectAccessReview"), allowed;
    struct json *spec, *res, *non, status = json_object();
    struct user asked = {0}, *u = &asked;
    struct access x = {0};
    str reason = S("");
    struct err *e;

    track(q, obj);
    e = validate_access(q, obj, self, local);
    if (e) {
        if (e->details_kind && !*e->details_kind) {
            mem_free(e->details_kind);
            e->details_kind = NULL;
        }
        reply_error(q, e);
        return;
    }
    spec = json_findz(obj, "spec");
    res = json_findz(spec, "resourceAttributes");
    non = json_findz(spec, "nonResourceAttributes");
    if (self)
        u = q->user;
    else {
        u->name = json_get_str(spec, "user");
        u->groups = ARENA_NEW_N(q->a, str, json_count(json_findz(spec, "groups")) + 1);
        JSON_EACH(g, json_findz(spec, "groups")) {
            u->groups[u->n_groups++] = json_str(g);
            u->masters |= str_is(json_str(g), "system:masters");
        }
    }
    if (res)
        x = (struct access){.is_resource = true,
                            .verb = json_get_str(res, "verb"),
                            .group = json_get_str(res, "group"),
                            .version = json_get_str(res, "version"),
                            .resource = json_get_str(res, "resource"),
                            .subresource = json_get_str(res, "subresource"),
                            .name = json_get_str(res, "name"),
                            .ns = json_get_str(res, "namespace"),
                            .field_selector = json_get_str(res, "fieldSelector.rawSelector"),
                            .field_requirements = json_path(res, "fieldSelector.requirements")};
    else
        x = (struct access){.verb = json_get_str(non, "verb"), .path = json_get_str(non, "path")};
    allowed = authz_allows(q->api, q->a, u, &x, &reason);
    json_setz(q->a, &status, "allowed", json_bool(allowed));
    if (reason.n)
        json_setz(q->a, &status, "reason", json_string(reason));
    answer(q, obj, status);
}

void rules_review(struct req *q, struct json *obj)
{
    str ns = json_get_str(obj, "spec.namespace");
    struct json status = json_object(), resources = json_array(), urls = json_array(),
                all = json_array(), rule;

    if (!ns.n) {
        reply_error(q, err_new(REASON_BAD_REQUEST, "no namespace on request"));
        return;
    }
    if (q->user->masters) {
        json_append(q->a, &all, json_z("*"));
        rule = json_object();
        json_setz(q->a, &rule, "verbs", all);
        json_setz(q->a, &rule, "apiGroups", all);
        json_setz(q->a, &rule, "resources", all);
        json_append(q->a, &resources, rule);
        rule = json_object();
        json_setz(q->a, &rule, "verbs", all);
        json_setz(q->a, &rule, "nonResourceURLs", all);
        json_append(q->a, &urls, rule);
    }
    rbac_rules_of(q->api->rbac, q->a, q->user, ns, &resources, &urls);
    json_setz(q->a, &status, "resourceRules", resources);
    json_setz(q->a, &status, "nonResourceRules", urls);
    /* What a node may follows from its pods: rules do not tell. */
    json_setz(q->a, &status, "incomplete", json_bool(node_of_user(q->user).n > 0));
    if (node_of_user(q->user).n)
        json_setz(q->a, &status, "evaluationError",
                  json_z("node authorizer does not support user rule resolution"));
    /* The answer does not repeat the namespace. */
    json_setz(q->a, obj, "spec", json_object());
    answer(q, obj, status);
}

/* ---- component statuses: what old tools ask for; all parts are this one process ---- */

static struct json component(struct arena *a, const char *name, const char *message)
{
    struct json v = json_object(), meta = json_object(), conditions = json_array(),
                c = json_object();

    json_setz(a, &meta, "name", json_z(name));
    json_setz(a, &c, "type", json_z("Healthy"));
    json_setz(a, &c, "status", json_z("True"));
    json_setz(a, &c, "message", json_z(message));
    json_append(a, &conditions, c);
    json_setz(a, &v, "metadata", meta);
    json_setz(a, &v, "conditions", conditions);
    return v;
}

void component_statuses(struct req *q)
{
    static const struct {
        const char *name, *message;
    } parts[] = {{"controller-manager", "ok"}, {"etcd-0", "ok"}, {"scheduler", "ok"}};
    const struct kind *k = q->route.kind;
    struct json v = json_object(), items = json_array();

    json_setz(q->a, &v, "kind", json_string(q->route.name.n ? k->r->kind : k->r->list_kind));
    json_setz(q->a, &v, "apiVersion", json_z("v1"));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct json c = component(q->a, parts[i].name, parts[i].message);

        if (!q->route.name.n)
            json_append(q->a, &items, c);
        else if (str_is(q->route.name, parts[i].name)) {
            JSON_EACH_MEMBER(m, &c)
                json_set(q->a, &v, m->key, m->value);
            reply_made(q, NULL, k->r->type, &v);
            return;
        }
    }
    if (q->route.name.n) {
        reply_error(q, err_not_found(k, q->route.name));
        return;
    }
    json_setz(q->a, &v, "metadata", json_object());
    json_setz(q->a, &v, "items", items);
    reply_made(q, NULL, schema_find_gvk(S(""), S("v1"), k->r->list_kind), &v);
}
