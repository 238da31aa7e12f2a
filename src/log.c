#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

void log_line(enum log_level level, const char *format, ...) {
    if (!log_enabled(level))
        return;

    char line[1024];
    const size_t room = sizeof line - 1; /* for the line feed */
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    size_t length = strftime(line, room, "%Y-%m-%dT%H:%M:%SZ ", &utc);
    length += (size_t)snprintf(line + length, room - length, "%s: ", names[level]);

    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line + length, room - length, format, arguments);
    va_end(arguments);
    if (written > 0)
        length += (size_t)written < room - length ? (size_t)written : room - length - 1;
    line[length++] = '\n';

    /* Standard error may be full or gone; there is nobody left to tell. */
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
}
