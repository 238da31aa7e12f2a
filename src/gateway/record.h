/* FastCGI records, as far as it takes to see where a request ends and that libfcgi can take it. */
#ifndef GATEWAY_RECORD_H
#define GATEWAY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/buffer.h"

enum record_kind {
    RECORD_PARTIAL,    /* not all is there yet */
    RECORD_REQUEST,    /* a whole request, up to the empty FCGI_STDIN that ends it */
    RECORD_MANAGEMENT, /* one record of a management type */
    RECORD_LATE_ABORT, /* one that ends a request which has been answered */
    RECORD_BROKEN,     /* no FastCGI, records out of order, parameters longer than they can be */
};

/* What data begins with, and how many bytes of it that is; of RECORD_PARTIAL, how many its whole
 * records are. */
enum record_kind record_next(const uint8_t *data, size_t length, size_t *unit);

/*
 * True if each name and value of FCGI_PARAMS lies within them. libfcgi allocates whatever length it
 * is told, and aborts the process when that can't be had. data: a whole request, or the beginning
 * of one.
 */
bool record_parameters_are_sound(const uint8_t *data, size_t length);

/* Appends the answer to a management record. (libfcgi would wait for the record behind it, and has
 * but 64 bytes for the names.) */
void record_answer_management(const uint8_t *record, size_t length, unsigned max_connections,
                              struct buffer *out);

#endif
