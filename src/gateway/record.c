#include "gateway/record.h"

/* The record header of the FastCGI specification 1.0, section 3.3. */
enum {
    HEADER_LENGTH = 8,
    VERSION = 0,
    TYPE = 1,
    CONTENT_LENGTH = 4,
    PADDING_LENGTH = 6,

    VERSION_1 = 1,
    ABORT_REQUEST = 2,
    STDIN = 5,
};

bool record_request_is_whole(const uint8_t *data, size_t length) {
    while (length > 0) {
        if (data[VERSION] != VERSION_1)
            return true;
        if (length < HEADER_LENGTH)
            return false;
        size_t content = (size_t)data[CONTENT_LENGTH] << 8 | data[CONTENT_LENGTH + 1];
        size_t record = HEADER_LENGTH + content + data[PADDING_LENGTH];
        if (record > length)
            return false;
        if (data[TYPE] == ABORT_REQUEST || (data[TYPE] == STDIN && content == 0))
            return true;
        data += record;
        length -= record;
    }
    return false;
}
