/* job_policy.h - pod failure policy and success policy of Jobs. */
#ifndef K1S_CONTROLLERS_JOB_POLICY_H
#define K1S_CONTROLLERS_JOB_POLICY_H
#include "controllers/controllers_internal.h"

enum job_verdict { JOB_COUNTS, JOB_IGNORES, JOB_FAILS, JOB_FAILS_INDEX };
/* The first rule that matches the failed pod decides; message (in the arena) says which, for
 * JOB_FAILS and JOB_IGNORES. */
enum job_verdict job_judge_failure(struct arena *a, const struct json *job, const struct json *pod,
                                   str *ret_message);
/* done: a flag for each of the n indexes. */
bool job_success_met(const struct json *job, const uint8_t *done, int64_t n, int64_t n_done,
                     int64_t *ret_rule);
#endif
