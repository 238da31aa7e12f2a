/*
 * Tokens as JSON, in one form for both directions:
 *
 *     {"app_id": HEX, "app_certificate": HEX, "issue_ts": N, "expire": N, "salt": N,
 *      "services": [{"type": "rtc", "channel": TEXT, "uid": TEXT, "privileges": {"1": N}}, …]}
 *
 * TEXT is a string, or {"hex": "…"} for bytes that are not UTF-8.
 */
#ifndef JSON_TOKEN_JSON_H
#define JSON_TOKEN_JSON_H

#include <json-c/json.h>

#include "agora_token.h"

/* To be given to json_object_put; NULL when there is no memory. */
struct json_object *token_to_json(const struct agora_reading *reading);

#endif
