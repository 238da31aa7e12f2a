#include "cli/cli.h"

static int run(const struct command *command, struct values *values) {
    if (values->app == is_given(values->user))
        return complain(command, "give either --user NAME or --app");
    struct agora_service service = values->app
                                       ? agora_service_chat_app(expire_of(values))
                                       : agora_service_chat_user(values->user, expire_of(values));
    return mint_and_print(command, values, &service, 1);
}

static const struct option_spec options[] = {
    OPTION("user", "NAME", KIND_USER, user, "a token for this user"),
    OPTION("app", NULL, KIND_FLAG, app, "a token for the app, to manage Chat"),
    OPTIONS_END,
};

const struct command command_chat = {
    .name = "chat",
    .summary = "Mints a token for Chat.",
    .synopsis = "--user NAME|--app [OPTION...]",
    .groups = {options, options_mint, options_certificate, options_common},
    .run = run,
};
