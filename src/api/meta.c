/* meta.c - ObjectMeta: what the server fills in, what it refuses.
 *
 * API: https://kubernetes.io/docs/reference/using-api/api-concepts/,
 * k8s.io/apimachinery/pkg/api/validation/objectmeta.go */
#include "api/dynamic/dynamic.h"

#define NAME_MAX_BYTES 253
#define LABEL_MAX_BYTES 63
#define ANNOTATIONS_MAX_BYTES (256u << 10)
#define GENERATED_SUFFIX 5
#define GENERATED_BASE_MAX (63 - GENERATED_SUFFIX)

static const char dns_subdomain_help[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
static const char dns_label_help[] =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
static const char dns1035_help[] =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
static const char qualified_name_help[] =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
static const char label_value_help[] =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool label_chars(str s)
{
    if (!s.n || !is_lower_alnum(s.p[0]) || !is_lower_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_lower_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

bool name_is_dns_label(str s)
{
    return s.n <= LABEL_MAX_BYTES && label_chars(s);
}

static bool subdomain_chars(str s)
{
    str head;

    if (!s.n || s.p[s.n - 1] == '.')
        return false;
    while (str_cut(&s, '.', &head))
        if (!label_chars(head))
            return false;
    return true;
}

bool name_is_dns_subdomain(str s)
{
    return s.n <= NAME_MAX_BYTES && subdomain_chars(s);
}

static bool qualified_chars(str s)
{
    if (!s.n || !is_alnum(s.p[0]) || !is_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return true;
}

struct json *meta_of(struct arena *a, struct json *obj)
{
    struct json *m = json_findz(obj, "metadata");

    return json_is(m, JSON_OBJECT) ? m : json_setz(a, obj, "metadata", json_object());
}

str meta_str(const struct json *obj, const char *field)
{
    return json_str(json_findz(json_findz(obj, "metadata"), field));
}

str now_text(struct arena *a, wall_time t)
{
    struct buf b = BUF_INIT;
    str out;

    buf_rfc3339(&b, t);
    out = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return out;
}

/* Random (version 4) UUID. */
str new_uid(struct api *api, struct answers *n, struct arena *a)
{
    unsigned char r[16];
    char *p = arena_alloc(a, 37);
    size_t at = 0;

    answers_random(n, api, r, sizeof r);
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof r; i++) {
        static const char hex[] = "0123456789abcdef";

        if (i == 4 || i == 6 || i == 8 || i == 10)
            p[at++] = '-';
        p[at++] = hex[r[i] >> 4];
        p[at++] = hex[r[i] & 15];
    }
    p[at] = 0;
    return (str){p, at};
}

/* Kubernetes' alphabet for generated names: no vowels and no look-alikes, so that no words appear.
 */
void meta_generate_name(struct write *w)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    struct json *meta = meta_of(w->a, w->obj);
    str base = str_slice(json_str(json_findz(meta, "generateName")), 0, GENERATED_BASE_MAX);
    unsigned char r[GENERATED_SUFFIX];
    char suffix[GENERATED_SUFFIX];

    answers_random(w->answers, w->api, r, sizeof r);
    for (size_t i = 0; i < GENERATED_SUFFIX; i++)
        suffix[i] = alphabet[r[i] % (sizeof alphabet - 1)];
    w->name = arena_fmt(w->a, PRI_STR PRI_STR, STR_ARG(base), (int)GENERATED_SUFFIX, suffix);
    json_setz(w->a, meta, "name", json_string(w->name));
}

void meta_fill_create(struct write *w)
{
    struct json *meta = meta_of(w->a, w->obj);

    json_removez(meta, "selfLink");
    json_removez(meta, "deletionTimestamp");
    json_removez(meta, "deletionGracePeriodSeconds");
    json_removez(meta, "resourceVersion");
    json_setz(w->a, meta, "uid", json_string(new_uid(w->api, w->answers, w->a)));
    json_setz(w->a, meta, "creationTimestamp", json_string(now_text(w->a, w->now)));
    if (w->kind->hooks->flags & KIND_GENERATION)
        json_setz(w->a, meta, "generation", json_int(1));
    else if (!w->kind->r->custom)
        json_removez(meta, "generation");
    if (!w->name.n && meta_str(w->obj, "generateName").n)
        meta_generate_name(w);
}

/* ---- validation ---- */

static void quoted_cause(struct err **errs, const char *type, str field, str value, const char *why)
{
    struct buf b = BUF_INIT;

    buf_quoted(&b, value);
    cause(errs, type, field, "Invalid value: %s: %s", buf_cstr(&b), why);
    buf_fini(&b);
}

static void validate_name(const struct kind *k, str name, str field, bool prefix, struct err **errs)
{
    uint32_t f = k->hooks->flags;
    str s = name;
    size_t max = NAME_MAX_BYTES;
    const char *help = NULL;
    char too_long[64];

    /* A prefix may end in '-', since something follows. */
    if (prefix)
        while (s.n > 1 && s.p[s.n - 1] == '-')
            s.n--;
    if (f & KIND_NAME_PATH_SEGMENT) {
        if (str_is(name, ".") || str_is(name, ".."))
            quoted_cause(errs, CAUSE_INVALID, field, name,
                         str_is(name, ".") ? "may not be '.'" : "may not be '..'");
        if (str_has_char(name, '/'))
            quoted_cause(errs, CAUSE_INVALID, field, name, "may not contain '/'");
        if (str_has_char(name, '%'))
            quoted_cause(errs, CAUSE_INVALID, field, name, "may not contain '%'");
        return;
    }
    if (f & KIND_NAME_DNS_LABEL) {
        max = LABEL_MAX_BYTES;
        if (!label_chars(s))
            help = subdomain_chars(s) ? "must not contain dots" : dns_label_help;
    } else if (f & KIND_NAME_DNS1035) {
        max = LABEL_MAX_BYTES;
        if (!label_chars(s) || !(s.p[0] >= 'a' && s.p[0] <= 'z'))
            help = dns1035_help;
    } else if (!subdomain_chars(s))
        help = dns_subdomain_help;
    if (name.n > max) {
        snprintf(too_long, sizeof too_long, "must be no more than %zu characters", max);
        quoted_cause(errs, CAUSE_INVALID, field, name, too_long);
    }
    if (help)
        quoted_cause(errs, CAUSE_INVALID, field, name, help);
}

/* "prefix/name" of label and annotation keys. */
static void validate_qualified(str key, str field, struct err **errs)
{
    str name = key, prefix;
    ptrdiff_t slash = str_index(key, '/');

    if (slash >= 0) {
        prefix = str_slice(key, 0, (size_t)slash);
        name = str_skip(key, (size_t)slash + 1);
        if (str_has_char(name, '/')) {
            quoted_cause(errs, CAUSE_INVALID, field, key,
                         "a valid label key must consist of alphanumeric characters, '-', '_' or "
                         "'.', and must start and end with an alphanumeric character (e.g. "
                         "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                         "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS "
                         "subdomain prefix and '/' (e.g. 'example.com/MyName')");
            return;
        }
        if (!prefix.n)
            quoted_cause(errs, CAUSE_INVALID, field, key, "prefix part must be non-empty");
        else if (!subdomain_chars(prefix)) {
            struct buf b = BUF_INIT;

            buf_fmt(&b, "prefix part %s", dns_subdomain_help);
            quoted_cause(errs, CAUSE_INVALID, field, key, buf_cstr(&b));
            buf_fini(&b);
        } else if (prefix.n > NAME_MAX_BYTES)
            quoted_cause(errs, CAUSE_INVALID, field, key,
                         "prefix part must be no more than 253 bytes");
    }
    if (!name.n)
        quoted_cause(errs, CAUSE_INVALID, field, key, "name part must be non-empty");
    else if (name.n > LABEL_MAX_BYTES)
        quoted_cause(errs, CAUSE_INVALID, field, key, "name part must be no more than 63 bytes");
    if (!qualified_chars(name))
        quoted_cause(errs, CAUSE_INVALID, field, key, qualified_name_help);
}

static void validate_labels(const struct json *labels, struct err **errs)
{
    JSON_EACH_MEMBER(m, labels) {
        str v = json_str(&m->value);

        validate_qualified(m->key, S("metadata.labels"), errs);
        if (v.n > LABEL_MAX_BYTES)
            quoted_cause(errs, CAUSE_INVALID, S("metadata.labels"), v,
                         "must be no more than 63 bytes");
        if (v.n && !qualified_chars(v))
            quoted_cause(errs, CAUSE_INVALID, S("metadata.labels"), v, label_value_help);
    }
}

static str to_lower(struct arena *a, str s)
{
    char *p = arena_dupz(a, s);

    for (size_t i = 0; i < s.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + 32);
    return (str){p, s.n};
}

static void validate_annotations(struct arena *a, const struct json *ann, struct err **errs)
{
    size_t total = 0;

    JSON_EACH_MEMBER(m, ann) {
        validate_qualified(to_lower(a, m->key), S("metadata.annotations"), errs);
        total += m->key.n + json_str(&m->value).n;
    }
    if (total > ANNOTATIONS_MAX_BYTES)
        cause(errs, CAUSE_TOO_LONG, S("metadata.annotations"),
              "Too long: may not be more than %u bytes", ANNOTATIONS_MAX_BYTES);
}

static void validate_owners(struct arena *a, const struct json *owners, struct err **errs)
{
    str controller = S("");
    uint32_t i = 0;

    JSON_EACH(o, owners) {
        str at = arena_fmt(a, "metadata.ownerReferences[%u]", i++);
        static const char *const required[] = {"apiVersion", "kind", "name", "uid"};
        static const char *const texts[] = {"version must not be empty", "must not be empty",
                                            "must not be empty", "must not be empty"};

        for (size_t k = 0; k < ARRAY_LEN(required); k++)
            if (!json_str(json_findz(o, required[k])).n)
                cause(errs, CAUSE_INVALID, arena_fmt(a, PRI_STR ".%s", STR_ARG(at), required[k]),
                      "Invalid value: \"\": %s", texts[k]);
        if (str_is(json_str(json_findz(o, "kind")), "Event") &&
            str_is(json_str(json_findz(o, "apiVersion")), "v1"))
            cause(errs, CAUSE_INVALID, at,
                  "Invalid value: \"/v1, Kind=Event\": /v1, Kind=Event is disallowed from being an "
                  "owner");
        if (json_get_bool(o, "controller", false)) {
            str name = json_str(json_findz(o, "name"));

            if (controller.n) {
                struct buf b = BUF_INIT;

                json_encode(&b, o);
                cause(errs, CAUSE_INVALID, S("metadata.ownerReferences"),
                      "Invalid value: %s: Only one reference can have Controller set to true. "
                      "Found \"true\" in references for " PRI_STR " and " PRI_STR,
                      buf_cstr(&b), STR_ARG(controller), STR_ARG(name));
                buf_fini(&b);
            } else
                controller = name;
        }
    }
}

static void validate_finalizers(const struct json *fin, struct err **errs)
{
    bool orphan = false, foreground = false;

    JSON_EACH(f, fin) {
        str s = json_str(f);

        validate_qualified(s, S("metadata.finalizers"), errs);
        orphan |= str_is(s, "orphan");
        foreground |= str_is(s, "foregroundDeletion");
        if (!str_has_char(s, '/') && !str_is(s, "orphan") && !str_is(s, "foregroundDeletion") &&
            !str_is(s, "kubernetes"))
            quoted_cause(errs, CAUSE_INVALID, S("metadata.finalizers"), s,
                         "name is neither a standard finalizer name nor is it fully qualified");
    }
    if (orphan && foreground) {
        struct buf b = BUF_INIT;

        json_encode(&b, fin);
        cause(errs, CAUSE_INVALID, S("metadata.finalizers"),
              "Invalid value: %s: finalizer orphan and finalizer foregroundDeletion cannot be both "
              "set",
              buf_cstr(&b));
        buf_fini(&b);
    }
}

static void validate_common(struct write *w, const struct json *meta, struct err **errs)
{
    validate_labels(json_findz(meta, "labels"), errs);
    validate_annotations(w->a, json_findz(meta, "annotations"), errs);
    validate_owners(w->a, json_findz(meta, "ownerReferences"), errs);
    validate_finalizers(json_findz(meta, "finalizers"), errs);
}

void meta_validate(struct write *w, struct err **errs)
{
    const struct json *meta = json_findz(w->obj, "metadata");
    str name = json_str(json_findz(meta, "name")),
        base = json_str(json_findz(meta, "generateName"));

    if (base.n)
        validate_name(w->kind, base, S("metadata.generateName"), true, errs);
    if (!name.n)
        cause(errs, CAUSE_REQUIRED, S("metadata.name"),
              "Required value: name or generateName is required");
    else
        validate_name(w->kind, name, S("metadata.name"), false, errs);
    if (json_get_int(meta, "generation", 0) < 0)
        cause(errs, CAUSE_INVALID, S("metadata.generation"),
              "Invalid value: %lld: must be greater than or equal to 0",
              (long long)json_get_int(meta, "generation", 0));
    validate_common(w, meta, errs);
}

static void take_from_old(struct write *w, struct json *meta, const struct json *old,
                          const char *field)
{
    const struct json *v = json_findz(old, field);

    if (v)
        json_setz(w->a, meta, field, json_share(w->a, v));
    else
        json_removez(meta, field);
}

/* What an update may leave out, or may not change silently: Kubernetes fills it from the stored
 * object. */
void meta_keep_system(struct write *w)
{
    static const char *const if_absent[] = {"uid", "creationTimestamp", "name", "namespace"};
    struct json *meta = meta_of(w->a, w->obj);
    const struct json *old = json_findz(w->old, "metadata");

    json_removez(meta, "selfLink");
    for (size_t i = 0; i < ARRAY_LEN(if_absent); i++) {
        const struct json *v = json_findz(meta, if_absent[i]);

        if (!v || v->type == JSON_NULL || (v->type == JSON_STRING && !v->s.n))
            take_from_old(w, meta, old, if_absent[i]);
    }
    take_from_old(w, meta, old, "generation");
    take_from_old(w, meta, old, "deletionTimestamp");
    take_from_old(w, meta, old, "deletionGracePeriodSeconds");
    if (!json_findz(meta, "generateName"))
        take_from_old(w, meta, old, "generateName");
}

static void immutable(struct write *w, const struct json *meta, const struct json *old,
                      const char *field, struct err **errs)
{
    const struct json *n = json_findz(meta, field), *o = json_findz(old, field);
    struct buf b = BUF_INIT;

    if (json_equal(n ? n : &(struct json){0}, o ? o : &(struct json){0}))
        return;
    json_encode(&b, n ? n : &(struct json){.type = JSON_NULL});
    cause(errs, CAUSE_INVALID, arena_fmt(w->a, "metadata.%s", field),
          "Invalid value: %s: field is immutable", buf_cstr(&b));
    buf_fini(&b);
}

void meta_validate_update(struct write *w, struct err **errs)
{
    static const char *const fixed[] = {"name", "namespace", "uid", "creationTimestamp"};
    const struct json *meta = json_findz(w->obj, "metadata"), *old = json_findz(w->old, "metadata");

    validate_common(w, meta, errs);
    /* No new finalizers once deletion has begun. */
    if (json_findz(old, "deletionTimestamp")) {
        struct buf added = BUF_INIT;

        JSON_EACH(f, json_findz(meta, "finalizers")) {
            bool had = false;

            JSON_EACH(g, json_findz(old, "finalizers"))
                had |= str_eq(json_str(f), json_str(g));
            if (!had) {
                buf_z(&added, added.n ? ", " : "");
                buf_quoted(&added, json_str(f));
            }
        }
        if (added.n)
            cause(errs, CAUSE_FORBIDDEN, S("metadata.finalizers"),
                  "Forbidden: no new finalizers can be added if the object is being deleted, found "
                  "new finalizers []string{%s}",
                  buf_cstr(&added));
        buf_fini(&added);
    }
    /* Kubernetes checks these in the generic update and again in each built-in kind's own
     * validation. */
    for (int pass = 0; pass < (w->kind->r->custom ? 1 : 2); pass++)
        for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
            immutable(w, meta, old, fixed[i], errs);
}
