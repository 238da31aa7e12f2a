#include <json-c/json.h>
#include <stdlib.h>

#include "api/body.h"
#include "api/endpoints.h"
#include "text.h"
#include "json/token_json.h"

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

/* What the token says, and what this server thinks of it. */
static struct json_object *describe(const struct call *call, const struct agora_reading *reading) {
    struct agora_text certificate = {call->api->settings->app_certificate, AGORA_HEX_LENGTH};
    enum agora_token_error verdict = agora_token_verify(reading, certificate);
    const char *reason = flaw(call, reading, verdict);
    struct json_object *json = json_object_new_object();
    if (!json)
        return NULL;
    json_object_object_add(json, "valid", json_object_new_boolean(!reason));
    json_object_object_add(json, "reason", reason ? json_object_new_string(reason) : NULL);
    json_object_object_add(json, "signed_here", json_object_new_boolean(verdict == AGORA_TOKEN_OK));
    json_object_object_add(
        json, "ended", json_object_new_boolean(agora_reading_has_ended(reading, call->api->now)));
    json_object_object_add(json, "token", token_to_json(reading));
    return json;
}

static void inspect(const struct call *call, struct agora_text text, struct response *response) {
    /* A body could hold a token that unpacks to far more, and fills an answer of a hundred times
     * its length; those say NO_ROOM. */
    enum { ROOM = 4 * AGORA_READ_ROOM };
    struct agora_reading reading;
    struct json_object *json = NULL;
    void *room = malloc(ROOM);
    enum agora_token_error error =
        room ? agora_token_read(text, room, ROOM, &reading) : AGORA_TOKEN_NO_MEMORY;
    if (!error && !(json = describe(call, &reading)))
        error = AGORA_TOKEN_NO_MEMORY;

    if (json)
        buffer_puts(&response->body,
                    json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
    else if (error == AGORA_TOKEN_NO_MEMORY)
        response_error(response, HTTP_INTERNAL_SERVER_ERROR, "out of memory");
    else
        response_error(response, HTTP_BAD_REQUEST,
                       "token is not valid: %s; use an Agora token as it was minted, which begins "
                       "with 007 or 006",
                       agora_token_strerror(error));
    json_object_put(json);
    free(room);
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
