/* job.h - rules of a job's spec, shared by Jobs and the template in CronJobs. */
#ifndef K1S_API_VALIDATION_JOB_H
#define K1S_API_VALIDATION_JOB_H
#include "api/validation/rules.h"

/* `at` is the place of the spec. The selector is not part of it: a CronJob's template has none. */
void check_job_spec(struct check *c, const struct at *at, const struct json *spec);
/* status.go's rules: what may be said about a job, and what may change in it. */
void check_job_status(struct check *c, const struct json *job, const struct json *old);
/* "0-2,4": NULL and the number of indexes, or what is wrong with the text. */
const char *job_indexes_wrong(struct arena *a, str text, int64_t completions, int64_t *ret_total);
#endif
