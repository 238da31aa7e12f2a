#include "cli/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { FIRST_SIZE = 4096 };

int read_input(const struct command *command, char **text, size_t *length) {
    size_t size = FIRST_SIZE;
    *length = 0;
    *text = malloc(size);
    while (*text) {
        *length += fread(*text + *length, 1, size - *length, stdin);
        if (ferror(stdin))
            return complain_failed(command, "cannot read standard input: %s", strerror(errno));
        if (*length < size)
            return 0;
        if (size >= INPUT_MAX)
            return complain(command, "standard input is longer than %d bytes", INPUT_MAX);
        size *= 2;
        char *larger = realloc(*text, size);
        if (!larger)
            break;
        *text = larger;
    }
    return complain_failed(command, "out of memory");
}

/* The memory grows until the token fits, up to a limit for one that inflates without end. */
static enum agora_token_error read_growing(struct agora_text token, struct input *input) {
    for (size_t size = AGORA_READ_ROOM; size <= INPUT_MAX; size *= 4) {
        free(input->memory);
        input->memory = malloc(size);
        if (!input->memory)
            return AGORA_TOKEN_NO_MEMORY;
        enum agora_token_error error =
            agora_token_read(token, input->memory, size, &input->reading);
        if (error != AGORA_TOKEN_NO_ROOM)
            return error;
    }
    return AGORA_TOKEN_TOO_LONG;
}

int input_read_token(const struct command *command, const struct values *values,
                     struct input *input) {
    struct agora_text token = {NULL, 0};
    *input = (struct input){0};
    if (values->operand && strcmp(values->operand, "-") != 0) {
        token = agora_text_of(values->operand);
    } else {
        int status = read_input(command, &input->text, &token.length);
        if (status != 0)
            return status;
        token.data = input->text;
    }

    token = text_trim(token);
    if (token.length == 0)
        return complain(command, "the token is empty");
    enum agora_token_error error = read_growing(token, input);
    return error ? complain(command, "%s", agora_token_strerror(error)) : 0;
}

void input_free(struct input *input) {
    free(input->text);
    free(input->memory);
}
