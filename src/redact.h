/* Arguments and settings as messages may show them: without what may be a secret in the wrong
 * place. */
#ifndef REDACT_H
#define REDACT_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "text.h"

/* How much of a text stands before the first 16 hexadecimal digits in a row, half of an App
 * Certificate: all of it where there are none. */
size_t length_before_secret(struct agora_text text);

bool may_be_secret(struct agora_text text);

#define REDACTED "(not shown, as it may be a secret)"

/* The value, or those words in its place. */
const char *redact(const char *value);

/* quote() of the value, or of those words. Use as show(value).text. */
struct quoted show(struct agora_text value);

/* What is wrong with the option that getopt_long has just refused with this result: "there is no
 * option --chanel (did you mean --channel?)". The values of options are beyond UCHAR_MAX. Use as
 * refused_option(result, argv, options).text. */
struct refusal {
    char text[2 * sizeof(struct quoted)];
};
struct refusal refused_option(int result, char *const *argv, const struct option *options);

#endif
