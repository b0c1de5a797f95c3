/* yaml.c - YAML 1.1 to value tree, as sigs.k8s.io/yaml reads it for Kubernetes.
 *
 * libyaml makes events; here they become a tree and plain scalars get their types by the rules of go-yaml v2:
 * yes/no/on/off/y/n are booleans, integers may be octal, hexadecimal, binary and contain underscores, timestamps stay
 * strings, `<<` merges (as go-yaml v2 does: in order, so that keys before it are overwritten), keys become strings.
 * Numbers end as they would after YAML -> JSON text -> json_parse: 1e3 is the integer 1000.
 *
 * Invariants
 *   (1) Aliases are expanded into separate subtrees; their share of all nodes is limited as in go-yaml, so that a small
 *       text cannot become a huge tree.
 *   (2) Nothing of the tree points into the text or into libyaml's memory.
 *
 * Not here: writing YAML (yaml_encode.c). */
#include "wire/yaml.h"

#include "wire/yaml_internal.h"

#include <math.h>
#include <yaml.h>

#define YAML_SIZE_MAX ((size_t)64 << 20) /* bytes; a server has bounded its bodies before */
#define ALIAS_RATIO_LOW                                                                            \
    400000 /* nodes up to which nearly all may come from aliases, as in go-yaml */
#define ALIAS_RATIO_HIGH 4000000 /* nodes from which on a tenth may */
#define TAG_PREFIX "tag:yaml.org,2002:"

struct anchor {
    str name;
    struct json value;
    uint64_t n_nodes;
    bool open; /* its node is not complete: an alias to it would be endless */
};

struct reader {
    yaml_parser_t libyaml;
    struct arena *arena;
    struct json *duplicates;
    struct map anchors; /* name -> struct anchor, the newest: a name may be used again */
    uint64_t n_nodes, n_from_aliases;
    uint32_t depth_left;
    struct err *err;
};

/* ---- errors ---- */

static struct err *PRINTF(1, 2) yaml_err(const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    return err_new(REASON_BAD_REQUEST, "error converting YAML to JSON: yaml: %s", buf_cstr(&b));
}

/* libyaml's complaint, with the line that go-yaml would name: parser errors carry the line before. */
static struct err *libyaml_err(const yaml_parser_t *p)
{
    const char *problem = p->problem ? p->problem : "unknown problem parsing YAML content";
    size_t line = 0;

    if (p->problem_mark.line)
        line = p->problem_mark.line + (p->error == YAML_SCANNER_ERROR);
    else if (p->context_mark.line)
        line = p->context_mark.line;
    return line ? yaml_err("line %zu: %s", line, problem) : yaml_err("%s", problem);
}

static bool fail(struct reader *r, struct err *err)
{
    r->err = err;
    return false;
}

static bool next_event(struct reader *r, yaml_event_t *ret)
{
    if (yaml_parser_parse(&r->libyaml, ret))
        return true;
    return fail(r, libyaml_err(&r->libyaml));
}

/* ---- scalars ---- */

struct word {
    str text;
    struct json value;
};

#define TRUE_                                                                                      \
    {                                                                                              \
        .type = JSON_BOOL, .b = true                                                               \
    }
#define FALSE_                                                                                     \
    {                                                                                              \
        .type = JSON_BOOL, .b = false                                                              \
    }
#define NULL_                                                                                      \
    {                                                                                              \
        .type = JSON_NULL                                                                          \
    }
static const struct word words[] = {
    {STR("y"), TRUE_},      {STR("Y"), TRUE_},      {STR("yes"), TRUE_},    {STR("Yes"), TRUE_},
    {STR("YES"), TRUE_},    {STR("true"), TRUE_},   {STR("True"), TRUE_},   {STR("TRUE"), TRUE_},
    {STR("on"), TRUE_},     {STR("On"), TRUE_},     {STR("ON"), TRUE_},     {STR("n"), FALSE_},
    {STR("N"), FALSE_},     {STR("no"), FALSE_},    {STR("No"), FALSE_},    {STR("NO"), FALSE_},
    {STR("false"), FALSE_}, {STR("False"), FALSE_}, {STR("FALSE"), FALSE_}, {STR("off"), FALSE_},
    {STR("Off"), FALSE_},   {STR("OFF"), FALSE_},   {STR(""), NULL_},       {STR("~"), NULL_},
    {STR("null"), NULL_},   {STR("Null"), NULL_},   {STR("NULL"), NULL_},
};
static const struct {
    str text;
    double value;
} float_words[] = {
    {STR(".nan"), NAN},        {STR(".NaN"), NAN},        {STR(".NAN"), NAN},
    {STR(".inf"), INFINITY},   {STR(".Inf"), INFINITY},   {STR(".INF"), INFINITY},
    {STR("+.inf"), INFINITY},  {STR("+.Inf"), INFINITY},  {STR("+.INF"), INFINITY},
    {STR("-.inf"), -INFINITY}, {STR("-.Inf"), -INFINITY}, {STR("-.INF"), -INFINITY},
};

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

/* Go's strconv.ParseInt and ParseUint with base 0; what is beyond 63 bits is a double in JSON. */
static bool parse_int(str s, struct json *ret)
{
    bool negative = s.n && s.p[0] == '-', huge = false;
    uint64_t value = 0;
    int base = 10;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_skip(s, 1);
    if (s.n > 1 && s.p[0] == '0') {
        char c = s.p[1] | 0x20;

        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        s = str_skip(s, c == 'x' || c == 'b' || c == 'o' ? 2 : 1);
    }
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int digit = digit_of(s.p[i]);

        if (digit >= base)
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            huge = true;
    }
    if (!huge && value <= (uint64_t)INT64_MAX + negative) {
        *ret = json_int(negative ? (int64_t)(0 - value) : (int64_t)value);
        return true;
    }
    if (huge) /* digits are a number still, but a double; the rest is text */
        return false;
    *ret = json_double(negative ? -(double)value : (double)value);
    return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_like_float(str s)
{
    size_t i = 0, whole, part = 0;

    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
        i++;
    for (whole = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        whole++;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            part++;
    if (!whole && !part)
        return false;
    if (i < s.n && (s.p[i] | 0x20) == 'e') {
        size_t digits = 0;

        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            i++;
        for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            digits++;
        if (!digits)
            return false;
    }
    return i == s.n;
}

static bool parse_float(str s, struct json *ret)
{
    char *z;
    double d;

    if (!looks_like_float(s))
        return false;
    z = str_dupz(s);
    d = strtod(z, NULL);
    mem_free(z);
    if (isinf(d))
        return false;
    *ret = json_double(d);
    return true;
}

enum yaml_kind yaml_resolve(str text, struct json *ret)
{
    char c = text.n ? text.p[0] : 0;
    CLEANUP(buf) struct buf plain = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(words[i].text, text)) {
            *ret = words[i].value;
            return ret->type == JSON_NULL ? YAML_KIND_NULL : YAML_KIND_BOOL;
        }
    }
    if (text.n == 2 && c == '<' && text.p[1] == '<')
        return YAML_KIND_STRING; /* a merge where it is a plain key; the hint of go-yaml's table leaves it alone */
    if (c == '.' || c == '+' || c == '-') {
        for (size_t i = 0; i < ARRAY_LEN(float_words); i++) {
            if (str_eq(float_words[i].text, text)) {
                *ret = json_double(float_words[i].value);
                return YAML_KIND_FLOAT;
            }
        }
    }
    if (c == '.')
        return parse_float(text, ret) ? YAML_KIND_FLOAT : YAML_KIND_STRING;
    if (c != '+' && c != '-' && (c < '0' || c > '9'))
        return YAML_KIND_STRING;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '_')
            buf_char(&plain, text.p[i]);
    if (parse_int(buf_view(&plain), ret))
        return YAML_KIND_INT;
    if (parse_float(buf_view(&plain), ret))
        return YAML_KIND_FLOAT;
    return YAML_KIND_STRING;
}

bool yaml_is_timestamp(str s)
{
    /* Year-month-day, all digits, is enough to tell: nothing else of that form is a number. */
    size_t i = 4;

    if (s.n < 8 || s.p[4] != '-')
        return false;
    for (size_t k = 0; k < 4; k++)
        if (s.p[k] < '0' || s.p[k] > '9')
            return false;
    for (int part = 0; part < 2; part++) {
        size_t digits = 0;
        int value = 0;

        i++;
        for (; i < s.n && digits < 2 && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits++)
            value = value * 10 + (s.p[i] - '0');
        if (!digits || value < 1 || value > (part ? 31 : 12))
            return false;
        if (part == 0 && (i >= s.n || s.p[i] != '-'))
            return false;
    }
    if (i == s.n)
        return true;
    if (s.p[i] != 'T' && s.p[i] != 't' && s.p[i] != ' ')
        return false;
    {
        bool zoned = s.p[i] != ' ';

        for (int part = 0; part < 3; part++) {
            size_t digits = 0;

            i++;
            for (; i < s.n && digits < 2 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
                digits++;
            if (!digits || (part < 2 && (i >= s.n || s.p[i] != ':')))
                return false;
        }
        if (i < s.n && s.p[i] == '.')
            for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
                ;
        if (!zoned)
            return i == s.n;
        if (i + 1 == s.n && s.p[i] == 'Z')
            return true;
        return i + 6 == s.n && (s.p[i] == '+' || s.p[i] == '-') && s.p[i + 3] == ':';
    }
}

/* The value that a double has after a trip through JSON text. */
static bool settle_double(struct reader *r, struct json *v)
{
    if (v->type != JSON_DOUBLE)
        return true;
    if (!isfinite(v->d))
        return fail(r, err_new(REASON_BAD_REQUEST,
                               "error converting YAML to JSON: json: unsupported value: %s",
                               isnan(v->d) ? "NaN"
                               : v->d < 0  ? "-Inf"
                                           : "+Inf"));
    if (v->d == trunc(v->d) && fabs(v->d) < 9.2e18)
        *v = json_int((int64_t)v->d);
    return true;
}

static const struct {
    const char *tag;
    enum yaml_kind kind;
} tags[] = {
    {TAG_PREFIX "bool", YAML_KIND_BOOL},
    {TAG_PREFIX "int", YAML_KIND_INT},
    {TAG_PREFIX "float", YAML_KIND_FLOAT},
    {TAG_PREFIX "null", YAML_KIND_NULL},
};
static const char *const kind_tags[] = {
    [YAML_KIND_NULL] = "!!null",   [YAML_KIND_BOOL] = "!!bool",  [YAML_KIND_INT] = "!!int",
    [YAML_KIND_FLOAT] = "!!float", [YAML_KIND_STRING] = "!!str",
};

/* The scalar's value; *ret_kind as go-yaml would tag it. */
static bool scalar_value(struct reader *r, const yaml_event_t *e, struct json *ret,
                         enum yaml_kind *ret_kind)
{
    str text = {(const char *)e->data.scalar.value, e->data.scalar.length};
    const char *tag = (const char *)e->data.scalar.tag;
    enum yaml_kind kind = YAML_KIND_STRING;
    struct json v = {0};

    if (!tag && e->data.scalar.plain_implicit) {
        kind = yaml_resolve(text, &v);
    } else if (tag && strcmp(tag, TAG_PREFIX "binary") == 0) {
        if (!base64_decode(r->arena, text, &text))
            return fail(r, yaml_err("!!binary value contains invalid base64 data"));
    } else if (tag) {
        for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
            if (strcmp(tags[i].tag, tag) != 0)
                continue;
            kind = yaml_resolve(text, &v);
            if (kind != tags[i].kind && !(kind == YAML_KIND_INT && tags[i].kind == YAML_KIND_FLOAT))
                return fail(r, yaml_err("cannot decode %s `" PRI_STR "` as a %s", kind_tags[kind],
                                        STR_ARG(text), kind_tags[tags[i].kind]));
        }
    }
    if (kind == YAML_KIND_STRING)
        v = json_string(arena_dup(r->arena, text));
    *ret = v;
    *ret_kind = kind;
    return true;
}

/* ---- keys ---- */

/* A value as Go's %#v prints it: part of messages that people search for. */
static void go_value(struct buf *b, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL:
        buf_z(b, "interface {}(nil)");
        return;
    case JSON_BOOL:
        buf_z(b, v->b ? "true" : "false");
        return;
    case JSON_INT:
        buf_int(b, v->i);
        return;
    case JSON_DOUBLE:
        json_encode_double(b, v->d);
        return;
    case JSON_STRING:
        json_encode_string(b, v->s);
        return;
    case JSON_ARRAY:
        buf_z(b, "[]interface {}{");
        for (uint32_t i = 0; i < v->n; i++) {
            buf_z(b, i ? ", " : "");
            go_value(b, &v->items[i]);
        }
        buf_char(b, '}');
        return;
    case JSON_OBJECT:
        buf_z(b, "map[interface {}]interface {}{");
        for (uint32_t i = 0; i < v->n; i++) {
            buf_z(b, i ? ", " : "");
            json_encode_string(b, v->members[i].key);
            buf_char(b, ':');
            go_value(b, &v->members[i].value);
        }
        buf_char(b, '}');
        return;
    }
}

static bool key_text(struct reader *r, const struct json *key, str *ret)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    switch (key->type) {
    case JSON_STRING:
        *ret = key->s;
        return true;
    case JSON_BOOL:
        *ret = key->b ? S("true") : S("false");
        return true;
    case JSON_INT:
        *ret = arena_fmt(r->arena, "%lld", (long long)key->i);
        return true;
    case JSON_DOUBLE:
        yaml_encode_double(&b, (float)key->d, true);
        *ret = arena_dup(r->arena, buf_view(&b));
        return true;
    case JSON_NULL:
        return fail(r, err_new(REASON_BAD_REQUEST, "error converting YAML to JSON: unsupported map "
                                                   "key of type: %%!s(<nil>), key: <nil>"));
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    go_value(&b, key);
    return fail(r, yaml_err("invalid map key: %s", buf_cstr(&b)));
}

static void report_duplicate(struct reader *r, str key, size_t line)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (!r->duplicates || r->duplicates->n >= 100)
        return;
    buf_fmt(&b, "line %zu: key ", line + 1);
    json_encode_string(&b, key);
    buf_z(&b, " already set in map");
    json_append(r->arena, r->duplicates, json_string(arena_dup(r->arena, buf_view(&b))));
}

/* ---- anchors ---- */

static struct anchor *open_anchor(struct reader *r, const yaml_char_t *name)
{
    struct anchor *a;

    if (!name)
        return NULL;
    a = ARENA_NEW(r->arena, struct anchor);
    a->name = arena_dup(r->arena, str_of((const char *)name));
    a->open = true;
    a->n_nodes = r->n_nodes;
    map_put(&r->anchors, a->name, a);
    return a;
}

static void close_anchor(struct reader *r, struct anchor *a, const struct json *v)
{
    if (!a)
        return;
    a->open = false;
    a->value = *v;
    a->n_nodes = r->n_nodes - a->n_nodes + 1;
}

static bool too_many_aliases(const struct reader *r)
{
    double nodes = (double)r->n_nodes, allowed = 0.99;

    if (r->n_from_aliases <= 100 || r->n_nodes <= 1000)
        return false;
    if (r->n_nodes >= ALIAS_RATIO_HIGH)
        allowed = 0.10;
    else if (r->n_nodes > ALIAS_RATIO_LOW)
        allowed = 0.99 - 0.89 * ((nodes - ALIAS_RATIO_LOW) / (ALIAS_RATIO_HIGH - ALIAS_RATIO_LOW));
    return (double)r->n_from_aliases / nodes > allowed;
}

static bool expand_alias(struct reader *r, const yaml_event_t *e, struct json *ret)
{
    const char *name = (const char *)e->data.alias.anchor;
    const struct anchor *a = map_find(&r->anchors, str_of(name));

    if (!a)
        return fail(r, yaml_err("unknown anchor '%s' referenced", name));
    if (a->open)
        return fail(r, yaml_err("anchor '%s' value contains itself", name));
    r->n_nodes += a->n_nodes;
    r->n_from_aliases += a->n_nodes;
    if (too_many_aliases(r)) /* counted before copied */
        return fail(r, yaml_err("document contains excessive aliasing"));
    *ret = json_share(r->arena, &a->value);
    return true;
}

/* ---- composing ---- */

static bool compose(struct reader *r, yaml_event_t *e, struct json *ret, bool *ret_merge);

static bool compose_sequence(struct reader *r, struct json *ret)
{
    *ret = json_array();
    for (;;) {
        struct json v = {0};
        yaml_event_t e;
        bool ok;

        if (!next_event(r, &e))
            return false;
        if (e.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&e);
            return true;
        }
        ok = compose(r, &e, &v, NULL) && settle_double(r, &v);
        yaml_event_delete(&e);
        if (!ok)
            return false;
        json_append(r->arena, ret, v);
    }
}

/* Sets a member; finding is linear while the object is small. True when the key was there. */
static bool put_member(struct reader *r, struct json_key_set *set, struct json *obj, str key,
                       const struct json *v)
{
    uint32_t n = obj->n;

    if (n > JSON_LINEAR_KEYS_MAX) {
        uint32_t at = json_key_set_find(set, obj->members, n, key);

        if (at < n) {
            obj->members[at].value = *v;
            return true;
        }
        if (obj->n == obj->cap) {
            uint32_t cap = obj->cap * 2;

            obj->members = arena_grow(r->arena, obj->members, obj->cap * sizeof *obj->members,
                                      cap * sizeof *obj->members);
            obj->cap = cap;
        }
        obj->members[obj->n++] = (struct json_member){key, *v};
        return false;
    }
    json_set(r->arena, obj, key, *v);
    return obj->n == n;
}

static bool merge_one(struct reader *r, struct json_key_set *set, struct json *obj,
                      const struct json *from)
{
    if (from->type != JSON_OBJECT)
        return fail(r, yaml_err("map merge requires map or sequence of maps as the value"));
    JSON_EACH_MEMBER(m, from)
        put_member(r, set, obj, m->key, &m->value);
    return true;
}

static bool merge(struct reader *r, struct json_key_set *set, struct json *obj,
                  const struct json *from)
{
    if (from->type != JSON_ARRAY)
        return merge_one(r, set, obj, from);
    for (uint32_t i = from->n; i > 0; i--) /* earlier ones win */
        if (!merge_one(r, set, obj, &from->items[i - 1]))
            return false;
    return true;
}

static bool compose_members(struct reader *r, struct json_key_set *set, struct json *ret)
{
    *ret = json_object();
    for (;;) {
        struct json key = {0}, v = {0};
        bool is_merge = false, ok;
        str name = STR_NONE;
        size_t line;
        yaml_event_t e;

        if (!next_event(r, &e))
            return false;
        if (e.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&e);
            return true;
        }
        ok = compose(r, &e, &key, &is_merge) && (is_merge || key_text(r, &key, &name));
        yaml_event_delete(&e);
        if (!ok || !next_event(r, &e))
            return false;
        line = e.start_mark.line;
        ok = compose(r, &e, &v, NULL) && settle_double(r, &v);
        yaml_event_delete(&e);
        if (!ok)
            return false;
        if (is_merge) {
            if (!merge(r, set, ret, &v))
                return false;
        } else if (put_member(r, set, ret, name, &v)) {
            report_duplicate(r, name, line);
        }
    }
}

static bool compose_mapping(struct reader *r, struct json *ret)
{
    struct json_key_set set = {0};
    bool ok = compose_members(r, &set, ret);

    json_key_set_fini(&set);
    return ok;
}

/* The node that begins with e. ret_merge: where a key is expected; set when it is a plain `<<`. */
static bool compose(struct reader *r, yaml_event_t *e, struct json *ret, bool *ret_merge)
{
    enum yaml_kind kind;
    struct anchor *a;
    bool ok = false;

    r->n_nodes++;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return expand_alias(r, e, ret);
    case YAML_SCALAR_EVENT:
        a = open_anchor(r, e->data.scalar.anchor);
        if (!scalar_value(r, e, ret, &kind))
            return false;
        if (ret_merge && e->data.scalar.plain_implicit && str_is(json_str(ret), "<<"))
            *ret_merge = true;
        close_anchor(r, a, ret);
        return true;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (!r->depth_left)
            return fail(r, yaml_err("exceeded max depth of %d", JSON_DEPTH_MAX));
        r->depth_left--;
        if (e->type == YAML_SEQUENCE_START_EVENT) {
            a = open_anchor(r, e->data.sequence_start.anchor);
            ok = compose_sequence(r, ret);
        } else {
            a = open_anchor(r, e->data.mapping_start.anchor);
            ok = compose_mapping(r, ret);
        }
        r->depth_left++;
        if (ok)
            close_anchor(r, a, ret);
        return ok;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        break;
    }
    return fail(r, yaml_err("unexpected event"));
}

/* The next document; false at the end of the stream (or on error). */
static bool next_document(struct reader *r, struct json *ret)
{
    for (;;) {
        yaml_event_type_t type;
        yaml_event_t e;
        bool ok;

        if (!next_event(r, &e))
            return false;
        type = e.type;
        yaml_event_delete(&e);
        if (type == YAML_STREAM_END_EVENT || type == YAML_NO_EVENT)
            return false;
        if (type != YAML_DOCUMENT_START_EVENT)
            continue;
        map_fini(&r->anchors);
        map_init(&r->anchors);
        if (!next_event(r, &e))
            return false;
        ok = compose(r, &e, ret, NULL) && settle_double(r, ret);
        yaml_event_delete(&e);
        if (!ok || !next_event(r, &e)) /* its end: rubbish behind a scalar is found only now */
            return false;
        yaml_event_delete(&e);
        return true;
    }
}

/* Calls for every document of the text (first_only: at most once). */
static struct err *read_documents(struct arena *a, str text, struct json *duplicates,
                                  bool first_only, struct json *docs)
{
    struct reader r = {.arena = a, .duplicates = duplicates, .depth_left = JSON_DEPTH_MAX};
    struct json v = {0};

    if (text.n > YAML_SIZE_MAX)
        return err_new(REASON_REQUEST_TOO_LARGE, "Request entity too large: limit is %zu",
                       YAML_SIZE_MAX);
    if (!yaml_parser_initialize(&r.libyaml))
        return err_new(REASON_INTERNAL, "out of memory");
    map_init(&r.anchors);
    yaml_parser_set_input_string(&r.libyaml, (const unsigned char *)(text.n ? text.p : ""), text.n);
    while (next_document(&r, &v)) {
        json_append(a, docs, v);
        if (first_only)
            break;
    }
    yaml_parser_delete(&r.libyaml);
    map_fini(&r.anchors);
    return r.err;
}

/* JSON is read as such where it is: it is faster, and what fails or is to be told by its lines gets its second chance as
 * YAML. */
static bool try_json(struct arena *a, str text, bool tell_duplicates, struct json **ret)
{
    struct json_limits limits = {.depth = JSON_DEPTH_MAX, .size = YAML_SIZE_MAX};
    struct json duplicates = json_object();
    struct err *err;

    text = str_trim(text);
    if (!text.n || *text.p != '{')
        return false;
    text = arena_dup(a, text); /* invariant (2) */
    err = json_parse(a, text, &limits, tell_duplicates ? &duplicates : NULL, ret);
    if (!err)
        return !duplicates.n;
    err_free(err);
    return false;
}

struct err *yaml_parse(struct arena *a, str text, struct json *duplicates, struct json **ret)
{
    struct json docs = json_array();
    struct err *err;

    if (try_json(a, text, duplicates != NULL, ret))
        return NULL;
    err = read_documents(a, text, duplicates, true, &docs);
    if (err)
        return err;
    *ret = docs.n ? &docs.items[0] : json_new(a, json_null());
    return NULL;
}

/* A line that ends a document for kubectl's reader: "---" and at most a comment. */
static bool is_separator(str line)
{
    if (!str_has_prefix(line, S("---")))
        return false;
    line = str_trim(str_skip(line, 3));
    return !line.n || line.p[0] == '#';
}

static struct err *read_chunk(struct arena *a, str text, struct json *ret_docs)
{
    struct json docs = json_array(), *v = NULL;
    struct err *err;

    if (try_json(a, text, false, &v)) {
        json_append(a, ret_docs, *v);
        return NULL;
    }
    if (str_has_prefix(str_trim(text), S("{"))) {
        /* Maybe several JSON values in a row, as `kubectl get -o json` of several files gives. */
        err = json_parse_stream(a, arena_dup(a, text), &docs);
        if (!err) {
            JSON_EACH(doc, &docs)
                json_append(a, ret_docs, *doc);
            return NULL;
        }
        err_free(err);
        docs = json_array();
    }
    err = read_documents(a, text, NULL, false, &docs);
    if (err)
        return err;
    JSON_EACH(doc, &docs)
        if (doc->type != JSON_NULL)
            json_append(a, ret_docs, *doc);
    return NULL;
}

struct err *yaml_parse_all(struct arena *a, str text, struct json **ret)
{
    struct json *docs = json_new(a, json_array());
    const char *start = text.p;
    str rest = text, line;

    if (text.n > YAML_SIZE_MAX)
        return err_new(REASON_REQUEST_TOO_LARGE, "Request entity too large: limit is %zu",
                       YAML_SIZE_MAX);
    /* Each document is a text of its own, as in kubectl: an error's line counts from its beginning. */
    while (str_cut(&rest, '\n', &line)) {
        struct err *err;

        if (!is_separator(line))
            continue;
        err = read_chunk(a, (str){start, (size_t)(line.p - start)}, docs);
        if (err)
            return err;
        start = line.p + line.n + (rest.p != NULL);
    }
    if (text.n) {
        struct err *err = read_chunk(a, (str){start, (size_t)(text.p + text.n - start)}, docs);

        if (err)
            return err;
    }
    *ret = docs;
    return NULL;
}
