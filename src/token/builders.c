/* Services as Agora's builders fill them. */
#include <openssl/evp.h>
#include <string.h>

#include "agora_token.h"

static const struct agora_text none = {NULL, 0};

static struct agora_service service_of(enum agora_service_type type, struct agora_text channel,
                                       struct agora_text user) {
    return (struct agora_service){.type = (uint16_t)type, .channel = channel, .user = user};
}

/* For the constructors below, which stay far from AGORA_PRIVILEGES_MAX. */
static void add(struct agora_service *service, uint16_t privilege, uint32_t expire) {
    service->privileges[service->privilege_count++] = (struct agora_privilege){privilege, expire};
}

static struct agora_service with_one(enum agora_service_type type, struct agora_text user,
                                     uint16_t privilege, uint32_t expire) {
    struct agora_service service = service_of(type, none, user);
    add(&service, privilege, expire);
    return service;
}

static struct agora_service with_two(enum agora_service_type type, struct agora_text channel,
                                     struct agora_text user, uint16_t first, uint16_t second,
                                     uint32_t expire) {
    struct agora_service service = service_of(type, channel, user);
    add(&service, first, expire);
    add(&service, second, expire);
    return service;
}

struct agora_text agora_uid_text(uint32_t uid, char out[AGORA_UID_SIZE]) {
    char *at = out + AGORA_UID_SIZE - 1;
    *at = '\0';
    for (; uid > 0; uid /= 10)
        *--at = (char)('0' + uid % 10);
    size_t length = (size_t)(out + AGORA_UID_SIZE - 1 - at);
    memmove(out, at, length + 1);
    return (struct agora_text){out, length};
}

struct agora_service agora_service_rtc_with_lifetimes(struct agora_text channel,
                                                      struct agora_text user, enum agora_role role,
                                                      const struct agora_rtc_lifetimes *lifetimes) {
    struct agora_service service = service_of(AGORA_SERVICE_RTC, channel, user);
    add(&service, AGORA_RTC_JOIN_CHANNEL, lifetimes->join);
    if (role == AGORA_ROLE_PUBLISHER) {
        add(&service, AGORA_RTC_PUBLISH_AUDIO, lifetimes->audio);
        add(&service, AGORA_RTC_PUBLISH_VIDEO, lifetimes->video);
        add(&service, AGORA_RTC_PUBLISH_DATA, lifetimes->data);
    }
    return service;
}

struct agora_service agora_service_rtc(struct agora_text channel, struct agora_text user,
                                       enum agora_role role, uint32_t expire) {
    struct agora_rtc_lifetimes same = {expire, expire, expire, expire};
    return agora_service_rtc_with_lifetimes(channel, user, role, &same);
}

struct agora_service agora_service_stream_channel(struct agora_text channel, struct agora_text user,
                                                  uint32_t expire) {
    return with_two(AGORA_SERVICE_RTC, channel, user, AGORA_RTC_JOIN_CHANNEL,
                    AGORA_RTC_PUBLISH_DATA, expire);
}

struct agora_service agora_service_rtm(struct agora_text user, uint32_t expire) {
    return with_one(AGORA_SERVICE_RTM, user, AGORA_RTM_LOGIN, expire);
}

struct agora_service agora_service_rtm2(struct agora_text user,
                                        const struct agora_rtm2_permission *permissions,
                                        size_t permission_count, uint32_t expire) {
    struct agora_service service = with_one(AGORA_SERVICE_RTM2, user, AGORA_RTM2_LOGIN, expire);
    service.permissions = permissions;
    service.permission_count = permission_count;
    return service;
}

struct agora_service agora_service_streaming(struct agora_text channel, struct agora_text user,
                                             uint32_t expire) {
    return with_two(AGORA_SERVICE_STREAMING, channel, user, AGORA_STREAMING_PUBLISH_MIXED,
                    AGORA_STREAMING_PUBLISH_RAW, expire);
}

struct agora_service agora_service_fpa(void) {
    return with_one(AGORA_SERVICE_FPA, none, AGORA_FPA_LOGIN, 0);
}

struct agora_service agora_service_chat_user(struct agora_text user, uint32_t expire) {
    return with_one(AGORA_SERVICE_CHAT, user, AGORA_CHAT_USER, expire);
}

struct agora_service agora_service_chat_app(uint32_t expire) {
    return with_one(AGORA_SERVICE_CHAT, none, AGORA_CHAT_APP, expire);
}

struct agora_service agora_service_fcdn(struct agora_text channel, struct agora_text user,
                                        uint32_t expire) {
    return with_two(AGORA_SERVICE_FCDN, channel, user, AGORA_FCDN_PUBLISH, AGORA_FCDN_PLAY, expire);
}

static struct agora_service apaas(struct agora_text room, struct agora_text user, int16_t role,
                                  uint16_t privilege, uint32_t expire) {
    struct agora_service service = with_one(AGORA_SERVICE_APAAS, user, privilege, expire);
    service.channel = room;
    service.role = role;
    return service;
}

struct agora_service agora_service_apaas_room_user(struct agora_text room, struct agora_text user,
                                                   int16_t role, uint32_t expire) {
    return apaas(room, user, role, AGORA_APAAS_ROOM_USER, expire);
}

struct agora_service agora_service_apaas_user(struct agora_text user, uint32_t expire) {
    return apaas(none, user, -1, AGORA_APAAS_USER, expire);
}

struct agora_service agora_service_apaas_app(uint32_t expire) {
    return apaas(none, none, -1, AGORA_APAAS_APP, expire);
}

struct agora_service agora_service_convoai(void) {
    return service_of(AGORA_SERVICE_CONVOAI, none, none);
}

struct agora_service agora_service_stt(void) {
    return service_of(AGORA_SERVICE_STT, none, none);
}

enum agora_token_error agora_service_allow(struct agora_service *service, uint16_t privilege,
                                           uint32_t expire) {
    for (size_t i = 0; i < service->privilege_count; i++) {
        if (service->privileges[i].privilege == privilege) {
            service->privileges[i].expire = expire;
            return AGORA_TOKEN_OK;
        }
    }
    if (service->privilege_count >= AGORA_PRIVILEGES_MAX)
        return AGORA_TOKEN_BAD_PRIVILEGE;
    add(service, privilege, expire);
    return AGORA_TOKEN_OK;
}

void agora_service_forbid(struct agora_service *service, uint16_t privilege) {
    size_t kept = 0;
    for (size_t i = 0; i < service->privilege_count; i++)
        if (service->privileges[i].privilege != privilege)
            service->privileges[kept++] = service->privileges[i];
    service->privilege_count = (uint16_t)kept;
}

void agora_services_rtm_with_stream(struct agora_service out[2], struct agora_text user,
                                    struct agora_text channel, uint32_t expire) {
    out[0] = agora_service_stream_channel(channel, user, expire);
    out[1] = agora_service_rtm(user, expire);
}

void agora_services_rtc_with_rtm(struct agora_service out[2], struct agora_service rtc,
                                 struct agora_text rtm_user, uint32_t rtm_expire) {
    out[0] = rtc;
    out[1] = agora_service_rtm(rtm_user, rtm_expire);
}

void agora_services_convoai(struct agora_service out[3], struct agora_service rtc,
                            struct agora_text rtm_user, uint32_t rtm_expire) {
    agora_services_rtc_with_rtm(out, rtc, rtm_user, rtm_expire);
    out[2] = agora_service_convoai();
}

void agora_services_stt(struct agora_service out[3], struct agora_service rtc,
                        struct agora_text rtm_user, uint32_t rtm_expire) {
    agora_services_rtc_with_rtm(out, rtc, rtm_user, rtm_expire);
    out[2] = agora_service_stt();
}

static enum agora_token_error md5_hex(struct agora_text text, char out[AGORA_MD5_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    out[0] = '\0';
    if (!EVP_Digest(text.data, text.length, digest, &length, EVP_md5(), NULL) ||
        length != (AGORA_MD5_SIZE - 1) / 2)
        return AGORA_TOKEN_CRYPTO;
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[digest[i] >> 4];
        *out++ = digits[digest[i] & 15];
    }
    *out = '\0';
    return AGORA_TOKEN_OK;
}

enum agora_token_error agora_services_apaas_room_user(struct agora_service out[3],
                                                      struct agora_text room,
                                                      struct agora_text user, int16_t role,
                                                      uint32_t expire,
                                                      char chat_user[AGORA_MD5_SIZE]) {
    enum agora_token_error error = md5_hex(user, chat_user);
    out[0] = agora_service_apaas_room_user(room, user, role, expire);
    out[1] = agora_service_rtm(user, expire);
    out[2] = agora_service_chat_user(agora_text_of(chat_user), expire);
    return error;
}
