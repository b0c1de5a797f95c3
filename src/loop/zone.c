/* zone.c - reads TZif files.
 *
 * Only the table of transitions is used. The rule in the footer, which continues the table for
 * ever, is not: Debian's files list transitions until 2037; after its last entry a table stays as
 * it is.
 *
 * Format: RFC 8536. */
#include "loop/zone.h"

#include <ctype.h>

#define ZONE_DIR "/usr/share/zoneinfo/"
#define ZONE_FILE_MAX ((size_t)64 << 10)
#define NAME_MAX_LEN 64
#define HEADER_SIZE 44
#define TYPE_SIZE 6

struct time_zone {
    uint32_t n;
    int64_t first_offset_s;
    struct {
        int64_t at_s, offset_s;
    } t[];
};

static uint64_t big_endian(const char *p, int n)
{
    uint64_t v = 0;

    for (int i = 0; i < n; i++)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

struct header {
    uint32_t n_isut, n_isstd, n_leap, n_times, n_types, n_chars;
};

static bool header_read(str s, struct header *ret)
{
    if (s.n < HEADER_SIZE || memcmp(s.p, "TZif", 4) || s.p[4] < '2')
        return false;
    *ret = (struct header){.n_isut = (uint32_t)big_endian(s.p + 20, 4),
                           .n_isstd = (uint32_t)big_endian(s.p + 24, 4),
                           .n_leap = (uint32_t)big_endian(s.p + 28, 4),
                           .n_times = (uint32_t)big_endian(s.p + 32, 4),
                           .n_types = (uint32_t)big_endian(s.p + 36, 4),
                           .n_chars = (uint32_t)big_endian(s.p + 40, 4)};
    return ret->n_times < ZONE_FILE_MAX && ret->n_types && ret->n_types <= 256 &&
           ret->n_chars < ZONE_FILE_MAX && ret->n_leap < ZONE_FILE_MAX && ret->n_isstd <= 256 &&
           ret->n_isut <= 256;
}

static size_t block_size(const struct header *h, size_t time_size)
{
    return h->n_times * (time_size + 1) + h->n_types * TYPE_SIZE + h->n_chars +
           h->n_leap * (time_size + 4) + h->n_isstd + h->n_isut;
}

static int64_t type_offset(const char *types, uint8_t i)
{
    return (int32_t)big_endian(types + (size_t)i * TYPE_SIZE, 4);
}

struct time_zone *time_zone_parse(str tzif)
{
    struct header h;
    struct time_zone *z;
    const char *times, *kinds, *types;
    size_t size;

    /* The first block has 32-bit times and is for old readers. */
    if (!header_read(tzif, &h))
        return NULL;
    tzif = str_skip(tzif, HEADER_SIZE + block_size(&h, 4));
    if (!header_read(tzif, &h))
        return NULL;
    size = block_size(&h, 8);
    if (tzif.n < HEADER_SIZE + size)
        return NULL;
    times = tzif.p + HEADER_SIZE;
    kinds = times + h.n_times * 8;
    types = kinds + h.n_times;
    for (uint32_t i = 0; i < h.n_times; i++)
        if ((uint8_t)kinds[i] >= h.n_types)
            return NULL;
    z = mem_zalloc(sizeof *z + h.n_times * sizeof z->t[0]);
    z->n = h.n_times;
    z->first_offset_s = type_offset(types, 0);
    for (uint32_t i = 0; i < h.n_times; i++) {
        z->t[i].at_s = (int64_t)big_endian(times + (size_t)i * 8, 8);
        z->t[i].offset_s = type_offset(types, (uint8_t)kinds[i]);
    }
    return z;
}

static bool name_is_safe(str name)
{
    if (!name.n || name.n > NAME_MAX_LEN || name.p[0] == '/' || str_find(name, S("..")) >= 0)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) && !strchr("/_+-", name.p[i]))
            return false;
    return true;
}

struct time_zone *time_zone_load(struct loop *loop, str name)
{
    CLEANUP(buf) struct buf path = BUF_INIT, content = BUF_INIT;

    if (str_is(name, "UTC") || str_is(name, "Etc/UTC"))
        return NEW(struct time_zone);
    if (!name_is_safe(name))
        return NULL;
    buf_z(&path, ZONE_DIR);
    buf_str(&path, name);
    if (file_read(loop, buf_cstr(&path), ZONE_FILE_MAX, &content) < 0)
        return NULL;
    return time_zone_parse(buf_view(&content));
}

void time_zone_free(struct time_zone *z)
{
    mem_free(z);
}

int64_t time_zone_offset_s(const struct time_zone *z, int64_t at_s)
{
    uint32_t lo = 0, hi = z->n;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (z->t[mid].at_s <= at_s)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? z->t[lo - 1].offset_s : z->first_offset_s;
}
