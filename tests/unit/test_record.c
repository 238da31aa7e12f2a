/* FastCGI records: where requests end, what libfcgi may see of them, and what is answered without
 * it. */
#include <stdlib.h>
#include <string.h>

#include "gateway/codec.h"
#include "gateway/record.h"
#include "unit.h"

/* A request of two parameter bytes and a body of three, record by record. */
static const uint8_t whole[] = {
    1, 1, 0, 1, 0, 8, 0, 0, 0,   1,   1,   0, 0, 0, 0, 0, /* FCGI_BEGIN_REQUEST */
    1, 4, 0, 1, 0, 2, 6, 0, 0,   0,   0,   0, 0, 0, 0, 0, /* FCGI_PARAMS, padded */
    1, 4, 0, 1, 0, 0, 0, 0,                               /* the end of FCGI_PARAMS */
    1, 5, 0, 1, 0, 3, 0, 0, 'a', 'b', 'c',                /* FCGI_STDIN */
    1, 5, 0, 1, 0, 0, 0, 0,                               /* the end of FCGI_STDIN */
};

static void expect_record(const uint8_t *data, size_t length, enum record_kind kind, size_t unit) {
    /* On the heap and of this very size, for the sanitizer to see a read past it. */
    struct record_reader reader = {0};
    uint8_t *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, data, length);
    assert_int_equal(record_next(&reader, copy, length), kind);
    if (kind != RECORD_BROKEN)
        assert_int_equal(reader.length, unit);
    free(copy);
}

static void test_record(void **state) {
    (void)state;
    size_t records = 0; /* the bytes of those that are whole */
    for (size_t length = 0; length < sizeof whole; length++) {
        static const size_t ends[] = {16, 32, 40, 51};
        for (size_t i = 0; i < COUNT(ends); i++)
            records = length >= ends[i] ? ends[i] : records;
        expect_record(whole, length, RECORD_PARTIAL, records);
    }
    expect_record(whole, sizeof whole, RECORD_REQUEST, sizeof whole);

    uint8_t two[2 * sizeof whole];
    memcpy(two, whole, sizeof whole);
    memcpy(two + sizeof whole, whole, sizeof whole);
    expect_record(two, sizeof two, RECORD_REQUEST, sizeof whole);

    expect_record((const uint8_t *)"GET / HTTP/1.1", 5, RECORD_BROKEN, 5);
    static const uint8_t management[] = {1, 9, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1};
    expect_record(management, 9, RECORD_PARTIAL, 0);
    expect_record(management, sizeof management, RECORD_MANAGEMENT, 10);
}

/* Where the next byte has come, the records before it are not read again: here they are no longer
 * there. (Those of the parameters are, once, when all of them have come.) */
static void test_byte_by_byte(void **state) {
    (void)state;
    struct record_reader reader = {0};
    for (int round = 0; round < 2; round++) {
        uint8_t data[sizeof whole];
        memcpy(data, whole, sizeof whole);
        for (size_t length = 0; length < sizeof whole; length++) {
            assert_int_equal(record_next(&reader, data, length), RECORD_PARTIAL);
            if (reader.phase == AT_STDIN)
                memset(data, 0xff, reader.length);
        }
        assert_int_equal(record_next(&reader, data, sizeof data), RECORD_REQUEST);
        assert_int_equal(reader.length, sizeof whole);
    }
}

/* Records that libfcgi would skip, or answer in the midst of a request, make it broken, and so does
 * padding that it would take for records. */
static void test_record_order(void **state) {
    (void)state;
    enum {
        BEGIN,
        ONE,
        END,
        BODY,
        LAST,
        OTHER,
        MANAGEMENT,
        FOREIGN_END,
        ABORT,
        FULL_ABORT,
        FOREIGN_ABORT,
        SHORT_BEGIN,
        PADDED_BEGIN,
        PADDED_END,
        PADDED_LAST,
    };
    static const uint8_t records[][20] = {
        [BEGIN] = {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1},
        [ONE] = {1, 4, 0, 1, 0, 8, 0, 0, 1, 5, 'a'},
        [END] = {1, 4, 0, 1},
        [BODY] = {1, 5, 0, 1, 0, 8},
        [LAST] = {1, 5, 0, 1},
        [OTHER] = {1, 4, 0, 2, 0, 8, 0, 0, 1, 5, 'a'},
        [MANAGEMENT] = {1, 9, 0, 0, 0, 8},
        [FOREIGN_END] = {1, 5, 0, 2, 0, 0, 8},
        [ABORT] = {1, 2, 0, 1, 0, 0, 8},
        [FULL_ABORT] = {1, 2, 0, 1, 0, 8, 0, 0, 1, 9, 0, 0, 0, 8},
        [FOREIGN_ABORT] = {1, 2, 0, 2, 0, 0, 8},
        [SHORT_BEGIN] = {1, 1, 0, 1, 0, 7, 0, 0, 0, 1, 1},
        [PADDED_BEGIN] = {1, 1, 0, 1, 0, 8, 4, 0, 0, 1, 1},
        [PADDED_END] = {1, 4, 0, 1, 0, 0, 8, 0, 1, 9},
        [PADDED_LAST] = {1, 5, 0, 1, 0, 0, 8},
    };
    static const struct {
        int order[8];
        size_t count;
        enum record_kind kind;
    } cases[] = {
        {{BEGIN, ONE, END, BODY, LAST}, 5, RECORD_REQUEST},
        {{BEGIN, END, LAST}, 3, RECORD_REQUEST},
        {{BEGIN, END, PADDED_LAST}, 3, RECORD_REQUEST},
        {{PADDED_BEGIN}, 1, RECORD_BROKEN},
        {{BEGIN, PADDED_END}, 2, RECORD_BROKEN},
        {{BEGIN, ONE, ONE, END, BODY, BODY, LAST}, 7, RECORD_REQUEST},
        {{BEGIN, ABORT}, 2, RECORD_ABORTED},
        {{BEGIN, FULL_ABORT}, 2, RECORD_ABORTED},
        {{BEGIN, ONE, FULL_ABORT}, 3, RECORD_ABORTED},
        {{BEGIN, ONE, END, ABORT}, 4, RECORD_ABORTED},
        {{BEGIN, ONE, END, BODY, FULL_ABORT}, 5, RECORD_ABORTED},
        {{MANAGEMENT}, 1, RECORD_MANAGEMENT},
        {{BEGIN, ONE, END, BODY}, 4, RECORD_PARTIAL},
        {{BEGIN, MANAGEMENT}, 2, RECORD_BROKEN},
        {{BEGIN, ONE, MANAGEMENT}, 3, RECORD_BROKEN},
        {{BEGIN, OTHER}, 2, RECORD_BROKEN},
        {{BEGIN, BEGIN}, 2, RECORD_BROKEN},
        {{BEGIN, FOREIGN_ABORT}, 2, RECORD_BROKEN},
        {{SHORT_BEGIN}, 1, RECORD_BROKEN},
        {{ONE}, 1, RECORD_BROKEN},
        {{ABORT}, 1, RECORD_LATE},
        {{BEGIN, BODY}, 2, RECORD_BROKEN},
        {{BEGIN, ONE, BODY}, 3, RECORD_BROKEN},
        {{BEGIN, END, ONE}, 3, RECORD_BROKEN},
        {{BEGIN, END, FOREIGN_END}, 3, RECORD_BROKEN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t data[sizeof records];
        size_t length = 0;
        for (size_t k = 0; k < cases[i].count; k++) {
            const uint8_t *record = records[cases[i].order[k]];
            memcpy(data + length, record, sizeof records[0]);
            length += 8U + record[5] + record[6];
        }
        expect_record(data, length, cases[i].kind, length);
    }
}

/* A request whose FCGI_PARAMS hold these bytes, in records of `chunk` bytes. */
static void expect_parameters(const char *bytes, size_t length, size_t chunk,
                              enum record_kind kind) {
    uint8_t data[512] = {1, 1, 0, 1, 0, 8, 0, 0, 0, 1};
    size_t at = 16;
    for (size_t done = 0; done < length; done += chunk) {
        size_t part = length - done < chunk ? length - done : chunk;
        const uint8_t header[8] = {1, 4, 0, 1, 0, (uint8_t)part, 3};
        memcpy(data + at, header, sizeof header);
        memcpy(data + at + sizeof header, bytes + done, part);
        at += sizeof header + part + 3;
    }
    const uint8_t ends[16] = {1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0};
    memcpy(data + at, ends, sizeof ends);
    expect_record(data, at + sizeof ends, kind, at + sizeof ends);
}

static void test_parameters(void **state) {
    (void)state;
#define PAIRS(literal) literal, sizeof(literal) - 1
    static const struct {
        const char *bytes;
        size_t length;
        enum record_kind kind;
    } cases[] = {
        {PAIRS(""), RECORD_REQUEST},
        {PAIRS("\0\0"), RECORD_REQUEST},
        {PAIRS("\1\2abb"), RECORD_REQUEST},
        {PAIRS("\1\2abb\2\1aab"), RECORD_REQUEST},
        {PAIRS("\1\200\0\0\2abb"), RECORD_REQUEST},
        {PAIRS("\200\0\0\1\200\0\0\2abb"), RECORD_REQUEST},
        {PAIRS("\1"), RECORD_BROKEN},
        {PAIRS("\1\2ab"), RECORD_BROKEN},
        {PAIRS("\1\2abb\1"), RECORD_BROKEN},
        {PAIRS("\1\200\0\0"), RECORD_BROKEN},
        {PAIRS("\177\2abb"), RECORD_BROKEN},
        {PAIRS("\377\377\377\377\377\377\377\377a"), RECORD_BROKEN},
        {PAIRS("\1\377\377\377\376a"), RECORD_BROKEN},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t chunk = 1; chunk <= 16; chunk++)
            expect_parameters(cases[i].bytes, cases[i].length, chunk, cases[i].kind);
}

static void test_management(void **state) {
    (void)state;
    static const char get[] = "\1\11\0\0\0\43\0\0\17\0FCGI_MPXS_CONNS\16\0FCGI_MAX_CONNS\1\0X";
    static const char result[] = "\1\12\0\0\0\46\0\0\16\4FCGI_MAX_CONNS4096\17\1FCGI_MPXS_CONNS0";
    struct buffer out = {0};
    record_answer_management((const uint8_t *)get, sizeof get - 1, 4096, &out);
    assert_int_equal(out.length, sizeof result - 1);
    assert_memory_equal(out.data, result, out.length);

    static const char other[] = "\1\77\0\0\0\0\0\0";
    static const char unknown[] = "\1\13\0\0\0\10\0\0\77\0\0\0\0\0\0\0";
    buffer_clear(&out);
    record_answer_management((const uint8_t *)other, sizeof other - 1, 4096, &out);
    assert_int_equal(out.length, sizeof unknown - 1);
    assert_memory_equal(out.data, unknown, out.length);
    buffer_free(&out);
}

/* What comes out for records given one behind the other, and what is to become of the connection.
 */
static struct codec codec;

static enum next_step answer(const uint8_t *data, size_t length, struct buffer *out) {
    struct record_reader reader = {0};
    size_t used;
    buffer_clear(out);
    enum next_step next_step = codec_answer(&codec, &reader, data, length, &used, out);
    if (next_step == KEEP_OPEN)
        assert_int_equal(used, length);
    return next_step;
}

/* Nothing of a request that is aborted reaches libfcgi, which would take the content or the padding
 * of FCGI_ABORT_REQUEST for records: a management record's in the first of these, parameters of two
 * gigabytes behind it. */
static void test_abort(void **state) {
    (void)state;
    static const struct {
        uint8_t data[56];
        size_t length;
    } cases[] = {
        {{1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 2, 0, 1, 0, 0, 0, 0}, 24},
        {{1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0,    0,    0,    0,    1,    2,    0,    1,
          0, 8, 8, 0, 1, 9, 0, 0, 0, 8, 0, 0, 0xbf, 0xff, 0xff, 0xff, 0xbf, 0xff, 0xff, 0xff},
         40},
        {{1, 1, 0,    1, 0, 8, 0, 0, 0, 1, 1, 0, 0,    0,    0,    0,    1,    2,    0,    1,
          0, 0, 0x10, 0, 1, 9, 0, 0, 0, 8, 0, 0, 0xbf, 0xff, 0xff, 0xff, 0xbf, 0xff, 0xff, 0xff},
         40},
        {{1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1,
          4, 0, 1, 0, 1, 0, 0, 5, 1, 2, 0, 1, 0, 1, 0, 0, 9},
         34},
    };
    static const uint8_t end[] = {1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct buffer out = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int keep = 0; keep < 2; keep++) {
            uint8_t data[sizeof cases[i].data];
            memcpy(data, cases[i].data, sizeof data);
            data[10] = (uint8_t)keep;
            assert_int_equal(answer(data, cases[i].length, &out), keep ? KEEP_OPEN : CLOSE);
            assert_int_equal(out.length, sizeof end);
            assert_memory_equal(out.data, end, sizeof end);
        }
    }
    buffer_free(&out);
}

/* FCGI_UNKNOWN_ROLE for all but responders, and the rest of such a request is read over. */
static void test_role(void **state) {
    (void)state;
    struct buffer out = {0};
    for (uint8_t role = 0; role < 5; role++) {
        if (role == 1)
            continue;
        uint8_t data[] = {
            1, 1, 1, 2, 0, 8, 0, 0, 0, role, 1, 0, 0, 0, 0, 0, /* FCGI_BEGIN_REQUEST */
            1, 4, 1, 2, 0, 1, 0, 0, 7,                         /* FCGI_PARAMS */
            1, 5, 1, 2, 0, 0, 0, 0,                            /* FCGI_STDIN */
            1, 8, 1, 2, 0, 0, 0, 0,                            /* FCGI_DATA */
            1, 2, 1, 2, 0, 0, 0, 0,                            /* FCGI_ABORT_REQUEST */
        };
        static const uint8_t end[] = {1, 3, 1, 2, 0, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0};
        assert_int_equal(answer(data, sizeof data, &out), KEEP_OPEN);
        assert_int_equal(out.length, sizeof end);
        assert_memory_equal(out.data, end, sizeof end);

        /* Where the connection is not kept, the rest is still on its way. */
        data[10] = 0;
        assert_int_equal(answer(data, 16, &out), LINGER);
        assert_int_equal(out.length, sizeof end);

        /* The rest of another request is none of this one. */
        data[10] = 1;
        data[19] = 3;
        assert_int_equal(answer(data, sizeof data, &out), CLOSE);
    }

    /* The next request may be for a responder, and of the same ID; its records count. */
    uint8_t both[16 + sizeof whole + 8] = {1, 1, 0, 1, 0, 8, 0, 0, 0, 2, 1};
    memcpy(both + 16, whole, sizeof whole);
    assert_int_equal(answer(both, 16 + sizeof whole, &out), KEEP_OPEN);
    assert_true(out.length > 32);
    memcpy(both + 16 + sizeof whole, (const uint8_t[]){1, 5, 0, 1, 0, 0, 0, 0}, 8);
    assert_int_equal(answer(both, sizeof both, &out), CLOSE);
    buffer_free(&out);
}

static int start(void **state) {
    (void)state;
    static const struct settings settings;
    codec.api = (struct api){.settings = &settings, .minter = agora_minter_new()};
    return codec_start() && codec.api.minter ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    agora_minter_free(codec.api.minter);
    codec_free(&codec);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),       cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_record_order), cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_management),   cmocka_unit_test(test_abort),
        cmocka_unit_test(test_role),
    };
    return cmocka_run_group_tests_name("record", tests, start, end);
}
