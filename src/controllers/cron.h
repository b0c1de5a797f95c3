/* cron.h - schedules as Vixie cron writes them: "minute hour day month weekday". */
#ifndef K1S_CONTROLLERS_CRON_H
#define K1S_CONTROLLERS_CRON_H
#include "base/base.h"

struct cron {
    uint64_t minutes; /* bit n: at n */
    uint32_t hours, days, months, weekdays;
    bool any_day, any_weekday; /* given as "*": then the other one alone decides */
    int64_t every_s;           /* "@every 5m": only this counts */
};
/* false: malformed. */
bool cron_parse(str text, struct cron *ret);
/* The first time after `after_s` (seconds since 1970, UTC) at which it fires; 0: never within five
 * years. */
int64_t cron_next(const struct cron *c, int64_t after_s);
#endif
