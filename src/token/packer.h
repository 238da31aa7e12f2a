/* zlib compression on streams that are kept, byte for byte what compress() gives. */
#ifndef TOKEN_PACKER_H
#define TOKEN_PACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum { PACKER_STREAMS = 2 };

struct packer {
    bool ready[PACKER_STREAMS];
    z_stream streams[PACKER_STREAMS];
};

void packer_free(struct packer *packer);

/* Room that the packed form of `length` bytes never exceeds. */
size_t packer_bound(size_t length);

/* Packs in[length] into out, which holds packer_bound(length). Returns the packed length, 0 when
 * there is no memory for a stream. */
size_t packer_pack(struct packer *packer, const uint8_t *in, size_t length, uint8_t *out);

#endif
