/* The App ID and the App Certificate: from options, the environment or an .env file. */
#ifndef CLI_CREDENTIALS_H
#define CLI_CREDENTIALS_H

#include "cli/cli.h"
#include "config.h"

enum { NEED_APP_ID = 1, NEED_CERTIFICATE = 2 };

/* Finds what is needed, to be given to settings_release. Returns 0, or complains and returns
 * EXIT_USAGE, with *credentials NULL. */
int credentials_find(const struct command *command, const struct values *values, unsigned needs,
                     struct settings **credentials);

#endif
