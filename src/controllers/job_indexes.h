/* job_indexes.h - the indexes of Indexed Jobs: sets of them as text, and how often each has failed. */
#ifndef K1S_CONTROLLERS_JOB_INDEXES_H
#define K1S_CONTROLLERS_JOB_INDEXES_H
#include "controllers/controllers_internal.h"

/* "1,3-5": sets the flag of each index below n; what lies beyond is left out. */
void job_indexes_read(str text, uint8_t *flags, int64_t n);
void job_indexes_write(struct buf *out, const uint8_t *flags, int64_t n);
int64_t job_indexes_count(const uint8_t *flags, int64_t n);

/* Where pods keep how often their index had failed before them, and how often that did not count. */
#define JOB_INDEX_FAILURES "batch.kubernetes.io/job-index-failure-count"
#define JOB_INDEX_IGNORED "batch.kubernetes.io/job-index-ignored-failure-count"
struct index_failure {         /* of the last failed pod of an index that a new one is to replace */
    const struct pod *pod;     /* NULL: there is none */
    int64_t failures, ignored; /* with this one */
};
#endif
