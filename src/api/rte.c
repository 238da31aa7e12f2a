#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"
#include "text.h"

enum { CHANNEL, ROLE, TOKEN_TYPE, UID, RTM_UID };

/* An RTC token and a signaling token at once. */
void endpoint_rte(const struct call *call, struct response *response) {
    const struct agora_text *value = call->captures;
    struct agora_text user;
    struct expiry expiry;
    if (!parameter_channel(value[CHANNEL], response) ||
        !parameter_rtc_user(value[TOKEN_TYPE], value[UID], &user, response) ||
        !parameter_expiry(call->request->query, &expiry, response))
        return;

    struct agora_text rtm_user = {NULL, 0};
    if (call->capture_count > RTM_UID && value[RTM_UID].length > 0)
        rtm_user = value[RTM_UID];
    else if (user.length > 0 && !text_equals(value[UID], "0"))
        rtm_user = value[UID];
    if (rtm_user.length == 0) {
        response_error(
            response, HTTP_BAD_REQUEST,
            "rtmuid is missing, and rtcuid '%s' can't stand for it as signaling has no "
            "user 0: add a segment with the user, /rte/:channel/:role/:tokenType/:rtcuid/:rtmuid",
            quote(value[UID]).text);
        return;
    }
    if (!parameter_user("rtmuid", rtm_user, response))
        return;

    struct agora_service rtm[2];
    struct agora_service rtc =
        agora_service_rtc(value[CHANNEL], user, rtc_role(value[ROLE]), expiry.seconds);
    agora_services_rtm_with_stream(rtm, rtm_user, value[CHANNEL], expiry.seconds);
    struct named_token tokens[] = {{"rtcToken", 1, &rtc}, {"rtmToken", 2, rtm}};
    answer_tokens(call, tokens, 2, expiry, response);
}
