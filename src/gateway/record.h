/* FastCGI records, as far as it takes to see where a request ends; libfcgi does the rest. */
#ifndef GATEWAY_RECORD_H
#define GATEWAY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * True when data begins with a whole request: every record of it, up to the empty FCGI_STDIN that
 * ends it. Also true of bytes that are no request, as libfcgi then refuses them at once.
 */
bool record_request_is_whole(const uint8_t *data, size_t length);

#endif
