/*
 * What a web server hands over: NAME=value strings that end in zero bytes, an empty one, and the
 * body. Whatever comes, the head is well-formed, an answer that says so is JSON, and a token holds
 * nothing that was not asked for: its texts and its lifetime stand in the input, and what admits
 * everybody does as well.
 */
#include <ctype.h>
#include <strings.h>

#include "fuzz.h"
#include "json/reader.h"

enum { VARIABLES = 32, INPUT_MAX = 4096 };

/* The input as it is, with percent escapes decoded, and with those of JSON decoded. */
static char asked[3 * INPUT_MAX];
static size_t asked_length;

static bool is_asked(struct agora_text text) {
    return memmem(asked, asked_length, text.data, text.length) != NULL;
}

static bool is_word_asked(const char *word) {
    return is_asked(agora_text_of(word));
}

/* As names of members match. */
static bool is_name_asked(const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i + length <= asked_length; i++)
        if (strncasecmp(asked + i, name, length) == 0)
            return true;
    return false;
}

static size_t put_utf8(unsigned point, char *out) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | point >> 12);
    out[1] = (char)(0x80 | (point >> 6 & 0x3f));
    out[2] = (char)(0x80 | (point & 0x3f));
    return 3;
}

/* Halves of surrogate pairs are left out: a text with them is not looked for. */
static void unescape(const char *text, size_t length) {
    static const char names[] = "bfnrt";
    static const char values[] = "\b\f\n\r\t";
    for (size_t i = 0; i < length; i++) {
        char digits[5] = {0};
        if (text[i] != '\\' || i + 1 >= length) {
            asked[asked_length++] = text[i];
        } else if (text[++i] == 'u' && i + 4 < length) {
            memcpy(digits, text + i + 1, 4);
            i += 4;
            asked_length += put_utf8((unsigned)strtoul(digits, NULL, 16), asked + asked_length);
        } else {
            const char *name = text[i] ? strchr(names, text[i]) : NULL;
            asked[asked_length++] = name ? values[name - names] : text[i];
        }
    }
}

static void keep_what_is_asked(const char *text, size_t length) {
    memcpy(asked, text, length);
    asked_length = length;
    asked_length += percent_decode((struct agora_text){text, length}, 0, 0, asked + asked_length);
    unescape(text, length);
}

static bool has_astral(struct agora_text text) {
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] >= 0xf0)
            return true;
    return false;
}

static void check_text(struct agora_text text) {
    if (text.length > 0 && !has_astral(text))
        expect(is_asked(text));
}

static void check_lifetime(uint32_t seconds) {
    char digits[16];
    snprintf(digits, sizeof digits, "%u", seconds);
    expect(seconds == 0 || seconds == 3600 || seconds == AGORA_FPA_EXPIRE || is_word_asked(digits));
}

static bool has(const struct agora_service *service, uint16_t privilege) {
    for (size_t i = 0; i < service->privilege_count; i++)
        if (service->privileges[i].privilege == privilege)
            return true;
    return false;
}

static void check_service(const struct agora_service *service, bool has_room) {
    for (size_t i = 0; i < service->privilege_count; i++)
        check_lifetime(service->privileges[i].expire);
    check_text(service->channel);
    /* A hash of the user; or 0, which an empty segment stands for. */
    bool is_hash = service->type == AGORA_SERVICE_CHAT && has_room;
    bool is_default = text_equals(service->user, "0") && is_word_asked("//");
    if (!is_hash && !is_default)
        check_text(service->user);
    for (size_t i = 0; i < service->permission_count; i++)
        for (size_t k = 0; k < service->permissions[i].name_count; k++)
            check_text(service->permissions[i].names[k]);

    /* Everybody: uid 0, an empty segment, or in /token/generate no uid, which is refused. */
    bool needs_user = service->type == AGORA_SERVICE_RTC ||
                      service->type == AGORA_SERVICE_STREAMING ||
                      service->type == AGORA_SERVICE_FCDN;
    if (needs_user)
        expect(service->channel.length > 0 &&
               (service->user.length > 0 || is_word_asked("0") || is_word_asked("//")));
    if (service->type == AGORA_SERVICE_RTM || service->type == AGORA_SERVICE_RTM2)
        expect(service->user.length > 0);
    if (service->type == AGORA_SERVICE_CHAT)
        expect(service->user.length > 0 ? !has(service, AGORA_CHAT_APP)
                                        : !has(service, AGORA_CHAT_USER) &&
                                              (is_name_asked("app") || is_name_asked("chat")));
}

static void check_token(struct agora_text text) {
    struct agora_reading reading = read_ours(text);
    const struct agora_token *token = &reading.token;
    bool has_room = false;
    bool may_stream = false; /* a channel's own signaling gets the privilege to publish data */
    check_lifetime(token->expire);
    for (size_t i = 0; i < token->service_count; i++) {
        has_room |= token->services[i].type == AGORA_SERVICE_APAAS;
        may_stream |= token->services[i].type == AGORA_SERVICE_RTM;
    }
    for (size_t i = 0; i < token->service_count; i++) {
        const struct agora_service *service = &token->services[i];
        check_service(service, has_room);
        if (service->type == AGORA_SERVICE_RTC && has(service, AGORA_RTC_PUBLISH_DATA))
            expect(may_stream || is_word_asked("publisher") || is_word_asked("1"));
        if (service->type == AGORA_SERVICE_RTC && has(service, AGORA_RTC_PUBLISH_AUDIO))
            expect(is_word_asked("publisher") || is_word_asked("1"));
    }
}

/* Every string of the answer that begins as a token is one, but in what /inspect answers, which
 * has none. */
static void check_body(const struct response *response) {
    struct json_object *json;
    struct json_error error;
    const struct agora_text body = {response->body.data, response->body.length};
    expect(json_read(body, JSON_REFUSE_REPEATED | JSON_ALLOW_MANY, &json, &error));
    expect(json_object_is_type(json, json_type_object));
    json_object_put(json);
    if (response->status != HTTP_OK)
        return;
    for (const char *at = body.data; (at = strstr(at, "oken\":\"007")); at++) {
        const char *token = at + strlen("oken\":\"");
        check_token((struct agora_text){token, strcspn(token, "\"")});
    }
}

/* Lines of a name, a colon, a space and a value; an empty one at the end and nowhere else. */
static void check_head(const struct response *response) {
    static struct buffer head;
    size_t counted[4] = {0};
    static const char *const once[] = {"Status", "Content-Type", "Vary", "Content-Length"};
    buffer_clear(&head);
    response_write_head(response, &head);
    expect(!head.failed && head.length > 4 && memcmp(head.data, "Status: ", 8) == 0);
    for (size_t at = 0; at + 2 < head.length;) {
        const char *line = head.data + at;
        const char *end = memmem(line, head.length - at, "\r\n", 2);
        const char *colon = end ? memmem(line, (size_t)(end - line), ": ", 2) : NULL;
        expect(colon && colon > line);
        for (const char *c = line; c < colon; c++)
            expect(isalpha((unsigned char)*c) || *c == '-');
        for (const char *c = colon; c < end; c++)
            expect(!iscntrl((unsigned char)*c));
        for (size_t i = 0; i < 4; i++)
            counted[i] += text_equals((struct agora_text){line, (size_t)(colon - line)}, once[i]);
        at = (size_t)(end + 2 - head.data);
    }
    expect(memcmp(head.data + head.length - 4, "\r\n\r\n", 4) == 0);
    expect(counted[0] == 1 && counted[1] == 1 && counted[2] == 1);
    expect(counted[3] == (response->status != HTTP_NO_CONTENT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char input[INPUT_MAX + 1];
    char *environment[VARIABLES + 1] = {0};
    struct request request;
    size_t at = 0;
    if (size > INPUT_MAX)
        return 0;
    memcpy(input, data, size);
    input[size] = '\0';
    keep_what_is_asked(input, size);

    for (size_t i = 0; i < VARIABLES && at < size && input[at]; i++) {
        environment[i] = input + at;
        at += strlen(input + at) + 1;
    }
    at += at < size && !input[at];
    request_read_environment(&request, environment);
    request.body_too_large = request_content_length(&request) > REQUEST_BODY_MAX;
    if (at < size && !request.body_too_large)
        request.body = (struct agora_text){input + at, size - at};

    const struct response *response = ask(&request);
    expect(response->status < HTTP_INTERNAL_SERVER_ERROR);
    check_head(response);
    if (response->status == HTTP_NO_CONTENT || response->head_only)
        expect(response_content(response).length == 0);
    if (response->status != HTTP_NO_CONTENT &&
        strncmp(response->content_type, "application/json", 16) == 0)
        check_body(response);
    return 0;
}
