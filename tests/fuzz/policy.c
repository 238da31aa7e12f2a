/*
 * A policy, who asks, and for what, with an empty line between them: JSON; the number of a caller
 * and its claims, "user|groups" or the id of its key; the token as `agora-token encode` takes it.
 * Whatever comes, a grant is within what the rule says by a second, slow reading of its JSON, and
 * the same question has the same answer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json_pointer.h>

#include "access/decision.h"
#include "cli/description.h"
#include "text.h"
#include "json/names.h"
#include "json/reader.h"

static void expect(bool condition) {
    if (!condition)
        abort();
}

/* Cuts off what stands before an empty line, as a string of its own. */
static char *cut_part(struct agora_text *rest, size_t *length) {
    const char *end = rest->length ? memmem(rest->data, rest->length, "\n\n", 2) : NULL;
    *length = end ? (size_t)(end - rest->data) : rest->length;
    char *part = malloc(*length + 1);
    expect(part);
    if (*length > 0)
        memcpy(part, rest->data, *length);
    part[*length] = '\0';
    size_t taken = end ? *length + 2 : *length;
    *rest =
        (struct agora_text){taken < rest->length ? rest->data + taken : NULL, rest->length - taken};
    return part;
}

/* Whether the text is the pattern, of which the bytes from `from` to `to` are literal. By a table
 * of all beginnings of both. */
static bool table_fits(const char *pattern, size_t length, size_t from, size_t to,
                       struct agora_text text) {
    bool *row = calloc(text.length + 1, sizeof *row);
    expect(row);
    row[0] = true;
    for (size_t i = 0; i < length; i++) {
        bool is_star = pattern[i] == '*' && (i < from || i >= to);
        bool diagonal = row[0];
        row[0] = is_star && row[0];
        for (size_t j = 1; j <= text.length; j++) {
            bool above = row[j];
            row[j] = is_star ? above || row[j - 1] : diagonal && pattern[i] == text.data[j - 1];
            diagonal = above;
        }
    }
    bool fits = row[text.length];
    free(row);
    return fits;
}

/* What a name stands for, in JSON: a value or a list. To be put. */
static struct json_object *value_of(const struct identity *identity, const char *name) {
    struct json_object *found = NULL;
    const struct server_caller *server = &identity->caller->server;
    const struct server_parameter *parameters = server->parameters.items;
    switch (identity->caller->kind) {
    case CALLER_JWT:
        if (name[0] == '/' ? json_pointer_get(identity->claims, name, &found) != 0
                           : !json_object_object_get_ex(identity->claims, name, &found))
            return NULL;
        return json_object_get(found);
    case CALLER_API_KEYS:
        return strcmp(name, "id") == 0 ? json_object_new_string(identity->subject.data) : NULL;
    case CALLER_SERVER:
        for (size_t i = 0; i < server->parameters.count; i++) {
            if (!text_equals(parameters[i].name, name) || !identity->parameters[i].data)
                continue;
            if (strcmp(name, "user") == 0 || !server->separator)
                return json_object_new_string_len(identity->parameters[i].data,
                                                  (int)identity->parameters[i].length);
            found = json_object_new_array();
            for (struct agora_text rest = identity->parameters[i]; rest.data;) {
                struct agora_text item = text_cut(&rest, server->separator);
                json_object_array_add(found,
                                      json_object_new_string_len(item.data, (int)item.length));
            }
            return found;
        }
    }
    return NULL;
}

static bool pattern_fits(const char *pattern, const struct identity *identity,
                         struct agora_text text) {
    const char *open = strstr(pattern, "${");
    if (!open)
        return table_fits(pattern, strlen(pattern), 0, 0, text);
    const char *close = strchr(open, '}');
    size_t before = (size_t)(open - pattern);
    char *name = strndup(open + 2, (size_t)(close - open - 2));
    struct json_object *value = value_of(identity, name);
    bool is_list = json_object_is_type(value, json_type_array);
    bool fits = false;
    for (size_t i = 0; i < (is_list ? json_object_array_length(value) : 1); i++) {
        struct json_object *one = is_list ? json_object_array_get_idx(value, i) : value;
        enum json_type type = json_object_get_type(one);
        double number = json_object_get_double(one);
        bool is_whole = (type == json_type_int || type == json_type_double) &&
                        fabs(number) <= 0x1p53 && number == floor(number);
        if (type != json_type_string && !is_whole)
            continue;
        char digits[32];
        snprintf(digits, sizeof digits, "%lld", is_whole ? (long long)number : 0);
        const char *inserted = is_whole ? digits : json_object_get_string(one);
        size_t length = is_whole ? strlen(digits) : (size_t)json_object_get_string_len(one);
        char *whole = malloc(strlen(pattern) + length + 1);
        expect(whole);
        memcpy(whole, pattern, before);
        memcpy(whole + before, inserted, length);
        strcpy(whole + before + length, close + 1);
        fits = fits || (length > 0 && table_fits(whole, before + length + strlen(close + 1), before,
                                                 before + length, text));
        free(whole);
    }
    free(name);
    json_object_put(value);
    return fits;
}

static bool any_fits(struct json_object *rule, const char *member, const struct identity *identity,
                     struct agora_text text) {
    struct json_object *list = json_object_object_get(rule, member);
    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        if (pattern_fits(json_object_get_string(json_object_array_get_idx(list, i)), identity,
                         text))
            return true;
    return false;
}

static bool lists(struct json_object *rule, const char *member, const char *value) {
    struct json_object *list = json_object_object_get(rule, member);
    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), value) == 0)
            return true;
    return false;
}

static bool flag(struct json_object *rule, const char *member) {
    return json_object_get_boolean(json_object_object_get(rule, member));
}

static void expect_channel(struct json_object *rule, const struct identity *identity,
                           struct agora_text name) {
    bool is_wide = name.length == 0 || memchr(name.data, '*', name.length);
    expect(is_wide ? flag(rule, "wildcard_channel") : any_fits(rule, "channels", identity, name));
}

static void expect_user(struct json_object *rule, const struct identity *identity,
                        struct agora_text name) {
    size_t zeros = 0;
    while (zeros < name.length && name.data[zeros] == '0')
        zeros++;
    expect(zeros == name.length ? flag(rule, "any_user") : any_fits(rule, "users", identity, name));
}

static void expect_within(struct json_object *rule, const struct identity *identity,
                          const struct wanted_token *token, const struct agora_service *service) {
    const struct service_name *name = service_name_of_type(service->type);
    struct json_object *max = json_object_object_get(rule, "max_expire");
    uint32_t most = max ? (uint32_t)json_object_get_int64(max) : 3600;
    bool publishes =
        service->type == AGORA_SERVICE_STREAMING || service->type == AGORA_SERVICE_FCDN;
    bool has_apaas = false;
    bool has_rtm = false;
    bool is_app = service->type == AGORA_SERVICE_FPA;
    uint32_t privileges = 0;
    expect(lists(rule, "services", name->key));
    for (size_t i = 0; i < token->service_count; i++) {
        has_apaas = has_apaas || token->services[i].type == AGORA_SERVICE_APAAS;
        has_rtm = has_rtm || token->services[i].type == AGORA_SERVICE_RTM;
    }
    for (size_t i = 0; i < service->privilege_count; i++) {
        uint16_t privilege = service->privileges[i].privilege;
        expect(service->privileges[i].expire <= most);
        privileges |= privilege < 32 ? 1U << privilege : 1;
        is_app = is_app || (service->type == AGORA_SERVICE_CHAT && privilege == AGORA_CHAT_APP) ||
                 (service->type == AGORA_SERVICE_APAAS && privilege == AGORA_APAAS_APP);
    }
    expect(!is_app || flag(rule, "app_tokens"));
    if (service->type == AGORA_SERVICE_RTC && privileges & ~2U)
        publishes = !(has_rtm && privileges == (1 << 1 | 1 << 4));
    expect(!publishes || lists(rule, "roles", "publisher"));
    if (name->channel && service->type != AGORA_SERVICE_APAAS)
        expect_channel(rule, identity, service->channel);
    if (name->channel && service->channel.length > 0)
        expect_channel(rule, identity, service->channel);
    if (name->user && !(is_app && service->user.length == 0) &&
        !(service->type == AGORA_SERVICE_CHAT && has_apaas))
        expect_user(rule, identity, service->user);
    for (size_t i = 0; i < service->permission_count; i++) {
        const struct agora_rtm2_permission *permission = &service->permissions[i];
        for (size_t j = 0; j < permission->name_count; j++)
            (permission->resource == AGORA_RTM2_USERS ? expect_user : expect_channel)(
                rule, identity, permission->names[j]);
    }
}

static void try(const struct policy *policy, const struct identity *identity,
                const struct description *description) {
    static struct decision decision;
    static struct decision again;
    const struct wanted_token token = {description->token.service_count,
                                       description->token.services};
    bool gives_expire = description->gives & GIVES_EXPIRE;
    const struct wanted wanted = {1, &token, gives_expire ? description->token.expire : 3600,
                                  gives_expire};
    bool granted = decide(policy, identity, &wanted, &decision);
    expect(decide(policy, identity, &wanted, &again) == granted);
    expect(again.rule == decision.rule && again.expire == decision.expire &&
           again.field == decision.field && strcmp(again.text, decision.text) == 0);
    expect(granted == (decision.text[0] == '\0'));
    const struct rule *rules = policy->rules.items;
    for (size_t i = 0; i < policy->rules.count; i++) {
        bool by_rule = decide_by_rule(&rules[i], identity, &wanted, &again);
        expect(by_rule ? granted : decision.rule != &rules[i]);
        if (decision.rule == &rules[i])
            break;
        expect(!by_rule);
    }
    if (!granted)
        return;
    struct json_object *rule = json_object_array_get_idx(
        json_object_object_get(policy->json, "rules"), decision.rule->number);
    decision_shorten(&decision, (struct agora_service *)token.services, token.service_count);
    expect(decision.expire > 0 && decision.expire <= wanted.expire &&
           decision.expire <= decision.rule->max_expire);
    for (size_t i = 0; i < token.service_count; i++)
        expect_within(rule, identity, &token, &token.services[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct agora_text rest = {(const char *)data, size};
    char error[POLICY_ERROR_MAX];
    char description_error[DESCRIPTION_ERROR_MAX];
    struct json_error json_error;
    struct description description = {0};
    struct agora_text values[64] = {{NULL, 0}};
    size_t length;
    size_t who_length;
    char *text = cut_part(&rest, &length);
    char *who = cut_part(&rest, &who_length);
    struct policy *policy = policy_read("policy", (struct agora_text){text, length}, error);
    expect(policy || strncmp(error, "policy: ", 8) == 0);
    struct json_object *json =
        policy && rest.data ? parse_json(rest.data, rest.length, description_error) : NULL;
    size_t caller = (size_t)(who[0] - '0');
    if (json && token_from_json(json, &description, description_error) &&
        caller < policy->callers.count) {
        struct identity identity = {.caller = (struct caller *)policy->callers.items + caller};
        struct agora_text claims = {who + 1, who_length - 1};
        bool is_jwt = identity.caller->kind == CALLER_JWT;
        identity.subject = agora_text_of(who + 1);
        identity.parameters = values;
        for (size_t i = 0; i < 64 && claims.data && !is_jwt; i++)
            values[i] = text_cut(&claims, '|');
        if (identity.caller->server.parameters.count <= 64 &&
            (!is_jwt || json_read(claims, JSON_REFUSE_REPEATED, &identity.claims, &json_error)))
            try(policy, &identity, &description);
        json_object_put(identity.claims);
    }
    json_object_put(json);
    policy_free(policy);
    free(text);
    free(who);
    return 0;
}
