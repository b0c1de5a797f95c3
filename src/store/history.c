/* history.c - the newest events in memory, for watches that come back after a moment.
 *
 * Events share their objects with the index; what costs memory is the versions that only history still holds: `bytes`
 * counts these (each event's replaced version, and the final version of a deletion) and is limited, as is the number. */
#include "store/store_internal.h"

#define RING_MIN 256 /* events */

void history_init(struct history *h, size_t events_max, int64_t trimmed)
{
    *h = (struct history){.events_max = events_max, .trimmed = trimmed};
}

static size_t event_bytes(const struct history_event *e)
{
    return (e->prev ? obj_size(e->prev) : 0) + (e->obj->flags & OBJ_DELETED ? obj_size(e->obj) : 0);
}

static void history_pop(struct history *h)
{
    struct history_event e = *history_at(h, 0);

    h->bytes -= event_bytes(&e);
    h->trimmed = MAX(h->trimmed, e.obj->revision);
    h->first = (h->first + 1) % h->cap;
    h->n--;
    obj_unref(e.obj);
    obj_unref(e.prev);
}

void history_fini(struct history *h)
{
    while (h->n)
        history_pop(h);
    mem_free(h->ring);
    memset(h, 0, sizeof *h);
}

static void history_resize(struct history *h, size_t cap)
{
    struct history_event *ring = mem_alloc(cap * sizeof *ring);

    for (size_t i = 0; i < h->n; i++)
        ring[i] = *history_at(h, i);
    mem_free(h->ring);
    h->ring = ring;
    h->cap = cap;
    h->first = 0;
}

void history_push(struct history *h, const struct resource *r, const struct obj *obj,
                  const struct obj *prev)
{
    struct history_event *e;

    if (h->n == h->cap)
        history_resize(h, h->cap ? h->cap * 2 : RING_MIN);
    e = &h->ring[(h->first + h->n++) % h->cap];
    *e = (struct history_event){r, obj_ref(obj), prev ? obj_ref(prev) : NULL};
    h->bytes += event_bytes(e);
    while (h->n > h->events_max || (h->bytes > HISTORY_BYTES_MAX && h->n > 1))
        history_pop(h);
}

bool history_trim_more(struct history *h, size_t budget)
{
    while (h->n && history_at(h, 0)->obj->revision <= h->trimmed) {
        if (!budget--)
            return true;
        history_pop(h);
    }
    if (h->cap > RING_MIN && h->n * 8 <= h->cap)
        history_resize(h, MAX(h->n * 2, (size_t)RING_MIN));
    return false;
}

bool history_trim(struct history *h, int64_t revision, size_t budget)
{
    h->trimmed = MAX(h->trimmed, revision);
    return history_trim_more(h, budget);
}

size_t history_after(const struct history *h, int64_t revision)
{
    size_t low = 0, high = h->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (history_at(h, mid)->obj->revision <= revision)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}
