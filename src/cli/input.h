/* A token from the command line or standard input, and whole files. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <stdio.h>

#include "cli/cli.h"

/* More than any token or description of one needs. */
enum { INPUT_MAX = 64 * 1024 * 1024 };

/* Reads all of standard input into *text, to be freed. Returns 0, or complains and returns a status
 * for main. */
int read_input(const struct command *command, char **text, size_t *length);

/* A token that was read, and the memory that it points into. */
struct input {
    char *text; /* NULL when the token stood on the command line */
    void *memory;
    struct agora_reading reading;
};

/* Reads the token that the operand is, or that stands on standard input for "-" or no operand,
 * white space around it left out. Returns 0, or complains and returns EXIT_USAGE. To be given to
 * input_free in any case. */
int input_read_token(const struct command *command, const struct values *values,
                     struct input *input);

void input_free(struct input *input);

#endif
