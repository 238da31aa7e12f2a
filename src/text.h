/* Small helpers on counted text. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "agora_token.h"

/* The same bytes. */
static inline bool text_same(struct agora_text a, struct agora_text b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool text_equals(struct agora_text text, const char *string) {
    return text_same(text, agora_text_of(string));
}

/* Splits *rest at the first separator: returns what stands before it and moves *rest behind it.
 * *rest becomes {NULL, 0} when no separator was left. */
struct agora_text text_cut(struct agora_text *rest, char separator);

/* Without the spaces, tabs and line ends at both ends. */
struct agora_text text_trim(struct agora_text text);

/* The value of a hexadecimal digit, -1 for any other character. */
int hex_digit(char c);

/* Decodes percent escapes into out, which may be where the text is, and returns the length. An
 * unescaped `raw` becomes `replacement`. A malformed escape becomes a zero byte, which no path and
 * no value may contain. */
size_t percent_decode(struct agora_text text, char raw, char replacement, char *out);

/* A value as it may stand in a message: printable UTF-8 as it is, every other byte as %XX, so that
 * it can't break a line or move a cursor, and long ones cut. Use as quote(value).text. */
enum { QUOTED_BYTES_MAX = 64 };
struct quoted {
    /* Escapes but for the last character, which may be longer. */
    char text[3 * QUOTED_BYTES_MAX + 1 + sizeof "..."];
};
struct quoted quote(struct agora_text value);

/* Prints all of a text, with the same escapes. */
void text_print(struct agora_text text, FILE *out);

/* Finds which of some names a misspelt one is nearest to: one that begins with it, or the one that
 * takes the fewest changes of a character. best stays NULL where all take too many. */
struct nearest {
    struct agora_text name;
    const char *best;
    size_t distance;
};
void nearest_try(struct nearest *nearest, const char *candidate);

#endif
