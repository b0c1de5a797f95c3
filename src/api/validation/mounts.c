/* mounts.c - rules of how volumes appear in a container: mounts and block devices.
 *
 * Some places lack the mount's index: Kubernetes leaves it out there.
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go. */
#include "api/validation/container.h"

static const struct json *named(const struct json *list, const char *key, str value)
{
    JSON_EACH(it, list)
        if (str_eq(json_get_str(it, key), value))
            return it;
    return NULL;
}

static void check_propagation(struct check *c, const struct at *at, const struct json *mount,
                              const struct json *container)
{
    static const char *const modes[] = {"Bidirectional", "HostToContainer", "None", NULL};
    const struct json *mode = field(mount, "mountPropagation");

    check_enum(c, at, mode, modes);
    if (str_is(json_str(mode), "Bidirectional") &&
        !json_get_bool(container, "securityContext.privileged", false))
        bad_forbidden(c, at,
                      "Bidirectional mount propagation is available only to privileged containers");
}

static void check_recursive(struct check *c, const struct at *at, const struct json *mount)
{
    static const char *const modes[] = {"Disabled", "Enabled", "IfPossible", NULL};
    const struct json *mode = field(mount, "recursiveReadOnly");
    str propagation = json_get_str(mount, "mountPropagation");

    if (!mode || str_is(json_str(mode), "Disabled"))
        return;
    if (!one_of(json_str(mode), modes)) {
        bad_unsupported(c, at, *mode, modes);
        return;
    }
    if (!json_get_bool(mount, "readOnly", false))
        bad_forbidden(c, at, "may only be specified when readOnly is true");
    if (propagation.n && !str_is(propagation, "None"))
        bad_forbidden(c, at,
                      "may only be specified when mountPropagation is None or not specified");
}

static void check_mount(struct check *c, const struct at *list_at, const struct at *at,
                        const struct json *m, const struct json *k, const struct map *volumes)
{
    const struct json *devices = field(k, "volumeDevices");
    str name = json_get_str(m, "name"), path = json_get_str(m, "mountPath"),
        sub = json_get_str(m, "subPath"), expr = json_get_str(m, "subPathExpr");

    if (named(devices, "name", name))
        bad_invalid(c, AT(at, "name"), json_string(name),
                    "must not already exist in volumeDevices");
    if (named(devices, "devicePath", path))
        bad_invalid(c, AT(at, "mountPath"), json_string(path),
                    "must not already exist as a path in volumeDevices");
    if (sub.n)
        check_local_path(c, AT(list_at, "subPath"), sub);
    if (expr.n && sub.n)
        bad_invalid(c, AT(at, "subPathExpr"), json_string(expr),
                    "subPathExpr and subPath are mutually exclusive");
    if (expr.n)
        check_local_path(c, AT(list_at, "subPathExpr"), expr);
    check_propagation(c, AT(list_at, "mountPropagation"), m, k);
    check_recursive(c, AT(list_at, "recursiveReadOnly"), m);
}

void check_mounts(struct check *c, const struct at *at, const struct json *k,
                  const struct map *volumes)
{
    struct map paths;
    int64_t i = 0;

    map_init(&paths);
    JSON_EACH(m, field(k, "volumeMounts")) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(m, "name"), path = json_get_str(m, "mountPath");

        if (!name.n)
            bad_required(c, AT(here, "name"), "");
        if (!map_find(volumes, name))
            bad_not_found(c, AT(here, "name"), json_string(name), "");
        if (!path.n)
            bad_required(c, AT(here, "mountPath"), "");
        if (map_put(&paths, path, &paths))
            bad_invalid(c, AT(here, "mountPath"), json_string(path), "must be unique");
        check_mount(c, at, here, m, k, volumes);
    }
    map_fini(&paths);
}

static bool has_backstep(str path)
{
    str part;

    while (str_cut(&path, '/', &part))
        if (str_is(part, ".."))
            return true;
    return false;
}

void check_devices(struct check *c, const struct at *at, const struct json *k,
                   const struct map *volumes)
{
    const struct json *mounts = field(k, "volumeMounts");
    struct map names, paths;
    int64_t i = 0;

    map_init(&names);
    map_init(&paths);
    JSON_EACH(d, field(k, "volumeDevices")) {
        const struct at *here = AT_INDEX(at, i++);
        str name = json_get_str(d, "name"), path = json_get_str(d, "devicePath");
        const struct json *volume = map_find(volumes, name);

        if (!name.n)
            bad_required(c, AT(here, "name"), "");
        if (map_find(&names, name))
            bad_invalid(c, AT(here, "name"), json_string(name), "must be unique");
        if (volume && !field(volume, "persistentVolumeClaim") && !field(volume, "ephemeral"))
            bad_invalid(c, AT(here, "name"), json_string(name),
                        "can only use volume source type of PersistentVolumeClaim or Ephemeral for "
                        "block mode");
        if (!volume)
            bad_not_found(c, AT(here, "name"), json_string(name), "");
        if (!path.n)
            bad_required(c, AT(here, "devicePath"), "");
        if (map_find(&paths, path))
            bad_invalid(c, AT(here, "devicePath"), json_string(path), "must be unique");
        if (has_backstep(path))
            bad_invalid(c, AT(here, "devicePath"), json_string(path),
                        "can not contain backsteps ('..')");
        else
            map_put(&paths, path, &paths);
        if (named(mounts, "name", name))
            bad_invalid(c, AT(here, "name"), json_string(name),
                        "must not already exist in volumeMounts");
        if (named(mounts, "mountPath", path))
            bad_invalid(c, AT(here, "devicePath"), json_string(path),
                        "must not already exist as a path in volumeMounts");
        if (name.n)
            map_put(&names, name, &names);
    }
    map_fini(&names);
    map_fini(&paths);
}
