/* From the bytes that a web server sends to the bytes of the answers, without a socket. */
#ifndef GATEWAY_CODEC_H
#define GATEWAY_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "gateway/record.h"

/* A body of the largest size, all parameters and record headers. What is longer is answered with
 * 413 and cut off. */
enum { REQUEST_MAX = REQUEST_BODY_MAX + 32 * 1024 };

/* What a thread needs to answer with. All zero but for the first two. */
struct codec {
    struct api api;
    unsigned max_connections; /* for web servers that ask */
    struct response response;
    struct buffer head;
    char body[REQUEST_BODY_MAX + 1];
};

/* What is to become of the connection once the answers have been sent. LINGER: to be closed when
 * the rest of a request has come, as to close on bytes that are not read would take the answer from
 * the peer. */
enum next_step { KEEP_OPEN, CLOSE, LINGER };

/* Once, before any other thread runs: false when libfcgi cannot be used in this way. */
bool codec_start(void);

void codec_free(struct codec *codec);

/*
 * Answers what is whole in data, and appends the bytes of the answers to out. `used` is how many
 * bytes of data that was: the next call has to begin behind them, with the same reader.
 */
enum next_step codec_answer(struct codec *codec, struct record_reader *reader, const uint8_t *data,
                            size_t length, size_t *used, struct buffer *out);

#endif
