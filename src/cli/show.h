/* Text of a token or an argument, made fit for a terminal. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "agora_token.h"

/* Prints the text with \xNN for what is no printable UTF-8, so that it can't move a cursor. */
void show_text(FILE *out, struct agora_text text);

/* The same for a message about it, cut when long, and left out if it may be a secret. Use as
 * show(text).text. */
enum { SHOWN_BYTES_MAX = 64 };
struct shown {
    char text[4 * SHOWN_BYTES_MAX + sizeof "..."];
};
struct shown show(struct agora_text text);

/* "2024-05-01 12:00:00 CEST", in local time; "…, in 5m 10s" or "…, 2d 3h ago" with that added. */
struct shown show_time(uint64_t unix_seconds);
struct shown show_time_left(uint64_t unix_seconds, uint64_t now);

#endif
