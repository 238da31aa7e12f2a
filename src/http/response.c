#include "http/response.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum http_status status;
    const char *line;
} status_lines[] = {
    {HTTP_OK, "Status: 200 OK\r\n"},
    {HTTP_NO_CONTENT, "Status: 204 No Content\r\n"},
    {HTTP_BAD_REQUEST, "Status: 400 Bad Request\r\n"},
    {HTTP_UNAUTHORIZED, "Status: 401 Unauthorized\r\n"},
    {HTTP_FORBIDDEN, "Status: 403 Forbidden\r\n"},
    {HTTP_NOT_FOUND, "Status: 404 Not Found\r\n"},
    {HTTP_METHOD_NOT_ALLOWED, "Status: 405 Method Not Allowed\r\n"},
    {HTTP_CONTENT_TOO_LARGE, "Status: 413 Content Too Large\r\n"},
    {HTTP_TOO_MANY_REQUESTS, "Status: 429 Too Many Requests\r\n"},
    {HTTP_INTERNAL_SERVER_ERROR, "Status: 500 Internal Server Error\r\n"},
    {HTTP_SERVICE_UNAVAILABLE, "Status: 503 Service Unavailable\r\n"},
};

enum { STATUSES = sizeof status_lines / sizeof status_lines[0] };
static_assert(sizeof status_lines / sizeof status_lines[0] <= (size_t)HTTP_STATUSES_MAX,
              "each status has a place");

size_t http_status_place(enum http_status status) {
    size_t place = 0;
    while (place < STATUSES - 1 && status_lines[place].status != status)
        place++;
    return place;
}

int http_status_at(size_t place) {
    return place < STATUSES ? (int)status_lines[place].status : 0;
}

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

/* At once, as there are several in every answer. */
static void put_header(struct buffer *out, const char *name, struct agora_text value) {
    size_t name_length = strlen(name);
    char *at = buffer_reserve(out, name_length + value.length + 4);
    if (!at)
        return;
    at = mempcpy(mempcpy(at, name, name_length), ": ", 2);
    at = mempcpy(mempcpy(at, value.data, value.length), "\r\n", 2);
    out->length = (size_t)(at - out->data);
}

void response_write_head(const struct response *response, struct buffer *out) {
    buffer_puts(out, status_lines[http_status_place(response->status)].line);
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
