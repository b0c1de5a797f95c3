/* apply_scale.c - owners of an object's replicas, as its Scale shows them.
 *
 * A Scale has the managers of the one field that it shows, in its own version; what a write made of them goes back into the
 * object's entries. An entry made new there has no time, and since a manager by Update is known by its version, too, what it
 * owns of replicas always comes back as such an entry. Source: apimachinery/pkg/util/managedfields/scalehandler.go. */
#include "schema/apply_internal.h"

#define SCALE_VERSION "autoscaling/v1"

/* "spec.replicas" as a set. */
static struct json path_set(struct arena *a, const char *path)
{
    struct json set = json_object(), *at = &set;
    str rest = str_of(path), name;

    while (str_cut(&rest, '.', &name))
        if (name.n)
            at = json_set(a, at, arena_fmt(a, "f:" PRI_STR, STR_ARG(name)), json_object());
    return set;
}

struct json scale_entries(struct arena *a, const struct json *entries, const char *path)
{
    struct json owned = path_set(a, path), shown = path_set(a, "spec.replicas");
    struct managers m;

    if (!managers_decode(a, entries, &m))
        return json_array();
    for (uint32_t i = 0; i < m.n; i++) {
        managers_set(&m.list[i], set_meets(&m.list[i].set, &owned) ? shown : json_object());
        m.list[i].api_version = S(SCALE_VERSION);
    }
    managers_drop_empty(&m);
    return managers_encode(a, &m);
}

struct json scale_entries_back(struct arena *a, const struct json *entries,
                               const struct json *scale, const char *path, str api_version)
{
    struct json owned = path_set(a, path), shown = path_set(a, "spec.replicas");
    struct managers m, s;

    if (!managers_decode(a, entries, &m) || !managers_decode(a, scale, &s))
        return entries ? *entries : json_array();
    for (uint32_t i = 0; i < m.n; i++) {
        struct manager *kept;

        if (!set_meets(&m.list[i].set, &owned))
            continue;
        kept = managers_find(&s, &m.list[i]);
        if (kept)
            managers_set(kept, json_object());
        else
            managers_set(&m.list[i], set_minus(a, &m.list[i].set, &owned));
    }
    managers_drop_empty(&m);
    for (uint32_t i = 0; i < s.n; i++) {
        struct manager v = s.list[i];

        if (!set_meets(&v.set, &shown))
            continue;
        managers_set(&v, owned);
        v.api_version = api_version;
        v.time = STR_NONE;
        managers_add(a, &m, v);
    }
    return managers_encode(a, &m);
}
