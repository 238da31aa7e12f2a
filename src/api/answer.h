/* Minting for a response. */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "api/endpoints.h"
#include "token_request.h"

/* A token to be, and the name that it has in the answer. */
struct named_token {
    const char *key;
    size_t service_count;
    struct agora_service *services;
};

/* Whose fault it is: 500 where memory or OpenSSL failed, else 400. */
enum http_status status_of_error(enum agora_token_error error);

/*
 * Answers {"key":"007…"}, or {"key":"007…","key":"007…"} for NAMED_TOKENS_MAX, if whoever asks may
 * have all of them; else the response is an error. Every token of the service is signed here.
 * Access control may shorten the lifetimes, also those in the services.
 */
enum { NAMED_TOKENS_MAX = 2 };
void answer_tokens(const struct call *call, struct named_token *tokens, size_t count,
                   struct expiry expiry, struct response *response);

#endif
