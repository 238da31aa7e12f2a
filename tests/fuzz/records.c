/*
 * What a web server sends on a connection. The first byte says how the rest is cut into pieces, and
 * what follows it. However it is cut, the same requests are answered, each by one FCGI_END_REQUEST,
 * and the answers are whole records.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/codec.h"
#include "log.h"

enum { HEADER = 8, PIECES = 0x3f, BODY_FOLLOWS = 0x40, PARAMETERS_FOLLOW = 0x80 };
enum type { END = 3, STDOUT = 6, GET_VALUES_RESULT = 10, UNKNOWN_TYPE = 11 };

static void expect(bool condition) {
    if (!condition)
        abort();
}

/* What came out, but for the content of the answers, which differs each time. */
struct outcome {
    struct buffer out;
    struct buffer summary;
    enum next_step next_step;
};

static struct codec codec;

/* As a worker does: what is not whole yet is given again with what comes next. */
static void feed(const uint8_t *data, size_t size, size_t pieces, struct outcome *outcome) {
    struct record_reader reader = {0};
    size_t begin = 0;
    outcome->next_step = KEEP_OPEN;
    for (size_t piece = 1; piece <= pieces && outcome->next_step == KEEP_OPEN; piece++) {
        size_t end = size * piece / pieces;
        /* On the heap and of this very size, for the sanitizer to see a read past it. */
        uint8_t *copy = malloc(end - begin + 1);
        memcpy(copy + 1, data + begin, end - begin);
        size_t used;
        outcome->next_step =
            codec_answer(&codec, &reader, copy + 1, end - begin, &used, &outcome->out);
        expect(used <= end - begin);
        expect(outcome->next_step != KEEP_OPEN || end - begin - used < REQUEST_MAX);
        begin += used;
        free(copy);
    }
}

/* Whole records of the types that there are; those of one request end in one FCGI_END_REQUEST, with
 * no other's between. */
static void summarize(struct outcome *outcome) {
    const uint8_t *record = (const uint8_t *)outcome->out.data;
    size_t left = outcome->out.length;
    unsigned open = 0;
    while (left > 0) {
        expect(left >= HEADER && record[0] == 1);
        unsigned id = (unsigned)(record[2] << 8 | record[3]);
        size_t content = (size_t)(record[4] << 8 | record[5]);
        size_t length = HEADER + content + record[6];
        expect(left >= length);
        switch (record[1]) {
        case STDOUT:
            expect(id != 0 && (open == 0 || open == id));
            open = id;
            break;
        case END:
            expect(id != 0 && (open == 0 || open == id) && content == 8);
            open = 0;
            break;
        case GET_VALUES_RESULT:
        case UNKNOWN_TYPE:
            expect(id == 0 && open == 0);
            break;
        default:
            expect(false);
        }
        if (record[1] != STDOUT)
            buffer_put(&outcome->summary, (struct agora_text){(const char *)record, length});
        record += length;
        left -= length;
    }
    expect(open == 0);
}

static size_t count_ends(const struct outcome *outcome) {
    size_t count = 0;
    const char *record = outcome->summary.data;
    for (size_t left = outcome->summary.length; left > 0;) {
        size_t length =
            HEADER + (size_t)((uint8_t)record[4] << 8 | (uint8_t)record[5]) + (uint8_t)record[6];
        count += record[1] == END;
        record += length;
        left -= length;
    }
    return count;
}

/* How many FCGI_BEGIN_REQUEST there are at the most, by a reader of records that knows no order. */
static size_t count_begins(const uint8_t *data, size_t size) {
    size_t count = 0;
    for (size_t at = 0; size - at >= HEADER && data[at] == 1;) {
        size_t length = HEADER + (size_t)(data[at + 4] << 8 | data[at + 5]) + data[at + 6];
        count += data[at + 1] == 1;
        if (length > size - at)
            break;
        at += length;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct settings settings = {
        .app_id = "970CA35de60c44645bbae8a215061b33",
        .app_certificate = "5CFd2fd1755d40ecb72977518be15d3b",
    };
    if (!codec.api.minter) {
        log_set_level(LOG_ERROR);
        codec.api = (struct api){.settings = &settings, .minter = agora_minter_new()};
        codec.max_connections = 16;
        expect(codec_start());
    }
    if (size < 2)
        return 0;

    /* More than a request may have, in records of a kilobyte. */
    static const uint8_t stdin_header[HEADER] = {1, 5, 0, 1, 4, 0, 0, 0};
    static const uint8_t params_header[HEADER] = {1, 4, 0, 1, 4, 0, 0, 0};
    static const uint8_t zeros[1024];
    uint8_t how = data[0];
    bool is_long = how & (BODY_FOLLOWS | PARAMETERS_FOLLOW);
    struct buffer stream = {0};
    buffer_put(&stream, (struct agora_text){(const char *)data + 1, size - 1});
    for (int i = 0; is_long && i < 100; i++) {
        const uint8_t *header = how & BODY_FOLLOWS ? stdin_header : params_header;
        buffer_put(&stream, (struct agora_text){(const char *)header, HEADER});
        buffer_put(&stream, (struct agora_text){(const char *)zeros, sizeof zeros});
    }

    struct outcome at_once = {0};
    struct outcome in_pieces = {0};
    const uint8_t *bytes = (const uint8_t *)stream.data;
    feed(bytes, stream.length, 1, &at_once);
    feed(bytes, stream.length, (how & PIECES) + 2, &in_pieces);
    summarize(&at_once);
    summarize(&in_pieces);
    expect(count_ends(&at_once) <= count_begins(bytes, stream.length));
    /* Where one that is too long is cut off depends on what has come by then. */
    expect(is_long || at_once.next_step == in_pieces.next_step);
    expect(is_long || at_once.summary.length == in_pieces.summary.length);
    expect(is_long || at_once.summary.length == 0 ||
           memcmp(at_once.summary.data, in_pieces.summary.data, at_once.summary.length) == 0);

    struct buffer *buffers[] = {&stream, &at_once.out, &at_once.summary, &in_pieces.out,
                                &in_pieces.summary};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        buffer_free(buffers[i]);
    return 0;
}
