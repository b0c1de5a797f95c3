/* explain.c - explain: what the server's OpenAPI v3 documents say of a kind and of its fields. */
#include "cli/kubectl/kubectl.h"

#define WIDTH 80
#define REF "#/components/schemas/"

struct explained {
    struct kubectl *k;
    const struct json *schemas;
};

/* A schema or what it refers to. */
static const struct json *deref(const struct explained *x, const struct json *schema)
{
    str ref = json_get_str(schema, "$ref");

    if (!ref.n)
        ref = json_get_str(json_item(json_findz(schema, "allOf"), 0), "$ref");
    if (!str_has_prefix(ref, S(REF)))
        return schema;
    return json_find(x->schemas, str_skip(ref, sizeof REF - 1));
}

static str ref_name(const struct json *schema)
{
    str ref = json_get_str(schema, "$ref");

    if (!ref.n)
        ref = json_get_str(json_item(json_findz(schema, "allOf"), 0), "$ref");
    return ref.n ? str_skip(ref, (size_t)(str_rindex(ref, '.') + 1)) : STR_NONE;
}

/* "Container", "[]string", "map[string]Quantity": as kubectl names types. */
static str type_text(const struct explained *x, const struct json *schema)
{
    str type, name = ref_name(schema);
    const struct json *target = deref(x, schema);

    type = json_get_str(target, "type");
    if (str_is(type, "array"))
        return arena_fmt(x->k->a, "[]" PRI_STR, STR_ARG(type_text(x, json_findz(target, "items"))));
    if (json_is(json_findz(target, "additionalProperties"), JSON_OBJECT))
        return arena_fmt(x->k->a, "map[string]" PRI_STR,
                         STR_ARG(type_text(x, json_findz(target, "additionalProperties"))));
    if (name.n && (!type.n || str_is(type, "object")))
        return name;
    return type.n && !str_is(type, "object") ? type : type.n ? S("Object") : S("<any>");
}

/* The object behind lists and maps, whose fields can be named. */
static const struct json *object_of(const struct explained *x, const struct json *schema)
{
    for (int depth = 0; depth < 8; depth++) {
        const struct json *target = deref(x, schema), *inner = json_findz(target, "items");

        if (!inner && json_is(json_findz(target, "additionalProperties"), JSON_OBJECT))
            inner = json_findz(target, "additionalProperties");
        if (!inner)
            return target;
        schema = inner;
    }
    return NULL;
}

static void wrap(str text, int indent)
{
    str line;

    while (str_cut(&text, '\n', &line)) {
        size_t used = 0;
        str word, rest = line;

        while (str_cut(&rest, ' ', &word)) {
            if (!word.n)
                continue;
            if (used && used + 1 + word.n + (size_t)indent > WIDTH) {
                putchar('\n');
                used = 0;
            }
            if (used)
                printf(" " PRI_STR, STR_ARG(word));
            else
                printf("%*s" PRI_STR, indent, "", STR_ARG(word));
            used += word.n + (used ? 1 : 0);
        }
        putchar('\n');
    }
}

static bool is_required(const struct json *object, str field)
{
    JSON_EACH(r, json_findz(object, "required"))
        if (str_eq(json_str(r), field))
            return true;
    return false;
}

static int by_key(const void *a, const void *b, void *ctx)
{
    return str_cmp(((const struct json_member *)a)->key, ((const struct json_member *)b)->key);
}

static void fields(const struct explained *x, const struct json *object, int indent, bool recursive,
                   int depth)
{
    struct json props = json_share(x->k->a, json_findz(object, "properties") ?: &(struct json){0});

    if (props.type != JSON_OBJECT || depth > 12)
        return;
    sort_with(props.members, props.n, sizeof props.members[0], by_key, NULL);
    JSON_EACH_MEMBER(m, &props) {
        const struct json *inner = object_of(x, &m->value);
        str text = json_get_str(&m->value, "description");
        const struct json *values = json_findz(deref(x, &m->value), "enum");

        printf("%*s" PRI_STR "\t<" PRI_STR ">%s\n", indent, "", STR_ARG(m->key),
               STR_ARG(type_text(x, &m->value)), is_required(object, m->key) ? " -required-" : "");
        if (json_count(values)) {
            printf("%*senum: ", indent, "");
            for (uint32_t i = 0; i < values->n && i < 4; i++) {
                str value = json_str(&values->items[i]);

                printf("%s" PRI_STR, i ? ", " : "", STR_ARG(value.n ? value : S("\"\"")));
            }
            puts(values->n > 4 ? ", ...." : "");
        }
        if (recursive) {
            fields(x, inner, indent + 2, true, depth + 1);
            continue;
        }
        if (!text.n)
            text = json_get_str(deref(x, &m->value), "description");
        wrap(text.n ? text : S("<no description>"), indent + 2);
        putchar('\n');
    }
}

static struct err *find_schema(struct explained *x, const struct kube_resource *res,
                               const struct json **ret)
{
    struct kubectl *k = x->k;
    struct json *doc;
    struct err *err = kube_call_json(
        k,
        &(struct kube_request){
            .method = "GET",
            .path = res->group.n
                        ? arena_fmt(k->a, "/openapi/v3/apis/" PRI_STR "/" PRI_STR,
                                    STR_ARG(res->group), STR_ARG(res->version))
                        : arena_fmt(k->a, "/openapi/v3/api/" PRI_STR, STR_ARG(res->version))},
        &doc);

    if (err)
        return err;
    x->schemas = json_path(doc, "components.schemas");
    JSON_EACH_MEMBER(m, x->schemas)
        JSON_EACH(gvk, json_findz(&m->value, "x-kubernetes-group-version-kind"))
            if (str_eq(json_get_str(gvk, "group"), res->group) &&
                str_eq(json_get_str(gvk, "version"), res->version) &&
                str_eq(json_get_str(gvk, "kind"), res->kind)) {
                *ret = &m->value;
                return NULL;
            }
    return err_new(REASON_NOT_FOUND,
                   "couldn't find resource for \"" PRI_STR "/" PRI_STR ", Kind=" PRI_STR "\"",
                   STR_ARG(res->group), STR_ARG(res->version), STR_ARG(res->kind));
}

struct err *cmd_explain(struct kube_args *args)
{
    struct explained x = {.k = args->k};
    struct kube_resource res;
    const struct json *schema = NULL, *object;
    str path, name, part, field = STR_NONE, text;
    struct err *err;

    if (args->n != 1)
        return err_new(REASON_BAD_REQUEST, args->n ? "We accept only this format: explain RESOURCE"
                                                   : "You must specify the type of resource to "
                                                     "explain. Use \"kubectl api-resources\" for a "
                                                     "complete list of supported resources.");
    path = str_of(args->args[0]);
    str_cut(&path, '.', &name);
    err = kube_resource_find(args->k, name, &res);
    if (!err)
        err = find_schema(&x, &res, &schema);
    if (err)
        return err;
    if (res.group.n)
        printf("GROUP:      " PRI_STR "\n", STR_ARG(res.group));
    printf("KIND:       " PRI_STR "\nVERSION:    " PRI_STR "\n\n", STR_ARG(res.kind),
           STR_ARG(res.version));
    while (str_cut(&path, '.', &part)) {
        schema = json_find(json_findz(object_of(&x, schema), "properties"), part);
        if (!schema)
            return err_new(REASON_NOT_FOUND, "field \"" PRI_STR "\" does not exist", STR_ARG(part));
        field = part;
    }
    object = object_of(&x, schema);
    if (field.n) {
        const struct json *values = json_findz(deref(&x, schema), "enum");

        printf("FIELD: " PRI_STR " <" PRI_STR ">%s\n", STR_ARG(field),
               STR_ARG(type_text(&x, schema)), json_count(values) ? "" : "\n\n");
        if (json_count(values)) {
            puts("ENUM:");
            JSON_EACH(v, values)
                printf("    " PRI_STR "\n", STR_ARG(json_str(v)));
            putchar('\n');
        }
    }
    puts("DESCRIPTION:");
    text = json_get_str(schema, "description");
    if (text.n)
        wrap(text, 4);
    if (object != schema && json_get_str(object, "description").n)
        wrap(json_get_str(object, "description"), 4);
    else if (!text.n)
        puts("    <empty>");
    puts("    ");
    if (json_count(json_findz(object, "properties"))) {
        puts("FIELDS:");
        fields(&x, object, 2, args->f->recursive, 0);
    }
    putchar('\n');
    return NULL;
}
