#include "access/jwt.h"

#include "text.h"
#include "json/reader.h"

static const double time_max = 253402300799; /* the end of the year 9999 */

enum credential_verdict jwt_parse(struct jwt *jwt, struct agora_text token) {
    struct json_error error;
    enum credential_verdict verdict = jws_parse(&jwt->jws, token);
    if (verdict != CREDENTIAL_VALID)
        return verdict;
    if (!json_read(jwt->jws.payload, JSON_REFUSE_REPEATED, &jwt->claims, &error))
        return error.no_memory ? CREDENTIAL_NO_MEMORY : CREDENTIAL_MALFORMED;
    if (json_object_is_type(jwt->claims, json_type_object))
        return CREDENTIAL_VALID;
    jwt_free(jwt);
    return CREDENTIAL_MALFORMED;
}

void jwt_free(struct jwt *jwt) {
    json_object_put(jwt->claims);
    jwt->claims = NULL;
}

static bool equals(struct json_object *value, struct agora_text wanted) {
    struct agora_text text = json_text(value);
    return text.data && text_same(text, wanted);
}

static bool is_audience(struct json_object *value, const struct jwt_party *party) {
    for (size_t i = 0; i < party->audience_count; i++)
        if (equals(value, party->audiences[i]))
            return true;
    return false;
}

bool jwt_is_for(const struct jwt *jwt, const struct jwt_party *party) {
    const char *claim = party->audience_claim ? party->audience_claim : "aud";
    struct json_object *audience = json_object_object_get(jwt->claims, claim);
    if (!equals(json_object_object_get(jwt->claims, "iss"), party->issuer))
        return false;
    if (!json_object_is_type(audience, json_type_array))
        return is_audience(audience, party);
    for (size_t i = 0; i < json_object_array_length(audience); i++)
        if (is_audience(json_object_array_get_idx(audience, i), party))
            return true;
    return false;
}

static enum credential_verdict check_times(struct json_object *claims, int64_t now) {
    static const struct {
        const char *name;
        enum credential_verdict otherwise;
    } times[] = {
        {"exp", CREDENTIAL_EXPIRED},
        {"nbf", CREDENTIAL_NOT_YET_VALID},
        {"iat", CREDENTIAL_NOT_YET_VALID},
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        bool ends = times[i].otherwise == CREDENTIAL_EXPIRED;
        struct json_object *value;
        if (!json_object_object_get_ex(claims, times[i].name, &value)) {
            if (ends)
                return CREDENTIAL_WRONG_CLAIM;
            continue;
        }
        bool is_number = json_object_is_type(value, json_type_int) ||
                         json_object_is_type(value, json_type_double);
        double time = is_number ? json_object_get_double(value) : -1;
        if (!(time >= 0 && time <= time_max))
            return CREDENTIAL_WRONG_CLAIM;
        double left = ends ? time - (double)now : (double)now - time;
        if (left < -JWT_LEEWAY || (ends && left == -JWT_LEEWAY))
            return times[i].otherwise;
    }
    return CREDENTIAL_VALID;
}

enum credential_verdict jwt_verify(const struct jwt *jwt, const struct jwt_party *party,
                                   const struct key_set *keys, int64_t now) {
    if (!jwt_is_for(jwt, party))
        return CREDENTIAL_WRONG_CALLER;
    enum credential_verdict verdict = jws_verify(&jwt->jws, keys);
    return verdict == CREDENTIAL_VALID ? check_times(jwt->claims, now) : verdict;
}
