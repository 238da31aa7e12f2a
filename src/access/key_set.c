#include "access/key_set.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"
#include "token/base64.h"
#include "json/reader.h"

enum {
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
    EXPONENT_BITS_MAX = 64, /* OpenSSL's own limit, which it has for long moduli alone */
    NUMBER_MAX = RSA_BITS_MAX / 8,
    COORDINATE_MAX = 66, /* P-521 */
};

/* The types of keys: what JWK and OpenSSL call them, the one or two members that a key is made of,
 * and the bytes that each of these has, 0 where it is a number. */
enum { TYPE_RSA, TYPE_P256, TYPE_P384, TYPE_P521, TYPE_ED25519, TYPES, TYPE_SECRET = TYPES };
static const struct type {
    const char *kty;
    const char *crv;
    const char *name;
    const char *members[2];
    size_t length;
} types[TYPES] = {
    {"RSA", NULL, "RSA", {"n", "e"}, 0},      {"EC", "P-256", "EC", {"x", "y"}, 32},
    {"EC", "P-384", "EC", {"x", "y"}, 48},    {"EC", "P-521", "EC", {"x", "y"}, COORDINATE_MAX},
    {"OKP", "Ed25519", "ED25519", {"x"}, 32},
};

static bool is_ec(size_t type) {
    return type >= TYPE_P256 && type <= TYPE_P521;
}

/* RFC 7518 section 3.5: a salt as long as the digest, and MGF1 with the same digest, as OpenSSL has
 * it unless told otherwise. */
static const OSSL_PARAM pss[] = {
    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PKEY_RSA_PAD_MODE_PSS, 3),
    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST, 6),
    OSSL_PARAM_END,
};

static const struct algorithm {
    const char *name;
    unsigned type;
    char digest[8]; /* EdDSA has its own */
    const OSSL_PARAM *parameters;
} algorithms[] = {
    {"HS256", TYPE_SECRET, "SHA256", NULL}, {"HS384", TYPE_SECRET, "SHA384", NULL},
    {"HS512", TYPE_SECRET, "SHA512", NULL}, {"RS256", TYPE_RSA, "SHA256", NULL},
    {"RS384", TYPE_RSA, "SHA384", NULL},    {"RS512", TYPE_RSA, "SHA512", NULL},
    {"PS256", TYPE_RSA, "SHA256", pss},     {"PS384", TYPE_RSA, "SHA384", pss},
    {"PS512", TYPE_RSA, "SHA512", pss},     {"ES256", TYPE_P256, "SHA256", NULL},
    {"ES384", TYPE_P384, "SHA384", NULL},   {"ES512", TYPE_P521, "SHA512", NULL},
    {"EdDSA", TYPE_ED25519, "", NULL},
};
enum { ALGORITHMS = sizeof algorithms / sizeof algorithms[0], ALGORITHMS_OF_A_KEY = 6 };

/*
 * A key for one algorithm: a context in which all is done that comes before the message. A
 * verification copies it, which takes a tenth of the time that making one does.
 */
struct key {
    char *kid; /* NULL when it has none; the same for all algorithms of a key of the file */
    size_t kid_length;
    const struct algorithm *algorithm;
    EVP_MAC_CTX *mac;        /* of a secret, else NULL */
    EVP_MD_CTX *public;      /* of any other */
    size_t signature_length; /* of that */
};

struct key_set {
    atomic_uint holders; /* besides the first */
    bool is_secret;
    size_t count;
    struct key keys[];
};

const struct algorithm *algorithm_of_name(struct agora_text name) {
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (text_equals(name, algorithms[i].name))
            return &algorithms[i];
    return NULL;
}

struct key_set *key_set_hold(struct key_set *keys) {
    atomic_fetch_add(&keys->holders, 1);
    return keys;
}

void key_set_release(struct key_set *keys) {
    if (!keys || atomic_fetch_sub(&keys->holders, 1) > 0)
        return;
    for (size_t i = 0; i < keys->count; i++) {
        if (i == 0 || keys->keys[i].kid != keys->keys[i - 1].kid)
            free(keys->keys[i].kid);
        EVP_MAC_CTX_free(keys->keys[i].mac);
        EVP_MD_CTX_free(keys->keys[i].public);
    }
    free(keys);
}

/* Verifying. */

/* JWS writes both numbers of an ECDSA signature in full, OpenSSL takes DER. Returns the length, 0
 * or less if OpenSSL fails. */
static int put_pair(unsigned char der[static 2 * COORDINATE_MAX + 9], struct agora_text pair) {
    const unsigned char *bytes = (const unsigned char *)pair.data;
    int half = (int)pair.length / 2;
    BIGNUM *r = BN_bin2bn(bytes, half, NULL);
    BIGNUM *s = BN_bin2bn(bytes + half, half, NULL);
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    int length = 0;
    if (numbers && ECDSA_SIG_set0(numbers, r, s)) {
        length = i2d_ECDSA_SIG(numbers, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(numbers);
    return length;
}

static bool verify_mac(const struct key *key, struct agora_text message,
                       struct agora_text signature) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t length;
    EVP_MAC_CTX *context = EVP_MAC_CTX_dup(key->mac);
    bool verified = context &&
                    EVP_MAC_update(context, (const unsigned char *)message.data, message.length) &&
                    EVP_MAC_final(context, mac, &length, sizeof mac) &&
                    length == signature.length && CRYPTO_memcmp(mac, signature.data, length) == 0;
    EVP_MAC_CTX_free(context);
    return verified;
}

static bool verify_public(const struct key *key, struct agora_text message,
                          struct agora_text signature) {
    unsigned char der[2 * COORDINATE_MAX + 9];
    if (signature.length != key->signature_length)
        return false;
    if (is_ec(key->algorithm->type)) {
        int length = put_pair(der, signature);
        signature = (struct agora_text){(char *)der, length > 0 ? (size_t)length : 0};
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool verified =
        context && EVP_MD_CTX_copy_ex(context, key->public) &&
        EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.length,
                         (const unsigned char *)message.data, message.length) == 1;
    EVP_MD_CTX_free(context);
    return verified;
}

enum credential_verdict key_set_verify(const struct key_set *keys,
                                       const struct algorithm *algorithm, struct agora_text kid,
                                       struct agora_text message, struct agora_text signature) {
    bool any = !kid.data || keys->is_secret;
    enum credential_verdict verdict = any ? CREDENTIAL_WRONG_KEY : CREDENTIAL_UNKNOWN_KEY;
    for (const struct key *key = keys->keys; key < keys->keys + keys->count; key++) {
        if (!any && (!key->kid || key->kid_length != kid.length ||
                     memcmp(key->kid, kid.data, kid.length) != 0))
            continue;
        if (key->algorithm == algorithm) {
            if ((key->mac ? verify_mac : verify_public)(key, message, signature))
                return CREDENTIAL_VALID;
            ERR_clear_error();
            verdict = CREDENTIAL_WRONG_SIGNATURE;
        } else if (verdict == CREDENTIAL_UNKNOWN_KEY) {
            verdict = CREDENTIAL_WRONG_KEY;
        }
    }
    return verdict;
}

/* Reading. */

static const char no_memory[] = "out of memory";

/* wanted: the number of bytes, 0 for any. */
static bool read_bytes(struct json_object *json, const char *name, size_t wanted,
                       unsigned char *out, size_t *length) {
    struct agora_text text = json_text(json_object_object_get(json, name));
    return text.length > 0 && text.length <= (NUMBER_MAX * 4 + 2) / 3 &&
           base64_decode_digits(text, BASE64_URL, out, length) &&
           (wanted == 0 || *length == wanted);
}

/* Puts both numbers into the order of bytes that OpenSSL takes. With the exponent 1 anybody signs.
 */
static bool take_rsa(unsigned char *n, size_t n_length, unsigned char *e, size_t e_length,
                     OSSL_PARAM parameters[static 2]) {
    BIGNUM *modulus = BN_bin2bn(n, (int)n_length, NULL);
    BIGNUM *exponent = BN_bin2bn(e, (int)e_length, NULL);
    bool sound = modulus && exponent && BN_num_bits(modulus) >= RSA_BITS_MIN &&
                 BN_num_bits(modulus) <= RSA_BITS_MAX && BN_is_odd(modulus) &&
                 BN_num_bits(exponent) <= EXPONENT_BITS_MAX && BN_is_odd(exponent) &&
                 !BN_is_one(exponent) && BN_bn2nativepad(modulus, n, (int)n_length) > 0 &&
                 BN_bn2nativepad(exponent, e, (int)e_length) > 0;
    BN_free(modulus);
    BN_free(exponent);
    parameters[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, n_length);
    parameters[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, e_length);
    return sound;
}

/* NULL for a key that is malformed, unsound, or not of the sizes that are taken. */
static EVP_PKEY *read_public_key(struct json_object *json, const struct type *type) {
    unsigned char point[1 + 2 * NUMBER_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    unsigned char *first = point + 1;
    size_t length, second_length = 0;
    if (!read_bytes(json, type->members[0], type->length, first, &length))
        return NULL;
    unsigned char *second = first + length;
    bool is_pair = type->members[1];
    if (is_pair && !read_bytes(json, type->members[1], type->length, second, &second_length))
        return NULL;

    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, is_pair ? point : first,
                                          is_pair + length + second_length),
        OSSL_PARAM_construct_end(),
        OSSL_PARAM_construct_end(),
    };
    if (is_ec((size_t)(type - types)))
        parameters[1] =
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)type->crv, 0);
    if (!type->crv && !take_rsa(first, length, second, second_length, parameters))
        return NULL;
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type->name, NULL);
    if (context && EVP_PKEY_fromdata_init(context) == 1)
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters);
    EVP_PKEY_CTX_free(context);
    return pkey;
}

static bool lists_verify(struct json_object *operations) {
    size_t count =
        json_object_is_type(operations, json_type_array) ? json_object_array_length(operations) : 0;
    for (size_t i = 0; i < count; i++)
        if (text_equals(json_text(json_object_array_get_idx(operations, i)), "verify"))
            return true;
    return false;
}

static size_t type_of(struct agora_text kty, struct agora_text crv) {
    size_t type = 0;
    while (type < TYPES && (!text_equals(kty, types[type].kty) ||
                            (types[type].crv && !text_equals(crv, types[type].crv))))
        type++;
    return type;
}

/* Adds the key to the set, once for each algorithm. Returns NULL, or why it cannot be used. */
static const char *add_key(struct key_set *keys, struct json_object *json) {
    struct json_object *use, *operations, *alg, *kid;
    size_t type = type_of(json_text(json_object_object_get(json, "kty")),
                          json_text(json_object_object_get(json, "crv")));
    bool has_alg = json_object_object_get_ex(json, "alg", &alg);
    const struct algorithm *only = has_alg ? algorithm_of_name(json_text(alg)) : NULL;
    bool has_kid = json_object_object_get_ex(json, "kid", &kid);
    struct agora_text name = json_text(kid);
    if (type == TYPES)
        return "its kty and crv are not RSA, EC on P-256, P-384 or P-521, or OKP on Ed25519";
    if (json_object_object_get_ex(json, "use", &use) && !text_equals(json_text(use), "sig"))
        return "its use is not sig";
    if (json_object_object_get_ex(json, "key_ops", &operations) && !lists_verify(operations))
        return "its key_ops have no verify";
    if (has_alg && (!only || only->type != type))
        return "its alg is none that its kty and crv can have here";
    if (has_kid && !name.data)
        return "its kid is no string";
    EVP_PKEY *pkey = read_public_key(json, &types[type]);
    if (!pkey)
        return "it is malformed, or RSA of less than 2048 or more than 8192 bits";

    char *kid_copy = has_kid ? malloc(name.length + 1) : NULL;
    if (kid_copy)
        memcpy(kid_copy, name.data, name.length);
    const char *problem = has_kid && !kid_copy ? no_memory : NULL;
    for (const struct algorithm *a = algorithms; !problem && a < algorithms + ALGORITHMS; a++) {
        if (a->type != type || (only && a != only))
            continue;
        struct key *key = &keys->keys[keys->count++];
        key->algorithm = a;
        key->kid = kid_copy;
        key->public = EVP_MD_CTX_new();
        key->signature_length =
            is_ec(type) ? 2 * types[type].length : (size_t)EVP_PKEY_get_size(pkey);
        key->kid_length = name.length;
        if (!key->public ||
            EVP_DigestVerifyInit_ex(key->public, NULL, *a->digest ? a->digest : NULL, NULL, NULL,
                                    pkey, a->parameters) != 1)
            problem = no_memory;
    }
    EVP_PKEY_free(pkey);
    return problem;
}

static struct key_set *read_list(struct json_object *list, char *error) {
    size_t count = json_object_array_length(list);
    count = count < KEYS_MAX ? count : KEYS_MAX;
    struct key_set *keys =
        calloc(1, sizeof *keys + count * ALGORITHMS_OF_A_KEY * sizeof keys->keys[0]);
    const char *problem = keys ? NULL : no_memory;
    for (size_t i = 0; keys && problem != no_memory && i < count; i++) {
        const char *why = add_key(keys, json_object_array_get_idx(list, i));
        if (i == 0 || why == no_memory)
            problem = why;
    }
    ERR_clear_error();
    if (problem != no_memory && keys->count > 0)
        return keys;
    snprintf(error, KEY_SET_ERROR_MAX, "%s%s", count > 0 ? "no key can be used; the first: " : "",
             problem ? problem : "it has no keys");
    key_set_release(keys);
    return NULL;
}

struct key_set *key_set_read(struct agora_text jwks, char error[static KEY_SET_ERROR_MAX]) {
    struct json_object *json, *list;
    struct json_error problem;
    struct key_set *keys = NULL;
    if (!json_read(jwks, JSON_REFUSE_REPEATED, &json, &problem))
        snprintf(error, KEY_SET_ERROR_MAX, "it is not JSON: expected %s at byte %zu",
                 problem.expected, problem.at);
    else if (!json_object_object_get_ex(json, "keys", &list) ||
             !json_object_is_type(list, json_type_array))
        snprintf(error, KEY_SET_ERROR_MAX, "it is no key set: use {\"keys\":[…]}");
    else
        keys = read_list(list, error);
    json_object_put(json);
    return keys;
}

struct key_set *key_set_of_secret(struct agora_text secret, char error[static KEY_SET_ERROR_MAX]) {
    if (secret.length < SECRET_LENGTH_MIN) {
        snprintf(error, KEY_SET_ERROR_MAX, "it has %zu bytes: use %d or more", secret.length,
                 SECRET_LENGTH_MIN);
        return NULL;
    }
    struct key_set *keys = calloc(1, sizeof *keys + ALGORITHMS * sizeof keys->keys[0]);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    bool made = keys && hmac;
    for (const struct algorithm *a = algorithms; made && a->type == TYPE_SECRET; a++) {
        OSSL_PARAM parameters[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)a->digest, 0),
            OSSL_PARAM_construct_end(),
        };
        struct key *key = &keys->keys[keys->count++];
        key->algorithm = a;
        key->mac = EVP_MAC_CTX_new(hmac);
        made = key->mac && EVP_MAC_init(key->mac, (const unsigned char *)secret.data, secret.length,
                                        parameters);
    }
    EVP_MAC_free(hmac);
    if (made) {
        keys->is_secret = true;
        return keys;
    }
    snprintf(error, KEY_SET_ERROR_MAX, "%s", no_memory);
    key_set_release(keys);
    return NULL;
}
