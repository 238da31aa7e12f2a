/* One function per endpoint; routes.c says which path leads where. */
#ifndef API_ENDPOINTS_H
#define API_ENDPOINTS_H

#include "api/api.h"

/* The parts of the path that a route's pattern leaves open, in order. */
enum { CAPTURES_MAX = 5 };

struct call {
    struct api *api;
    const struct request *request;
    size_t capture_count;
    struct agora_text captures[CAPTURES_MAX];
};

typedef void endpoint(const struct call *call, struct response *response);

endpoint endpoint_ping;
endpoint endpoint_page;
endpoint endpoint_livez;
endpoint endpoint_readyz;
endpoint endpoint_rtc;
endpoint endpoint_rtm;
endpoint endpoint_rte;
endpoint endpoint_chat_app;
endpoint endpoint_chat_account;
endpoint endpoint_get_token;
endpoint endpoint_token_generate;
endpoint endpoint_inspect;
endpoint endpoint_openapi;
endpoint endpoint_metrics;

#endif
