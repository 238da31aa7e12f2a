/* One line per event on standard error. Never pass a secret or a token. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Their names, and a NULL. */
extern const char *const log_levels[];

/* Info until this is called. */
void log_set_level(enum log_level level);

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

#endif
