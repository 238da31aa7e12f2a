#include <openssl/crypto.h>

#include "agora_token.h"
#include "token/signature.h"

/* Wipes both: with the right signature a forged token could be made. */
static enum agora_token_error compare(bool done, struct signer *signer,
                                      uint8_t expected[static SIGNATURE_LENGTH],
                                      const struct agora_reading *reading) {
    bool equal = done && CRYPTO_memcmp(expected, reading->signature, SIGNATURE_LENGTH) == 0;
    signer_wipe(signer);
    OPENSSL_cleanse(expected, SIGNATURE_LENGTH);
    return !done ? AGORA_TOKEN_CRYPTO : equal ? AGORA_TOKEN_OK : AGORA_TOKEN_BAD_SIGNATURE;
}

enum agora_token_error agora_token_verify(const struct agora_reading *reading,
                                          struct agora_text app_certificate) {
    if (!agora_token_is_hex_id(app_certificate))
        return AGORA_TOKEN_BAD_CERTIFICATE;
    if (reading->version == 6)
        return AGORA_TOKEN_NEEDS_CHANNEL;
    if (reading->version != 7)
        return AGORA_TOKEN_BAD_VERSION;

    struct signer signer = {0};
    uint8_t expected[SIGNATURE_LENGTH];
    bool done =
        signer_init(&signer) &&
        signer_sign(&signer, app_certificate.data, reading->token.issue_ts, reading->token.salt,
                    (const uint8_t *)reading->message.data, reading->message.length, expected);
    return compare(done, &signer, expected, reading);
}

enum agora_token_error agora_token_verify_006(const struct agora_reading *reading,
                                              struct agora_text channel, struct agora_text user,
                                              struct agora_text app_certificate) {
    if (!agora_token_is_hex_id(app_certificate))
        return AGORA_TOKEN_BAD_CERTIFICATE;
    if (reading->version != 6)
        return AGORA_TOKEN_BAD_VERSION;

    const struct agora_text parts[] = {reading->old.app_id, channel, user, reading->message};
    struct signer signer = {0};
    uint8_t expected[SIGNATURE_LENGTH];
    bool done = signer_init(&signer) && signer_hmac(&signer, app_certificate, parts,
                                                    sizeof parts / sizeof parts[0], expected);
    return compare(done, &signer, expected, reading);
}
