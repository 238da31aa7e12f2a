/* API keys: 256 random bits in base64url, of which only the SHA-256 is kept. Pure functions, for
 * any thread. */
#ifndef ACCESS_API_KEY_H
#define ACCESS_API_KEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "agora_token.h"

enum { API_KEY_LENGTH = 43, API_KEY_HASH_LENGTH = 32 };

struct api_key {
    struct agora_text id;
    unsigned char sha256[API_KEY_HASH_LENGTH];
    int64_t expires; /* Unix seconds: the first at which the key is no longer good. 0: never */
};

/* A new key, which ends in a NUL. False when OpenSSL has no random numbers. */
bool api_key_make(char key[static API_KEY_LENGTH + 1]);

/* The hash of a key as it is sent. sha256: EVP_sha256() or, in half the time, one that was fetched.
 * False when OpenSSL fails. */
bool api_key_hash(const EVP_MD *sha256, struct agora_text key,
                  unsigned char hash[static API_KEY_HASH_LENGTH]);

/* The key with that hash, expired or not; NULL if there is none. How long it takes depends on the
 * number of keys alone. */
const struct api_key *api_key_find(const struct api_key *keys, size_t count,
                                   const unsigned char hash[static API_KEY_HASH_LENGTH]);

static inline bool api_key_is_expired(const struct api_key *key, int64_t now) {
    return key->expires != 0 && now >= key->expires;
}

#endif
