#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    int status = require_rtc_user(command, values);
    if (status != 0)
        return status;
    struct agora_service service =
        agora_service_fcdn(values->channel, rtc_user(values), expire_of(values));
    apply_lifetime(&service, AGORA_FCDN_PUBLISH, &values->publish);
    apply_lifetime(&service, AGORA_FCDN_PLAY, &values->play);
    return mint_and_print(command, values, &service, 1);
}

static const struct option_spec options[] = {
    OPTION("channel", "NAME", KIND_CHANNEL, channel, "the channel; * is every channel"),
    OPTION("uid", "NUMBER", KIND_UID, uid, "the user, as a number; 0 admits any user"),
    OPTION("user", "ACCOUNT", KIND_USER, user, "the user, as an account (instead of --uid)"),
    OPTION("publish", "LIFETIME", KIND_LIFETIME, publish, "of the privilege to publish"),
    OPTION("play", "LIFETIME", KIND_LIFETIME, play, "of the privilege to play"),
    OPTIONS_END,
};

const struct command command_fcdn = {
    .name = "fcdn",
    .summary = "Mints a token for FCDN, the fusion CDN.",
    .synopsis = "--channel NAME --uid NUMBER|--user ACCOUNT [OPTION...]",
    .notes = "A LIFETIME is a duration, 0 for as long as the token lasts, or none for not to have "
             "the\nprivilege. Without, it is that of the token.",
    .groups = {options, options_mint, options_certificate, options_common},
    .run = run,
};
