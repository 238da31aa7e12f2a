#include "api/parameters.h"

#include "text.h"

bool is_digits(struct agora_text value) {
    for (size_t i = 0; i < value.length; i++)
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
    return value.length > 0;
}

static bool parse_u32(struct agora_text digits, uint32_t *number) {
    uint64_t total = 0;
    for (size_t i = 0; i < digits.length && total <= UINT32_MAX; i++)
        total = total * 10 + (uint64_t)(digits.data[i] - '0');
    *number = (uint32_t)total;
    return total <= UINT32_MAX;
}

bool numeric_uid(struct agora_text digits, struct agora_text *uid) {
    uint32_t number;
    if (!parse_u32(digits, &number))
        return false;
    while (digits.length > 0 && digits.data[0] == '0') {
        digits.data++;
        digits.length--;
    }
    *uid = digits;
    return true;
}

bool parameter_seconds(const char *name, struct agora_text value, uint32_t *seconds,
                       struct response *response) {
    return (is_digits(value) && parse_u32(value, seconds)) ||
           response_error(response, HTTP_BAD_REQUEST,
                          "%s '%s' is not valid: use a whole number of seconds from 0 to "
                          "4294967295, in digits",
                          name, quote(value).text);
}

/* Decodes a part of a query string into out; the part itself if it is longer or has a malformed
 * escape, which no valid value has. */
static struct agora_text decode(struct agora_text encoded, char *out, size_t size) {
    if (encoded.length > size)
        return encoded;
    struct agora_text decoded = {out, percent_decode(encoded, '+', ' ', out)};
    return memchr(out, '\0', decoded.length) ? encoded : decoded;
}

bool parameter_expiry(struct agora_text query, struct expiry *expiry, struct response *response) {
    expiry->is_asked = true;
    while (query.data) {
        char out[64];
        struct agora_text value = text_cut(&query, '&');
        struct agora_text name = text_cut(&value, '=');
        if (text_equals(decode(name, out, sizeof out), "expiry"))
            return parameter_seconds("expiry", decode(value, out, sizeof out), &expiry->seconds,
                                     response);
    }
    *expiry = (struct expiry){.seconds = EXPIRE_DEFAULT};
    return true;
}

bool parameter_channel(struct agora_text channel, struct response *response) {
    if (agora_channel_is_valid(channel))
        return true;
    if (channel.length == 0)
        return response_error(response, HTTP_BAD_REQUEST,
                              "channel is missing or empty: use 1 to %d bytes", AGORA_CHANNEL_MAX);
    if (channel.length > AGORA_CHANNEL_MAX)
        return response_error(response, HTTP_BAD_REQUEST,
                              "channel '%s' is %zu bytes long: use 1 to %d bytes",
                              quote(channel).text, channel.length, AGORA_CHANNEL_MAX);
    return response_error(response, HTTP_BAD_REQUEST,
                          "channel '%s' has a character that Agora does not allow: use letters, "
                          "digits, space and !#$%%&()+-:;<=.>?@[]^_{}|~, or * alone for every "
                          "channel",
                          quote(channel).text);
}

bool parameter_user(const char *name, struct agora_text user, struct response *response) {
    if (agora_user_is_valid(user))
        return true;
    if (user.length == 0)
        return response_error(response, HTTP_BAD_REQUEST,
                              "%s is missing or empty: use 1 to %d bytes", name, AGORA_USER_MAX);
    if (user.length > AGORA_USER_MAX)
        return response_error(response, HTTP_BAD_REQUEST,
                              "%s '%s' is %zu bytes long: use 1 to %d bytes", name,
                              quote(user).text, user.length, AGORA_USER_MAX);
    return response_error(response, HTTP_BAD_REQUEST,
                          "%s '%s' has a control character: use printable ones", name,
                          quote(user).text);
}

bool parameter_rtc_user(struct agora_text token_type, struct agora_text segment,
                        struct agora_text *user, struct response *response) {
    /* agora-token-service reads an empty segment as 0, whatever the tokenType. */
    if (segment.length == 0)
        segment = agora_text_of("0");

    if (text_equals(token_type, "userAccount")) {
        *user = segment;
        return parameter_user("rtcuid", segment, response);
    }
    if (text_equals(token_type, "uid"))
        return (is_digits(segment) && numeric_uid(segment, user)) ||
               response_error(response, HTTP_BAD_REQUEST,
                              "rtcuid '%s' is not valid: with tokenType uid use a whole number "
                              "from 0 to 4294967295, in digits",
                              quote(segment).text);
    return response_error(response, HTTP_BAD_REQUEST,
                          "tokenType '%s' is not valid: use uid or userAccount",
                          quote(token_type).text);
}

enum agora_role rtc_role(struct agora_text role) {
    return text_equals(role, "publisher") ? AGORA_ROLE_PUBLISHER : AGORA_ROLE_SUBSCRIBER;
}
