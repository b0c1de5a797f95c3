/* json_fuzz.c - JSON: what is accepted is written and read back equal, and nothing is read out of bounds. */
#include "wire/json.h"
#include "test/fuzz/fuzz.h"

const str fuzz_seeds[] = {
    STR("{\"a\":[1,-2.5e3,true,false,null,\"\\u00e4\\n<\"],\"b\":{\"c\":{}},\"a\":"
        "9223372036854775807}"),
    STR("[\"\\ud83d\\ude00\",\"\xf0\x9f\x98\x80\",-0.0,1e-7,1e21]"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf)
    struct buf first = BUF_INIT, second = BUF_INIT, third = BUF_INIT, pretty = BUF_INIT;
    /* A copy of the exact size lets the sanitizer see a read behind the end. */
    char *text = size ? mem_dup(data, size) : NULL;
    struct json duplicates = json_object(), *v = NULL, *again = NULL, copy;
    struct err *err = json_parse(a, (str){text, size}, NULL, &duplicates, &v);

    if (!err) {
        json_encode(&first, v);
        BUG_ON(json_parse(a, buf_view(&first), NULL, NULL, &again));
        BUG_ON(!json_equal(v, again));
        json_encode(&second,
                    again); /* not `first` yet: -0.0 is written as -0, which is the integer 0 */
        BUG_ON(json_parse(a, buf_view(&second), NULL, NULL, &again));
        json_encode(&third, again);
        BUG_ON(!str_eq(buf_view(&second), buf_view(&third)));
        copy = json_copy(a, v);
        json_sort_keys(&copy);
        BUG_ON(!json_equal(v, &copy));
        json_encode_pretty(&pretty, &copy, 2, 0);
        BUG_ON(json_parse(a, buf_view(&pretty), &(struct json_limits){.size = SIZE_MAX}, NULL,
                          &again));
        BUG_ON(!json_equal(v, again));
    }
    err_free(err);
    mem_free(text);
    return 0;
}
