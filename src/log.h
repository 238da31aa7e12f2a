/* One line per event on standard error. Never pass a secret or a token. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "agora_token.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* Their names, and a NULL. */
extern const char *const log_levels[];
extern const char *const log_formats[];

/* Info until this is called. */
void log_set_level(enum log_level level);

/* Until this is called, what LOG_FORMAT in the environment says at log_open, else text. */
void log_set_format(enum log_format format);

bool log_enabled(enum log_level level);

/*
 * To be called once, at the start. Without it the log works too, but may wait for whoever reads a
 * terminal. A log file that has reached the limit on file sizes ends the process no more.
 */
void log_open(void);

/* How many lines were lost since the start. */
unsigned long log_lost_lines(void);

/* Safe from several threads: lines are not mixed. Never waits for whoever reads the log. */
__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

/* Lines with fields: ` name=value` behind the message, or members of the one JSON object that is
 * then the line. Whatever goes in, the line ends well: what is too long is cut. */

enum { LOG_LINE_MAX = 4096 }; /* PIPE_BUF, so that a pipe takes a line at once */

/* A line that is being made, in the format in which it was begun. One of length 0, as after zeroing
 * or where its level is not logged, takes nothing and is not written. */
struct log_event {
    enum log_format format;
    size_t length;
    char text[LOG_LINE_MAX];
};

enum log_kind {
    LOG_NUMBER,
    LOG_WORD,   /* one of our own, which text has without quotes */
    LOG_STRING, /* UTF-8, at best by quote(): what is none or a control character is replaced */
};

__attribute__((format(printf, 3, 4))) void log_begin(struct log_event *event, enum log_level level,
                                                     const char *format, ...);

void log_field(struct log_event *event, const char *name, enum log_kind kind,
               struct agora_text value);

/* The same in JSON alone: what the message tells in its words, or text does without. */
void log_detail(struct log_event *event, const char *name, enum log_kind kind,
                struct agora_text value);

/* Several values, which text has with commas and JSON in an array. From half the length of a line
 * on they make room for what follows: "..." stands for the rest. */
void log_list(struct log_event *event, const char *name, enum log_kind kind,
              const struct agora_text *values, size_t count);

/* Writes the line, and leaves the event empty. */
void log_end(struct log_event *event);

#endif
