#include "access/credential.h"

#include <strings.h>

#include "text.h"

static const struct {
    const char *name;
    const char *text;
} verdicts[] = {
    [CREDENTIAL_VALID] = {"valid", "valid"},
    [CREDENTIAL_NO_MEMORY] = {"out_of_memory", "out of memory"},
    [CREDENTIAL_NO_KEYS] = {"keys_not_fetched",
                            "the keys of this caller have not been fetched yet"},
    [CREDENTIAL_ABSENT] = {"missing", "the request has no credential"},
    [CREDENTIAL_TOO_LONG] = {"too_long", "the JWT is longer than 8192 bytes"},
    [CREDENTIAL_MALFORMED] = {"malformed", "neither a known API key nor a well-formed JWT"},
    [CREDENTIAL_WRONG_ALGORITHM] = {"wrong_algorithm", "the JWT's alg is none that is accepted"},
    [CREDENTIAL_CRITICAL] = {"critical_header", "the JWT has a crit header"},
    [CREDENTIAL_WRONG_CALLER] = {"no_caller", "the JWT's issuer and audience are no caller's"},
    [CREDENTIAL_UNKNOWN_KEY] = {"unknown_key", "the caller has no key with the JWT's kid"},
    [CREDENTIAL_WRONG_KEY] = {"wrong_key", "the caller has no key for the JWT's alg and kid"},
    [CREDENTIAL_WRONG_SIGNATURE] = {"wrong_signature",
                                    "the JWT's signature is not by a key of the caller"},
    [CREDENTIAL_WRONG_CLAIM] = {"wrong_claim", "exp, nbf or iat of the JWT is missing or no time"},
    [CREDENTIAL_EXPIRED] = {"expired", "expired"},
    [CREDENTIAL_NOT_YET_VALID] = {"not_yet_valid", "the JWT is not valid yet"},
    [CREDENTIAL_SEVERAL_CALLERS] = {"several_callers",
                                    "the JWT's issuer and audience are those of several callers"},
    [CREDENTIAL_NO_API_KEY] = {"unknown_api_key", "there is no such API key"},
    [CREDENTIAL_API_KEY_EXPIRED] = {"api_key_expired", "the API key has expired"},
    [CREDENTIAL_HEADER_TWICE] = {"header_twice", "the header of a credential was sent twice"},
    [CREDENTIAL_COOKIE_TWICE] = {"cookie_twice", "there are two cookies of that name"},
    [CREDENTIAL_PARAMETER_TWICE] = {"parameter_twice",
                                    "the web server sent a parameter of the caller twice"},
    [CREDENTIAL_UNCHECKED] = {"login_unchecked",
                              "REMOTE_USER was not checked: AUTH_TYPE is not set"},
};

const char *credential_verdict_text(enum credential_verdict verdict) {
    return verdicts[verdict].text;
}

const char *credential_verdict_name(enum credential_verdict verdict) {
    return verdicts[verdict].name;
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
