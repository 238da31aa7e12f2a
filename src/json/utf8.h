#ifndef JSON_UTF8_H
#define JSON_UTF8_H

#include "agora_token.h"

/* The length in bytes of the UTF-8 character at the beginning, 0 when there is none. */
size_t utf8_length(struct agora_text text);

/* How many bytes from the beginning are UTF-8. */
size_t utf8_valid_length(struct agora_text text);

#endif
