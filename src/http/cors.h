/* Cross-origin requests: who may ask from a page of another origin. */
#ifndef HTTP_CORS_H
#define HTTP_CORS_H

#include <stdbool.h>

#include "http/request.h"
#include "http/response.h"

/* What of a page of an allowed origin may be sent along to say who asks: nothing, headers, or what
 * the browser adds by itself too, cookies and logins (unless the list of origins holds "*"). */
enum cors_credentials { CORS_NONE, CORS_HEADERS, CORS_COOKIES };

/*
 * allow: "*", or origins separated by commas ("" allows none). A request without an Origin is no
 * CORS request, one from the service's own origin needs no permission: both pass, without CORS
 * headers. An allowed origin passes and is echoed. Any other makes the response a 403 and returns
 * false.
 */
bool cors_check(const char *allow, enum cors_credentials credentials, const struct request *request,
                struct response *response);

/* Whether the request comes from a page of another origin that is not listed by name. */
bool cors_is_foreign(const char *allow, const struct request *request);

#endif
