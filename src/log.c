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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json/utf8.h"

const char *const log_levels[] = {[LOG_ERROR] = "error",
                                  [LOG_WARNING] = "warning",
                                  [LOG_INFO] = "info",
                                  [LOG_DEBUG] = "debug",
                                  NULL};
const char *const log_formats[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json", NULL};

static _Atomic enum log_level most_verbose = LOG_INFO;
static _Atomic enum log_format format_in_force = LOG_TEXT;

void log_set_level(enum log_level level) {
    most_verbose = level;
}

bool log_enabled(enum log_level level) {
    return level <= most_verbose;
}

void log_set_format(enum log_format format) {
    format_in_force = format;
}

/* The log as it is written: one line at a time, and never waiting for whoever reads it. */
static struct {
    pthread_mutex_t mutex;
    int fd; /* what log_open opened, else -1 */
    unsigned long lost;
    char rest[LOG_LINE_MAX]; /* of a line of which only a part was taken */
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
    /* What is wrong with the settings has to be told before they are there. */
    const char *format = getenv("LOG_FORMAT");
    if (format && strcmp(format, log_formats[LOG_JSON]) == 0)
        log_set_format(LOG_JSON);
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

/* Making lines. Behind what is put there is always room for what ends a line: the ends of a string,
 * an array and an object, and the line feed. */

enum { END_LENGTH = 4 };

static size_t room(const struct log_event *event) {
    const size_t limit = sizeof event->text - END_LENGTH;
    return event->length < limit ? limit - event->length : 0;
}

/* All of it or nothing. */
static bool put_text(struct log_event *event, struct agora_text text) {
    if (text.length > room(event))
        return false;
    memcpy(event->text + event->length, text.data, text.length);
    event->length += text.length;
    return true;
}

static bool put_chars(struct log_event *event, const char *chars) {
    return put_text(event, agora_text_of(chars));
}

static void put_byte(struct log_event *event, char byte) {
    event->text[event->length++] = byte;
}

/* As much as there is room for, as a JSON string that shows no control character to a terminal. */
static bool put_string(struct log_event *event, struct agora_text text) {
    if (!put_chars(event, "\""))
        return false;
    for (bool fits = true; fits && text.length > 0;) {
        size_t length = utf8_length(text);
        const char c = text.data[0];
        if (length == 0)
            fits = put_chars(event, "\\ufffd");
        else if (iscntrl((unsigned char)c))
            fits = put_chars(event, "?");
        else if (c == '"' || c == '\\')
            fits = put_chars(event, (char[]){'\\', c, '\0'});
        else
            fits = put_text(event, (struct agora_text){text.data, length});
        length += length == 0;
        text = (struct agora_text){text.data + length, text.length - length};
    }
    put_byte(event, '"');
    return true;
}

static bool put_value(struct log_event *event, enum log_kind kind, struct agora_text value) {
    bool is_bare = kind == LOG_NUMBER || (kind == LOG_WORD && event->format == LOG_TEXT);
    return is_bare ? put_text(event, value) : put_string(event, value);
}

static bool put_name(struct log_event *event, const char *name) {
    bool is_json = event->format == LOG_JSON;
    return put_chars(event, is_json ? ",\"" : " ") && put_chars(event, name) &&
           put_chars(event, is_json ? "\":" : "=");
}

void log_field(struct log_event *event, const char *name, enum log_kind kind,
               struct agora_text value) {
    size_t before = event->length;
    if (before > 0 && value.length > 0 && !(put_name(event, name) && put_value(event, kind, value)))
        event->length = before;
}

void log_detail(struct log_event *event, const char *name, enum log_kind kind,
                struct agora_text value) {
    if (event->format == LOG_JSON)
        log_field(event, name, kind, value);
}

void log_list(struct log_event *event, const char *name, enum log_kind kind,
              const struct agora_text *values, size_t count) {
    bool is_json = event->format == LOG_JSON;
    size_t before = event->length;
    if (before == 0 || count == 0)
        return;
    bool fits = put_name(event, name) && (!is_json || put_chars(event, "["));
    for (size_t i = 0; fits && i < count; i++) {
        bool is_last = event->length > sizeof event->text / 2 && i + 1 < count;
        fits = (i == 0 || put_chars(event, ",")) &&
               put_value(event, kind, is_last ? agora_text_of("...") : values[i]);
        if (is_last)
            break;
    }
    if (!fits)
        event->length = before;
    else if (is_json)
        put_byte(event, ']');
}

/* As much as there is room for, as it is but for control characters. */
static void put_plain(struct log_event *event, const char *text) {
    for (; *text && room(event) > 0; text++)
        put_byte(event, iscntrl((unsigned char)*text) ? '?' : *text);
}

__attribute__((format(printf, 3, 0))) static void
make(struct log_event *event, enum log_level level, const char *format, va_list arguments) {
    struct timespec now;
    struct tm utc;
    char seconds[32];
    char message[LOG_LINE_MAX];
    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        message[0] = '\0';
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);

    event->format = format_in_force;
    if (event->format == LOG_JSON) {
        event->length =
            (size_t)snprintf(event->text, sizeof event->text,
                             "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"message\":", seconds,
                             now.tv_nsec / 1000000, log_levels[level]);
        put_string(event, agora_text_of(message));
    } else {
        event->length = (size_t)snprintf(event->text, sizeof event->text, "%sZ %s: ", seconds,
                                         log_levels[level]);
        put_plain(event, message);
    }
}

void log_begin(struct log_event *event, enum log_level level, const char *format, ...) {
    event->length = 0;
    if (!log_enabled(level))
        return;
    va_list arguments;
    va_start(arguments, format);
    make(event, level, format, arguments);
    va_end(arguments);
}

static void end_line(struct log_event *event) {
    if (event->format == LOG_JSON)
        put_byte(event, '}');
    put_byte(event, '\n');
}

/* Of the level that it is, whatever is logged: what was lost was. */
__attribute__((format(printf, 2, 3))) static void make_notice(struct log_event *event,
                                                              const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    make(event, LOG_WARNING, format, arguments);
    va_end(arguments);
    end_line(event);
}

/* Lines that are lost are counted, and the next line that can be written tells how many. */
void log_end(struct log_event *event) {
    if (event->length == 0)
        return;
    end_line(event);
    pthread_mutex_lock(&log_.mutex);
    if (log_.lost > 0) {
        struct log_event notice;
        make_notice(&notice, "%lu lines were lost here, as nobody read them", log_.lost);
        if (put(notice.text, notice.length))
            log_.lost = 0;
    }
    if (log_.lost > 0 || !put(event->text, event->length)) {
        log_.lost++;
        lost_lines++;
    }
    pthread_mutex_unlock(&log_.mutex);
    event->length = 0;
}

void log_line(enum log_level level, const char *format, ...) {
    if (!log_enabled(level))
        return;
    struct log_event event;
    va_list arguments;
    va_start(arguments, format);
    make(&event, level, format, arguments);
    va_end(arguments);
    log_end(&event);
}
