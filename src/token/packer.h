/* zlib compression on streams that are kept, byte for byte what compress() gives. */
#ifndef TOKEN_PACKER_H
#define TOKEN_PACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "agora_token.h"

enum { PACKER_STREAMS = 3 };

struct packer {
    bool ready[PACKER_STREAMS];
    z_stream streams[PACKER_STREAMS];
};

void packer_free(struct packer *packer);

/* Room that the packed form of `length` bytes never exceeds. */
size_t packer_bound(size_t length);

/* Packs in[length] into out[size]. AGORA_TOKEN_NO_ROOM when it does not fit, which can't happen
 * with packer_bound(length), AGORA_TOKEN_NO_MEMORY when there is none for a stream. */
enum agora_token_error packer_pack(struct packer *packer, const uint8_t *in, size_t length,
                                   uint8_t *out, size_t size, size_t *packed);

#endif
