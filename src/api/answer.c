#include "api/answer.h"

#include "api/authorization.h"
#include "metrics/metrics.h"

/* Holds a token of the longest channel and users that the endpoints of agora-token-service allow. A
 * longer one is minted again, into a larger buffer. */
enum { TOKEN_COMMON = 1024 };

/* Appends a token. On an error the buffer is as it was, or has failed. */
static enum agora_token_error append_token(struct api *api, const struct agora_service *services,
                                           size_t service_count, uint32_t expire,
                                           struct buffer *out) {
    const struct settings *settings = api->settings;
    struct agora_token token = {
        .app_id = {settings->app_id, AGORA_HEX_LENGTH},
        .issue_ts = api->now,
        .expire = expire,
        .service_count = service_count,
        .services = services,
    };
    struct agora_text certificate = {settings->app_certificate, AGORA_HEX_LENGTH};

    enum agora_token_error error = agora_token_salt(api->minter, &token.salt);
    if (error)
        return error;
    for (size_t size = TOKEN_COMMON, length;; size = length + 1) {
        char *text = buffer_reserve(out, size);
        if (!text)
            return AGORA_TOKEN_NO_MEMORY;
        error = agora_token_mint(api->minter, &token, certificate, text, size, &length);
        if (!error)
            out->length += length;
        if (error != AGORA_TOKEN_NO_ROOM)
            return error;
    }
}

enum http_status status_of_error(enum agora_token_error error) {
    bool is_ours = error == AGORA_TOKEN_NO_MEMORY || error == AGORA_TOKEN_CRYPTO;
    return is_ours ? HTTP_INTERNAL_SERVER_ERROR : HTTP_BAD_REQUEST;
}

void answer_tokens(const struct call *call, struct named_token *tokens, size_t count,
                   struct expiry expiry, struct response *response) {
    struct buffer *body = &response->body;
    if (!authorize_tokens(call, tokens, count, &expiry, response))
        return;
    for (size_t i = 0; i < count; i++) {
        buffer_puts(body, i == 0 ? "{\"" : ",\"");
        buffer_puts(body, tokens[i].key);
        buffer_puts(body, "\":\"");
        enum agora_token_error error = append_token(call->api, tokens[i].services,
                                                    tokens[i].service_count, expiry.seconds, body);
        if (error) {
            response_error(response, status_of_error(error), "cannot mint the token: %s",
                           agora_token_strerror(error));
            return;
        }
        buffer_puts(body, "\"");
    }
    buffer_puts(body, "}");
    for (size_t i = 0; i < count && call->api->counters; i++)
        count_minted(call->api->counters, tokens[i].services, tokens[i].service_count);
}
