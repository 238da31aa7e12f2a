/* Whether the service is there. */
#include "api/endpoints.h"
#include "text.h"

void endpoint_ping(const struct call *call, struct response *response) {
    (void)call;
    buffer_puts(&response->body, "{\"message\":\"pong\"}");
}

/* That the process answers, whatever it lacks. */
void endpoint_livez(const struct call *call, struct response *response) {
    (void)call;
    buffer_puts(&response->body, "{\"status\":\"live\"}");
}

/* That it can answer every request: it has its settings, or would not be here, the policy that they
 * name, and all the keys that the policy needs. */
void endpoint_readyz(const struct call *call, struct response *response) {
    const struct settings *settings = call->api->settings;
    const char *missing = settings->access ? access_missing_keys(settings->access) : NULL;
    if (missing) {
        response_error(response, HTTP_SERVICE_UNAVAILABLE,
                       "the keys of the caller '%s' were not fetched yet: the log says why",
                       quote(agora_text_of(missing)).text);
        return;
    }
    buffer_printf(
        &response->body, "{\"status\":\"ready\",\"access\":\"%s\",\"sample_credentials\":%s}",
        settings->access ? "policy" : "open", settings_are_sample(settings) ? "true" : "false");
}
