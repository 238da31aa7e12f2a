/* The service as a CGI program and nothing else, for the static build that shared hosting takes. */
#include <stdlib.h>

#include "config.h"
#include "gateway/gateway.h"
#include "log.h"

int main(void) {
    gateway_start();
    cgi_start();
    char error[SETTINGS_ERROR_MAX];
    struct settings *settings = settings_load(settings_cgi_file(), ACCESS_CGI, NULL, error);
    if (!settings) {
        log_line(LOG_ERROR, "%s", error);
        return cgi_refuse();
    }
    log_set_level(settings->log_level);
    log_set_format(settings->log_format);
    int status = cgi_serve(settings);
    settings_release(settings);
    return status;
}
