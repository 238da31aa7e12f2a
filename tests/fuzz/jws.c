/*
 * What strangers show to say who they are, and the key sets that verify it. The first byte says
 * which:
 *
 *   t  a token for the keys of tests/vectors/json_web_signature.json: what is accepted is a message
 *      that one of their holders has signed
 *   k  a token, a line end and a key set
 *   c  the name of a cookie, a line end and a header: what is found is the one cookie of that name
 *   p  a payload, which is signed here: nothing is wrong with its signature, and what is accepted
 * is for us and not expired as json-c reads it
 *
 * A token is judged the same whatever the one before it was.
 */
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "access/jwt.h"
#include "text.h"

enum { MESSAGES_MAX = 512, SETS_MAX = 64, NOW = 1700000000 };

static void expect(bool condition) {
    if (!condition)
        abort();
}

static const char *member(struct json_object *json, const char *name) {
    return json_object_get_string(json_object_object_get(json, name));
}

static struct agora_text signed_messages[MESSAGES_MAX];
static size_t message_count;
static struct key_set *sets[SETS_MAX];
static size_t set_count;

static bool equal(struct agora_text a, struct agora_text b) {
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static enum credential_verdict judge(struct agora_text token, const struct key_set *keys) {
    static struct jws kept;
    struct jws fresh = {0};
    enum credential_verdict verdict = jws_parse(&fresh, token);
    expect(jws_parse(&kept, token) == verdict);
    if (verdict != CREDENTIAL_VALID)
        return verdict;
    expect(equal(kept.payload, fresh.payload) && kept.algorithm == fresh.algorithm &&
           !kept.kid.data == !fresh.kid.data && kept.kid.length == fresh.kid.length &&
           (!kept.kid.data || equal(kept.kid, fresh.kid)));
    return jws_verify(&kept, keys);
}

static void load(void) {
    char error[KEY_SET_ERROR_MAX];
    struct json_object *file = json_object_from_file("tests/vectors/json_web_signature.json");
    struct json_object *groups = json_object_object_get(file, "testGroups");
    expect(groups);
    for (size_t g = 0; g < json_object_array_length(groups); g++) {
        struct json_object *group = json_object_array_get_idx(groups, g);
        struct json_object *key = json_object_object_get(group, "public");
        if (key) {
            struct json_object *set = json_object_new_object();
            struct json_object *list = json_object_new_array();
            json_object_array_add(list, json_object_get(key));
            json_object_object_add(set, "keys", list);
            sets[set_count] = key_set_read(agora_text_of(json_object_to_json_string(set)), error);
            set_count += sets[set_count] != NULL;
            json_object_put(set);
        }
        struct json_object *tests = json_object_object_get(group, "tests");
        for (size_t t = 0; t < json_object_array_length(tests); t++) {
            struct json_object *test = json_object_array_get_idx(tests, t);
            const char *token = member(test, "jws");
            const char *end = strrchr(token, '.');
            if (strcmp(member(test, "result"), "valid") != 0)
                continue;
            expect(message_count < MESSAGES_MAX);
            signed_messages[message_count++] =
                (struct agora_text){strdup(token), (size_t)(end - token)};
        }
    }
    expect(set_count > 10);
    json_object_put(file);
}

static void try_token(struct agora_text token) {
    for (size_t i = 0; i < set_count; i++) {
        if (judge(token, sets[i]) != CREDENTIAL_VALID)
            continue;
        size_t end = token.length;
        while (token.data[end - 1] != '.')
            end--;
        struct agora_text message = {token.data, end - 1};
        size_t k = 0;
        while (k < message_count && !equal(message, signed_messages[k]))
            k++;
        expect(k < message_count);
    }
}

static void try_keys(struct agora_text token, struct agora_text jwks) {
    char error[KEY_SET_ERROR_MAX] = "";
    struct key_set *keys = key_set_read(jwks, error);
    expect(keys || strlen(error) > 0);
    if (keys)
        judge(token, keys);
    key_set_release(keys);
}

static bool within(struct agora_text part, struct agora_text whole) {
    return !part.data || (part.length > 0 && part.data >= whole.data &&
                          part.data + part.length <= whole.data + whole.length);
}

/* How many pairs there are of that name, and the value of the last, in another way. */
static size_t count_cookies(struct agora_text header, const char *name, struct agora_text *value) {
    size_t count = 0;
    size_t begin = 0;
    for (size_t end = 0; end <= header.length; end++) {
        if (end < header.length && header.data[end] != ';')
            continue;
        const char *at = header.data + begin;
        const char *stop = header.data + end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        begin = end + 1;
        if (!equals)
            continue;
        struct agora_text key = text_trim((struct agora_text){at, (size_t)(equals - at)});
        if (!text_equals(key, name))
            continue;
        count++;
        *value = text_trim((struct agora_text){equals + 1, (size_t)(stop - equals) - 1});
    }
    return count;
}

static void try_cookie(struct agora_text name, struct agora_text header) {
    char name_text[64];
    struct agora_text value, wanted = {NULL, 0};
    if (name.length == 0 || name.length >= sizeof name_text || memchr(name.data, 0, name.length))
        return;
    memcpy(name_text, name.data, name.length);
    name_text[name.length] = '\0';
    size_t count = count_cookies(header, name_text, &wanted);
    expect(credential_cookie(header, name_text, &value) == (count < 2));
    expect(within(value, header));
    if (count == 1 && wanted.length > 0 && wanted.data[0] != '"')
        expect(value.data == wanted.data && value.length == wanted.length);
    expect(within(credential_bearer(header), header) && within(credential_value(header), header));
}

static void encode(char *out, const void *bytes, size_t length) {
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)length);
    for (; *out; out++)
        *out = (char)(*out == '+' ? '-' : *out == '/' ? '_' : *out == '=' ? '\0' : *out);
}

static void try_payload(struct agora_text payload) {
    static const char secret[] = "a secret of more than thirty-two bytes";
    static const struct agora_text audience = {"agora", 5};
    static const struct jwt_party party = {{"shop", 4}, &audience, 1, NULL};
    static struct key_set *keys;
    static struct jwt jwt;
    static char token[2 * JWS_LENGTH_MAX];
    char error[KEY_SET_ERROR_MAX];
    unsigned char mac[32];
    size_t length;
    if (payload.length > JWS_LENGTH_MAX)
        return;
    if (!keys)
        keys = key_set_of_secret(agora_text_of(secret), error);
    strcpy(token, "eyJhbGciOiJIUzI1NiJ9."); /* {"alg":"HS256"} */
    encode(token + strlen(token), payload.data, payload.length);
    expect(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret, strlen(secret),
                     (unsigned char *)token, strlen(token), mac, sizeof mac, &length) != NULL);
    strcat(token, ".");
    encode(token + strlen(token), mac, sizeof mac);

    enum credential_verdict verdict = jwt_parse(&jwt, agora_text_of(token));
    if (verdict != CREDENTIAL_VALID) {
        expect(verdict == CREDENTIAL_MALFORMED || verdict == CREDENTIAL_TOO_LONG);
        return;
    }
    verdict = jwt_verify(&jwt, &party, keys, NOW);
    expect(verdict != CREDENTIAL_WRONG_SIGNATURE && verdict != CREDENTIAL_WRONG_KEY &&
           verdict != CREDENTIAL_UNKNOWN_KEY);
    if (verdict == CREDENTIAL_VALID) {
        char *text = strndup(payload.data, payload.length);
        struct json_object *claims = json_tokener_parse(text);
        expect(strcmp(member(claims, "iss"), "shop") == 0);
        expect(json_object_get_double(json_object_object_get(claims, "exp")) > NOW - JWT_LEEWAY);
        json_object_put(claims);
        free(text);
    }
    jwt_free(&jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (set_count == 0)
        load();
    if (size == 0)
        return 0;
    /* Not one byte behind it is there to be read. */
    char *copy = malloc(size);
    memcpy(copy, data, size);
    struct agora_text rest = {copy + 1, size - 1};
    if (copy[0] == 't') {
        try_token(rest);
    } else if (copy[0] == 'p') {
        try_payload(rest);
    } else {
        struct agora_text line = text_cut(&rest, '\n');
        if (copy[0] == 'k')
            try_keys(line, rest);
        else if (copy[0] == 'c' && rest.data)
            try_cookie(line, rest);
    }
    free(copy);
    return 0;
}
