#include "gateway/gateway.h"

#include <sys/prctl.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "text.h"

void gateway_start(void) {
    log_open();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which trace their process   \
                                                                     */
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

void gateway_answer(struct api *api, const struct request *request, struct response *response) {
    api->now = (uint32_t)time(NULL);
    if (api->counters) {
        uint64_t started = monotonic_ns();
        api_answer(api, request, response);
        count_request(api->counters, response->route_number, request->method, response->status,
                      monotonic_ns() - started);
    } else {
        api_answer(api, request, response);
    }

    if (response->audit.length > 0)
        log_line(response->audit_level, "%.*s", (int)response->audit.length, response->audit.data);
    if (response->status < HTTP_BAD_REQUEST)
        return;
    enum log_level level = response->status >= HTTP_INTERNAL_SERVER_ERROR ? LOG_ERROR : LOG_INFO;
    if (log_enabled(level))
        log_line(level, "%d %s %s", response->status, quote(request->method).text,
                 quote(request->path).text);
}
