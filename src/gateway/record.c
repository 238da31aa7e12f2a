#include "gateway/record.h"

/* The record header of the FastCGI specification 1.0, section 3.3. */
enum {
    HEADER_LENGTH = 8,
    VERSION = 0,
    TYPE = 1,
    REQUEST_ID = 2,
    CONTENT_LENGTH = 4,
    PADDING_LENGTH = 6,

    VERSION_1 = 1,
    ABORT_REQUEST = 2,
    STDIN = 5,
};

static size_t big_endian(const uint8_t bytes[static 2]) {
    return (size_t)bytes[0] << 8 | bytes[1];
}

size_t record_unit_length(const uint8_t *data, size_t length) {
    size_t at = 0;
    while (at < length) {
        const uint8_t *record = data + at;
        if (record[VERSION] != VERSION_1)
            return length;
        if (length - at < HEADER_LENGTH)
            return 0;
        size_t content = big_endian(record + CONTENT_LENGTH);
        size_t end = at + HEADER_LENGTH + content + record[PADDING_LENGTH];
        if (end > length)
            return 0;
        if (at == 0 && big_endian(record + REQUEST_ID) == 0)
            return end;
        if (record[TYPE] == ABORT_REQUEST || (record[TYPE] == STDIN && content == 0))
            return end;
        at = end;
    }
    return 0;
}
