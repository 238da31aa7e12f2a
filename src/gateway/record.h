/* FastCGI records (FastCGI specification 1.0), as far as it takes to see where a request ends and
 * that libfcgi can take it. */
#ifndef GATEWAY_RECORD_H
#define GATEWAY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/buffer.h"

enum record_kind {
    RECORD_PARTIAL,      /* more bytes are needed */
    RECORD_REQUEST,      /* a whole request, up to the empty FCGI_STDIN that ends it */
    RECORD_ABORTED,      /* a request that FCGI_ABORT_REQUEST ends */
    RECORD_UNKNOWN_ROLE, /* the FCGI_BEGIN_REQUEST of a request that is not for a responder */
    RECORD_MANAGEMENT,   /* one record of a management type */
    RECORD_LATE,         /* one record of a request that has been answered */
    RECORD_BROKEN,       /* not FastCGI, records out of order, or parameters beyond their record */
};

/* How far the records of a connection have been read, so that no byte is read twice however slowly
 * a request comes. All zero at first. */
struct record_reader {
    size_t length; /* of the whole records that have been read of this request */
    enum { AT_BEGIN, AT_PARAMS, AT_STDIN } phase;
    uint16_t id;
    uint16_t refused_id; /* of the request whose role was unknown, the rest of which may follow */
    bool keep_connection;
};

/*
 * What data begins with. After any answer but RECORD_PARTIAL and RECORD_BROKEN, reader->length
 * bytes have been dealt with, and data of the next call must begin behind them. After
 * RECORD_PARTIAL it must begin with the same bytes again.
 */
enum record_kind record_next(struct record_reader *reader, const uint8_t *data, size_t length);

/*
 * True if each name and value of FCGI_PARAMS lies within them. libfcgi allocates whatever length it
 * is told, and aborts the process when that cannot be had. data: whole records of one request.
 */
bool record_parameters_are_sound(const uint8_t *data, size_t length);

enum record_status { RECORD_REQUEST_COMPLETE = 0, RECORD_ROLE_UNKNOWN = 3 };

/* Appends the FCGI_END_REQUEST of a request that libfcgi does not see. */
void record_put_end(struct buffer *out, uint16_t id, enum record_status status);

/* Appends the answer to a management record. (libfcgi would wait for the record behind it, and has
 * only 64 bytes for the names.) */
void record_answer_management(const uint8_t *record, size_t length, unsigned max_connections,
                              struct buffer *out);

#endif
