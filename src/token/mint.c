#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agora_token.h"
#include "token/deflate.h"
#include "token/service.h"
#include "token/signature.h"
#include "token/wire.h"

static const char version[] = VERSION_007;

enum {
    SIGNED_AT = 2 + SIGNATURE_LENGTH, /* string(signature) stands before the message */
    PAYLOAD_COMMON = 4096,
    SALT_LENGTH = 4,
    SALTS_KEPT = 64, /* getentropy costs nearly the same for its most, 256 bytes, as for 4 */
};

/* base64 counts in int; nobody's token comes near. */
static const size_t payload_max = 1u << 28;

struct agora_minter {
    struct signer signer;
    struct deflater deflater;
    size_t salts_left;
    uint8_t salts[SALTS_KEPT * SALT_LENGTH];
    uint8_t payload[PAYLOAD_COMMON];
    uint8_t compressed[DEFLATE_BOUND(PAYLOAD_COMMON)];
};

int agora_token_is_hex_id(struct agora_text text) {
    static const uint8_t is_hex[UINT8_MAX + 1] = {
        ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
        ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
        ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1,
    };
    if (text.length != AGORA_HEX_LENGTH)
        return 0;
    for (size_t i = 0; i < text.length; i++)
        if (!is_hex[(uint8_t)text.data[i]])
            return 0;
    return 1;
}

struct agora_minter *agora_minter_new(void) {
    struct agora_minter *minter = calloc(1, sizeof *minter);
    if (minter && !signer_init(&minter->signer)) {
        agora_minter_free(minter);
        minter = NULL;
    }
    return minter;
}

void agora_minter_free(struct agora_minter *minter) {
    if (!minter)
        return;
    signer_wipe(&minter->signer);
    deflate_free(&minter->deflater);
    OPENSSL_cleanse(minter, sizeof *minter);
    free(minter);
}

enum agora_token_error agora_token_salt(struct agora_minter *minter, uint32_t *salt) {
    if (!minter)
        return AGORA_TOKEN_NO_MEMORY;
    if (minter->salts_left == 0) {
        if (getentropy(minter->salts, sizeof minter->salts) != 0)
            return AGORA_TOKEN_CRYPTO;
        minter->salts_left = SALTS_KEPT;
    }
    memcpy(salt, &minter->salts[--minter->salts_left * SALT_LENGTH], SALT_LENGTH);
    return AGORA_TOKEN_OK;
}

static enum agora_token_error check(const struct agora_token *token,
                                    struct agora_text certificate) {
    if (!agora_token_is_hex_id(token->app_id))
        return AGORA_TOKEN_BAD_APP_ID;
    if (!agora_token_is_hex_id(certificate))
        return AGORA_TOKEN_BAD_CERTIFICATE;
    if (token->service_count == 0)
        return AGORA_TOKEN_NO_SERVICE;
    for (size_t i = 0; i < token->service_count; i++) {
        enum agora_token_error error = service_check(&token->services[i]);
        if (error)
            return error;
    }
    return AGORA_TOKEN_OK;
}

static void write_message(const struct agora_token *token, struct wire_writer *w) {
    wire_put_string(w, token->app_id);
    wire_put_u32(w, token->issue_ts);
    wire_put_u32(w, token->expire);
    wire_put_u32(w, token->salt);
    wire_put_count(w, token->service_count);
    for (int type = SERVICE_TYPE_FIRST; type <= SERVICE_TYPE_LAST; type++)
        for (size_t i = 0; i < token->service_count; i++)
            if (token->services[i].type == type)
                service_write(&token->services[i], w);
}

/* Compresses the payload and writes "007" and the base64 of that to out. */
static enum agora_token_error encode(struct agora_minter *minter, const uint8_t *payload,
                                     size_t payload_length, uint8_t *compressed, char *out,
                                     size_t size, size_t *length) {
    size_t compressed_length;
    enum agora_token_error error =
        deflate_bytes(&minter->deflater, payload, payload_length, compressed,
                      DEFLATE_BOUND(payload_length), &compressed_length);
    if (error)
        return error;

    *length = VERSION_LENGTH + (compressed_length + 2) / 3 * 4;
    if (*length >= size)
        return AGORA_TOKEN_NO_ROOM;
    memcpy(out, version, VERSION_LENGTH);
    EVP_EncodeBlock((unsigned char *)out + VERSION_LENGTH, compressed, (int)compressed_length);
    return AGORA_TOKEN_OK;
}

enum agora_token_error agora_token_mint(struct agora_minter *minter,
                                        const struct agora_token *token,
                                        struct agora_text app_certificate, char *out, size_t size,
                                        size_t *length) {
    uint8_t *large = NULL;
    *length = 0;
    if (size > 0)
        out[0] = '\0';
    if (!minter)
        return AGORA_TOKEN_NO_MEMORY;

    enum agora_token_error error = check(token, app_certificate);
    if (error)
        return error;

    /* The message first, as the signature that stands before it is made of it. */
    struct wire_writer w = {.data = minter->payload, .size = PAYLOAD_COMMON, .length = SIGNED_AT};
    write_message(token, &w);
    if (w.malformed || w.length > payload_max)
        return AGORA_TOKEN_TOO_LONG;

    uint8_t *compressed = minter->compressed;
    if (w.length > w.size) {
        large = malloc(w.length + DEFLATE_BOUND(w.length));
        if (!large)
            return AGORA_TOKEN_NO_MEMORY;
        compressed = large + w.length;
        w = (struct wire_writer){.data = large, .size = w.length, .length = SIGNED_AT};
        write_message(token, &w);
    }

    struct wire_writer head = {.data = w.data, .size = SIGNED_AT};
    wire_put_count(&head, SIGNATURE_LENGTH);
    error = signer_sign(&minter->signer, app_certificate.data, token->issue_ts, token->salt,
                        w.data + SIGNED_AT, w.length - SIGNED_AT, w.data + head.length)
                ? encode(minter, w.data, w.length, compressed, out, size, length)
                : AGORA_TOKEN_CRYPTO;
    free(large);
    return error;
}
