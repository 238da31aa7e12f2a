/* What a message may tell of what somebody has typed or set: nothing that may be a secret which got
 * into the wrong place. */
#ifndef TELL_H
#define TELL_H

#include <stdbool.h>

#include "agora_token.h"

/* Whether a text holds 16 hexadecimal digits in a row, half of an App Certificate. */
bool may_be_secret(struct agora_text text);

#define NOT_TOLD "(not shown, as it may be a secret)"

/* The value, or those words in its place. */
const char *tell(const char *value);

/* The name of the option that getopt_long has just refused, up to the next call. */
struct agora_text refused_option(char *const *argv);

#endif
