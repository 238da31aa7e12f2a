#include "gateway/gateway.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "api/routes.h"
#include "clock.h"
#include "log.h"
#include "metrics/metrics.h"
#include "text.h"

void gateway_start(void) {
    log_open();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which trace their process   \
                                                                     */
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* What both lines about a request have. began: 0 where the format does without the duration. */
static void finish_line(struct log_event *event, const struct request *request,
                        const struct response *response, uint64_t began) {
    char number[32];
    const char *route = route_pattern(response->route);
    const struct quoted method = quote(request->method);
    const struct quoted path = quote(request->path);
    log_detail(event, "method", LOG_STRING, agora_text_of(method.text));
    log_detail(event, "route", LOG_STRING, agora_text_of(route ? route : ""));
    log_detail(event, "path", LOG_STRING, agora_text_of(path.text));
    snprintf(number, sizeof number, "%d", response->status);
    log_detail(event, "status", LOG_NUMBER, agora_text_of(number));
    if (began > 0) {
        snprintf(number, sizeof number, "%.6f", (double)(monotonic_ns() - began) / 1e9);
        log_detail(event, "duration", LOG_NUMBER, agora_text_of(number));
    }
    if (request_id_is_valid(request->id))
        log_field(event, "request_id", LOG_STRING, request->id);
    log_end(event);
}

static enum log_level level_of(enum http_status status) {
    if (status < HTTP_BAD_REQUEST)
        return LOG_DEBUG;
    return status >= HTTP_INTERNAL_SERVER_ERROR ? LOG_ERROR : LOG_INFO;
}

void gateway_answer(struct api *api, const struct request *request, struct response *response) {
    api->now = (uint32_t)time(NULL);
    bool is_timed = api->counters || api->settings->log_format == LOG_JSON;
    uint64_t began = is_timed ? monotonic_ns() : 0;
    api_answer(api, request, response);
    if (api->counters)
        count_request(api->counters, response->route, request->method, response->status,
                      monotonic_ns() - began);

    if (api->audit.length > 0)
        finish_line(&api->audit, request, response, began);
    enum log_level level = level_of(response->status);
    if (!log_enabled(level))
        return;
    struct log_event event;
    log_begin(&event, level, "%d %s %s", response->status, quote(request->method).text,
              quote(request->path).text);
    log_detail(&event, "caller", LOG_STRING, response->caller);
    finish_line(&event, request, response, began);
}
