/* configuration.c - rules of ConfigMaps and Secrets.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/check.h"
#include "api/validation/validation.h"

#define SIZE_MAX_BYTES (1024 * 1024)
#define ACCOUNT_NAME "kubernetes.io/service-account.name"

static size_t decoded_size(str base64)
{
    size_t n = base64.n / 4 * 3;

    for (size_t i = base64.n; i > 0 && base64.p[i - 1] == '='; i--)
        n--;
    return n;
}

/* other: keys that are taken already. */
static size_t check_data(struct check *c, const struct at *at, const struct json *data,
                         const struct json *other, bool base64)
{
    size_t size = 0;

    JSON_EACH_MEMBER(m, data) {
        const struct at *here = AT_KEY(at, m->key);

        check_config_key(c, here, m->key);
        if (json_find(other, m->key))
            bad_invalid(c, here, json_string(m->key), "duplicate of key present in binaryData");
        size += base64 ? decoded_size(json_str(&m->value)) : json_str(&m->value).n;
    }
    return size;
}

/* Once `immutable` is true, it and the data stay. */
static void check_frozen(struct check *c, const struct write *w, const char *const *fields)
{
    if (!w->old || !json_get_bool(w->old, "immutable", false))
        return;
    if (!json_get_bool(w->obj, "immutable", false))
        bad_forbidden(c, AT(NULL, "immutable"), "field is immutable when `immutable` is set");
    for (size_t i = 0; fields[i]; i++) {
        const struct json *now = field(w->obj, fields[i]), *old = field(w->old, fields[i]);

        if (json_count(now) + json_count(old) && (!now || !old || !json_equal(now, old)))
            bad_forbidden(c, AT(NULL, fields[i]), "field is immutable when `immutable` is set");
    }
}

void validate_configmap(struct write *w, struct err **errs)
{
    static const char *const fields[] = {"data", "binaryData", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *binary = field(w->obj, "binaryData");
    size_t size;

    check_frozen(c, w, fields);
    size = check_data(c, AT(NULL, "data"), field(w->obj, "data"), binary, false) +
           check_data(c, AT(NULL, "binaryData"), binary, NULL, true);
    if (size > SIZE_MAX_BYTES)
        bad_too_long(c, AT_KEY(NULL, S("")), SIZE_MAX_BYTES); /* of the whole, in no field */
}

/* Of a file of docker's: an object in JSON. The text is that of Go's decoder. */
static void check_json(struct check *c, const struct at *at, str base64)
{
    struct json *v = NULL;
    struct err *e;
    str text;

    if (!base64_decode(c->a, base64, &text))
        return;
    e = json_parse(c->a, text, NULL, NULL, &v);
    if (e)
        bad_invalid(c, at, json_z("<secret contents redacted>"), "%s", err_text(e));
    else if (v->type != JSON_OBJECT && v->type != JSON_NULL) {
        static const char *const names[] = {
            [JSON_BOOL] = "bool",     [JSON_INT] = "number",  [JSON_DOUBLE] = "number",
            [JSON_STRING] = "string", [JSON_ARRAY] = "array",
        };

        bad_invalid(c, at, json_z("<secret contents redacted>"),
                    "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                    names[v->type]);
    }
    err_free(e);
}

static void check_secret_type(struct check *c, const struct json *obj, const struct json *data)
{
    static const struct {
        const char *type, *keys; /* separated by blanks */
        bool json, not_empty;
    } types[] = {
        {"kubernetes.io/dockercfg", ".dockercfg", true, false},
        {"kubernetes.io/dockerconfigjson", ".dockerconfigjson", true, false},
        {"kubernetes.io/ssh-auth", "ssh-privatekey", false, true},
        {"kubernetes.io/tls", "tls.crt tls.key", false, false},
    };
    const struct at *at = AT(NULL, "data");
    str type = json_get_str(obj, "type"), rest, key;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!str_is(type, types[i].type))
            continue;
        rest = str_of(types[i].keys);
        while (str_cut(&rest, ' ', &key)) {
            const struct json *v = json_find(data, key);

            if (!v || (types[i].not_empty && !json_str(v).n))
                bad_required(c, AT_KEY(at, key), "");
            else if (types[i].json)
                check_json(c, AT_KEY(at, key), json_str(v));
        }
    }
    /* Either is enough. */
    if (str_is(type, "kubernetes.io/basic-auth") && !json_findz(data, "username") &&
        !json_findz(data, "password")) {
        bad_required(c, AT_KEY(at, S("username")), "");
        bad_required(c, AT_KEY(at, S("password")), "");
    }
    if (str_is(type, "kubernetes.io/service-account-token") &&
        !json_str(json_find(field_at(obj, "metadata.annotations"), S(ACCOUNT_NAME))).n)
        bad_required(c, AT_KEY(AT(AT(NULL, "metadata"), "annotations"), S(ACCOUNT_NAME)), "");
}

void validate_secret(struct write *w, struct err **errs)
{
    static const char *const fields[] = {"data", NULL};
    struct check *c = &(struct check){w->a, errs};
    const struct json *data = field(w->obj, "data");

    if (w->old)
        check_immutable(c, AT(NULL, "type"), field(w->obj, "type"), field(w->old, "type"));
    check_frozen(c, w, fields);
    if (check_data(c, AT(NULL, "data"), data, NULL, true) > SIZE_MAX_BYTES)
        bad_too_long(c, AT(NULL, "data"), SIZE_MAX_BYTES);
    check_secret_type(c, w->obj, data);
}
