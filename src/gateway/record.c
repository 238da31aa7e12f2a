#include "gateway/record.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

/* The record header of the FastCGI specification 1.0, section 3.3, the body of FCGI_BEGIN_REQUEST
 * of section 5.1, and the types of section 8. */
enum {
    VERSION = 0,
    TYPE = 1,
    REQUEST_ID = 2,
    CONTENT_LENGTH = 4,
    PADDING_LENGTH = 6,
    HEADER_LENGTH = 8,
    ROLE = 8,
    FLAGS = 10,
    BEGIN_REQUEST_LENGTH = 8,

    VERSION_1 = 1,
    RESPONDER = 1,
    KEEP_CONN = 1,

    BEGIN_REQUEST = 1,
    ABORT_REQUEST = 2,
    END_REQUEST = 3,
    PARAMS = 4,
    STDIN = 5,
    DATA = 8,
    GET_VALUES = 9,
    GET_VALUES_RESULT = 10,
    UNKNOWN_TYPE = 11,
};

static uint16_t big_endian(const uint8_t bytes[static 2]) {
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static size_t content_length(const uint8_t *record) {
    return big_endian(record + CONTENT_LENGTH);
}

static size_t record_length(const uint8_t *record) {
    return HEADER_LENGTH + content_length(record) + record[PADDING_LENGTH];
}

/*
 * libfcgi would skip records of other requests, answer management records in the midst of one, take
 * the content of FCGI_ABORT_REQUEST for records, and the padding of FCGI_BEGIN_REQUEST and of the
 * empty FCGI_PARAMS too. So that it sees only what is checked here, a request is held to the order
 * in which web servers send it: FCGI_BEGIN_REQUEST, FCGI_PARAMS to an empty one, FCGI_STDIN to an
 * empty one, all of one ID. Those two have no padding. A request that is aborted libfcgi does not
 * see at all.
 */
static enum record_kind begin(struct record_reader *reader, const uint8_t *record) {
    uint8_t type = record[TYPE];
    reader->id = big_endian(record + REQUEST_ID);
    if (reader->id == 0)
        return RECORD_MANAGEMENT;
    if (type == ABORT_REQUEST)
        return RECORD_LATE;
    if (reader->id == reader->refused_id && (type == PARAMS || type == STDIN || type == DATA))
        return RECORD_LATE;
    if (type != BEGIN_REQUEST || content_length(record) != BEGIN_REQUEST_LENGTH ||
        record[PADDING_LENGTH] > 0)
        return RECORD_BROKEN;

    reader->keep_connection = record[FLAGS] & KEEP_CONN;
    reader->refused_id = 0;
    if (big_endian(record + ROLE) != RESPONDER) {
        reader->refused_id = reader->id;
        return RECORD_UNKNOWN_ROLE;
    }
    reader->phase = AT_PARAMS;
    return RECORD_PARTIAL;
}

/* data: the records of the request, up to this one. */
static enum record_kind proceed(struct record_reader *reader, const uint8_t *record,
                                const uint8_t *data) {
    if (big_endian(record + REQUEST_ID) != reader->id)
        return RECORD_BROKEN;
    if (record[TYPE] == ABORT_REQUEST)
        return RECORD_ABORTED;
    if (record[TYPE] != (reader->phase == AT_PARAMS ? PARAMS : STDIN))
        return RECORD_BROKEN;
    if (content_length(record) > 0)
        return RECORD_PARTIAL;
    if (reader->phase == AT_STDIN)
        return RECORD_REQUEST;
    reader->phase = AT_STDIN;
    bool is_sound =
        record[PADDING_LENGTH] == 0 && record_parameters_are_sound(data, reader->length);
    return is_sound ? RECORD_PARTIAL : RECORD_BROKEN;
}

enum record_kind record_next(struct record_reader *reader, const uint8_t *data, size_t length) {
    if (reader->phase == AT_BEGIN)
        reader->length = 0;
    enum record_kind kind = RECORD_PARTIAL;
    while (kind == RECORD_PARTIAL && reader->length < length) {
        const uint8_t *record = data + reader->length;
        size_t left = length - reader->length;
        if (record[VERSION] != VERSION_1)
            return RECORD_BROKEN;
        if (left < HEADER_LENGTH || left < record_length(record))
            return RECORD_PARTIAL;
        reader->length += record_length(record);
        kind = reader->phase == AT_BEGIN ? begin(reader, record) : proceed(reader, record, data);
    }
    if (kind != RECORD_PARTIAL)
        reader->phase = AT_BEGIN;
    return kind;
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

static void put_record(struct buffer *out, uint8_t type, uint16_t id, const char *content,
                       size_t length) {
    const char header[HEADER_LENGTH] = {VERSION_1, (char)type,          (char)(id >> 8),
                                        (char)id,  (char)(length >> 8), (char)length};
    buffer_put(out, (struct agora_text){header, sizeof header});
    buffer_put(out, (struct agora_text){content, length});
}

void record_put_end(struct buffer *out, uint16_t id, enum record_status status) {
    const char body[8] = {[4] = (char)status};
    put_record(out, END_REQUEST, id, body, sizeof body);
}

void record_answer_management(const uint8_t *record, size_t length, unsigned max_connections,
                              struct buffer *out) {
    if (record[TYPE] != GET_VALUES) {
        const char body[8] = {(char)record[TYPE]};
        put_record(out, UNKNOWN_TYPE, 0, body, sizeof body);
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
        const char *name = variables[i].name;
        const char *value = variables[i].value;
        if (memmem(record + HEADER_LENGTH, length - HEADER_LENGTH, name, strlen(name)))
            used += (size_t)snprintf(pairs + used, sizeof pairs - used, "%c%c%s%s",
                                     (int)strlen(name), (int)strlen(value), name, value);
    }
    put_record(out, GET_VALUES_RESULT, 0, pairs, used);
}
