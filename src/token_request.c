#include "token_request.h"

#include <assert.h>
#include <stdio.h>

#include "text.h"

static void put(struct service_list *services, struct agora_service service) {
    assert(services->count < SERVICES_MAX);
    services->list[services->count++] = service;
}

static enum agora_token_error add_rtc(const struct token_request *r, struct service_list *out) {
    put(out, agora_service_rtc(r->channel, r->uid, r->role, r->channel_expire));
    return AGORA_TOKEN_OK;
}

static enum agora_token_error add_rtm_with_stream(const struct token_request *r,
                                                  struct service_list *out) {
    put(out, agora_service_stream_channel(r->channel, r->user, r->user_expire));
    put(out, agora_service_rtm(r->user, r->user_expire));
    return AGORA_TOKEN_OK;
}

static enum agora_token_error add_apaas_room_user(const struct token_request *r,
                                                  struct service_list *out) {
    struct agora_service three[3];
    enum agora_token_error error = agora_services_apaas_room_user(
        three, r->room, r->user, r->room_role, r->user_expire, out->chat_user);
    for (size_t i = 0; i < 3; i++)
        put(out, three[i]);
    return error;
}

static enum agora_token_error add_rtm2(const struct token_request *r, struct service_list *out) {
    put(out, agora_service_rtm2(r->user, r->permissions, r->permission_count, r->user_expire));
    return AGORA_TOKEN_OK;
}

enum {
    TAKES_CHANNEL_USER = TAKES_CHANNEL | TAKES_UID,
    TAKES_RTC = TAKES_CHANNEL_USER | TAKES_ROLE,
    TAKES_RTC_AND_RTM = TAKES_RTC | TAKES_USER,
};

/* A token lists its services by type, and those of one type in the order of this table. */
const struct service_kind service_kinds[] = {
    {"rtc", 0, TAKES_RTC, false, "serviceRtc", "enable", NULL, EXPIRE_DEFAULT, .add = add_rtc},
    {"rtm", 0, TAKES_USER, false, "serviceRtm", "enable", NULL, EXPIRE_DEFAULT,
     .of_user = agora_service_rtm},
    {"rtm", TAKES_CHANNEL, TAKES_CHANNEL | TAKES_USER, false, NULL, NULL, NULL, EXPIRE_DEFAULT,
     .add = add_rtm_with_stream},
    {"chat", TAKES_USER, TAKES_USER, false, "serviceChat", "enableUser", "userUuid", EXPIRE_DEFAULT,
     .of_user = agora_service_chat_user},
    {"chat", 0, 0, false, "serviceChat", "enableApp", NULL, EXPIRE_DEFAULT,
     .of_app = agora_service_chat_app},
    {"fpa", 0, 0, false, "serviceFpa", "enable", NULL, AGORA_FPA_EXPIRE,
     .of_nobody = agora_service_fpa},
    {"streaming", 0, TAKES_CHANNEL_USER, false, "serviceStreaming", "enable", NULL, EXPIRE_DEFAULT,
     .of_channel = agora_service_streaming},
    {"fcdn", 0, TAKES_CHANNEL_USER, false, "serviceFcdn", "enable", NULL, EXPIRE_DEFAULT,
     .of_channel = agora_service_fcdn},
    {"apaas", TAKES_USER, TAKES_USER, false, "serviceApaas", "enableUser", "userUuid",
     EXPIRE_DEFAULT, .of_user = agora_service_apaas_user},
    {"apaas", 0, 0, false, "serviceApaas", "enableApp", NULL, EXPIRE_DEFAULT,
     .of_app = agora_service_apaas_app},
    {"apaas", TAKES_ROOM, TAKES_ROOM | TAKES_USER, false, "serviceApaas", "enableRoomUser",
     "userUuid", EXPIRE_DEFAULT, .add = add_apaas_room_user},
    {"rtm2", 0, TAKES_USER | TAKES_PERMISSIONS, false, "serviceRtm2", "enable", NULL,
     EXPIRE_DEFAULT, .add = add_rtm2},
    {"convoai", 0, TAKES_RTC_AND_RTM, true, "serviceConvoAi", "enable", NULL, EXPIRE_DEFAULT,
     .of_nobody = agora_service_convoai},
    {"stt", 0, TAKES_RTC_AND_RTM, true, "serviceStt", "enable", NULL, EXPIRE_DEFAULT,
     .of_nobody = agora_service_stt},
    {"rtc-rtm", 0, TAKES_RTC_AND_RTM, true, NULL, NULL, NULL, .expire = EXPIRE_DEFAULT},
    {0},
};

/* All rows at once, APaaS's room user with the two companions, fit into one token. */
static_assert(sizeof service_kinds / sizeof service_kinds[0] - 1 + 2 <= SERVICES_MAX,
              "SERVICES_MAX is too small");

const struct service_kind *service_kind_of(struct agora_text token_type, unsigned given) {
    const struct service_kind *chosen = NULL;
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++)
        if (text_equals(token_type, kind->token_type) && (kind->chosen_by & ~given) == 0 &&
            (!chosen || kind->chosen_by > chosen->chosen_by))
            chosen = kind;
    return chosen;
}

enum agora_token_error service_kind_add(const struct service_kind *kind,
                                        const struct token_request *r, struct service_list *out) {
    if (kind->add)
        return kind->add(r, out);
    if (kind->of_channel)
        put(out, kind->of_channel(r->channel, r->uid, r->channel_expire));
    else if (kind->of_user)
        put(out, kind->of_user(r->user, r->user_expire));
    else if (kind->of_app)
        put(out, kind->of_app(r->user_expire));
    else if (kind->of_nobody)
        put(out, kind->of_nobody());
    return AGORA_TOKEN_OK;
}

enum agora_token_error service_kind_add_all(const struct service_kind *kind,
                                            const struct token_request *request,
                                            struct service_list *services) {
    if (kind->with_rtc_and_rtm) {
        add_rtc(request, services);
        put(services, agora_service_rtm(request->user, request->user_expire));
    }
    return service_kind_add(kind, request, services);
}

struct token_types token_types(void) {
    struct token_types types = {{0}};
    const char *last = "";
    size_t length = 0;
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++) {
        if (strcmp(kind->token_type, last) == 0)
            continue;
        const char *before = length == 0 ? "" : kind[1].token_type ? ", " : " or ";
        last = kind->token_type;
        length +=
            (size_t)snprintf(types.text + length, sizeof types.text - length, "%s%s", before, last);
        assert(length < sizeof types.text);
    }
    return types;
}
