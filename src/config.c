#include "config.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dotenv.h"
#include "file.h"
#include "redact.h"
#include "text.h"

enum {
    TIMEOUT_MS = 2000, /* for a file that is a named pipe, while the service stands still */
    NO_TIMEOUT = -1,   /* the tool's user may have to type the passphrase of <(command) first */
};

/* What .env.example holds. */
static const char sample_app_id[] = "970CA35de60c44645bbae8a215061b33";

/* A path must not be empty where it is set: it would be as if it were not. */
enum kind { CREDENTIAL, TEXT, PATH, NUMBER, CHOICE };

/* The names of an enum's values, and a NULL. */
static const char *const on_off[] = {[OFF] = "off", [ON] = "on", NULL};

#define FIELD(name) offsetof(struct settings, name)
#define FIELD_SIZE(name) sizeof(((struct settings *)NULL)->name)

/* The credentials first, as their enum has them. They are never printed: not even the App ID, as
 * the two are easily exchanged. PORT stands behind SERVER_PORT and so wins over it. */
static const struct setting {
    const char *name;
    enum kind kind;
    size_t offset;
    unsigned least, most;      /* of a number; the most bytes of a text */
    const char *default_value; /* NULL: required */
    const char *const *choices;
} table[] = {
    {"APP_ID", CREDENTIAL, FIELD(app_id), 0, 0, NULL, NULL},
    {"APP_CERTIFICATE", CREDENTIAL, FIELD(app_certificate), 0, 0, NULL, NULL},
    {"CORS_ALLOW_ORIGIN", TEXT, FIELD(cors_allow_origin), 0, FIELD_SIZE(cors_allow_origin) - 1, "",
     NULL},
    {"ACCESS_FILE", PATH, FIELD(access_file), 0, FIELD_SIZE(access_file) - 1, "", NULL},
    {"LOG_LEVEL", CHOICE, FIELD(log_level), 0, 0, "info", log_levels},
    {"LOG_FORMAT", CHOICE, FIELD(log_format), 0, 0, "text", log_formats},
    {"PAGE", CHOICE, FIELD(page), 0, 0, "on", on_off},
    {"METRICS", CHOICE, FIELD(metrics), 0, 0, "off", on_off},
    {"SERVER_PORT", NUMBER, FIELD(port), 1, 65535, "8080", NULL},
    {"PORT", NUMBER, FIELD(port), 1, 65535, "", NULL},
    {"WORKERS", NUMBER, FIELD(workers), 0, 256, "0", NULL},
    {"MAX_CONNECTIONS", NUMBER, FIELD(max_connections), 1, 65536, "4096", NULL},
    {"REQUEST_TIMEOUT", NUMBER, FIELD(request_timeout), 1, 300, "10", NULL},
};

/* What leads to a credential: its value, or a file that holds it. */
struct source {
    const char *value;
    const char *file;
};
static const struct source options[] = {
    [SETTING_APP_ID] = {"--app-id", "--app-id-file"},
    [SETTING_CERTIFICATE] = {"--certificate", "--certificate-file"},
};
static const struct source variables[] = {
    [SETTING_APP_ID] = {"APP_ID", "APP_ID_FILE"},
    [SETTING_CERTIFICATE] = {"APP_CERTIFICATE", "APP_CERTIFICATE_FILE"},
};

enum { SETTINGS = sizeof table / sizeof table[0] };

/* What one loading carries along. */
struct loader {
    const struct settings_options *needs; /* NULL: all the settings of the service */
    enum access_use use;
    const struct settings *old;
    struct settings *settings;
    struct dotenv dotenv;
    char *content;      /* of one file after another */
    const char *source; /* what led to the value of a credential */
    char *error;
};

/* Returns false, so that a check can `return fail(…)`. */
__attribute__((format(printf, 2, 3))) static bool fail(const struct loader *loader,
                                                       const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(loader->error, SETTINGS_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static bool parse_choice(const struct loader *loader, const struct setting *setting,
                         const char *value) {
    char list[128] = "";
    size_t length = 0;
    for (unsigned i = 0; setting->choices[i]; i++) {
        if (strcmp(value, setting->choices[i]) == 0) {
            *(unsigned *)(void *)((char *)loader->settings + setting->offset) = i;
            return true;
        }
        const char *separator = i == 0 ? "" : setting->choices[i + 1] ? ", " : " or ";
        length += (size_t)snprintf(list + length, sizeof list - length, "%s%s", separator,
                                   setting->choices[i]);
        assert(length < sizeof list);
    }
    return fail(loader, "%s is '%s': expected %s", setting->name, show(agora_text_of(value)).text,
                list);
}

static bool parse(const struct loader *loader, const struct setting *setting, const char *value) {
    const char *name = setting->name;
    struct agora_text text = agora_text_of(value);
    void *field = (char *)loader->settings + setting->offset;
    unsigned long number = 0;
    switch (setting->kind) {
    case CREDENTIAL:
        text = text_trim(text);
        if (!agora_token_is_hex_id(text))
            return fail(loader,
                        "%s does not hold 32 hexadecimal digits (0-9, a-f), as the Agora console "
                        "shows them, but %zu characters that are not that",
                        loader->source, text.length);
        memcpy(field, text.data, AGORA_HEX_LENGTH);
        return true;
    case TEXT:
    case PATH:
        assert(setting->offset + setting->most < sizeof *loader->settings);
        if (text.length > setting->most)
            return fail(loader, "%s is longer than %u bytes", name, setting->most);
        memcpy(field, text.data, text.length);
        return true;
    case NUMBER:
        if (text.length < 10 && strspn(value, "0123456789") == text.length)
            number = strtoul(value, NULL, 10);
        else
            number = (unsigned long)setting->most + 1;
        if (number < setting->least || number > setting->most)
            return fail(loader, "%s is '%s': expected a whole number from %u to %u", name,
                        show(text).text, setting->least, setting->most);
        *(unsigned *)field = (unsigned)number;
        return true;
    case CHOICE:
        return parse_choice(loader, setting, value);
    }
    return false;
}

/* Takes a credential from a place that may have it, or lead to a file that does. *value stays NULL
 * when there is neither. */
static bool take(struct loader *loader, const struct source *source, const char *direct,
                 const char *path, const char **value) {
    if (direct && path)
        return fail(loader, "%s and %s are both set: set one of them", source->value, source->file);
    loader->source = path ? source->file : source->value;
    *value = path ? loader->content : direct;
    /* In a container secrets may have any mode, as there are no other users. But a web server that
     * runs CGI programs may do so for many. */
    if (path && getenv("GATEWAY_INTERFACE") &&
        file_is_exposed(path, loader->error, SETTINGS_ERROR_MAX))
        return false;
    return !path ||
           file_read(path, loader->needs ? NO_TIMEOUT : TIMEOUT_MS, loader->content,
                     FILE_SIZE_MAX) ||
           fail(loader, "%s: cannot read %s: %s", source->file, redact(path), strerror(errno));
}

static const char *unless_empty(const char *value) {
    return value && *value ? value : NULL;
}

static bool load_credential(struct loader *loader, size_t index) {
    const struct source *variable = &variables[index];
    const struct settings_option *given = loader->needs ? &loader->needs->credentials[index] : NULL;
    const char *value = NULL;
    if (given && !take(loader, &options[index], given->value, given->path, &value))
        return false;
    if (!value && !take(loader, variable, unless_empty(getenv(variable->value)),
                        unless_empty(getenv(variable->file)), &value))
        return false;
    if (!value &&
        !take(loader, variable, unless_empty(dotenv_get(&loader->dotenv, variable->value)),
              unless_empty(dotenv_get(&loader->dotenv, variable->file)), &value))
        return false;
    if (value)
        return parse(loader, &table[index], value);
    return fail(loader,
                "%s is missing: set it to the 32 hexadecimal digits that the Agora console shows, "
                "in the environment, in .env, or in a file that %s%s%s names",
                variable->value, variable->file, given ? " or " : "",
                given ? options[index].file : "");
}

static bool load_setting(struct loader *loader, const struct setting *setting) {
    if (setting->kind == CREDENTIAL)
        return load_credential(loader, (size_t)(setting - table));
    /* To a CGI program SERVER_PORT is a fact about the request, and no setting (RFC 3875). */
    bool is_fact = getenv("GATEWAY_INTERFACE") && strcmp(setting->name, "SERVER_PORT") == 0;
    const char *value = is_fact ? NULL : getenv(setting->name);
    if (!value)
        value = dotenv_get(&loader->dotenv, setting->name);
    if (value && *value == '\0' && setting->kind == PATH)
        return fail(loader, "%s is empty: name a file, or leave it out", setting->name);
    if (!value || *value == '\0')
        value = setting->default_value;
    /* Nothing to parse: an empty text stays empty, and PORT leaves what SERVER_PORT said. */
    return *value == '\0' || parse(loader, setting, value);
}

static bool load_dotenv(struct loader *loader, const char *path) {
    bool is_required = loader->needs && loader->needs->dotenv_path;
    if (!file_read(path, loader->needs ? NO_TIMEOUT : TIMEOUT_MS, loader->content, FILE_SIZE_MAX))
        return (errno == ENOENT && !is_required) ||
               fail(loader, "cannot read %s: %s", redact(path), strerror(errno));
    int line = dotenv_parse(loader->content, &loader->dotenv);
    if (line != 0)
        return fail(loader,
                    line > 0 ? "%s, line %d, can't be read: expected NAME=value"
                             : "%s: out of memory",
                    redact(path), line);
    return !dotenv_is_exposed(&loader->dotenv, path, loader->error, SETTINGS_ERROR_MAX);
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

static bool load_access(const struct loader *loader) {
    const char *path = loader->settings->access_file;
    const struct access *old = loader->old ? loader->old->access : NULL;
    if (*path == '\0')
        return !old || fail(loader, "ACCESS_FILE is not set any more: a restart is needed to open "
                                    "the service to everybody");
    loader->settings->access = access_load(path, loader->use, old, loader->error);
    return loader->settings->access != NULL;
}

static struct settings *load(struct loader *loader, const char *dotenv_path) {
    const struct settings_options *needs = loader->needs;
    struct settings *settings = calloc(1, sizeof *settings);
    char *content = malloc(FILE_SIZE_MAX);
    bool loaded = false;
    if (!settings || !content) {
        fail(loader, "out of memory");
        goto out;
    }
    settings->holders = 1;
    loader->settings = settings;
    loader->content = content;
    loaded = load_dotenv(loader, dotenv_path);
    for (size_t i = 0; i < SETTINGS && loaded; i++)
        if (!needs || (i < CREDENTIALS && needs->credentials[i].is_needed))
            loaded = load_setting(loader, &table[i]);
    if (loaded && !needs)
        loaded = load_access(loader);
    dotenv_free(&loader->dotenv);
    OPENSSL_cleanse(content, FILE_SIZE_MAX);
out:
    free(content);
    if (loaded)
        return settings;
    settings_release(settings);
    return NULL;
}

struct settings *settings_load(const char *dotenv_path, enum access_use use,
                               const struct settings *old, char error[static SETTINGS_ERROR_MAX]) {
    return load(&(struct loader){.use = use, .old = old, .error = error}, dotenv_path);
}

struct settings *settings_load_credentials(const struct settings_options *needs,
                                           char error[static SETTINGS_ERROR_MAX]) {
    return load(&(struct loader){.needs = needs, .error = error},
                needs->dotenv_path ? needs->dotenv_path : SETTINGS_DOTENV);
}

struct settings *settings_hold(struct settings *settings) {
    atomic_fetch_add(&settings->holders, 1);
    return settings;
}

void settings_release(struct settings *settings) {
    if (!settings || atomic_fetch_sub(&settings->holders, 1) > 1)
        return;
    access_release(settings->access);
    OPENSSL_cleanse(settings, sizeof *settings);
    free(settings);
}

bool settings_are_sample(const struct settings *settings) {
    return strcmp(settings->app_id, sample_app_id) == 0;
}

void settings_print(const struct settings *settings, FILE *out) {
    for (const struct setting *setting = &table[CREDENTIALS]; setting < table + SETTINGS;
         setting++) {
        const void *field = (const char *)settings + setting->offset;
        fprintf(out, "%s=", setting->name);
        if (setting->kind == NUMBER)
            fprintf(out, "%u\n", *(const unsigned *)field);
        else if (setting->kind == CHOICE)
            fprintf(out, "%s\n", setting->choices[*(const unsigned *)field]);
        else {
            text_print(agora_text_of(redact(field)), out);
            fputc('\n', out);
        }
    }
    if (!settings->access)
        fputs("# " SETTINGS_OPEN_WARNING "\n", out);
    else if (access_has_rates(settings->access))
        fputs("# the policy has rates: they are counted in each process by itself, so several "
              "machines\n"
              "# or mod_fcgid's processes give as many times as much, and plain CGI counts none\n",
              out);
    if (settings_are_sample(settings))
        fputs("# " SETTINGS_SAMPLE_WARNING "\n", out);
}
