/* job_indexes.c - see job_indexes.h.
 *
 * API: https://kubernetes.io/docs/concepts/workloads/controllers/job/#backoff-limit-per-index */
#include "controllers/job_indexes.h"

#include <inttypes.h>

void job_indexes_read(str text, uint8_t *flags, int64_t n)
{
    str part;

    while (text.n && str_cut(&text, ',', &part)) {
        str from = part;
        int64_t a, b;

        str_cut(&part, '-', &from);
        if (!str_to_int64(from, &a))
            continue;
        if (!part.p || !str_to_int64(part, &b))
            b = a;
        for (int64_t i = MAX(a, INT64_C(0)); i <= b && i < n; i++)
            flags[i] = 1;
    }
}

int64_t job_indexes_count(const uint8_t *flags, int64_t n)
{
    int64_t count = 0;

    for (int64_t i = 0; i < n; i++)
        count += flags[i];
    return count;
}

void job_indexes_write(struct buf *out, const uint8_t *flags, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t end = i;

        if (!flags[i])
            continue;
        while (end + 1 < n && flags[end + 1])
            end++;
        if (out->n)
            buf_char(out, ',');
        buf_int(out, i);
        if (end > i)
            buf_fmt(out, "%s%" PRId64, end > i + 1 ? "-" : ",", end);
        i = end;
    }
}
