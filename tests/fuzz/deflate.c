/*
 * The compressor: whatever it makes, stock zlib inflates it to the same bytes. The first byte says
 * how often the others are repeated, so that short inputs get to sizes that are left to zlib.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "token/deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4096, REPEATED_FROM = 0xf0, REPEATED_MAX = 0x100 - REPEATED_FROM };

static void expect(int holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct deflater deflater;
    static uint8_t back[INPUT_MAX * REPEATED_MAX];
    if (size < 1 || size > INPUT_MAX)
        return 0;
    size_t length = --size * (data[0] >= REPEATED_FROM ? data[0] - REPEATED_FROM + 1u : 1u);
    size_t bound = DEFLATE_BOUND(length);
    uint8_t *in = malloc(length);
    uint8_t *out = malloc(bound);
    size_t written;
    uLongf inflated = sizeof back;
    expect(in && out);
    for (size_t i = 0; i < length; i++)
        in[i] = data[1 + i % size];

    expect(deflate_bytes(&deflater, in, length, out, bound, &written) == AGORA_TOKEN_OK);
    expect(written <= bound && uncompress(back, &inflated, out, written) == Z_OK);
    expect(inflated == length && memcmp(back, in, length) == 0);
    free(out);
    free(in);
    return 0;
}
