#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"

enum { CHANNEL, ROLE, TOKEN_TYPE, UID };

void endpoint_rtc(const struct call *call, struct response *response) {
    const struct agora_text *value = call->captures;
    struct agora_text user;
    struct expiry expiry;
    if (!parameter_channel(value[CHANNEL], response) ||
        !parameter_rtc_user(value[TOKEN_TYPE], value[UID], &user, response) ||
        !parameter_expiry(call->request->query, &expiry, response))
        return;

    struct agora_service rtc =
        agora_service_rtc(value[CHANNEL], user, rtc_role(value[ROLE]), expiry.seconds);
    answer_tokens(call, &(struct named_token){"rtcToken", 1, &rtc}, 1, expiry, response);
}
