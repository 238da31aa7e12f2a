/* Minting for a response. */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "api/api.h"

/* A token to be, and the name that it has in the answer. */
struct named_token {
    const char *key;
    size_t service_count;
    const struct agora_service *services;
};

/* Whose fault it is: 500 where memory or OpenSSL failed, else 400. */
enum http_status status_of_error(enum agora_token_error error);

/* Answers {"key":"007…"}, or {"key":"007…","key":"007…"} for two. Each lasts `expire` seconds. */
void answer_tokens(struct api *api, const struct named_token *tokens, size_t count, uint32_t expire,
                   struct response *response);

#endif
