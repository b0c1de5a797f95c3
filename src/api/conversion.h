/* conversion.h - objects of custom kinds from one version to another, by the webhook of their definition.
 *
 * Converting is a lookup: what the webhook has said about just this content is found in the request's memory, and what it has not
 * said yet is noted there. Who finds something missing asks (one call for all of it), and does its work again:
 *
 *     run ──▶ convert(): known? ── yes ──▶ go on
 *      ▲          │ no: error "not yet"
 *      └── conversions_ask()
 *
 * Writes do so through answers_wait() (dynamic/answers.c), reads through convert_then(). */
#ifndef K1S_API_CONVERSION_H
#define K1S_API_CONVERSION_H
#include "api/api_internal.h"

#define CONVERT_BATCH_MAX 500                 /* objects of one review */
#define CONVERT_BATCH_BYTES ((size_t)4 << 20) /* of one review: begun, it is sent */

struct
    converter { /* of a definition whose conversion strategy is Webhook; lives as long as its kinds */
    const struct json *client_config;
    bool v1; /* of ConversionReview; else v1beta1 */
};

/* In place: obj becomes one of the version `to` (of k's definition): what the webhook made of it, but with the metadata it had, save
 * labels and annotations. Not pruned, not defaulted. Errors: "not yet" (conversions_missing() knows it), and what is wrong with the
 * webhook's answer. */
MUST_USE struct err *convert(struct req *q, struct arena *a, const struct kind *k, str to,
                             struct json *obj);
bool conversions_missing(const struct req *q, const struct err *e);
/* Asks for what is missing. done comes once, later; err is owned by it. */
typedef void conversions_fn(void *ctx, struct err *err);
void conversions_ask(struct req *q, conversions_fn *done, void *ctx);
void conversions_cancel(struct req *q); /* done does not come */
void conversions_forget(struct req *q); /* all that is known: for watches, which live long */

/* done(ctx, NULL) once stored objects of k can be told in its version without waiting; at once when they can be already. When the
 * client goes meanwhile it comes with an error. The exchange's on_gone is this function's until then. */
void convert_then(struct req *q, const struct kind *k, const str *data, size_t n,
                  conversions_fn *done, void *ctx);
/* Has to be converted by a webhook to be told in the version of k. */
bool convert_needed(const struct kind *k, str data);
#endif
