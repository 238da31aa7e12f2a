#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"
#include "text.h"

void endpoint_rtm(const struct call *call, struct response *response) {
    struct agora_text user = call->captures[0];
    struct expiry expiry;
    if (!parameter_user("rtmuid", user, response) ||
        !parameter_expiry(call->request->query, &expiry, response))
        return;
    if (text_equals(user, "0")) {
        response_error(response, HTTP_BAD_REQUEST,
                       "rtmuid '0' is not valid: signaling has no user 0; use any other text");
        return;
    }

    struct agora_service rtm = agora_service_rtm(user, expiry.seconds);
    answer_tokens(call, &(struct named_token){"rtmToken", 1, &rtm}, 1, expiry, response);
}
