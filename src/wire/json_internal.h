/* json_internal.h - what the files of the JSON and YAML codecs share: UTF-8. */
#ifndef K1S_WIRE_JSON_INTERNAL_H
#define K1S_WIRE_JSON_INTERNAL_H
#include "wire/json.h"

/* Bytes of the valid UTF-8 sequence at p (p < end), or 0: as Go's utf8 package, no surrogates, nothing overlong. */
size_t json_utf8_len(const uint8_t *p, const uint8_t *end);
/* Writes the rune, at most four bytes, and returns the place behind it. */
char *json_utf8_put(char *o, uint32_t rune);
/* A double as encoding/json writes it: the shortest text that reads back equal. */
void json_encode_double(struct buf *b, double d);

#endif
