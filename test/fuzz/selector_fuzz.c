/* selector_fuzz.c - selectors and quantities from strangers: canonical quantities stay what they are, and packed and
 * mapped labels match alike. */
#include "schema/schema.h"
#include "test/fuzz/fuzz.h"

const str fuzz_seeds[] = {
    STR("a=b,c!=d,e in (f,g),!h,i notin (),j>3,k<4"),
    STR("metadata.name=x,spec.nodeName!=\\,y"),
    STR("0.5Gi"),
    STR("1500m"),
    STR("1e3"),
    STR("-12E"),
    {NULL, 0},
};

static void quantities(struct arena *a, str text)
{
    struct quantity q, again;
    str canonical, twice;

    if (!quantity_parse(text, &q)) {
        BUG_ON(str_is_empty(quantity_problem(text)));
        return;
    }
    BUG_ON(!quantity_canonical(a, text, &canonical));
    BUG_ON(!quantity_parse(canonical, &again) || quantity_cmp(&q, &again));
    BUG_ON(!quantity_canonical(a, canonical, &twice) || !str_eq(canonical, twice));
    quantity_add(&q, &again);
    quantity_sub(&q, &again);
    (void)quantity_value(&q);
    (void)quantity_milli(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf packed = BUF_INIT;
    char *copy = size ? mem_dup(data, size) : NULL;
    str text = {copy, size};
    struct json labels = json_object();
    struct selector s;
    struct err *err;

    json_setz(a, &labels, "app", json_z("web"));
    json_setz(a, &labels, "n", json_z("4"));
    json_setz(a, &labels, "empty", json_z(""));
    buf_packed_labels(&packed, &labels);
    err = selector_parse(a, text, &s);
    if (!err)
        BUG_ON(selector_matches_map(&s, &labels) != selector_matches_packed(&s, buf_view(&packed)));
    err_free(err);
    err_free(field_selector_parse(a, text, &s));
    quantities(a, text);
    mem_free(copy);
    return 0;
}
