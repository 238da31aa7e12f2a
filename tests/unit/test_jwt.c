/* Who signed a JWT, and for whom: src/access/key_set.c, jws.c, jwt.c. */
#include <json-c/json.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "access/jwt.h"
#include "access/key_set.h"
#include "token/base64.h"
#include "unit.h"

static const char secret[] = "a secret of more than thirty-two bytes";
static char error[KEY_SET_ERROR_MAX];

static struct agora_text member(struct json_object *json, const char *name) {
    return text(json_object_get_string(json_object_object_get(json, name)));
}

/* Texts of these tests, in a ring that is long enough for those in use at once. */
enum { SLOTS = 256, SLOT = 12 * 1024 };
static char *slot(void) {
    static char slots[SLOTS][SLOT];
    static size_t next;
    return slots[next++ % SLOTS];
}

static const char *encode(const void *bytes, size_t length) {
    char *out = slot();
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)length);
    for (char *c = out; *c; c++)
        *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c);
    return out;
}

static const char *encode_text(const char *string) {
    return encode(string, strlen(string));
}

__attribute__((format(printf, 1, 2))) static const char *format(const char *form, ...) {
    char *out = slot();
    va_list arguments;
    va_start(arguments, form);
    assert_in_range(vsnprintf(out, SLOT, form, arguments), 0, SLOT - 1);
    va_end(arguments);
    return out;
}

static struct key_set *set_of(const char *jwk) {
    return key_set_read(text(format("{\"keys\":[%s]}", jwk)), error);
}

static enum credential_verdict verify(const char *token, const struct key_set *keys) {
    struct jws jws = {0};
    enum credential_verdict verdict = jws_parse(&jws, text(token));
    return verdict == CREDENTIAL_VALID ? jws_verify(&jws, keys) : verdict;
}

/* C2SP/wycheproof's vectors, with a key set of one key each, and what is judged in another way. */

static const int differs[] = {
    346, 350, /* PS384 by a key whose alg is PS256 */
    347, 351, /* ES512 by a key whose alg is ES521 */
    367, 370, /* said to be invalid, but byte for byte the valid 357 */
    372, 373, /* said to be valid, but with characters outside base64url */
};

static struct key_set *vector_keys(struct json_object *group) {
    struct json_object *key;
    if (json_object_object_get_ex(group, "public", &key))
        return set_of(json_object_to_json_string(key));
    uint8_t bytes[64];
    size_t length;
    key = json_object_object_get(group, "private");
    assert_true(base64_decode_digits(member(key, "k"), BASE64_URL, bytes, &length));
    return key_set_of_secret((struct agora_text){(const char *)bytes, length}, error);
}

static void test_wycheproof(void **state) {
    (void)state;
    size_t as_said = 0, otherwise = 0;
    struct json_object *file = json_object_from_file("tests/vectors/json_web_signature.json");
    struct json_object *groups = json_object_object_get(file, "testGroups");
    for (size_t g = 0; g < json_object_array_length(groups); g++) {
        struct json_object *group = json_object_array_get_idx(groups, g);
        struct json_object *tests = json_object_object_get(group, "tests");
        struct key_set *keys = vector_keys(group);
        for (size_t t = 0; t < json_object_array_length(tests); t++) {
            struct json_object *test = json_object_array_get_idx(tests, t);
            int id = json_object_get_int(json_object_object_get(test, "tcId"));
            bool wanted = text_equals(member(test, "result"), "valid");
            bool given = keys && verify(member(test, "jws").data, keys) == CREDENTIAL_VALID;
            if (given == wanted) {
                as_said++;
                continue;
            }
            bool is_known = false;
            for (size_t i = 0; i < COUNT(differs); i++)
                is_known |= id == differs[i];
            if (!is_known)
                fail_msg("%d", id);
            otherwise++;
        }
        key_set_release(keys);
    }
    assert_int_equal(as_said, 393);
    assert_int_equal(otherwise, 8);
    json_object_put(file);
}

/* RFC 7515 appendix A.1 to A.5 and RFC 8037 appendix A.4. */

#define EXAMPLE_CLAIMS                                                                             \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"

static const struct {
    const char *name;
    const char *jwk;
    const char *token;
} examples[] = {
    {"RFC 7515 A.2",
     "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx"
     "HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
     "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSH"
     "SXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
     "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8"
     "NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}",
     "eyJhbGciOiJSUzI1NiJ9." EXAMPLE_CLAIMS
     ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F"
     "p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBM"
     "Hlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2"
     "w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
    {"RFC 7515 A.3",
     "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
     "eyJhbGciOiJFUzI1NiJ9." EXAMPLE_CLAIMS
     ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
    {"RFC 7515 A.4",
     "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":"
     "\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EO"
     "nYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-"
     "x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}",
     "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA"
     ".AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8"
     "GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"},
    {"RFC 8037 A.4",
     "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
     ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
};

static void test_examples(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        struct key_set *keys = set_of(examples[i].jwk);
        if (verify(examples[i].token, keys) != CREDENTIAL_VALID)
            fail_msg("%s", examples[i].name);
        key_set_release(keys);
    }

    uint8_t key[64];
    size_t length;
    assert_true(base64_decode_digits(text("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
                                          "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                                     BASE64_URL, key, &length));
    struct key_set *keys = key_set_of_secret((struct agora_text){(char *)key, length}, error);
    assert_int_equal(verify("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." EXAMPLE_CLAIMS
                            ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                            keys),
                     CREDENTIAL_VALID);
    key_set_release(keys);
    /* A.5, which nobody signed. */
    assert_int_equal(verify("eyJhbGciOiJub25lIn0." EXAMPLE_CLAIMS ".", NULL),
                     CREDENTIAL_WRONG_ALGORITHM);
}

/* Keys of our own, one of each type, and signatures by OpenSSL. */

enum { RSA_KEY, P256_KEY, P384_KEY, P521_KEY, ED25519_KEY, PUBLIC_KEYS, SECRET_KEY = PUBLIC_KEYS };

static EVP_PKEY *pkeys[PUBLIC_KEYS], *others[PUBLIC_KEYS];
static struct key_set *sets[PUBLIC_KEYS + 1];

static const struct {
    const char *name;
    int key;
    const char *digest;
    bool pss;
} algs[] = {
    {"HS256", SECRET_KEY, "SHA256", false}, {"HS384", SECRET_KEY, "SHA384", false},
    {"HS512", SECRET_KEY, "SHA512", false}, {"RS256", RSA_KEY, "SHA256", false},
    {"RS384", RSA_KEY, "SHA384", false},    {"RS512", RSA_KEY, "SHA512", false},
    {"PS256", RSA_KEY, "SHA256", true},     {"PS384", RSA_KEY, "SHA384", true},
    {"PS512", RSA_KEY, "SHA512", true},     {"ES256", P256_KEY, "SHA256", false},
    {"ES384", P384_KEY, "SHA384", false},   {"ES512", P521_KEY, "SHA512", false},
    {"EdDSA", ED25519_KEY, NULL, false},
};
enum { HS256 = 0, RS256 = 3, ES256 = 9, EDDSA = 12 };

static EVP_PKEY *generate(int key) {
    static const char *const names[] = {"RSA", "EC", "EC", "EC", "ED25519"};
    static const char *const curves[] = {NULL, "P-256", "P-384", "P-521", NULL};
    if (key == RSA_KEY)
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    return curves[key] ? EVP_PKEY_Q_keygen(NULL, NULL, names[key], curves[key])
                       : EVP_PKEY_Q_keygen(NULL, NULL, names[key]);
}

static const char *encode_number(const EVP_PKEY *pkey, const char *name) {
    unsigned char bytes[1024];
    BIGNUM *number = NULL;
    assert_true(EVP_PKEY_get_bn_param(pkey, name, &number));
    const char *encoded = encode(bytes, (size_t)BN_bn2bin(number, bytes));
    BN_free(number);
    return encoded;
}

/* The members that are the key, to which a test adds others. */
static const char *jwk_of(int key, const EVP_PKEY *pkey) {
    unsigned char point[256];
    size_t length = sizeof point;
    if (key == RSA_KEY)
        return format("\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"",
                      encode_number(pkey, OSSL_PKEY_PARAM_RSA_N),
                      encode_number(pkey, OSSL_PKEY_PARAM_RSA_E));
    assert_true(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                                &length));
    if (key == ED25519_KEY)
        return format("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"", encode(point, length));
    size_t half = length / 2;
    return format("\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"%s\",\"y\":\"%s\"",
                  key == P256_KEY   ? 256
                  : key == P384_KEY ? 384
                                    : 521,
                  encode(point + 1, half), encode(point + 1 + half, half));
}

static const char *encode_ecdsa(const unsigned char *der, size_t length, int half) {
    unsigned char raw[132];
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)length);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, half), half);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + half, half), half);
    ECDSA_SIG_free(pair);
    return encode(raw, 2 * (size_t)half);
}

static const char *sign_message(size_t alg, EVP_PKEY *pkey, const char *message) {
    unsigned char bytes[512];
    size_t length = sizeof bytes;
    if (algs[alg].key == SECRET_KEY) {
        assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, algs[alg].digest, NULL, secret,
                                  strlen(secret), (const unsigned char *)message, strlen(message),
                                  bytes, sizeof bytes, &length));
        return format("%s.%s", message, encode(bytes, length));
    }
    EVP_PKEY_CTX *options;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_true(EVP_DigestSignInit_ex(context, &options, algs[alg].digest, NULL, NULL, pkey, NULL));
    if (algs[alg].pss) {
        assert_true(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING));
        assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST));
    }
    assert_true(
        EVP_DigestSign(context, bytes, &length, (const unsigned char *)message, strlen(message)));
    EVP_MD_CTX_free(context);
    bool is_pair = algs[alg].key >= P256_KEY && algs[alg].key <= P521_KEY;
    return format("%s.%s", message,
                  is_pair ? encode_ecdsa(bytes, length, (EVP_PKEY_get_bits(pkey) + 7) / 8)
                          : encode(bytes, length));
}

static const char *sign(size_t alg, const char *header, const char *payload) {
    return sign_message(alg, algs[alg].key == SECRET_KEY ? NULL : pkeys[algs[alg].key],
                        format("%s.%s", encode_text(header), encode_text(payload)));
}

static const char *sign_simply(size_t alg) {
    return sign(alg, format("{\"alg\":\"%s\"}", algs[alg].name), "{}");
}

static int make_keys(void **state) {
    (void)state;
    for (int i = 0; i < PUBLIC_KEYS; i++) {
        pkeys[i] = generate(i);
        others[i] = generate(i);
        sets[i] = set_of(format("{%s}", jwk_of(i, pkeys[i])));
    }
    sets[SECRET_KEY] = key_set_of_secret(text(secret), error);
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    for (int i = 0; i < PUBLIC_KEYS; i++) {
        EVP_PKEY_free(pkeys[i]);
        EVP_PKEY_free(others[i]);
        key_set_release(sets[i]);
    }
    key_set_release(sets[SECRET_KEY]);
    return 0;
}

static void test_key_decides(void **state) {
    (void)state;
    for (size_t alg = 0; alg < COUNT(algs); alg++) {
        const char *token = sign_simply(alg);
        for (int key = 0; key <= SECRET_KEY; key++)
            assert_int_equal(verify(token, sets[key]),
                             algs[alg].key == key ? CREDENTIAL_VALID : CREDENTIAL_WRONG_KEY);
        if (algs[alg].key == SECRET_KEY)
            continue;

        /* A key of the same type that did not sign, and one whose alg says what it is for. */
        struct key_set *keys = set_of(format("{%s}", jwk_of(algs[alg].key, others[algs[alg].key])));
        assert_int_equal(verify(token, keys), CREDENTIAL_WRONG_SIGNATURE);
        key_set_release(keys);
        for (size_t only = 0; only < COUNT(algs); only++) {
            keys = set_of(format("{%s,\"alg\":\"%s\"}", jwk_of(algs[alg].key, pkeys[algs[alg].key]),
                                 algs[only].name));
            assert_int_equal(keys != NULL, algs[only].key == algs[alg].key);
            if (keys)
                assert_int_equal(verify(token, keys),
                                 only == alg ? CREDENTIAL_VALID : CREDENTIAL_WRONG_KEY);
            key_set_release(keys);
        }
    }
}

/* What the header says is part of what is signed, so only a holder of the key can say so. */
static void test_header_differs_from_signature(void **state) {
    (void)state;
    for (size_t alg = 0; alg < COUNT(algs); alg++) {
        for (size_t claimed = 0; claimed < COUNT(algs); claimed++) {
            if (alg == claimed || algs[alg].key != algs[claimed].key)
                continue;
            const char *token = sign(alg, format("{\"alg\":\"%s\"}", algs[claimed].name), "{}");
            assert_int_equal(verify(token, sets[algs[alg].key]), CREDENTIAL_WRONG_SIGNATURE);
        }
    }
}

static void test_every_character_counts(void **state) {
    (void)state;
    static const size_t chosen[] = {HS256, ES256, EDDSA};
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < COUNT(chosen); i++) {
        char token[512];
        strcpy(token, sign_simply(chosen[i]));
        for (char *c = token; *c; c++) {
            char before = *c;
            const char *digit = strchr(digits, before);
            if (digit) {
                *c = digits[(digit - digits) ^ (1 << (c - token) % 6)];
                assert_int_not_equal(verify(token, sets[algs[chosen[i]].key]), CREDENTIAL_VALID);
            }
            *c = before;
            /* Nor does it without one. */
            char shorter[512];
            snprintf(shorter, sizeof shorter, "%.*s%s", (int)(c - token), token, c + 1);
            assert_int_not_equal(verify(shorter, sets[algs[chosen[i]].key]), CREDENTIAL_VALID);
        }
        assert_int_equal(verify(token, sets[algs[chosen[i]].key]), CREDENTIAL_VALID);
    }
}

/* An RSA signature is as long as the modulus, though OpenSSL does without zeros in front. */
static void test_short_signature(void **state) {
    (void)state;
    static const size_t chosen[] = {RS256, RS256 + 3};
    for (size_t i = 0; i < COUNT(chosen); i++) {
        for (int salt = 0;; salt++) {
            const char *header = format("{\"alg\":\"%s\"}", algs[chosen[i]].name);
            const char *token = sign(chosen[i], header, format("{\"jti\":%d}", salt));
            const char *signature = strrchr(token, '.') + 1;
            uint8_t bytes[512];
            size_t length;
            assert_true(base64_decode_digits(text(signature), BASE64_URL, bytes, &length));
            if (bytes[0] != 0)
                continue;
            assert_int_equal(verify(token, sets[RSA_KEY]), CREDENTIAL_VALID);
            token =
                format("%.*s%s", (int)(signature - token), token, encode(bytes + 1, length - 1));
            assert_int_equal(verify(token, sets[RSA_KEY]), CREDENTIAL_WRONG_SIGNATURE);
            break;
        }
    }
}

static void test_public_key_is_no_secret(void **state) {
    (void)state;
    unsigned char *der = NULL;
    int length = i2d_PUBKEY(pkeys[RSA_KEY], &der);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    assert_true(PEM_write_bio_PUBKEY(bio, pkeys[RSA_KEY]));
    long pem_length = BIO_get_mem_data(bio, &pem);
    const char *message = format("%s.%s", encode_text("{\"alg\":\"HS256\"}"), encode_text("{}"));
    const struct agora_text guesses[] = {{(char *)der, (size_t)length},
                                         {pem, (size_t)pem_length},
                                         {pem, (size_t)pem_length - 1},
                                         {"", 0}};
    for (size_t i = 0; i < COUNT(guesses); i++) {
        unsigned char mac[32];
        size_t mac_length;
        assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, guesses[i].data,
                                  guesses[i].length, (const unsigned char *)message,
                                  strlen(message), mac, sizeof mac, &mac_length));
        const char *token = format("%s.%s", message, encode(mac, sizeof mac));
        for (int key = 0; key < PUBLIC_KEYS; key++)
            assert_int_equal(verify(token, sets[key]), CREDENTIAL_WRONG_KEY);
        assert_int_equal(verify(token, sets[SECRET_KEY]), CREDENTIAL_WRONG_SIGNATURE);
    }
    BIO_free(bio);
    OPENSSL_free(der);
}

/* Headers, each signed by the key that it would be good for. */
static void test_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        enum credential_verdict verdict;
    } cases[] = {
        {"{\"alg\":\"HS256\"}", CREDENTIAL_VALID},
        {" {\"typ\":\"JWT\" ,\n\"alg\":\"HS256\"}\r\n", CREDENTIAL_VALID},
        {"{\"alg\":\"\\u0048S256\"}", CREDENTIAL_VALID},
        {"{\"alg\":\"HS256\",\"kid\":\"any\"}", CREDENTIAL_VALID},
        {"{\"alg\":\"HS256\",\"kid\":\"\"}", CREDENTIAL_VALID},
        {"{\"alg\":\"HS256\",\"jku\":\"https://eve.example\",\"jwk\":{\"kty\":\"oct\",\"k\":\"\"},"
         "\"x5u\":\"https://eve.example\",\"x5c\":[\"AA\"],\"x5t\":5}",
         CREDENTIAL_VALID},
        {"{\"alg\":\"none\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"None\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"NONE\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"nOnE\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"none\\u0000\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"HS256\\u0000\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"hs256\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"HS256 \"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"HS1\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"A128KW\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"ES256K\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":null}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":256}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":[\"HS256\"]}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"ALG\":\"HS256\"}", CREDENTIAL_WRONG_ALGORITHM},
        {"{}", CREDENTIAL_WRONG_ALGORITHM},
        {"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", CREDENTIAL_CRITICAL},
        {"{\"alg\":\"HS256\",\"crit\":[]}", CREDENTIAL_CRITICAL},
        {"{\"alg\":\"HS256\",\"crit\":null}", CREDENTIAL_CRITICAL},
        {"{\"alg\":\"HS256\",\"kid\":5}", CREDENTIAL_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":null}", CREDENTIAL_MALFORMED},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", CREDENTIAL_MALFORMED},
        {"{\"alg\":\"none\",\"alg\":\"HS256\"}", CREDENTIAL_MALFORMED},
        {"{\"alg\":\"HS256\",\"jwk\":{\"k\":1,\"k\":2}}", CREDENTIAL_MALFORMED},
        {"{\"alg\":\"HS256\"}{}", CREDENTIAL_MALFORMED},
        {"{\"alg\":\"HS256\",}", CREDENTIAL_MALFORMED},
        {"{\"alg\":\"HS256\"", CREDENTIAL_MALFORMED},
        {"{\"alg\":\"HS256\",\"x\":\"\xff\"}", CREDENTIAL_MALFORMED},
        {"[\"HS256\"]", CREDENTIAL_MALFORMED},
        {"\"HS256\"", CREDENTIAL_MALFORMED},
        {"null", CREDENTIAL_MALFORMED},
        {"", CREDENTIAL_MALFORMED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum credential_verdict verdict =
            verify(sign(HS256, cases[i].header, "{}"), sets[SECRET_KEY]);
        if (verdict != cases[i].verdict)
            fail_msg("%s: %s", cases[i].header, credential_verdict_text(verdict));
    }
}

static void test_unsigned(void **state) {
    (void)state;
    for (size_t alg = 0; alg < COUNT(algs); alg++) {
        const char *token = sign_simply(alg);
        int signed_ = (int)(strrchr(token, '.') - token);
        assert_int_equal(verify(format("%.*s.", signed_, token), sets[algs[alg].key]),
                         CREDENTIAL_WRONG_SIGNATURE);
        assert_int_equal(verify(format("%.*s", signed_, token), sets[algs[alg].key]),
                         CREDENTIAL_MALFORMED);
    }
}

static void test_shape(void **state) {
    (void)state;
    static const char *const malformed[] = {
        "", ".", "..", "...", "a.b", "e30.e30", "e30.e30.e30.e30", "e30.e30.\n"};
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (verify(malformed[i], NULL) != CREDENTIAL_MALFORMED)
            fail_msg("'%s'", malformed[i]);
    assert_int_equal(jws_parse(&(struct jws){0}, (struct agora_text){NULL, 0}),
                     CREDENTIAL_MALFORMED);

    /* The payload {} is e30; there are decoders that take these for the same. */
    static const char *const lax[] = {"e30=", "e31",  "e 30",   "e30\n",
                                      "e3.0", "e30/", "e30%3D", "e30gA"};
    const char *header = encode_text("{\"alg\":\"HS256\"}");
    for (size_t i = 0; i < COUNT(lax); i++)
        if (verify(sign_message(HS256, NULL, format("%s.%s", header, lax[i])), sets[SECRET_KEY]) !=
            CREDENTIAL_MALFORMED)
            fail_msg("'%s'", lax[i]);

    char *longest = slot();
    const char *token = sign_simply(HS256);
    int overhead = (int)strlen(token) - 3;
    for (int extra = 0; extra < 2; extra++) {
        memset(longest, 'A', (size_t)(JWS_LENGTH_MAX - overhead + extra));
        longest[JWS_LENGTH_MAX - overhead + extra] = '\0';
        token = sign_message(HS256, NULL, format("%s.%s", header, longest));
        assert_int_equal(strlen(token), JWS_LENGTH_MAX + extra);
        assert_int_equal(verify(token, sets[SECRET_KEY]),
                         extra == 0 ? CREDENTIAL_VALID : CREDENTIAL_TOO_LONG);
    }
}

static void test_payload_and_kid(void **state) {
    (void)state;
    struct jws jws = {0};
    const char *token = sign(HS256, "{\"kid\":\"k\\u0000\\u00e9\",\"alg\":\"HS256\"}", "payload");
    assert_int_equal(jws_parse(&jws, text(token)), CREDENTIAL_VALID);
    assert_true(text_equals(jws.payload, "payload"));
    assert_int_equal(jws.kid.length, 4);
    assert_memory_equal(jws.kid.data, "k\0\u00e9", 4);
    assert_int_equal(jws.signature.length, 32);
    assert_ptr_equal(jws.message.data, token);
}

/* What is kept of the last token is its header, and that only as long as nothing takes its place.
 */
static void test_known_header(void **state) {
    (void)state;
    struct jws jws = {0};
    static const char known[] = "{\"alg\":\"HS256\",\"kid\":\"the name of a key\"}";
    char *first = strdup(sign(HS256, known, "{}"));
    char *second = strdup(sign(HS256, known, "{\"sub\":\"another payload\"}"));
    char *long_kid = slot();
    memset(long_kid, 'k', 2000);
    long_kid[2000] = '\0';
    const char *const between[] = {
        second,
        sign(HS256, "{\"alg\":\"HS256\"}", "the payload lies where a longer header had its kid"),
        format(".%s.", encode_text("no header at all, so that the payload is the first of all")),
        format("%s.%s.?", encode_text("{}"), encode_text("a payload before what is no base64url")),
        sign(HS256, "{\"alg\":\"none\",\"kid\":\"the name of a key\"}", "{}"),
        sign(HS256, format("{\"alg\":\"HS256\",\"kid\":\"%s\"}", long_kid), "{}"),
        "",
        ".",
        "..",
        "...",
    };
    for (size_t i = 0; i < COUNT(between); i++) {
        for (size_t again = 0; again < 2; again++) {
            assert_int_equal(jws_parse(&jws, text(first)), CREDENTIAL_VALID);
            assert_true(text_equals(jws.kid, "the name of a key"));
            assert_true(text_equals(jws.payload, "{}"));
            assert_int_equal(jws_verify(&jws, sets[SECRET_KEY]), CREDENTIAL_VALID);
        }
        enum credential_verdict verdict = jws_parse(&jws, text(between[i]));
        assert_int_equal(verdict, jws_parse(&(struct jws){0}, text(between[i])));
        if (verdict == CREDENTIAL_VALID)
            assert_int_equal(jws_verify(&jws, sets[SECRET_KEY]), CREDENTIAL_VALID);
    }
    free(first);
    free(second);
}

static void test_kid(void **state) {
    (void)state;
    struct key_set *keys = set_of(
        format("{\"kid\":\"a\",%s},{\"kid\":\"b\",%s},{\"kid\":\"b\",%s},{\"kid\":\"c\",%s},{%s}",
               jwk_of(RSA_KEY, pkeys[RSA_KEY]), jwk_of(P256_KEY, others[P256_KEY]),
               jwk_of(P256_KEY, pkeys[P256_KEY]), jwk_of(ED25519_KEY, others[ED25519_KEY]),
               jwk_of(ED25519_KEY, pkeys[ED25519_KEY])));
    static const struct {
        size_t alg;
        const char *kid;
        enum credential_verdict verdict;
    } cases[] = {
        {RS256, "a", CREDENTIAL_VALID},
        {RS256, "\\u0061", CREDENTIAL_VALID},
        {RS256, "b", CREDENTIAL_WRONG_KEY},
        {RS256, "A", CREDENTIAL_UNKNOWN_KEY},
        {RS256, "", CREDENTIAL_UNKNOWN_KEY},
        {RS256, "a\\u0000", CREDENTIAL_UNKNOWN_KEY},
        {ES256, "a", CREDENTIAL_WRONG_KEY},
        {ES256, "b", CREDENTIAL_VALID}, /* by the second of that name */
        {EDDSA, "c", CREDENTIAL_WRONG_SIGNATURE},
        {EDDSA, "d", CREDENTIAL_UNKNOWN_KEY}, /* the key that signed has no name */
        {HS256, "a", CREDENTIAL_WRONG_KEY},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *header =
            format("{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[cases[i].alg].name, cases[i].kid);
        if (verify(sign(cases[i].alg, header, "{}"), keys) != cases[i].verdict)
            fail_msg("%s", header);
    }
    /* Without kid every key is tried that fits. */
    assert_int_equal(verify(sign_simply(ES256), keys), CREDENTIAL_VALID);
    assert_int_equal(verify(sign_simply(EDDSA), keys), CREDENTIAL_VALID);
    key_set_release(keys);
}

/* Key sets. */

/* A modulus or exponent of so many bits, all of them set. */
static const char *ones(int bits) {
    unsigned char bytes[2048];
    memset(bytes, 0xff, sizeof bytes);
    bytes[0] = (unsigned char)(0xff >> (7 - (bits + 7) % 8));
    return encode(bytes, (size_t)(bits + 7) / 8);
}

static void test_rsa_sizes(void **state) {
    (void)state;
    static const struct {
        int modulus;
        const char *exponent;
        bool usable;
    } cases[] = {
        {1024, "AQAB", false},  {2047, "AQAB", false}, {2048, "AQAB", true},
        {8192, "AQAB", true},   {8193, "AQAB", false}, {8200, "AQAB", false},
        {16000, "AQAB", false}, {2048, "Aw", true},    {2048, "AQ", false},
        {2048, "Ag", false},    {2048, "", false},     {2048, "AAAAAQ", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct key_set *keys = set_of(format("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}",
                                             ones(cases[i].modulus), cases[i].exponent));
        if ((keys != NULL) != cases[i].usable)
            fail_msg("%d %s: %s", cases[i].modulus, cases[i].exponent, error);
        key_set_release(keys);
    }
    struct key_set *keys =
        set_of(format("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", ones(2048), ones(65)));
    assert_null(keys);
    /* An even number is no modulus. */
    const char *even = ones(2048);
    memcpy(strchr(even, '\0') - 2, "_g", 2);
    assert_null(set_of(format("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", even)));
}

static void test_key_sets(void **state) {
    (void)state;
    const char *ec = jwk_of(P256_KEY, pkeys[P256_KEY]);
    const char *ed = jwk_of(ED25519_KEY, pkeys[ED25519_KEY]);
    const char *x = encode_number(pkeys[P256_KEY], OSSL_PKEY_PARAM_EC_PUB_X);
    static const char malformed[] = "no key can be used; the first: it is malformed, or RSA of "
                                    "less than 2048 or more than 8192 bits";
    static const char type[] = "no key can be used; the first: its kty and crv are not RSA, EC on "
                               "P-256, P-384 or P-521, or OKP on Ed25519";
    static const char use[] = "no key can be used; the first: its use is not sig";
    static const char operations[] = "no key can be used; the first: its key_ops have no verify";
    static const char alg[] =
        "no key can be used; the first: its alg is none that its kty and crv can have here";
    const struct {
        const char *jwks;
        const char *error; /* NULL: it can be used */
    } cases[] = {
        {format("{\"keys\":[{%s}],\"more\":1}", ec), NULL},
        {format("{\"keys\":[{%s,\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"d\":\"AA\"}]}",
                ec),
         NULL},
        {format("{\"keys\":[5,null,{},{\"kty\":\"oct\",\"k\":\"AA\"},{%s}]}", ed), NULL},
        {"", "it is not JSON: expected a value at byte 0"},
        {"{\"keys\":[]", "it is not JSON: expected ',' or '}' at byte 10"},
        {"{\"keys\":[],\"keys\":[]}", "it is not JSON: expected each name once at byte 17"},
        {"[]", "it is no key set: use {\"keys\":[…]}"},
        {"null", "it is no key set: use {\"keys\":[…]}"},
        {"{}", "it is no key set: use {\"keys\":[…]}"},
        {format("{%s}", ec), "it is no key set: use {\"keys\":[…]}"},
        {"{\"keys\":{}}", "it is no key set: use {\"keys\":[…]}"},
        {"{\"keys\":[]}", "it has no keys"},
        {"{\"keys\":[null]}", type},
        {"{\"keys\":[[]]}", type},
        {format("{\"keys\":[{\"kty\":\"oct\",\"k\":\"%s\"}]}", encode_text(secret)), type},
        {format("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"%s\",\"y\":\"%s\"}]}", x,
                x),
         type},
        {format("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"%s\"}]}", x), type},
        {format("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"%s\"}]}", x), type},
        {format("{\"keys\":[{\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}]}", x, x), type},
        {format("{\"keys\":[{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}]}", x, x),
         type},
        {format("{\"keys\":[{%s,\"use\":\"enc\"}]}", ec), use},
        {format("{\"keys\":[{%s,\"use\":\"Sig\"}]}", ec), use},
        {format("{\"keys\":[{%s,\"use\":null}]}", ec), use},
        {format("{\"keys\":[{%s,\"key_ops\":[\"sign\"]}]}", ec), operations},
        {format("{\"keys\":[{%s,\"key_ops\":[]}]}", ec), operations},
        {format("{\"keys\":[{%s,\"key_ops\":\"verify\"}]}", ec), operations},
        {format("{\"keys\":[{%s,\"alg\":\"ECDH-ES\"}]}", ec), alg},
        {format("{\"keys\":[{%s,\"alg\":\"HS256\"}]}", ec), alg},
        {format("{\"keys\":[{%s,\"alg\":\"none\"}]}", ec), alg},
        {format("{\"keys\":[{%s,\"alg\":5}]}", ec), alg},
        {format("{\"keys\":[{%s,\"kid\":5}]}", ec),
         "no key can be used; the first: its kid is no string"},
        {format("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\"}]}", x), malformed},
        /* No point of the curve; a coordinate without its last byte, with padding, too long. */
        {format("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}]}", x,
                encode_text("thirty-two bytes, but not of it.")),
         malformed},
        {format("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",%s}]}", strstr(ec, "\"x\"")),
         malformed},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\"}]}", malformed},
        {format("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s=\"}]}",
                encode("thirty-two bytes, but not of it.", 32)),
         malformed},
        {format("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}]}",
                encode("thirty-two bytes, but not of it.", 31)),
         malformed},
        {"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}", malformed},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":5,\"e\":\"AQAB\"}]}", malformed},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        strcpy(error, "");
        struct key_set *keys = key_set_read(text(cases[i].jwks), error);
        if ((keys != NULL) != (cases[i].error == NULL) ||
            (!keys && strcmp(error, cases[i].error) != 0))
            fail_msg("%s: %s", cases[i].jwks, error);
        key_set_release(keys);
    }
    key_set_release(NULL);
}

static void test_keys_past_the_hundredth(void **state) {
    (void)state;
    const char *jwk = jwk_of(P256_KEY, pkeys[P256_KEY]);
    for (size_t before = KEYS_MAX - 1; before <= KEYS_MAX; before++) {
        char *list = slot();
        size_t length = 0;
        for (size_t i = 0; i < before; i++)
            length += (size_t)sprintf(list + length, "{},");
        sprintf(list + length, "{%s}", jwk);
        struct key_set *keys = set_of(list);
        assert_int_equal(keys != NULL, before < KEYS_MAX);
        key_set_release(keys);
    }
}

static void test_secrets(void **state) {
    (void)state;
    char bytes[200];
    memset(bytes, 'k', sizeof bytes);
    assert_null(key_set_of_secret((struct agora_text){bytes, 31}, error));
    assert_string_equal(error, "it has 31 bytes: use 32 or more");
    /* Longer than a block, too, of which there are two sizes. */
    for (size_t length = 32; length <= sizeof bytes; length += 42) {
        struct key_set *keys = key_set_of_secret((struct agora_text){bytes, length}, error);
        for (size_t alg = HS256; alg < HS256 + 3; alg++) {
            unsigned char mac[64];
            size_t mac_length;
            const char *message =
                format("%s.", encode_text(format("{\"alg\":\"%s\"}", algs[alg].name)));
            assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, algs[alg].digest, NULL, bytes, length,
                                      (const unsigned char *)message, strlen(message), mac,
                                      sizeof mac, &mac_length));
            const char *token = format("%s.%s", message, encode(mac, mac_length));
            assert_int_equal(verify(token, keys), CREDENTIAL_VALID);
            assert_int_equal(verify(token, sets[SECRET_KEY]), CREDENTIAL_WRONG_SIGNATURE);
        }
        key_set_release(keys);
    }
}

/* One set for all threads. */

static void *verify_often(void *tokens) {
    size_t wrong = 0;
    for (int round = 0; round < 5; round++)
        for (size_t alg = 0; alg < COUNT(algs); alg++)
            wrong += verify(((char **)tokens)[alg], sets[algs[alg].key]) != CREDENTIAL_VALID;
    return (void *)wrong;
}

static void test_threads(void **state) {
    (void)state;
    char *tokens[COUNT(algs)];
    pthread_t threads[4];
    for (size_t alg = 0; alg < COUNT(algs); alg++)
        tokens[alg] = strdup(sign_simply(alg));
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, tokens), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    for (size_t alg = 0; alg < COUNT(algs); alg++)
        free(tokens[alg]);
}

/* Claims. */

enum { NOW = 1700000000 };

static enum credential_verdict judge(const char *claims, const struct jwt_party *party) {
    struct jwt jwt = {0};
    const char *token = sign(HS256, "{\"alg\":\"HS256\"}", claims);
    enum credential_verdict verdict = jwt_parse(&jwt, text(token));
    if (verdict != CREDENTIAL_VALID)
        return verdict;
    verdict = jwt_verify(&jwt, party, sets[SECRET_KEY], NOW);
    assert_int_equal(jwt_is_for(&jwt, party), verdict != CREDENTIAL_WRONG_CALLER);
    jwt_free(&jwt);
    return verdict;
}

static void test_times(void **state) {
    (void)state;
    static const struct {
        const char *claims;
        enum credential_verdict verdict;
    } cases[] = {
        {"\"exp\":1700000001", CREDENTIAL_VALID},
        {"\"exp\":1700000000", CREDENTIAL_VALID},
        {"\"exp\":1699999941", CREDENTIAL_VALID},
        {"\"exp\":1699999940.5", CREDENTIAL_VALID},
        {"\"exp\":1.6999999405e9", CREDENTIAL_VALID},
        {"\"exp\":1699999940", CREDENTIAL_EXPIRED}, /* 60 s ago: now must be before exp */
        {"\"exp\":1699999939.9", CREDENTIAL_EXPIRED},
        {"\"exp\":0", CREDENTIAL_EXPIRED},
        {"\"exp\":-0.0", CREDENTIAL_EXPIRED},
        {"\"exp\":253402300799", CREDENTIAL_VALID},
        {"\"exp\":253402300800", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":1700000001000", CREDENTIAL_WRONG_CLAIM}, /* milliseconds */
        {"\"exp\":9223372036854775807", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":18446744073709551615", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":18446744073709551616", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":1e308", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":1e999", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":-1", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":-1e999", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":\"1700000001\"", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":true", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":null", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":[1700000001]", CREDENTIAL_WRONG_CLAIM},
        {"\"EXP\":1700000001", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":NaN", CREDENTIAL_MALFORMED},
        {"\"exp\":01700000001", CREDENTIAL_MALFORMED},
        {"\"exp\":1,\"exp\":1700000001", CREDENTIAL_MALFORMED},
        {"\"exp\":1700000001,\"\\u0065xp\":1700000001", CREDENTIAL_MALFORMED},
        {"\"exp\":1700000001,\"nbf\":1700000060", CREDENTIAL_VALID},
        {"\"exp\":1700000001,\"nbf\":1700000060.5", CREDENTIAL_NOT_YET_VALID},
        {"\"exp\":1700000001,\"nbf\":1700000061", CREDENTIAL_NOT_YET_VALID},
        {"\"exp\":1700000001,\"nbf\":0", CREDENTIAL_VALID},
        {"\"exp\":1700000001,\"nbf\":\"0\"", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":1700000001,\"nbf\":null", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":1700000001,\"nbf\":-1", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":1700000001,\"iat\":1700000060", CREDENTIAL_VALID},
        {"\"exp\":1700000001,\"iat\":1700000061", CREDENTIAL_NOT_YET_VALID},
        {"\"exp\":1700000001,\"iat\":1e999", CREDENTIAL_WRONG_CLAIM},
        {"\"exp\":1,\"nbf\":1700000061", CREDENTIAL_EXPIRED},
    };
    static const struct agora_text audience = {"agora", 5};
    const struct jwt_party party = {text("shop"), &audience, 1, NULL};
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum credential_verdict verdict =
            judge(format("{\"iss\":\"shop\",\"aud\":\"agora\",%s}", cases[i].claims), &party);
        if (verdict != cases[i].verdict)
            fail_msg("%s: %s", cases[i].claims, credential_verdict_text(verdict));
    }
    assert_int_equal(judge("{\"iss\":\"shop\",\"aud\":\"agora\"}", &party), CREDENTIAL_WRONG_CLAIM);
}

static void test_parties(void **state) {
    (void)state;
    const struct agora_text audiences[] = {text("agora"), text("agora-test")};
    const struct jwt_party one = {text("shop"), audiences, 1, NULL};
    const struct jwt_party two = {text("shop"), audiences, 2, NULL};
    const struct jwt_party elsewhere = {text("shop"), audiences, 1, "client_id"};
    const struct {
        const char *claims;
        bool is_for_one, is_for_two, is_for_elsewhere;
    } cases[] = {
        {"\"iss\":\"shop\",\"aud\":\"agora\"", true, true, false},
        {"\"iss\":\"shop\",\"aud\":\"agora-test\"", false, true, false},
        {"\"iss\":\"shop\",\"aud\":[\"x\",\"agora\"]", true, true, false},
        {"\"iss\":\"shop\",\"aud\":[5,null,[\"agora\"],\"agora-test\"]", false, true, false},
        {"\"iss\":\"shop\",\"aud\":[[\"agora\"]]", false, false, false},
        {"\"iss\":\"shop\",\"aud\":[]", false, false, false},
        {"\"iss\":\"shop\",\"aud\":{\"agora\":\"agora\"}", false, false, false},
        {"\"iss\":\"shop\",\"aud\":\"Agora\"", false, false, false},
        {"\"iss\":\"shop\",\"aud\":\"agora\\u0000\"", false, false, false},
        {"\"iss\":\"shop\",\"aud\":\"agor\"", false, false, false},
        {"\"iss\":\"shop\",\"aud\":\"*\"", false, false, false},
        {"\"iss\":\"shop\",\"aud\":null", false, false, false},
        {"\"iss\":\"shop\"", false, false, false},
        {"\"iss\":\"Shop\",\"aud\":\"agora\"", false, false, false},
        {"\"iss\":\"\",\"aud\":\"agora\"", false, false, false},
        {"\"iss\":[\"shop\"],\"aud\":\"agora\"", false, false, false},
        {"\"iss\":null,\"aud\":\"agora\"", false, false, false},
        {"\"aud\":\"agora\"", false, false, false},
        {"\"iss\":\"shop\",\"client_id\":\"agora\"", false, false, true},
        {"\"iss\":\"shop\",\"client_id\":\"agora\",\"aud\":\"agora\"", true, true, true},
        {"\"iss\":\"shop\",\"client_id\":\"x\",\"aud\":\"agora\"", true, true, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *claims = format("{%s,\"exp\":1700000001}", cases[i].claims);
        if ((judge(claims, &one) == CREDENTIAL_VALID) != cases[i].is_for_one ||
            (judge(claims, &two) == CREDENTIAL_VALID) != cases[i].is_for_two ||
            (judge(claims, &elsewhere) == CREDENTIAL_VALID) != cases[i].is_for_elsewhere)
            fail_msg("%s", claims);
    }
}

/* Who it is for is asked before it is verified, when it was valid only afterwards. */
static void test_order(void **state) {
    (void)state;
    static const struct agora_text audience = {"agora", 5};
    const struct jwt_party party = {text("shop"), &audience, 1, NULL};
    struct jwt jwt = {0};
    const char *token = sign(HS256, "{\"alg\":\"HS256\"}",
                             "{\"iss\":\"shop\",\"aud\":\"agora\",\"exp\":1,\"sub\":\"alice\"}");
    assert_int_equal(jwt_parse(&jwt, text(token)), CREDENTIAL_VALID);
    assert_true(jwt_is_for(&jwt, &party));
    assert_int_equal(jwt_verify(&jwt, &party, sets[RSA_KEY], NOW), CREDENTIAL_WRONG_KEY);
    assert_int_equal(jwt_verify(&jwt, &party, sets[SECRET_KEY], NOW), CREDENTIAL_EXPIRED);
    assert_int_equal(jwt_verify(&jwt, &party, sets[SECRET_KEY], 1), CREDENTIAL_VALID);
    assert_true(text_equals(member(jwt.claims, "sub"), "alice"));
    jwt_free(&jwt);
}

static void test_claims_are_an_object(void **state) {
    (void)state;
    struct jwt jwt = {0};
    char deep[80];
    memset(deep, '[', 32);
    memset(deep + 32, ']', 32);
    deep[64] = '\0';
    const char *const malformed[] = {
        "",
        "null",
        "[]",
        "\"{}\"",
        "5",
        "{",
        "{}{}",
        "{} x",
        "{'a':1}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":{\"b\":1,\"b\":1}}",
        "{\"a\":\"\xff\"}",
        "{\"a\\u0000\":1}",
        format("{\"a\":%s}", deep),
    };
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (jwt_parse(&jwt, text(sign(HS256, "{\"alg\":\"HS256\"}", malformed[i]))) !=
            CREDENTIAL_MALFORMED)
            fail_msg("%s", malformed[i]);
    /* One level less is none too many. */
    deep[63] = '\0';
    assert_int_equal(
        jwt_parse(&jwt, text(sign(HS256, "{\"alg\":\"HS256\"}", format("{\"a\":%s}", deep + 1)))),
        CREDENTIAL_VALID);
    jwt_free(&jwt);
    assert_int_equal(jwt_parse(&jwt, text("e30.e30.")), CREDENTIAL_WRONG_ALGORITHM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wycheproof),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_key_decides),
        cmocka_unit_test(test_header_differs_from_signature),
        cmocka_unit_test(test_every_character_counts),
        cmocka_unit_test(test_short_signature),
        cmocka_unit_test(test_public_key_is_no_secret),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_payload_and_kid),
        cmocka_unit_test(test_known_header),
        cmocka_unit_test(test_kid),
        cmocka_unit_test(test_rsa_sizes),
        cmocka_unit_test(test_key_sets),
        cmocka_unit_test(test_keys_past_the_hundredth),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_parties),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_claims_are_an_object),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
