/* Base64 in its one canonical form: standard alphabet, padded, no white space, unused bits zero. */
#ifndef TOKEN_BASE64_H
#define TOKEN_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agora_token.h"

/* Room that the decoded form of `length` characters never exceeds. */
static inline size_t base64_bound(size_t length) {
    return length / 4 * 3;
}

/* Decodes into out, which holds base64_bound(text.length). False for any other form. */
bool base64_decode(struct agora_text text, uint8_t *out, size_t *length);

#endif
