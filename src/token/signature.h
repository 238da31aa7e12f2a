/* The signature of a token: three HMAC-SHA256, the first of which is kept. */
#ifndef TOKEN_SIGNATURE_H
#define TOKEN_SIGNATURE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agora_token.h"

enum { SIGNATURE_LENGTH = AGORA_SIGNATURE_LENGTH };

/* k1 depends on the second and the certificate alone, so all tokens of a second share it. */
struct signer {
    EVP_MD_CTX *initial; /* of SHA-256; a copy costs less than another start */
    EVP_MD_CTX *running;
    bool k1_known;
    uint32_t k1_issue_ts;
    char k1_certificate[AGORA_HEX_LENGTH];
    uint8_t k1[SIGNATURE_LENGTH];
};

bool signer_init(struct signer *signer);
void signer_wipe(struct signer *signer);

/* certificate: AGORA_HEX_LENGTH bytes. False when OpenSSL fails; signature is then undefined. */
bool signer_sign(struct signer *signer, const char certificate[static AGORA_HEX_LENGTH],
                 uint32_t issue_ts, uint32_t salt, const uint8_t *message, size_t length,
                 uint8_t signature[static SIGNATURE_LENGTH]);

/* One HMAC over all parts. The key is no longer than 64 bytes. */
bool signer_hmac(struct signer *signer, struct agora_text key, const struct agora_text *parts,
                 size_t count, uint8_t out[static SIGNATURE_LENGTH]);

#endif
