#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

/* Reading a named pipe would block until its writer writes, so this waits until the deadline, which
 * is of the monotonic clock, or -1 for none. */
static ssize_t read_some(int fd, int64_t deadline, char *text, size_t size) {
    struct pollfd file = {.fd = fd, .events = POLLIN};
    int64_t left = deadline - monotonic_ms();
    int ready = poll(&file, 1, deadline < 0 ? -1 : left > 0 ? (int)left : 0);
    if (ready == 0)
        errno = ETIME;
    return ready == 1 ? read(fd, text, size) : -1;
}

bool file_read(const char *path, int timeout_ms, char *text, size_t size) {
    size_t length = 0;
    ssize_t got = -1;
    int64_t deadline = timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    while (fd >= 0 && length < size - 1) {
        got = read_some(fd, deadline, text + length, size - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    text[length] = '\0';
    int failed = got < 0 ? errno : got > 0 ? EFBIG : 0;
    /* What stands behind a zero byte would be read by nobody. */
    if (!failed && memchr(text, '\0', length))
        failed = EILSEQ;
    if (fd >= 0)
        close(fd);
    errno = failed;
    return failed == 0;
}

static bool has_mode(mode_t unwanted, const char *path, char *error, size_t size) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || !(status.st_mode & unwanted))
        return false;
    /* A log does not tell the working directory. */
    char absolute[PATH_MAX];
    if (realpath(path, absolute))
        path = absolute;
    int length =
        snprintf(error, size, "mode %04o of %s lets other users %schange it; type: ",
                 (unsigned)status.st_mode & 07777, path, unwanted & S_IROTH ? "read or " : "");
    if (length < 0 || (size_t)length >= size)
        return true;
    error += length;
    size -= (size_t)length;
    /* Whoever runs this program has to read it, which may be another than its owner. */
    if (status.st_uid == geteuid())
        snprintf(error, size, "chmod 600 '%s'", path);
    else
        snprintf(error, size, "chgrp %u '%s'; chmod 640 '%s'", (unsigned)getegid(), path, path);
    return true;
}

bool file_is_exposed(const char *path, char *error, size_t size) {
    return has_mode(S_IROTH | S_IWOTH | S_IWGRP, path, error, size);
}

bool file_is_writable_by_others(const char *path, char *error, size_t size) {
    return has_mode(S_IWOTH | S_IWGRP, path, error, size);
}
