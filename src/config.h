/* Settings: the environment, then .env, then defaults. The table in config.c is the one list. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "access/access.h"
#include "agora_token.h"
#include "log.h"

/* Constant once loaded, so that threads share them; see settings_hold. */
struct settings {
    atomic_uint holders;
    char app_id[AGORA_HEX_LENGTH + 1];
    char app_certificate[AGORA_HEX_LENGTH + 1];
    char cors_allow_origin[4096];
    enum log_level log_level;
    enum log_format log_format;
    enum on_off { OFF, ON } page; /* the page at / */
    enum on_off metrics;          /* /metrics */
    char access_file[1024];
    struct access *access;    /* NULL: everybody gets any token */
    unsigned port;            /* for the web server in front; the responder itself ignores it */
    unsigned workers;         /* 0: one a core */
    unsigned max_connections; /* open connections from the web server, over all workers */
    unsigned request_timeout; /* seconds in which a request that has begun must be complete */
};

#define SETTINGS_DOTENV ".env"

/*
 * The file of settings for a CGI program: .env in its folder or, since a web server may serve what
 * lies there, agora-token.env in the nearest folder above it that has one.
 */
const char *settings_cgi_file(void);

enum { SETTINGS_ERROR_MAX = 512 };

/*
 * Reads the settings. A variable of the environment wins over the same one in the file dotenv_path,
 * which need not exist. old, which may be NULL, are those in use: what their policy has fetched and
 * counted goes on, and where they have a policy the new ones must. The caller holds the result. On
 * a missing, malformed or contradictory setting, or a secret in a file that other users could read,
 * returns NULL with a sentence in error that names the setting and what is expected, and never a
 * secret's value.
 */
struct settings *settings_load(const char *dotenv_path, enum access_use use,
                               const struct settings *old, char error[static SETTINGS_ERROR_MAX]);

enum { SETTING_APP_ID, SETTING_CERTIFICATE, CREDENTIALS };

/* What the command line tool needs and was told. What it was not told is looked for as by
 * settings_load. */
struct settings_options {
    struct settings_option {
        bool is_needed;
        const char *value; /* of --app-id */
        const char *path;  /* of --app-id-file */
    } credentials[CREDENTIALS];
    const char *dotenv_path; /* NULL: .env, which need not exist */
};

/* The same as settings_load for the credentials that are needed, and for nothing else. Waits for
 * what a named pipe will hold, however long it takes. */
struct settings *settings_load_credentials(const struct settings_options *needs,
                                           char error[static SETTINGS_ERROR_MAX]);

/* One more holder; returns its argument. */
struct settings *settings_hold(struct settings *settings);

/* One holder less. The last one wipes and frees. NULL is allowed. */
void settings_release(struct settings *settings);

/* Whether the App ID is that of .env.example, whose project does not exist. */
bool settings_are_sample(const struct settings *settings);
#define SETTINGS_SAMPLE_WARNING                                                                    \
    "the sample project's credentials are in use: tokens are well formed, but let nobody in"

#define SETTINGS_OPEN_WARNING                                                                      \
    "access control is off: anybody who reaches the service gets any token; see ACCESS_FILE"

/* Prints all settings but the credentials as NAME=value lines, and the warning as a comment. */
void settings_print(const struct settings *settings, FILE *out);

#endif
