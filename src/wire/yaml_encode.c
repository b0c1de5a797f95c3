/* yaml_encode.c - value tree to YAML, byte for byte as sigs.k8s.io/yaml (go-yaml v2) writes it.
 *
 * libyaml's emitter does layout, line folding and escaping: go-yaml's is a port of it. What is decided here is what
 * go-yaml decides before its emitter: the order of keys, the style of each string (literal when it has several lines,
 * plain unless it would read back as something else, else quoted) and the form of numbers.
 *
 * Not here: reading YAML (yaml.c). */
#include "wire/yaml.h"

#include "wire/number.h"
#include "wire/yaml_internal.h"

#include <math.h>
#include <yaml.h>

struct writer {
    yaml_emitter_t libyaml;
    struct buf *out;
};

/* ---- order of keys: numbers inside them count as numbers, as in go-yaml's keyList ---- */

static bool is_digit(uint32_t r)
{
    return r >= '0' && r <= '9';
}

/* ASCII exactly; beyond it everything counts as a letter, which differs from Unicode only for exotic keys. */
static bool is_letter(uint32_t r)
{
    return (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || r >= 0xaa;
}

static uint32_t next_rune(str s, size_t *at)
{
    const uint8_t *p = (const uint8_t *)s.p + *at, *end = (const uint8_t *)s.p + s.n;
    size_t len = json_utf8_len(p, end);

    *at += len ? len : 1;
    switch (len) {
    case 1:
        return p[0];
    case 2:
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3:
        return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    case 4:
        return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    default:
        return 0xfffd;
    }
}

/* The number that starts at `at`; *ret_end is behind its digits. Wraps on overflow, as Go does. */
static uint64_t number_at(str s, size_t at, uint64_t start, size_t *ret_end)
{
    uint64_t v = start;

    for (; at < s.n && is_digit((uint8_t)s.p[at]); at++)
        v = v * 10 + (uint64_t)(s.p[at] - '0');
    *ret_end = at;
    return v;
}

static bool key_less(str a, str b)
{
    bool digits = false;
    size_t at = 0;

    while (at < a.n && at < b.n) {
        size_t next_a = at, next_b = at, end_a, end_b;
        uint32_t ra = next_rune(a, &next_a), rb = next_rune(b, &next_b);
        uint64_t na, nb, start = 0;

        if (ra == rb) {
            digits = is_digit(ra);
            at = next_a;
            continue;
        }
        if (is_letter(ra) && is_letter(rb))
            return ra < rb;
        if (is_letter(ra) || is_letter(rb))
            return digits ? is_letter(ra) : is_letter(rb);
        if (ra == '0' || rb == '0') {
            for (size_t j = at; j > 0 && is_digit((uint8_t)a.p[j - 1]); j--) {
                if (a.p[j - 1] != '0') {
                    start = 1;
                    break;
                }
            }
        }
        na = number_at(a, at, start, &end_a);
        nb = number_at(b, at, start, &end_b);
        if (na != nb)
            return (int64_t)na < (int64_t)nb;
        if (end_a != end_b)
            return end_a < end_b;
        return ra < rb;
    }
    return a.n < b.n;
}

static int compare_members(const void *x, const void *y)
{
    const struct json_member *a = *(const struct json_member *const *)x,
                             *b = *(const struct json_member *const *)y;

    return key_less(a->key, b->key) ? -1 : key_less(b->key, a->key);
}

/* ---- scalars ---- */

/* [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?: base 60 numbers of YAML 1.1, quoted for the sake of other readers. */
static bool is_base60(str s)
{
    size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+'), groups = 0;

    if (i >= s.n || !is_digit((uint8_t)s.p[i]))
        return false;
    while (i < s.n && (is_digit((uint8_t)s.p[i]) || s.p[i] == '_'))
        i++;
    while (i < s.n && s.p[i] == ':') {
        size_t digits = 0;

        i++;
        for (; i < s.n && is_digit((uint8_t)s.p[i]); i++)
            digits++;
        if (!digits || digits > 2 || (digits == 2 && s.p[i - 2] > '5'))
            return false;
        groups++;
    }
    if (!groups)
        return false;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && (is_digit((uint8_t)s.p[i]) || s.p[i] == '_'); i++)
            ;
    return i == s.n;
}

static yaml_scalar_style_t string_style(str s)
{
    struct json ignored;

    if (str_has_char(s, '\n'))
        return YAML_LITERAL_SCALAR_STYLE;
    if (str_is(s, "<<"))
        return YAML_PLAIN_SCALAR_STYLE;
    if (yaml_resolve(s, &ignored) != YAML_KIND_STRING || yaml_is_timestamp(s) || is_base60(s))
        return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    return YAML_PLAIN_SCALAR_STYLE;
}

void yaml_encode_double(struct buf *b, double d, bool single)
{
    /* A number that is too large for single precision is infinite there, as in Go. */
    if (!isfinite(single ? (double)(float)d : d)) {
        buf_z(b, isnan(d) ? ".nan" : d < 0 ? "-.inf" : ".inf");
        return;
    }
    /* where Go's shortest 'g' turns to the exponent form */
    number_encode(b, d, single, &(struct number_form){.from = -4, .to = 6, .exponent_digits = 2});
}

/* The text passes through JSON first, where whole numbers lose their point, and is read again: what fits 64 bits is an integer. */
static void add_double(struct buf *b, double d)
{
    CLEANUP(buf) struct buf json = BUF_INIT;

    json_encode_double(&json, d);
    if (str_has_char(buf_view(&json), '.') || str_has_char(buf_view(&json), 'e') || d >= 0x1p64 ||
        d <= -0x1p63)
        yaml_encode_double(b, d, false);
    else
        buf_str(b, buf_view(&json));
}

/* ---- events ---- */

/* libyaml takes the event over. Neither can fail here: the output grows, and all text is checked UTF-8. */
static void emit(struct writer *w, yaml_event_t *e)
{
    BUG_ON(!yaml_emitter_emit(&w->libyaml, e));
}

static void emit_scalar(struct writer *w, str text, yaml_scalar_style_t style)
{
    yaml_event_t e;

    BUG_ON(text.n > INT_MAX);
    if (!yaml_scalar_event_initialize(&e, NULL, NULL, (const yaml_char_t *)(text.p ? text.p : ""),
                                      (int)text.n, 1, 1, style)) {
        /* Not UTF-8: bytes from protobuf that no JSON would carry. Each bad one becomes U+FFFD, as in JSON. */
        CLEANUP(buf) struct buf b = BUF_INIT;
        const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n;

        while (p < end) {
            size_t len = json_utf8_len(p, end);

            if (len)
                buf_add(&b, p, len);
            else
                buf_z(&b, "\xef\xbf\xbd");
            p += len ? len : 1;
        }
        BUG_ON(!yaml_scalar_event_initialize(&e, NULL, NULL, (const yaml_char_t *)buf_cstr(&b),
                                             (int)b.n, 1, 1, style));
    }
    emit(w, &e);
}

static void emit_value(struct writer *w, const struct json *v);

static void emit_object(struct writer *w, const struct json *v)
{
    const struct json_member **sorted = mem_alloc((v->n + 1) * sizeof *sorted);
    yaml_event_t e;

    for (uint32_t i = 0; i < v->n; i++)
        sorted[i] = &v->members[i];
    qsort(sorted, v->n, sizeof *sorted, compare_members);
    BUG_ON(!yaml_mapping_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    emit(w, &e);
    for (uint32_t i = 0; i < v->n; i++) {
        emit_scalar(w, sorted[i]->key, string_style(sorted[i]->key));
        emit_value(w, &sorted[i]->value);
    }
    yaml_mapping_end_event_initialize(&e);
    emit(w, &e);
    mem_free(sorted);
}

static void emit_value(struct writer *w, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    yaml_event_t e;

    switch (v->type) {
    case JSON_NULL:
        emit_scalar(w, S("null"), YAML_PLAIN_SCALAR_STYLE);
        return;
    case JSON_BOOL:
        emit_scalar(w, v->b ? S("true") : S("false"), YAML_PLAIN_SCALAR_STYLE);
        return;
    case JSON_INT:
        buf_int(&b, v->i);
        emit_scalar(w, buf_view(&b), YAML_PLAIN_SCALAR_STYLE);
        return;
    case JSON_DOUBLE:
        add_double(&b, v->d);
        emit_scalar(w, buf_view(&b), YAML_PLAIN_SCALAR_STYLE);
        return;
    case JSON_STRING:
        emit_scalar(w, v->s, string_style(v->s));
        return;
    case JSON_OBJECT:
        emit_object(w, v);
        return;
    case JSON_ARRAY:
        BUG_ON(!yaml_sequence_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
        emit(w, &e);
        for (uint32_t i = 0; i < v->n; i++)
            emit_value(w, &v->items[i]);
        yaml_sequence_end_event_initialize(&e);
        emit(w, &e);
        return;
    }
}

static int write_out(void *ctx, unsigned char *p, size_t n)
{
    struct writer *w = ctx;

    buf_add(w->out, p, n);
    return 1;
}

void yaml_encode(struct buf *b, const struct json *v)
{
    struct writer w = {.out = b};
    yaml_event_t e;

    BUG_ON(!yaml_emitter_initialize(&w.libyaml));
    yaml_emitter_set_output(&w.libyaml, write_out, &w);
    yaml_emitter_set_unicode(&w.libyaml, 1);
    yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING);
    emit(&w, &e);
    yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1);
    emit(&w, &e);
    emit_value(&w, v);
    yaml_document_end_event_initialize(&e, 1);
    emit(&w, &e);
    w.libyaml.open_ended = 0; /* no "..." at the end, as go-yaml */
    yaml_stream_end_event_initialize(&e);
    emit(&w, &e);
    yaml_emitter_delete(&w.libyaml);
}
