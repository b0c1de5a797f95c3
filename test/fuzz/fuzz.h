/* fuzz.h - what a fuzz target consists of: one function, and inputs to begin with.
 *
 * The same file is built twice: with libFuzzer (-Dfuzz=true, `make fuzz`), and in every build as a test of a second that
 * changes the seeds at random (fuzz_main.c). */
#ifndef K1S_TEST_FUZZ_H
#define K1S_TEST_FUZZ_H
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const str fuzz_seeds[] __attribute__((weak)); /* ends with p NULL; a target may have none */

#endif
