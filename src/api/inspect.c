#include <stdlib.h>

#include "api/answer.h"
#include "api/body.h"
#include "api/endpoints.h"
#include "json/token_json.h"

enum {
    /* A short token can unpack to a long one, and that to an answer six times as long. */
    ARENA_SIZE = 4 * AGORA_READ_ROOM,
    ANSWER_MAX = 64 * 1024,
};

/* Why the token does not let anybody in; NULL if it does as far as can be told here. */
static const char *flaw(const struct call *call, const struct agora_reading *reading,
                        enum agora_token_error verdict) {
    struct agora_text app_id = {call->api->settings->app_id, AGORA_HEX_LENGTH};
    struct agora_text its_app_id =
        reading->version == 7 ? reading->token.app_id : reading->old.app_id;
    if (memcmp(app_id.data, its_app_id.data, AGORA_HEX_LENGTH) != 0)
        return "it is of another App ID than this server's";
    if (verdict != AGORA_TOKEN_OK)
        return agora_token_strerror(verdict);
    if (agora_reading_has_ended(reading, call->api->now))
        return "it has ended";
    return NULL;
}

static const char *boolean(bool value) {
    return value ? "true" : "false";
}

/* What the token says, and what this server thinks of it. */
static enum agora_token_error describe(const struct call *call, struct agora_text token,
                                       void *arena, struct buffer *out) {
    struct agora_text certificate = {call->api->settings->app_certificate, AGORA_HEX_LENGTH};
    struct agora_reading reading;
    enum agora_token_error error = agora_token_read(token, arena, ARENA_SIZE, &reading);
    if (error)
        return error;
    enum agora_token_error verdict = agora_token_verify(&reading, certificate);
    if (status_of_error(verdict) == HTTP_INTERNAL_SERVER_ERROR)
        return verdict;

    const char *reason = flaw(call, &reading, verdict);
    buffer_printf(out, "{\"valid\":%s,\"reason\":%s%s%s,\"signed_here\":%s,\"ended\":%s,\"token\":",
                  boolean(!reason), reason ? "\"" : "", reason ? reason : "null",
                  reason ? "\"" : "", boolean(verdict == AGORA_TOKEN_OK),
                  boolean(agora_reading_has_ended(&reading, call->api->now)));
    token_write_json(&reading, out);
    buffer_puts(out, "}");
    return out->length > ANSWER_MAX ? AGORA_TOKEN_NO_ROOM : AGORA_TOKEN_OK;
}

static void inspect(const struct call *call, struct agora_text token, struct response *response) {
    void *arena = malloc(ARENA_SIZE);
    enum agora_token_error error =
        arena ? describe(call, token, arena, &response->body) : AGORA_TOKEN_NO_MEMORY;
    free(arena);
    if (error == AGORA_TOKEN_NO_ROOM)
        response_error(response, HTTP_BAD_REQUEST,
                       "token holds too much: what it holds is shown up to %d bytes; use "
                       "agora-token decode for more",
                       ANSWER_MAX);
    else if (status_of_error(error) == HTTP_INTERNAL_SERVER_ERROR)
        response_error(response, HTTP_INTERNAL_SERVER_ERROR, "%s", agora_token_strerror(error));
    else if (error)
        response_error(response, HTTP_BAD_REQUEST,
                       "token is not valid: %s; use an Agora token as it was minted, which begins "
                       "with 007 or 006",
                       agora_token_strerror(error));
}

void endpoint_inspect(const struct call *call, struct response *response) {
    struct json_object *body;
    struct agora_text token;
    if (body_parse(call->request->body, &body, response) &&
        body_text(body, "token", &token, response)) {
        if (token.length > 0)
            inspect(call, token, response);
        else
            response_error(response, HTTP_BAD_REQUEST,
                           "token is missing or empty: use {\"token\":\"007…\"}");
    }
    json_object_put(body);
}
