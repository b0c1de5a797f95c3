/* json_internal.h - what the files of the JSON and YAML codecs share: UTF-8, and finding keys in large objects. */
#ifndef K1S_WIRE_JSON_INTERNAL_H
#define K1S_WIRE_JSON_INTERNAL_H
#include "wire/json.h"

/* Bytes of the valid UTF-8 sequence at p (p < end), or 0: as Go's utf8 package, no surrogates, nothing overlong. */
size_t json_utf8_len(const uint8_t *p, const uint8_t *end);
/* Writes the rune, at most four bytes, and returns the place behind it. */
char *json_utf8_put(char *o, uint32_t rune);
/* A double as encoding/json writes it: the shortest text that reads back equal. */
void json_encode_double(struct buf *b, double d);

/* Several values in a row, white space between them; appended to docs. text must outlive the tree. */
MUST_USE struct err *json_parse_stream(struct arena *a, str text, struct json *docs);

#define JSON_LINEAR_KEYS_MAX 24 /* members up to which comparing one by one is as good */
/* Index of key among the n members, or n, in which case the caller must append it. Every append goes through here once
 * the set was asked for the first time; the members before that may have come otherwise. */
uint32_t json_key_set_find(struct json_key_set *set, const struct json_member *members, uint32_t n,
                           str key);
void json_key_set_fini(struct json_key_set *set);

#endif
