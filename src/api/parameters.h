/*
 * Checks of values as clients send them. Each either stores the value and returns true, or
 * makes the response a 400 that names the value and what is allowed, and returns false.
 */
#ifndef API_PARAMETERS_H
#define API_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "agora_token.h"
#include "http/response.h"
#include "token_request.h"

/* True for one decimal digit or more and nothing else. */
bool is_digits(struct agora_text value);

/* Drops the leading zeros of a decimal number that fits into 32 bits; "0" becomes "", which is how
 * a token says "any user". False, with uid untouched, when the number is larger. */
bool numeric_uid(struct agora_text digits, struct agora_text *uid);

/* Decimal digits, up to 32 bits. */
bool parameter_seconds(const char *name, struct agora_text value, uint32_t *seconds,
                       struct response *response);

/* The first `expiry` of the query, EXPIRE_DEFAULT when there is none. */
bool parameter_expiry(struct agora_text query, struct expiry *expiry, struct response *response);

/* 1 to AGORA_CHANNEL_MAX bytes of what Agora allows in a channel name, or "*" for every channel. */
bool parameter_channel(struct agora_text channel, struct response *response);

/* A user ID or account: 1 to AGORA_USER_MAX bytes without control characters. */
bool parameter_user(const char *name, struct agora_text user, struct response *response);

/* What stands for the user in an RTC token, from the tokenType ("uid" or "userAccount") and the
 * segment: "" for uid 0. */
bool parameter_rtc_user(struct agora_text token_type, struct agora_text segment,
                        struct agora_text *user, struct response *response);

/* "publisher" may publish; any other role, as in agora-token-service, may only join. */
enum agora_role rtc_role(struct agora_text role);

#endif
