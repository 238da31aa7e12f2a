#include "access/credential.h"

#include <strings.h>

#include "text.h"

const char *credential_verdict_text(enum credential_verdict verdict) {
    static const char *const texts[] = {
        [CREDENTIAL_VALID] = "valid",
        [CREDENTIAL_NO_MEMORY] = "out of memory",
        [CREDENTIAL_TOO_LONG] = "the JWT is longer than 8192 bytes",
        [CREDENTIAL_MALFORMED] = "neither a known API key nor a well-formed JWT",
        [CREDENTIAL_WRONG_ALGORITHM] = "the JWT's alg is none that is accepted",
        [CREDENTIAL_CRITICAL] = "the JWT has a crit header",
        [CREDENTIAL_WRONG_CALLER] = "the JWT's issuer and audience are no caller's",
        [CREDENTIAL_UNKNOWN_KEY] = "the caller has no key with the JWT's kid",
        [CREDENTIAL_WRONG_KEY] = "the caller has no key for the JWT's alg and kid",
        [CREDENTIAL_WRONG_SIGNATURE] = "the JWT's signature is not by a key of the caller",
        [CREDENTIAL_WRONG_CLAIM] = "exp, nbf or iat of the JWT is missing or no time",
        [CREDENTIAL_EXPIRED] = "expired",
        [CREDENTIAL_NOT_YET_VALID] = "the JWT is not valid yet",
    };
    return texts[verdict];
}

struct agora_text credential_value(struct agora_text header) {
    struct agora_text value = text_trim(header);
    return value.length > 0 ? value : (struct agora_text){NULL, 0};
}

struct agora_text credential_bearer(struct agora_text authorization) {
    struct agora_text value = text_trim(authorization);
    struct agora_text scheme = text_cut(&value, ' ');
    if (scheme.length != strlen("Bearer") || strncasecmp(scheme.data, "Bearer", scheme.length) != 0)
        return (struct agora_text){NULL, 0};
    return credential_value(value);
}

bool credential_cookie(struct agora_text header, const char *name, struct agora_text *value) {
    bool found = false;
    *value = (struct agora_text){NULL, 0};
    while (header.data) {
        struct agora_text rest = text_cut(&header, ';');
        if (!text_equals(text_trim(text_cut(&rest, '=')), name) || !rest.data)
            continue;
        if (found)
            return false;
        found = true;
        rest = text_trim(rest);
        if (rest.length >= 2 && rest.data[0] == '"' && rest.data[rest.length - 1] == '"')
            rest = (struct agora_text){rest.data + 1, rest.length - 2};
        *value = credential_value(rest);
    }
    return true;
}
