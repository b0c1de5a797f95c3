/* cipher.c - encryption at rest: what is on disk of certain resources is sealed, what is in memory
 * is not.
 *
 * A sealed text is the key's id, then nonce, ciphertext and tag. The object's key and revision are
 * bound to it: a row that is copied to another place is not opened. */
#include "store/engine.h"

#define KEY_ID_BYTES 8

bool cipher_covers(const struct store_cipher *c, str packed_key)
{
    for (size_t i = 0; c && c->resources && c->resources[i]; i++) {
        str r = str_of(c->resources[i]);

        if (packed_key.n > r.n && packed_key.p[r.n] == '\0' && str_has_prefix(packed_key, r))
            return true;
    }
    return false;
}

/* The row's place as bytes. */
static void bind(struct buf *b, str packed_key, int64_t revision)
{
    buf_str(b, packed_key);
    buf_add(b, (const char *)&revision, sizeof revision);
}

void cipher_seal(const struct store_cipher *c, str packed_key, int64_t revision, str plain,
                 struct buf *out)
{
    CLEANUP(buf) struct buf bound = BUF_INIT;
    unsigned char id[KEY_ID_BYTES];

    bind(&bound, packed_key, revision);
    aead_key_id(c->keys[0].secret, id);
    buf_clear(out);
    buf_add(out, (const char *)id, sizeof id);
    aead_seal(c->keys[0].secret, buf_view(&bound), plain, out);
}

static const struct store_key *key_of(const struct store_cipher *c, str sealed)
{
    for (size_t i = 0; c && i < c->n_keys && sealed.n > KEY_ID_BYTES; i++) {
        unsigned char id[KEY_ID_BYTES];

        aead_key_id(c->keys[i].secret, id);
        if (memcmp(sealed.p, id, sizeof id) == 0)
            return &c->keys[i];
    }
    return NULL;
}

const char *cipher_open(const struct store_cipher *c, str packed_key, int64_t revision, str sealed,
                        struct buf *out)
{
    CLEANUP(buf) struct buf bound = BUF_INIT;
    const struct store_key *key = key_of(c, sealed);

    if (!key)
        return "is encrypted with a key that is not there";
    bind(&bound, packed_key, revision);
    buf_clear(out);
    return aead_open(key->secret, buf_view(&bound), str_skip(sealed, KEY_ID_BYTES), out)
               ? NULL
               : "cannot be decrypted: it was changed or moved";
}

bool cipher_is_current(const struct store_cipher *c, str packed_key, bool is_sealed, str data)
{
    bool wanted = c && c->encrypts && cipher_covers(c, packed_key);

    if (wanted != is_sealed)
        return false;
    return !is_sealed || key_of(c, data) == &c->keys[0];
}
