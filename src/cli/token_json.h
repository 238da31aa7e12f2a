/*
 * Tokens as JSON, in one form for both directions:
 *
 *     {"app_id": HEX, "app_certificate": HEX, "issue_ts": N, "expire": N, "salt": N,
 *      "services": [{"type": "rtc", "channel": TEXT, "uid": TEXT, "privileges": {"1": N}}, …]}
 *
 * TEXT is a string, or {"hex": "…"} for bytes that are not UTF-8.
 */
#ifndef CLI_TOKEN_JSON_H
#define CLI_TOKEN_JSON_H

#include <json-c/json.h>
#include <stdbool.h>

#include "agora_token.h"

/* To be given to json_object_put; NULL when there is no memory. */
struct json_object *token_to_json(const struct agora_reading *reading);

/* What a description says, and what it leaves out. Texts point into the JSON or into `memory`. */
struct description {
    struct agora_token token;
    struct agora_text certificate; /* {NULL, 0}: not given, as the App ID */
    bool has_issue_ts;
    bool has_expire;
    bool has_salt;
    struct block *memory;
};

enum { DESCRIPTION_ERROR_MAX = 512 };

/* False with a sentence in error that names the value and what is allowed. To be given to
 * description_free in any case, before the JSON is given back. */
bool token_from_json(struct json_object *json, struct description *description,
                     char error[static DESCRIPTION_ERROR_MAX]);
void description_free(struct description *description);

/* Parses exactly one JSON value, with nothing but white space around it; NULL with a sentence in
 * error. */
struct json_object *parse_json(const char *text, size_t length,
                               char error[static DESCRIPTION_ERROR_MAX]);

#endif
