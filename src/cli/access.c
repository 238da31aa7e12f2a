/* The subcommands about access control: a policy in plain words, and keys for its callers. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/access.h"
#include "access/api_key.h"
#include "cli/cli.h"
#include "text.h"
#include "token_request.h"

/* Reads the policy and the files that it names, as the service does. NULL after a complaint. */
static struct access *load(const struct command *command, const char *path) {
    char error[ACCESS_ERROR_MAX];
    struct access *access = access_load(path, ACCESS_TOOL, NULL, error);
    if (!access)
        complain_failed(command, "%s", error);
    return access;
}

static struct json_object *member(const struct policy *policy, const struct rule *rule,
                                  const char *name) {
    struct json_object *rules = json_object_object_get(policy->json, "rules");
    return json_object_object_get(json_object_array_get_idx(rules, rule->number), name);
}

static void print(struct agora_text text) {
    text_print(text, stdout);
}

/* "before a, b, c", if there is anything to name. */
static void print_list(const char *before, struct json_object *list) {
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        fputs(i == 0 ? before : ", ", stdout);
        print(agora_text_of(json_object_get_string(json_object_array_get_idx(list, i))));
    }
}

static void print_texts(const char *before, const struct list *list) {
    const struct agora_text *texts = list->items;
    for (size_t i = 0; i < list->count; i++) {
        fputs(i == 0 ? before : " or ", stdout);
        print(texts[i]);
    }
}

static void print_named(const char *before, struct agora_text text) {
    if (!is_given(text))
        return;
    fputs(before, stdout);
    print(text);
}

static void print_rule(const struct policy *policy, const struct rule *rule) {
    struct json_object *condition = member(policy, rule, "if");
    struct json_object *rate = member(policy, rule, "rate");
    printf("  rules[%zu]: ", rule->number);
    if (rule->conditions.count > 0)
        printf("if %s, ",
               json_object_to_json_string_ext(condition, JSON_C_TO_STRING_NOSLASHESCAPE));
    print_list("tokens for ", member(policy, rule, "services"));
    print_list("; channels ", member(policy, rule, "channels"));
    print_list("; users ", member(policy, rule, "users"));
    print_list("; roles ", member(policy, rule, "roles"));
    print_list("; APaaS roles ", member(policy, rule, "apaas_roles"));
    printf("; up to %u seconds", rule->max_expire);
    if (rate)
        printf("; %s for each of them", json_object_get_string(rate));
    putchar('\n');
}

static void print_caller(const struct caller *caller) {
    const struct jwt_caller *jwt = &caller->jwt;
    const struct server_parameter *parameters = caller->server.parameters.items;
    const struct api_key *keys = caller->api_keys.items;
    print(caller->name);
    print_named(": who has a JWT of ", jwt->issuer);
    print_texts(" for ", &jwt->audience);
    print_named(" in the claim ", jwt->audience_claim);
    print_named(", by the keys in ", jwt->jwks_file);
    print_named(", by the keys of ", jwt->jwks_url);
    print_named(", by the secret in ", jwt->secret_file);
    print_named(", also in the cookie ", jwt->cookie);
    for (size_t i = 0; i < caller->api_keys.count; i++)
        print_named(i == 0 ? ": who has the API key " : " or ", keys[i].id);
    for (size_t i = 0; i < caller->server.parameters.count; i++) {
        print_named(i == 0 ? ": whom the web server names, " : ", ", parameters[i].name);
        print_named(" in ", parameters[i].parameter);
    }
    putchar('\n');
}

/* What is more than it may seem, or less. Each returns how much it has told. */

static size_t tell(bool is_so, const char *place, struct agora_text name, const char *why) {
    if (is_so) {
        print_named(place, name);
        printf("%s\n", why);
    }
    return is_so;
}

/* A pattern of nothing but '*'. */
static bool has_any(const struct list *patterns) {
    const struct pattern *pattern = patterns->items;
    for (size_t i = 0; i < patterns->count; i++)
        if (pattern[i].literals == 0 && pattern[i].path.steps.count == 0)
            return true;
    return false;
}

static size_t tell_rule(const struct rule *rule) {
    char number[24];
    struct agora_text name = {number, (size_t)snprintf(number, sizeof number, "%zu", rule->number)};
    static const char place[] = "  rules[";
    return tell(has_any(&rule->channels), place, name, "].channels: * is any channel") +
           tell(has_any(&rule->users), place, name,
                "].users: * is any user, whose name the caller chooses") +
           tell(rule->wildcard_channel, place, name,
                "].wildcard_channel: a token for all channels at once") +
           tell(rule->any_user, place, name,
                "].any_user: a token that anybody can use under any name") +
           tell(rule->app_tokens, place, name,
                "].app_tokens: a token that may do all that the app may") +
           tell(rule->max_expire > 86400, place, name,
                "].max_expire: a token that leaks holds for more than a day");
}

static size_t tell_caller(const struct policy *policy, const struct caller *caller) {
    const struct server_parameter *parameters = caller->server.parameters.items;
    const struct api_key *keys = caller->api_keys.items;
    const struct rule *rules = policy->rules.items;
    static const char place[] = "  callers.";
    size_t told = 0;
    size_t own = 0;
    for (size_t i = 0; i < policy->rules.count; i++)
        own += rule_is_for(&rules[i], caller);
    told +=
        tell(own == 0, place, caller->name, ": no rule is for this caller, which gets no token");
    for (size_t i = 0; i < caller->server.parameters.count; i++)
        told +=
            tell(strncasecmp(parameters[i].parameter.data, "HTTP_", 5) == 0, place, caller->name,
                 ": clients send such headers themselves, unless the web server takes them away");
    for (size_t i = 0; i < caller->api_keys.count; i++) {
        told += tell(keys[i].expires == 0, place, caller->name, ": an API key never expires");
        told += tell(keys[i].expires != 0 && keys[i].expires <= time(NULL), place, caller->name,
                     ": an API key has expired");
    }
    return told;
}

static int run_check(const struct command *command, struct values *values) {
    if (!values->operand)
        return complain(command, "FILE is missing: which policy is to be checked?");
    struct access *access = load(command, values->operand);
    if (!access)
        return EXIT_FAILED;
    const struct policy *policy = access_policy(access);
    const struct caller *callers = policy->callers.items;
    const struct rule *rules = policy->rules.items;
    size_t told = 0;
    for (size_t i = 0; i < policy->callers.count; i++) {
        print_caller(&callers[i]);
        for (size_t j = 0; j < policy->rules.count; j++)
            if (rule_is_for(&rules[j], &callers[i]))
                print_rule(policy, &rules[j]);
    }
    puts("To be looked at twice:");
    for (size_t i = 0; i < policy->callers.count; i++)
        told += tell_caller(policy, &callers[i]);
    for (size_t i = 0; i < policy->rules.count; i++)
        told += tell_rule(&rules[i]);
    if (told == 0)
        puts("  nothing");
    access_release(access);
    return EXIT_OK;
}

/* The key stands on a line of its own, for programs. */
static int run_key(const struct command *command, struct values *values) {
    char key[API_KEY_LENGTH + 1];
    unsigned char hash[API_KEY_HASH_LENGTH];
    char hex[2 * API_KEY_HASH_LENGTH + 1];
    if (!api_key_make(key) || !api_key_hash(EVP_sha256(), agora_text_of(key), hash))
        return complain_failed(command, "OpenSSL has no random numbers or no SHA-256");
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    struct agora_text id = is_given(values->id) ? values->id : (struct agora_text){hex, 8};
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "id", json_object_new_string_len(id.data, (int)id.length));
    json_object_object_add(json, "sha256", json_object_new_string(hex));
    printf("%s\n", key);
    fflush(stdout);
    fputs("This is the key, which nobody can tell again. For api_keys in the policy:\n", stderr);
    puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_SPACED));
    json_object_put(json);
    OPENSSL_cleanse(key, sizeof key);
    return EXIT_OK;
}

static const struct option_spec options_key[] = {
    OPTION("id", "ID", KIND_USER, id, "what the log calls the key; default: part of its hash"),
    OPTIONS_END,
};

static void free_environment(char **environment) {
    for (char **variable = environment; variable && *variable; variable++)
        free(*variable);
    free(environment);
}

/* The request that shows these credentials, as a web server describes it; NULL when there is no
 * memory. To be given to free_environment. */
static char **environment_of(const struct values *values) {
    const struct variables *variables = &values->variables;
    char **environment = calloc(variables->count + 3, sizeof *environment);
    size_t count = 0;
    bool made = environment != NULL;
    if (made && values->bearer)
        made = asprintf(&environment[count++], "HTTP_AUTHORIZATION=Bearer %s", values->bearer) > 0;
    if (made && values->api_key)
        made = asprintf(&environment[count++], "HTTP_X_API_KEY=%s", values->api_key) > 0;
    for (size_t i = 0; made && i < variables->count; i++)
        made = (environment[count++] = strdup(variables->list[i])) != NULL;
    if (made)
        return environment;
    if (environment && count > 0)
        environment[count - 1] = NULL; /* which a failed asprintf leaves undefined */
    free_environment(environment);
    return NULL;
}

/* Says of each rule up to the first that fits what it has against the token. */
static int take(const struct command *command, const struct values *values, uint32_t expire,
                struct service_list *services) {
    const struct wanted_token token = {services->count, services->list};
    const struct wanted wanted = {1, &token, expire, values->expire.given};
    static struct identification who;
    struct decision decision = {0};
    struct access *access = load(command, values->outer->operand);
    char **environment = access ? environment_of(values->outer) : NULL;
    if (!access)
        return EXIT_FAILED;
    if (!environment) {
        access_release(access);
        return complain_failed(command, "out of memory");
    }
    const struct policy *policy = access_policy(access);
    const struct request request = {.environment = environment};
    int status = EXIT_FAILED;
    if (access_identify(access, &request, false, time(NULL), &who) != ACCESS_IDENTIFIED) {
        complain_failed(command, "the policy does not know who asks: %s",
                        credential_verdict_text(who.verdict));
        goto out;
    }
    print_named("caller ", who.identity.caller->name);
    print_named(", subject ", who.identity.subject);
    putchar('\n');
    for (size_t i = 0; i < policy->rules.count && !decision.rule; i++) {
        const struct rule *rule = (const struct rule *)policy->rules.items + i;
        printf("rules[%zu]: ", i);
        if (decide_by_rule(rule, &who.identity, &wanted, &decision))
            printf("allowed, for %u seconds\n", decision.expire);
        else
            puts(decision.text);
    }
    bool granted = decision.rule;
    puts(granted ? "allowed" : "refused");
    status = granted ? EXIT_OK : EXIT_FAILED;
    identification_free(&who);
out:
    free_environment(environment);
    access_release(access);
    return status;
}

static const struct option_spec options_help[] = {
    OPTION("help", NULL, KIND_FLAG, help, "print this and exit"),
    OPTIONS_END,
};

static const struct command command_access_check = {
    .name = "access check",
    .summary = "Says who may get what by a policy, and what of that is wide.",
    .synopsis = "FILE",
    .takes_operand = true,
    .notes = "Exit status: 0 it is a policy, 1 it is none, with what is wrong and where, 2 wrong\n"
             "usage.",
    .groups = {options_help},
    .run = run_check,
};

static const struct command command_access_key = {
    .name = "access key",
    .summary = "Makes an API key, and the line for it in a policy.",
    .synopsis = "[OPTION...]",
    .groups = {options_key, options_help},
    .run = run_key,
};

static const struct option_spec options_try[] = {
    OPTION("bearer", "TOKEN", KIND_STRING, bearer,
           "what the request shows in Authorization; everybody on this machine\n"
           "can see it in the list of processes, as with --api-key"),
    OPTION("api-key", "KEY", KIND_STRING, api_key, "what it shows in X-API-Key"),
    OPTION("server", "NAME=VALUE", KIND_VARIABLE, variables,
           "a parameter that the web server sets"),
    OPTIONS_END,
};

static const struct command command_access_try = {
    .name = "access try",
    .summary = "Says whether somebody may have a token by a policy, and if not why.",
    .synopsis = "FILE [OPTION...] COMMAND [OPTION...]",
    .notes = "COMMAND with its options is one that mints a token, such as rtc. Exit status:\n"
             "0 allowed, 1 refused, 2 wrong usage.",
    .groups = {options_try, options_help},
    .take = take,
};

static const struct command *const subcommands[] = {&command_access_key, &command_access_check,
                                                    &command_access_try, NULL};

const struct command command_access = {
    .name = "access",
    .summary = "Policies of who may get which token.",
    .synopsis = "COMMAND [OPTION...]",
    .groups = {options_help},
    .subcommands = subcommands,
};
