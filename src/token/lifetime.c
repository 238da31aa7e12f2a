#include "agora_token.h"

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t agora_token_end(const struct agora_token *token) {
    return (uint64_t)token->issue_ts + token->expire;
}

uint64_t agora_privilege_end(const struct agora_token *token,
                             const struct agora_privilege *privilege) {
    uint64_t end = agora_token_end(token);
    if (privilege->expire == 0)
        return end;
    return earlier(end, (uint64_t)token->issue_ts + privilege->expire);
}

uint64_t agora_token_006_end(const struct agora_token_006 *token) {
    return token->ts;
}

uint64_t agora_privilege_006_end(const struct agora_token_006 *token,
                                 const struct agora_privilege *privilege) {
    return privilege->expire == 0 ? token->ts : earlier(token->ts, privilege->expire);
}

int agora_reading_has_ended(const struct agora_reading *reading, uint64_t now) {
    return now >= (reading->version == 6 ? agora_token_006_end(&reading->old)
                                         : agora_token_end(&reading->token));
}

int agora_privilege_has_ended(const struct agora_token *token,
                              const struct agora_privilege *privilege, uint64_t now) {
    return now >= agora_privilege_end(token, privilege);
}
