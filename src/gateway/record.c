#include "gateway/record.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

/* The record header of the FastCGI specification 1.0, section 3.3, and the types of section 8. */
enum {
    HEADER_LENGTH = 8,
    VERSION = 0,
    TYPE = 1,
    REQUEST_ID = 2,
    CONTENT_LENGTH = 4,
    PADDING_LENGTH = 6,

    VERSION_1 = 1,
    BEGIN_REQUEST = 1,
    ABORT_REQUEST = 2,
    PARAMS = 4,
    STDIN = 5,
    GET_VALUES = 9,
    GET_VALUES_RESULT = 10,
    UNKNOWN_TYPE = 11,
};

static size_t big_endian(const uint8_t bytes[static 2]) {
    return (size_t)bytes[0] << 8 | bytes[1];
}

static size_t content_length(const uint8_t *record) {
    return big_endian(record + CONTENT_LENGTH);
}

static size_t record_length(const uint8_t *record) {
    return HEADER_LENGTH + content_length(record) + record[PADDING_LENGTH];
}

/*
 * libfcgi would skip records of other requests, and answer management records in the midst of one.
 * So that it sees just what is checked here, a request is held to the order in which web servers
 * send it: FCGI_BEGIN_REQUEST, FCGI_PARAMS to an empty one, FCGI_STDIN to an empty one, all of one
 * ID.
 */
enum phase { AT_BEGIN, AT_PARAMS, AT_STDIN };

static bool is_expected(const uint8_t *record, enum phase phase, size_t id) {
    static const uint8_t types[] = {
        [AT_BEGIN] = BEGIN_REQUEST, [AT_PARAMS] = PARAMS, [AT_STDIN] = STDIN};
    bool type_fits =
        record[TYPE] == types[phase] || (phase != AT_BEGIN && record[TYPE] == ABORT_REQUEST);
    return type_fits && big_endian(record + REQUEST_ID) == id;
}

enum record_kind record_next(const uint8_t *data, size_t length, size_t *unit) {
    size_t at = 0;
    size_t id = 0;
    enum phase phase = AT_BEGIN;
    *unit = 0;
    while (at < length) {
        const uint8_t *record = data + at;
        if (record[VERSION] != VERSION_1)
            return RECORD_BROKEN;
        if (length - at < HEADER_LENGTH || length - at < record_length(record))
            return RECORD_PARTIAL;
        if (phase == AT_BEGIN)
            id = big_endian(record + REQUEST_ID);
        at += record_length(record);
        *unit = at;
        if (id == 0)
            return RECORD_MANAGEMENT;
        if (phase == AT_BEGIN && record[TYPE] == ABORT_REQUEST)
            return RECORD_LATE_ABORT;
        if (!is_expected(record, phase, id))
            return RECORD_BROKEN;

        bool is_last = content_length(record) == 0 && phase == AT_STDIN;
        if (record[TYPE] == ABORT_REQUEST || is_last)
            return record_parameters_are_sound(data, at) ? RECORD_REQUEST : RECORD_BROKEN;
        if (phase == AT_BEGIN || content_length(record) == 0)
            phase++;
    }
    return RECORD_PARTIAL;
}

/* The contents of the FCGI_PARAMS records, one behind the other. */
struct stream {
    const uint8_t *data; /* the next record */
    size_t length;
    const uint8_t *content; /* what is left of this one */
    size_t left;
};

/* Goes on to the next record with content if this one has been read. False at the end. */
static bool refill(struct stream *stream) {
    while (stream->left == 0) {
        const uint8_t *record = stream->data;
        if (stream->length < HEADER_LENGTH || stream->length < record_length(record))
            return false;
        if (record[TYPE] == PARAMS) {
            stream->content = record + HEADER_LENGTH;
            stream->left = content_length(record);
        }
        stream->data += record_length(record);
        stream->length -= record_length(record);
    }
    return true;
}

static bool skip(struct stream *stream, size_t count) {
    while (count > 0) {
        if (!refill(stream))
            return false;
        size_t taken = count < stream->left ? count : stream->left;
        stream->content += taken;
        stream->left -= taken;
        count -= taken;
    }
    return true;
}

/* The length of a name or a value: one byte, or four with the first bit set. */
static bool read_length(struct stream *stream, size_t *length) {
    if (!refill(stream))
        return false;
    bool is_long = *stream->content & 0x80;
    *length = *stream->content & 0x7f;
    skip(stream, 1);
    for (int i = 0; is_long && i < 3; i++) {
        if (!refill(stream))
            return false;
        *length = *length << 8 | *stream->content;
        skip(stream, 1);
    }
    return true;
}

bool record_parameters_are_sound(const uint8_t *data, size_t length) {
    struct stream stream = {.data = data, .length = length};
    while (refill(&stream)) {
        size_t name;
        size_t value;
        if (!read_length(&stream, &name) || !read_length(&stream, &value) || !skip(&stream, name) ||
            !skip(&stream, value))
            return false;
    }
    return true;
}

static void put_header(struct buffer *out, uint8_t type, size_t length) {
    const char header[HEADER_LENGTH] = {VERSION_1,           (char)type,   0, 0,
                                        (char)(length >> 8), (char)length, 0, 0};
    buffer_put(out, (struct agora_text){header, sizeof header});
}

void record_answer_management(const uint8_t *record, size_t length, unsigned max_connections,
                              struct buffer *out) {
    if (record[TYPE] != GET_VALUES) {
        const char body[8] = {(char)record[TYPE]};
        put_header(out, UNKNOWN_TYPE, sizeof body);
        buffer_put(out, (struct agora_text){body, sizeof body});
        return;
    }

    char limit[16];
    snprintf(limit, sizeof limit, "%u", max_connections);
    const struct {
        const char *name;
        const char *value;
    } variables[] = {{"FCGI_MAX_CONNS", limit}, {"FCGI_MAX_REQS", limit}, {"FCGI_MPXS_CONNS", "0"}};

    char pairs[128];
    size_t used = 0;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        size_t name = strlen(variables[i].name);
        size_t value = strlen(variables[i].value);
        if (!memmem(record + HEADER_LENGTH, length - HEADER_LENGTH, variables[i].name, name))
            continue;
        pairs[used++] = (char)name;
        pairs[used++] = (char)value;
        memcpy(pairs + used, variables[i].name, name);
        memcpy(pairs + used + name, variables[i].value, value);
        used += name + value;
    }
    put_header(out, GET_VALUES_RESULT, used);
    buffer_put(out, (struct agora_text){pairs, used});
}
