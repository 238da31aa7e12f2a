#include "token/packer.h"

/*
 * deflateReset clears a hash table of 1 << (memLevel + 8) bytes: 64 KiB at the default memLevel 8,
 * which cost more than the rest of a token. The output depends on memLevel only once the buffer of
 * 1 << (memLevel + 6) symbols is full, so a payload shorter than that takes a smaller stream.
 */
static const struct {
    int mem_level;
    size_t length_max;
} classes[PACKER_STREAMS] = {
    {5, (1u << (5 + 6)) - 2},
    {8, SIZE_MAX},
};

enum { WINDOW_BITS_DEFAULT = 15 };

void packer_free(struct packer *packer) {
    for (int i = 0; i < PACKER_STREAMS; i++)
        if (packer->ready[i])
            (void)deflateEnd(&packer->streams[i]);
}

size_t packer_bound(size_t length) {
    return length + length / 4 + 64;
}

enum agora_token_error packer_pack(struct packer *packer, const uint8_t *in, size_t length,
                                   uint8_t *out, size_t size, size_t *packed) {
    int class = 0;
    while (length > classes[class].length_max)
        class ++;

    z_stream *stream = &packer->streams[class];
    if (!packer->ready[class]) {
        packer->ready[class] =
            deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS_DEFAULT,
                         classes[class].mem_level, Z_DEFAULT_STRATEGY) == Z_OK;
        if (!packer->ready[class])
            return AGORA_TOKEN_NO_MEMORY;
    } else if (deflateReset(stream) != Z_OK) {
        return AGORA_TOKEN_NO_MEMORY;
    }

    stream->next_in = (z_const Bytef *)in;
    stream->avail_in = (uInt)length;
    stream->next_out = out;
    stream->avail_out = (uInt)size;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END)
        return AGORA_TOKEN_NO_ROOM;
    *packed = stream->total_out;
    return AGORA_TOKEN_OK;
}
