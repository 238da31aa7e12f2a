/* What a message may tell of what somebody has typed or set: nothing that may be a secret which got
 * into the wrong place. */
#ifndef REDACT_H
#define REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "agora_token.h"

/* How much of a text stands before the first 16 hexadecimal digits in a row, half of an App
 * Certificate: all of it where there are none. */
size_t length_before_secret(struct agora_text text);

bool may_be_secret(struct agora_text text);

#define REDACTED "(not shown, as it may be a secret)"

/* The value, or those words in its place. */
const char *redact(const char *value);

/* The name of the option that getopt_long has just refused, up to the next call. */
struct agora_text refused_option(char *const *argv);

#endif
