#include "redact.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { SECRET_DIGITS = 16 };

size_t length_before_secret(struct agora_text text) {
    size_t digits = 0;
    for (size_t i = 0; i < text.length; i++) {
        digits = isxdigit((unsigned char)text.data[i]) ? digits + 1 : 0;
        if (digits == SECRET_DIGITS)
            return i + 1 - digits;
    }
    return text.length;
}

bool may_be_secret(struct agora_text text) {
    return length_before_secret(text) < text.length;
}

const char *redact(const char *value) {
    return may_be_secret(agora_text_of(value)) ? REDACTED : value;
}

struct quoted show(struct agora_text value) {
    return quote(may_be_secret(value) ? agora_text_of(REDACTED) : value);
}

/* The name of the option that getopt_long has just refused. */
static struct agora_text refused_name(char *const *argv) {
    /* Of a word such as -xyz one letter at a time is taken, and optind is still at the one before
     * it, which may be a value. */
    static char letter[] = "-?";
    if (optopt > 0 && optopt <= UCHAR_MAX) {
        letter[1] = (char)optopt;
        return agora_text_of(letter);
    }
    /* The value behind a misspelt name may be a secret. */
    const char *word = argv[optind - 1];
    return (struct agora_text){word, strcspn(word, "=")};
}

struct refusal refused_option(int result, char *const *argv, const struct option *options) {
    struct refusal refusal;
    struct nearest nearest = {.name = refused_name(argv)};
    bool has_value = optopt > UCHAR_MAX && result != ':';
    int length = snprintf(refusal.text, sizeof refusal.text,
                          result == ':' ? "%s needs a value"
                          : has_value   ? "%s takes no value"
                                        : "there is no option %s",
                          show(nearest.name).text);
    if (result == ':' || has_value)
        return refusal;
    while (nearest.name.length > 0 && nearest.name.data[0] == '-')
        nearest.name = (struct agora_text){nearest.name.data + 1, nearest.name.length - 1};
    for (; options->name; options++)
        nearest_try(&nearest, options->name);
    if (nearest.best)
        snprintf(refusal.text + length, sizeof refusal.text - (size_t)length,
                 " (did you mean --%s?)", nearest.best);
    return refusal;
}
