/* libfcgi as a codec: from the bytes of a request to the bytes of its answer, without a socket. */
#ifndef GATEWAY_CODEC_H
#define GATEWAY_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"

/* What a thread needs to answer with. All zero but for the api. */
struct codec {
    struct api api;
    struct response response;
    struct buffer head;
    char body[REQUEST_BODY_MAX + 1];
};

/* Once, before any other thread runs: false when libfcgi can't be used in this way. */
bool codec_start(void);

void codec_free(struct codec *codec);

/*
 * Answers the request that is in data, whose parameters must be sound (record.h), and appends the
 * bytes of the answer to out. One that is cut off, because its end would be too far away, is
 * refused with 413. Returns whether the peer may send another on the same connection.
 */
bool codec_answer(struct codec *codec, const uint8_t *data, size_t length, bool is_cut,
                  struct buffer *out);

#endif
