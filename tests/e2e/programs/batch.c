/*
 * Mints and reads many tokens in one process, a line each, for the random tests. A line that is a
 * JSON description gives the token. A line "CERTIFICATE TOKEN" gives what is in the token, as JSON,
 * and "valid" or why it is not. An error gives "! " and a sentence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agora_token.h"
#include "cli/description.h"
#include "json/token_json.h"

enum { TOKEN_SIZE = 1 << 20, ROOM_SIZE = 1 << 22 };

static char out[TOKEN_SIZE];
static unsigned char room[ROOM_SIZE];

static void mint(struct agora_minter *minter, const char *line) {
    char complaint[DESCRIPTION_ERROR_MAX];
    struct description description;
    size_t length;
    struct json_object *json = parse_json(line, strlen(line), complaint);
    if (!json || !token_from_json(json, &description, complaint)) {
        printf("! %s\n", complaint);
        exit(EXIT_FAILURE);
    }
    enum agora_token_error error = agora_token_mint(
        minter, &description.token, description.certificate, out, sizeof out, &length);
    printf("%s%s\n", error ? "! " : "", error ? agora_token_strerror(error) : out);
    json_object_put(json);
}

static void read_back(char *line) {
    struct agora_reading reading;
    char *space = strchr(line, ' ');
    if (!space)
        exit(EXIT_FAILURE);
    *space = '\0';
    enum agora_token_error error =
        agora_token_read(agora_text_of(space + 1), room, sizeof room, &reading);
    if (error) {
        printf("! %s\n", agora_token_strerror(error));
        return;
    }
    static struct buffer json;
    error = agora_token_verify(&reading, agora_text_of(line));
    buffer_clear(&json);
    token_write_json(&reading, &json);
    json.length--; /* the closing brace */
    buffer_printf(&json, ",\"verdict\":\"%s\"}", error ? agora_token_strerror(error) : "valid");
    puts(json.data);
}

int main(void) {
    struct agora_minter *minter = agora_minter_new();
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        line[length - 1] = '\0';
        if (line[0] == '{')
            mint(minter, line);
        else
            read_back(line);
    }
    free(line);
    agora_minter_free(minter);
    return minter ? EXIT_SUCCESS : EXIT_FAILURE;
}
