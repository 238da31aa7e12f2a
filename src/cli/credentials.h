/* The App ID and the App Certificate: from options, the environment or an .env file. */
#ifndef CLI_CREDENTIALS_H
#define CLI_CREDENTIALS_H

#include "cli/cli.h"

struct credentials {
    char app_id[AGORA_HEX_LENGTH + 1];
    char certificate[AGORA_HEX_LENGTH + 1];
};

enum { NEED_APP_ID = 1, NEED_CERTIFICATE = 2 };

/* Finds what is needed. Returns 0, or complains and returns EXIT_USAGE; never prints a secret. To
 * be given to credentials_wipe in any case. */
int credentials_find(const struct command *command, const struct values *values, unsigned needs,
                     struct credentials *credentials);

void credentials_wipe(struct credentials *credentials);

#endif
