#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    struct agora_service services[3];
    int status = fill_rtc_with_rtm(command, values, services);
    services[2] = agora_service_stt();
    return status != 0 ? status : mint_and_print(command, values, services, 3);
}

const struct command command_stt = {
    .name = "stt",
    .summary = "Mints a token for speech to text (STT), with RTC and RTM.",
    .synopsis = "--channel NAME --uid NUMBER|--user ACCOUNT [OPTION...]",
    .notes = "A LIFETIME is a duration, 0 for as long as the token lasts, or none for not to have "
             "the\nprivilege. Without, it is that of the token.",
    .groups = {options_rtc, options_rtm_part, options_mint, options_certificate, options_common},
    .run = run,
};
