#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_LENGTH = 1024 };

static const char *const names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

static _Atomic enum log_level most_verbose = LOG_INFO;

bool log_level_from_name(const char *name, enum log_level *level) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_level(enum log_level level) {
    most_verbose = level;
}

bool log_enabled(enum log_level level) {
    return level <= most_verbose;
}

static size_t write_head(char *line, size_t room, enum log_level level) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    size_t length = strftime(line, room, "%Y-%m-%dT%H:%M:%SZ ", &utc);
    return length + (size_t)snprintf(line + length, room - length, "%s: ", names[level]);
}

/* Never waits: whoever reads the log may have stopped, and the service shall not stop with it. A
 * line is shorter than PIPE_BUF, so a pipe that is ready takes all of it. */
static bool put(const char *line, size_t length) {
    if (send(STDERR_FILENO, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    struct pollfd pipe = {.fd = STDERR_FILENO, .events = POLLOUT};
    return errno == ENOTSOCK && poll(&pipe, 1, 0) == 1 && pipe.revents & POLLOUT &&
           write(STDERR_FILENO, line, length) >= 0;
}

/* One line at a time, as the room that a pipe has is seen before it is used. Those that were lost
 * are counted, and told when there is room again. */
static void put_in_turn(const char *line, size_t length) {
    static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
    static unsigned long lost;
    pthread_mutex_lock(&turn);
    if (lost > 0) {
        char confession[LINE_MAX_LENGTH];
        size_t head = write_head(confession, sizeof confession, LOG_WARNING);
        int rest = snprintf(confession + head, sizeof confession - head,
                            "%lu lines were lost here, as nobody read them\n", lost);
        if (put(confession, head + (size_t)rest))
            lost = 0;
    }
    lost += lost > 0 || !put(line, length);
    pthread_mutex_unlock(&turn);
}

void log_line(enum log_level level, const char *format, ...) {
    if (!log_enabled(level))
        return;

    char line[LINE_MAX_LENGTH];
    const size_t room = sizeof line - 1; /* for the line feed */
    size_t length = write_head(line, room, level);

    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line + length, room - length, format, arguments);
    va_end(arguments);
    if (written > 0)
        length += (size_t)written < room - length ? (size_t)written : room - length - 1;
    line[length++] = '\n';
    put_in_turn(line, length);
}

const char *log_harmless(const char *value) {
    enum { SECRET_DIGITS = 16 }; /* half of an App Certificate */
    unsigned digits = 0;
    for (const char *at = value; *at; at++) {
        digits = isxdigit((unsigned char)*at) ? digits + 1 : 0;
        if (digits == SECRET_DIGITS)
            return "(not shown, as it may be a secret)";
    }
    return value;
}
