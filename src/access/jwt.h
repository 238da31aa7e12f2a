/* JSON Web Tokens (RFC 7519) signed as JWS: parsed once, then given to the caller that they name.
 */
#ifndef ACCESS_JWT_H
#define ACCESS_JWT_H

#include <json-c/json.h>
#include <stdint.h>

#include "access/jws.h"

enum { JWT_LEEWAY = 60 }; /* seconds by which clocks may differ */

/* To be zeroed before its first use and kept for the next, as a jws is. */
struct jwt {
    struct jws jws;
    struct json_object *claims; /* an object without repeated members */
};

/* Whose JWTs they are. */
struct jwt_party {
    struct agora_text issuer;
    const struct agora_text *audiences;
    size_t audience_count;
    const char *audience_claim; /* where the audience is; NULL for aud */
};

/*
 * Decodes base64url and JSON, once for all that follows. The token must live as long as jwt, which
 * jwt_free is for after VALID; after another verdict, of those of jws_parse, there is nothing to
 * free.
 */
enum credential_verdict jwt_parse(struct jwt *jwt, struct agora_text token);
void jwt_free(struct jwt *jwt);

/* Whether iss is the issuer and aud is one of the audiences, or has one among its elements;
 * compared byte by byte. Nobody has verified that yet: it says whose keys are to be asked. */
bool jwt_is_for(const struct jwt *jwt, const struct jwt_party *party);

/*
 * Whether it is for the party, signed by one of the keys, and good at that time: before exp, which
 * must be there, and neither before nbf nor before iat, with JWT_LEEWAY each. Times are numbers
 * of seconds, with fractions if need be, up to the year 9999; others are refused, so that
 * milliseconds are not taken for a token without end. Only after VALID do the claims count. Gives
 * that, WRONG_CALLER, what key_set_verify gives, WRONG_CLAIM, EXPIRED or NOT_YET_VALID, in this
 * order.
 */
enum credential_verdict jwt_verify(const struct jwt *jwt, const struct jwt_party *party,
                                   const struct key_set *keys, int64_t now);

#endif
