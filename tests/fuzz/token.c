/*
 * The reader of tokens. An input that begins as a token is read as one; any other is packed first,
 * as base64 and a checksum would keep a fuzzer from ever getting to what they hold. What was read
 * and can be minted must come back the same, by itself and by way of JSON.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "agora_token.h"
#include "cli/description.h"
#include "json/token_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAYLOAD_MAX = 16384, TOKEN_SIZE = 4 * PAYLOAD_MAX, BUFFER_SIZE = 1 << 20 };

static const char certificate[] = "5CFd2fd1755d40ecb72977518be15d3b";

static void expect(int holds) {
    if (!holds)
        abort();
}

static struct agora_text pack(const uint8_t *data, size_t size, char text[static TOKEN_SIZE]) {
    static unsigned char packed[2 * PAYLOAD_MAX];
    uLongf length = sizeof packed;
    expect(compress2(packed, &length, data, size, Z_BEST_SPEED) == Z_OK);
    memcpy(text, "007", 3);
    return (struct agora_text){
        text, 3 + (size_t)EVP_EncodeBlock((unsigned char *)text + 3, packed, (int)length)};
}

static void mint(struct agora_minter *minter, const struct agora_token *token,
                 char out[static TOKEN_SIZE]) {
    size_t length;
    expect(agora_token_mint(minter, token, agora_text_of(certificate), out, TOKEN_SIZE, &length) ==
           AGORA_TOKEN_OK);
}

static void check_again(struct agora_minter *minter, const struct agora_reading *reading) {
    static char first[TOKEN_SIZE];
    static char again[TOKEN_SIZE];
    static unsigned char buffer[BUFFER_SIZE];
    struct agora_reading second;
    struct description description;
    char complaint[DESCRIPTION_ERROR_MAX];

    mint(minter, &reading->token, first);
    expect(agora_token_read(agora_text_of(first), buffer, sizeof buffer, &second) ==
           AGORA_TOKEN_OK);
    expect(agora_token_verify(&second, agora_text_of(certificate)) == AGORA_TOKEN_OK);
    mint(minter, &second.token, again);
    expect(strcmp(first, again) == 0);

    struct buffer written = {0};
    token_write_json(reading, &written);
    expect(!written.failed);
    struct json_object *parsed = parse_json(written.data, written.length, complaint);
    expect(parsed && token_from_json(parsed, &description, complaint));
    mint(minter, &description.token, again);
    expect(strcmp(first, again) == 0);
    json_object_put(parsed);
    buffer_free(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct agora_minter *minter;
    static char text[TOKEN_SIZE];
    static unsigned char buffer[BUFFER_SIZE];
    struct agora_reading reading;
    if (!minter)
        expect((minter = agora_minter_new()) != NULL);
    if (size > PAYLOAD_MAX)
        return 0;

    struct agora_text token = {(const char *)data, size};
    if (size < 3 || (memcmp(data, "007", 3) != 0 && memcmp(data, "006", 3) != 0))
        token = pack(data, size, text);
    /* Small as well, for the edge of the buffer. */
    (void)agora_token_read(token, buffer, size, &reading);
    if (agora_token_read(token, buffer, sizeof buffer, &reading) != AGORA_TOKEN_OK)
        return 0;

    (void)agora_token_verify(&reading, agora_text_of(certificate));
    (void)agora_token_verify_006(&reading, agora_text_of("channel"), agora_text_of("user"),
                                 agora_text_of(certificate));
    (void)agora_reading_has_ended(&reading, 1700000000);
    if (reading.version == 7 && reading.unread == 0 && reading.token.service_count > 0)
        check_again(minter, &reading);
    return 0;
}
