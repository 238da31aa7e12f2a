/* The arguments of the command line tool, divided by zero bytes; the first byte chooses the
 * command. They are taken, or refused with a message that tells no secret. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "fuzz.h"

enum { ARGUMENTS_MAX = 128, PRINTED_MAX = 16 * 1024 };

static const struct command *const commands[] = {
    &command_rtc,   &command_rtm,    &command_rtc_rtm, &command_chat,   &command_fpa,
    &command_apaas, &command_rtm2,   &command_convoai, &command_stt,    &command_streaming,
    &command_fcdn,  &command_decode, &command_encode,  &command_verify,
};

static void parse(const struct command *command, int argc, char **argv) {
    static char printed[PRINTED_MAX];
    struct values values = {0};
    FILE *real = stderr;
    memset(printed, 0, sizeof printed);
    stderr = fmemopen(printed, sizeof printed, "w");
    optind = 0; /* starts getopt_long anew */
    int status = parse_options(command, argc, argv, &values);
    fclose(stderr);
    stderr = real;

    expect((status == 0) == (printed[0] == '\0'));
    expect_no_secret(printed);
    for (const char *at = printed; *at; at++)
        expect(*at == '\n' || (*at & 0x80) || (*at >= ' ' && *at != 0x7f));
    expect(values.uid.text.length < AGORA_UID_SIZE);
    expect(!values.operand || command->takes_operand);
    for (size_t i = 0; i < values.permissions.count; i++)
        free((void *)values.permissions.list[i].names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    char *argv[ARGUMENTS_MAX + 2] = {"agora-token"};
    int argc = 1;
    for (char *at = text; at < text + size && argc <= ARGUMENTS_MAX; at += strlen(at) + 1)
        argv[argc++] = at;
    parse(commands[data[0] % (sizeof commands / sizeof commands[0])], argc, argv);
    free(text);
    return 0;
}
