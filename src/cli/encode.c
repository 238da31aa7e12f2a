#include <openssl/crypto.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/description.h"
#include "cli/input.h"

static int encode(const struct command *command, const struct values *values,
                  struct json_object *json) {
    struct description description;
    char error[DESCRIPTION_ERROR_MAX];
    return token_from_json(json, &description, error) ? print_token(command, values, &description)
                                                      : complain(command, "%s", error);
}

static int run(const struct command *command, struct values *values) {
    char error[DESCRIPTION_ERROR_MAX];
    char *text;
    size_t length;
    struct json_object *json = NULL;
    int status = read_input(command, &text, &length);
    if (status != 0)
        goto out;
    json = parse_json(text, length, error);
    status = json ? encode(command, values, json) : complain(command, "%s", error);
out:
    json_object_put(json);
    /* A certificate may stand in it. */
    if (text)
        OPENSSL_cleanse(text, length);
    free(text);
    return status;
}

const struct command command_encode = {
    .name = "encode",
    .summary = "Mints the token that the JSON on standard input describes.",
    .synopsis = "[OPTION...] < DESCRIPTION.json",
    .notes =
        "{\"app_id\": \"...\", \"app_certificate\": \"...\", \"issue_ts\": 1700000000, \"expire\": "
        "3600,\n"
        " \"salt\": 1, \"services\": [{\"type\": \"rtc\", \"channel\": \"lecture\", \"uid\": "
        "\"42\",\n"
        " \"privileges\": {\"join\": 3600}}]}\n"
        "\n"
        "What the description leaves out comes from the options, the settings, the clock and a\n"
        "random number. The output of agora-token decode --json is such a description.",
    .groups = {options_mint, options_certificate, options_common},
    .run = run,
};
