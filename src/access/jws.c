#include "access/jws.h"

#include "text.h"
#include "token/base64.h"
#include "json/reader.h"

static bool decode(struct agora_text part, char **at, struct agora_text *out) {
    out->data = *at;
    bool decoded = base64_decode_digits(part, BASE64_URL, (uint8_t *)*at, &out->length);
    *at += out->length;
    return decoded;
}

static enum credential_verdict take_header(struct jws *jws, struct json_object *header) {
    struct json_object *kid = NULL;
    bool has_kid = json_object_object_get_ex(header, "kid", &kid);
    struct agora_text name = json_text(kid);
    if (!json_object_is_type(header, json_type_object) || (has_kid && !name.data))
        return CREDENTIAL_MALFORMED;
    if (json_object_object_get_ex(header, "crit", NULL))
        return CREDENTIAL_CRITICAL;
    jws->algorithm = algorithm_of_name(json_text(json_object_object_get(header, "alg")));
    if (!jws->algorithm)
        return CREDENTIAL_WRONG_ALGORITHM;
    /* It takes the place of the header's text, which is longer and has been read. */
    jws->kid = (struct agora_text){has_kid ? jws->buffer : NULL, name.length};
    if (has_kid)
        memcpy(jws->buffer, name.data, name.length);
    return CREDENTIAL_VALID;
}

static enum credential_verdict read_header(struct jws *jws, struct agora_text encoded) {
    struct agora_text text;
    struct json_object *json;
    struct json_error error;
    if (!decode(encoded, &(char *){jws->buffer}, &text))
        return CREDENTIAL_MALFORMED;
    if (!json_read(text, JSON_REFUSE_REPEATED, &json, &error))
        return error.no_memory ? CREDENTIAL_NO_MEMORY : CREDENTIAL_MALFORMED;
    enum credential_verdict verdict = take_header(jws, json);
    json_object_put(json);
    if (verdict == CREDENTIAL_VALID && encoded.length <= sizeof jws->known) {
        memcpy(jws->known, encoded.data, encoded.length);
        jws->known_length = encoded.length;
    }
    return verdict;
}

enum credential_verdict jws_parse(struct jws *jws, struct agora_text token) {
    if (token.length > JWS_LENGTH_MAX)
        return CREDENTIAL_TOO_LONG;
    struct agora_text rest = token;
    struct agora_text header = text_cut(&rest, '.');
    struct agora_text payload = text_cut(&rest, '.');
    if (!rest.data)
        return CREDENTIAL_MALFORMED;
    jws->message = (struct agora_text){token.data, (size_t)(rest.data - token.data) - 1};

    bool is_known = header.length > 0 && header.length == jws->known_length &&
                    memcmp(header.data, jws->known, header.length) == 0;
    if (!is_known)
        jws->known_length = 0;
    /* What is in front of it is for the header or, if that is known, has the kid. */
    char *buffer = jws->buffer + base64_bound(header.length + 3);
    if (!decode(payload, &buffer, &jws->payload) || !decode(rest, &buffer, &jws->signature))
        return CREDENTIAL_MALFORMED;
    return is_known ? CREDENTIAL_VALID : read_header(jws, header);
}

enum credential_verdict jws_verify(const struct jws *jws, const struct key_set *keys) {
    return key_set_verify(keys, jws->algorithm, jws->kid, jws->message, jws->signature);
}
