/* The service as one pure function: a request and the settings in, a response out. No I/O. */
#ifndef API_API_H
#define API_API_H

#include <stdint.h>

#include "access/access.h"
#include "config.h"
#include "http/request.h"
#include "http/response.h"
#include "log.h"

struct counters;

/* What an endpoint may use. One per thread, as the minter is. */
struct api {
    const struct settings *settings;
    struct agora_minter *minter;
    uint32_t now; /* Unix seconds */
    struct identification who;
    struct counters *counters; /* NULL: nothing is counted */
    struct log_event audit;    /* a line for the log about who got what; empty for none */
};

/* Answers any request whatever: CORS, routing, the endpoint, errors. What there
 * is to log of it is in the response and in audit. */
void api_answer(struct api *api, const struct request *request, struct response *response);

#endif
