#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"

void endpoint_chat_app(const struct call *call, struct response *response) {
    uint32_t expire;
    if (!parameter_expiry(call->request->query, &expire, response))
        return;

    struct named_grant grant = {"chatToken", grant_chat((struct agora_text){0}, expire)};
    answer_tokens(call->api, &grant, 1, response);
}

void endpoint_chat_account(const struct call *call, struct response *response) {
    struct agora_text user = call->captures[0];
    uint32_t expire;
    if (!parameter_user("chatid", user, response) ||
        !parameter_expiry(call->request->query, &expire, response))
        return;

    struct named_grant grant = {"chatToken", grant_chat(user, expire)};
    answer_tokens(call->api, &grant, 1, response);
}
