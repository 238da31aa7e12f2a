/* Options: from the command line to struct values, and to the text of --help. */
#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "redact.h"
#include "json/names.h"

enum { OPTIONS_MAX = 32, OPTION_FIRST = 256 /* beyond all letters */ };

const struct option_spec options_common[] = {
    OPTION("json", NULL, KIND_FLAG, json, "print JSON, for programs"),
    OPTION("help", NULL, KIND_FLAG, help, "print this and exit; -h as well"),
    OPTIONS_END,
};

const struct option_spec options_certificate[] = {
    OPTION("certificate-file", "FILE", KIND_STRING, certificate_file,
           "the App Certificate is in this file"),
    OPTION("certificate", "HEX", KIND_STRING, certificate,
           "the App Certificate; everybody on this machine can see it in the\n"
           "list of processes, so prefer --certificate-file or the environment"),
    OPTION("env-file", "FILE", KIND_STRING, env_file,
           "the file that stands in for the environment; default: .env"),
    OPTIONS_END,
};

const struct option_spec options_mint[] = {
    OPTION("expire", "DURATION", KIND_DURATION, expire, "how long the token lasts; default: 1h"),
    OPTION("issue-ts", "SECONDS", KIND_NUMBER, issue_ts,
           "when its time begins, in Unix seconds; default: now"),
    OPTION("salt", "NUMBER", KIND_NUMBER, salt, "instead of a random one"),
    OPTION("app-id", "HEX", KIND_STRING, app_id, "the App ID"),
    OPTION("app-id-file", "FILE", KIND_STRING, app_id_file, "the App ID is in this file"),
    OPTIONS_END,
};

/* Messages. */

enum { MESSAGE_MAX = 2048 };

__attribute__((format(printf, 2, 0))) static void
print_complaint(const struct command *command, const char *format, va_list arguments) {
    char message[MESSAGE_MAX];
    vsnprintf(message, sizeof message, format, arguments);
    fprintf(stderr, "agora-token %s: ", command->name);
    text_print(agora_text_of(message), stderr);
    fputc('\n', stderr);
}

int complain(const struct command *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_complaint(command, format, arguments);
    va_end(arguments);
    fprintf(stderr, "see agora-token %s --help\n", command->name);
    return EXIT_USAGE;
}

int complain_failed(const struct command *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_complaint(command, format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

void print_help(const struct command *command) {
    printf("usage: agora-token %s %s\n\n%s\n\n", command->name, command->synopsis,
           command->summary);
    for (size_t group = 0; command->groups[group]; group++) {
        for (const struct option_spec *o = command->groups[group]; o->name; o++) {
            char left[64];
            snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
                     o->value ? o->value : "");
            const char *line = o->help;
            for (;;) {
                int length = (int)strcspn(line, "\n");
                printf("  %-24s %.*s\n", line == o->help ? left : "", length, line);
                if (line[length] == '\0')
                    break;
                line += length + 1;
            }
        }
    }
    if (command->notes)
        printf("\n%s\n", command->notes);
}

/* Values. */

/* The argument of an option. */
struct argument {
    const struct command *command;
    const struct option_spec *option;
    char *text;
};

/* One parser per kind of option: stores the value in the field, or complains. */
typedef int parser(const struct argument *a, void *field);

/* Says what is allowed in its place. */
__attribute__((format(printf, 2, 3))) static int refuse(const struct argument *a,
                                                        const char *allowed, ...) {
    char use[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, allowed);
    vsnprintf(use, sizeof use, allowed, arguments);
    va_end(arguments);
    return complain(a->command, "--%s '%s' is not valid: use %s", a->option->name,
                    show(agora_text_of(a->text)).text, use);
}

static int parse_string(const struct argument *a, void *field) {
    *(const char **)field = a->text;
    return 0;
}

static int parse_channel(const struct argument *a, void *field) {
    struct agora_text *channel = field;
    *channel = agora_text_of(a->text);
    if (agora_channel_is_valid(*channel))
        return 0;
    return refuse(a,
                  "1 to %d letters, digits, spaces and !#$%%&()+-:;<=.>?@[]^_{}|~, or * alone for "
                  "every channel",
                  AGORA_CHANNEL_MAX);
}

static int parse_user(const struct argument *a, void *field) {
    struct agora_text *user = field;
    *user = agora_text_of(a->text);
    return agora_user_is_valid(*user)
               ? 0
               : refuse(a, "1 to %d bytes without control characters", AGORA_USER_MAX);
}

static int parse_role(const struct argument *a, void *field) {
    static const struct name roles[] = {
        {AGORA_ROLE_PUBLISHER, "publisher", NULL},
        {AGORA_ROLE_SUBSCRIBER, "subscriber", NULL},
        {0, NULL, NULL},
    };
    const struct name *role = name_of_key(roles, a->text);
    if (!role)
        return refuse(a, "publisher or subscriber");
    *(enum agora_role *)field = (enum agora_role)role->number;
    return 0;
}

static int parse_whole(const struct argument *a, void *field) {
    /* No token ends later than twice 32 bits. */
    int64_t most = a->option->kind == KIND_SHORT  ? INT16_MAX
                   : a->option->kind == KIND_TIME ? 2 * (int64_t)UINT32_MAX
                                                  : UINT32_MAX;
    int64_t least = a->option->kind == KIND_SHORT ? INT16_MIN : 0;
    bool is_negative = least < 0 && a->text[0] == '-';
    size_t digits = strspn(a->text + is_negative, "0123456789");
    int64_t value = digits < 18 ? strtoll(a->text, NULL, 10) : INT64_MAX;
    if (digits == 0 || a->text[is_negative + digits] || value < least || value > most)
        return refuse(a, "a whole number from %lld to %lld", (long long)least, (long long)most);
    *(struct number *)field = (struct number){true, value};
    return 0;
}

static int parse_uid(const struct argument *a, void *field) {
    struct uid *uid = field;
    struct number number = {0};
    int status = parse_whole(a, &number);
    uid->given = status == 0;
    uid->text = agora_uid_text((uint32_t)number.value, uid->buffer);
    return status;
}

static int parse_duration(const struct argument *a, void *field) {
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    size_t digits = strspn(a->text, "0123456789");
    int64_t number = digits < 18 ? strtoll(a->text, NULL, 10) : INT64_MAX;
    for (size_t i = 0; i < sizeof units / sizeof units[0] && digits > 0; i++) {
        if (strcmp(a->text + digits, units[i].unit) == 0 &&
            number <= UINT32_MAX / units[i].seconds) {
            *(struct number *)field = (struct number){true, number * units[i].seconds};
            return 0;
        }
    }
    return refuse(a,
                  "a duration such as 90s, 30m, 24h, 7d or plain seconds, up to 4294967295 of "
                  "them%s",
                  a->option->kind == KIND_LIFETIME ? ", or none" : "");
}

static int parse_lifetime(const struct argument *a, void *field) {
    struct lifetime *lifetime = field;
    lifetime->none = strcmp(a->text, "none") == 0;
    return lifetime->none ? 0 : parse_duration(a, &lifetime->duration);
}

/* Splits "alice,bob"; "" is the empty list. */
static bool split_names(const char *list, struct agora_rtm2_permission *p) {
    size_t count = *list ? 1 : 0;
    for (const char *c = list; *c; c++)
        count += *c == ',';
    struct agora_text *names = calloc(count + 1, sizeof *names);
    if (!names)
        return false;
    for (size_t i = 0; i < count; i++) {
        names[i] = (struct agora_text){list, strcspn(list, ",")};
        list += names[i].length + 1;
    }
    p->names = names;
    p->name_count = count;
    return true;
}

static int parse_permission(const struct argument *a, void *field) {
    struct permissions *permissions = field;
    struct agora_rtm2_permission *p = &permissions->list[permissions->count];
    char *equals = strchr(a->text, '=');
    if (permissions->count == PERMISSION_OPTIONS_MAX)
        return complain(a->command, "--read and --write may stand %d times at most",
                        PERMISSION_OPTIONS_MAX);
    if (equals)
        *equals = '\0';
    if (!equals || !number_of_key(resource_names, a->text, &p->resource))
        return refuse(a, "RESOURCE=NAME,NAME... with message-channels, stream-channels, "
                         "group-channels, server-groups or users as RESOURCE");
    p->permission = name_of_key(permission_names, a->option->name)->number;
    if (!split_names(equals + 1, p))
        return complain_failed(a->command, "out of memory");
    permissions->count++;
    return 0;
}

static int parse_variable(const struct argument *a, void *field) {
    struct variables *variables = field;
    if (variables->count == VARIABLES_MAX)
        return complain(a->command, "--%s may stand %d times at most", a->option->name,
                        VARIABLES_MAX);
    if (a->text[strcspn(a->text, "=")] == '\0' || a->text[0] == '=')
        return refuse(a, "NAME=VALUE");
    variables->list[variables->count++] = a->text;
    return 0;
}

static parser *const parsers[] = {
    [KIND_STRING] = parse_string,
    [KIND_CHANNEL] = parse_channel,
    [KIND_USER] = parse_user,
    [KIND_UID] = parse_uid,
    [KIND_ROLE] = parse_role,
    [KIND_SHORT] = parse_whole,
    [KIND_NUMBER] = parse_whole,
    [KIND_TIME] = parse_whole,
    [KIND_DURATION] = parse_duration,
    [KIND_LIFETIME] = parse_lifetime,
    [KIND_PERMISSION] = parse_permission,
    [KIND_VARIABLE] = parse_variable,
};

int parse_options(const struct command *command, int argc, char **argv, struct values *values) {
    const struct option_spec *specs[OPTIONS_MAX];
    struct option options[OPTIONS_MAX + 1] = {0};
    int count = 0;
    for (size_t group = 0; command->groups[group]; group++) {
        for (const struct option_spec *o = command->groups[group]; o->name; o++) {
            assert(count < OPTIONS_MAX);
            specs[count] = o;
            options[count] = (struct option){o->name, o->value ? required_argument : no_argument,
                                             NULL, OPTION_FIRST + count};
            count++;
        }
    }

    /* Of an option of the command behind its own, nothing is for this one. */
    bool takes_command = command->take && argc > 1 && argv[1][0] != '-';
    if (takes_command) {
        values->operand = *++argv;
        argc--;
    }
    opterr = 0;
    optind = 0; /* this may be the second command line of the process */
    for (int result;
         (result = getopt_long(argc, argv, takes_command ? "+:h" : ":h", options, NULL)) != -1;) {
        if (result == 'h') {
            values->help = true;
            return 0;
        }
        if (result < OPTION_FIRST)
            return complain(command, "%s", refused_option(result, argv, options).text);
        const struct option_spec *option = specs[result - OPTION_FIRST];
        const struct argument argument = {command, option, optarg};
        void *field = (char *)values + option->offset;
        if (!optarg)
            *(bool *)field = true;
        int status = optarg ? parsers[option->kind](&argument, field) : 0;
        if (status != 0 || values->help)
            return status;
    }

    if (takes_command) {
        values->rest = argv + optind;
        values->rest_count = argc - optind;
        return 0;
    }
    if (optind < argc && command->takes_operand)
        values->operand = argv[optind++];
    if (optind < argc)
        return complain(command, "'%s' is one argument too many",
                        show(agora_text_of(argv[optind])).text);
    if (values->uid.given && is_given(values->user))
        return complain(command, "--uid and --user are both given: the user has one name");
    return 0;
}
