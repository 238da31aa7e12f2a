/* Settings: the environment, then .env, then defaults. The table in config.c is the one list. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "agora_token.h"
#include "log.h"

struct settings {
    char app_id[AGORA_HEX_LENGTH + 1];
    char app_certificate[AGORA_HEX_LENGTH + 1];
    char cors_allow_origin[4096];
    enum log_level log_level;
    unsigned port;            /* for the web server in front; the responder itself ignores it */
    unsigned workers;         /* 0: one a core */
    unsigned max_connections; /* open connections from the web server, over all workers */
    unsigned request_timeout; /* seconds in which a request that has begun must be complete */
};

enum { SETTINGS_ERROR_MAX = 512 };

/*
 * Reads the settings. A variable of the environment wins over the same one in the file dotenv_path,
 * which need not exist. On a missing, malformed or contradictory setting returns false with a
 * sentence in error that names the setting and what is expected, and never a secret's value.
 */
bool settings_load(struct settings *settings, const char *dotenv_path,
                   char error[static SETTINGS_ERROR_MAX]);

/* Prints name=value lines, without secrets. */
void settings_print(const struct settings *settings, FILE *out);

void settings_wipe(struct settings *settings);

#endif
