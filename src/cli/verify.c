#include <json-c/json.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/input.h"

/* A token of version 006 does not hold its channel and user: the options give them. */
static enum agora_token_error judge(const struct values *values,
                                    const struct agora_reading *reading,
                                    const struct settings *credentials) {
    struct agora_text certificate = agora_text_of(credentials->app_certificate);
    if (reading->version == 6 && is_given(values->channel))
        return agora_token_verify_006(reading, values->channel, rtc_user(values), certificate);
    return agora_token_verify(reading, certificate);
}

static uint64_t end_of(const struct agora_reading *reading) {
    return reading->version == 6 ? agora_token_006_end(&reading->old)
                                 : agora_token_end(&reading->token);
}

static int print_verdict(const struct values *values, int status, const char *reason,
                         uint64_t end) {
    if (values->json) {
        struct json_object *json = json_object_new_object();
        json_object_object_add(json, "valid", json_object_new_boolean(status == EXIT_OK));
        json_object_object_add(json, "reason", json_object_new_string(reason));
        json_object_object_add(json, "ends", json_object_new_uint64(end));
        print_json(json);
    }
    if (status != EXIT_OK)
        fprintf(stderr, "agora-token verify: %s\n", reason);
    else if (!values->json)
        puts(reason);
    return status;
}

static int verify(const struct command *command, const struct values *values,
                  const struct agora_reading *reading, const struct settings *credentials) {
    uint64_t now = now_of(values);
    uint64_t end = end_of(reading);
    char reason[512];
    enum agora_token_error error = judge(values, reading, credentials);
    if (error == AGORA_TOKEN_NEEDS_CHANNEL)
        return complain(command, "%s: give --channel, and --uid or --user",
                        agora_token_strerror(error));
    if (error == AGORA_TOKEN_BAD_SIGNATURE)
        return print_verdict(values, EXIT_FAILED, agora_token_strerror(error), end);
    if (error)
        return complain(command, "%s", agora_token_strerror(error));

    bool ended = agora_reading_has_ended(reading, now);
    snprintf(reason, sizeof reason,
             ended ? "the signature is right, but the token ended %s" : "valid until %s",
             show_time(end, now).text);
    return print_verdict(values, ended ? EXIT_ENDED : EXIT_OK, reason, end);
}

static int run(const struct command *command, struct values *values) {
    struct input input;
    struct settings *credentials = NULL;
    int status = input_read_token(command, values, &input);
    if (status == 0)
        status = credentials_find(command, values, NEED_CERTIFICATE, &credentials);
    /* 1 says something about the signature, so nothing else may. */
    status = status == 0 ? verify(command, values, &input.reading, credentials) : EXIT_USAGE;
    settings_release(credentials);
    input_free(&input);
    return status;
}

static const struct option_spec options[] = {
    OPTION("at", "SECONDS", KIND_TIME, at, "as seen at this time, in Unix seconds; default: now"),
    OPTION("channel", "NAME", KIND_CHANNEL, channel, "the channel of a token of version 006"),
    OPTION("uid", "NUMBER", KIND_UID, uid, "the user of a token of version 006, as a number"),
    OPTION("user", "ACCOUNT", KIND_USER, user, "the user of a token of version 006"),
    OPTIONS_END,
};

const struct command command_verify = {
    .name = "verify",
    .summary = "Says whether the App Certificate signed a token and whether it still holds.",
    .synopsis = "[OPTION...] [TOKEN|-]",
    .takes_operand = true,
    .notes = "Without TOKEN, or with -, it is read from standard input. Exit status: 0 valid,\n"
             "1 signed by another certificate, 3 ended, 2 wrong usage or no token at all; the\n"
             "reason stands on standard error.",
    .groups = {options, options_certificate, options_common},
    .run = run,
};
