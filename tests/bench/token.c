/*
 * What a token costs in the library.
 *
 *     token              one line a case: name, microseconds, characters; then the first case
 *                        as a ratio to stock zlib's deflate of its payload alone, and its parts
 *     token CASE COUNT   mints COUNT tokens of one case, for a tool that counts instructions
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "agora_token.h"
#include "token/deflate.h"
#include "token/service.h"
#include "token/signature.h"

enum { ROUNDS = 7, ROUND_MS = 40, OUT_MAX = 8192, SERVICES_MAX = 10, PAYLOAD_MAX = 512 };

/* clang-format versions lay out such macros differently. */
/* clang-format off */
#define TEXT(literal)                                                                              \
    { literal, sizeof(literal) - 1 }

/* As long as the service lets in: a channel of 64 bytes, a user of 255. */
#define CHANNEL_64 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#"
#define USER_51 "k3Jx9qLm2Vb7Zt0Rw5Yc8Nf1Hs4Pd6Ga-uEoTiQyXvBzKjMlWn"
#define USER_255 USER_51 USER_51 USER_51 USER_51 USER_51

static const char certificate[] = "5CFd2fd1755d40ecb72977518be15d3b";
static const struct agora_text app_id = TEXT("970CA35de60c44645bbae8a215061b33");

#define RTC(channel_, user_)                                                                       \
    {                                                                                              \
        .type = AGORA_SERVICE_RTC, .privilege_count = 4,                                           \
        .privileges = {{1, 3600}, {2, 3600}, {3, 3600}, {4, 3600}}, .channel = TEXT(channel_),     \
        .user = TEXT(user_)                                                                        \
    }
#define ONE(type_, user_)                                                                          \
    { .type = type_, .privilege_count = 1, .privileges = {{1, 3600}}, .user = TEXT(user_) }
/* clang-format on */

static const struct case_ {
    const char *name;
    size_t service_count;
    struct agora_service services[SERVICES_MAX];
} cases[] = {
    {"rtc", 1, {RTC("lecture", "42")}},
    {"rtm", 1, {ONE(AGORA_SERVICE_RTM, "alice")}},
    {"chat", 1, {ONE(AGORA_SERVICE_CHAT, "alice")}},
    {"largest", 2, {RTC(CHANNEL_64, USER_255), ONE(AGORA_SERVICE_RTM, USER_255)}},
    {"channel-1", 1, {RTC("c", "42")}},
    {"channel-16", 1, {RTC("0123456789abcdef", "42")}},
    {"channel-64", 1, {RTC(CHANNEL_64, "42")}},
    {"services-1", 1, {RTC("lecture", "42")}},
    {"services-2", 2, {RTC("lecture", "42"), ONE(2, "alice")}},
    {"services-5",
     5,
     {RTC("lecture", "42"), ONE(2, "alice"), ONE(3, "bob"), ONE(4, ""), ONE(5, "amy")}},
    {"services-10",
     10,
     {RTC("lecture", "42"), ONE(2, "alice"), ONE(3, "bob"), ONE(4, ""), ONE(5, "amy"),
      ONE(6, "eve"), ONE(7, "joe"), ONE(8, "tom"), ONE(9, ""), ONE(10, "")}},
};

static struct agora_minter *minter;
static char out[OUT_MAX];
static size_t out_length;

static void mint(const struct case_ *c) {
    struct agora_token token = {.app_id = app_id,
                                .issue_ts = 1700000000,
                                .expire = 3600,
                                .service_count = c->service_count,
                                .services = c->services};
    struct agora_text key = {certificate, AGORA_HEX_LENGTH};
    if (agora_token_salt(minter, &token.salt) ||
        agora_token_mint(minter, &token, key, out, sizeof out, &out_length)) {
        fprintf(stderr, "cannot mint %s\n", c->name);
        exit(EXIT_FAILURE);
    }
}

/* The parts of a token, on the payload of "rtc". */

static struct signer signer;
static struct deflater deflater;
static z_stream stock;
static uint8_t payload[PAYLOAD_MAX];
static uint8_t compressed[2 * PAYLOAD_MAX];
static uLongf payload_length = PAYLOAD_MAX;
static size_t compressed_length;
static uint32_t second;

static void prepare_parts(void) {
    mint(&cases[0]);
    size_t encoded = out_length - 3;
    size_t padding = (size_t)(out[out_length - 1] == '=') + (out[out_length - 2] == '=');
    compressed_length = encoded / 4 * 3 - padding;
    if (!signer_init(&signer) || deflateInit(&stock, Z_DEFAULT_COMPRESSION) != Z_OK ||
        EVP_DecodeBlock(compressed, (const unsigned char *)out + 3, (int)encoded) < 0 ||
        uncompress(payload, &payload_length, compressed, compressed_length) != Z_OK)
        exit(EXIT_FAILURE);
}

static void sign_part(const struct case_ *c) {
    (void)c;
    uint8_t signature[SIGNATURE_LENGTH];
    /* A new second each time, so that all three HMACs are computed. */
    if (!signer_sign(&signer, certificate, ++second, 1, payload, payload_length, signature))
        exit(EXIT_FAILURE);
    payload[0] = signature[0];
}

static void deflate_part(const struct case_ *c) {
    (void)c;
    if (deflate_bytes(&deflater, payload, payload_length, compressed, sizeof compressed,
                      &compressed_length))
        exit(EXIT_FAILURE);
}

static void deflate_stock(const struct case_ *c) {
    (void)c;
    stock.next_in = payload;
    stock.avail_in = (uInt)payload_length;
    stock.next_out = compressed;
    stock.avail_out = sizeof compressed;
    if (deflateReset(&stock) != Z_OK || deflate(&stock, Z_FINISH) != Z_STREAM_END)
        exit(EXIT_FAILURE);
}

static void encode_part(const struct case_ *c) {
    (void)c;
    EVP_EncodeBlock((unsigned char *)out, compressed, (int)compressed_length);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Microseconds a call, over one round. */
static double time_round(void (*what)(const struct case_ *), const struct case_ *c) {
    int64_t begin = now_ns();
    int64_t end = begin;
    long calls = 0;
    for (; end - begin < (int64_t)ROUND_MS * 1000000; end = now_ns())
        for (int k = 0; k < 64; k++, calls++)
            what(c);
    return (double)(end - begin) / 1000 / (double)calls;
}

static double median(double rounds[static ROUNDS]) {
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    return rounds[ROUNDS / 2];
}

static double measure(void (*what)(const struct case_ *), const struct case_ *c) {
    double rounds[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        rounds[i] = time_round(what, c);
    return median(rounds);
}

/* The first case against zlib alone, taking turns, as a shared machine's speed changes. */
static void measure_ratio(void) {
    double stock_us[ROUNDS];
    double ratios[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        stock_us[i] = time_round(deflate_stock, NULL);
        ratios[i] = time_round(mint, &cases[0]) / stock_us[i];
    }
    printf("zlib-alone %.3f 0\n", median(stock_us));
    printf("mint-to-zlib %.3f 0\n", median(ratios));
}

static void measure_all(void) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double us = measure(mint, &cases[i]);
        printf("%s %.3f %zu\n", cases[i].name, us, out_length);
    }

    prepare_parts();
    measure_ratio();
    printf("part-hmac %.3f 0\n", measure(sign_part, NULL));
    printf("part-deflate %.3f 0\n", measure(deflate_part, NULL));
    printf("part-base64 %.3f 0\n", measure(encode_part, NULL));
    signer_wipe(&signer);
    deflate_free(&deflater);
    (void)deflateEnd(&stock);
}

int main(int argc, char **argv) {
    minter = agora_minter_new();
    if (!minter)
        return EXIT_FAILURE;
    if (argc == 3) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            if (strcmp(cases[i].name, argv[1]) == 0)
                for (long left = strtol(argv[2], NULL, 10); left > 0; left--)
                    mint(&cases[i]);
    } else {
        measure_all();
    }
    agora_minter_free(minter);
    return EXIT_SUCCESS;
}
