#include "config.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dotenv.h"
#include "file.h"
#include "redact.h"

enum {
    NAME_MAX_LENGTH = 64,
    PATIENCE_MS = 2000, /* with a secret that is a named pipe, while the service stands still */
};

enum kind { HEX_ID, TEXT, NUMBER, LEVEL };

/* In order of appearance: PORT stands behind SERVER_PORT and so wins over it. */
static const struct setting {
    const char *name;
    enum kind kind;
    bool is_secret; /* also read from the file that NAME_FILE names; never printed */
    size_t offset;
    unsigned least, most;
    const char *otherwise; /* NULL: required */
} table[] = {
    {"APP_ID", HEX_ID, true, offsetof(struct settings, app_id), 0, 0, NULL},
    {"APP_CERTIFICATE", HEX_ID, true, offsetof(struct settings, app_certificate), 0, 0, NULL},
    {"CORS_ALLOW_ORIGIN", TEXT, false, offsetof(struct settings, cors_allow_origin), 0, 0, ""},
    {"LOG_LEVEL", LEVEL, false, offsetof(struct settings, log_level), 0, 0, "info"},
    {"SERVER_PORT", NUMBER, false, offsetof(struct settings, port), 1, 65535, "8080"},
    {"PORT", NUMBER, false, offsetof(struct settings, port), 1, 65535, ""},
    {"WORKERS", NUMBER, false, offsetof(struct settings, workers), 0, 256, "0"},
    {"MAX_CONNECTIONS", NUMBER, false, offsetof(struct settings, max_connections), 1, 65536,
     "4096"},
    {"REQUEST_TIMEOUT", NUMBER, false, offsetof(struct settings, request_timeout), 1, 300, "10"},
};

enum { SETTINGS = sizeof table / sizeof table[0] };

/* error is written by one caller and read by the next up; false makes `return fail(…)` short. */
__attribute__((format(printf, 2, 3))) static bool fail(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, SETTINGS_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static bool parse_number(const struct setting *setting, const char *value, unsigned *out,
                         char *error) {
    unsigned long number = 0;
    size_t digits = strspn(value, "0123456789");
    if (digits > 0 && digits < 10 && value[digits] == '\0')
        number = strtoul(value, NULL, 10);
    else
        number = (unsigned long)setting->most + 1;
    if (number < setting->least || number > setting->most)
        return fail(error, "%s is '%.64s': expected a whole number from %u to %u", setting->name,
                    redact(value), setting->least, setting->most);
    *out = (unsigned)number;
    return true;
}

static bool parse(const struct setting *setting, const char *value, struct settings *settings,
                  char *error) {
    char *field = (char *)settings + setting->offset;
    switch (setting->kind) {
    case HEX_ID:
        if (!agora_token_is_hex_id((struct agora_text){value, strlen(value)}))
            return fail(error,
                        "%s is malformed: expected 32 hexadecimal digits (0-9, a-f), found %zu "
                        "characters that are not that",
                        setting->name, strlen(value));
        memcpy(field, value, AGORA_HEX_LENGTH + 1);
        return true;
    case TEXT:
        if (strlen(value) >= sizeof settings->cors_allow_origin)
            return fail(error, "%s is longer than %zu characters", setting->name,
                        sizeof settings->cors_allow_origin - 1);
        memcpy(field, value, strlen(value) + 1);
        return true;
    case NUMBER:
        return parse_number(setting, value, (unsigned *)(void *)field, error);
    case LEVEL:
        return log_level_from_name(value, (enum log_level *)(void *)field) ||
               fail(error, "%s is '%.64s': expected error, warning, info or debug", setting->name,
                    redact(value));
    }
    return false;
}

/* Takes a setting from one source: its value, or for a secret the content of the file that
 * NAME_FILE names. *value stays NULL when the source has neither. */
static bool take(const struct setting *setting, const char *direct, const char *path, char *content,
                 const char **value, char *error) {
    bool has_direct = direct && (*direct || !setting->is_secret);
    bool has_path = path && *path;
    if (has_direct && has_path)
        return fail(error, "%s and %s_FILE are both set: set one of them", setting->name,
                    setting->name);
    if (has_direct)
        *value = direct;
    if (has_path) {
        /* In a container secrets may have any mode, as there are no other users. But a web server
         * that runs CGI programs may do so for many. */
        if (getenv("GATEWAY_INTERFACE") && file_is_exposed(path, error, SETTINGS_ERROR_MAX))
            return false;
        if (!file_read(path, PATIENCE_MS, content))
            return fail(error, "%s_FILE: cannot read %s: %s", setting->name, redact(path),
                        strerror(errno));
        size_t length = strlen(content);
        while (length > 0 && strchr(" \t\r\n", content[length - 1]))
            content[--length] = '\0';
        *value = content;
    }
    return true;
}

static bool load_one(const struct setting *setting, const struct dotenv *dotenv, char *content,
                     struct settings *settings, char *error) {
    char file_name[NAME_MAX_LENGTH];
    snprintf(file_name, sizeof file_name, "%s_FILE", setting->name);
    const char *name = setting->name;
    const char *path_name = setting->is_secret ? file_name : "";

    /* To a CGI program SERVER_PORT is a fact about the request, and no setting (RFC 3875). */
    bool is_fact = getenv("GATEWAY_INTERFACE") && strcmp(name, "SERVER_PORT") == 0;
    const char *value = NULL;
    if (!take(setting, is_fact ? NULL : getenv(name), getenv(path_name), content, &value, error))
        return false;
    if (!value && !take(setting, dotenv_get(dotenv, name), dotenv_get(dotenv, path_name), content,
                        &value, error))
        return false;

    if ((!value || *value == '\0') && setting->otherwise)
        value = setting->otherwise;
    if (!value)
        return fail(error,
                    "%s is missing: set it to the 32 hexadecimal digits that the Agora console "
                    "shows, in the environment, in .env, or in a file that %s_FILE names",
                    name, name);
    /* Nothing to parse: an empty text stays empty, and PORT leaves what SERVER_PORT said. */
    if (*value == '\0' && setting->otherwise)
        return true;
    return parse(setting, value, settings, error);
}

const char *settings_cgi_file(void) {
    static const char *const files[] = {SETTINGS_DOTENV,
                                        "../agora-token.env",
                                        "../../agora-token.env",
                                        "../../../agora-token.env",
                                        "../../../../agora-token.env",
                                        "../../../../../agora-token.env"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (access(files[i], F_OK) == 0)
            return files[i];
    return SETTINGS_DOTENV;
}

struct settings *settings_load(const char *dotenv_path, char error[static SETTINGS_ERROR_MAX]) {
    bool loaded = false;
    struct dotenv dotenv = {0};
    struct settings *settings = calloc(1, sizeof *settings);
    char *content = malloc(FILE_ROOM);
    if (settings)
        settings->holders = 1;
    if (!settings || !content) {
        fail(error, "out of memory");
        goto out;
    }

    if (file_read(dotenv_path, PATIENCE_MS, content)) {
        int line = dotenv_parse(content, &dotenv);
        if (line != 0) {
            fail(error,
                 line > 0 ? "%s, line %d, can't be read: expected NAME=value" : "%s: out of memory",
                 dotenv_path, line);
            goto out;
        }
        if (dotenv_is_exposed(&dotenv, dotenv_path, error, SETTINGS_ERROR_MAX))
            goto out;
    } else if (errno != ENOENT) {
        fail(error, "cannot read %s: %s", dotenv_path, strerror(errno));
        goto out;
    }

    loaded = true;
    for (size_t i = 0; i < SETTINGS && loaded; i++)
        loaded = load_one(&table[i], &dotenv, content, settings, error);
out:
    dotenv_free(&dotenv);
    if (content)
        OPENSSL_cleanse(content, FILE_ROOM);
    free(content);
    if (!loaded) {
        settings_release(settings);
        settings = NULL;
    }
    return settings;
}

struct settings *settings_hold(struct settings *settings) {
    atomic_fetch_add(&settings->holders, 1);
    return settings;
}

void settings_release(struct settings *settings) {
    if (!settings || atomic_fetch_sub(&settings->holders, 1) > 1)
        return;
    OPENSSL_cleanse(settings, sizeof *settings);
    free(settings);
}

void settings_print(const struct settings *settings, FILE *out) {
    fprintf(out, "port=%u\nworkers=%u\nmax_connections=%u\nrequest_timeout=%u\n", settings->port,
            settings->workers, settings->max_connections, settings->request_timeout);
}
