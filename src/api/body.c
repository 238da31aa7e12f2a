#include "api/body.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "api/parameters.h"
#include "text.h"
#include "json/reader.h"

/* What stands before a place in the text. */
static struct agora_text before(struct agora_text text, size_t end) {
    enum { SHOWN = 48 };
    size_t length = end < SHOWN ? end : SHOWN;
    return (struct agora_text){text.data + end - length, length};
}

bool body_parse(struct agora_text text, struct json_object **json, struct response *response) {
    struct json_error error;
    if (json_read(text, JSON_ALLOW_TRAILING, json, &error))
        return json_object_is_type(*json, json_type_object) ||
               response_error(response, HTTP_BAD_REQUEST,
                              "the body is not a JSON object: use {\"name\":value,…}");
    if (error.no_memory)
        return response_error(response, HTTP_INTERNAL_SERVER_ERROR, "out of memory");
    if (error.at == text.length)
        return response_error(response, HTTP_BAD_REQUEST,
                              "the body is not whole JSON: it ends after %zu bytes", text.length);
    return response_error(response, HTTP_BAD_REQUEST,
                          "the body is not JSON: expected %s at byte %zu, behind '%s'",
                          error.expected, error.at, quote(before(text, error.at)).text);
}

struct json_object *body_member(struct json_object *object, const char *name) {
    struct json_object *last = NULL;
    json_object_object_foreach(object, key, value) {
        if (value && strcasecmp(key, name) == 0)
            last = value;
    }
    return last;
}

struct agora_text body_shown(struct json_object *value) {
    const char *text = json_object_to_json_string(value);
    return agora_text_of(text ? text : "(no memory to show it)");
}

static bool refuse(const char *name, struct json_object *value, const char *allowed,
                   struct response *response) {
    return response_error(response, HTTP_BAD_REQUEST, "%s %s is not valid: use %s", name,
                          quote(body_shown(value)).text, allowed);
}

struct agora_text body_string(struct json_object *string) {
    return (struct agora_text){json_object_get_string(string),
                               (size_t)json_object_get_string_len(string)};
}

bool body_text(struct json_object *object, const char *name, struct agora_text *text,
               struct response *response) {
    struct json_object *value = body_member(object, name);
    *text = (struct agora_text){NULL, 0};
    if (!value)
        return true;
    if (!json_object_is_type(value, json_type_string))
        return refuse(name, value, "a string", response);
    *text = body_string(value);
    return true;
}

/* False for anything but a whole number in the range. */
static bool read_integer(struct json_object *value, int64_t least, int64_t most, int64_t *number) {
    if (!json_object_is_type(value, json_type_int))
        return false;
    *number = json_object_get_int64(value);
    return *number >= least && *number <= most;
}

/* A string, or a whole number from 0 to most that is written to digits. */
static bool read_text_or_number(struct json_object *object, const char *name, int64_t most,
                                const char *allowed, char digits[BODY_DIGITS],
                                struct agora_text *text, struct response *response) {
    struct json_object *value = body_member(object, name);
    int64_t number;
    if (!value || json_object_is_type(value, json_type_string))
        return body_text(object, name, text, response);
    *text = (struct agora_text){NULL, 0};
    if (!read_integer(value, 0, most, &number))
        return refuse(name, value, allowed, response);
    snprintf(digits, BODY_DIGITS, "%" PRId64, number);
    *text = agora_text_of(digits);
    return true;
}

bool body_text_or_number(struct json_object *object, const char *name, char digits[BODY_DIGITS],
                         struct agora_text *text, struct response *response) {
    return read_text_or_number(object, name, BODY_INTEGER_MAX,
                               "a string, or a whole number from 0 to 9007199254740991", digits,
                               text, response);
}

bool body_seconds(struct json_object *object, const char *name, uint32_t *seconds,
                  struct response *response) {
    char digits[BODY_DIGITS];
    struct agora_text text;
    *seconds = 0;
    return read_text_or_number(object, name, UINT32_MAX,
                               "a whole number of seconds from 0 to 4294967295", digits, &text,
                               response) &&
           (!text.data || parameter_seconds(name, text, seconds, response));
}

bool body_flag(struct json_object *object, const char *name, bool *flag,
               struct response *response) {
    struct json_object *value = body_member(object, name);
    *flag = value && json_object_get_boolean(value);
    return !value || json_object_is_type(value, json_type_boolean) ||
           refuse(name, value, "true or false", response);
}

bool body_integer(struct json_object *object, const char *name, int64_t least, int64_t most,
                  int64_t otherwise, int64_t *number, struct response *response) {
    struct json_object *value = body_member(object, name);
    *number = otherwise;
    if (!value || read_integer(value, least, most, number))
        return true;
    char allowed[80];
    snprintf(allowed, sizeof allowed, "a whole number from %" PRId64 " to %" PRId64, least, most);
    return refuse(name, value, allowed, response);
}

bool body_object(struct json_object *object, const char *name, struct json_object **member,
                 struct response *response) {
    *member = body_member(object, name);
    return !*member || json_object_is_type(*member, json_type_object) ||
           refuse(name, *member, "an object", response);
}
