#include "token/signature.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <string.h>

#include "token/wire.h"

bool signer_init(struct signer *signer) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    signer->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    return signer->mac && EVP_MAC_CTX_set_params(signer->mac, parameters);
}

void signer_wipe(struct signer *signer) {
    EVP_MAC_CTX_free(signer->mac);
    OPENSSL_cleanse(signer, sizeof *signer);
}

static bool hmac_parts(struct signer *signer, const void *key, size_t key_length,
                       const struct agora_text *parts, size_t count,
                       uint8_t out[static SIGNATURE_LENGTH]) {
    size_t written = 0;
    if (!EVP_MAC_init(signer->mac, key, key_length, NULL))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!EVP_MAC_update(signer->mac, (const unsigned char *)parts[i].data, parts[i].length))
            return false;
    return EVP_MAC_final(signer->mac, out, &written, SIGNATURE_LENGTH) &&
           written == SIGNATURE_LENGTH;
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
