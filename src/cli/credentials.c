#include "cli/cli.h"

#include <stdio.h>

int credentials_find(const struct command *command, const struct values *values, unsigned needs,
                     struct settings **credentials) {
    const struct settings_options options = {
        .credentials =
            {
                [SETTING_APP_ID] = {needs & NEED_APP_ID, values->app_id, values->app_id_file},
                [SETTING_CERTIFICATE] = {needs & NEED_CERTIFICATE, values->certificate,
                                         values->certificate_file},
            },
        .dotenv_path = values->env_file,
    };
    char error[SETTINGS_ERROR_MAX];
    if (values->certificate)
        fputs("agora-token: warning: --certificate can be seen in the list of processes; prefer "
              "--certificate-file or APP_CERTIFICATE\n",
              stderr);
    *credentials = settings_load_credentials(&options, error);
    return *credentials ? 0 : complain(command, "%s", error);
}
