#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    int status = require_rtc_user(command, values);
    if (status != 0)
        return status;
    struct agora_service service = rtc_service(values);
    return mint_and_print(command, values, &service, 1);
}

const struct command command_rtc = {
    .name = "rtc",
    .summary = "Mints a token for video and voice calls.",
    .synopsis = "--channel NAME --uid NUMBER|--user ACCOUNT [OPTION...]",
    .notes = "A LIFETIME is a duration, 0 for as long as the token lasts, or none for not to have "
             "the\nprivilege. Without, it is that of the token.",
    .groups = {options_rtc, options_mint, options_certificate, options_common},
    .run = run,
};
