#include "access/api_key.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

bool api_key_make(char key[static API_KEY_LENGTH + 1]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[API_KEY_LENGTH];
    if (RAND_priv_bytes(bytes, sizeof bytes) != 1)
        return false;
    /* The last digit of 32 bytes in base64url has but four bits. */
    bytes[API_KEY_LENGTH - 1] &= 0x3c;
    for (size_t i = 0; i < API_KEY_LENGTH; i++)
        key[i] = digits[bytes[i] & 0x3f];
    key[API_KEY_LENGTH] = '\0';
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

bool api_key_hash(const EVP_MD *sha256, struct agora_text key,
                  unsigned char hash[static API_KEY_HASH_LENGTH]) {
    return EVP_Digest(key.data, key.length, hash, NULL, sha256, NULL);
}

const struct api_key *api_key_find(const struct api_key *keys, size_t count,
                                   const unsigned char hash[static API_KEY_HASH_LENGTH]) {
    const struct api_key *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (CRYPTO_memcmp(keys[i].sha256, hash, API_KEY_HASH_LENGTH) == 0)
            found = &keys[i];
    return found;
}
