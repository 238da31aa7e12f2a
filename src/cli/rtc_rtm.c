#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    struct agora_service services[2];
    int status = fill_rtc_with_rtm(command, values, services);
    return status != 0 ? status : mint_and_print(command, values, services, 2);
}

const struct command command_rtc_rtm = {
    .name = "rtc-rtm",
    .summary = "Mints one token for calls (RTC) and signaling (RTM).",
    .synopsis = "--channel NAME --uid NUMBER|--user ACCOUNT [OPTION...]",
    .notes = "A LIFETIME is a duration, 0 for as long as the token lasts, or none for not to have "
             "the\nprivilege. Without, it is that of the token.",
    .groups = {options_rtc, options_rtm_part, options_mint, options_certificate, options_common},
    .run = run,
};
