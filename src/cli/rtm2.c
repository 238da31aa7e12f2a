#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    int status = require_user(command, values);
    if (status != 0)
        return status;
    struct agora_service service = agora_service_rtm2(values->user, values->permissions.list,
                                                      values->permissions.count, expire_of(values));
    return mint_and_print(command, values, &service, 1);
}

static const struct option_spec options[] = {
    OPTION("user", "NAME", KIND_USER, user, "who logs in"),
    OPTION("read", "RESOURCE=NAMES", KIND_PERMISSION, permissions, "what the user may read"),
    OPTION("write", "RESOURCE=NAMES", KIND_PERMISSION, permissions, "what the user may write"),
    OPTIONS_END,
};

const struct command command_rtm2 = {
    .name = "rtm2",
    .summary = "Mints a token for signaling with permissions (RTM2).",
    .synopsis = "--user NAME [--read RESOURCE=NAME,NAME...]... [--write ...]... [OPTION...]",
    .notes = "RESOURCE is message-channels, stream-channels, group-channels, server-groups or "
             "users;\neach stands once with --read and once with --write.",
    .groups = {options, options_mint, options_certificate, options_common},
    .run = run,
};
