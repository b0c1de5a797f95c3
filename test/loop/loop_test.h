/* loop_test.h - a test that holds in both environments is written once: BOTH(suite, claim) { ... loop ... }. */
#ifndef K1S_TEST_LOOP_H
#define K1S_TEST_LOOP_H
#include "loop/loop.h"
#include "test/test.h"

static inline struct loop *test_virtual(void)
{
    return loop_new_virtual(7, (wall_time){INT64_C(1800000000) * NS_PER_S});
}

#define BOTH(suite, name)                                                                          \
    static void both_##suite##_##name(struct loop *loop);                                          \
    TEST(suite, name##_real)                                                                       \
    {                                                                                              \
        struct loop *loop = loop_new_uv();                                                         \
        both_##suite##_##name(loop);                                                               \
        loop_free(loop);                                                                           \
    }                                                                                              \
    TEST(suite, name##_virtual)                                                                    \
    {                                                                                              \
        struct loop *loop = test_virtual();                                                        \
        both_##suite##_##name(loop);                                                               \
        loop_free(loop);                                                                           \
    }                                                                                              \
    static void both_##suite##_##name(struct loop *loop)
#endif
