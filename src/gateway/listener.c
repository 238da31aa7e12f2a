#include "gateway/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "redact.h"

static const char *unix_path(const char *address) {
    return strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
}

static bool is_listening(int fd) {
    int listening = 0;
    socklen_t length = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening;
}

/* sd_listen_fds(3): the sockets begin at descriptor 3 and are meant for the process LISTEN_PID. */
static int activated(void) {
    enum { FIRST = 3 };
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    bool ours = pid && count && strtol(pid, NULL, 10) == getpid() && strtol(count, NULL, 10) >= 1;
    return ours && is_listening(FIRST) ? FIRST : -1;
}

/* What connections inherit: answers go out at once, and a peer that is gone for good is found out,
 * as an idle one would else be kept for ever. Of no effect on a Unix socket. */
static void prepare_tcp(int fd) {
    const int on = 1;
    const int idle_seconds = 60;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
}

bool listener_inherit(struct listener *listener) {
    *listener = (struct listener){.fd = activated()};
    if (listener->fd < 0 && is_listening(STDIN_FILENO))
        listener->fd = STDIN_FILENO;
    prepare_tcp(listener->fd);
    return listener->fd >= 0 && fcntl(listener->fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* Nobody accepts at a socket file that a crashed process left behind. Only ever true of a socket,
 * so that a mistyped path costs nobody a file. */
static bool is_abandoned(const struct sockaddr_un *name) {
    struct stat status;
    if (lstat(name->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refused =
        connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* A socket that listens at the name. Returns -1 with errno on failure. */
static int listen_at(const struct sockaddr *name, socklen_t length) {
    const int on = 1;
    int fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    prepare_tcp(fd);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, name, length) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/*
 * Between bind and listen a file looks as if it had been left behind. So that two which start at
 * once do not take each other's, they go one after the other: each locks the directory, which
 * leaves nothing behind. Whoever keeps such a lock for long has it for another purpose.
 */
static int lock_directory(const struct sockaddr_un *name) {
    enum { ATTEMPTS = 100, PAUSE_MS = 10 };
    struct sockaddr_un copy = *name;
    int fd = open(dirname(copy.sun_path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < ATTEMPTS && fd >= 0; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            break;
        poll(NULL, 0, PAUSE_MS);
    }
    return fd;
}

static int open_unix(const char *path, char *error) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (*path == '\0' || strlen(path) >= sizeof name.sun_path) {
        snprintf(error, LISTENER_ERROR_MAX,
                 "'unix:%.128s' is not valid: use a path of 1 to %zu characters", path,
                 sizeof name.sun_path - 1);
        return -1;
    }
    memcpy(name.sun_path, path, strlen(path) + 1);

    int lock = lock_directory(&name);
    bool is_free = !is_abandoned(&name) || unlink(path) == 0;
    int fd = is_free ? listen_at((const struct sockaddr *)&name, sizeof name) : -1;
    if (fd < 0)
        snprintf(error, LISTENER_ERROR_MAX, "'unix:%s': %s", path, strerror(errno));
    if (lock >= 0)
        close(lock);
    return fd;
}

/* getaddrinfo takes any number and cuts it to 16 bits. */
static bool is_port(const char *text) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    long port = strtol(text, NULL, 10);
    return port >= 1 && port <= 65535;
}

static int open_tcp(const char *address, char *error) {
    char host[128];
    const char *colon = strrchr(address, ':');
    size_t length = colon ? (size_t)(colon - address) : 0;
    bool bracketed = length > 2 && address[0] == '[' && colon[-1] == ']';
    if (length == 0 || length >= sizeof host || !is_port(colon + 1)) {
        snprintf(error, LISTENER_ERROR_MAX,
                 "'%.128s' is not valid: use unix:/path or HOST:PORT, with a port from 1 to 65535",
                 redact(address));
        return -1;
    }
    if (bracketed)
        length -= 2;
    memcpy(host, bracketed ? address + 1 : address, length);
    host[length] = '\0';

    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int status = getaddrinfo(host, colon + 1, &hints, &found);
    if (status != 0) {
        snprintf(error, LISTENER_ERROR_MAX, "'%s': %s", redact(address), gai_strerror(status));
        return -1;
    }
    /* The first address that this machine has and lets be used. Where that is in use another
     * service has the name, and web servers would reach now this one, now that. */
    int fd = -1;
    errno = 0;
    for (const struct addrinfo *at = found; at && fd < 0 && errno != EADDRINUSE; at = at->ai_next)
        fd = listen_at(at->ai_addr, at->ai_addrlen);
    if (fd < 0)
        snprintf(error, LISTENER_ERROR_MAX, "'%s': %s", redact(address), strerror(errno));
    freeaddrinfo(found);
    return fd;
}

bool listener_open(struct listener *listener, const char *address,
                   char error[static LISTENER_ERROR_MAX]) {
    *listener = (struct listener){.path = unix_path(address)};
    listener->fd = listener->path ? open_unix(listener->path, error) : open_tcp(address, error);
    if (listener->fd >= 0 && listener->path)
        lstat(listener->path, &listener->file);
    return listener->fd >= 0;
}

void listener_remove_file(struct listener *listener) {
    struct stat status;
    if (listener->path && lstat(listener->path, &status) == 0 &&
        status.st_dev == listener->file.st_dev && status.st_ino == listener->file.st_ino)
        unlink(listener->path);
    listener->path = NULL;
}

void listener_close(struct listener *listener) {
    listener_remove_file(listener);
    close(listener->fd);
}
