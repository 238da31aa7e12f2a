/*
 * Access control in the API. Who asks is found out before an endpoint runs; what they get is
 * decided on the finished tokens, in the one place where every token of the service is signed.
 * Without a policy everybody may have everything.
 */
#ifndef API_AUTHORIZATION_H
#define API_AUTHORIZATION_H

#include "api/answer.h"
#include "api/endpoints.h"

/* By a policy, which there must be. True if the request has a good credential: api->who is then to
 * be given to identification_free. Else the response is a 401, 503 or 500. */
bool authorize_request(const struct call *call, struct response *response);

/* True if the tokens may be had, with the lifetime to give them in *expiry and in their privileges;
 * else the response is a 403 or 429. */
bool authorize_tokens(const struct call *call, struct named_token *tokens, size_t count,
                      struct expiry *expiry, struct response *response);

#endif
