#include "token/packer.h"

/*
 * deflateReset clears a hash table of 1 << (memLevel + 8) bytes: 64 KiB at the default memLevel 8,
 * which cost more than the rest of a token. So a short payload takes a smaller stream, whose output
 * is the same if two things hold: its buffer of 1 << (memLevel + 6) symbols does not fill up, and
 * zlib looks at every earlier place that a chain of the hash table holds, see chains_are_short.
 */
static const struct {
    int mem_level;
    unsigned hash_shift; /* zlib's, (memLevel + 7 + 2) / 3 */
    size_t length_max;
} classes[PACKER_STREAMS] = {
    {3, 4, (1u << (3 + 6)) - 2},
    {5, 4, (1u << (5 + 6)) - 2},
    {8, 5, SIZE_MAX},
};

enum {
    STOCK = PACKER_STREAMS - 1,
    SEARCHED_MIN = 32, /* places of a chain that zlib looks at, at level 6, at the least */
};

/*
 * Three bytes hash to (a << 2s) ^ (b << s) ^ c, cut to the size of the table, with s 4 or 5. Those
 * in one chain agree in its low eight bits, which a has no part in. So if no such value occurs more
 * often than zlib searches, in the small table and in the stock one, both find the same matches.
 * Only text of two or three letters over and over fails this.
 */
static bool chains_are_short(const uint8_t *in, size_t length, unsigned shift) {
    uint8_t here[256] = {0};
    uint8_t stock[256] = {0};
    for (size_t i = 1; i < length; i++) {
        uint8_t at_here = (uint8_t)(in[i] ^ in[i - 1] << shift);
        uint8_t at_stock = (uint8_t)(in[i] ^ in[i - 1] << classes[STOCK].hash_shift);
        if (++here[at_here] > SEARCHED_MIN || ++stock[at_stock] > SEARCHED_MIN)
            return false;
    }
    return true;
}

static int class_for(const uint8_t *in, size_t length) {
    int class = 0;
    while (length > classes[class].length_max)
        class ++;
    return class == STOCK || chains_are_short(in, length, classes[class].hash_shift) ? class
                                                                                     : STOCK;
}

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
    int class = class_for(in, length);
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
