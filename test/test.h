/* test.h - the tests' frame. A test's name is a claim about behaviour:
 *     TEST(replicaset, does_not_create_again_before_it_sees_its_own_pods) { CHECK(x == 1); }
 * Each test binary is one or more files with TEST()s and `TEST_MAIN`. It prints a line per failed or skipped test and
 * ends with "N passed, N failed, N skipped". Arguments filter by substring of "suite.name". */
#ifndef K1S_TEST_H
#define K1S_TEST_H
#include "base/base.h"

struct test_case {
    const char *suite, *name;
    void (*fn)(void);
};
void test_register(const struct test_case *c);
void test_fail(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);
void test_skip(const char *fmt, ...)
    PRINTF(1, 2); /* marks the running test as skipped; return after it */
void test_check_str(const char *file, int line, str got, str want);
int test_main(int argc, char **argv);
/* Path of a folder of outside test data (below $K1S_SHARED, or ../shared beside the checkout), or NULL when it is not there: skip then. */
const char *test_shared(const char *sub);
/* Appends what is in the file; false when it cannot be opened. */
bool test_read_file(const char *path, struct buf *b);

#define TEST(suite_, name_)                                                                        \
    static void test_##suite_##_##name_(void);                                                     \
    __attribute__((constructor)) static void test_reg_##suite_##_##name_(void)                     \
    {                                                                                              \
        static const struct test_case c = {#suite_, #name_, test_##suite_##_##name_};              \
        test_register(&c);                                                                         \
    }                                                                                              \
    static void test_##suite_##_##name_(void)
#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            test_fail(__FILE__, __LINE__, "%s", #x);                                               \
    } while (0)
#define CHECK_INT(got, want)                                                                       \
    do {                                                                                           \
        int64_t got_ = (got), want_ = (want);                                                      \
        if (got_ != want_)                                                                         \
            test_fail(__FILE__, __LINE__, "%s is %lld, want %lld", #got, (long long)got_,          \
                      (long long)want_);                                                           \
    } while (0)
#define CHECK_STR(got, want) test_check_str(__FILE__, __LINE__, (got), (want)) /* two str */
#define CHECK_STRZ(got, want) test_check_str(__FILE__, __LINE__, (got), str_of(want))
#define CHECK_OK(err_expr)                                                                         \
    do {                                                                                           \
        struct err *e_ = (err_expr);                                                               \
        if (e_) {                                                                                  \
            test_fail(__FILE__, __LINE__, "%s: %s", #err_expr, err_text(e_));                      \
            err_free(e_);                                                                          \
        }                                                                                          \
    } while (0)
#define TEST_MAIN                                                                                  \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return test_main(argc, argv);                                                              \
    }
#endif
