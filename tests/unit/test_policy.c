/* Reading a policy: what is understood, and where the rest is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "access/policy.h"
#include "unit.h"

#define SHA "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define SHA2 "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
#define APP "'app':{'jwt':{'issuer':'i','audience':'a','jwks_file':'k'}}"
#define LMS "'lms':{'api_keys':[{'id':'1','sha256':'" SHA "'}]}"

static char message[POLICY_ERROR_MAX];

/* Of JSON with ' in place of ". */
static struct policy *read_policy(const char *json) {
    char *copy = strdup(json);
    for (char *at = copy; (at = strchr(at, '\'')); at++)
        *at = '"';
    message[0] = '\0';
    struct policy *policy = policy_read("access.json", text(copy), message);
    free(copy);
    return policy;
}

static const struct caller *caller_of(const struct policy *policy, size_t i) {
    return (const struct caller *)policy->callers.items + i;
}

static const struct rule *rule_of(const struct policy *policy, size_t i) {
    return (const struct rule *)policy->rules.items + i;
}

static void test_whole_file(void **state) {
    (void)state;
    /* Rules stand first here, as the order of members means nothing. */
    struct policy *policy = read_policy(
        "{'rules':["
        "{'caller':'app','services':['rtc','rtm'],'channels':['${rooms}','lobby-*'],"
        "'users':['u-${/a~1b/0}-x*'],'roles':['subscriber'],'max_expire':3600,'rate':'10/minute'},"
        "{'caller':['lms','site'],'if':{'role':['teacher',5,true],'/a/b':'x'},'services':["
        "'streaming','fpa','chat','fcdn','apaas','rtm2','convoai','stt'],"
        "'roles':['publisher','subscriber'],'apaas_roles':[-1,3],'wildcard_channel':true,"
        "'any_user':true,'app_tokens':true},"
        "{'caller':'old','services':['rtc']}],"
        "'callers':{" APP ",'old':{'jwt':{'issuer':'i','audience':['b','c'],'audience_claim':"
        "'client_id','secret_file':'/s','cookie':'session'}},'net':{'jwt':{'issuer':'j','audience':"
        "'a','jwks_url':'https://example.com/keys','ca_file':'/ca'}},"
        "'lms':{'api_keys':[{'id':'1','sha256':'" SHA "','expires':'2027-01-01T00:00:00Z'},"
        "{'id':'2','sha256':'" SHA2 "'}]},"
        "'site':{'server':{'groups':'OIDC_CLAIM_groups','separator':',','user':'REMOTE_USER'}}},"
        "'$schema':'./schema.json'}");
    assert_string_equal(message, "");
    assert_non_null(policy);
    assert_int_equal(policy->callers.count, 5);
    assert_int_equal(policy->rules.count, 3);

    const struct caller *app = caller_of(policy, 0);
    const struct caller *old = caller_of(policy, 1);
    const struct caller *net = caller_of(policy, 2);
    const struct caller *lms = caller_of(policy, 3);
    const struct caller *site = caller_of(policy, 4);
    assert_string_equal(app->name.data, "app");
    assert_int_equal(app->kind, CALLER_JWT);
    assert_string_equal(app->jwt.issuer.data, "i");
    assert_int_equal(app->jwt.audience.count, 1);
    assert_string_equal(app->jwt.jwks_file.data, "k");
    assert_null(app->jwt.cookie.data);
    const struct agora_text *audience = old->jwt.audience.items;
    assert_int_equal(old->jwt.audience.count, 2);
    assert_string_equal(audience[1].data, "c");
    assert_string_equal(old->jwt.audience_claim.data, "client_id");
    assert_string_equal(old->jwt.secret_file.data, "/s");
    assert_string_equal(old->jwt.cookie.data, "session");
    assert_string_equal(net->jwt.jwks_url.data, "https://example.com/keys");
    assert_string_equal(net->jwt.ca_file.data, "/ca");
    assert_int_equal(lms->kind, CALLER_API_KEYS);
    const struct api_key *keys = lms->api_keys.items;
    assert_int_equal(lms->api_keys.count, 2);
    assert_string_equal(keys[0].id.data, "1");
    assert_int_equal(keys[0].sha256[0], 0x9f);
    assert_int_equal(keys[0].sha256[31], 0x08);
    assert_int_equal(keys[0].expires, 1798761600);
    assert_int_equal(keys[1].expires, 0);
    assert_int_equal(site->kind, CALLER_SERVER);
    const struct server_parameter *parameters = site->server.parameters.items;
    assert_int_equal(site->server.parameters.count, 2);
    assert_int_equal(site->server.separator, ',');
    assert_string_equal(parameters[0].name.data, "user");
    assert_string_equal(parameters[0].parameter.data, "REMOTE_USER");
    assert_string_equal(parameters[1].name.data, "groups");
    assert_int_not_equal(app->id, old->id);

    const struct rule *rule = rule_of(policy, 0);
    assert_int_equal(rule->callers.count, 1);
    assert_ptr_equal(*(struct caller **)rule->callers.items, app);
    assert_int_equal(rule->services, 1 << AGORA_SERVICE_RTC | 1 << AGORA_SERVICE_RTM);
    assert_int_equal(rule->roles, ROLE_SUBSCRIBER);
    assert_int_equal(rule->max_expire, 3600);
    assert_int_equal(rule->rate.count, 10);
    assert_int_equal(rule->rate.seconds, 60);
    const struct pattern *channels = rule->channels.items;
    assert_int_equal(rule->channels.count, 2);
    assert_string_equal(channels[0].path.name.data, "rooms");
    assert_int_equal(channels[1].path.steps.count, 0);
    assert_true(text_equals(channels[1].before, "lobby-*"));
    const struct pattern *user = rule->users.items;
    assert_true(text_equals(user->before, "u-"));
    assert_true(text_equals(user->after, "-x*"));
    assert_int_equal(user->literals, 4);
    char *const *steps = user->path.steps.items;
    assert_int_equal(user->path.steps.count, 2);
    assert_string_equal(steps[0], "a/b");
    assert_string_equal(steps[1], "0");

    rule = rule_of(policy, 1);
    assert_int_equal(rule->number, 1);
    assert_int_equal(rule->callers.count, 2);
    assert_int_equal(rule->services, 0x7f8);
    assert_int_equal(rule->conditions.count, 2);
    const struct condition *condition = rule->conditions.items;
    const struct scalar *values = condition->values.items;
    assert_int_equal(condition->values.count, 3);
    assert_int_equal(values[1].type, json_type_int);
    assert_string_equal(values[1].text.data, "5");
    assert_int_equal(values[2].type, json_type_boolean);
    assert_int_equal(rule->roles, ROLE_SUBSCRIBER | ROLE_PUBLISHER);
    assert_int_equal(((int16_t *)rule->apaas_roles.items)[0], -1);
    assert_true(rule->wildcard_channel && rule->any_user && rule->app_tokens);

    /* What is left out. */
    rule = rule_of(policy, 2);
    assert_int_equal(rule->roles, ROLE_SUBSCRIBER);
    assert_int_equal(rule->max_expire, 3600);
    assert_int_equal(rule->rate.count, 0);
    assert_int_equal(rule->channels.count + rule->users.count + rule->apaas_roles.count, 0);
    assert_false(rule->wildcard_channel || rule->any_user || rule->app_tokens);
    policy_free(policy);
    policy_free(NULL);
}

/* So that a reload leaves the rates of rules that did not change alone. */
static void test_ids(void **state) {
    (void)state;
#define RULE(channel)                                                                              \
    "{'caller':'app','services':['rtc'],'rate':'1/day','channels':['" channel "']}"
    struct policy *one = read_policy("{'callers':{" APP "},'rules':[" RULE("a") "," RULE("b") "]}");
    struct policy *two = read_policy("{'callers':{" LMS "," APP "},'rules':[" RULE("b") "]}");
    assert_int_equal(caller_of(one, 0)->id, caller_of(two, 1)->id);
    assert_int_equal(rule_of(one, 1)->id, rule_of(two, 0)->id);
    assert_int_not_equal(rule_of(one, 0)->id, rule_of(one, 1)->id);
    policy_free(one);
    policy_free(two);
}

static void test_nobody(void **state) {
    (void)state;
    struct policy *policy = read_policy("{'callers':{},'rules':[]}");
    assert_non_null(policy);
    policy_free(policy);
}

#define JWT(members) "{'callers':{'app':{'jwt':{" members "}}},'rules':[]}"
#define KEYS(members) "{'callers':{'app':{'api_keys':[" members "]}},'rules':[]}"
#define SERVER(members) "{'callers':{'app':{'server':{" members "}}},'rules':[]}"
#define RULES(members) "{'callers':{" APP "},'rules':[{" members "}]}"
#define WITH(members) RULES("'caller':'app','services':['rtc'],'channels':['a']," members)

static const struct {
    const char *json;
    const char *error; /* what the message begins with */
} refused[] = {
    {"", "line 1, column 1: expected a value"},
    {"{'callers':{},\n 'rules':[],}", "line 2, column 13: expected a name"},
    {"{'callers':{},'callers':{},'rules':[]}", "line 1, column 24: expected each name once"},
    {"null", "use an object with $schema, callers, rules"},
    {"[]", "use an object with $schema, callers, rules"},
    {"{'rules':[]}", "'callers' is missing"},
    {"{'callers':{}}", "'rules' is missing"},
    {"{'callers':{},'rules':[],'Rules':[]}", "'Rules' is unknown: use $schema, callers, rules"},
    {"{'callers':[],'rules':[]}", "callers: use an object with a name for each caller"},
    {"{'callers':{},'rules':{}}", "rules: use a list"},
    {"{'$schema':5,'callers':{},'rules':[]}", "$schema: use a string"},
    {"{'callers':{'app':{}},'rules':[]}", "callers.app: use one of jwt, api_keys and server"},
    {"{'callers':{'app':5},'rules':[]}", "callers.app: use an object with jwt, api_keys, server"},
    {"{'callers':{'app':{'jwk':{}}},'rules':[]}",
     "callers.app: 'jwk' is unknown: use jwt, api_keys, server"},
    {"{'callers':{'app':{'jwt':{'issuer':'i','audience':'a','jwks_file':'k'},'server':{'user':'A'}}"
     "},'rules':[]}",
     "callers.app: use one of jwt, api_keys and server"},

    {JWT("'audience':'a','jwks_file':'k'"), "callers.app.jwt: 'issuer' is missing"},
    {JWT("'issuer':'i','jwks_file':'k'"), "callers.app.jwt: 'audience' is missing"},
    {JWT("'issuer':'i','audience':'a'"),
     "callers.app.jwt: use one of jwks_file, jwks_url and secret_file"},
    {JWT("'issuer':'i','audience':'a','jwks_file':'k','secret_file':'s'"),
     "callers.app.jwt: use one of jwks_file"},
    {JWT("'issuer':'i','audience':[],'jwks_file':'k'"),
     "callers.app.jwt.audience: use a list of one or more"},
    {JWT("'issuer':'i','audience':['a',''],'jwks_file':'k'"),
     "callers.app.jwt.audience[1]: use a string that is not empty"},
    {JWT("'issuer':7,'audience':'a','jwks_file':'k'"),
     "callers.app.jwt.issuer: use a string that is not empty"},
    {JWT("'issuer':'i\\n','audience':'a','jwks_file':'k'"),
     "callers.app.jwt.issuer: 'i%0A' has a control character"},
    {JWT("'issuer':'i\\u0000','audience':'a','jwks_file':'k'"),
     "callers.app.jwt.issuer: 'i%00' has a control character"},
    {JWT("'issuer':'i','audience':'a','secret':'k'"),
     "callers.app.jwt: 'secret' is unknown: use issuer, audience, audience_claim, jwks_file"},
    {JWT("'issuer':'i','audience':'a','jwks_file':'k','ca_file':'c'"),
     "callers.app.jwt: ca_file is for jwks_url alone"},
    {JWT("'issuer':'i','audience':'a','jwks_file':'k','cookie':'a b'"),
     "callers.app.jwt.cookie: 'a b' can't be the name of a cookie"},
    {JWT("'issuer':'i','audience':'a','jwks_url':'http://example.com/'"),
     "callers.app.jwt.jwks_url: 'http://example.com/' is not allowed: use https://HOST/"},
    {JWT("'issuer':'i','audience':'a','jwks_url':'http://127.0.0.1@example.com/'"),
     "callers.app.jwt.jwks_url: "},
    {JWT("'issuer':'i','audience':'a','jwks_url':'http://localhost.example.com/'"),
     "callers.app.jwt.jwks_url: "},
    {JWT("'issuer':'i','audience':'a','jwks_url':'http://localhost\\\\@example.com/'"),
     "callers.app.jwt.jwks_url: "},
    {JWT("'issuer':'i','audience':'a','jwks_url':'http://[::1].example.com/'"),
     "callers.app.jwt.jwks_url: "},
    {JWT("'issuer':'i','audience':'a','jwks_url':'http://[::1'"), "callers.app.jwt.jwks_url: "},
    {JWT("'issuer':'i','audience':'a','jwks_url':'https://'"), "callers.app.jwt.jwks_url: "},
    {JWT("'issuer':'i','audience':'a','jwks_url':'file:///etc/passwd'"),
     "callers.app.jwt.jwks_url: "},
    {"{'callers':{" APP
     ",'b':{'jwt':{'issuer':'i','audience':['b','a'],'jwks_file':'l'}}},'rules':[]}",
     "callers.b.jwt: caller 'app' has the same issuer and audience"},
    {"{'callers':{" APP
     ",'b':{'jwt':{'issuer':'i','audience':'a','audience_claim':'aud','jwks_file':'l'}}},"
     "'rules':[]}",
     "callers.b.jwt: caller 'app' has the same issuer and audience"},

    {KEYS(""), "callers.app.api_keys: use a list of one or more"},
    {KEYS("{'sha256':'" SHA "'}"), "callers.app.api_keys[0]: 'id' is missing"},
    {KEYS("{'id':'1'}"), "callers.app.api_keys[0]: 'sha256' is missing"},
    {KEYS("{'id':'1','sha256':'" SHA "','key':'x'}"),
     "callers.app.api_keys[0]: 'key' is unknown: use id, sha256, expires"},
    {KEYS("{'id':'1','sha256':'9f86'}"),
     "callers.app.api_keys[0].sha256: use the SHA-256 of the key, 64 hexadecimal digits"},
    {KEYS("{'id':'1','sha256':'" SHA "0'}"), "callers.app.api_keys[0].sha256: use the SHA-256"},
    {KEYS("{'id':'1','sha256':1}"), "callers.app.api_keys[0].sha256: use the SHA-256"},
    {KEYS("{'id':'1','sha256':'" SHA "','expires':'2027-02-30T00:00:00Z'}"),
     "callers.app.api_keys[0].expires: '2027-02-30T00:00:00Z' is no time: use the form "
     "2027-01-01T00:00:00Z"},
    {KEYS("{'id':'1','sha256':'" SHA "','expires':'2027-01-01'}"),
     "callers.app.api_keys[0].expires: "},
    {KEYS("{'id':'1','sha256':'" SHA "','expires':'2027-01-01T00:00:00Zx'}"),
     "callers.app.api_keys[0].expires: "},
    {KEYS("{'id':'1','sha256':'" SHA "','expires':'1970-01-01T00:00:00Z'}"),
     "callers.app.api_keys[0].expires: "},
    {KEYS("{'id':'1','sha256':'" SHA "','expires':1798761600}"),
     "callers.app.api_keys[0].expires: "},
    {KEYS("{'id':'1','sha256':'" SHA "'},{'id':'2','sha256':'" SHA "'}"),
     "callers.app.api_keys[1]: key '1' of caller 'app' has the same sha256"},
    {KEYS("{'id':'1','sha256':'" SHA "'},{'id':'1','sha256':'" SHA2 "'}"),
     "callers.app.api_keys[1]: the id '1' stands there twice"},
    {"{'callers':{" LMS ",'b':{'api_keys':[{'id':'2','sha256':'" SHA "'}]}},'rules':[]}",
     "callers.b.api_keys[0]: key '1' of caller 'lms' has the same sha256"},

    {SERVER("'groups':'G'"), "callers.app.server: 'user' is missing"},
    {SERVER("'a':'A','b':'A','c':'A','d':'A','e':'A','f':'A','g':'A','h':'A','i':'A','j':'A','k':'"
            "A','l':'A','m':'A','n':'A','o':'A','p':'A','user':'U'"),
     "callers.app.server: use at most 16 parameters"},
    {SERVER("'user':5"), "callers.app.server.user: use a string"},
    {SERVER("'user':'A-B'"), "callers.app.server.user: 'A-B' can't be the name of a parameter"},
    {SERVER("'user':'HTTP_X_USER'"),
     "callers.app.server.user: 'HTTP_X_USER' is what clients send: use what the web server sets "
     "after it has checked who asks, or \"trusted_headers\": true"},
    {SERVER("'user':'http_x_user'"), "callers.app.server.user: "},
    {SERVER("'user':'REDIRECT_HTTP_X_USER'"), "callers.app.server.user: "},
    {SERVER("'user':'A','x':'QUERY_STRING','trusted_headers':true"),
     "callers.app.server.x: 'QUERY_STRING' is what clients send"},
    {SERVER("'user':'REQUEST_URI','trusted_headers':true"), "callers.app.server.user: "},
    {SERVER("'user':'PATH_INFO','trusted_headers':true"), "callers.app.server.user: "},
    {SERVER("'user':'SCRIPT_NAME','trusted_headers':true"), "callers.app.server.user: "},
    {SERVER("'user':'DOCUMENT_URI','trusted_headers':true"), "callers.app.server.user: "},
    {SERVER("'user':'CONTENT_TYPE','trusted_headers':true"), "callers.app.server.user: "},
    {SERVER("'user':'SERVER_NAME','trusted_headers':true"), "callers.app.server.user: "},
    {SERVER("'user':'A','separator':'::'"),
     "callers.app.server.separator: '::' is not allowed: use one ASCII character"},
    {SERVER("'user':'A','trusted_headers':'yes'"),
     "callers.app.server.trusted_headers: use true or false"},
    {"{'callers':{'a':{'server':{'user':'A'}},'b':{'server':{'user':'A'}}},'rules':[]}",
     "callers.b.server: caller 'a' has the same user parameter"},
    {"{'callers':{'a':{'server':5}},'rules':[]}", "callers.a.server: 'user' is missing"},

    {RULES("'services':['rtc']"), "rules[0]: 'caller' is missing"},
    {RULES("'caller':'app'"), "rules[0]: 'services' is missing"},
    {RULES("'caller':'ap','services':['rtc']"), "rules[0].caller: 'ap' is none of the callers"},
    {RULES("'caller':['app','x'],'services':['rtc']"),
     "rules[0].caller[1]: 'x' is none of the callers"},
    {RULES("'caller':[],'services':['rtc']"), "rules[0].caller: use a list of one or more"},
    {RULES("'caller':'app','services':['rtc','RTM']"),
     "rules[0].services[1]: 'RTM' is no service: use rtc, rtm, streaming, fpa, chat, fcdn, apaas, "
     "rtm2, convoai or stt"},
    {RULES("'caller':'app','services':'rtc'"), "rules[0].services: use a list of one or more"},
    {RULES("'caller':'app','services':[]"), "rules[0].services: use a list of one or more"},
    {WITH("'channel':'x'"),
     "rules[0]: 'channel' is unknown: use caller, if, services, channels, users, roles, "
     "apaas_roles, wildcard_channel, any_user, app_tokens, max_expire, rate"},
    {WITH("'users':'x'"), "rules[0].users: use a list"},
    {WITH("'users':['a',5]"), "rules[0].users[1]: use a string"},
    {WITH("'users':['']"), "rules[0].users[0]: use a string that is not empty"},
    {WITH("'users':['a${b']"), "rules[0].users[0]: 'a${b' is no pattern: use at most one ${NAME}"},
    {WITH("'users':['${a}${b}']"), "rules[0].users[0]: '${a}${b}' is no pattern"},
    {WITH("'users':['${a}x${']"), "rules[0].users[0]: "},
    {WITH("'users':['${}']"), "rules[0].users[0]: a name is empty"},
    {WITH("'users':['${/a~2}']"), "rules[0].users[0]: '/a~2' is no JSON Pointer"},
    {WITH("'users':['${/a~}']"), "rules[0].users[0]: '/a~' is no JSON Pointer"},
    {WITH("'roles':['host']"), "rules[0].roles[0]: 'host' is no role: use publisher or subscriber"},
    {WITH("'roles':'publisher'"), "rules[0].roles: use a list"},
    {WITH("'apaas_roles':[32768]"),
     "rules[0].apaas_roles[0]: use a whole number from -32768 to 32767"},
    {WITH("'apaas_roles':['1']"), "rules[0].apaas_roles[0]: use a whole number"},
    {WITH("'any_user':1"), "rules[0].any_user: use true or false"},
    {WITH("'wildcard_channel':'true'"), "rules[0].wildcard_channel: use true or false"},
    {WITH("'app_tokens':null"), "rules[0].app_tokens: use true or false"},
    {WITH("'max_expire':0"), "rules[0].max_expire: use a whole number from 1 to 4294967295"},
    {WITH("'max_expire':4294967296"), "rules[0].max_expire: use a whole number"},
    {WITH("'max_expire':1.5"), "rules[0].max_expire: use a whole number"},
    {WITH("'if':[]"), "rules[0].if: use an object"},
    {WITH("'if':{'a':null}"), "rules[0].if.a: use a string, true, false or a whole number"},
    {WITH("'if':{'a':[1.5]}"), "rules[0].if.a[0]: use a string, true, false or a whole number"},
    {WITH("'if':{'a':[[1]]}"), "rules[0].if.a[0]: "},
    {WITH("'if':{'a':9007199254740993}"), "rules[0].if.a: "},
    {WITH("'if':{'a':[]}"), "rules[0].if.a: use a list of one or more"},
    {WITH("'if':{'':'x'}"), "rules[0].if.: a name is empty"},
    {WITH("'rate':'10'"), "rules[0].rate: '10' is no rate: use N/second, N/minute, N/hour or "
                          "N/day, with N from 1 to 1000000"},
    {WITH("'rate':'0/day'"), "rules[0].rate: "},
    {WITH("'rate':'01/day'"), "rules[0].rate: "},
    {WITH("'rate':'1000001/day'"), "rules[0].rate: "},
    {WITH("'rate':'99999999999999999999/day'"), "rules[0].rate: "},
    {WITH("'rate':'-1/day'"), "rules[0].rate: "},
    {WITH("'rate':'/day'"), "rules[0].rate: "},
    {WITH("'rate':'1/days'"), "rules[0].rate: "},
    {WITH("'rate':'1 /day'"), "rules[0].rate: "},
    {WITH("'rate':10"), "rules[0].rate: use a string"},
};

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        char begin[POLICY_ERROR_MAX];
        snprintf(begin, sizeof begin, "access.json: %s", refused[i].error);
        struct policy *policy = read_policy(refused[i].json);
        if (policy || strncmp(message, begin, strlen(begin)) != 0)
            print_message("%s\n  is:       %s\n  expected: %s\n", refused[i].json, message, begin);
        assert_null(policy);
        assert_int_equal(strncmp(message, begin, strlen(begin)), 0);
    }
}

static void test_allowed(void **state) {
    (void)state;
    static const char *const allowed[] = {
        JWT("'issuer':'i','audience':'a','jwks_url':'https://example.com'"),
        JWT("'issuer':'i','audience':'a','jwks_url':'HTTPS://example.com:8443/a@b?c'"),
        JWT("'issuer':'i','audience':'a','jwks_url':'http://localhost:80/k'"),
        JWT("'issuer':'i','audience':'a','jwks_url':'http://127.0.0.1'"),
        JWT("'issuer':'i','audience':'a','jwks_url':'http://[::1]:8080/k'"),
        JWT("'issuer':'i','audience':'a','jwks_file':'k','cookie':'__Host-session'"),
        SERVER("'user':'HTTP_X_USER','trusted_headers':true"),
        SERVER("'user':'REDIRECT_REMOTE_USER'"),
        SERVER("'user':'HTTPS_CLIENT'"),
        WITH("'rate':'1000000/second'"),
        WITH("'rate':'5/hour'"),
        WITH("'rate':'1/day'"),
        WITH("'if':{}"),
        WITH("'if':{'a':-9007199254740992,'b':'','c':[false]}"),
        WITH("'users':['$','{}','$}','${a}','**','${ a }','${/}','é']"),
        /* One issuer, several audiences; and one client known by another claim. */
        "{'callers':{" APP ",'b':{'jwt':{'issuer':'i','audience':'b','jwks_file':'k'}},"
        "'c':{'jwt':{'issuer':'i','audience':'a','audience_claim':'client_id','jwks_file':'k'}},"
        "'d':{'jwt':{'issuer':'j','audience':'a','jwks_file':'k'}}},'rules':[]}",
        /* An id is a key's within its caller. */
        "{'callers':{" LMS ",'b':{'api_keys':[{'id':'1','sha256':'" SHA2 "'}]}},'rules':[]}",
    };
    for (size_t i = 0; i < COUNT(allowed); i++) {
        struct policy *policy = read_policy(allowed[i]);
        assert_string_equal(message, "");
        assert_non_null(policy);
        policy_free(policy);
    }
}

/* What stands where it does not belong may be a secret. */
static void test_secrets(void **state) {
    (void)state;
    static const char *const with_secret[] = {
        KEYS("{'id':'1','sha256':'0123456789abcdef'}"),
        KEYS("{'id':'1','sha256':'" SHA "','expires':'0123456789abcdef'}"),
        JWT("'issuer':'i','audience':'a','jwks_url':'0123456789abcdef'"),
        JWT("'issuer':'i','audience':'a','0123456789abcdef':'x'"),
        JWT("'issuer':'i','audience':'a','secret_file':'0123456789abcdef\\n'"),
        "{'0123456789abcdef': '",
        WITH("'rate':'0123456789abcdef'"),
    };
    for (size_t i = 0; i < COUNT(with_secret); i++) {
        assert_null(read_policy(with_secret[i]));
        assert_null(strstr(message, "0123456789"));
    }
}

/* However long names are, the message has an end. */
static void test_long_names(void **state) {
    (void)state;
    char json[4000];
    char name[1000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(json, sizeof json, "{'callers':{'%s':{'%s':1}},'rules':[]}", name, name);
    assert_null(read_policy(json));
    assert_non_null(strstr(message, "is unknown: use jwt, api_keys, server"));
    snprintf(json, sizeof json, "{'callers':{" APP "},'rules':[{'caller':'app','if':{'%s':{}}}]}",
             name);
    assert_null(read_policy(json));
    assert_non_null(strstr(message, "use a string, true, false"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_file), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_nobody),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_allowed),    cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
