#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"
#include "api/services.h"
#include "text.h"

/* The body of a request for one token, its members' types judged, absent ones {NULL, 0}. */
struct wish {
    struct json_object *json;
    struct agora_text token_type;
    struct agora_text channel;
    struct agora_text role;
    struct agora_text uid;
    struct agora_text room;
    uint32_t expire;
};

typedef bool make_services(const struct wish *wish, struct services *services,
                           struct response *response);

/* Channel and user as RTC has them: digits are a numeric uid, but those over 32 bits are none and
 * stay what they are, an account. */
static bool channel_and_uid(const struct wish *wish, struct agora_text *user,
                            struct response *response) {
    *user = wish->uid;
    if (!parameter_channel(wish->channel, response) || !parameter_user("uid", wish->uid, response))
        return false;
    if (is_digits(*user))
        numeric_uid(*user, user);
    return true;
}

static bool rtc(const struct wish *wish, struct services *services, struct response *response) {
    struct agora_text user;
    if (!channel_and_uid(wish, &user, response))
        return false;
    services_add(services,
                 agora_service_rtc(wish->channel, user, rtc_role(wish->role), wish->expire));
    return true;
}

static bool rtm(const struct wish *wish, struct services *services, struct response *response) {
    if (!parameter_user("uid", wish->uid, response))
        return false;
    if (wish->channel.length > 0) { /* "" is as good as absent */
        if (!parameter_channel(wish->channel, response))
            return false;
        services_add(services,
                     agora_service_stream_channel(wish->channel, wish->uid, wish->expire));
    }
    services_add(services, agora_service_rtm(wish->uid, wish->expire));
    return true;
}

static bool chat(const struct wish *wish, struct services *services, struct response *response) {
    if (wish->uid.length == 0) { /* "" is as good as absent */
        services_add(services, agora_service_chat_app(wish->expire));
        return true;
    }
    if (!parameter_user("uid", wish->uid, response))
        return false;
    services_add(services, agora_service_chat_user(wish->uid, wish->expire));
    return true;
}

static bool fpa(const struct wish *wish, struct services *services, struct response *response) {
    (void)wish;
    (void)response;
    services_add(services, agora_service_fpa());
    return true;
}

static bool streaming(const struct wish *wish, struct services *services,
                      struct response *response) {
    struct agora_text user;
    if (!channel_and_uid(wish, &user, response))
        return false;
    services_add(services, agora_service_streaming(wish->channel, user, wish->expire));
    return true;
}

static bool fcdn(const struct wish *wish, struct services *services, struct response *response) {
    struct agora_text user;
    if (!channel_and_uid(wish, &user, response))
        return false;
    services_add(services, agora_service_fcdn(wish->channel, user, wish->expire));
    return true;
}

static bool apaas(const struct wish *wish, struct services *services, struct response *response) {
    int64_t role = 0;
    if (wish->room.length > 0 &&
        !body_integer(wish->json, "role", INT16_MIN, INT16_MAX, 0, &role, response))
        return false;
    return services_add_apaas(services, wish->room, wish->uid, (int16_t)role, wish->expire,
                              response);
}

static bool rtm2(const struct wish *wish, struct services *services, struct response *response) {
    struct json_object *permissions;
    return body_object(wish->json, "permissions", &permissions, response) &&
           services_add_rtm2(services, wish->uid, permissions, wish->expire, response);
}

/* RTC and RTM for one user, which both ConvoAI and STT need. */
static bool rtc_and_rtm(const struct wish *wish, struct services *services,
                        struct response *response) {
    if (!rtc(wish, services, response))
        return false;
    if (services->list[0].user.length == 0)
        return response_error(response, HTTP_BAD_REQUEST,
                              "uid '%s' is not valid: signaling has no user 0; use any other",
                              quote(wish->uid).text);
    services_add(services, agora_service_rtm(wish->uid, wish->expire));
    return true;
}

static bool convoai(const struct wish *wish, struct services *services, struct response *response) {
    if (!rtc_and_rtm(wish, services, response))
        return false;
    services_add(services, agora_service_convoai());
    return true;
}

static bool stt(const struct wish *wish, struct services *services, struct response *response) {
    if (!rtc_and_rtm(wish, services, response))
        return false;
    services_add(services, agora_service_stt());
    return true;
}

static const struct {
    const char *name;
    make_services *make;
    uint32_t expire; /* when the body has none */
} token_types[] = {
    {"rtc", rtc, EXPIRE_DEFAULT},
    {"rtm", rtm, EXPIRE_DEFAULT},
    {"chat", chat, EXPIRE_DEFAULT},
    {"fpa", fpa, AGORA_FPA_EXPIRE},
    {"streaming", streaming, EXPIRE_DEFAULT},
    {"fcdn", fcdn, EXPIRE_DEFAULT},
    {"apaas", apaas, EXPIRE_DEFAULT},
    {"rtm2", rtm2, EXPIRE_DEFAULT},
    {"convoai", convoai, EXPIRE_DEFAULT},
    {"stt", stt, EXPIRE_DEFAULT},
};

/* The one member that is a word in some token types and a number in APaaS. */
static bool read_role(struct wish *wish, struct response *response) {
    return text_equals(wish->token_type, "apaas") ||
           body_text(wish->json, "role", &wish->role, response);
}

static bool read_wish(struct wish *wish, struct services *services, struct response *response) {
    return body_text(wish->json, "tokenType", &wish->token_type, response) &&
           body_text(wish->json, "channel", &wish->channel, response) &&
           body_text(wish->json, "room", &wish->room, response) &&
           body_text_or_number(wish->json, "uid", services->uid_digits, &wish->uid, response) &&
           body_seconds(wish->json, "expire", &wish->expire, response) && read_role(wish, response);
}

static bool make(struct wish *wish, struct services *services, struct response *response) {
    for (size_t i = 0; i < sizeof token_types / sizeof token_types[0]; i++) {
        if (!text_equals(wish->token_type, token_types[i].name))
            continue;
        if (wish->expire == 0)
            wish->expire = token_types[i].expire;
        return token_types[i].make(wish, services, response);
    }
    return response_error(response, HTTP_BAD_REQUEST,
                          "tokenType '%s' is not valid: use rtc, rtm, chat, fpa, streaming, fcdn, "
                          "apaas, rtm2, convoai or stt",
                          quote(wish->token_type).text);
}

void endpoint_get_token(const struct call *call, struct response *response) {
    struct wish wish = {0};
    struct services services = {0};
    if (body_parse(call->request->body, &wish.json, response) &&
        read_wish(&wish, &services, response) && make(&wish, &services, response)) {
        const struct named_token token = {"token", services.count, services.list};
        answer_tokens(call->api, &token, 1, wish.expire, response);
    }
    services_free(&services);
    json_object_put(wish.json);
}
