#include "api/authorization.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "http/cors.h"
#include "metrics/metrics.h"
#include "text.h"
#include "json/names.h"

#define CHALLENGE "Bearer realm=\"agora-token\""

enum { RETRY_SECONDS = 5 };

/* The line about a decision. What clients choose stands there as JSON strings, so that it cannot
 * pretend to be another part of the line. */

static void put_value(struct log_event *audit, const char *name, struct agora_text value) {
    if (value.length > 0)
        log_field(audit, name, LOG_STRING, agora_text_of(quote(value).text));
}

/* A text of our own, in which what clients choose is quoted. */
static void put_reason(struct log_event *audit, const char *reason) {
    log_field(audit, "reason", LOG_STRING, agora_text_of(reason));
}

static void put_number(struct log_event *audit, const char *name, size_t number) {
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", number);
    log_field(audit, name, LOG_NUMBER, agora_text_of(digits));
}

static void put_who(struct log_event *audit, const struct identity *who) {
    if (who->caller)
        put_value(audit, "caller", who->caller->name);
    put_value(audit, "subject", who->subject);
}

enum { NAMES_MAX = NAMED_TOKENS_MAX * SERVICES_MAX };

/* The channels or the users of all services, but for those that are the same as the one before. */
static void put_names(struct log_event *audit, const char *name, size_t offset,
                      const struct named_token *tokens, size_t count) {
    struct quoted quoted[NAMES_MAX];
    struct agora_text shown[NAMES_MAX];
    struct agora_text last = {NULL, 0};
    size_t names = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < tokens[i].service_count; j++) {
            const char *service = (const char *)&tokens[i].services[j];
            struct agora_text text;
            memcpy(&text, service + offset, sizeof text);
            if (text.length == 0 || text_same(text, last))
                continue;
            quoted[names] = quote(text);
            shown[names] = agora_text_of(quoted[names].text);
            names++;
            last = text;
        }
    log_list(audit, name, LOG_STRING, shown, names);
}

static void put_tokens(struct log_event *audit, const struct named_token *tokens, size_t count) {
    struct agora_text keys[NAMES_MAX];
    size_t services = 0;
    bool publishes = false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < tokens[i].service_count; j++) {
            const struct agora_service *service = &tokens[i].services[j];
            keys[services++] = agora_text_of(service_name_of_type(service->type)->key);
            publishes |= service->type == AGORA_SERVICE_STREAMING ||
                         service->type == AGORA_SERVICE_FCDN ||
                         (service->type == AGORA_SERVICE_RTC && service->privilege_count > 2);
        }
    }
    log_list(audit, "services", LOG_WORD, keys, services);
    put_names(audit, "channel", offsetof(struct agora_service, channel), tokens, count);
    put_names(audit, "user", offsetof(struct agora_service, user), tokens, count);
    log_field(audit, "role", LOG_WORD, agora_text_of(publishes ? "publisher" : "subscriber"));
}

static void begin_audit(const struct call *call, enum log_level level, const char *verdict,
                        const struct identity *who) {
    log_begin(&call->api->audit, level, "%s", verdict);
    put_who(&call->api->audit, who);
}

static void end_audit(const struct call *call) {
    put_value(&call->api->audit, "address", request_variable(call->request, "REMOTE_ADDR", NULL));
}

static void count_refusal(const struct call *call, size_t failure) {
    if (call->api->counters)
        count_failure(call->api->counters, call->api->who.identity.caller, failure);
}

static bool refuse_request(const struct call *call, enum access_result result,
                           const struct identification *who, struct response *response) {
    begin_audit(call, LOG_WARNING, "refused", &who->identity);
    put_reason(&call->api->audit, credential_verdict_text(who->verdict));
    end_audit(call);
    count_refusal(call, who->verdict);
    switch (result) {
    case ACCESS_ABSENT:
        response_header(response, "WWW-Authenticate", agora_text_of(CHALLENGE));
        return response_error(response, HTTP_UNAUTHORIZED,
                              "a credential is missing: send Authorization: Bearer TOKEN or "
                              "X-API-Key: KEY");
    case ACCESS_NOT_READY:
        response_header(response, "Retry-After", agora_text_of("5"));
        return response_error(response, HTTP_SERVICE_UNAVAILABLE,
                              "the keys that verify your credential are not there yet: try again "
                              "in %d seconds",
                              RETRY_SECONDS);
    case ACCESS_FAILED:
        return response_error(response, HTTP_INTERNAL_SERVER_ERROR,
                              "the credential could not be checked");
    default:
        response_header(response, "WWW-Authenticate",
                        agora_text_of(CHALLENGE ", error=\"invalid_token\""));
        return response_error(response, HTTP_UNAUTHORIZED,
                              "the credential is not valid: it is expired, or not one that this "
                              "service accepts");
    }
}

bool authorize_request(const struct call *call, struct response *response) {
    const struct settings *settings = call->api->settings;
    struct identification *who = &call->api->who;
    bool is_foreign = cors_is_foreign(settings->cors_allow_origin, call->request);
    enum access_result result =
        access_identify(settings->access, call->request, is_foreign, call->api->now, who);
    if (who->identity.caller)
        response->caller = who->identity.caller->name;
    return result == ACCESS_IDENTIFIED || refuse_request(call, result, who, response);
}

/* How long to wait for the rate of the rule; 0 for not at all. */
static uint32_t charge(const struct call *call, const struct rule *rule) {
    struct rate_table *rates = access_rates(call->api->settings->access);
    if (rule->rate.count == 0 || !rates)
        return 0;
    const struct identity *who = &call->api->who.identity;
    const struct rate_key key = {rule->id, who->caller->id, who->subject};
    return rate_take(rates, rule->rate, &key, monotonic_ns());
}

static bool refuse_tokens(const struct call *call, const struct decision *decision,
                          struct response *response) {
    put_reason(&call->api->audit, decision->text);
    end_audit(call);
    count_refusal(call, FAILURE_NOT_ALLOWED);
    response_header(response, "WWW-Authenticate",
                    agora_text_of(CHALLENGE ", error=\"insufficient_scope\""));
    return response_error(response, HTTP_FORBIDDEN, "%s", decision->text);
}

static bool refuse_rate(const struct call *call, const struct rule *rule, uint32_t seconds,
                        struct response *response) {
    put_number(&call->api->audit, "rule", rule->number);
    put_reason(&call->api->audit, "the rate of the rule is used up");
    end_audit(call);
    count_refusal(call, FAILURE_RATE);
    snprintf(response->retry_after, sizeof response->retry_after, "%u", seconds);
    response_header(response, "Retry-After", agora_text_of(response->retry_after));
    return response_error(response, HTTP_TOO_MANY_REQUESTS,
                          "too many tokens: try again in %u seconds", seconds);
}

bool authorize_tokens(const struct call *call, struct named_token *tokens, size_t count,
                      struct expiry *expiry, struct response *response) {
    const struct settings *settings = call->api->settings;
    struct wanted_token wanted_tokens[NAMED_TOKENS_MAX];
    struct decision decision;
    if (!settings->access)
        return true;
    assert(count <= NAMED_TOKENS_MAX);
    for (size_t i = 0; i < count; i++)
        wanted_tokens[i] = (struct wanted_token){tokens[i].service_count, tokens[i].services};
    const struct wanted wanted = {count, wanted_tokens, expiry->seconds, expiry->is_asked};
    const struct identity *who = &call->api->who.identity;
    bool granted = decide(access_policy(settings->access), who, &wanted, &decision);
    uint32_t wait = granted ? charge(call, decision.rule) : 0;

    begin_audit(call, granted && wait == 0 ? LOG_INFO : LOG_WARNING,
                granted && wait == 0 ? "granted" : "refused", who);
    struct log_event *audit = &call->api->audit;
    if (audit->length > 0)
        put_tokens(audit, tokens, count);
    if (!granted)
        return refuse_tokens(call, &decision, response);
    if (wait > 0)
        return refuse_rate(call, decision.rule, wait, response);
    for (size_t i = 0; i < count; i++)
        decision_shorten(&decision, tokens[i].services, tokens[i].service_count);
    expiry->seconds = decision.expire;
    if (audit->length > 0) {
        put_number(audit, "expire", expiry->seconds);
        put_number(audit, "rule", decision.rule->number);
        end_audit(call);
    }
    return true;
}
