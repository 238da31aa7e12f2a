/* An answer as data: a status, headers and a body. */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include <stdbool.h>

#include "http/buffer.h"

enum http_status {
    HTTP_OK = 200,
    HTTP_NO_CONTENT = 204,
    HTTP_BAD_REQUEST = 400,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_CONTENT_TOO_LARGE = 413,
    HTTP_TOO_MANY_REQUESTS = 429,
    HTTP_INTERNAL_SERVER_ERROR = 500,
    HTTP_SERVICE_UNAVAILABLE = 503,
};

/* The place of a status in the list of all of them, below HTTP_STATUSES_MAX, and what is there; 0
 * where nothing is. */
enum { HTTP_STATUSES_MAX = 16 };
size_t http_status_place(enum http_status status);
int http_status_at(size_t place);

/* How an error is written. */
enum error_form {
    /* {"status":400,"error":"…","message":"…"}, both texts the same since clients of
     * agora-token-service look now for one, now for the other. */
    ERROR_PLAIN,
    /* {"code":-1,"message":"…","data":""}, or code -2 where the fault is ours, as Agora's token
     * server for Docker has it. */
    ERROR_CODED,
};

/* A token must not be stored on its way, and what an answer says may depend on who asks. */
#define CACHE_NEVER                                                                                \
    "Cache-Control: private, no-cache, no-store, must-revalidate\r\n"                              \
    "Expires: -1\r\n"                                                                              \
    "Pragma: no-cache\r\n"

enum { RESPONSE_HEADERS_MAX = 12 };

struct response {
    enum http_status status;
    const char *content_type;
    const char *caching; /* header lines */
    size_t header_count;
    struct header {
        const char *name;
        struct agora_text value;
    } headers[RESPONSE_HEADERS_MAX];
    size_t route;             /* the row, from 1 on, whose pattern the path matched; else 0 */
    struct agora_text caller; /* of the policy, who asks; {NULL, 0} where none is known */
    bool head_only;           /* HEAD: the length of the body, but not the body */
    enum error_form error_form;
    struct buffer body;
    char retry_after[12]; /* the value of a header */
};

/* Makes an empty 200 of JSON that nothing may store, whose body uses the memory again. */
void response_clear(struct response *response);

/* Adds a header, one of RESPONSE_HEADERS_MAX at most. The value lives as long as the request and
 * holds no control character. */
void response_header(struct response *response, const char *name, struct agora_text value);

/* Makes it an error in its form, which keeps the headers that were added. Returns false, so that a
 * check can `return response_error(…)`. */
__attribute__((format(printf, 3, 4))) bool
response_error(struct response *response, enum http_status status, const char *format, ...);

/* Appends the CGI header block to out, up to and with the empty line. */
void response_write_head(const struct response *response, struct buffer *out);

/* The bytes that follow the head: the body, or nothing for HEAD. */
struct agora_text response_content(const struct response *response);

#endif
