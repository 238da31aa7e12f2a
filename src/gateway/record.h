/* FastCGI records, as far as it takes to see where a request ends; libfcgi does the rest. */
#ifndef GATEWAY_RECORD_H
#define GATEWAY_RECORD_H

#include <stddef.h>
#include <stdint.h>

/*
 * The number of bytes, from the first, that libfcgi is to be given at once: a whole request up to
 * the empty FCGI_STDIN that ends it, or one management record. 0 when not all of that is there yet.
 * Bytes that are no FastCGI count as whole, since libfcgi then refuses them.
 */
size_t record_unit_length(const uint8_t *data, size_t length);

#endif
