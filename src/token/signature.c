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

static bool digest(struct signer *signer, const uint8_t block[static BLOCK],
                   const struct agora_text *parts, size_t count,
                   uint8_t out[static SIGNATURE_LENGTH]) {
    EVP_MD_CTX *sha256 = signer->running;
    bool done =
        EVP_MD_CTX_copy_ex(sha256, signer->initial) && EVP_DigestUpdate(sha256, block, BLOCK);
    for (size_t i = 0; done && i < count; i++)
        done = EVP_DigestUpdate(sha256, parts[i].data, parts[i].length);
    return done && EVP_DigestFinal_ex(sha256, out, NULL);
}

static void change_all(uint8_t block[static BLOCK], uint8_t bits) {
    for (size_t i = 0; i < BLOCK; i++)
        block[i] ^= bits;
}

static struct agora_text bytes(const void *data, size_t length) {
    return (struct agora_text){data, length};
}

/* As RFC 2104 has it. EVP_MAC takes half as long again, as it prepares three digests for a key, and
 * here each key is used once. */
bool signer_hmac(struct signer *signer, struct agora_text key, const struct agora_text *parts,
                 size_t count, uint8_t out[static SIGNATURE_LENGTH]) {
    uint8_t block[BLOCK] = {0};
    uint8_t inner[SIGNATURE_LENGTH];
    const struct agora_text inner_part = bytes(inner, sizeof inner);
    assert(key.length <= BLOCK);
    memcpy(block, key.data, key.length);
    change_all(block, 0x36);
    bool done = digest(signer, block, parts, count, inner);
    change_all(block, 0x36 ^ 0x5c);
    done = done && digest(signer, block, &inner_part, 1, out);
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(inner, sizeof inner);
    return done;
}

/* One whose key is a number. */
static bool hmac_u32(struct signer *signer, uint32_t number, struct agora_text text,
                     uint8_t out[static SIGNATURE_LENGTH]) {
    uint8_t key[4];
    wire_store_u32(key, number);
    return signer_hmac(signer, bytes(key, sizeof key), &text, 1, out);
}

static bool derive_k1(struct signer *signer, const char *certificate, uint32_t issue_ts) {
    if (signer->k1_known && signer->k1_issue_ts == issue_ts &&
        CRYPTO_memcmp(signer->k1_certificate, certificate, AGORA_HEX_LENGTH) == 0)
        return true;

    signer->k1_known = hmac_u32(signer, issue_ts, bytes(certificate, AGORA_HEX_LENGTH), signer->k1);
    signer->k1_issue_ts = issue_ts;
    memcpy(signer->k1_certificate, certificate, AGORA_HEX_LENGTH);
    return signer->k1_known;
}

bool signer_sign(struct signer *signer, const char certificate[static AGORA_HEX_LENGTH],
                 uint32_t issue_ts, uint32_t salt, const uint8_t *message, size_t length,
                 uint8_t signature[static SIGNATURE_LENGTH]) {
    uint8_t k2[SIGNATURE_LENGTH];
    const struct agora_text part = bytes(message, length);
    bool done = derive_k1(signer, certificate, issue_ts) &&
                hmac_u32(signer, salt, bytes(signer->k1, sizeof signer->k1), k2) &&
                signer_hmac(signer, bytes(k2, sizeof k2), &part, 1, signature);
    OPENSSL_cleanse(k2, sizeof k2);
    return done;
}
