/*
 * The JSON bodies of the service: the first byte says which endpoint, the rest is the body.
 * Whatever comes, the answer is whole JSON with a status that the endpoints have, and a token in it
 * can be read and is ours.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "text.h"

static void expect(bool condition) {
    if (!condition)
        abort();
}

static void expect_ours(const char *token) {
    static const struct agora_text certificate = {"5CFd2fd1755d40ecb72977518be15d3b", 32};
    static char room[1024 * 1024];
    struct agora_reading reading;
    expect(agora_token_read(agora_text_of(token), room, sizeof room, &reading) == AGORA_TOKEN_OK);
    expect(agora_token_verify(&reading, certificate) == AGORA_TOKEN_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {"/getToken", "/token/generate", "/inspect"};
    static const struct settings settings = {
        .app_id = "970CA35de60c44645bbae8a215061b33",
        .app_certificate = "5CFd2fd1755d40ecb72977518be15d3b",
    };
    static struct api api = {.settings = &settings, .now = 1700000000};
    static struct response response;
    if (!api.minter)
        api.minter = agora_minter_new();
    if (size == 0 || size > REQUEST_BODY_MAX)
        return 0;

    const struct request request = {
        .method = agora_text_of("POST"),
        .path = agora_text_of(paths[data[0] % 3]),
        .body = {(const char *)data + 1, size - 1},
    };
    api_answer(&api, &request, &response);
    expect(response.status == HTTP_OK || response.status == HTTP_BAD_REQUEST);
    buffer_put(&response.body, (struct agora_text){"", 1});
    struct json_object *json = json_tokener_parse(response.body.data);
    expect(json_object_is_type(json, json_type_object));

    struct json_object *data_ = json_object_object_get(json, "data");
    struct json_object *token = json_object_object_get(
        json_object_is_type(data_, json_type_object) ? data_ : json, "token");
    if (json_object_is_type(token, json_type_string))
        expect_ours(json_object_get_string(token));
    json_object_put(json);
    return 0;
}
