/* How requests come in. Each gateway reads them its own way and asks the same api. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <stdbool.h>

#include "api/api.h"
#include "config.h"
#include "gateway/listener.h"

/* Opens the log and keeps the secrets of this process out of core files and from debuggers. To be
 * called first of all. */
void gateway_start(void);

/* Answers the one request that environ and standard input hold, on standard output. Returns the
 * exit status of the process. */
int cgi_serve(const struct settings *settings);

/* To be called first in a process of one request, which needs little of what OpenSSL would set up.
 */
void cgi_start(void);

/* Answers the one request with 503, as the settings are wrong; the log says what. Returns the exit
 * status of the process. */
int cgi_refuse(void);

/* Holds back the signals that fastcgi_serve handles until it does. To be called with one thread
 * running. */
void fastcgi_hold_signals(void);

/*
 * Serves FastCGI requests from a listening socket. Takes over the caller's reference to the
 * settings, so that a secret which is no longer in use is wiped. On SIGHUP reads them again, for
 * requests to come, and keeps the old ones if the new are wrong. On SIGTERM, SIGINT or SIGUSR1
 * answers what has begun, closes the listener and returns within two seconds, though not before a
 * reload that has begun. To be called after fastcgi_hold_signals. Returns the exit status of the
 * process.
 */
int fastcgi_serve(struct settings *settings, struct listener *listener);

/* Answers, and logs decisions of access control, what went wrong, and at debug every request. */
void gateway_answer(struct api *api, const struct request *request, struct response *response);

#endif
