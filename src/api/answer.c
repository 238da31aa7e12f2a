#include "api/answer.h"

#include "http/text.h"

/* Room for a token of the longest channel and users that the endpoints let in; the buffer grows and
 * the token is minted again should one ever be longer. */
enum { TOKEN_COMMON = 1024 };

static struct agora_service service_of(uint16_t type, struct agora_text channel,
                                       struct agora_text user) {
    return (struct agora_service){.type = type, .channel = channel, .user = user};
}

static void allow(struct agora_service *service, uint16_t privilege, uint32_t expire) {
    service->privileges[service->privilege_count++] = (struct agora_privilege){privilege, expire};
}

struct grant grant_rtc(struct agora_text channel, struct agora_text user, bool publisher,
                       uint32_t expire) {
    struct grant grant = {.service_count = 1, .expire = expire};
    grant.services[0] = service_of(AGORA_SERVICE_RTC, channel, user);
    allow(&grant.services[0], AGORA_RTC_JOIN_CHANNEL, expire);
    if (publisher) {
        allow(&grant.services[0], AGORA_RTC_PUBLISH_AUDIO, expire);
        allow(&grant.services[0], AGORA_RTC_PUBLISH_VIDEO, expire);
        allow(&grant.services[0], AGORA_RTC_PUBLISH_DATA, expire);
    }
    return grant;
}

struct grant grant_rtm(struct agora_text user, struct agora_text channel, uint32_t expire) {
    struct grant grant = {.expire = expire};
    if (channel.data) {
        struct agora_service *stream = &grant.services[grant.service_count++];
        *stream = service_of(AGORA_SERVICE_RTC, channel, user);
        allow(stream, AGORA_RTC_JOIN_CHANNEL, expire);
        allow(stream, AGORA_RTC_PUBLISH_DATA, expire);
    }
    struct agora_service *rtm = &grant.services[grant.service_count++];
    *rtm = service_of(AGORA_SERVICE_RTM, (struct agora_text){0}, user);
    allow(rtm, AGORA_RTM_LOGIN, expire);
    return grant;
}

struct grant grant_chat(struct agora_text user, uint32_t expire) {
    struct grant grant = {.service_count = 1, .expire = expire};
    grant.services[0] = service_of(AGORA_SERVICE_CHAT, (struct agora_text){0}, user);
    allow(&grant.services[0], user.data ? AGORA_CHAT_USER : AGORA_CHAT_APP, expire);
    return grant;
}

static enum agora_token_error mint(struct api *api, const struct grant *grant, struct buffer *out) {
    const struct settings *settings = api->settings;
    struct agora_token token = {
        .app_id = {settings->app_id, AGORA_HEX_LENGTH},
        .issue_ts = api->now,
        .expire = grant->expire,
        .service_count = grant->service_count,
        .services = grant->services,
    };
    struct agora_text certificate = {settings->app_certificate, AGORA_HEX_LENGTH};

    enum agora_token_error error = agora_token_salt(api->minter, &token.salt);
    if (error)
        return error;
    for (size_t size = TOKEN_COMMON, length;; size = length + 1) {
        char *room = buffer_reserve(out, size);
        if (!room)
            return AGORA_TOKEN_NO_MEMORY;
        error = agora_token_mint(api->minter, &token, certificate, room, size, &length);
        if (!error)
            out->length += length;
        if (error != AGORA_TOKEN_NO_ROOM)
            return error;
    }
}

void answer_tokens(struct api *api, const struct named_grant *grants, size_t count,
                   struct response *response) {
    struct buffer *body = &response->body;
    for (size_t i = 0; i < count; i++) {
        buffer_puts(body, i == 0 ? "{\"" : ",\"");
        buffer_puts(body, grants[i].key);
        buffer_puts(body, "\":\"");
        enum agora_token_error error = mint(api, &grants[i].grant, body);
        if (error) {
            response_error(response, HTTP_INTERNAL_SERVER_ERROR, "cannot mint the token: %s",
                           agora_token_strerror(error));
            return;
        }
        buffer_puts(body, "\"");
    }
    buffer_puts(body, "}");
}
