#ifndef JSON_UTF8_H
#define JSON_UTF8_H

#include "agora_token.h"

/* The length in bytes of the UTF-8 character at the beginning, 0 when there is none. */
size_t utf8_length(struct agora_text text);

/* How many bytes from the beginning are UTF-8. */
size_t utf8_valid_length(struct agora_text text);

/*
 * Writes JSON with \u escapes in place of all but ASCII, and returns its length: json-c 0.18
 * refuses other characters in strict mode. out: room for three times the text, which must be UTF-8,
 * and a NUL that is not written.
 */
size_t utf8_to_json_ascii(struct agora_text text, char *out);

#endif
