#include "gateway/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The protocol is one datagram; systemd documents it as stable, so its library is not needed. */
void notify(const char *state) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;
    if (length == 0 || length >= sizeof name.sun_path)
        return;
    memcpy(name.sun_path, path, length);
    if (path[0] == '@') /* the abstract namespace */
        name.sun_path[0] = '\0';

    /* A reload has to say when it began, which the manager compares with its own clock. */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char message[128];
    int written = snprintf(message, sizeof message, "%s\nMONOTONIC_USEC=%lld\n", state,
                           (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);

    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* A manager that is busy is waited for, but not one that has stopped to read. */
    const struct timeval patience = {.tv_usec = 200000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)sendto(fd, message, (size_t)written, MSG_NOSIGNAL, (const struct sockaddr *)&name,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    close(fd);
}
