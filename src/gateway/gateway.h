/* How requests come in. Each gateway reads them its own way and asks the same api. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <stdbool.h>

#include "api/api.h"
#include "config.h"

/* Answers the one request that environ and standard input hold, on standard output. Returns the
 * exit status of the process. */
int cgi_serve(const struct settings *settings);

/*
 * Serves FastCGI requests from a listening socket until SIGTERM or SIGINT; then answers what has
 * begun and returns 0, within two seconds. Closes the listener. To be called with one thread
 * running. Returns the exit status of the process.
 */
int fastcgi_serve(const struct settings *settings, int listener);

/* Answers, and logs what went wrong with the method and path. */
void gateway_answer(struct api *api, const struct request *request, struct response *response);

#endif
