/* encryption.h - the keys of encryption at rest: <data-dir>/server/cred/encryption-config.json, an EncryptionConfiguration
 * as kube-apiserver reads it. */
#ifndef K1S_CLI_ENCRYPTION_H
#define K1S_CLI_ENCRYPTION_H
#include "store/store.h"

#define ENCRYPTION_KEYS_MAX 8
struct encryption {
    bool exists, enabled;
    str names[ENCRYPTION_KEYS_MAX]; /* in the arena: "aesgcmkey-<time>" */
    struct store_key keys[ENCRYPTION_KEYS_MAX];
    size_t n;
    struct store_cipher cipher; /* of the above */
};
/* *ret->exists false: there is no such file. */
MUST_USE struct err *encryption_load(struct loop *loop, struct arena *a, str data_dir,
                                     struct encryption *ret);
MUST_USE struct err *encryption_save(struct loop *loop, str data_dir, const struct encryption *x);
/* A new key, first or last in order. BAD_REQUEST: there are too many. */
MUST_USE struct err *encryption_key_add(struct arena *a, wall_time now, bool first,
                                        struct encryption *x);
/* After everything has been written with the first key: forgets older ones. true: there were some. */
bool encryption_retire(struct encryption *x);
#endif
