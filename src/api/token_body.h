/* The endpoints that take a JSON body and answer with one token have all but its members' names in
 * common. */
#ifndef API_TOKEN_BODY_H
#define API_TOKEN_BODY_H

#include "api/body.h"
#include "api/endpoints.h"
#include "token_request.h"

enum { PERMISSIONS_MAX = 10 }; /* five kinds of RTM2 resources, to read and to write */

/* A body, what it asks for, and the memory that this points to. */
struct token_body {
    struct json_object *json;
    struct token_request request;
    struct service_list services;
    struct expiry expiry; /* of the token */
    char uid_digits[BODY_DIGITS];
    struct agora_rtm2_permission permissions[PERMISSIONS_MAX];
    struct agora_text *permission_names;
};

/* Fills in the services and the expire from the JSON; as the checks of parameters.h. */
typedef bool token_body_reader(struct token_body *body, struct response *response);

/* Parses the body of the call, has it read, and answers {"token":"007…"} with what stands before
 * and behind that. */
void answer_token_body(const struct call *call, token_body_reader *read, const char *before,
                       const char *behind, struct response *response);

/* Reads the member "permissions" of an object into the request: absent, or
 * {"messageChannels":{"read":["a"],"write":["b"]},"users":{"read":["c"]}}. */
bool read_permissions(struct token_body *body, struct json_object *object,
                      struct response *response);

/* True if the services could be made, else the response is a 500. */
bool services_are_made(enum agora_token_error error, struct response *response);

#endif
