/* The socket on which a web server reaches the responder. */
#ifndef GATEWAY_LISTENER_H
#define GATEWAY_LISTENER_H

#include <stdbool.h>
#include <sys/stat.h>

enum { LISTENER_ERROR_MAX = 256 };

struct listener {
    int fd;
    const char *path; /* of the socket file that listener_open made, else NULL */
    struct stat file; /* which file that is */
};

/*
 * The listening socket that a service manager or a process manager left to this process: descriptor
 * 3 by LISTEN_FDS and LISTEN_PID (systemd), else standard input (spawn-fcgi, mod_fcgid). False when
 * there is none.
 */
bool listener_inherit(struct listener *listener);

/*
 * Opens "unix:/path" or "HOST:PORT" ("[HOST]:PORT" for IPv6). The address must outlive the
 * listener. The mode of a socket file follows the umask. A socket file that nobody serves any more
 * is replaced, one in use is not. On failure returns false with a sentence in error.
 */
bool listener_open(struct listener *listener, const char *address,
                   char error[static LISTENER_ERROR_MAX]);

/* Removes the socket file, unless a successor has put its own in the place, so that nobody new
 * comes; who has connected can still be accepted. */
void listener_remove_file(struct listener *listener);

/* Closes, and removes the file as above. */
void listener_close(struct listener *listener);

#endif
