/* cron.h - schedules as Vixie cron writes them: "minute hour day month weekday". */
#ifndef K1S_SCHEMA_CRON_H
#define K1S_SCHEMA_CRON_H
#include "base/base.h"
#include "loop/zone.h"

struct cron {
    uint64_t bits[5]; /* of minutes, hours, days, months, weekdays */
    int64_t every_s;  /* "@every 5m": only this counts */
};
/* NULL: *ret is set. Else what is wrong with it, in the arena, as Kubernetes says it. */
const char *cron_parse(struct arena *a, str text, struct cron *ret);
/* The first time after `after_s` (seconds since 1970) at which it fires by the clocks of the zone (NULL: UTC); 0: not before
 * the end of the fifth year after this one. */
int64_t cron_next(const struct cron *c, const struct time_zone *zone, int64_t after_s);
#endif
