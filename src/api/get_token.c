#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <strings.h>

#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"
#include "http/text.h"

enum { JSON_DEPTH_MAX = 32 };

/* A JSON number over this is not exact in every client, and json-c cuts those over 64 bits. */
static const int64_t exact_integer_max = 9007199254740991;

enum field { TOKEN_TYPE, CHANNEL, ROLE, UID, EXPIRE, FIELDS };

static const struct {
    const char *name;
    bool may_be_number;
} fields[FIELDS] = {
    [TOKEN_TYPE] = {"tokenType", false},
    [CHANNEL] = {"channel", false},
    [ROLE] = {"role", false},
    [UID] = {"uid", true},
    [EXPIRE] = {"expire", true},
};

/* The members of the body as text; absent ones are {NULL, 0}. Numbers are written in decimal into
 * their own digits. */
struct body {
    struct json_object *json;
    struct agora_text values[FIELDS];
    char digits[FIELDS][24];
};

static struct agora_text text_of(struct json_object *string) {
    return (struct agora_text){json_object_get_string(string),
                               (size_t)json_object_get_string_len(string)};
}

static bool read_field(struct body *body, enum field field, struct json_object *value,
                       struct response *response) {
    switch (json_object_get_type(value)) {
    case json_type_string:
        body->values[field] = text_of(value);
        return true;
    case json_type_int: {
        int64_t number = json_object_get_int64(value);
        if (!fields[field].may_be_number || number < 0 || number > exact_integer_max)
            break;
        snprintf(body->digits[field], sizeof body->digits[field], "%" PRId64, number);
        body->values[field] = text_from(body->digits[field]);
        return true;
    }
    default:
        break;
    }
    return response_error(
        response, HTTP_BAD_REQUEST, "%s %s is not valid: use %s", fields[field].name,
        quote(text_from(json_object_to_json_string(value))).text,
        fields[field].may_be_number ? "a string, or a whole number from 0 to 9007199254740991"
                                    : "a string");
}

/* Names match without regard to case, the last of repeated ones counts, and null is absent, as Go's
 * decoder has it. */
static bool read_fields(struct body *body, struct response *response) {
    json_object_object_foreach(body->json, name, value) {
        for (int i = 0; i < FIELDS; i++)
            if (value && strcasecmp(name, fields[i].name) == 0 &&
                !read_field(body, (enum field)i, value, response))
                return false;
    }
    return true;
}

static bool parse(struct agora_text text, struct body *body, struct response *response) {
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (!tokener)
        return response_error(response, HTTP_INTERNAL_SERVER_ERROR, "out of memory");

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
                                        JSON_TOKENER_VALIDATE_UTF8);
    body->json = json_tokener_parse_ex(tokener, text.data ? text.data : "", (int)text.length);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);

    if (error == json_tokener_continue)
        return response_error(response, HTTP_BAD_REQUEST,
                              "the body is not whole JSON: it ends after %zu bytes", text.length);
    if (error != json_tokener_success)
        return response_error(response, HTTP_BAD_REQUEST, "the body is not JSON: %s at byte %zu",
                              json_tokener_error_desc(error), end);
    if (!json_object_is_type(body->json, json_type_object))
        return response_error(response, HTTP_BAD_REQUEST,
                              "the body is not a JSON object: use {\"tokenType\":\"rtc\",…}");
    return read_fields(body, response);
}

static bool rtc(const struct body *body, uint32_t expire, struct grant *grant,
                struct response *response) {
    struct agora_text user = body->values[UID];
    if (!parameter_channel(body->values[CHANNEL], response) ||
        !parameter_user("uid", user, response))
        return false;
    /* Digits over 32 bits are no uid and stay what they are, an account. */
    if (is_digits(user))
        numeric_uid(user, &user);
    *grant = grant_rtc(body->values[CHANNEL], user, is_publisher(body->values[ROLE]), expire);
    return true;
}

static bool rtm(const struct body *body, uint32_t expire, struct grant *grant,
                struct response *response) {
    struct agora_text channel = body->values[CHANNEL];
    if (channel.length == 0)
        channel.data = NULL; /* "" is as good as absent */
    if (!parameter_user("uid", body->values[UID], response) ||
        (channel.data && !parameter_channel(channel, response)))
        return false;
    *grant = grant_rtm(body->values[UID], channel, expire);
    return true;
}

static bool chat(const struct body *body, uint32_t expire, struct grant *grant,
                 struct response *response) {
    struct agora_text user = body->values[UID];
    if (user.length == 0)
        user.data = NULL; /* "" is as good as absent */
    if (user.data && !parameter_user("uid", user, response))
        return false;
    *grant = grant_chat(user, expire);
    return true;
}

static const struct {
    const char *name;
    bool (*make)(const struct body *body, uint32_t expire, struct grant *grant,
                 struct response *response);
} token_types[] = {
    {"rtc", rtc},
    {"rtm", rtm},
    {"chat", chat},
};

static bool make_grant(const struct body *body, struct grant *grant, struct response *response) {
    uint32_t expire = 0;
    if (body->values[EXPIRE].data &&
        !parameter_seconds("expire", body->values[EXPIRE], &expire, response))
        return false;
    if (expire == 0)
        expire = EXPIRE_DEFAULT;

    for (size_t i = 0; i < sizeof token_types / sizeof token_types[0]; i++)
        if (text_equals(body->values[TOKEN_TYPE], token_types[i].name))
            return token_types[i].make(body, expire, grant, response);
    return response_error(response, HTTP_BAD_REQUEST,
                          "tokenType '%s' is not valid: use rtc, rtm or chat",
                          quote(body->values[TOKEN_TYPE]).text);
}

void endpoint_get_token(const struct call *call, struct response *response) {
    struct body body = {0};
    struct named_grant grant = {.key = "token"};
    if (parse(call->request->body, &body, response) && make_grant(&body, &grant.grant, response))
        answer_tokens(call->api, &grant, 1, response);
    json_object_put(body.json);
}
