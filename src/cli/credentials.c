#include "cli/credentials.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redact.h"
#include "dotenv.h"
#include "file.h"

static const char env_file_default[] = ".env";

enum {
    EXPOSED_MAX = 512,
    NO_LIMIT = -1, /* <(command) may have to ask for a passphrase first */
};

/* One credential and everywhere it may come from, the first that has it winning. */
struct source {
    const char *name; /* in the environment; NAME_FILE holds a path */
    const char *option;
    const char *option_file;
    const char *given;
    const char *given_file;
    char *out;
};

static int take(const struct command *command, const struct source *source, const char *where,
                const char *value) {
    struct agora_text text = agora_text_of(value);
    while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]))
        text.length--;
    if (!agora_token_is_hex_id(text))
        return complain(command,
                        "%s does not hold 32 hexadecimal digits (0-9, a-f), as the Agora console "
                        "shows them, but %zu characters that are not that",
                        where, text.length);
    memcpy(source->out, text.data, text.length);
    source->out[text.length] = '\0';
    return 0;
}

static int take_file(const struct command *command, const struct source *source, const char *where,
                     const char *path, char *room) {
    if (!file_read(path, NO_LIMIT, room))
        return complain(command, "%s: cannot read %s: %s", where, show(agora_text_of(path)).text,
                        strerror(errno));
    return take(command, source, where, room);
}

/* From variables: NAME, else the file that NAME_FILE names. *found says whether there was either.
 */
static int take_variable(const struct command *command, const struct source *source,
                         const char *value, const char *path, char *room, bool *found) {
    char name_file[64];
    snprintf(name_file, sizeof name_file, "%s_FILE", source->name);
    *found = (value && *value) || (path && *path);
    if (value && *value && path && *path)
        return complain(command, "%s and %s are both set: set one of them", source->name,
                        name_file);
    if (value && *value)
        return take(command, source, source->name, value);
    return *found ? take_file(command, source, name_file, path, room) : 0;
}

static int find(const struct command *command, const struct source *source,
                const struct dotenv *dotenv, char *room) {
    char option[64];
    char name_file[64];
    if (source->given && source->given_file)
        return complain(command, "--%s and --%s are both given: give one of them", source->option,
                        source->option_file);
    if (source->given) {
        snprintf(option, sizeof option, "--%s", source->option);
        return take(command, source, option, source->given);
    }
    if (source->given_file) {
        snprintf(option, sizeof option, "--%s", source->option_file);
        return take_file(command, source, option, source->given_file, room);
    }

    bool found;
    snprintf(name_file, sizeof name_file, "%s_FILE", source->name);
    int status =
        take_variable(command, source, getenv(source->name), getenv(name_file), room, &found);
    if (status == 0 && !found)
        status = take_variable(command, source, dotenv_get(dotenv, source->name),
                               dotenv_get(dotenv, name_file), room, &found);
    if (status != 0 || found)
        return status;
    return complain(command,
                    "%s is missing: set it to the 32 hexadecimal digits that the Agora console "
                    "shows, in the environment, in .env, in a file that %s or --%s names",
                    source->name, name_file, source->option_file);
}

static int read_dotenv(const struct command *command, const struct values *values, char *room,
                       struct dotenv *dotenv) {
    const char *path = values->env_file ? values->env_file : env_file_default;
    if (!file_read(path, NO_LIMIT, room)) {
        if (errno == ENOENT && !values->env_file)
            return 0;
        return complain(command, "cannot read %s: %s", show(agora_text_of(path)).text,
                        strerror(errno));
    }
    int line = dotenv_parse(room, dotenv);
    if (line > 0)
        return complain(command, "%s, line %d, can't be read: expected NAME=value",
                        show(agora_text_of(path)).text, line);
    if (line < 0)
        return complain_failed(command, "out of memory");
    char error[EXPOSED_MAX];
    return dotenv_is_exposed(dotenv, path, error, sizeof error) ? complain(command, "%s", error)
                                                                : 0;
}

int credentials_find(const struct command *command, const struct values *values, unsigned needs,
                     struct credentials *credentials) {
    *credentials = (struct credentials){0};
    const struct source app_id = {
        "APP_ID",           "app-id", "app-id-file", values->app_id, values->app_id_file,
        credentials->app_id};
    const struct source certificate = {"APP_CERTIFICATE",        "certificate",
                                       "certificate-file",       values->certificate,
                                       values->certificate_file, credentials->certificate};
    struct dotenv dotenv = {0};
    char *room = malloc(FILE_ROOM);
    if (!room)
        return complain_failed(command, "out of memory");
    if (values->certificate)
        fputs("agora-token: warning: --certificate can be seen in the list of processes; prefer "
              "--certificate-file or APP_CERTIFICATE\n",
              stderr);

    int status = read_dotenv(command, values, room, &dotenv);
    if (status == 0 && needs & NEED_APP_ID)
        status = find(command, &app_id, &dotenv, room);
    if (status == 0 && needs & NEED_CERTIFICATE)
        status = find(command, &certificate, &dotenv, room);
    dotenv_free(&dotenv);
    OPENSSL_cleanse(room, FILE_ROOM);
    free(room);
    return status;
}

void credentials_wipe(struct credentials *credentials) {
    OPENSSL_cleanse(credentials, sizeof *credentials);
}
