/* A request as CGI describes one (RFC 3875): what a gateway reads and an endpoint is given. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>

#include "agora_token.h"

enum { REQUEST_BODY_MAX = 64 * 1024 };

/* All texts belong to the gateway and live until the request is answered. Absent ones are {NULL, 0}
 * or "". path is percent-decoded, with its empty segments. */
struct request {
    struct agora_text method;
    struct agora_text path;
    struct agora_text query;
    struct agora_text origin;
    struct agora_text host;
    struct agora_text content_length;
    struct agora_text transfer_encoding;
    struct agora_text script;
    struct agora_text uri;
    struct agora_text id; /* X-Request-Id, as the web server gives one */
    struct agora_text body;
    bool body_too_large;      /* body then holds nothing */
    char *const *environment; /* all of it, NULL-terminated "NAME=value" strings */
};

/* Whether a web server may have applied its access rules to another path than this one: servers
 * resolve the segments "." and "..", and some end a path at a zero byte, which a malformed percent
 * escape becomes here. */
bool request_path_is_ambiguous(const struct request *request);

/* 1 to REQUEST_ID_MAX visible ASCII characters. Any other is as if there were none, as it goes into
 * the log and the answer's headers. */
enum { REQUEST_ID_MAX = 128 };
bool request_id_is_valid(struct agora_text id);

/* Fills all but the body from NULL-terminated "NAME=value" strings. The path is PATH_INFO or, where
 * there is none, what REQUEST_URI says, which is then decoded in its place. */
void request_read_environment(struct request *request, char *const *environment);

/* The last variable of that name, {NULL, 0} when there is none. count, which may be NULL: how many
 * there are. */
struct agora_text request_variable(const struct request *request, const char *name,
                                   unsigned *count);

/* The number of bytes of body to be read: what CONTENT_LENGTH announces, 0 when it is absent or no
 * number, and REQUEST_BODY_MAX + 1 for anything over the limit and for a chunked body, which ends
 * where the input does. */
size_t request_content_length(const struct request *request);

#endif
