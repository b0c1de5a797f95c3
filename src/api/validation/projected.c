/* projected.c - rules of files made from several sources: projected and downward API volumes, and the
 * references to fields and resources that they share with environment variables.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/references.h"
#include "api/validation/volume.h"

#define TOKEN_MIN_S 600

static const char *const volume_fields[] = {"metadata.annotations", "metadata.labels",
                                            "metadata.name",        "metadata.namespace",
                                            "metadata.uid",         NULL};

static void check_file(struct check *c, const struct at *at, const struct json *f)
{
    const struct json *of_field = field(f, "fieldRef"), *of_resource = field(f, "resourceFieldRef");
    str path = json_get_str(f, "path");

    if (!path.n)
        bad_required(c, AT(at, "path"), "");
    check_local_free_path(c, AT(at, "path"), path);
    if (of_field) {
        check_field_ref(c, AT(at, "fieldRef"), of_field, volume_fields);
        if (of_resource)
            bad_invalid(c, at, json_z("resource"),
                        "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (of_resource)
        check_resource_ref(c, AT(at, "resourceFieldRef"), of_resource, true);
    else
        bad_required(c, at, "one of fieldRef and resourceFieldRef is required");
    check_file_mode(c, AT(at, "mode"), field(f, "mode"));
}

void check_downward_api(struct check *c, const struct at *at, const struct json *d)
{
    check_file_mode(c, AT(at, "defaultMode"), field(d, "defaultMode"));
    JSON_EACH(f, field(d, "items"))
        check_file(c, at, f);
}

/* Two sources cannot write one file. */
static void take_path(struct check *c, const struct at *at, struct map *paths, str path, str shown)
{
    if (map_find(paths, path))
        bad_invalid(c, at, json_string(shown), "conflicting duplicate paths");
    else
        map_put(paths, path, paths);
}

static void check_keys(struct check *c, const struct at *volume, const struct at *at,
                       const struct json *source, struct map *paths)
{
    str name = json_get_str(source, "name");

    if (!name.n)
        bad_required(c, AT(at, "name"), "");
    for (uint32_t i = 0; i < json_count(field(source, "items")); i++) {
        const struct json *item = json_item(field(source, "items"), i);
        str path = json_get_str(item, "path");

        check_one_key_to_path(c, AT_INDEX(AT(at, "items"), i), item);
        if (path.n)
            take_path(c, volume, paths, path, name);
    }
}

static void check_token(struct check *c, const struct at *volume, const struct at *at,
                        const struct json *t)
{
    const struct json *seconds = field(t, "expirationSeconds");
    str path = json_get_str(t, "path");

    if (json_is(seconds, JSON_INT) && seconds->i < TOKEN_MIN_S)
        bad_invalid(c, AT(at, "expirationSeconds"), *seconds,
                    "may not specify a duration less than 10 minutes");
    if (json_is(seconds, JSON_INT) && seconds->i > (int64_t)1 << 32)
        bad_invalid(c, AT(at, "expirationSeconds"), *seconds,
                    "may not specify a duration larger than 2^32 seconds");
    if (!path.n)
        bad_required(c, AT(volume, "path"), "");
    else
        check_local_free_path(c, AT(volume, "path"), path);
}

void check_projected(struct check *c, const struct at *at, const struct json *p)
{
    struct map paths;
    int64_t i = 0;

    check_file_mode(c, AT(at, "defaultMode"), field(p, "defaultMode"));
    map_init(&paths);
    JSON_EACH(s, field(p, "sources")) {
        const struct at *here = AT_INDEX(AT(at, "sources"), i++);
        const struct json *secret = field(s, "secret"), *config = field(s, "configMap"),
                          *downward = field(s, "downwardAPI"),
                          *token = field(s, "serviceAccountToken");

        if (secret)
            check_keys(c, at, AT(here, "secret"), secret, &paths);
        if (config)
            check_keys(c, at, AT(here, "configMap"), config, &paths);
        JSON_EACH(f, field(downward, "items")) {
            str path = json_get_str(f, "path");

            check_file(c, AT(here, "downwardAPI"), f);
            if (path.n)
                take_path(c, at, &paths, path, path);
        }
        if (token)
            check_token(c, at, AT(here, "serviceAccountToken"), token);
        if (!!secret + !!config + !!downward + !!token > 1)
            bad_forbidden(c, here, "may not specify more than 1 volume type per source");
    }
    map_fini(&paths);
}
