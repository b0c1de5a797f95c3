/* yaml_fuzz.c - YAML: what is accepted is written and read back equal, and reading is bounded in time and memory. */
#include "wire/yaml.h"
#include "test/fuzz/fuzz.h"

const str fuzz_seeds[] = {
    STR("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {x: \"1\"}}\nspec:\n  "
        "containers:\n  - name: c\n    args: ['a', \"b\\n\"]\n  n: 0x1F\n  t: yes\n"),
    STR("a: &x\n  b: |-\n    text\n     more\n  c: >\n    folded\nd: *x\n---\n- ~\n- 1e3\n- !!str "
        "5\n...\n"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf text = BUF_INIT, again_text = BUF_INIT;
    char *copy = size ? mem_dup(data, size) : NULL;
    struct json duplicates = json_array(), *v = NULL, *again = NULL;
    struct err *err = yaml_parse(a, (str){copy, size}, &duplicates, &v);

    if (!err) {
        yaml_encode(&text, v);
        BUG_ON(yaml_parse(a, buf_view(&text), NULL, &again));
        /* Members by key: go-yaml's order of keys with very long numbers depends on the order in which they came. */
        buf_clear(&text);
        json_sort_keys(v);
        json_sort_keys(again);
        json_encode(&text, v);
        json_encode(&again_text, again);
        BUG_ON(!str_eq(buf_view(&text), buf_view(&again_text)));
    }
    err_free(err);
    err_free(yaml_parse_all(a, (str){copy, size}, &v));
    mem_free(copy);
    return 0;
}
