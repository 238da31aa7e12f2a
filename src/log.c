#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The longest lines are about decisions; a pipe takes up to PIPE_BUF at once. */
enum { LINE_MAX_LENGTH = 2048 };

const char *const log_levels[] = {[LOG_ERROR] = "error",
                                  [LOG_WARNING] = "warning",
                                  [LOG_INFO] = "info",
                                  [LOG_DEBUG] = "debug",
                                  NULL};

static _Atomic enum log_level most_verbose = LOG_INFO;

void log_set_level(enum log_level level) {
    most_verbose = level;
}

bool log_enabled(enum log_level level) {
    return level <= most_verbose;
}

static size_t write_head(char *line, size_t size, enum log_level level) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    size_t length = strftime(line, size, "%Y-%m-%dT%H:%M:%SZ ", &utc);
    return length + (size_t)snprintf(line + length, size - length, "%s: ", log_levels[level]);
}

/* The log as it is written: one line at a time, and never waiting for whoever reads it. */
static struct {
    pthread_mutex_t mutex;
    int fd; /* what log_open opened, else -1 */
    unsigned long lost;
    char rest[LINE_MAX_LENGTH]; /* of a line of which only a part was taken */
    size_t rest_length;
} log_ = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

/* A write to a pipe or a terminal that is full waits, unless O_NONBLOCK is set. That would be set
 * for every process which has it from the same open(2), so this opens it again. */
void log_open(void) {
    struct stat status;
    if (fstat(STDERR_FILENO, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISSOCK(status.st_mode))
        log_.fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    /* A file that may not grow is a log that takes no more. */
    signal(SIGXFSZ, SIG_IGN);
}

/* How many bytes were taken, -1 for none. */
static ssize_t put_some(const char *data, size_t length) {
    ssize_t sent = send(STDERR_FILENO, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 || errno != ENOTSOCK)
        return sent;
    if (log_.fd >= 0)
        return write(log_.fd, data, length);
    /* A file, or a pipe that only another user may open. A pipe that is writable takes a whole
     * line: it has PIPE_BUF bytes free. */
    struct pollfd standard_error = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool is_writable = poll(&standard_error, 1, 0) == 1 && standard_error.revents & POLLOUT;
    return is_writable ? write(STDERR_FILENO, data, length) : -1;
}

static bool put_rest(void) {
    ssize_t taken = log_.rest_length > 0 ? put_some(log_.rest, log_.rest_length) : 0;
    if (taken < 0)
        return false;
    log_.rest_length -= (size_t)taken;
    memmove(log_.rest, log_.rest + taken, log_.rest_length);
    return log_.rest_length == 0;
}

static bool put(const char *line, size_t length) {
    ssize_t taken = put_rest() ? put_some(line, length) : -1;
    if (taken < 0)
        return false;
    log_.rest_length = length - (size_t)taken;
    memcpy(log_.rest, line + taken, log_.rest_length);
    return true;
}

static atomic_ulong lost_lines; /* in all; log_.lost is since the last notice */

unsigned long log_lost_lines(void) {
    return lost_lines;
}

/* Lines that are lost are counted, and the next line that can be written tells how many. */
static void put_or_count(const char *line, size_t length) {
    pthread_mutex_lock(&log_.mutex);
    if (log_.lost > 0) {
        char notice[LINE_MAX_LENGTH];
        size_t head = write_head(notice, sizeof notice, LOG_WARNING);
        int rest = snprintf(notice + head, sizeof notice - head,
                            "%lu lines were lost here, as nobody read them\n", log_.lost);
        if (put(notice, head + (size_t)rest))
            log_.lost = 0;
    }
    if (log_.lost > 0 || !put(line, length)) {
        log_.lost++;
        lost_lines++;
    }
    pthread_mutex_unlock(&log_.mutex);
}

void log_line(enum log_level level, const char *format, ...) {
    if (!log_enabled(level))
        return;

    char line[LINE_MAX_LENGTH];
    const size_t size = sizeof line - 1; /* one byte is for the line feed */
    size_t length = write_head(line, size, level);

    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line + length, size - length, format, arguments);
    va_end(arguments);
    if (written > 0)
        length += (size_t)written < size - length ? (size_t)written : size - length - 1;
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)line[i]))
            line[i] = '?';
    line[length++] = '\n';
    put_or_count(line, length);
}
