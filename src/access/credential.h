/* What a request shows to say who asks: found in the headers as a web server passes them on, and
 * what can be said about one. Pure functions, for any thread. */
#ifndef ACCESS_CREDENTIAL_H
#define ACCESS_CREDENTIAL_H

#include <stdbool.h>

#include "agora_token.h"

/* Why a credential counts or does not. The log says which; a client hears that it is not valid. */
enum credential_verdict {
    CREDENTIAL_VALID,
    CREDENTIAL_NO_MEMORY, /* nothing is known about the credential: an error of the service */
    CREDENTIAL_NO_KEYS,   /* to check it with, yet */
    CREDENTIAL_ABSENT,
    /* The fault of whoever sent it: from here to the last. */
    CREDENTIAL_TOO_LONG,
    CREDENTIAL_MALFORMED,
    CREDENTIAL_WRONG_ALGORITHM,
    CREDENTIAL_CRITICAL,
    CREDENTIAL_WRONG_CALLER,
    CREDENTIAL_UNKNOWN_KEY, /* newer keys of the caller may have it */
    CREDENTIAL_WRONG_KEY,
    CREDENTIAL_WRONG_SIGNATURE,
    CREDENTIAL_WRONG_CLAIM,
    CREDENTIAL_EXPIRED,
    CREDENTIAL_NOT_YET_VALID,
    CREDENTIAL_SEVERAL_CALLERS,
    CREDENTIAL_NO_API_KEY,
    CREDENTIAL_API_KEY_EXPIRED,
    CREDENTIAL_HEADER_TWICE,
    CREDENTIAL_COOKIE_TWICE,
    CREDENTIAL_PARAMETER_TWICE,
    CREDENTIAL_UNCHECKED,
    CREDENTIAL_VERDICTS
};

/* The same for people, to stand behind "refused: ". Constant, and without a part of the credential.
 */
const char *credential_verdict_text(enum credential_verdict verdict);

/* The same as a word for programs. */
const char *credential_verdict_name(enum credential_verdict verdict);

/* An absent header is {NULL, 0} or empty. What is found is a part of the header; {NULL, 0} when
 * there is nothing or it is empty. */

/* RFC 9110 section 11.4 and RFC 6750 section 2.1: what follows "Bearer", in any case, in the value
 * of Authorization. Another scheme is nothing. */
struct agora_text credential_bearer(struct agora_text authorization);

/* The value of a header that is a credential as it stands, as X-API-Key: without the white space
 * around it. */
struct agora_text credential_value(struct agora_text header);

/* RFC 6265 section 4.2: the value of the cookie of that name, without the quotes around it. False
 * if there are two, of which a stranger may have set one. */
bool credential_cookie(struct agora_text header, const char *name, struct agora_text *value);

#endif
