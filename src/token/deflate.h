/* zlib compression, quick for what tokens hold. */
#ifndef TOKEN_DEFLATE_H
#define TOKEN_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "agora_token.h"

/* Bytes that the compressed form of `length` bytes never exceeds. */
#define DEFLATE_BOUND(length) ((length) + (length) / 4 + 64)

/* zlib's stream, kept once one was needed, as starting another costs more than its use. */
struct deflater {
    bool ready;
    z_stream stream;
};

void deflate_free(struct deflater *deflater);

/* Writes in[length] to out[size] as a zlib stream. AGORA_TOKEN_NO_ROOM when size is less than
 * DEFLATE_BOUND(length), AGORA_TOKEN_NO_MEMORY when there is none for zlib's stream. */
enum agora_token_error deflate_bytes(struct deflater *deflater, const uint8_t *in, size_t length,
                                     uint8_t *out, size_t size, size_t *written);

#endif
