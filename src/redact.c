#include "redact.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
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

struct agora_text refused_option(char *const *argv) {
    /* Of a word such as -xyz one letter at a time is taken, and optind is still at the one before
     * it, which may be a value. */
    static char letter[] = "-?";
    if (optopt > 0 && optopt <= UCHAR_MAX) {
        letter[1] = (char)optopt;
        return agora_text_of(letter);
    }
    /* What stands behind the name may be a secret behind a slip of the pen. */
    const char *word = argv[optind - 1];
    return (struct agora_text){word, strcspn(word, "=")};
}
