/* Cross-origin requests: who may ask from a page of another origin. */
#ifndef HTTP_CORS_H
#define HTTP_CORS_H

#include <stdbool.h>

#include "http/request.h"
#include "http/response.h"

/*
 * allow: "*", or origins separated by commas ("" allows none). A request without an Origin is no
 * CORS request, one from the service's own origin needs no permission: both pass, without CORS
 * headers. An allowed origin passes and is echoed. Any other makes the response a 403 and returns
 * false.
 */
bool cors_check(const char *allow, const struct request *request, struct response *response);

#endif
