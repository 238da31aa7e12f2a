/* POST /token/generate, as Agora's own token server for Docker has it (AgoraIO/Tools,
 * DynamicKey/AgoraDynamicKey/go/docker), and in the same pattern the services that it lacks. */
#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"
#include "api/services.h"
#include "text.h"

/* What the whole body says; a service reads the rest from its own object. */
struct order {
    struct json_object *json;
    struct agora_text channel;
    struct agora_text uid;
    uint32_t expire;           /* of the token, and of all privileges but RTC's */
    uint32_t privilege_expire; /* of RTC's and those like it */
};

typedef bool add_service(const struct order *order, struct json_object *options,
                         struct services *services, struct response *response);

static bool check_channel_and_uid(const struct order *order, struct response *response) {
    return parameter_channel(order->channel, response) &&
           parameter_user("uid", order->uid, response);
}

static bool add_rtc(const struct order *order, struct json_object *options,
                    struct services *services, struct response *response) {
    int64_t role;
    if (!check_channel_and_uid(order, response) ||
        !body_integer(options, "role", AGORA_ROLE_PUBLISHER, AGORA_ROLE_SUBSCRIBER,
                      AGORA_ROLE_SUBSCRIBER, &role, response))
        return false;
    services_add(services, agora_service_rtc(order->channel, order->uid, (enum agora_role)role,
                                             order->privilege_expire));
    return true;
}

static bool add_rtm(const struct order *order, struct json_object *options,
                    struct services *services, struct response *response) {
    (void)options;
    if (!parameter_user("uid", order->uid, response))
        return false;
    services_add(services, agora_service_rtm(order->uid, order->expire));
    return true;
}

static bool add_fpa(const struct order *order, struct json_object *options,
                    struct services *services, struct response *response) {
    (void)order;
    (void)options;
    (void)response;
    services_add(services, agora_service_fpa());
    return true;
}

static bool add_chat_user(const struct order *order, struct json_object *options,
                          struct services *services, struct response *response) {
    struct agora_text user;
    if (!body_text(options, "userUuid", &user, response) ||
        !parameter_user("serviceChat.userUuid", user, response))
        return false;
    services_add(services, agora_service_chat_user(user, order->expire));
    return true;
}

static bool add_chat_app(const struct order *order, struct json_object *options,
                         struct services *services, struct response *response) {
    (void)options;
    (void)response;
    services_add(services, agora_service_chat_app(order->expire));
    return true;
}

static bool add_apaas_user(const struct order *order, struct json_object *options,
                           struct services *services, struct response *response) {
    struct agora_text user;
    if (!body_text(options, "userUuid", &user, response) ||
        !parameter_user("serviceApaas.userUuid", user, response))
        return false;
    services_add(services, agora_service_apaas_user(user, order->expire));
    return true;
}

static bool add_apaas_app(const struct order *order, struct json_object *options,
                          struct services *services, struct response *response) {
    (void)options;
    (void)response;
    services_add(services, agora_service_apaas_app(order->expire));
    return true;
}

static bool add_apaas_room_user(const struct order *order, struct json_object *options,
                                struct services *services, struct response *response) {
    struct agora_text room;
    struct agora_text user;
    int64_t role;
    return body_text(options, "roomUuid", &room, response) &&
           body_text(options, "userUuid", &user, response) &&
           parameter_user("serviceApaas.roomUuid", room, response) &&
           parameter_user("serviceApaas.userUuid", user, response) &&
           body_integer(options, "role", INT16_MIN, INT16_MAX, 0, &role, response) &&
           services_add_apaas(services, room, user, (int16_t)role, order->expire, response);
}

static bool add_streaming(const struct order *order, struct json_object *options,
                          struct services *services, struct response *response) {
    (void)options;
    if (!check_channel_and_uid(order, response))
        return false;
    services_add(services,
                 agora_service_streaming(order->channel, order->uid, order->privilege_expire));
    return true;
}

static bool add_fcdn(const struct order *order, struct json_object *options,
                     struct services *services, struct response *response) {
    (void)options;
    if (!check_channel_and_uid(order, response))
        return false;
    services_add(services, agora_service_fcdn(order->channel, order->uid, order->privilege_expire));
    return true;
}

static bool add_rtm2(const struct order *order, struct json_object *options,
                     struct services *services, struct response *response) {
    struct json_object *permissions;
    return body_object(options, "permissions", &permissions, response) &&
           services_add_rtm2(services, order->uid, permissions, order->expire, response);
}

static bool add_convoai(const struct order *order, struct json_object *options,
                        struct services *services, struct response *response) {
    (void)order;
    (void)options;
    (void)response;
    services_add(services, agora_service_convoai());
    return true;
}

static bool add_stt(const struct order *order, struct json_object *options,
                    struct services *services, struct response *response) {
    (void)order;
    (void)options;
    (void)response;
    services_add(services, agora_service_stt());
    return true;
}

static const struct {
    const char *name;
    const char *flag;
    add_service *add;
} service_members[] = {
    {"serviceRtc", "enable", add_rtc},
    {"serviceRtm", "enable", add_rtm},
    {"serviceFpa", "enable", add_fpa},
    {"serviceChat", "enableUser", add_chat_user},
    {"serviceChat", "enableApp", add_chat_app},
    {"serviceApaas", "enableUser", add_apaas_user},
    {"serviceApaas", "enableApp", add_apaas_app},
    {"serviceApaas", "enableRoomUser", add_apaas_room_user},
    {"serviceStreaming", "enable", add_streaming},
    {"serviceFcdn", "enable", add_fcdn},
    {"serviceRtm2", "enable", add_rtm2},
    {"serviceConvoAi", "enable", add_convoai},
    {"serviceStt", "enable", add_stt},
};

static bool read_order(struct order *order, struct services *services, struct response *response) {
    if (!body_text(order->json, "channelName", &order->channel, response) ||
        !body_text_or_number(order->json, "uid", services->uid_digits, &order->uid, response) ||
        !body_seconds(order->json, "tokenExpireTs", &order->expire, response) ||
        !body_seconds(order->json, "privilegeExpireTs", &order->privilege_expire, response))
        return false;
    if (order->expire == 0)
        order->expire = EXPIRE_DEFAULT;
    return true;
}

static bool add_services(const struct order *order, struct services *services,
                         struct response *response) {
    for (size_t i = 0; i < sizeof service_members / sizeof service_members[0]; i++) {
        struct json_object *options;
        bool wanted;
        if (!body_object(order->json, service_members[i].name, &options, response))
            return false;
        if (!options)
            continue;
        if (!body_flag(options, service_members[i].flag, &wanted, response) ||
            (wanted && !service_members[i].add(order, options, services, response)))
            return false;
    }
    return services->count > 0 || response_error(response, HTTP_BAD_REQUEST,
                                                 "no service is enabled: use at least one, such as "
                                                 "\"serviceRtc\":{\"enable\":true,\"role\":1}");
}

void endpoint_token_generate(const struct call *call, struct response *response) {
    struct order order = {0};
    struct services services = {0};
    response->error_form = ERROR_CODED;
    if (body_parse(call->request->body, &order.json, response) &&
        read_order(&order, &services, response) && add_services(&order, &services, response)) {
        buffer_puts(&response->body, "{\"code\":0,\"message\":\"Success\",\"data\":");
        const struct named_token token = {"token", services.count, services.list};
        answer_tokens(call->api, &token, 1, order.expire, response);
        if (response->status == HTTP_OK)
            buffer_puts(&response->body, "}");
    }
    services_free(&services);
    json_object_put(order.json);
}
