/* aead.h - AES-256-GCM: text that only holders of the key can read, and nobody can change or move. */
#ifndef K1S_WIRE_AEAD_H
#define K1S_WIRE_AEAD_H
#include "base/base.h"

#define AEAD_KEY_BYTES 32
#define AEAD_NONCE_BYTES 12
#define AEAD_TAG_BYTES 16
#define AEAD_OVERHEAD (AEAD_NONCE_BYTES + AEAD_TAG_BYTES)

void aead_key_new(unsigned char ret_key[AEAD_KEY_BYTES]);
/* Appends nonce (random), ciphertext and tag. `bound` must be the same to open it. Any thread. Aborts when OpenSSL cannot. */
void aead_seal(const unsigned char key[AEAD_KEY_BYTES], str bound, str plain, struct buf *out);
/* Appends the plain text; false: another key, another place, or damaged. */
bool aead_open(const unsigned char key[AEAD_KEY_BYTES], str bound, str sealed, struct buf *out);
/* Eight bytes that tell keys apart and say nothing about them. */
void aead_key_id(const unsigned char key[AEAD_KEY_BYTES], unsigned char ret_id[8]);
#endif
