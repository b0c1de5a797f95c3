/* authz_config.c - which authorizers are asked, in which order: --authorization-mode, or an AuthorizationConfiguration.
 *
 * Source: k8s.io/apiserver/pkg/apis/apiserver/validation (ValidateAuthorizationConfiguration) and
 * k8s.io/kubernetes/pkg/kubeapiserver/options (BuiltInAuthorizationOptions). API:
 * https://kubernetes.io/docs/reference/access-authn-authz/authorization/ */
#include "api/authz_config.h"
#include "api/config_form.h"
#include "api/validation/check.h"

/* As they are shown in errors. Those that k1s has not are known, too. */
static const char *const names[] = {"ABAC", "AlwaysAllow", "AlwaysDeny", "Node",
                                    "RBAC", "Webhook",     NULL};
static const enum authz_mode modes[] = {AUTHZ_NONE, AUTHZ_ALWAYS_ALLOW, AUTHZ_ALWAYS_DENY,
                                        AUTHZ_NODE, AUTHZ_RBAC,         AUTHZ_NONE};

/* The number of the name, or that of the end. */
static size_t name_find(str name)
{
    size_t i = 0;

    while (names[i] && !str_is(name, names[i]))
        i++;
    return i;
}

static struct err *add(struct authz_config *c, size_t i)
{
    if (modes[i] == AUTHZ_NONE)
        return err_new(REASON_BAD_REQUEST, "authorizers of type %s are not supported", names[i]);
    c->modes[c->n++] = modes[i];
    return NULL;
}

static bool has(const struct authz_config *c, size_t i)
{
    for (size_t k = 0; k < c->n; k++)
        if (c->modes[k] == modes[i])
            return true;
    return false;
}

struct err *authz_config_of_flag(str list, struct authz_config *ret)
{
    struct authz_config c = {0};
    str rest = list, one;

    while (rest.n && str_cut(&rest, ',', &one)) {
        size_t i = name_find(one);
        struct err *e;

        if (!names[i])
            return err_new(REASON_BAD_REQUEST,
                           "authorization-mode \"" PRI_STR "\" is not a valid mode", STR_ARG(one));
        if (has(&c, i))
            return err_new(REASON_BAD_REQUEST,
                           "authorization-mode \"" PRI_STR "\" has mode specified more than once",
                           STR_ARG(list));
        e = add(&c, i);
        if (e)
            return e;
    }
    *ret = c;
    return NULL;
}

static const struct form authorizer_form[] = {
    {"type", 's', NULL}, {"name", 's', NULL}, {"webhook", 'x', NULL}, FORM_END};
static const struct form config_form[] = {{"apiVersion", 's', NULL},
                                          {"kind", 's', NULL},
                                          {"authorizers", 'l', authorizer_form},
                                          FORM_END};

static void check_name(struct check *check, const struct at *at, const struct json *list,
                       uint32_t i)
{
    str name = json_get_str(json_item(list, i), "name");

    if (!name.n)
        bad_required(check, at, "");
    else if (config_form_repeats(list, i, "name"))
        bad_duplicate(check, at, json_string(name), "");
    else if (not_dns_subdomain(name))
        bad_invalid(check, at, json_string(name), "authorizer name is invalid: %s",
                    not_dns_subdomain(name));
}

/* Complains of what is wrong; an error: right, but not here. */
static struct err *read_authorizer(struct check *check, const struct at *at,
                                   const struct json *list, uint32_t i, struct authz_config *c)
{
    const struct json *v = json_item(list, i);
    str type = json_get_str(v, "type");
    size_t k = name_find(type);

    if (!type.n) {
        bad_required(check, AT(at, "type"), "");
        return NULL;
    }
    if (!names[k]) {
        bad_unsupported(check, AT(at, "type"), json_string(type), names);
        return NULL;
    }
    if (config_form_repeats(list, i, "type") && !str_is(type, "Webhook")) {
        bad_duplicate(check, AT(at, "type"), json_string(type), "");
        return NULL;
    }
    check_name(check, AT(at, "name"), list, i);
    if (field(v, "webhook") && !str_is(type, "Webhook"))
        bad_invalid(check, AT(at, "webhook"), json_string(S("non-null")),
                    "may only be specified when type=Webhook");
    return add(c, k);
}

struct err *authz_config_parse(str yaml, struct authz_config *ret)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct err *errs = NULL, *unsupported = NULL, *e;
    struct check check = {.a = a, .errs = &errs};
    struct authz_config c = {0};
    struct json *tree = NULL;
    const struct json *list;

    e = config_form_read(a, yaml, "AuthorizationConfiguration", config_form, &tree);
    if (e)
        return e;
    list = field(tree, "authorizers");
    if (!json_count(list))
        bad_required(&check, AT(NULL, "authorizers"),
                     "at least one authorization mode must be defined");
    for (uint32_t i = 0; i < json_count(list) && !unsupported; i++)
        unsupported = read_authorizer(&check, AT_INDEX(AT(NULL, "authorizers"), i), list, i, &c);
    e = config_form_aggregate(errs);
    if (e) {
        err_free(unsupported);
        return e;
    }
    if (!unsupported)
        *ret = c;
    return unsupported;
}
