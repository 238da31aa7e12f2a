/* Who may have which token: each line of what a rule means. */
#include <stdio.h>
#include <stdlib.h>

#include "access/decision.h"
#include "unit.h"
#include "json/reader.h"

static struct decision decision;

static char *quoted_json(const char *json) {
    char *copy = strdup(json);
    for (char *at = copy; (at = strchr(at, '\'')); at++)
        *at = '"';
    return copy;
}

/* A policy of these rules, in JSON with ' in place of ". */
static struct policy *policy_of(const char *rules) {
    char json[8192];
    char error[POLICY_ERROR_MAX] = "";
    snprintf(json, sizeof json,
             "{'callers':{'app':{'jwt':{'issuer':'i','audience':'a','jwks_file':'k'}},"
             "'lms':{'api_keys':[{'id':'k1','sha256':"
             "'9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'}]},"
             "'site':{'server':{'groups':'G','user':'U','separator':','}},"
             "'plain':{'server':{'user':'V','groups':'G'}}},'rules':[%s]}",
             rules);
    char *copy = quoted_json(json);
    struct policy *policy = policy_read("access.json", text(copy), error);
    assert_string_equal(error, "");
    free(copy);
    return policy;
}

enum who { APP, LMS, SITE, PLAIN };

/* claims: of a JWT. Of a server the values of user and groups, separated by a bar; of an API key
 * its id. The field that refuses, "" when granted. */
static const char *ask(const char *rules, enum who who, const char *claims,
                       const struct wanted *wanted) {
    struct policy *policy = policy_of(rules);
    struct json_error error;
    struct agora_text values[2] = {{NULL, 0}, {NULL, 0}};
    struct identity identity = {.caller = (struct caller *)policy->callers.items + who};
    char *copy = quoted_json(claims);
    if (who == APP) {
        assert_true(json_read(text(copy), JSON_REFUSE_REPEATED, &identity.claims, &error));
    } else if (who == LMS) {
        identity.subject = text(copy);
    } else {
        values[1] = text(copy);
        values[0] = text_cut(&values[1], '|');
        identity.parameters = values;
    }
    bool granted = decide(policy, &identity, wanted, &decision);
    assert_true(granted == (decision.field == NULL) && granted == (decision.rule != NULL));
    assert_true(granted == (decision.text[0] == '\0') && strlen(decision.text) < DECISION_TEXT_MAX);
    /* One rule by itself says the same as all do where there is one. */
    struct decision again;
    bool by_any = false;
    for (size_t i = 0; i < policy->rules.count; i++) {
        const struct rule *rule = (const struct rule *)policy->rules.items + i;
        by_any = decide_by_rule(rule, &identity, wanted, &again) || by_any;
        if (policy->rules.count == 1)
            assert_string_equal(again.text, decision.text);
    }
    assert_int_equal(by_any, granted);
    const char *field = decision.field ? decision.field : "";
    json_object_put(identity.claims);
    free(copy);
    policy_free(policy);
    return field;
}

/* The same for one token with an hour's expiry that was asked for. */
static const char *ask_one(const char *rules, enum who who, const char *claims,
                           const struct agora_service *services, size_t count) {
    const struct wanted_token token = {count, services};
    return ask(rules, who, claims, &(struct wanted){1, &token, 3600, true});
}

#define ASK(rules, who, claims, ...)                                                               \
    ask_one(rules, who, claims, (struct agora_service[]){__VA_ARGS__},                             \
            COUNT(((struct agora_service[]){__VA_ARGS__})))
#define EXPECT(field, ...) assert_string_equal(ASK(__VA_ARGS__), field)

static struct agora_service rtc(const char *channel, const char *user) {
    return agora_service_rtc(text(channel), text(user), AGORA_ROLE_SUBSCRIBER, 3600);
}

static struct agora_service publisher(const char *channel, const char *user) {
    return agora_service_rtc(text(channel), text(user), AGORA_ROLE_PUBLISHER, 3600);
}

static struct agora_service rtm(const char *user) {
    return agora_service_rtm(text(user), 3600);
}

static struct agora_service stream(const char *channel, const char *user) {
    return agora_service_stream_channel(text(channel), text(user), 3600);
}

#define RULE(members) "{'caller':'app'," members "}"
#define RTC "'services':['rtc'],"

/* One pattern against one channel, as the claims say. */
static bool channel_fits(const char *pattern, const char *claims, const char *channel) {
    char rule[1024];
    snprintf(rule, sizeof rule, RULE(RTC "'channels':['%s'],'users':['u']"), pattern);
    const char *field = ASK(rule, APP, claims, rtc(channel, "u"));
    assert_true(field[0] == '\0' || strcmp(field, "channels") == 0);
    return field[0] == '\0';
}

static void test_patterns(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        const char *channel;
        bool fits;
    } cases[] = {
        {"a", "a", true},
        {"a", "b", false},
        {"a", "A", false},
        {"a", "aa", false},
        {"ab", "a", false},
        {"*", "a", true},
        {"**", "a", true},
        {"a*", "a", true},
        {"a*", "ab", true},
        {"a*", "ba", false},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"a*b", "ab", true},
        {"a*b", "axxb", true},
        {"a*b", "axbx", false},
        {"a*b*c", "abbc", true},
        {"a*b*c", "acb", false},
        {"*ab*", "xxaabxx", true},
        {"*aab", "aaaaab", true},
        {"a?", "ab", false},
        {"a.c", "abc", false},
        {"[ab]", "a", false},
        {"a?", "a?", true},
        {"[ab]", "[ab]", true},
        {"$a", "$a", true},
        {"{a}", "{a}", true},
        {"$", "a", false},
        {"é*", "\xc3\xa9t\xc3\xa9", true},
        {"\u00e9", "e\xcc\x81", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (channel_fits(cases[i].pattern, "{}", cases[i].channel) != cases[i].fits)
            fail_msg("'%s' for '%s'", cases[i].pattern, cases[i].channel);
}

static void test_claims(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        const char *claims;
        const char *channel;
        bool fits;
    } cases[] = {
        {"${c}", "{'c':'a'}", "a", true},
        {"${c}", "{'c':'a'}", "ab", false},
        {"x-${c}-*", "{'c':'a'}", "x-a-b", true},
        {"x-${c}-*", "{'c':'a'}", "x-b-a", false},
        {"*-${c}", "{'c':'a'}", "a-a-a", true},
        /* Literally: no claim is a pattern, nor does it hold one. */
        {"${c}", "{'c':'*'}", "a", false},
        {"${c}", "{'c':'a*'}", "ab", false},
        {"x${c}", "{'c':'*'}", "xa", false},
        {"${c}*", "{'c':'a*'}", "ab", false},
        {"${c}", "{'c':'${d}','d':'a'}", "a", false},
        {"${c}", "{'c':'${d}','d':'a'}", "${d}", true},
        /* A list stands for any of its elements. */
        {"${c}", "{'c':['a','b']}", "b", true},
        {"${c}", "{'c':['a','b']}", "ab", false},
        {"${c}", "{'c':['a',['b']]}", "b", false},
        {"${c}", "{'c':['a',{'b':'b'}]}", "b", false},
        {"${c}", "{'c':[true,null,'',7]}", "7", true},
        {"${c}", "{'c':[]}", "a", false},
        /* Numbers, if they are whole and within 2^53. */
        {"${c}", "{'c':42}", "42", true},
        {"${c}", "{'c':-42}", "-42", true},
        {"${c}", "{'c':42.0}", "42", true},
        {"${c}", "{'c':4.2e1}", "42", true},
        {"${c}", "{'c':42.5}", "42", false},
        {"${c}", "{'c':42.5}", "42.5", false},
        {"${c}", "{'c':'042'}", "42", false},
        {"${c}", "{'c':9007199254740992}", "9007199254740992", true},
        {"${c}", "{'c':9007199254740993}", "9007199254740993", false},
        {"${c}", "{'c':-9007199254740992}", "-9007199254740992", true},
        {"${c}", "{'c':-9007199254740993}", "-9007199254740993", false},
        {"${c}", "{'c':9007199254740993.0}", "9007199254740992", false},
        {"${c}", "{'c':18446744073709551615}", "18446744073709551615", false},
        {"${c}", "{'c':1e300}", "1e300", false},
        /* What matches nothing. */
        {"${c}*", "{}", "a", false},
        {"${c}*", "{'c':''}", "a", false},
        {"${c}*", "{'c':null}", "a", false},
        {"${c}", "{'c':true}", "true", false},
        {"*${c}*", "{'c':false}", "false", false},
        {"*${c}*", "{'c':{'a':'a'}}", "a", false},
        {"${C}", "{'c':'a'}", "a", false},
        /* JSON Pointers. */
        {"${/c}", "{'c':'a'}", "a", true},
        {"${/c/d}", "{'c':{'d':['x','a']}}", "a", true},
        {"${/c/1}", "{'c':['x','a']}", "a", true},
        {"${/c/1}", "{'c':['x','a']}", "x", false},
        {"${/c/01}", "{'c':['x','a']}", "a", false},
        {"${/c/-}", "{'c':['x','a']}", "a", false},
        {"${/c/2}", "{'c':['x','a']}", "a", false},
        {"${/c/99999999999999999999}", "{'c':['x','a']}", "a", false},
        {"${/c/d}", "{'c':'a'}", "a", false},
        {"${/x~1y/~0}", "{'x/y':{'~':'a'}}", "a", true},
        {"${/}", "{'':'a'}", "a", true},
        {"${c/d}", "{'c/d':'a'}", "a", true},
        {"${https://x/y}", "{'https://x/y':'a'}", "a", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (channel_fits(cases[i].pattern, cases[i].claims, cases[i].channel) != cases[i].fits)
            fail_msg("'%s' with %s for '%s'", cases[i].pattern, cases[i].claims, cases[i].channel);
}

static void test_many_stars(void **state) {
    (void)state;
    char pattern[400] = "";
    for (size_t i = 0; i < 30; i++)
        strcat(pattern, "*a*aa");
    strcat(pattern, "b");
    char channel[256];
    memset(channel, 'a', 255);
    channel[255] = '\0';
    /* Takes for ever where each star tries all that those before it tried. */
    assert_false(channel_fits(pattern, "{}", channel));
    channel[254] = 'b';
    assert_true(channel_fits(pattern, "{}", channel));
}

/* Many names against many claims and rules: a request that would take minutes is refused at once.
 */
static void test_effort(void **state) {
    (void)state;
    enum { NAMES = 10000, CLAIMS = 500 };
    static const char rule[] = RULE("'services':['rtm2'],'channels':['${r}'],'users':['*']");
    static char claims[8 * CLAIMS + 16] = "{'r':[";
    static struct agora_text names[NAMES];
    for (size_t i = 0; i < NAMES; i++)
        names[i] = text("x");
    for (size_t i = 0; i < CLAIMS; i++)
        strcat(claims, "'a',");
    strcat(claims, "'x']}");
    const struct agora_rtm2_permission permission = {AGORA_RTM2_MESSAGE_CHANNELS, AGORA_RTM2_READ,
                                                     NAMES, names};
    struct agora_service service = agora_service_rtm2(text("u"), &permission, 1, 3600);
    assert_string_equal(ask_one(rule, APP, claims, &service, 1), "channels");
    assert_string_equal(decision.text,
                        "the request names more channels and users than can be held against the "
                        "rules: use fewer");
    service.permissions =
        &(struct agora_rtm2_permission){AGORA_RTM2_MESSAGE_CHANNELS, AGORA_RTM2_READ, 200, names};
    assert_string_equal(ask_one(rule, APP, claims, &service, 1), "");
}

static void test_callers(void **state) {
    (void)state;
    static const char all[] = RTC "'channels':['*'],'users':['*']}";
    char rules[512];
    snprintf(rules, sizeof rules, "{'caller':['lms','site'],%s", all);
    EXPECT("caller", rules, APP, "{}", rtc("c", "u"));
    assert_string_equal(decision.text, "caller 'app' has no rule");
    EXPECT("", rules, LMS, "k1", rtc("c", "u"));
    EXPECT("", rules, SITE, "ann|", rtc("c", "u"));
    EXPECT("caller", rules, PLAIN, "ann|", rtc("c", "u"));
    EXPECT("caller", "", APP, "{}", rtc("c", "u"));

    /* What an API key and the web server know of somebody. */
    EXPECT("", "{'caller':'lms'," RTC "'channels':['${id}-*'],'users':['*']}", LMS, "k1",
           rtc("k1-x", "u"));
    EXPECT("channels", "{'caller':'lms'," RTC "'channels':['${sub}*','${/id}'],'users':['*']}", LMS,
           "k1", rtc("k1", "u"));
    static const char of_site[] =
        "{'caller':['site','plain']," RTC "'channels':['${groups}'],'users':['${user}']}";
    EXPECT("", of_site, SITE, "ann|staff,,x", rtc("x", "ann"));
    EXPECT("channels", of_site, SITE, "ann|staff,,x", rtc("staff,,x", "ann"));
    EXPECT("channels", of_site, SITE, "ann|", rtc("x", "ann"));
    EXPECT("channels", of_site, PLAIN, "ann|staff,x", rtc("x", "ann"));
    EXPECT("", of_site, PLAIN, "ann|staff,x", rtc("staff,x", "ann"));
    EXPECT("users", of_site, SITE, "ann|x", rtc("x", "bob"));
    /* A name with a separator in it is one user. */
    EXPECT("users", of_site, SITE, "eve,ann|x", rtc("x", "ann"));
    EXPECT("", of_site, SITE, "eve,ann|x", rtc("x", "eve,ann"));
}

static void test_conditions(void **state) {
    (void)state;
    static const struct {
        const char *condition;
        const char *claims;
        bool holds;
    } cases[] = {
        {"{}", "{}", true},
        {"{'r':'t'}", "{'r':'t'}", true},
        {"{'r':'t'}", "{'r':'T'}", false},
        {"{'r':'t'}", "{}", false},
        {"{'r':'t'}", "{'r':['s','t']}", true},
        {"{'r':['t','s']}", "{'r':'s'}", true},
        {"{'r':['t','s']}", "{'r':['x']}", false},
        {"{'r':'*'}", "{'r':'t'}", false},
        {"{'r':'t*'}", "{'r':'tt'}", false},
        {"{'r':'${s}'}", "{'r':'t','s':'t'}", false},
        {"{'r':'5'}", "{'r':5}", false},
        {"{'r':5}", "{'r':'5'}", false},
        {"{'r':5}", "{'r':5}", true},
        {"{'r':5}", "{'r':[4,5]}", true},
        {"{'r':true}", "{'r':true}", true},
        {"{'r':true}", "{'r':false}", false},
        {"{'r':true}", "{'r':'true'}", false},
        {"{'r':'true'}", "{'r':true}", false},
        {"{'r':true}", "{'r':1}", false},
        {"{'r':'t'}", "{'r':{'t':'t'}}", false},
        {"{'r':'t'}", "{'r':[['t']]}", false},
        {"{'/a/b':'t'}", "{'a':{'b':['t']}}", true},
        {"{'/a/b':'t'}", "{'/a/b':'t'}", false},
        {"{'r':'t','s':'u'}", "{'r':'t','s':'u'}", true},
        {"{'r':'t','s':'u'}", "{'r':'t','s':'v'}", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char rule[512];
        snprintf(rule, sizeof rule, RULE("'if':%s," RTC "'channels':['c'],'users':['u']"),
                 cases[i].condition);
        const char *field = ASK(rule, APP, cases[i].claims, rtc("c", "u"));
        if (strcmp(field, cases[i].holds ? "" : "if") != 0)
            fail_msg("%s with %s: '%s'", cases[i].condition, cases[i].claims, field);
    }
    static const char rules[] =
        "{'caller':'site','if':{'groups':'staff'}," RTC "'channels':['c'],'users':['u']},"
        "{'caller':'lms','if':{'id':'k1'}," RTC "'channels':['c'],'users':['u']}";
    EXPECT("", rules, SITE, "ann|x,staff", rtc("c", "u"));
    EXPECT("if", rules, SITE, "ann|x,staffer", rtc("c", "u"));
    EXPECT("", rules, LMS, "k1", rtc("c", "u"));
    EXPECT("if", rules, LMS, "k2", rtc("c", "u"));
}

static void test_services(void **state) {
    (void)state;
    static const char *const names[] = {"rtc",  "rtm",   "streaming", "fpa",     "chat",
                                        "fcdn", "apaas", "rtm2",      "convoai", "stt"};
    const struct agora_service services[] = {
        rtc("c", "u"),
        rtm("u"),
        agora_service_streaming(text("c"), text("u"), 9),
        agora_service_fpa(),
        agora_service_chat_user(text("u"), 9),
        agora_service_fcdn(text("c"), text("u"), 9),
        agora_service_apaas_room_user(text("c"), text("u"), 1, 9),
        agora_service_rtm2(text("u"), NULL, 0, 9),
        agora_service_convoai(),
        agora_service_stt(),
    };
    for (size_t i = 0; i < COUNT(services); i++) {
        char rule[512];
        for (size_t j = 0; j < COUNT(names); j++) {
            snprintf(rule, sizeof rule,
                     RULE("'services':['%s'],'channels':['c'],'users':['u'],'roles':['publisher',"
                          "'subscriber'],'apaas_roles':[1],'app_tokens':true"),
                     names[j]);
            assert_string_equal(ask_one(rule, APP, "{}", &services[i], 1),
                                i == j ? "" : "services");
        }
    }
    assert_string_equal(decision.text, "");
    ASK(RULE("'services':['rtm','chat']"), APP, "{}", rtc("c", "u"));
    assert_string_equal(decision.text,
                        "service 'rtc' is not allowed: this caller may have 'rtm', 'chat'");

    /* Companions count as well. */
#define USER "'channels':['c'],'users':['u']"
    struct agora_service three[3];
    char md5[AGORA_MD5_SIZE];
    agora_services_convoai(three, rtc("c", "u"), text("u"), 9);
    EXPECT("services", RULE("'services':['convoai']," USER), APP, "{}", three[0], three[1],
           three[2]);
    EXPECT("services", RULE("'services':['convoai','rtc']," USER), APP, "{}", three[0], three[1],
           three[2]);
    EXPECT("", RULE("'services':['convoai','rtc','rtm']," USER), APP, "{}", three[0], three[1],
           three[2]);
    agora_services_stt(three, rtc("c", "u"), text("u"), 9);
    EXPECT("services", RULE("'services':['stt','rtm']," USER), APP, "{}", three[0], three[1],
           three[2]);
    EXPECT("", RULE("'services':['stt','rtc','rtm']," USER), APP, "{}", three[0], three[1],
           three[2]);
    agora_services_apaas_room_user(three, text("c"), text("u"), 1, 9, md5);
    EXPECT("services", RULE("'services':['apaas','rtm'],'apaas_roles':[1]," USER), APP, "{}",
           three[0], three[1], three[2]);
    EXPECT("", RULE("'services':['apaas','rtm','chat'],'apaas_roles':[1]," USER), APP, "{}",
           three[0], three[1], three[2]);
    struct agora_service unknown = rtc("c", "u");
    unknown.type = 11;
    EXPECT("services", RULE("'services':['rtc','stt']," USER), APP, "{}", unknown);
    unknown.type = 33;
    EXPECT("services", RULE("'services':['rtc','stt']," USER), APP, "{}", unknown);
}

static void test_channels_and_users(void **state) {
    (void)state;
    /* Left out they allow none, and what has none needs none. */
    EXPECT("channels", RULE(RTC "'users':['*']"), APP, "{}", rtc("c", "u"));
    EXPECT("users", RULE(RTC "'channels':['*']"), APP, "{}", rtc("c", "u"));
    EXPECT("", RULE("'services':['rtm'],'users':['u']"), APP, "{}", rtm("u"));
    EXPECT("", RULE("'services':['chat'],'users':['u']"), APP, "{}",
           agora_service_chat_user(text("u"), 9));

    /* The user of every service, as it stands in the token. */
    static const char both[] =
        RULE("'services':['rtc','rtm','chat'],'channels':['c'],'users':['${sub}']");
    EXPECT("", both, APP, "{'sub':'u'}", rtc("c", "u"), rtm("u"));
    EXPECT("users", both, APP, "{'sub':'u'}", rtc("c", "u"), rtm("v"));
    EXPECT("users", both, APP, "{'sub':'u'}", rtc("c", "v"), rtm("u"));
    EXPECT("users", both, APP, "{'sub':'u'}", rtc("c", "u"), agora_service_chat_user(text("v"), 9));
    EXPECT("", both, APP, "{'sub':42}", rtc("c", "42"), rtm("42"));
    EXPECT("users", both, APP, "{'sub':42}", rtc("c", "42"), rtm("042"));
    assert_string_equal(decision.text, "user '042' is not allowed: this caller may have '42'");

    /* The channel of every service. */
    EXPECT("channels", both, APP, "{'sub':'u'}", rtc("c", "u"), rtc("d", "u"));

    /* An APaaS room is a channel. */
    static const char apaas[] =
        RULE("'services':['apaas','rtm','chat'],'channels':['c'],'users':['u'],'apaas_roles':[1]");
    struct agora_service s[3];
    char md5[AGORA_MD5_SIZE];
    agora_services_apaas_room_user(s, text("c"), text("u"), 1, 9, md5);
    EXPECT("", apaas, APP, "{}", s[0], s[1], s[2]);
    /* The MD5 counts as the user in an APaaS token alone, and that of another user never. */
    EXPECT("users", apaas, APP, "{}", s[2]);
    EXPECT("users", apaas, APP, "{}", s[1], s[2]);
    char other[AGORA_MD5_SIZE];
    agora_services_apaas_room_user(s, text("c"), text("v"), 1, 9, other);
    EXPECT("users", apaas, APP, "{}", s[0], s[1], s[2]);
    struct agora_service chat_of_v = s[2];
    agora_services_apaas_room_user(s, text("c"), text("u"), 1, 9, md5);
    EXPECT("users", apaas, APP, "{}", s[0], s[1], chat_of_v);
    agora_services_apaas_room_user(s, text("d"), text("u"), 1, 9, md5);
    EXPECT("channels", apaas, APP, "{}", s[0], s[1], s[2]);
    EXPECT("", apaas, APP, "{}", agora_service_apaas_user(text("u"), 9));
    EXPECT("users", apaas, APP, "{}", agora_service_apaas_user(text("v"), 9));
}

static void test_permissions(void **state) {
    (void)state;
    static const char rule[] =
        RULE("'services':['rtm2'],'channels':['news','c-*'],'users':['u','friend-*']");
    for (uint16_t resource = 0; resource < 6; resource++) {
        bool users = resource == AGORA_RTM2_USERS;
        struct {
            const char *name;
            const char *field;
        } cases[] = {
            {"news", users ? "users" : ""},
            {"c-1", users ? "users" : ""},
            {"friend-ann", users ? "" : "channels"},
            {"u", users ? "" : "channels"},
            {"other", users ? "users" : "channels"},
            {"*", "wildcard_channel"},
            {"c-*", "wildcard_channel"},
            {"friend-*", "wildcard_channel"},
            {"", "wildcard_channel"},
            {"0", users ? "any_user" : "channels"},
        };
        for (size_t i = 0; i < COUNT(cases); i++) {
            const struct agora_text names[] = {text(users ? "u" : "news"), text(cases[i].name)};
            const struct agora_rtm2_permission permissions[] = {
                {resource, AGORA_RTM2_READ, 1, names}, {resource, AGORA_RTM2_WRITE, 2, names}};
            EXPECT(cases[i].field, rule, APP, "{}",
                   agora_service_rtm2(text("u"), permissions, 2, 9));
        }
    }
    EXPECT("users", rule, APP, "{}", agora_service_rtm2(text("v"), NULL, 0, 9));
    /* The flag is about channels: users are held against `users` all the same. */
    static const char wide[] =
        RULE("'services':['rtm2'],'users':['u','f*'],'wildcard_channel':true");
    const struct agora_text star[] = {text("*")};
    const struct agora_text friends[] = {text("f-*")};
    const struct agora_rtm2_permission of_channels = {0, 0, 1, star};
    const struct agora_rtm2_permission of_users = {AGORA_RTM2_USERS, 0, 1, star};
    const struct agora_rtm2_permission of_friends = {AGORA_RTM2_USERS, 0, 1, friends};
    EXPECT("", wide, APP, "{}", agora_service_rtm2(text("u"), &of_channels, 1, 9));
    EXPECT("users", wide, APP, "{}", agora_service_rtm2(text("u"), &of_users, 1, 9));
    EXPECT("", wide, APP, "{}", agora_service_rtm2(text("u"), &of_friends, 1, 9));
}

static void test_roles(void **state) {
    (void)state;
#define CU "'channels':['c'],'users':['u','v'],'services':['rtc','rtm','streaming','fcdn','apaas']"
    static const char subscriber[] = RULE(CU);
    static const char explicit_subscriber[] = RULE(CU ",'roles':['subscriber']");
    static const char only_publisher[] = RULE(CU ",'roles':['publisher']");
    static const char both[] = RULE(CU ",'roles':['publisher','subscriber']");
    EXPECT("", subscriber, APP, "{}", rtc("c", "u"));
    EXPECT("roles", subscriber, APP, "{}", publisher("c", "u"));
    assert_string_equal(decision.text,
                        "role 'publisher' is not allowed: this caller may have 'subscriber'");
    EXPECT("", explicit_subscriber, APP, "{}", rtc("c", "u"));
    EXPECT("roles", explicit_subscriber, APP, "{}", publisher("c", "u"));
    EXPECT("", only_publisher, APP, "{}", publisher("c", "u"));
    EXPECT("roles", only_publisher, APP, "{}", rtc("c", "u"));
    EXPECT("", both, APP, "{}", publisher("c", "u"));
    EXPECT("", both, APP, "{}", rtc("c", "u"));
    for (uint16_t privilege = 1; privilege <= 5; privilege++) {
        struct agora_service service = rtc("c", "u");
        service.privileges[0].privilege = privilege;
        EXPECT(privilege == 1 ? "" : "roles", subscriber, APP, "{}", service);
        agora_service_allow(&service, 1, 9);
        EXPECT(privilege == 1 ? "" : "roles", subscriber, APP, "{}", service);
    }
    struct agora_service streaming = agora_service_streaming(text("c"), text("u"), 9);
    struct agora_service fcdn = agora_service_fcdn(text("c"), text("u"), 9);
    EXPECT("roles", subscriber, APP, "{}", streaming);
    EXPECT("", only_publisher, APP, "{}", streaming);
    EXPECT("roles", subscriber, APP, "{}", fcdn);
    EXPECT("", only_publisher, APP, "{}", fcdn);
    agora_service_forbid(&fcdn, AGORA_FCDN_PUBLISH);
    EXPECT("roles", subscriber, APP, "{}", fcdn);

    /* The stream channel of a signaling token. */
    EXPECT("", subscriber, APP, "{}", stream("c", "u"), rtm("u"));
    EXPECT("", only_publisher, APP, "{}", stream("c", "u"), rtm("u"));
    EXPECT("channels", subscriber, APP, "{}", stream("d", "u"), rtm("u"));
    EXPECT("services", RULE("'services':['rtm'],'channels':['c'],'users':['u']"), APP, "{}",
           stream("c", "u"), rtm("u"));
    EXPECT("roles", subscriber, APP, "{}", stream("c", "u"));
    EXPECT("roles", subscriber, APP, "{}", stream("c", "u"), rtm("v"));
    struct agora_service more = stream("c", "u");
    agora_service_allow(&more, AGORA_RTC_PUBLISH_VIDEO, 9);
    EXPECT("roles", subscriber, APP, "{}", more, rtm("u"));
    agora_service_forbid(&more, AGORA_RTC_JOIN_CHANNEL);
    EXPECT("roles", subscriber, APP, "{}", more, rtm("u"));

    /* APaaS has its own. */
    struct agora_service apaas = agora_service_apaas_room_user(text("c"), text("u"), 2, 9);
    EXPECT("apaas_roles", both, APP, "{}", apaas);
    assert_string_equal(decision.text, "role '2' is not allowed: this caller may have none");
    EXPECT("apaas_roles", RULE(CU ",'apaas_roles':[1,-1]"), APP, "{}", apaas);
    assert_string_equal(decision.text, "role '2' is not allowed: this caller may have '1', '-1'");
    EXPECT("", RULE(CU ",'apaas_roles':[1,2]"), APP, "{}", apaas);
    apaas.role = -1;
    EXPECT("apaas_roles", both, APP, "{}", apaas);
    EXPECT("", both, APP, "{}", agora_service_apaas_user(text("u"), 9));
    apaas = agora_service_apaas_user(text("u"), 9);
    apaas.role = 2;
    EXPECT("apaas_roles", both, APP, "{}", apaas);
}

static void test_wide(void **state) {
    (void)state;
#define ALL                                                                                        \
    "'services':['rtc','rtm','chat','apaas','fpa','convoai','stt','streaming'],'channels':['*',"   \
    "'${c}'],'users':['*','0','${u}'],'roles':['publisher','subscriber'],'apaas_roles':[1]"
    static const char claims[] = "{'c':'*','u':'0'}";
    static const char all[] = RULE(ALL);
    static const char wildcard[] = RULE(ALL ",'wildcard_channel':true");
    static const char any[] = RULE(ALL ",'any_user':true");
    static const char apps[] = RULE(ALL ",'app_tokens':true");
    struct {
        struct agora_service service;
        const char *field;
    } cases[] = {
        {rtc("*", "u"), "wildcard_channel"},
        {agora_service_streaming(text("*"), text("u"), 9), "wildcard_channel"},
        {agora_service_apaas_room_user(text("*"), text("u"), 1, 9), "wildcard_channel"},
        {agora_service_apaas_room_user(text("a*"), text("u"), 1, 9), "wildcard_channel"},
        {agora_service_apaas_room_user(text(""), text("u"), 1, 9), "wildcard_channel"},
        {rtc("", "u"), "wildcard_channel"},
        {rtc("c", ""), "any_user"},
        {rtc("c", "0"), "any_user"},
        {rtc("c", "000"), "any_user"},
        {rtm("0"), "any_user"},
        {agora_service_chat_user(text(""), 9), "any_user"},
        {agora_service_apaas_user(text(""), 9), "any_user"},
        {agora_service_chat_app(9), "app_tokens"},
        {agora_service_apaas_app(9), "app_tokens"},
        {agora_service_fpa(), "app_tokens"},
        {agora_service_convoai(), "app_tokens"},
        {agora_service_stt(), "app_tokens"},
        {rtc("c", "10"), ""},
        {rtc("c", "*"), ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct agora_service *service = &cases[i].service;
        const char *field = cases[i].field;
        assert_string_equal(ask_one(all, APP, claims, service, 1), field);
        assert_string_equal(ask_one(wildcard, APP, claims, service, 1),
                            strcmp(field, "wildcard_channel") == 0 ? "" : field);
        assert_string_equal(ask_one(any, APP, claims, service, 1),
                            strcmp(field, "any_user") == 0 ? "" : field);
        assert_string_equal(ask_one(apps, APP, claims, service, 1),
                            strcmp(field, "app_tokens") == 0 ? "" : field);
    }
    /* These flags need no patterns beside them, and loosen nothing else. */
    EXPECT("", RULE(RTC "'users':['u'],'wildcard_channel':true"), APP, "{}", rtc("*", "u"));
    EXPECT("channels", RULE(RTC "'users':['u'],'wildcard_channel':true"), APP, "{}", rtc("c", "u"));
    EXPECT("", RULE(RTC "'channels':['c'],'any_user':true"), APP, "{}", rtc("c", ""));
    EXPECT("users", RULE(RTC "'channels':['c'],'any_user':true"), APP, "{}", rtc("c", "1"));
    EXPECT("", RULE("'services':['chat'],'app_tokens':true"), APP, "{}", agora_service_chat_app(9));
    EXPECT("users", RULE("'services':['chat'],'app_tokens':true"), APP, "{}",
           agora_service_chat_user(text("u"), 9));
    /* With RTC beside it, ConvoAI is for who is in the channel. */
    EXPECT("", all, APP, claims, rtc("c", "u"), rtm("u"), agora_service_convoai());
    EXPECT("", all, APP, claims, rtc("c", "u"), rtm("u"), agora_service_stt());
    EXPECT("app_tokens", all, APP, claims, rtm("u"), agora_service_stt());
    /* An app token with a user in it is held against `users` too. */
    struct agora_service chat = agora_service_chat_app(9);
    chat.user = text("u");
    EXPECT("users", RULE("'services':['chat'],'app_tokens':true"), APP, "{}", chat);
    EXPECT("", apps, APP, claims, chat);
}

static const char *ask_for(const char *rules, uint32_t expire, bool asked,
                           const struct agora_service *services, size_t count) {
    const struct wanted_token token = {count, services};
    return ask(rules, APP, "{}", &(struct wanted){1, &token, expire, asked});
}

static void test_lifetimes(void **state) {
    (void)state;
#define ANY "'services':['rtc','fpa'],'channels':['*'],'users':['*'],'app_tokens':true"
    static const char left_out[] = RULE(ANY);
    static const char week[] = RULE(ANY ",'max_expire':604800");
    static const char minute[] = RULE(ANY ",'max_expire':60");
    struct agora_service hour = rtc("c", "u");
    struct agora_service fpa = agora_service_fpa();

    /* Asked for: as much as the rule has, and no more. */
    struct {
        const char *rule;
        uint32_t expire;
        uint32_t privilege;
        const char *field;
    } asked[] = {
        {left_out, 3600, 3600, ""},
        {left_out, 3601, 3600, "max_expire"},
        {left_out, 3600, 3601, "max_expire"},
        {left_out, 1, 1, ""},
        {left_out, 1, 3600, ""},
        {left_out, 0, 60, "max_expire"},
        {left_out, 0, 0, "max_expire"},
        {left_out, 60, 0, ""},
        {minute, 60, 60, ""},
        {minute, 61, 60, "max_expire"},
        {minute, 60, 3600, "max_expire"},
        {week, 604800, 604800, ""},
        {week, 604801, 1, "max_expire"},
        {week, UINT32_MAX, UINT32_MAX, "max_expire"},
    };
    for (size_t i = 0; i < COUNT(asked); i++) {
        struct agora_service service = rtc("c", "u");
        service.privileges[0].expire = asked[i].privilege;
        assert_string_equal(ask_for(asked[i].rule, asked[i].expire, true, &service, 1),
                            asked[i].field);
        if (!asked[i].field[0])
            assert_int_equal(decision.expire, asked[i].expire);
    }
    /* The answer names the most. */
    ask_for(left_out, 7200, true, &hour, 1);
    assert_string_equal(decision.text,
                        "expire '7200' is not allowed: this caller may have 1 to 3600 seconds");

    /* Not asked for: the smaller of the default and what the rule has, privileges too. */
    assert_string_equal(ask_for(left_out, 3600, false, &hour, 1), "");
    assert_int_equal(decision.expire, 3600);
    assert_string_equal(ask_for(week, 3600, false, &hour, 1), "");
    assert_int_equal(decision.expire, 3600);
    assert_string_equal(ask_for(minute, 3600, false, &hour, 1), "");
    assert_int_equal(decision.expire, 60);
    assert_string_equal(ask_for(left_out, AGORA_FPA_EXPIRE, false, &fpa, 1), "");
    assert_int_equal(decision.expire, 3600);
    assert_string_equal(ask_for(week, AGORA_FPA_EXPIRE, false, &fpa, 1), "");
    assert_int_equal(decision.expire, AGORA_FPA_EXPIRE);
    struct agora_service service = publisher("c", "u");
    service.privileges[1].expire = 0;
    service.privileges[2].expire = 59;
    decision.expire = 60;
    decision_shorten(&decision, &service, 1);
    assert_int_equal(service.privileges[0].expire, 60);
    assert_int_equal(service.privileges[1].expire, 0);
    assert_int_equal(service.privileges[2].expire, 59);
    /* A privilege that was asked for by itself. */
    service = rtc("c", "u");
    service.privileges[0].expire = 100;
    assert_string_equal(ask_for(minute, 3600, false, &service, 1), "max_expire");
    service.privileges[0].expire = 50;
    assert_string_equal(ask_for(minute, 3600, false, &service, 1), "");
    service.privileges[0].expire = 0;
    assert_string_equal(ask_for(minute, 3600, false, &service, 1), "");
}

static void test_first_rule_that_fits(void **state) {
    (void)state;
    static const char rules[] = RULE(RTC "'channels':['a-*'],'users':['u']") "," RULE(
        RTC
        "'channels':['b-*'],'users':['u']") "," RULE("'if':{'role':'teacher'}," RTC
                                                     "'channels':['*'],'users':['v'],'max_expire':"
                                                     "7200") "," RULE(RTC
                                                                      "'channels':['*'],'users':['"
                                                                      "u'],'roles':['publisher'],'"
                                                                      "max_expire':9000");
    struct wanted_token token = {1, &(struct agora_service){0}};
    struct wanted wanted = {1, &token, 3600, true};
    struct agora_service service = rtc("b-1", "u");
    token.services = &service;
    assert_string_equal(ask(rules, APP, "{}", &wanted), "");
    struct policy *policy = policy_of(rules);
    struct identity identity = {.caller = policy->callers.items};
    assert_true(decide(policy, &identity, &wanted, &decision));
    assert_int_equal(decision.rule->number, 1);
    /* The lifetime is part of what fits, so that a later rule is tried. */
    service = publisher("b-1", "u");
    wanted.expire = 8000;
    assert_true(decide(policy, &identity, &wanted, &decision));
    assert_int_equal(decision.rule->number, 3);
    /* No two rules add up. */
    static const char parts[] = RULE(RTC "'channels':['c'],'users':['u']") "," RULE(
        "'services':['rtm'],'channels':['c'],'"
        "users':['u']") "," RULE("'services':['rtc','rtm'],'channels':['c'],'users':['w']");
    EXPECT("", parts, APP, "{}", rtc("c", "u"));
    EXPECT("", parts, APP, "{}", rtm("u"));
    EXPECT("users", parts, APP, "{}", rtc("c", "u"), rtm("u"));
    /* So do two tokens of one answer. */
    struct agora_service rtc_part = rtc("c", "u");
    struct agora_service rtm_part[] = {stream("c", "u"), rtm("u")};
    const struct wanted_token two[] = {{1, &rtc_part}, {2, rtm_part}};
    const struct wanted rte = {2, two, 3600, true};
    assert_string_equal(ask(parts, APP, "{}", &rte), "users");
    assert_string_equal(
        ask(RULE("'services':['rtc','rtm'],'channels':['c'],'users':['u']"), APP, "{}", &rte), "");
    rtm_part[0].user = rtm_part[1].user = text("v");
    assert_string_equal(
        ask(RULE("'services':['rtc','rtm'],'channels':['c'],'users':['u']"), APP, "{}", &rte),
        "users");
    policy_free(policy);
}

/* Text for the one who was refused: the value, and what the own rules allow instead. */
static void test_texts(void **state) {
    (void)state;
    static const char rules[] =
        RULE(RTC "'channels':['${rooms}','lobby-*'],'users':['${sub}']") "," RULE(
            RTC "'channels':['lobby-*','x-${rooms}-y'],'users':['${none}']") "," RULE("'services':["
                                                                                      "'rtm'],'"
                                                                                      "channels':['"
                                                                                      "hidden'],'"
                                                                                      "users':['*'"
                                                                                      "]") ","
                                                                                           "{'"
                                                                                           "caller'"
                                                                                           ":'lms'"
                                                                                           "," RTC
                                                                                           "'channe"
                                                                                           "ls':['"
                                                                                           "lms'],'"
                                                                                           "users':"
                                                                                           "['*']}";
    static const char claims[] = "{'rooms':['r1','r\\n2',3,true],'sub':'ann'}";
    EXPECT("channels", rules, APP, claims, rtc("c", "ann"));
    assert_string_equal(decision.text,
                        "channel 'c' is not allowed: this caller may have 'r1', 'r%0A2', '3', "
                        "'lobby-*', 'x-r1-y', 'x-r%0A2-y', 'x-3-y'");
    EXPECT("users", rules, APP, claims, rtc("r1", "bob"));
    assert_string_equal(decision.text, "user 'bob' is not allowed: this caller may have 'ann'");
    EXPECT("users", rules, APP, "{'rooms':['r1']}", rtc("r1", "bob"));
    assert_string_equal(decision.text, "user 'bob' is not allowed: this caller may have none");
    EXPECT("wildcard_channel", rules, APP, claims, rtc("*", "ann"));
    assert_string_equal(decision.text, "channel '*' is not allowed: use one without * in it");
    EXPECT("any_user", rules, APP, claims, rtc("r1", ""));
    assert_string_equal(decision.text, "user '' stands for any user, which is not allowed");
    EXPECT("app_tokens", RULE("'services':['chat']"), APP, "{}", agora_service_chat_app(9));
    assert_string_equal(decision.text,
                        "a token of 'chat' that is for no single user is not allowed");
    EXPECT("if", RULE("'if':{'role':'t'}," RTC "'channels':['*'],'users':['*']"), APP, claims,
           rtc("c", "u"));
    assert_string_equal(decision.text,
                        "what the credential says of 'role' is not what a rule for this caller "
                        "asks");

    /* However much there is to tell, a body has 1 KiB at most with the text in it twice. */
    char many[4096] = "{'rooms':['x'";
    for (size_t i = 0; i < 60; i++)
        snprintf(many + strlen(many), 100, ",'\\'\\'\\\\\\\\%zu\\n\\'\\'\\'\\'\\'\\'\\'\\''", i);
    strcat(many, "]}");
    EXPECT("channels", RULE(RTC "'channels':['${rooms}'],'users':['*']"), APP, many,
           rtc("\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\\\\\\\\\\\\\\\\\\\\\\\\\\", "u"));
    struct json_object *body = json_object_new_object();
    json_object_object_add(body, "status", json_object_new_int(403));
    json_object_object_add(body, "error", json_object_new_string(decision.text));
    json_object_object_add(body, "message", json_object_new_string(decision.text));
    size_t length = strlen(json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN));
    json_object_put(body);
    assert_in_range(length, 900, 1024);
    assert_string_equal(decision.text + strlen(decision.text) - 3, "...");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_many_stars),
        cmocka_unit_test(test_effort),
        cmocka_unit_test(test_callers),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_channels_and_users),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_lifetimes),
        cmocka_unit_test(test_first_rule_that_fits),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
