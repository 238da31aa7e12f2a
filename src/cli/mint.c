/* What the subcommands that mint have in common. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/credentials.h"

enum { TOKEN_COMMON = 2048 };

const struct option_spec options_rtm_part[] = {
    OPTION("rtm-user", "NAME", KIND_USER, rtm_user, "the user of RTM; default: that of RTC"),
    OPTION("rtm-expire", "DURATION", KIND_DURATION, rtm_expire,
           "of the privilege to log in to RTM; default: that of the token"),
    OPTIONS_END,
};

uint32_t expire_of(const struct values *values) {
    return values->expire.given ? (uint32_t)values->expire.value : EXPIRE_DEFAULT;
}

uint64_t now_of(const struct values *values) {
    return values->at.given ? (uint64_t)values->at.value : (uint64_t)time(NULL);
}

void apply_lifetime(struct agora_service *service, uint16_t privilege,
                    const struct lifetime *lifetime) {
    if (lifetime->none)
        agora_service_forbid(service, privilege);
    else if (lifetime->duration.given)
        agora_service_allow(service, privilege, (uint32_t)lifetime->duration.value);
}

struct agora_service rtc_service(const struct values *values) {
    enum agora_role role = values->role ? values->role : AGORA_ROLE_PUBLISHER;
    struct agora_service service =
        agora_service_rtc(values->channel, rtc_user(values), role, expire_of(values));
    apply_lifetime(&service, AGORA_RTC_JOIN_CHANNEL, &values->join);
    apply_lifetime(&service, AGORA_RTC_PUBLISH_AUDIO, &values->audio);
    apply_lifetime(&service, AGORA_RTC_PUBLISH_VIDEO, &values->video);
    apply_lifetime(&service, AGORA_RTC_PUBLISH_DATA, &values->data);
    return service;
}

int fill_rtc_with_rtm(const struct command *command, const struct values *values,
                      struct agora_service out[2]) {
    int status = require_rtc_user(command, values);
    if (status != 0)
        return status;
    struct agora_text rtm_user = is_given(values->rtm_user) ? values->rtm_user : rtc_user(values);
    if (rtm_user.length == 0)
        return complain(command, "--rtm-user NAME is missing: RTM has no user 0");
    agora_services_rtc_with_rtm(out, rtc_service(values), rtm_user,
                                values->rtm_expire.given ? (uint32_t)values->rtm_expire.value
                                                         : expire_of(values));
    return 0;
}

/* One line: the token, or JSON with what the caller could not know before. */
static int print_line(const struct command *command, const struct values *values,
                      const struct agora_token *token, const char *text) {
    int status = EXIT_OK;
    if (values->json) {
        struct json_object *json = json_object_new_object();
        json_object_object_add(json, "token", json_object_new_string(text));
        json_object_object_add(json, "issue_ts", json_object_new_int64(token->issue_ts));
        json_object_object_add(json, "expire", json_object_new_int64(token->expire));
        json_object_object_add(json, "ends", json_object_new_uint64(agora_token_end(token)));
        puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
                                                      JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(json);
    } else {
        puts(text);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        status = complain_failed(command, "cannot write to standard output");
    return status;
}

int print_token(const struct command *command, const struct values *values,
                struct agora_minter *minter, const struct agora_token *token,
                struct agora_text certificate) {
    enum agora_token_error error = AGORA_TOKEN_NO_MEMORY;
    size_t length;
    size_t size = TOKEN_COMMON;
    char *text = malloc(size);
    if (text)
        error = agora_token_mint(minter, token, certificate, text, size, &length);
    if (error == AGORA_TOKEN_NO_ROOM) {
        free(text);
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

int mint_and_print(const struct command *command, const struct values *values,
                   const struct agora_service *services, size_t count) {
    struct credentials credentials;
    struct agora_minter *minter = NULL;
    int status = credentials_find(command, values, NEED_APP_ID | NEED_CERTIFICATE, &credentials);
    if (status != 0)
        goto out;

    struct agora_token token = {
        .app_id = agora_text_of(credentials.app_id),
        .issue_ts =
            values->issue_ts.given ? (uint32_t)values->issue_ts.value : (uint32_t)time(NULL),
        .expire = expire_of(values),
        .salt = (uint32_t)values->salt.value,
        .service_count = count,
        .services = services,
    };
    minter = agora_minter_new();
    if (!minter || (!values->salt.given && agora_token_salt(minter, &token.salt))) {
        status = complain_failed(command, "OpenSSL failed, or there is no memory");
        goto out;
    }
    status = print_token(command, values, minter, &token, agora_text_of(credentials.certificate));
out:
    agora_minter_free(minter);
    credentials_wipe(&credentials);
    return status;
}
