/* zlib decompression into a buffer of a fixed size. */
#ifndef TOKEN_INFLATE_H
#define TOKEN_INFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "agora_token.h"

/*
 * Inflates in[length], which must be one whole zlib stream, into out[size]. AGORA_TOKEN_NO_ROOM
 * when out is too small, AGORA_TOKEN_BAD_ZLIB when the stream is damaged, AGORA_TOKEN_NO_MEMORY.
 */
enum agora_token_error inflate_bytes(const uint8_t *in, size_t length, uint8_t *out, size_t size,
                                     size_t *written);

#endif
