#include "token/signature.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "token/wire.h"

enum { BLOCK = 64 }; /* of SHA-256 */

bool signer_init(struct signer *signer) {
    EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    signer->initial = EVP_MD_CTX_new();
    signer->running = EVP_MD_CTX_new();
    bool ready = sha256 && signer->initial && signer->running &&
                 EVP_DigestInit_ex2(signer->initial, sha256, NULL);
    EVP_MD_free(sha256);
    return ready;
}

void signer_wipe(struct signer *signer) {
    EVP_MD_CTX_free(signer->running);
    EVP_MD_CTX_free(signer->initial);
    OPENSSL_cleanse(signer, sizeof *signer);
}

/* SHA-256 over the key's block, every byte of it changed by `pad`, and the parts. */
static bool digest_keyed(struct signer *signer, const uint8_t key[static BLOCK], uint8_t pad,
                         const struct agora_text *parts, size_t count,
                         uint8_t out[static SIGNATURE_LENGTH]) {
    uint8_t padded[BLOCK];
    for (size_t i = 0; i < BLOCK; i++)
        padded[i] = key[i] ^ pad;
    bool done = EVP_MD_CTX_copy_ex(signer->running, signer->initial) &&
                EVP_DigestUpdate(signer->running, padded, BLOCK);
    OPENSSL_cleanse(padded, BLOCK);
    for (size_t i = 0; done && i < count; i++)
        done = EVP_DigestUpdate(signer->running, parts[i].data, parts[i].length);
    return done && EVP_DigestFinal_ex(signer->running, out, NULL);
}

/* HMAC as RFC 2104 defines it. OpenSSL's own EVP_MAC takes half as long again, as it keeps three
 * digests for one key, and here the key changes with every call. */
static bool hmac_parts(struct signer *signer, const void *key, size_t key_length,
                       const struct agora_text *parts, size_t count,
                       uint8_t out[static SIGNATURE_LENGTH]) {
    uint8_t block[BLOCK] = {0};
    uint8_t inner[SIGNATURE_LENGTH];
    const struct agora_text inner_part = {(const char *)inner, sizeof inner};
    assert(key_length <= BLOCK);
    memcpy(block, key, key_length);
    bool done = digest_keyed(signer, block, 0x36, parts, count, inner) &&
                digest_keyed(signer, block, 0x5c, &inner_part, 1, out);
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(inner, sizeof inner);
    return done;
}

static bool hmac(struct signer *signer, const void *key, size_t key_length, const void *data,
                 size_t length, uint8_t out[static SIGNATURE_LENGTH]) {
    struct agora_text part = {data, length};
    return hmac_parts(signer, key, key_length, &part, 1, out);
}

static bool derive_k1(struct signer *signer, const char *certificate, uint32_t issue_ts) {
    if (signer->k1_known && signer->k1_issue_ts == issue_ts &&
        CRYPTO_memcmp(signer->k1_certificate, certificate, AGORA_HEX_LENGTH) == 0)
        return true;

    uint8_t key[4];
    wire_store_u32(key, issue_ts);
    signer->k1_known = hmac(signer, key, sizeof key, certificate, AGORA_HEX_LENGTH, signer->k1);
    signer->k1_issue_ts = issue_ts;
    memcpy(signer->k1_certificate, certificate, AGORA_HEX_LENGTH);
    return signer->k1_known;
}

bool signer_sign(struct signer *signer, const char certificate[static AGORA_HEX_LENGTH],
                 uint32_t issue_ts, uint32_t salt, const uint8_t *message, size_t length,
                 uint8_t signature[static SIGNATURE_LENGTH]) {
    if (!derive_k1(signer, certificate, issue_ts))
        return false;

    uint8_t key[4];
    uint8_t k2[SIGNATURE_LENGTH];
    wire_store_u32(key, salt);
    bool signed_ = hmac(signer, key, sizeof key, signer->k1, sizeof signer->k1, k2) &&
                   hmac(signer, k2, sizeof k2, message, length, signature);
    OPENSSL_cleanse(k2, sizeof k2);
    return signed_;
}

bool signer_sign_parts(struct signer *signer, struct agora_text certificate,
                       const struct agora_text *parts, size_t count,
                       uint8_t signature[static SIGNATURE_LENGTH]) {
    return hmac_parts(signer, certificate.data, certificate.length, parts, count, signature);
}
