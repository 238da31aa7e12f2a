/* The JSON that `agora-token encode` takes. What it accepts can be minted, unless it is too long or
 * says a permission twice, and reads back as the same. */
#include <stdlib.h>
#include <string.h>

#include "agora_token.h"
#include "cli/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOKEN_SIZE = 1 << 18, ROOM_SIZE = 1 << 22 };

static const char app_id[] = "970CA35de60c44645bbae8a215061b33";
static const char certificate[] = "5CFd2fd1755d40ecb72977518be15d3b";

static void expect(int holds) {
    if (!holds)
        abort();
}

static void mint_and_read(const struct description *description) {
    static struct agora_minter *minter;
    static char text[TOKEN_SIZE];
    static char again[TOKEN_SIZE];
    static unsigned char room[ROOM_SIZE];
    struct agora_token token = description->token;
    struct agora_text key =
        description->certificate.data ? description->certificate : agora_text_of(certificate);
    struct agora_reading reading;
    size_t length;
    if (!minter)
        expect((minter = agora_minter_new()) != NULL);
    if (!token.app_id.data)
        token.app_id = agora_text_of(app_id);

    enum agora_token_error error =
        agora_token_mint(minter, &token, key, text, sizeof text, &length);
    if (error == AGORA_TOKEN_TOO_LONG || error == AGORA_TOKEN_BAD_PERMISSION)
        return;
    expect(error == AGORA_TOKEN_OK);
    expect(agora_token_read(agora_text_of(text), room, sizeof room, &reading) == AGORA_TOKEN_OK);
    expect(agora_token_verify(&reading, key) == AGORA_TOKEN_OK);
    expect(reading.unread == 0 && reading.token.service_count == token.service_count);
    expect(agora_token_mint(minter, &reading.token, key, again, sizeof again, &length) ==
           AGORA_TOKEN_OK);
    expect(strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct description description;
    char complaint[DESCRIPTION_ERROR_MAX];
    struct json_object *json = parse_json((const char *)data, size, complaint);
    if (!json) {
        expect(strlen(complaint) > 0);
        return 0;
    }
    if (token_from_json(json, &description, complaint))
        mint_and_read(&description);
    else
        expect(strlen(complaint) > 0);
    json_object_put(json);
    return 0;
}
