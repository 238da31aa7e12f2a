#include "token/inflate.h"

#include <limits.h>
#include <stdbool.h>
#include <zlib.h>

/* What z_stream.data_type tells after inflate(Z_BLOCK). */
enum { UNUSED_BITS = 7, LAST_BLOCK = 64, BLOCK_ENDED = 128 };

/* Between the last block and the next whole byte stand bits that inflate ignores. A compressor
 * leaves them zero; anything else would be a second text for the same token. */
static bool has_stray_bits(const z_stream *stream) {
    int unused = stream->data_type & UNUSED_BITS;
    return (stream->data_type & LAST_BLOCK) && (stream->data_type & BLOCK_ENDED) &&
           stream->next_in[-1] >> (8 - unused) != 0;
}

static enum agora_token_error inflate_blocks(z_stream *stream) {
    for (;;) {
        int status = inflate(stream, Z_BLOCK);
        if (status == Z_STREAM_END)
            return stream->avail_in == 0 ? AGORA_TOKEN_OK : AGORA_TOKEN_BAD_ZLIB;
        if (status == Z_MEM_ERROR)
            return AGORA_TOKEN_NO_MEMORY;
        /* No progress: for lack of output space, or else of input. */
        if (status == Z_BUF_ERROR)
            return stream->avail_in > 0 ? AGORA_TOKEN_NO_ROOM : AGORA_TOKEN_BAD_ZLIB;
        if (status != Z_OK || has_stray_bits(stream))
            return AGORA_TOKEN_BAD_ZLIB;
    }
}

enum agora_token_error inflate_bytes(const uint8_t *in, size_t length, uint8_t *out, size_t size,
                                     size_t *written) {
    z_stream stream = {
        .next_in = (z_const Bytef *)in,
        .avail_in = (uInt)length,
        .next_out = out,
        .avail_out = size > UINT_MAX ? UINT_MAX : (uInt)size,
    };
    if (length > UINT_MAX)
        return AGORA_TOKEN_TOO_LONG;
    if (inflateInit(&stream) != Z_OK)
        return AGORA_TOKEN_NO_MEMORY;

    enum agora_token_error error = inflate_blocks(&stream);
    *written = (size_t)(stream.next_out - out);
    (void)inflateEnd(&stream);
    return error;
}
