/* patch_json.c - JSON patch (RFC 6902).
 *
 * The operations run in order on a private copy of the tree; only when all have succeeded does the document change.
 * What does not apply is a 422 whose text for the client is the one that Kubernetes gives for all of these cases; what
 * went wrong is in the error's trail.
 *
 * The library inside Kubernetes is laxer than the RFC, and so is this: indices may have a sign (-1 is the last item) and
 * leading zeros; a value that is not there is null; replace and copy take a member that is not there for null; a pointer
 * need not begin with a slash: what is before its first one is of no meaning. Only replace and test know the whole document
 * by an empty pointer, and only objects and arrays may take its place. Source: gopkg.in/evanphx/json-patch.v4, patch.go. */
#include "schema/schema.h"

#define JSON_PATCH_OPS_MAX 10000 /* as kube-apiserver */
#define COPY_BYTES_MAX                                                                             \
    (3u << 20) /* what `copy` may add to a document, as kube-apiserver's limit of a request */
#define STEPS_MAX                                                                                  \
    (32u << 20) /* members that all operations together may look at: some 50 ms of work */

struct target {
    struct json *parent; /* an object or an array */
    str key;             /* unescaped last token */
};

struct run {
    struct arena *arena;
    struct json doc;
    size_t copied_bytes;
    uint64_t steps;
};

static struct err *PRINTF(1, 2) rejected(const char *fmt, ...)
{
    struct err *err =
        err_new(REASON_INVALID, "the server rejected our request due to an error in our request");
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    return err_note(err, "%s", buf_cstr(&b));
}

/* An operation searches and moves members of what its pointers pass through, so many operations on a large object are
 * a product of both. */
static void steps_count(struct run *r, const struct json *v)
{
    r->steps += v->type == JSON_OBJECT ? v->n : v->type == JSON_ARRAY ? v->n / 8 : 0;
}

/* ---- pointers ---- */

/* ~1 is a slash, ~0 a tilde; anything else after a tilde stays as it is. */
static str unescape(struct arena *a, str token)
{
    char *out;
    size_t n = 0;

    if (!str_has_char(token, '~'))
        return token;
    out = arena_alloc(a, token.n + 1);
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];

        if (c == '~' && i + 1 < token.n && (token.p[i + 1] == '0' || token.p[i + 1] == '1'))
            c = token.p[++i] == '0' ? '~' : '/';
        out[n++] = c;
    }
    out[n] = 0;
    return (str){out, n};
}

/* Of an array with n items (or places for one more); negative ones count from its end. */
static bool parse_index(str token, uint32_t n, uint32_t *ret)
{
    bool minus = token.n && token.p[0] == '-';
    str digits = minus || (token.n && token.p[0] == '+') ? str_skip(token, 1) : token;
    int64_t i;

    if (!digits.n || digits.n > 18 || digits.p[0] < '0' || digits.p[0] > '9' ||
        !str_to_int64(digits, &i))
        return false;
    if (minus)
        i = i ? (int64_t)n - i : 0;
    if (i < 0 || i >= n)
        return false;
    *ret = (uint32_t)i;
    return true;
}

static struct json *child(struct json *v, str key)
{
    uint32_t i;

    if (v->type == JSON_ARRAY)
        return parse_index(key, v->n, &i) ? json_item(v, i) : NULL;
    return json_find(v, key);
}

/* The library's words for a place that is not there, which differ by operation. */
static struct err *missing(const char *op, str pointer, bool is_destination)
{
    static const struct {
        const char *op, *text;
    } texts[] = {{"add", "doc is missing path: \"" PRI_STR "\""},
                 {"remove", "doc is missing path: \"" PRI_STR "\""},
                 {"replace", "doc is missing path: " PRI_STR},
                 {"move", "doc is missing from path: " PRI_STR},
                 {"copy", "doc is missing from path: " PRI_STR},
                 {"test", "is missing path: " PRI_STR}};
    const char *text = "doc is missing destination path: " PRI_STR;
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; !is_destination && i < ARRAY_LEN(texts); i++)
        if (!strcmp(op, texts[i].op))
            text = texts[i].text;
    buf_fmt(&b, text, STR_ARG(pointer));
    return rejected("%s operation does not apply: %s: missing value", op, buf_cstr(&b));
}

/* Finds the container that the last token is about. */
static struct err *resolve(struct run *r, const char *op, str pointer, bool is_destination,
                           struct target *ret)
{
    struct json *at = &r->doc;
    str rest = pointer, token;

    str_cut(&rest, '/', &token);
    if (!rest.p)
        return missing(op, pointer, is_destination);
    while (str_cut(&rest, '/', &token)) {
        token = unescape(r->arena, token);
        steps_count(r, at);
        if (!rest.p) {
            if (at->type != JSON_ARRAY && at->type != JSON_OBJECT)
                break;
            *ret = (struct target){at, token};
            return NULL;
        }
        at = child(at, token);
        if (!at)
            break;
    }
    return missing(op, pointer, is_destination);
}

/* ---- the elementary steps ---- */

/* *ret NULL: the member is not there, which is an error in arrays only. */
static struct err *get(struct run *r, const char *op, str pointer, struct target *ret_target,
                       struct json **ret)
{
    struct err *err = resolve(r, op, pointer, false, ret_target);

    if (err)
        return err;
    *ret = child(ret_target->parent, ret_target->key);
    if (*ret || ret_target->parent->type == JSON_OBJECT)
        return NULL;
    return rejected("%s operation does not apply: doc is missing key: " PRI_STR ": missing value",
                    op, STR_ARG(pointer));
}

static struct err *add(struct run *r, const char *op, str pointer, struct json v)
{
    struct target t;
    struct err *err = resolve(r, op, pointer, strcmp(op, "add") != 0, &t);
    uint32_t i;

    if (err)
        return err;
    if (t.parent->type == JSON_OBJECT) {
        json_set(r->arena, t.parent, t.key, v);
    } else {
        if (str_is(t.key, "-"))
            i = t.parent->n;
        else if (!parse_index(t.key, t.parent->n + 1, &i))
            return rejected("error in %s for path: '" PRI_STR
                            "': Unable to access invalid index: " PRI_STR
                            ": invalid index referenced",
                            op, STR_ARG(pointer), STR_ARG(t.key));
        json_insert(r->arena, t.parent, i, v);
    }
    return NULL;
}

/* ret_old may be NULL. */
static struct err *take_out(struct run *r, const char *op, str pointer, struct json *ret_old)
{
    struct target t;
    struct err *err = resolve(r, op, pointer, false, &t);
    struct json *v;
    uint32_t i;

    if (err)
        return err;
    v = child(t.parent, t.key);
    if (!v && t.parent->type == JSON_ARRAY)
        return rejected("error in %s for path: '" PRI_STR
                        "': Unable to access invalid index: " PRI_STR ": invalid index referenced",
                        op, STR_ARG(pointer), STR_ARG(t.key));
    if (!v)
        return rejected("error in %s for path: '" PRI_STR
                        "': Unable to remove nonexistent key: " PRI_STR ": missing value",
                        op, STR_ARG(pointer), STR_ARG(t.key));
    if (ret_old)
        *ret_old = *v;
    if (t.parent->type == JSON_OBJECT)
        json_remove(t.parent, t.key);
    else if (parse_index(t.key, t.parent->n, &i))
        json_remove_item(t.parent, i);
    return NULL;
}

/* An upper estimate of a value's text, for the limit of copies. */
static size_t weight(const struct json *v)
{
    size_t n = 8 + (v->type == JSON_STRING ? v->s.n : 0);

    JSON_EACH(it, v)
        n += weight(it);
    JSON_EACH_MEMBER(m, v)
        n += m->key.n + weight(&m->value);
    return n;
}

/* Whether `inner` lies strictly below `outer`: a value cannot move into itself. */
static bool is_below(str inner, str outer)
{
    return inner.n > outer.n && str_has_prefix(inner, outer) && inner.p[outer.n] == '/';
}

/* ---- operations ---- */

struct op {
    str path, from;
    const struct json *value; /* NULL: null */
};

static struct json value_of(struct run *r, const struct op *o)
{
    return o->value ? json_share(r->arena, o->value) : json_null();
}

static struct err *op_add(struct run *r, const struct op *o)
{
    return add(r, "add", o->path, value_of(r, o));
}

static struct err *op_remove(struct run *r, const struct op *o)
{
    return take_out(r, "remove", o->path, NULL);
}

static struct err *op_replace(struct run *r, const struct op *o)
{
    struct json *v, next = value_of(r, o);
    struct target t;
    struct err *err;

    if (!o->path.n) {
        if (next.type != JSON_OBJECT && next.type != JSON_ARRAY)
            return rejected("replace operation value must be object or array");
        r->doc = next;
        return NULL;
    }
    err = get(r, "replace", o->path, &t, &v);
    if (err)
        return err;
    if (v)
        *v = next;
    else
        json_set(r->arena, t.parent, t.key, next);
    return NULL;
}

static struct err *op_move(struct run *r, const struct op *o)
{
    struct json v;
    struct err *err;

    if (is_below(o->path, o->from))
        return rejected("move operation does not apply: '" PRI_STR "' lies within '" PRI_STR "'",
                        STR_ARG(o->path), STR_ARG(o->from));
    err = take_out(r, "move", o->from, &v);
    return err ? err : add(r, "move", o->path, v);
}

static struct err *op_copy(struct run *r, const struct op *o)
{
    struct json *v;
    struct target t;
    struct err *err = get(r, "copy", o->from, &t, &v);

    if (err)
        return err;
    if (!v)
        return add(r, "copy", o->path, json_null());
    r->copied_bytes += weight(v);
    if (r->copied_bytes > COPY_BYTES_MAX)
        return rejected("Unable to complete the copy, the accumulated size increase of copy "
                        "operations exceeds the limit %u",
                        COPY_BYTES_MAX);
    return add(r, "copy", o->path, json_share(r->arena, v));
}

/* An absent member passes for null. */
static struct err *op_test(struct run *r, const struct op *o)
{
    struct json *v = &r->doc, want = value_of(r, o), null = json_null();
    struct target t;
    struct err *err = o->path.n ? get(r, "test", o->path, &t, &v) : NULL;

    if (err)
        return err;
    if (!json_equal(v ? v : &null, &want))
        return rejected("testing value " PRI_STR " failed: test failed", STR_ARG(o->path));
    return NULL;
}

static const struct {
    str name;
    struct err *(*run)(struct run *r, const struct op *o);
    bool needs_from;
} operations[] = {
    {STR("add"), op_add, false},         {STR("remove"), op_remove, false},
    {STR("replace"), op_replace, false}, {STR("move"), op_move, true},
    {STR("copy"), op_copy, true},        {STR("test"), op_test, false},
};

static struct err *run_one(struct run *r, const struct json *op)
{
    const struct json *path = json_findz(op, "path"), *from = json_findz(op, "from");
    struct op o = {json_str(path), json_str(from), json_findz(op, "value")};
    str name = json_str(json_findz(op, "op"));

    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (!str_eq(operations[i].name, name))
            continue;
        if (!json_is(path, JSON_STRING))
            return rejected(PRI_STR " operation failed to decode path: missing value",
                            STR_ARG(name));
        if (operations[i].needs_from && !json_is(from, JSON_STRING))
            return rejected(PRI_STR " operation failed to decode from: missing value",
                            STR_ARG(name));
        return operations[i].run(r, &o);
    }
    return rejected("Unexpected kind: " PRI_STR, STR_ARG(name.n ? name : S("unknown")));
}

struct err *patch_json(struct arena *a, struct json *doc, const struct json *ops)
{
    struct run r = {.arena = a};

    if (ops->type == JSON_NULL) /* decodes into an empty list */
        return NULL;
    if (ops->type != JSON_ARRAY)
        return err_new(REASON_BAD_REQUEST,
                       "json: cannot unmarshal %s into Go value of type jsonpatch.Patch",
                       json_word(ops));
    if (ops->n > JSON_PATCH_OPS_MAX)
        return err_new(REASON_REQUEST_TOO_LARGE,
                       "The allowed maximum operations in a JSON patch is %d, got %u",
                       JSON_PATCH_OPS_MAX, ops->n);
    JSON_EACH(op, ops)
        if (op->type != JSON_OBJECT)
            return err_new(REASON_BAD_REQUEST,
                           "json: cannot unmarshal %s into Go value of type jsonpatch.Operation",
                           json_word(op));
    r.doc = json_share(a, doc);
    JSON_EACH(op, ops) {
        struct err *err = run_one(&r, op);

        if (err)
            return err;
        if (r.steps > STEPS_MAX)
            return err_new(REASON_REQUEST_TOO_LARGE,
                           "The JSON patch has too many operations for an object of this size");
    }
    *doc = r.doc;
    return NULL;
}
