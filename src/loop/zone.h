/* zone.h - time zones from the system's tz database, as far as schedules and expressions need them. */
#ifndef K1S_LOOP_ZONE_H
#define K1S_LOOP_ZONE_H
#include "loop/loop.h"

struct time_zone;
/* NULL: there is no such zone, or the system has no tz database. "UTC" and "Etc/UTC" need none. The
 * name is a client's: only what may be an IANA name is looked for. Reads a small file on the
 * calling thread, once per zone (the caller keeps it). */
struct time_zone *time_zone_load(struct loop *loop, str name);
/* From the content of a TZif file (RFC 8536), version 2 or later; NULL: malformed. */
struct time_zone *time_zone_parse(str tzif);
void time_zone_free(struct time_zone *z);
/* Seconds east of UTC at that moment. */
int64_t time_zone_offset_s(const struct time_zone *z, int64_t at_s);
#endif
