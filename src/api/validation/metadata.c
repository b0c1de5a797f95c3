/* metadata.c - rules of ObjectMeta: of new objects and of changes.
 *
 * Kubernetes looks at an update's metadata several times: once as if the object were new, once as a change,
 * and again in the kind's own rules, kind by kind in another order; each look tells all it finds, so
 * that one bad label is several causes (kind_hooks.update_passes).
 *
 * Source of rules and texts: k8s.io/apimachinery/pkg/api/validation/objectmeta.go,
 * k8s.io/apiserver/pkg/registry/rest/{create,update}.go. */
#include "api/api_internal.h"
#include "api/validation/check.h"

#define NAME_MAX_BYTES 253
#define LABEL_MAX_BYTES 63
#define MANAGED_SUBRESOURCE_MAX 256 /* bytes, in entries of managedFields */

bool name_is_dns_label(str s)
{
    return s.n <= LABEL_MAX_BYTES && !not_dns_label(s);
}

bool name_is_dns_subdomain(str s)
{
    return s.n <= NAME_MAX_BYTES && !not_dns_subdomain(s);
}

static void check_path_segment(struct check *c, const struct at *at, str s)
{
    if (str_is(s, ".") || str_is(s, ".."))
        bad_invalid(c, at, json_string(s), "may not be '" PRI_STR "'", STR_ARG(s));
    if (str_has_char(s, '/'))
        bad_invalid(c, at, json_string(s), "may not contain '/'");
    if (str_has_char(s, '%'))
        bad_invalid(c, at, json_string(s), "may not contain '%%'");
}

static void check_form(struct check *c, const struct at *at, str name, size_t max, const char *form)
{
    if (name.n > max)
        bad_invalid(c, at, json_string(name), "must be no more than %zu characters", max);
    if (form)
        bad_invalid(c, at, json_string(name), "%s", form);
}

/* prefix: something will follow, so that it may end in '-'. */
static void check_name(struct check *c, const struct at *at, const struct kind *k, str name,
                       bool prefix)
{
    uint32_t f = k->hooks->flags;
    str s = name;

    while (prefix && s.n > 1 && s.p[s.n - 1] == '-')
        s.n--;
    if (f & KIND_NAME_PATH_SEGMENT)
        check_path_segment(c, at, name);
    else if (f & KIND_NAME_IP)
        check_canonical_ip(c, at, name);
    else if (f & KIND_NAME_DNS_LABEL)
        check_form(c, at, name, LABEL_MAX_BYTES, not_dns_label(s));
    else if (f & KIND_NAME_DNS1035)
        check_form(c, at, name, LABEL_MAX_BYTES, not_dns1035_label(s));
    else
        check_form(c, at, name, NAME_MAX_BYTES, not_dns_subdomain(s));
}

/* "group/version" or "version"; what has more parts has no version. */
static bool has_version(str api_version)
{
    str rest = api_version, part;

    str_cut(&rest, '/', &part);
    return rest.p ? rest.n > 0 && !str_has_char(rest, '/') : part.n > 0;
}

static void check_owner(struct check *c, const struct at *at, const struct json *o)
{
    static const char *const needed[] = {"kind", "name", "uid"};
    str api_version = json_get_str(o, "apiVersion");

    if (!has_version(api_version))
        bad_invalid(c, AT(at, "apiVersion"), json_string(api_version), "version must not be empty");
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!json_get_str(o, needed[i]).n)
            bad_invalid(c, AT(at, needed[i]), json_z(""), "must not be empty");
    if (str_is(json_get_str(o, "kind"), "Event") && str_is(json_get_str(o, "apiVersion"), "v1"))
        bad_invalid(c, at, *o, "/v1, Kind=Event is disallowed from being an owner");
}

static void check_owners(struct check *c, const struct at *at, const struct json *owners)
{
    str first = S("");
    int64_t i = 0;

    JSON_EACH(o, owners) {
        str name;

        check_owner(c, AT_INDEX(at, i++), o);
        if (!json_get_bool(o, "controller", false))
            continue;
        name = arena_fmt(c->a, PRI_STR "/" PRI_STR, STR_ARG(json_get_str(o, "kind")),
                         STR_ARG(json_get_str(o, "name")));
        if (first.n)
            bad_invalid(c, at, *owners,
                        "Only one reference can have Controller set to true. Found \"true\" in "
                        "references for " PRI_STR " and " PRI_STR,
                        STR_ARG(first), STR_ARG(name));
        else
            first = name;
    }
}

static void check_finalizers(struct check *c, const struct at *at, const struct json *finalizers)
{
    bool orphan = false, foreground = false;

    JSON_EACH(f, finalizers) {
        check_qualified_name(c, at, json_str(f));
        orphan |= str_is(json_str(f), "orphan");
        foreground |= str_is(json_str(f), "foregroundDeletion");
    }
    if (orphan && foreground)
        bad_invalid(c, at, *finalizers,
                    "finalizer orphan and finalizer foregroundDeletion cannot be both set");
}

/* Names without a domain are Kubernetes' own. */
static void check_own_finalizers(struct check *c, const struct at *at,
                                 const struct json *finalizers)
{
    static const char *const known[] = {"kubernetes", "orphan", "foregroundDeletion", NULL};
    int64_t i = 0;

    JSON_EACH(f, finalizers) {
        if (!str_has_char(json_str(f), '/') && !one_of(json_str(f), known))
            bad_invalid(c, AT_INDEX(at, i), *f,
                        "name is neither a standard finalizer name nor is it fully qualified");
        i++;
    }
}

/* Source: apimachinery/pkg/apis/meta/v1/validation, ValidateManagedFields(), for what entries that can be read may still have. */
static void check_managers(struct check *c, const struct at *at, const struct json *entries)
{
    int64_t i = 0;

    JSON_EACH(e, entries) {
        const struct at *here = AT_INDEX(at, i);
        const struct json *manager = json_findz(e, "manager");
        str name = json_str(manager);

        i++;
        if (name.n > FIELD_MANAGER_MAX)
            bad_too_long(c, AT(here, "manager"), FIELD_MANAGER_MAX);
        for (size_t k = 0; k < name.n; k++)
            if ((unsigned char)name.p[k] < 0x20 || name.p[k] == 0x7f) {
                bad_invalid(c, AT(here, "manager"), *manager,
                            "invalid character U+%04X (at position %zu)",
                            (unsigned)(unsigned char)name.p[k], k);
                break;
            }
        if (json_get_str(e, "subresource").n > MANAGED_SUBRESOURCE_MAX)
            bad_too_long(c, AT(here, "subresource"), MANAGED_SUBRESOURCE_MAX);
    }
}

static void check_any(struct check *c, const struct at *at, const struct json *meta)
{
    check_labels(c, AT(at, "labels"), field(meta, "labels"));
    check_annotations(c, AT(at, "annotations"), field(meta, "annotations"));
    check_owners(c, AT(at, "ownerReferences"), field(meta, "ownerReferences"));
}

/* kind NULL: any name that can stand in a path will do. */
static void check_new(struct check *c, const struct at *at, const struct json *meta,
                      const struct kind *kind)
{
    str name = json_get_str(meta, "name"), base = json_get_str(meta, "generateName");

    if (base.n && kind)
        check_name(c, AT(at, "generateName"), kind, base, true);
    if (!name.n)
        bad_required(c, AT(at, "name"), "name or generateName is required");
    else if (kind)
        check_name(c, AT(at, "name"), kind, name, false);
    else
        check_path_segment(c, AT(at, "name"), name);
    check_not_negative(c, AT(at, "generation"), field(meta, "generation"));
    check_any(c, at, meta);
    check_finalizers(c, AT(at, "finalizers"), field(meta, "finalizers"));
    check_managers(c, AT(at, "managedFields"), field(meta, "managedFields"));
    if (kind && !kind->r->custom)
        check_own_finalizers(c, AT(at, "finalizers"), field(meta, "finalizers"));
}

static void check_added_finalizers(struct check *c, const struct at *at, const struct json *now,
                                   const struct json *old)
{
    CLEANUP(buf) struct buf added = BUF_INIT;

    JSON_EACH(f, now) {
        bool had = false;

        JSON_EACH(g, old)
            had |= json_equal(f, g);
        if (!had) {
            buf_z(&added, added.n ? ", " : "");
            buf_quoted(&added, json_str(f));
        }
    }
    if (added.n)
        bad_forbidden(c, at,
                      "no new finalizers can be added if the object is being deleted, found new "
                      "finalizers []string{%s}",
                      buf_cstr(&added));
}

static void check_change(struct check *c, const struct json *meta, const struct json *old, bool own)
{
    static const char *const fixed[] = {"name",
                                        "namespace",
                                        "uid",
                                        "creationTimestamp",
                                        "deletionTimestamp",
                                        "deletionGracePeriodSeconds"};
    const struct at *at = AT(NULL, "metadata");

    if (field(old, "deletionTimestamp"))
        check_added_finalizers(c, AT(at, "finalizers"), field(meta, "finalizers"),
                               field(old, "finalizers"));
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        check_immutable(c, AT(at, fixed[i]), field(meta, fixed[i]), field(old, fixed[i]));
    check_any(c, at, meta);
    check_managers(c, AT(at, "managedFields"), field(meta, "managedFields"));
    if (own)
        check_own_finalizers(c, AT(at, "finalizers"), field(meta, "finalizers"));
}

void meta_validate(struct write *w, struct err **errs)
{
    check_new(&(struct check){w->a, errs}, AT(NULL, "metadata"), field(w->obj, "metadata"),
              w->kind);
}

void meta_check_embedded(struct check *c, const struct at *at, const struct json *meta)
{
    struct json named = json_share(c->a, meta);

    if (!json_get_str(meta, "name").n)
        json_setz(c->a, &named, "name", json_z("fakename")); /* they may have none */
    check_new(c, at, &named, NULL);
}

void meta_validate_update(struct write *w, struct err **errs)
{
    struct check *c = &(struct check){w->a, errs};
    const struct json *meta = field(w->obj, "metadata"), *old = field(w->old, "metadata");
    const char *passes = w->kind->hooks->update_passes;

    check_new(c, AT(NULL, "metadata"), meta, NULL);
    check_change(c, meta, old, false);
    if (w->kind->r->custom)
        return;
    if (!passes || (w->subresource.n && !str_is(w->subresource, "ephemeralcontainers") &&
                    !str_is(w->subresource, "resize")))
        passes = "c";
    for (; *passes; passes++)
        if (*passes == 'n')
            check_new(c, AT(NULL, "metadata"), meta, w->kind);
        else
            check_change(c, meta, old, true);
}
