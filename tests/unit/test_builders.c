/* The services that the builders fill, against tokens of Agora's own builder. */
#include "agora_token.h"
#include "unit.h"
#include "vectors.h"

static const struct agora_text channel = {"7d72365eb983485397e3e3f9d460bdda", 32};
static const struct agora_text user = {"2882341273", 10};
static const struct agora_text test_user = {"test_user", 9};
static const struct agora_text alice = {"alice", 5};

static struct agora_service publisher(struct agora_text who, uint32_t expire) {
    return agora_service_rtc(channel, who, AGORA_ROLE_PUBLISHER, expire);
}

/* Mints with the vector's own numbers and compares with its payload. */
static void assert_mints(const char *name, const struct agora_service *services, size_t count) {
    struct json_object *vectors = load_vectors();
    struct agora_minter *minter = agora_minter_new();
    struct vector vector;
    char out[1024];
    size_t length;
    size_t i = 0;
    while (i < VECTORS &&
           !text_equals(text_of(json_object_array_get_idx(vectors, i), "name"), name))
        i++;
    if (i == VECTORS)
        fail_msg("no vector '%s'", name);
    struct json_object *json = json_object_array_get_idx(vectors, i);
    read_vector(json, &vector);
    vector.token.services = services;
    vector.token.service_count = count;
    assert_int_equal(agora_token_mint(minter, &vector.token, text_of(json, "app_certificate"), out,
                                      sizeof out, &length),
                     AGORA_TOKEN_OK);
    assert_token_of(json, out);
    agora_minter_free(minter);
    json_object_put(vectors);
}

static void test_single(void **state) {
    (void)state;
    const struct agora_rtc_lifetimes lifetimes = {3600, 1800, 900, 0};
    const struct agora_text names[] = {text("message-a"), text("message-b"), text("stream-a"),
                                       text("user-a")};
    const struct agora_rtm2_permission permissions[] = {
        {AGORA_RTM2_USERS, AGORA_RTM2_READ, 1, &names[3]},
        {AGORA_RTM2_MESSAGE_CHANNELS, AGORA_RTM2_READ, 2, &names[0]},
        {AGORA_RTM2_STREAM_CHANNELS, AGORA_RTM2_WRITE, 1, &names[2]},
    };
    char uid[AGORA_UID_SIZE];
    const struct {
        const char *vector;
        struct agora_service service;
    } cases[] = {
        {"rtc uid, join only",
         agora_service_rtc(channel, agora_uid_text(2882341273, uid), AGORA_ROLE_SUBSCRIBER, 600)},
        {"rtc wildcard uid", agora_service_rtc(channel, text(""), AGORA_ROLE_SUBSCRIBER, 600)},
        {"rtc publisher", publisher(user, 600)},
        {"rtc per-privilege expiry",
         agora_service_rtc_with_lifetimes(channel, user, AGORA_ROLE_PUBLISHER, &lifetimes)},
        {"rtm", agora_service_rtm(test_user, 600)},
        {"chat user", agora_service_chat_user(user, 600)},
        {"chat app", agora_service_chat_app(600)},
        {"fpa", agora_service_fpa()},
        {"apaas user", agora_service_apaas_user(user, 600)},
        {"apaas app", agora_service_apaas_app(600)},
        {"streaming", agora_service_streaming(channel, user, 600)},
        {"fcdn", agora_service_fcdn(channel, user, 600)},
        {"rtm2 permissions", agora_service_rtm2(test_user, permissions, COUNT(permissions), 600)},
        {"utf-8 user", agora_service_rtm(text("jos\xc3\xa9-\xe4\xbd\xa0\xe5\xa5\xbd"), 600)},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_mints(cases[i].vector, &cases[i].service, 1);
}

static void test_several(void **state) {
    (void)state;
    struct agora_service services[3];
    char chat_user[AGORA_MD5_SIZE];

    agora_services_rtm_with_stream(services, test_user, text("*"), 600);
    assert_mints("rtm with stream channel", services, 2);
    agora_services_rtc_with_rtm(services, publisher(alice, 600), alice, 600);
    assert_mints("rtc and rtm in one token", services, 2);
    agora_services_convoai(services, publisher(user, 600), user, 600);
    assert_mints("convoai with rtc and rtm", services, 3);
    agora_services_stt(services, publisher(user, 600), user, 600);
    assert_mints("stt with rtc and rtm", services, 3);
    assert_int_equal(agora_services_apaas_room_user(services, text("123"), user, 1, 600, chat_user),
                     AGORA_TOKEN_OK);
    /* That vector's chat user is the MD5 of "1". */
    assert_string_equal(chat_user, "6063383428a36fba3fb6030becf8094e");
    services[2] = agora_service_chat_user(text("c4ca4238a0b923820dcc509a6f75849b"), 600);
    assert_mints("apaas room user", services, 3);
    assert_int_equal(
        agora_services_apaas_room_user(services, text("123"), text("1"), 1, 600, chat_user),
        AGORA_TOKEN_OK);
    assert_string_equal(chat_user, "c4ca4238a0b923820dcc509a6f75849b");
    assert_ptr_equal(services[2].user.data, chat_user);
}

static void test_subscriber_of_lifetimes(void **state) {
    (void)state;
    const struct agora_rtc_lifetimes lifetimes = {10, 20, 30, 40};
    struct agora_service service =
        agora_service_rtc_with_lifetimes(channel, user, AGORA_ROLE_SUBSCRIBER, &lifetimes);
    assert_int_equal(service.privilege_count, 1);
    assert_int_equal(service.privileges[0].privilege, AGORA_RTC_JOIN_CHANNEL);
    assert_int_equal(service.privileges[0].expire, 10);
}

static void test_uid(void **state) {
    (void)state;
    static const struct {
        uint32_t uid;
        const char *text;
    } cases[] = {
        {0, ""}, {1, "1"}, {10, "10"}, {2882341273, "2882341273"}, {UINT32_MAX, "4294967295"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[AGORA_UID_SIZE];
        struct agora_text uid = agora_uid_text(cases[i].uid, out);
        assert_string_equal(out, cases[i].text);
        assert_ptr_equal(uid.data, out);
        assert_int_equal(uid.length, strlen(cases[i].text));
    }
}

static void test_allow_and_forbid(void **state) {
    (void)state;
    struct agora_service service = publisher(user, 600);
    assert_int_equal(agora_service_allow(&service, AGORA_RTC_PUBLISH_VIDEO, 60), AGORA_TOKEN_OK);
    assert_int_equal(service.privilege_count, 4);
    assert_int_equal(service.privileges[2].expire, 60);
    agora_service_forbid(&service, AGORA_RTC_PUBLISH_AUDIO);
    agora_service_forbid(&service, 99);
    assert_int_equal(service.privilege_count, 3);
    assert_int_equal(service.privileges[0].privilege, AGORA_RTC_JOIN_CHANNEL);
    assert_int_equal(service.privileges[1].privilege, AGORA_RTC_PUBLISH_VIDEO);
    assert_int_equal(service.privileges[2].privilege, AGORA_RTC_PUBLISH_DATA);

    for (uint16_t i = 0; i < AGORA_PRIVILEGES_MAX - 3; i++)
        assert_int_equal(agora_service_allow(&service, (uint16_t)(100 + i), 1), AGORA_TOKEN_OK);
    assert_int_equal(agora_service_allow(&service, 200, 1), AGORA_TOKEN_BAD_PRIVILEGE);
    assert_int_equal(service.privilege_count, AGORA_PRIVILEGES_MAX);
    assert_int_equal(agora_service_allow(&service, 100, 7), AGORA_TOKEN_OK);
    assert_int_equal(service.privileges[3].expire, 7);
}

static void test_names(void **state) {
    (void)state;
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  " !#$%&()+-:;<=.>?@[]^_{}|~,";
    char longest[AGORA_USER_MAX + 1];
    memset(longest, 'a', sizeof longest);
    assert_true(agora_channel_is_valid(text("*")));
    assert_false(agora_channel_is_valid(text("**")));
    assert_false(agora_channel_is_valid(text("")));
    assert_true(agora_channel_is_valid((struct agora_text){longest, AGORA_CHANNEL_MAX}));
    assert_false(agora_channel_is_valid((struct agora_text){longest, AGORA_CHANNEL_MAX + 1}));
    assert_false(agora_user_is_valid(text("")));
    assert_true(agora_user_is_valid((struct agora_text){longest, AGORA_USER_MAX}));
    assert_false(agora_user_is_valid((struct agora_text){longest, AGORA_USER_MAX + 1}));
    for (int c = 0; c < 256; c++) {
        const char byte[] = {'a', (char)c};
        const struct agora_text name = {byte, 2};
        assert_int_equal(agora_channel_is_valid(name), c != 0 && strchr(allowed, c) != NULL);
        assert_int_equal(agora_user_is_valid(name), c >= 0x20 && c != 0x7f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_subscriber_of_lifetimes),
        cmocka_unit_test(test_uid),
        cmocka_unit_test(test_allow_and_forbid),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("builders", tests, NULL, NULL);
}
