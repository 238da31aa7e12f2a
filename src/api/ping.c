#include "api/endpoints.h"

void endpoint_ping(const struct call *call, struct response *response) {
    (void)call;
    buffer_puts(&response->body, "{\"message\":\"pong\"}");
}
