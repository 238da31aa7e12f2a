/* The socket on which a web server reaches the responder. */
#ifndef GATEWAY_LISTENER_H
#define GATEWAY_LISTENER_H

#include <stdbool.h>

enum { LISTENER_ERROR_MAX = 256 };

/* True for an open, listening stream socket, as spawn-fcgi and mod_fcgid leave on descriptor 0. */
bool listener_is(int fd);

/*
 * Opens "unix:/path" or "HOST:PORT" ("[HOST]:PORT" for IPv6). The mode of a socket file follows the
 * umask. A socket file that nobody serves any more is replaced, one in use is not. Returns the
 * descriptor, or -1 with a sentence in error.
 */
int listener_open(const char *address, char error[static LISTENER_ERROR_MAX]);

/* Removes the socket file of a "unix:" address. */
void listener_remove(const char *address);

#endif
