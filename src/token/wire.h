/* The primitives of the token format: little-endian integers and counted strings. */
#ifndef TOKEN_WIRE_H
#define TOKEN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agora_token.h"

/* What a token's text begins with. */
#define VERSION_007 "007"
#define VERSION_006 "006"
enum { VERSION_LENGTH = 3 };

/*
 * Writes into a block of a fixed size, and goes on counting past its end: after the last write,
 * length <= size tells whether everything went in, and length how many bytes it takes. `malformed`
 * is set by a string or a count that 16 bits can't hold.
 */
struct wire_writer {
    uint8_t *data;
    size_t size;
    size_t length;
    bool malformed;
};

void wire_put_bytes(struct wire_writer *w, const void *bytes, size_t count);
void wire_put_u16(struct wire_writer *w, uint16_t value);
void wire_put_u32(struct wire_writer *w, uint32_t value);
void wire_put_count(struct wire_writer *w, size_t count);
void wire_put_string(struct wire_writer *w, struct agora_text text);

/*
 * Reads from a block, and stops at its end: what does not fit sets `failed` and empties the reader,
 * and from then on every read gives 0 or "". So a caller may read a whole structure and ask once;
 * loops over a count that was read must ask each time.
 */
struct wire_reader {
    const uint8_t *data;
    size_t left;
    bool failed;
};

uint16_t wire_get_u16(struct wire_reader *r);
uint32_t wire_get_u32(struct wire_reader *r);
struct agora_text wire_get_string(struct wire_reader *r);

static inline void wire_store_u32(uint8_t out[static 4], uint32_t value) {
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
    out[2] = (uint8_t)(value >> 16);
    out[3] = (uint8_t)(value >> 24);
}

#endif
