/* meta.c - ObjectMeta: what the server fills in, what it refuses.
 *
 * API: https://kubernetes.io/docs/reference/using-api/api-concepts/,
 * k8s.io/apimachinery/pkg/api/validation/objectmeta.go */
#include "api/dynamic/dynamic.h"

#define GENERATED_SUFFIX 5
#define GENERATED_BASE_MAX (63 - GENERATED_SUFFIX)

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

static void take_from_old(struct write *w, struct json *meta, const struct json *old,
                          const char *field)
{
    const struct json *v = json_findz(old, field);

    if (v)
        json_setz(w->a, meta, field, json_share(w->a, v));
    else
        json_removez(meta, field);
}

static bool is_absent(const struct json *v)
{
    return !v || v->type == JSON_NULL || (v->type == JSON_STRING && !v->s.n);
}

/* What an update may leave out, and what it cannot change: filled from the stored object. Other changes of these are
 * complained about later.
 * Source: BeforeUpdate() of k8s.io/apiserver/pkg/registry/rest/update.go */
void meta_keep_system(struct write *w)
{
    static const char *const if_absent[] = {"uid", "name", "namespace",
                                            "deletionGracePeriodSeconds"};
    static const char *const once_there[] = {"creationTimestamp", "deletionTimestamp"};
    struct json *meta = meta_of(w->a, w->obj);
    const struct json *old = json_findz(w->old, "metadata");

    json_removez(meta, "selfLink");
    for (size_t i = 0; i < ARRAY_LEN(if_absent); i++)
        if (is_absent(json_findz(meta, if_absent[i])))
            take_from_old(w, meta, old, if_absent[i]);
    for (size_t i = 0; i < ARRAY_LEN(once_there); i++)
        if (!is_absent(json_findz(old, once_there[i])) ||
            is_absent(json_findz(meta, once_there[i])))
            take_from_old(w, meta, old, once_there[i]);
    take_from_old(w, meta, old, "generation");
}
