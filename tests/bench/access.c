/*
 * What it costs to find out who asks, beside what OpenSSL takes for the same signature with a kept
 * context, which is what `openssl speed` measures.
 *
 *     access   one line a credential: name, microseconds, of which OpenSSL's verification
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/api_key.h"
#include "access/jwt.h"

enum { ROUNDS = 9, ROUND_NS = 40000000, SIGNATURE_MAX = 512, NOW = 1700000000, API_KEYS = 10 };

#define CLAIMS                                                                                     \
    "{\"iss\":\"https://login.example/"                                                            \
    "my-app\",\"aud\":\"my-app\",\"sub\":\"k3Jx9qLm2Vb7Zt0Rw5Yc\","                                \
    "\"iat\":1700000000,\"exp\":1700003600,\"rooms\":[\"lecture\",\"lobby\"],\"role\":"            \
    "\"teacher\"}"

static void need(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "cannot %s\n", what);
    exit(EXIT_FAILURE);
}

static void encode(char *out, const unsigned char *bytes, size_t length) {
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)length);
    for (; *out; out++)
        *out = (char)(*out == '+' ? '-' : *out == '/' ? '_' : *out == '=' ? '\0' : *out);
}

static const struct agora_text audience = {"my-app", 6};
static const struct jwt_party party = {{"https://login.example/my-app", 28}, &audience, 1, NULL};

/* One credential and all that is needed to judge it. */
static struct agora_text token;
static struct key_set *keys;
static char room[4096];
static EVP_PKEY_CTX *kept;
static EVP_MAC_CTX *kept_mac;
static unsigned char digest[32], signature[SIGNATURE_MAX];
static size_t signature_length;
static EVP_MD *sha256;
static struct api_key api_keys[API_KEYS];

static void verify_token(void) {
    static struct jwt jwt;
    need(jwt_parse(&jwt, token) == CREDENTIAL_VALID &&
             jwt_verify(&jwt, &party, keys, NOW) == CREDENTIAL_VALID,
         "verify a JWT");
    jwt_free(&jwt);
}

static void find_key(void) {
    unsigned char hash[API_KEY_HASH_LENGTH];
    need(api_key_hash(sha256, token, hash) && api_key_find(api_keys, API_KEYS, hash),
         "find an API key");
}

static void verify_kept(void) {
    need(EVP_PKEY_verify(kept, signature, signature_length, digest, sizeof digest) == 1, "verify");
}

static void mac_kept(void) {
    size_t length;
    need(EVP_MAC_init(kept_mac, NULL, 0, NULL) &&
             EVP_MAC_update(kept_mac, (unsigned char *)room, token.length - 44) &&
             EVP_MAC_final(kept_mac, signature, &length, sizeof signature),
         "compute a MAC");
}

static void digest_kept(void) {
    need(EVP_Digest(token.data, token.length, digest, NULL, sha256, NULL), "hash");
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The fastest of some rounds, in microseconds a call: whatever else the machine does only adds. */
static double measure(void (*what)(void)) {
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double begin = now_ns(), spent;
        long calls = 0;
        do {
            for (int k = 0; k < 64; k++, calls++)
                what();
            spent = now_ns() - begin;
        } while (spent < ROUND_NS);
        best = spent / 1000 / (double)calls < best ? spent / 1000 / (double)calls : best;
    }
    return best;
}

static void report(const char *name, void (*ours)(void), void (*theirs)(void)) {
    double all = measure(ours), primitive = measure(theirs);
    printf("%s %.2f %.2f +%.2f\n", name, all, primitive, all - primitive);
}

/* Puts "header.claims" into room. */
static size_t begin_token(const char *alg) {
    char header[96];
    int length =
        snprintf(header, sizeof header,
                 "{\"alg\":\"%s\",\"kid\":\"2026-a-key-of-this-name\",\"typ\":\"JWT\"}", alg);
    encode(room, (const unsigned char *)header, (size_t)length);
    strcat(room, ".");
    encode(room + strlen(room), (const unsigned char *)CLAIMS, strlen(CLAIMS));
    return strlen(room);
}

static void end_token(const unsigned char *bytes, size_t length) {
    strcat(room, ".");
    encode(room + strlen(room), bytes, length);
    token = (struct agora_text){room, strlen(room)};
}

static void measure_secret(void) {
    char error[KEY_SET_ERROR_MAX];
    static const char secret[] = "a secret of more than thirty-two bytes";
    size_t length = begin_token("HS256");
    need(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret, strlen(secret),
                   (unsigned char *)room, length, signature, sizeof signature, &signature_length),
         "sign");
    end_token(signature, signature_length);
    keys = key_set_of_secret((struct agora_text){secret, strlen(secret)}, error);

    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
                               OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    kept_mac = EVP_MAC_CTX_new(hmac);
    need(EVP_MAC_init(kept_mac, (const unsigned char *)secret, strlen(secret), parameters),
         "begin");
    report("HS256", verify_token, mac_kept);
    EVP_MAC_CTX_free(kept_mac);
    EVP_MAC_free(hmac);
    key_set_release(keys);
}

static void measure_public(const char *alg, EVP_PKEY *pkey, const char *jwk) {
    char error[KEY_SET_ERROR_MAX];
    size_t length = begin_token(alg);
    signature_length = sizeof signature;
    need(EVP_Digest(room, length, digest, NULL, sha256, NULL), "hash");
    kept = EVP_PKEY_CTX_new(pkey, NULL);
    need(kept && EVP_PKEY_sign_init(kept) == 1 &&
             EVP_PKEY_CTX_set_signature_md(kept, sha256) == 1 &&
             EVP_PKEY_sign(kept, signature, &signature_length, digest, sizeof digest) == 1 &&
             EVP_PKEY_verify_init(kept) == 1 && EVP_PKEY_CTX_set_signature_md(kept, sha256) == 1,
         "sign");
    if (EVP_PKEY_is_a(pkey, "EC")) {
        unsigned char raw[64];
        const unsigned char *der = signature;
        ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)signature_length);
        need(pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, 32) == 32 &&
                 BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 32, 32) == 32,
             "take the signature apart");
        ECDSA_SIG_free(pair);
        end_token(raw, sizeof raw);
    } else {
        end_token(signature, signature_length);
    }
    keys = key_set_read((struct agora_text){jwk, strlen(jwk)}, error);
    need(keys, error);
    report(alg, verify_token, verify_kept);
    key_set_release(keys);
    EVP_PKEY_CTX_free(kept);
    EVP_PKEY_free(pkey);
}

static void measure_rsa(void) {
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    BIGNUM *n = NULL;
    unsigned char bytes[256];
    char text[400], jwk[600];
    need(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) && BN_bn2bin(n, bytes) == 256,
         "make a key");
    BN_free(n);
    encode(text, bytes, sizeof bytes);
    snprintf(jwk, sizeof jwk,
             "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"2026-a-key-of-this-name\",\"n\":\"%s\",\"e\":"
             "\"AQAB\"}]}",
             text);
    measure_public("RS256", pkey, jwk);
}

static void measure_ec(void) {
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    unsigned char point[65];
    size_t length;
    char x[48], y[48], jwk[300];
    need(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                         &length),
         "make a key");
    encode(x, point + 1, 32);
    encode(y, point + 33, 32);
    snprintf(jwk, sizeof jwk,
             "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"2026-a-key-of-this-name\","
             "\"x\":\"%s\","
             "\"y\":\"%s\"}]}",
             x, y);
    measure_public("ES256", pkey, jwk);
}

static void measure_api_key(void) {
    for (size_t i = 0; i < API_KEYS; i++)
        need(api_key_make(room) && api_key_hash(sha256, (struct agora_text){room, API_KEY_LENGTH},
                                                api_keys[i].sha256),
             "make a key");
    token = (struct agora_text){room, API_KEY_LENGTH};
    report("api-key", find_key, digest_kept);
}

int main(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    measure_api_key();
    measure_secret();
    measure_rsa();
    measure_ec();
    EVP_MD_free(sha256);
    return EXIT_SUCCESS;
}
