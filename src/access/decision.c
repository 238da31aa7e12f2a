#include "access/decision.h"

#include <stdio.h>
#include <stdlib.h>

#include "text.h"
#include "json/names.h"

/* A body can name thousands of channels, a JWT as many, and a policy has many rules: what all that
 * would take together is more than a request may cost. In values and bytes that are compared. */
enum { EFFORT_MAX = 1000000 };

/* What is being held against what. */
struct look {
    size_t *effort; /* what is left of EFFORT_MAX; at 0 nothing fits any more */
    const struct identity *identity;
    const struct wanted *wanted;
    const struct rule *rule;
    const struct wanted_token *token;
    const struct agora_service *service;
};

/* What did not fit: a text, or a number where that is {NULL, 0}. */
struct offence {
    struct agora_text value;
    int64_t number;
};

/*
 * The values of a claim or parameter, one after another.
 */

struct values {
    struct json_object *json; /* a claim, */
    size_t next;
    size_t count;           /* perhaps a list */
    struct agora_text rest; /* else a parameter */
    char separator;
    char digits[SCALAR_DIGITS];
};

static struct json_object *claim_at(struct json_object *json, const struct path *path) {
    char *const *steps = path->steps.items;
    for (size_t i = 0; i < path->steps.count && json; i++) {
        size_t digits = strspn(steps[i], "0123456789");
        struct json_object *next = NULL;
        if (json_object_is_type(json, json_type_object))
            json_object_object_get_ex(json, steps[i], &next);
        else if (json_object_is_type(json, json_type_array) && digits > 0 && !steps[i][digits] &&
                 (steps[i][0] != '0' || digits == 1))
            next = json_object_array_get_idx(json, strtoul(steps[i], NULL, 10));
        json = next;
    }
    return json;
}

static struct values values_at(const struct identity *identity, const struct path *path) {
    struct values values = {0};
    const struct server_caller *server = &identity->caller->server;
    const struct server_parameter *parameters = server->parameters.items;
    switch (identity->caller->kind) {
    case CALLER_JWT:
        values.json = claim_at(identity->claims, path);
        values.count = json_object_is_type(values.json, json_type_array)
                           ? json_object_array_length(values.json)
                           : 1;
        break;
    case CALLER_API_KEYS:
        if (text_equals(path->name, "id"))
            values.rest = identity->subject;
        break;
    case CALLER_SERVER:
        for (size_t i = 0; i < server->parameters.count; i++)
            if (text_equals(path->name, parameters[i].name.data)) {
                values.rest = identity->parameters[i];
                /* Whose own name has a separator in it must not be two users. */
                if (i > 0)
                    values.separator = server->separator;
            }
        break;
    }
    return values;
}

static bool next_value(struct values *values, struct scalar *scalar) {
    while (values->json && values->next < values->count) {
        struct json_object *json = values->json;
        if (json_object_is_type(json, json_type_array))
            json = json_object_array_get_idx(json, values->next);
        values->next++;
        if (scalar_of(json, values->digits, scalar))
            return true;
    }
    while (values->rest.length > 0) {
        *scalar = (struct scalar){json_type_string, values->rest};
        if (values->separator)
            scalar->text = text_cut(&values->rest, values->separator);
        else
            values->rest = (struct agora_text){NULL, 0};
        if (scalar->text.length > 0)
            return true;
    }
    return false;
}

/* The next value that may stand in a name. */
static bool next_text(struct values *values, struct scalar *scalar) {
    while (next_value(values, scalar))
        if (scalar->type != json_type_boolean && scalar->text.length > 0)
            return true;
    return false;
}

/*
 * Patterns and conditions.
 */

/* False when there is nothing left of the effort. */
static bool spend(size_t *effort) {
    *effort -= *effort > 0;
    return *effort > 0;
}

/* Whether the text is what the pattern says with the value in its place. Takes at most the product
 * of both lengths: where the last '*' took too little it takes one byte more, and those before it
 * stay as they are. */
static bool fits(const struct pattern *pattern, struct agora_text value, struct agora_text text,
                 size_t *effort) {
    const struct agora_text parts[] = {pattern->before, value, pattern->after};
    size_t value_end = pattern->before.length + value.length;
    size_t end = value_end + pattern->after.length;
    size_t star = SIZE_MAX; /* behind the last '*' so far, */
    size_t taken = 0;       /* and where in the text that ends which it takes */
    if (pattern->literals + value.length > text.length)
        return false;
    for (size_t i = 0, at = 0; i < text.length || at < end;) {
        if (!spend(effort))
            return false;
        int part = (at >= pattern->before.length) + (at >= value_end);
        size_t begin = part == 0 ? 0 : part == 1 ? pattern->before.length : value_end;
        const char *c = at < end ? &parts[part].data[at - begin] : NULL;
        if (c && *c == '*' && part != 1) {
            star = ++at;
            taken = i;
        } else if (c && i < text.length && *c == text.data[i]) {
            at++;
            i++;
        } else if (star != SIZE_MAX && taken < text.length) {
            at = star;
            i = ++taken;
        } else {
            return false;
        }
    }
    return true;
}

static bool pattern_fits(const struct pattern *pattern, const struct look *look,
                         struct agora_text text) {
    if (pattern->path.steps.count == 0)
        return fits(pattern, (struct agora_text){NULL, 0}, text, look->effort);
    struct values values = values_at(look->identity, &pattern->path);
    struct scalar scalar;
    while (spend(look->effort) && next_text(&values, &scalar))
        if (fits(pattern, scalar.text, text, look->effort))
            return true;
    return false;
}

static bool any_fits(const struct list *patterns, const struct look *look, struct agora_text text) {
    const struct pattern *pattern = patterns->items;
    for (size_t i = 0; i < patterns->count && spend(look->effort); i++)
        if (pattern_fits(&pattern[i], look, text))
            return true;
    return false;
}

static bool condition_holds(const struct condition *condition, const struct identity *identity) {
    const struct scalar *allowed = condition->values.items;
    struct values values = values_at(identity, &condition->path);
    struct scalar scalar;
    while (next_value(&values, &scalar))
        for (size_t i = 0; i < condition->values.count; i++)
            if (allowed[i].type == scalar.type && text_same(allowed[i].text, scalar.text))
                return true;
    return false;
}

static bool conditions_hold(const struct rule *rule, const struct identity *identity,
                            struct offence *offence) {
    const struct condition *condition = rule->conditions.items;
    for (size_t i = 0; i < rule->conditions.count; i++)
        if (!condition_holds(&condition[i], identity)) {
            offence->value = condition[i].path.name;
            return false;
        }
    return true;
}

/*
 * What a service is.
 */

static bool has_privilege(const struct agora_service *service, uint16_t privilege) {
    for (size_t i = 0; i < service->privilege_count; i++)
        if (service->privileges[i].privilege == privilege)
            return true;
    return false;
}

static const struct agora_service *service_of(const struct wanted_token *token, uint16_t type) {
    for (size_t i = 0; i < token->service_count; i++)
        if (token->services[i].type == type)
            return &token->services[i];
    return NULL;
}

static bool is_for_app(const struct look *look) {
    const struct agora_service *service = look->service;
    switch (service->type) {
    case AGORA_SERVICE_FPA:
        return true;
    case AGORA_SERVICE_CHAT:
        return has_privilege(service, AGORA_CHAT_APP);
    case AGORA_SERVICE_APAAS:
        return has_privilege(service, AGORA_APAAS_APP);
    case AGORA_SERVICE_CONVOAI:
    case AGORA_SERVICE_STT:
        return !service_of(look->token, AGORA_SERVICE_RTC);
    default:
        return false;
    }
}

static bool has_channel(const struct agora_service *service) {
    if (service->type == AGORA_SERVICE_APAAS)
        return service->channel.length > 0 || has_privilege(service, AGORA_APAAS_ROOM_USER);
    return service_name_of_type(service->type)->channel;
}

static bool has_user(const struct look *look) {
    return service_name_of_type(look->service->type)->user &&
           (look->service->user.length > 0 || !is_for_app(look));
}

/* The user, whose MD5 is what the Chat part of an APaaS token holds. */
static struct agora_text user_of(const struct look *look) {
    struct agora_service services[3];
    char md5[AGORA_MD5_SIZE];
    struct agora_text user = look->service->user;
    if (look->service->type != AGORA_SERVICE_CHAT)
        return user;
    for (size_t i = 0; i < look->token->service_count; i++) {
        const struct agora_service *other = &look->token->services[i];
        if (other->type == AGORA_SERVICE_APAAS && other->user.length > 0 &&
            !agora_services_apaas_room_user(services, other->channel, other->user, 0, 0, md5) &&
            text_equals(user, md5))
            return other->user;
    }
    return user;
}

/* The RTC part of a signaling token with a stream channel, whose user may write data there without
 * being a publisher. */
static bool is_stream_channel(const struct look *look) {
    const struct agora_service *service = look->service;
    if (service->privilege_count != 2 || !has_privilege(service, AGORA_RTC_JOIN_CHANNEL) ||
        !has_privilege(service, AGORA_RTC_PUBLISH_DATA))
        return false;
    for (size_t i = 0; i < look->token->service_count; i++)
        if (look->token->services[i].type == AGORA_SERVICE_RTM &&
            text_same(look->token->services[i].user, service->user))
            return true;
    return false;
}

/* The role that a service needs, as a bit; 0: none. */
static uint32_t role_of(const struct look *look) {
    const struct agora_service *service = look->service;
    if (service->type == AGORA_SERVICE_STREAMING || service->type == AGORA_SERVICE_FCDN)
        return ROLE_PUBLISHER;
    if (service->type != AGORA_SERVICE_RTC || is_stream_channel(look))
        return 0;
    for (size_t i = 0; i < service->privilege_count; i++)
        if (service->privileges[i].privilege != AGORA_RTC_JOIN_CHANNEL)
            return ROLE_PUBLISHER;
    return ROLE_SUBSCRIBER;
}

/* A name that may stand for others than itself, or for nothing. */
static bool is_wide(struct agora_text name) {
    return name.length == 0 || memchr(name.data, '*', name.length);
}

static bool is_any_user(struct agora_text user) {
    size_t zeros = 0;
    while (zeros < user.length && user.data[zeros] == '0')
        zeros++;
    return zeros == user.length;
}

/*
 * What rules allow of a service and of the names in it, and what a refusal tells of that.
 */

typedef bool allows_service(const struct look *look, struct offence *offence);
typedef bool allows_name(const struct look *look, struct agora_text name);

/* A text that grows up to DECISION_TEXT_MAX, the end of it a list. */
struct allowed {
    char *text;
    size_t length;
    size_t width; /* of the text in a JSON string */
    size_t list;  /* where the list begins */
    bool is_full;
};
typedef void put_allowed(struct allowed *allowed, const struct look *look);

/* Adds a text that is wholly there or, with what follows, not at all. */
static void put(struct allowed *allowed, const char *text) {
    static const char more[] = "...";
    size_t width = strlen(text);
    for (const char *at = text; *at; at++)
        width += *at == '"' || *at == '\\';
    if (allowed->is_full)
        return;
    allowed->is_full = allowed->width + width + sizeof more > DECISION_TEXT_MAX;
    allowed->length +=
        (size_t)snprintf(allowed->text + allowed->length, DECISION_TEXT_MAX - allowed->length, "%s",
                         allowed->is_full ? more : text);
    allowed->width += width;
}

/* Adds a member to the list, once. */
static void put_item(struct allowed *allowed, struct agora_text text) {
    char item[sizeof(struct quoted) + 4];
    snprintf(item, sizeof item, "'%s'", quote(text).text);
    if (strstr(allowed->text + allowed->list, item))
        return;
    if (allowed->length > allowed->list)
        put(allowed, ", ");
    put(allowed, item);
}

static void put_number(struct allowed *allowed, int64_t number) {
    char digits[SCALAR_DIGITS];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    put_item(allowed, agora_text_of(digits));
}

static bool allows_type(const struct look *look, struct offence *offence) {
    const struct service_name *name = service_name_of_type(look->service->type);
    offence->value = agora_text_of(name ? name->key : "");
    return name && look->rule->services >> look->service->type & 1;
}

static void put_types(struct allowed *allowed, const struct look *look) {
    for (uint16_t type = 0; type < 32; type++)
        if (look->rule->services >> type & 1)
            put_item(allowed, agora_text_of(service_name_of_type(type)->key));
}

static bool allows_app(const struct look *look, struct offence *offence) {
    offence->value = agora_text_of(service_name_of_type(look->service->type)->key);
    return look->rule->app_tokens || !is_for_app(look);
}

static bool allows_role(const struct look *look, struct offence *offence) {
    uint32_t role = role_of(look);
    offence->value = agora_text_of(role == ROLE_PUBLISHER ? "publisher" : "subscriber");
    return role == 0 || look->rule->roles & role;
}

static void put_roles(struct allowed *allowed, const struct look *look) {
    if (look->rule->roles & ROLE_PUBLISHER)
        put_item(allowed, agora_text_of("publisher"));
    if (look->rule->roles & ROLE_SUBSCRIBER)
        put_item(allowed, agora_text_of("subscriber"));
}

static bool allows_apaas_role(const struct look *look, struct offence *offence) {
    const int16_t *roles = look->rule->apaas_roles.items;
    int16_t role = look->service->role;
    offence->number = role;
    /* Without a room there is no role; Agora's builders then write -1. */
    if (look->service->type != AGORA_SERVICE_APAAS || (!has_channel(look->service) && role == -1))
        return true;
    for (size_t i = 0; i < look->rule->apaas_roles.count; i++)
        if (roles[i] == role)
            return true;
    return false;
}

static void put_apaas_roles(struct allowed *allowed, const struct look *look) {
    const int16_t *roles = look->rule->apaas_roles.items;
    for (size_t i = 0; i < look->rule->apaas_roles.count; i++)
        put_number(allowed, roles[i]);
}

static bool allows_lifetime(const struct look *look, struct offence *offence) {
    const struct wanted *wanted = look->wanted;
    uint32_t most = look->rule->max_expire;
    offence->number = wanted->expire;
    if (wanted->expire == 0 || (wanted->expire_asked && wanted->expire > most))
        return false;
    for (size_t i = 0; i < look->service->privilege_count; i++) {
        offence->number = look->service->privileges[i].expire;
        if (offence->number > most && (wanted->expire_asked || offence->number != wanted->expire))
            return false;
    }
    return true;
}

/* The most of all rules stands in place of a list. */
static void put_max_expire(struct allowed *allowed, const struct look *look) {
    unsigned long most = strtoul(allowed->text + allowed->list, NULL, 10);
    if (look->rule->max_expire > most)
        allowed->length = allowed->list + (size_t)snprintf(allowed->text + allowed->list,
                                                           DECISION_TEXT_MAX - allowed->list,
                                                           "%u seconds", look->rule->max_expire);
}

static bool allows_wildcard(const struct look *look, struct agora_text name) {
    return look->rule->wildcard_channel || !is_wide(name);
}

static bool allows_channel(const struct look *look, struct agora_text name) {
    return is_wide(name) || any_fits(&look->rule->channels, look, name);
}

static bool allows_any_user(const struct look *look, struct agora_text name) {
    return look->rule->any_user || !is_any_user(name);
}

static bool allows_user(const struct look *look, struct agora_text name) {
    return is_any_user(name) || any_fits(&look->rule->users, look, name);
}

static void put_pattern(struct allowed *allowed, const struct pattern *pattern,
                        struct agora_text value) {
    char text[2 * AGORA_USER_MAX] = "";
    snprintf(text, sizeof text, "%.*s%.*s%.*s", (int)pattern->before.length, pattern->before.data,
             (int)value.length, value.length > 0 ? value.data : "", (int)pattern->after.length,
             pattern->after.length > 0 ? pattern->after.data : "");
    put_item(allowed, agora_text_of(text));
}

static void put_patterns(struct allowed *allowed, const struct identity *identity,
                         const struct list *patterns) {
    const struct pattern *pattern = patterns->items;
    for (size_t i = 0; i < patterns->count && !allowed->is_full; i++, pattern++) {
        struct values values = values_at(identity, &pattern->path);
        struct scalar scalar;
        if (pattern->path.steps.count == 0)
            put_pattern(allowed, pattern, (struct agora_text){NULL, 0});
        else
            while (!allowed->is_full && next_text(&values, &scalar))
                put_pattern(allowed, pattern, scalar.text);
    }
}

static void put_channels(struct allowed *allowed, const struct look *look) {
    put_patterns(allowed, look->identity, &look->rule->channels);
}

static void put_users(struct allowed *allowed, const struct look *look) {
    put_patterns(allowed, look->identity, &look->rule->users);
}

/* Which names of a service: its channel and what permissions name but users, its user, and users
 * that permissions name. */
enum { CHANNELS = 1, USER = 2, OTHER_USERS = 4 };

/* In the order in which a rule is held against a token. A refusal is about the last of them that
 * any rule has come to. */
static const struct row {
    const char *field;
    const char *what;
    const char *why;
    put_allowed *put_allowed; /* the list behind `why`, of each rule that has come to this */
    allows_service *allows_service;
    allows_name *allows_name;
    unsigned names; /* that allows_name is given */
} rows[] = {
    {"caller", "caller", "has no rule", NULL, NULL, NULL, 0},
    {"if", "what the credential says of", "is not what a rule for this caller asks", NULL, NULL,
     NULL, 0},
    {"services", "service", "is not allowed: this caller may have ", put_types, allows_type, NULL,
     0},
    {"app_tokens", "a token of", "that is for no single user is not allowed", NULL, allows_app,
     NULL, 0},
    {"wildcard_channel", "channel", "is not allowed: use one without * in it", NULL, NULL,
     allows_wildcard, CHANNELS | OTHER_USERS},
    {"channels", "channel", "is not allowed: this caller may have ", put_channels, NULL,
     allows_channel, CHANNELS},
    {"any_user", "user", "stands for any user, which is not allowed", NULL, NULL, allows_any_user,
     USER | OTHER_USERS},
    {"users", "user", "is not allowed: this caller may have ", put_users, NULL, allows_user,
     USER | OTHER_USERS},
    {"roles", "role", "is not allowed: this caller may have ", put_roles, allows_role, NULL, 0},
    {"apaas_roles", "role", "is not allowed: this caller may have ", put_apaas_roles,
     allows_apaas_role, NULL, 0},
    {"max_expire", "expire", "is not allowed: this caller may have 1 to ", put_max_expire,
     allows_lifetime, NULL, 0},
};

enum { ROW_CALLER, ROW_IF, ROW_SERVICES, ROWS = sizeof rows / sizeof rows[0] };

static bool names_fit(const struct row *row, const struct look *look, struct agora_text *name) {
    const struct agora_service *service = look->service;
    if (row->names & CHANNELS && has_channel(service)) {
        *name = service->channel;
        if (!row->allows_name(look, *name))
            return false;
    }
    if (row->names & USER && has_user(look)) {
        *name = user_of(look);
        if (!row->allows_name(look, *name))
            return false;
    }
    for (size_t i = 0; i < service->permission_count; i++) {
        const struct agora_rtm2_permission *permission = &service->permissions[i];
        unsigned names = permission->resource == AGORA_RTM2_USERS ? OTHER_USERS : CHANNELS;
        for (size_t j = 0; j < permission->name_count && row->names & names; j++) {
            *name = permission->names[j];
            if (!row->allows_name(look, *name))
                return false;
        }
    }
    return true;
}

static bool row_fits(const struct row *row, struct look *look, struct offence *offence) {
    *offence = (struct offence){0};
    for (size_t i = 0; i < look->wanted->token_count; i++) {
        look->token = &look->wanted->tokens[i];
        for (size_t j = 0; j < look->token->service_count; j++) {
            look->service = &look->token->services[j];
            if (row->allows_service ? !row->allows_service(look, offence)
                                    : !names_fit(row, look, &offence->value))
                return false;
        }
    }
    return true;
}

/* The row that the rule does not fit, with what does not, or ROWS if it fits. */
static size_t judge(struct look *look, const struct rule *rule, struct offence *offence) {
    size_t row = ROW_SERVICES;
    look->rule = rule;
    *offence = (struct offence){.value = look->identity->caller->name};
    if (!rule_is_for(rule, look->identity->caller))
        return ROW_CALLER;
    if (!conditions_hold(rule, look->identity, offence))
        return ROW_IF;
    while (row < ROWS && row_fits(&rows[row], look, offence))
        row++;
    return row;
}

/* Says what none of the rules grants, and what those do grant that came as far as this row. */
static void refuse(struct look *look, const struct rule *rules, size_t count, size_t row,
                   struct decision *decision) {
    struct allowed allowed = {.text = decision->text};
    struct offence offence = {.value = look->identity->caller->name};
    decision->field = rows[row].field;
    for (size_t i = 0; i < count || allowed.length == 0; i++) {
        if (count > 0 && judge(look, &rules[i], &offence) != row)
            continue;
        if (allowed.length == 0) {
            put(&allowed, rows[row].what);
            put(&allowed, " ");
            allowed.list = allowed.length;
            if (offence.value.data)
                put_item(&allowed, offence.value);
            else
                put_number(&allowed, offence.number);
            put(&allowed, " ");
            put(&allowed, rows[row].why);
            allowed.list = allowed.length;
        }
        if (rows[row].put_allowed)
            rows[row].put_allowed(&allowed, look);
    }
    if (rows[row].put_allowed && allowed.length == allowed.list)
        put(&allowed, "none");
}

static bool decide_by(const struct rule *rules, size_t count, const struct identity *identity,
                      const struct wanted *wanted, struct decision *decision) {
    size_t effort = EFFORT_MAX;
    struct look look = {.effort = &effort, .identity = identity, .wanted = wanted};
    struct offence offence;
    size_t nearest = ROW_CALLER;
    *decision = (struct decision){0};
    for (size_t i = 0; i < count; i++) {
        const struct rule *rule = &rules[i];
        size_t row = judge(&look, rule, &offence);
        if (row == ROWS) {
            bool is_more = wanted->expire > rule->max_expire; /* and not asked for */
            decision->rule = rule;
            decision->expire = is_more ? rule->max_expire : wanted->expire;
            return true;
        }
        if (row > nearest)
            nearest = row;
    }
    if (effort == 0) {
        decision->field = rows[nearest].field;
        snprintf(decision->text, sizeof decision->text,
                 "the request names more channels and users than can be held against the rules: "
                 "use fewer");
        return false;
    }
    effort = EFFORT_MAX;
    refuse(&look, rules, count, nearest, decision);
    return false;
}

bool decide(const struct policy *policy, const struct identity *identity,
            const struct wanted *wanted, struct decision *decision) {
    return decide_by(policy->rules.items, policy->rules.count, identity, wanted, decision);
}

bool decide_by_rule(const struct rule *rule, const struct identity *identity,
                    const struct wanted *wanted, struct decision *decision) {
    return decide_by(rule, 1, identity, wanted, decision);
}

void decision_shorten(const struct decision *decision, struct agora_service *services,
                      size_t service_count) {
    for (size_t i = 0; i < service_count; i++)
        for (size_t j = 0; j < services[i].privilege_count; j++)
            if (services[i].privileges[j].expire > decision->expire)
                services[i].privileges[j].expire = decision->expire;
}
