/* What the subcommands that mint have in common. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/description.h"
#include "token_request.h"

uint64_t now_of(const struct values *values) {
    return values->at.given ? (uint64_t)values->at.value : (uint64_t)time(NULL);
}

void print_json(struct json_object *json) {
    puts(json_object_to_json_string_ext(json,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(json);
}

int flush_output(const struct command *command) {
    return fflush(stdout) == 0 && !ferror(stdout)
               ? 0
               : complain_failed(command, "cannot write to standard output");
}

/* One line: the token, or JSON with what the caller could not know before. */
static int print_line(const struct command *command, const struct values *values,
                      const struct agora_token *token, const char *text) {
    if (values->json) {
        struct json_object *json = json_object_new_object();
        json_object_object_add(json, "token", json_object_new_string(text));
        json_object_object_add(json, "issue_ts", json_object_new_int64(token->issue_ts));
        json_object_object_add(json, "expire", json_object_new_int64(token->expire));
        json_object_object_add(json, "ends", json_object_new_uint64(agora_token_end(token)));
        print_json(json);
    } else {
        puts(text);
    }
    return flush_output(command);
}

static int mint(const struct command *command, const struct values *values,
                struct agora_minter *minter, const struct agora_token *token,
                struct agora_text certificate) {
    size_t length;
    char *text = NULL;
    /* The first call tells the length. */
    enum agora_token_error error = agora_token_mint(minter, token, certificate, NULL, 0, &length);
    if (error == AGORA_TOKEN_NO_ROOM) {
        text = malloc(length + 1);
        error = text ? agora_token_mint(minter, token, certificate, text, length + 1, &length)
                     : AGORA_TOKEN_NO_MEMORY;
    }
    int status =
        error ? complain_failed(command, "cannot mint the token: %s", agora_token_strerror(error))
              : print_line(command, values, token, text);
    free(text);
    return status;
}

int print_token(const struct command *command, const struct values *values,
                const struct description *description) {
    struct agora_token token = description->token;
    struct agora_text certificate = description->certificate;
    struct settings *credentials = NULL;
    struct agora_minter *minter = NULL;
    unsigned needs =
        (is_given(token.app_id) ? 0 : NEED_APP_ID) | (is_given(certificate) ? 0 : NEED_CERTIFICATE);
    int status = needs ? credentials_find(command, values, needs, &credentials) : 0;
    if (status != 0)
        return status;
    if (needs & NEED_APP_ID)
        token.app_id = agora_text_of(credentials->app_id);
    if (needs & NEED_CERTIFICATE)
        certificate = agora_text_of(credentials->app_certificate);
    if (!(description->gives & GIVES_ISSUE_TS))
        token.issue_ts = (uint32_t)(values->issue_ts.given ? values->issue_ts.value : time(NULL));
    if (!(description->gives & GIVES_EXPIRE))
        token.expire = values->expire.given ? (uint32_t)values->expire.value : EXPIRE_DEFAULT;
    if (!(description->gives & GIVES_SALT))
        token.salt = (uint32_t)values->salt.value;
    minter = agora_minter_new();
    if (!minter)
        status = complain_failed(command, "OpenSSL failed, or there is no memory");
    else if (!(description->gives & GIVES_SALT) && !values->salt.given &&
             agora_token_salt(minter, &token.salt) != AGORA_TOKEN_OK)
        status = complain_failed(command, "the system has no random numbers");
    else
        status = mint(command, values, minter, &token, certificate);
    agora_minter_free(minter);
    settings_release(credentials);
    return status;
}

/* Gives privileges the lifetimes that options say, or takes them away. */
static void apply_lifetimes(const struct values *values, struct service_list *services) {
    const struct {
        uint16_t type;
        uint16_t privilege;
        const struct lifetime *lifetime;
    } lifetimes[] = {
        {AGORA_SERVICE_RTC, AGORA_RTC_JOIN_CHANNEL, &values->join},
        {AGORA_SERVICE_RTC, AGORA_RTC_PUBLISH_AUDIO, &values->audio},
        {AGORA_SERVICE_RTC, AGORA_RTC_PUBLISH_VIDEO, &values->video},
        {AGORA_SERVICE_RTC, AGORA_RTC_PUBLISH_DATA, &values->data},
        {AGORA_SERVICE_STREAMING, AGORA_STREAMING_PUBLISH_MIXED, &values->mixed},
        {AGORA_SERVICE_STREAMING, AGORA_STREAMING_PUBLISH_RAW, &values->raw},
        {AGORA_SERVICE_FCDN, AGORA_FCDN_PUBLISH, &values->publish},
        {AGORA_SERVICE_FCDN, AGORA_FCDN_PLAY, &values->play},
    };
    for (size_t i = 0; i < services->count; i++) {
        struct agora_service *service = &services->list[i];
        for (size_t j = 0; j < sizeof lifetimes / sizeof lifetimes[0]; j++) {
            if (service->type != lifetimes[j].type)
                continue;
            if (lifetimes[j].lifetime->none)
                agora_service_forbid(service, lifetimes[j].privilege);
            else if (lifetimes[j].lifetime->duration.given)
                agora_service_allow(service, lifetimes[j].privilege,
                                    (uint32_t)lifetimes[j].lifetime->duration.value);
        }
    }
}

/* A token is of the app only where --app says so, and not because --user was forgotten. */
static int check(const struct command *command, const struct values *values,
                 const struct service_kind *kind, const struct token_request *request) {
    struct agora_text type = agora_text_of(kind->token_type);
    bool may_be_of_app = service_kind_of(type, TAKES_USER)->chosen_by == TAKES_USER;
    bool has_user = is_given(request->user);
    bool has_room = is_given(request->room);
    const struct {
        bool is_wrong;
        const char *complaint;
    } checks[] = {
        {may_be_of_app && values->app == has_user, "give either --user NAME or --app"},
        {values->app && has_room, "--room stands with --user, not with --app"},
        {has_room && !values->room_role.given,
         "--role NUMBER is missing: a user has a role in a room"},
        {!has_room && values->room_role.given,
         "--role stands with --room NAME: a user has a role in a room"},
        {kind->takes & TAKES_CHANNEL && !is_given(request->channel), "--channel NAME is missing"},
        {kind->takes & TAKES_UID && !is_given(request->uid),
         "--uid NUMBER or --user ACCOUNT is missing; --uid 0 admits any user"},
        {kind->with_rtc_and_rtm && request->user.length == 0,
         "--rtm-user NAME is missing: RTM has no user 0"},
        {kind->takes & TAKES_USER && !has_user, "--user NAME is missing"},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (checks[i].is_wrong)
            return complain(command, "%s", checks[i].complaint);
    return 0;
}

int mint_token_type(const struct command *command, struct values *values) {
    struct token_request request = {
        .channel = values->channel,
        .uid = rtc_user(values),
        .user = is_given(values->rtm_user) ? values->rtm_user : rtc_user(values),
        .room = values->room,
        .role = values->role ? values->role : AGORA_ROLE_PUBLISHER,
        .room_role = (int16_t)values->room_role.value,
        .permission_count = values->permissions.count,
        .permissions = values->permissions.list,
    };
    unsigned given = (is_given(request.channel) ? TAKES_CHANNEL : 0) |
                     (is_given(request.user) ? TAKES_USER : 0) |
                     (is_given(request.room) ? TAKES_ROOM : 0);
    const struct service_kind *kind = service_kind_of(agora_text_of(command->name), given);
    int status = check(command, values, kind, &request);
    if (status != 0)
        return status;

    uint32_t expire = values->expire.given ? (uint32_t)values->expire.value : kind->expire;
    request.channel_expire = expire;
    request.user_expire = values->rtm_expire.given ? (uint32_t)values->rtm_expire.value : expire;
    struct service_list services = {0};
    enum agora_token_error error = service_kind_add_all(kind, &request, &services);
    if (error)
        return complain_failed(command, "%s", agora_token_strerror(error));
    apply_lifetimes(values, &services);
    if (values->take)
        return values->take(command, values, expire, &services);
    const struct description description = {
        .token = {.expire = expire, .service_count = services.count, .services = services.list},
        .gives = GIVES_EXPIRE,
    };
    return print_token(command, values, &description);
}
