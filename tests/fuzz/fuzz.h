/* What several targets have in common. */
#ifndef FUZZ_H
#define FUZZ_H

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "redact.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void expect(bool condition) {
    if (!condition)
        abort();
}

/* No 16 hexadecimal digits in a row, with which those of an escape do not count. */
static inline void expect_no_secret(char *text) {
    for (char *at = text; (at = strchr(at, '%')); at++)
        if (isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]))
            at[2] = '%';
    expect(!may_be_secret(agora_text_of(text)));
}

static const struct settings fuzz_settings = {
    .app_id = "970CA35de60c44645bbae8a215061b33",
    .app_certificate = "5CFd2fd1755d40ecb72977518be15d3b",
    .cors_allow_origin = "*",
};

/* The answer, with a zero byte behind its body. */
static inline struct response *ask(const struct request *request) {
    static struct api api = {.settings = &fuzz_settings, .now = 1700000000};
    static struct response response;
    if (!api.minter)
        api.minter = agora_minter_new();
    api_answer(&api, request, &response);
    buffer_put(&response.body, (struct agora_text){"", 1});
    expect(!response.body.failed);
    response.body.length--;
    return &response;
}

/* A token is of the service, whole and for its App ID. */
static inline struct agora_reading read_ours(struct agora_text token) {
    static char buffer[1024 * 1024];
    struct agora_reading reading;
    expect(agora_token_read(token, buffer, sizeof buffer, &reading) == AGORA_TOKEN_OK);
    expect(agora_token_verify(&reading, agora_text_of(fuzz_settings.app_certificate)) ==
           AGORA_TOKEN_OK);
    expect(text_equals(reading.token.app_id, fuzz_settings.app_id));
    expect(reading.token.issue_ts == 1700000000 && reading.unread == 0);
    return reading;
}

#endif
