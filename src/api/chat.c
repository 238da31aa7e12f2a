#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"

void endpoint_chat_app(const struct call *call, struct response *response) {
    uint32_t expire;
    if (!parameter_expiry(call->request->query, &expire, response))
        return;

    struct agora_service chat = agora_service_chat_app(expire);
    answer_tokens(call->api, &(struct named_token){"chatToken", 1, &chat}, 1, expire, response);
}

void endpoint_chat_account(const struct call *call, struct response *response) {
    struct agora_text user = call->captures[0];
    uint32_t expire;
    if (!parameter_user("chatid", user, response) ||
        !parameter_expiry(call->request->query, &expire, response))
        return;

    struct agora_service chat = agora_service_chat_user(user, expire);
    answer_tokens(call->api, &(struct named_token){"chatToken", 1, &chat}, 1, expire, response);
}
