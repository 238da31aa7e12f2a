/* The command line tool: finds the subcommand and hands it its options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "redact.h"
#include "version.h"

static const struct command *const commands[] = {
    &command_rtc,    &command_rtm,       &command_rtc_rtm, &command_chat,
    &command_fpa,    &command_apaas,     &command_rtm2,    &command_convoai,
    &command_stt,    &command_streaming, &command_fcdn,    &command_decode,
    &command_encode, &command_verify,    &command_access,  NULL,
};

/* The last word of its name, which is what an argument says. */
static const char *word_of(const struct command *command) {
    const char *space = strrchr(command->name, ' ');
    return space ? space + 1 : command->name;
}

static void print_commands(FILE *out, const struct command *const *list) {
    for (; *list; list++)
        fprintf(out, "  %-10s %s\n", word_of(*list), (*list)->summary);
}

static void print_usage(FILE *out) {
    fputs("usage: agora-token COMMAND [OPTION...]\n"
          "\n"
          "Mints, reads and verifies Agora access tokens.\n"
          "\n",
          out);
    print_commands(out, commands);
    fputs("\n"
          "agora-token COMMAND --help shows the options of a command, agora-token --version the\n"
          "version. The App ID and the App Certificate come from options, from APP_ID and\n"
          "APP_CERTIFICATE in the environment, or from .env in the working directory.\n",
          out);
}

static const struct command *find(const struct command *const *list, const char *name) {
    if (strcmp(name, "education") == 0) /* as Agora calls it too */
        name = "apaas";
    for (; *list; list++)
        if (strcmp(word_of(*list), name) == 0)
            return *list;
    return NULL;
}

static void free_values(struct values *values) {
    for (size_t i = 0; i < values->permissions.count; i++)
        free((void *)values->permissions.list[i].names);
}

/* Runs the command that stands behind another one's options, for the token that it describes. */
static int run_inner(const struct command *outer, const struct values *values,
                     struct values *inner) {
    const struct command *command = values->rest_count > 0 ? find(commands, values->rest[0]) : NULL;
    if (!command || command->run != mint_token_type)
        return complain(outer, "a command that mints a token is missing behind FILE and options, "
                               "such as rtc --channel NAME --uid NUMBER");
    int status = parse_options(command, values->rest_count, values->rest, inner);
    inner->outer = values;
    inner->take = outer->take;
    if (status == 0 && inner->help)
        print_help(command);
    else if (status == 0)
        status = command->run(command, inner);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("agora-token " VERSION);
        return EXIT_OK;
    }
    const struct command *const *list = commands;
    const struct command *command = find(list, argv[1]);
    if (command && command->subcommands && argc > 2 && argv[2][0] != '-') {
        list = command->subcommands;
        command = find(list, argv[2]);
        argc--;
        argv++;
    }
    if (!command) {
        struct nearest nearest = {.name = agora_text_of(argv[1])};
        for (; *list; list++)
            nearest_try(&nearest, word_of(*list));
        fprintf(stderr, "agora-token: there is no command '%s'%s%s%s; see agora-token --help\n",
                show(nearest.name).text, nearest.best ? " (did you mean " : "",
                nearest.best ? nearest.best : "", nearest.best ? "?)" : "");
        return EXIT_USAGE;
    }

    struct values values = {0};
    struct values inner = {0};
    int status = parse_options(command, argc - 1, argv + 1, &values);
    if (status == 0 && values.help) {
        print_help(command);
        if (command->subcommands)
            print_commands(stdout, command->subcommands);
    } else if (status == 0 && command->subcommands) {
        status = complain(command, "a subcommand is missing");
    } else if (status == 0 && command->take) {
        status = run_inner(command, &values, &inner);
    } else if (status == 0) {
        status = command->run(command, &values);
    }
    free_values(&inner);
    free_values(&values);
    return status;
}
