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

#include "agora_token.h"
#include "http/buffer.h"

/* Appends all of a token that agora_token_read has read. */
void token_write_json(const struct agora_reading *reading, struct buffer *out);

#endif
