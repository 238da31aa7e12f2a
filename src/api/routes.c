#include <assert.h>
#include <stdio.h>

#include "api/api.h"
#include "api/authorization.h"
#include "api/routes.h"
#include "http/cors.h"
#include "metrics/metrics.h"
#include "text.h"

const struct route routes[] = {
    {GET, "/ping", endpoint_ping, OPEN, ERROR_PLAIN, ALWAYS, &operation_ping},
    {GET, "/rtc/:channel/:role/:tokenType/:rtcuid", endpoint_rtc, CALLERS, ERROR_PLAIN, ALWAYS,
     &operation_rtc},
    {GET, "/rtm/:rtmuid", endpoint_rtm, CALLERS, ERROR_PLAIN, ALWAYS, &operation_rtm},
    {GET, "/rte/:channel/:role/:tokenType/:rtcuid", endpoint_rte, CALLERS, ERROR_PLAIN, ALWAYS,
     &operation_rte},
    {GET, "/rte/:channel/:role/:tokenType/:rtcuid/:rtmuid", endpoint_rte, CALLERS, ERROR_PLAIN,
     ALWAYS, &operation_rte_rtm},
    {GET, "/chat/app", endpoint_chat_app, CALLERS, ERROR_PLAIN, ALWAYS, &operation_chat_app},
    {GET, "/chat/account/:chatid", endpoint_chat_account, CALLERS, ERROR_PLAIN, ALWAYS,
     &operation_chat_account},
    {POST, "/getToken", endpoint_get_token, CALLERS, ERROR_PLAIN, ALWAYS, &operation_get_token},
    {POST, "/token/generate", endpoint_token_generate, CALLERS, ERROR_CODED, ALWAYS,
     &operation_token_generate},
    {POST, "/inspect", endpoint_inspect, CALLERS, ERROR_PLAIN, ALWAYS, &operation_inspect},
    {GET, "/", endpoint_page, OPEN, ERROR_PLAIN, WITH_PAGE, &operation_page},
    {GET, "/metrics", endpoint_metrics, OPEN, ERROR_PLAIN, WITH_METRICS, &operation_metrics},
    {GET, "/livez", endpoint_livez, OPEN, ERROR_PLAIN, ALWAYS, &operation_livez},
    {GET, "/readyz", endpoint_readyz, OPEN, ERROR_PLAIN, ALWAYS, &operation_readyz},
    {GET, "/openapi.json", endpoint_openapi, OPEN, ERROR_PLAIN, ALWAYS, &operation_openapi},
    {.pattern = NULL},
};

enum { ROUTES = sizeof routes / sizeof routes[0] - 1 };
static_assert((size_t)ROUTES < COUNTED_ROUTES, "requests of each route are counted");

static const struct {
    const char *name;
    const char *allowed;
} methods[] = {
    [GET] = {"GET", "GET, HEAD, OPTIONS"},
    [POST] = {"POST", "POST, OPTIONS"},
};

static bool is_head(const struct request *request) {
    return text_equals(request->method, "HEAD");
}

static bool method_fits(enum method method, const struct request *request) {
    return text_equals(request->method, methods[method].name) ||
           (method == GET && is_head(request));
}

const char *route_pattern(size_t number) {
    return number > 0 ? routes[number - 1].pattern : NULL;
}

bool route_is_available(const struct route *route, const struct settings *settings) {
    return route->availability == ALWAYS ||
           (route->availability == WITH_PAGE ? settings->page : settings->metrics) == ON;
}

/* One slash at the end does not count: /ping/ is /ping, but /rtm// has an empty user. Nor does a
 * second one at the start, which comes from a base address that ends in a slash. Nothing is the
 * root: to a CGI program PATH_INFO is empty where the address ends with its name. */
static struct agora_text without_outer_slashes(struct agora_text path) {
    if (path.length == 0)
        return agora_text_of("/");
    if (path.length > 1 && path.data[path.length - 1] == '/')
        path.length--;
    if (path.length > 1 && path.data[0] == '/' && path.data[1] == '/') {
        path.data++;
        path.length--;
    }
    return path;
}

static bool matches(const char *pattern, struct agora_text path, struct call *call) {
    struct agora_text want = agora_text_of(pattern);
    call->capture_count = 0;
    while (want.data && path.data) {
        struct agora_text expected = text_cut(&want, '/');
        struct agora_text segment = text_cut(&path, '/');
        if (expected.length > 0 && expected.data[0] == ':')
            call->captures[call->capture_count++] = segment;
        else if (!text_same(expected, segment))
            return false;
    }
    return !want.data && !path.data;
}

static void refuse_path(const struct call *call, struct response *response) {
    char list[640];
    size_t length = 0;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!route_is_available(&routes[i], call->api->settings))
            continue;
        const char *separator = i == 0 ? "" : i + 1 < ROUTES ? ", " : " or ";
        length += (size_t)snprintf(list + length, sizeof list - length, "%s%s %s", separator,
                                   methods[routes[i].method].name, routes[i].pattern);
        assert(length < sizeof list);
    }
    response_error(response, HTTP_NOT_FOUND, "no endpoint at '%s': use %s",
                   quote(call->request->path).text, list);
}

static void enter(const struct route *route, struct call *call, struct response *response) {
    response->error_form = route->error_form;
    if (route->access == OPEN || !call->api->settings->access) {
        route->endpoint(call, response);
    } else if (authorize_request(call, response)) {
        route->endpoint(call, response);
        identification_free(&call->api->who);
    }
}

static void route(struct call *call, struct response *response) {
    const struct request *request = call->request;
    struct agora_text path = without_outer_slashes(request->path);

    for (size_t i = 0; i < ROUTES; i++) {
        if (!route_is_available(&routes[i], call->api->settings) ||
            !matches(routes[i].pattern, path, call))
            continue;
        response->route = i + 1;
        if (method_fits(routes[i].method, request)) {
            enter(&routes[i], call, response);
            return;
        }
        const char *allowed = methods[routes[i].method].allowed;
        response_header(response, "Allow", agora_text_of(allowed));
        response_error(response, HTTP_METHOD_NOT_ALLOWED, "method '%s' is not allowed here: use %s",
                       quote(request->method).text, allowed);
        return;
    }
    refuse_path(call, response);
}

static enum cors_credentials cors_credentials(const struct access *access) {
    if (!access)
        return CORS_NONE;
    return access_has_ambient_callers(access) ? CORS_COOKIES : CORS_HEADERS;
}

void api_answer(struct api *api, const struct request *request, struct response *response) {
    response_clear(response);
    api->audit.length = 0;
    response->head_only = is_head(request);
    if (request_id_is_valid(request->id))
        response_header(response, "X-Request-Id", request->id);
    if (!cors_check(api->settings->cors_allow_origin, cors_credentials(api->settings->access),
                    request, response))
        return;
    if (text_equals(request->method, "OPTIONS")) {
        response->status = HTTP_NO_CONTENT;
        return;
    }
    if (request->body_too_large) {
        response_error(response, HTTP_CONTENT_TOO_LARGE, "the body is larger than %d bytes",
                       REQUEST_BODY_MAX);
        return;
    }
    if (request_path_is_ambiguous(request)) {
        response_error(
            response, HTTP_BAD_REQUEST,
            "path '%s' is not valid: it may hold no zero byte, no segment . or .. and no "
            "broken percent escape",
            quote(request->path).text);
        return;
    }
    struct call call = {.api = api, .request = request};
    route(&call, response);
    if (response->body.failed)
        response_error(response, HTTP_INTERNAL_SERVER_ERROR, "out of memory");
}
