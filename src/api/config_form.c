/* config_form.c - see config_form.h. */
#include "api/config_form.h"
#include "api/validation/check.h"
#include "wire/yaml.h"

static void form_check(struct buf *wrong, const struct at *at, const struct json *v,
                       const struct form *form);

static void say(struct buf *wrong, const struct at *at, const char *fmt)
{
    CLEANUP(buf) struct buf place = BUF_INIT;

    buf_place(&place, at);
    buf_fmt(wrong, "%s%s \"%s\"", wrong->n ? ", " : "", fmt, buf_cstr(&place));
}

static void member_check(struct buf *wrong, const struct at *at, const struct json *v,
                         const struct form *f)
{
    int64_t i = 0;

    if (f->type == 's' ? v->type != JSON_STRING : f->type == 'b' && v->type != JSON_BOOL)
        say(wrong, at, f->type == 's' ? "no string in" : "no boolean in");
    else if (f->type == 'o')
        form_check(wrong, at, v, f->members);
    else if ((f->type == 'l' || f->type == 'S') && v->type != JSON_ARRAY)
        say(wrong, at, "no list in");
    else if (f->type == 'l')
        JSON_EACH(item, v)
            form_check(wrong, AT_INDEX(at, i++), item, f->members);
    else if (f->type == 'S')
        JSON_EACH(item, v) {
            if (item->type != JSON_STRING)
                say(wrong, AT_INDEX(at, i), "no string in");
            i++;
        }
}

static void form_check(struct buf *wrong, const struct at *at, const struct json *v,
                       const struct form *form)
{
    if (v->type != JSON_OBJECT) {
        say(wrong, at, "no object in");
        return;
    }
    JSON_EACH_MEMBER(m, v) {
        const struct form *f = form;
        char name[64];

        while (f->name && !str_is(m->key, f->name))
            f++;
        snprintf(name, sizeof name, PRI_STR, STR_ARG(str_slice(m->key, 0, sizeof name - 1)));
        if (!f->name)
            say(wrong, at ? AT(at, name) : AT(NULL, name), "unknown field");
        else if (m->value.type != JSON_NULL)
            member_check(wrong, AT(at, f->name), &m->value, f);
    }
}

struct err *config_form_check(const struct json *tree, const char *group, const char *kind,
                              const struct form *form)
{
    CLEANUP(buf) struct buf wrong = BUF_INIT;
    str version = json_get_str(tree, "apiVersion"), rest = version, of = STR_NONE;

    str_cut(&rest, '/', &of);
    if (!str_is(json_get_str(tree, "kind"), kind) || !str_is(of, group) ||
        (!str_is(rest, "v1") && !str_is(rest, "v1beta1") && !str_is(rest, "v1alpha1")))
        return err_new(REASON_BAD_REQUEST,
                       "no kind \"" PRI_STR "\" is registered for version \"" PRI_STR "\"",
                       STR_ARG(json_get_str(tree, "kind")), STR_ARG(version));
    form_check(&wrong, NULL, tree, form);
    if (wrong.n)
        return err_new(REASON_BAD_REQUEST, "strict decoding error: %s", buf_cstr(&wrong));
    return NULL;
}

struct err *config_form_read(struct arena *a, str yaml, const char *kind, const struct form *form,
                             struct json **ret)
{
    struct err *e = yaml_parse(a, arena_dup(a, yaml), NULL, ret);

    return e ? e : config_form_check(*ret, "apiserver.config.k8s.io", kind, form);
}

bool config_form_repeats(const struct json *list, uint32_t i, const char *member)
{
    str text = json_get_str(json_item(list, i), member);

    for (uint32_t k = 0; k < i; k++)
        if (str_eq(json_get_str(json_item(list, k), member), text))
            return true;
    return false;
}

struct err *config_form_aggregate(struct err *e)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct err *ret;

    if (!e)
        return NULL;
    for (unsigned i = 0; i < e->n_causes; i++)
        buf_fmt(&b, "%s%s: %s", i ? ", " : "", e->causes[i].field, e->causes[i].message);
    ret = err_new(REASON_BAD_REQUEST, e->n_causes > 1 ? "[%s]" : "%s", buf_cstr(&b));
    err_free(e);
    return ret;
}
