#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    struct agora_service service = agora_service_fpa();
    if (!values->expire.given)
        values->expire = (struct number){true, AGORA_FPA_EXPIRE};
    return mint_and_print(command, values, &service, 1);
}

const struct command command_fpa = {
    .name = "fpa",
    .summary = "Mints a token for the Full-Path Accelerator (FPA).",
    .synopsis = "[OPTION...]",
    .notes = "As Agora's own, it lasts 24h unless --expire says otherwise.",
    .groups = {options_mint, options_certificate, options_common},
    .run = run,
};
