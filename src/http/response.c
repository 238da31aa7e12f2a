#include "http/response.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    enum http_status status;
    const char *reason;
} statuses[] = {
    {HTTP_OK, "OK"},
    {HTTP_NO_CONTENT, "No Content"},
    {HTTP_BAD_REQUEST, "Bad Request"},
    {HTTP_UNAUTHORIZED, "Unauthorized"},
    {HTTP_FORBIDDEN, "Forbidden"},
    {HTTP_NOT_FOUND, "Not Found"},
    {HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed"},
    {HTTP_CONTENT_TOO_LARGE, "Content Too Large"},
    {HTTP_TOO_MANY_REQUESTS, "Too Many Requests"},
    {HTTP_INTERNAL_SERVER_ERROR, "Internal Server Error"},
    {HTTP_SERVICE_UNAVAILABLE, "Service Unavailable"},
};

static void empty(struct response *response, enum http_status status) {
    buffer_clear(&response->body);
    response->status = status;
    response->content_type = "application/json; charset=utf-8";
    response->caching = CACHE_NEVER;
}

void response_clear(struct response *response) {
    *response = (struct response){.body = response->body};
    empty(response, HTTP_OK);
}

void response_header(struct response *response, const char *name, struct agora_text value) {
    assert(response->header_count < RESPONSE_HEADERS_MAX);
    response->headers[response->header_count++] = (struct header){name, value};
}

bool response_error(struct response *response, enum http_status status, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    struct buffer *body = &response->body;
    const struct agora_text text = agora_text_of(message);
    empty(response, status);
    if (response->error_form == ERROR_CODED) {
        buffer_printf(body,
                      "{\"code\":%d,\"message\":", status < HTTP_INTERNAL_SERVER_ERROR ? -1 : -2);
        buffer_put_json_string(body, text);
        buffer_puts(body, ",\"data\":\"\"}");
        return false;
    }
    buffer_printf(body, "{\"status\":%d,\"error\":", status);
    buffer_put_json_string(body, text);
    buffer_puts(body, ",\"message\":");
    buffer_put_json_string(body, text);
    buffer_puts(body, "}");
    return false;
}

static void put_header(struct buffer *out, const char *name, struct agora_text value) {
    buffer_puts(out, name);
    buffer_puts(out, ": ");
    buffer_put(out, value);
    buffer_puts(out, "\r\n");
}

void response_write_head(const struct response *response, struct buffer *out) {
    buffer_puts(out, "Status: ");
    buffer_put_number(out, response->status);
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].status == response->status) {
            buffer_puts(out, " ");
            buffer_puts(out, statuses[i].reason);
        }
    }
    buffer_puts(out, "\r\n");
    put_header(out, "Content-Type", agora_text_of(response->content_type));
    buffer_puts(out, response->caching);
    buffer_puts(out, "Vary: Origin\r\n");
    for (size_t i = 0; i < response->header_count; i++)
        put_header(out, response->headers[i].name, response->headers[i].value);
    if (response->status != HTTP_NO_CONTENT) {
        buffer_puts(out, "Content-Length: ");
        buffer_put_number(out, response->body.length);
        buffer_puts(out, "\r\n");
    }
    buffer_puts(out, "\r\n");
}

struct agora_text response_content(const struct response *response) {
    if (response->head_only || response->status == HTTP_NO_CONTENT)
        return (struct agora_text){NULL, 0};
    return (struct agora_text){response->body.data, response->body.length};
}
