#include <openssl/crypto.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/credentials.h"
#include "cli/description.h"
#include "cli/input.h"

/* Fills in what the description left out: from options and settings, the clock, the generator. */
static int complete(const struct command *command, const struct values *values,
                    struct description *description, struct settings **credentials,
                    struct agora_minter *minter) {
    struct agora_token *token = &description->token;
    unsigned needs = (is_given(token->app_id) ? 0 : NEED_APP_ID) |
                     (is_given(description->certificate) ? 0 : NEED_CERTIFICATE);
    int status = needs ? credentials_find(command, values, needs, credentials) : 0;
    if (status != 0)
        return status;
    if (needs & NEED_APP_ID)
        token->app_id = agora_text_of((*credentials)->app_id);
    if (needs & NEED_CERTIFICATE)
        description->certificate = agora_text_of((*credentials)->app_certificate);
    if (!(description->gives & GIVES_ISSUE_TS))
        token->issue_ts =
            values->issue_ts.given ? (uint32_t)values->issue_ts.value : (uint32_t)time(NULL);
    if (!(description->gives & GIVES_EXPIRE))
        token->expire = expire_of(values);
    if (description->gives & GIVES_SALT)
        return 0;
    token->salt = (uint32_t)values->salt.value;
    if (!values->salt.given && agora_token_salt(minter, &token->salt) != AGORA_TOKEN_OK)
        return complain_failed(command, "OpenSSL has no random numbers");
    return 0;
}

static int encode(const struct command *command, const struct values *values,
                  struct json_object *json) {
    struct description description;
    struct settings *credentials = NULL;
    char error[DESCRIPTION_ERROR_MAX];
    struct agora_minter *minter = agora_minter_new();
    int status = token_from_json(json, &description, error) ? 0 : complain(command, "%s", error);
    if (status == 0 && !minter)
        status = complain_failed(command, "OpenSSL failed, or there is no memory");
    if (status == 0)
        status = complete(command, values, &description, &credentials, minter);
    if (status == 0)
        status = print_token(command, values, minter, &description.token, description.certificate);
    agora_minter_free(minter);
    settings_release(credentials);
    return status;
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
