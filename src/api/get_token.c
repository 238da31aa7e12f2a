/* POST /getToken: one token of one type. */
#include "api/parameters.h"
#include "api/token_body.h"
#include "text.h"

/* The fields that a row of the table takes, and how each is checked. */
static bool check(const struct service_kind *kind, struct agora_text uid, struct token_body *body,
                  struct response *response) {
    struct token_request *request = &body->request;
    int64_t role = 0;
    if ((kind->takes & TAKES_CHANNEL && !parameter_channel(request->channel, response)) ||
        (kind->takes & (TAKES_UID | TAKES_USER) && !parameter_user("uid", uid, response)) ||
        (kind->takes & TAKES_ROOM &&
         (!parameter_user("room", request->room, response) ||
          !body_integer(body->json, "role", INT16_MIN, INT16_MAX, 0, &role, response))) ||
        (kind->takes & TAKES_PERMISSIONS && !read_permissions(body, body->json, response)))
        return false;
    request->user = uid;
    request->room_role = (int16_t)role;
    request->uid = uid;
    /* Digits over 32 bits are no numeric uid and stay what they are, an account. */
    if (is_digits(uid))
        numeric_uid(uid, &request->uid);
    return !kind->with_rtc_and_rtm || request->uid.length > 0 ||
           response_error(response, HTTP_BAD_REQUEST,
                          "uid '%s' is not valid: signaling has no user 0; use any other",
                          quote(uid).text);
}

static bool read_body(struct token_body *body, struct response *response) {
    struct json_object *json = body->json;
    struct token_request *request = &body->request;
    struct agora_text token_type;
    struct agora_text uid;
    struct agora_text role = {NULL, 0};
    if (!body_text(json, "tokenType", &token_type, response) ||
        !body_text(json, "channel", &request->channel, response) ||
        !body_text(json, "room", &request->room, response) ||
        !body_text_or_number(json, "uid", body->uid_digits, &uid, response) ||
        !body_seconds(json, "expire", &body->expiry.seconds, response))
        return false;

    /* An empty text is as good as an absent one. */
    unsigned given = (request->channel.length > 0 ? TAKES_CHANNEL : 0) |
                     (uid.length > 0 ? TAKES_USER : 0) |
                     (request->room.length > 0 ? TAKES_ROOM : 0);
    const struct service_kind *kind = service_kind_of(token_type, given);
    if (!kind)
        return response_error(response, HTTP_BAD_REQUEST, "tokenType '%s' is not valid: use %s",
                              quote(token_type).text, token_types().text);
    /* The one member that is a word in some token types and a number in APaaS. */
    if (!text_equals(token_type, "apaas") && !body_text(json, "role", &role, response))
        return false;

    body->expiry.is_asked = body->expiry.seconds > 0;
    if (!body->expiry.is_asked)
        body->expiry.seconds = kind->expire;
    request->role = rtc_role(role);
    request->channel_expire = request->user_expire = body->expiry.seconds;
    return check(kind, uid, body, response) &&
           services_are_made(service_kind_add_all(kind, request, &body->services), response);
}

void endpoint_get_token(const struct call *call, struct response *response) {
    answer_token_body(call, read_body, "", "", response);
}
