#include "api/answer.h"
#include "api/endpoints.h"
#include "api/parameters.h"

void endpoint_chat_app(const struct call *call, struct response *response) {
    struct expiry expiry;
    if (!parameter_expiry(call->request->query, &expiry, response))
        return;

    struct agora_service chat = agora_service_chat_app(expiry.seconds);
    answer_tokens(call, &(struct named_token){"chatToken", 1, &chat}, 1, expiry, response);
}

void endpoint_chat_account(const struct call *call, struct response *response) {
    struct agora_text user = call->captures[0];
    struct expiry expiry;
    if (!parameter_user("chatid", user, response) ||
        !parameter_expiry(call->request->query, &expiry, response))
        return;

    struct agora_service chat = agora_service_chat_user(user, expiry.seconds);
    answer_tokens(call, &(struct named_token){"chatToken", 1, &chat}, 1, expiry, response);
}
