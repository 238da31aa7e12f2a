/* POST /token/generate, as Agora's own token server for Docker has it (AgoraIO/Tools,
 * DynamicKey/AgoraDynamicKey/go/docker), and in the same pattern the services that it lacks. */
#include <stdio.h>

#include "api/parameters.h"
#include "api/token_body.h"

/* The user of some services is a member of their own object. */
static bool read_user(const struct service_kind *kind, struct json_object *options,
                      struct token_body *body, struct response *response) {
    struct token_request *request = &body->request;
    char name[48];
    if (!kind->user_member)
        return parameter_user("uid", request->uid, response);
    snprintf(name, sizeof name, "%s.%s", kind->member, kind->user_member);
    return body_text(options, kind->user_member, &request->user, response) &&
           parameter_user(name, request->user, response);
}

static bool read_room(const struct service_kind *kind, struct json_object *options,
                      struct token_body *body, struct response *response) {
    char name[48];
    int64_t role;
    snprintf(name, sizeof name, "%s.roomUuid", kind->member);
    if (!body_text(options, "roomUuid", &body->request.room, response) ||
        !parameter_user(name, body->request.room, response) ||
        !body_integer(options, "role", INT16_MIN, INT16_MAX, 0, &role, response))
        return false;
    body->request.room_role = (int16_t)role;
    return true;
}

static bool read_role(struct json_object *options, struct token_body *body,
                      struct response *response) {
    int64_t role;
    if (!body_integer(options, "role", AGORA_ROLE_PUBLISHER, AGORA_ROLE_SUBSCRIBER,
                      AGORA_ROLE_SUBSCRIBER, &role, response))
        return false;
    body->request.role = (enum agora_role)role;
    return true;
}

static bool add_service(const struct service_kind *kind, struct json_object *options,
                        struct token_body *body, struct response *response) {
    unsigned takes = kind->with_rtc_and_rtm ? 0 : kind->takes;
    body->request.user = body->request.uid;
    if ((takes & TAKES_CHANNEL && !parameter_channel(body->request.channel, response)) ||
        (takes & (TAKES_UID | TAKES_USER) && !read_user(kind, options, body, response)) ||
        (takes & TAKES_ROOM && !read_room(kind, options, body, response)) ||
        (takes & TAKES_ROLE && !read_role(options, body, response)) ||
        (takes & TAKES_PERMISSIONS && !read_permissions(body, options, response)))
        return false;
    return services_are_made(service_kind_add(kind, &body->request, &body->services), response);
}

static bool read_body(struct token_body *body, struct response *response) {
    struct json_object *json = body->json;
    struct token_request *request = &body->request;
    if (!body_text(json, "channelName", &request->channel, response) ||
        !body_text_or_number(json, "uid", body->uid_digits, &request->uid, response) ||
        !body_seconds(json, "tokenExpireTs", &body->expiry.seconds, response) ||
        !body_seconds(json, "privilegeExpireTs", &request->channel_expire, response))
        return false;
    body->expiry.is_asked = body->expiry.seconds > 0;
    if (!body->expiry.is_asked)
        body->expiry.seconds = EXPIRE_DEFAULT;
    request->user_expire = body->expiry.seconds;

    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++) {
        struct json_object *options;
        bool wanted;
        if (!kind->member)
            continue;
        if (!body_object(json, kind->member, &options, response))
            return false;
        if (options && (!body_flag(options, kind->flag, &wanted, response) ||
                        (wanted && !add_service(kind, options, body, response))))
            return false;
    }
    return body->services.count > 0 ||
           response_error(response, HTTP_BAD_REQUEST,
                          "no service is enabled: use at least one, such as "
                          "\"serviceRtc\":{\"enable\":true,\"role\":1}");
}

void endpoint_token_generate(const struct call *call, struct response *response) {
    answer_token_body(call, read_body, "{\"code\":0,\"message\":\"Success\",\"data\":", "}",
                      response);
}
