#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    int status = require_rtc_user(command, values);
    if (status != 0)
        return status;
    struct agora_service service =
        agora_service_streaming(values->channel, rtc_user(values), expire_of(values));
    apply_lifetime(&service, AGORA_STREAMING_PUBLISH_MIXED, &values->mixed);
    apply_lifetime(&service, AGORA_STREAMING_PUBLISH_RAW, &values->raw);
    return mint_and_print(command, values, &service, 1);
}

static const struct option_spec options[] = {
    OPTION("channel", "NAME", KIND_CHANNEL, channel, "the channel; * is every channel"),
    OPTION("uid", "NUMBER", KIND_UID, uid, "the user, as a number; 0 admits any user"),
    OPTION("user", "ACCOUNT", KIND_USER, user, "the user, as an account (instead of --uid)"),
    OPTION("mixed", "LIFETIME", KIND_LIFETIME, mixed, "of the privilege to publish a mixed stream"),
    OPTION("raw", "LIFETIME", KIND_LIFETIME, raw, "of the privilege to publish a raw stream"),
    OPTIONS_END,
};

const struct command command_streaming = {
    .name = "streaming",
    .summary = "Mints a token for Streaming.",
    .synopsis = "--channel NAME --uid NUMBER|--user ACCOUNT [OPTION...]",
    .notes = "A LIFETIME is a duration, 0 for as long as the token lasts, or none for not to have "
             "the\nprivilege. Without, it is that of the token.",
    .groups = {options, options_mint, options_certificate, options_common},
    .run = run,
};
