/* quota_sums.h - what is used of each quota, kept up to date. On the core loop. */
#ifndef K1S_API_QUOTA_SUMS_H
#define K1S_API_QUOTA_SUMS_H
#include "api/api_internal.h"

struct quota_account;

MUST_USE struct err *quota_sums_new(struct api *api, struct quota_sums **ret);
void quota_sums_free(struct quota_sums *s); /* NULL: nothing */
/* The account of this quota, with all objects of kind k counted in it; valid until the next turn of
 * the loop. The first time it reads them all. */
struct quota_account *quota_account_of(struct quota_sums *s, const struct json *quota, str ns,
                                       const struct kind *k, wall_time now);
/* What is stored, and what is reserved for writes under way; zero for a name not limited. */
void quota_account_read(const struct quota_account *t, str name, struct quantity *ret_counted,
                        struct quantity *ret_reserved);
/* Reserves the amounts of a list; the number names the account in quota_release(). */
uint64_t quota_reserve(struct quota_account *t, const struct json *amounts);
void quota_release(struct quota_sums *s, str ns, uint64_t account, const struct json *amounts);
#endif
