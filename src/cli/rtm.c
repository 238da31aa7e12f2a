#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    int status = require_user(command, values);
    if (status != 0)
        return status;
    struct agora_service services[2];
    if (!is_given(values->channel)) {
        services[0] = agora_service_rtm(values->user, expire_of(values));
        return mint_and_print(command, values, services, 1);
    }
    agora_services_rtm_with_stream(services, values->user, values->channel, expire_of(values));
    return mint_and_print(command, values, services, 2);
}

static const struct option_spec options[] = {
    OPTION("user", "NAME", KIND_USER, user, "who logs in"),
    OPTION("channel", "NAME", KIND_CHANNEL, channel,
           "a stream channel that the user may join too; * is every one"),
    OPTIONS_END,
};

const struct command command_rtm = {
    .name = "rtm",
    .summary = "Mints a token for signaling (RTM), or for signaling with a stream channel.",
    .synopsis = "--user NAME [--channel NAME] [OPTION...]",
    .groups = {options, options_mint, options_certificate, options_common},
    .run = run,
};
