#include "token/deflate.h"

#include <assert.h>
#include <string.h>

#include "token/wire.h"

/*
 * zlib spends nearly all of its time on a token in building Huffman trees, and then uses the fixed
 * codes of RFC 1951, 3.2.6, as trees only pay for more text than a token usually holds. So what is
 * short when written in one block with the fixed codes is done here, and all else is left to zlib.
 */
enum {
    FIXED_IN_MAX = 4096, /* of the payload */
    FIXED_OUT_MAX = 256, /* of the block; longer ones zlib's trees make up to 40 % shorter */
    MATCH_MIN = 3,
    MATCH_MAX = 258,
    LAZY_MAX = 16,  /* a match of this length is taken without a look at the next byte's */
    CHAIN_MAX = 16, /* earlier places that are compared for a match */
    HASH_BITS = 9,
    ZLIB_HEAD = 2,
    STORED_HEAD = 5,
};

struct bit_writer {
    uint8_t *at;
    const uint8_t *end;
    uint64_t held;
    unsigned count; /* of bits held, less than 32 between calls */
};

static inline void put(struct bit_writer *w, uint32_t bits, unsigned count) {
    w->held |= (uint64_t)bits << w->count;
    w->count += count;
    if (w->count >= 32) {
        assert(w->end - w->at >= 4);
        wire_store_u32(w->at, (uint32_t)w->held);
        w->at += 4;
        w->held >>= 32;
        w->count -= 32;
    }
}

/* Huffman codes begin with their most significant bit, unlike all else. */
static uint32_t reversed(uint32_t byte) {
    static const uint8_t nibbles[] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
    return (uint32_t)nibbles[byte & 15] << 4 | nibbles[byte >> 4];
}

static void put_literal(struct bit_writer *w, uint8_t byte) {
    unsigned high = byte >= 144; /* those take nine bits, the first of them set */
    put(w, reversed(high ? byte : byte + 0x30u) << high | high, 8 + high);
}

/* Values of a length or distance share a code if they agree in their leading bit and the next
 * `precision` ones. The `extra` bits after those follow the code as they are. */
static unsigned code_of(unsigned value, unsigned precision, unsigned *extra) {
    unsigned leading = 31 - (unsigned)__builtin_clz(value | 1);
    *extra = leading > precision ? leading - precision : 0;
    return (*extra << precision) + (value >> *extra);
}

struct match {
    unsigned length;
    unsigned distance; /* 0: none was found */
};

static void put_match(struct bit_writer *w, struct match match) {
    unsigned extra = 0;
    unsigned value = match.length - MATCH_MIN;
    /* The greatest length has a code of its own. The first 23 codes take seven bits, and follow
     * that of the block's end. */
    unsigned code = match.length == MATCH_MAX ? 28 : code_of(value, 2, &extra);
    if (code < 23)
        put(w, reversed(code + 1) >> 1, 7);
    else
        put(w, reversed(0xc0 + code - 23), 8);
    put(w, value & ((1u << extra) - 1), extra);

    value = match.distance - 1;
    code = code_of(value, 1, &extra);
    put(w, reversed(code) >> 3, 5);
    put(w, value & ((1u << extra) - 1), extra);
}

/* For each place how far back its three bytes, or others of the same hash, stood last; else 0. */
static void link_places(const uint8_t *in, size_t length, uint16_t links[static FIXED_IN_MAX + 1]) {
    uint16_t last[1 << HASH_BITS] = {0}; /* plus one */
    size_t at = 0;
    for (; at + MATCH_MIN <= length; at++) {
        uint32_t three = in[at] | (uint32_t)in[at + 1] << 8 | (uint32_t)in[at + 2] << 16;
        uint16_t *entry = &last[three * 0x9e3779b1u >> (32 - HASH_BITS)];
        links[at] = *entry ? (uint16_t)(at + 1 - *entry) : 0;
        *entry = (uint16_t)(at + 1);
    }
    memset(&links[at], 0, (length + 1 - at) * sizeof links[0]);
}

static inline struct match longest_match(const uint8_t *in, size_t length,
                                         const uint16_t links[static FIXED_IN_MAX + 1], size_t at) {
    if (links[at] == 0)
        return (struct match){0};
    struct match best = {MATCH_MIN - 1, 0};
    size_t most = length - at < MATCH_MAX ? length - at : MATCH_MAX;
    size_t place = at;
    for (int left = CHAIN_MAX; left > 0 && links[place] > 0; left--) {
        place -= links[place];
        unsigned same = 0;
        while (same < most && in[place + same] == in[at + same])
            same++;
        if (same > best.length)
            best = (struct match){same, (unsigned)(at - place)};
    }
    return best;
}

/* The length of the stream, or 0 where it is for zlib to write. */
static size_t deflate_fixed(const uint8_t *in, size_t length, uint8_t *out, size_t size) {
    uint16_t links[FIXED_IN_MAX + 1];
    size_t block_max = length + STORED_HEAD < FIXED_OUT_MAX ? length + STORED_HEAD : FIXED_OUT_MAX;
    const uint8_t *limit = out + ZLIB_HEAD + block_max;
    struct bit_writer w = {.at = out, .end = out + size};

    assert(length <= FIXED_IN_MAX);
    link_places(in, length, links);
    put(&w, 0x9c78, 16); /* zlib's head at its default level */
    put(&w, 3, 3);       /* the last block, with fixed codes */
    struct match match = longest_match(in, length, links, 0);
    for (size_t at = 0; at < length && w.at <= limit;) {
        struct match next = {0};
        if (match.length < LAZY_MAX)
            next = longest_match(in, length, links, at + 1);
        if (match.distance == 0 || next.length > match.length) {
            put_literal(&w, in[at++]);
            match = next;
        } else {
            put_match(&w, match);
            at += match.length;
            match = longest_match(in, length, links, at);
        }
    }
    put(&w, 0, 7); /* the end of the block */
    put(&w, 0, -w.count % 8);
    if (w.at + w.count / 8 > limit)
        return 0;

    put(&w, __builtin_bswap32((uint32_t)adler32(1, in, (uInt)length)), 32);
    size_t written = (size_t)(w.at - out) + w.count / 8;
    put(&w, 0, 32); /* so that what is held goes out */
    return written;
}

static enum agora_token_error deflate_by_zlib(struct deflater *deflater, const uint8_t *in,
                                              size_t length, uint8_t *out, size_t size,
                                              size_t *written) {
    z_stream *stream = &deflater->stream;
    if (!deflater->ready && deflateInit(stream, Z_DEFAULT_COMPRESSION) != Z_OK)
        return AGORA_TOKEN_NO_MEMORY;
    deflater->ready = true;
    (void)deflateReset(stream);
    stream->next_in = (z_const Bytef *)in;
    stream->avail_in = (uInt)length;
    stream->next_out = out;
    stream->avail_out = (uInt)size;
    int status = deflate(stream, Z_FINISH);
    assert(status == Z_STREAM_END);
    *written = stream->total_out;
    return AGORA_TOKEN_OK;
}

enum agora_token_error deflate_bytes(struct deflater *deflater, const uint8_t *in, size_t length,
                                     uint8_t *out, size_t size, size_t *written) {
    if (size < DEFLATE_BOUND(length))
        return AGORA_TOKEN_NO_ROOM;
    *written = length <= FIXED_IN_MAX ? deflate_fixed(in, length, out, size) : 0;
    return *written > 0 ? AGORA_TOKEN_OK
                        : deflate_by_zlib(deflater, in, length, out, size, written);
}

void deflate_free(struct deflater *deflater) {
    if (deflater->ready)
        (void)deflateEnd(&deflater->stream);
}
