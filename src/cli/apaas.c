#include "cli/cli.h"

static int run_room_user(const struct command *command, struct values *values) {
    struct agora_service services[3];
    char chat_user[AGORA_MD5_SIZE];
    int16_t role = (int16_t)values->room_role.value;
    if (!values->room_role.given)
        return complain(command, "--role NUMBER is missing: a user has a role in a room");
    enum agora_token_error error = agora_services_apaas_room_user(
        services, values->channel, values->user, role, expire_of(values), chat_user);
    return error ? complain_failed(command, "%s", agora_token_strerror(error))
                 : mint_and_print(command, values, services, 3);
}

static int run(const struct command *command, struct values *values) {
    if (values->app == is_given(values->user))
        return complain(command, "give either --user NAME or --app");
    if (is_given(values->channel))
        return values->app ? complain(command, "--room stands with --user, not with --app")
                           : run_room_user(command, values);
    if (values->room_role.given)
        return complain(command, "--role stands with --room NAME: a user has a role in a room");
    struct agora_service service = values->app
                                       ? agora_service_apaas_app(expire_of(values))
                                       : agora_service_apaas_user(values->user, expire_of(values));
    return mint_and_print(command, values, &service, 1);
}

static const struct option_spec options[] = {
    OPTION("user", "NAME", KIND_USER, user, "a token for this user"),
    OPTION("room", "NAME", KIND_USER, channel, "and in this room, with RTM and Chat"),
    OPTION("role", "NUMBER", KIND_SHORT, room_role, "the user's role in the room"),
    OPTION("app", NULL, KIND_FLAG, app, "a token for the app"),
    OPTIONS_END,
};

const struct command command_apaas = {
    .name = "apaas",
    .summary = "Mints a token for APaaS, also called Flexible Classroom and Education.",
    .synopsis = "--user NAME [--room NAME --role NUMBER]|--app [OPTION...]",
    .groups = {options, options_mint, options_certificate, options_common},
    .run = run,
};
