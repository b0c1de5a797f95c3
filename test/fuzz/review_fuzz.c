/* review_fuzz.c - what a webhook answers: whatever it is, it is an answer or a reason why not. */
#include "api/dynamic/dynamic_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct webhook h = {.name = S("fuzz.example.test"),
                        .mutating = size & 1,
                        .review = size & 2 ? REVIEW_V1 : REVIEW_V1BETA1};
    struct answer x = {0};
    char *text = size ? mem_dup(data, size) : NULL;

    review_read(a, &h, S("7a25b5d1-46f8-4c0c-8a5e-b0a0f8a3c9d2"), (str){text, size}, &x);
    BUG_ON(x.outcome == OUTCOME_PENDING);
    BUG_ON((x.outcome == OUTCOME_FAILED) != (x.failure.n > 0));
    BUG_ON(x.patch && (!h.mutating || x.outcome != OUTCOME_ALLOWED));
    mem_free(text);
    return 0;
}
