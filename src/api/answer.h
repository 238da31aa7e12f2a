/* The tokens that the endpoints hand out, and the JSON around them. */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "api/api.h"

/* A token to be: services that all last `expire` seconds. */
struct grant {
    size_t service_count;
    struct agora_service services[2];
    uint32_t expire;
};

/* user "" admits any user. */
struct grant grant_rtc(struct agora_text channel, struct agora_text user, bool publisher,
                       uint32_t expire);

/* channel {NULL, 0}: signaling alone; else the user may also join and use that stream channel. */
struct grant grant_rtm(struct agora_text user, struct agora_text channel, uint32_t expire);

/* user {NULL, 0}: a token for the app, not for a user. */
struct grant grant_chat(struct agora_text user, uint32_t expire);

/* Answers {"key":"007…","key":"007…"}. */
struct named_grant {
    const char *key;
    struct grant grant;
};
void answer_tokens(struct api *api, const struct named_grant *grants, size_t count,
                   struct response *response);

#endif
