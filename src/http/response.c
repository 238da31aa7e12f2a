#include "http/response.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>

#include "text.h"

/* Every answer carries these. Tokens must not be kept by anything on the way, and what an answer
 * says may depend on who asks. */
static const char common_headers[] =
    "Content-Type: application/json; charset=utf-8\r\n"
    "Cache-Control: private, no-cache, no-store, must-revalidate\r\n"
    "Expires: -1\r\n"
    "Pragma: no-cache\r\n"
    "Vary: Origin\r\n";

static const char cors_headers[] = "\r\n"
                                   "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
                                   "Access-Control-Allow-Headers: Origin, Content-Type\r\n";

static const struct {
    enum http_status status;
    const char *line;
} status_lines[] = {
    {HTTP_OK, "Status: 200 OK\r\n"},
    {HTTP_NO_CONTENT, "Status: 204 No Content\r\n"},
    {HTTP_BAD_REQUEST, "Status: 400 Bad Request\r\n"},
    {HTTP_FORBIDDEN, "Status: 403 Forbidden\r\n"},
    {HTTP_NOT_FOUND, "Status: 404 Not Found\r\n"},
    {HTTP_METHOD_NOT_ALLOWED, "Status: 405 Method Not Allowed\r\n"},
    {HTTP_CONTENT_TOO_LARGE, "Status: 413 Content Too Large\r\n"},
    {HTTP_INTERNAL_SERVER_ERROR, "Status: 500 Internal Server Error\r\n"},
};

void response_clear(struct response *response) {
    struct buffer body = response->body;
    buffer_clear(&body);
    *response = (struct response){.status = HTTP_OK, .body = body};
}

static void put_json_string(struct buffer *buffer, const char *string) {
    struct json_object *json = json_object_new_string(string);
    if (!json) {
        buffer->failed = true;
        return;
    }
    buffer_puts(buffer, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(json);
}

bool response_error(struct response *response, enum http_status status, const char *format, ...) {
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    struct buffer *body = &response->body;
    buffer_clear(body);
    if (response->error_form == ERROR_CODED) {
        response->status = HTTP_BAD_REQUEST;
        buffer_puts(body, response->is_generating ? "{\"code\":-2" : "{\"code\":-1");
        buffer_puts(body, ",\"message\":");
        put_json_string(body, message);
        buffer_puts(body, ",\"data\":\"\"}");
        return false;
    }
    response->status = status;
    buffer_puts(body, "{\"status\":");
    buffer_put_number(body, status);
    buffer_puts(body, ",\"error\":");
    put_json_string(body, message);
    buffer_puts(body, ",\"message\":");
    put_json_string(body, message);
    buffer_puts(body, "}");
    return false;
}

void response_write_head(const struct response *response, struct buffer *out) {
    for (size_t i = 0; i < sizeof status_lines / sizeof status_lines[0]; i++)
        if (status_lines[i].status == response->status)
            buffer_puts(out, status_lines[i].line);
    buffer_puts(out, common_headers);
    if (response->allow) {
        buffer_puts(out, "Allow: ");
        buffer_puts(out, response->allow);
        buffer_puts(out, "\r\n");
    }
    if (response->cors_origin.length > 0) {
        buffer_puts(out, "Access-Control-Allow-Origin: ");
        buffer_put(out, response->cors_origin);
        buffer_puts(out, cors_headers);
    }
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
