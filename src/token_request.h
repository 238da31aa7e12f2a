/*
 * What a token is asked for, whoever asks, and the one table of what can be asked for: POST
 * /getToken, POST /token/generate and the subcommands of the tool each read their own input into a
 * token_request and take the rest from the table.
 */
#ifndef TOKEN_REQUEST_H
#define TOKEN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agora_token.h"

/* Seconds that a token lasts when nobody says otherwise. */
enum { EXPIRE_DEFAULT = 3600 };

/* How long a token shall last. */
struct expiry {
    uint32_t seconds;
    bool is_asked; /* false: by default */
};

/* What a kind of service takes from a request. */
enum request_field {
    TAKES_CHANNEL = 1,
    TAKES_UID = 2,  /* the user of a service with a channel */
    TAKES_USER = 4, /* the user of any other service, which is never empty */
    TAKES_ROOM = 8, /* and with it a number as role */
    TAKES_ROLE = 16,
    TAKES_PERMISSIONS = 32,
};

/* Texts and permissions belong to whoever fills the request in, and must outlive the services. */
struct token_request {
    struct agora_text channel;
    struct agora_text uid; /* in decimal, "" for any user, or an account */
    struct agora_text user;
    struct agora_text room;
    enum agora_role role;
    int16_t room_role;
    size_t permission_count;
    const struct agora_rtm2_permission *permissions;
    uint32_t channel_expire; /* seconds, of privileges in services with a channel */
    uint32_t user_expire;    /* seconds, of all other privileges */
};

/* More than the most services that one request can ask for: every row of the table once. */
enum { SERVICES_MAX = 20 };

/* The services of a token to be. All zero is none. */
struct service_list {
    size_t count;
    struct agora_service list[SERVICES_MAX];
    char chat_user[AGORA_MD5_SIZE]; /* which one of them may point to */
};

/* A row: one kind of service. Some token types have several, of which the request chooses one. */
struct service_kind {
    const char *token_type; /* in /getToken, and the name of the subcommand */
    unsigned chosen_by;     /* fields that choose this row of its token type when they are given */
    unsigned takes;
    bool with_rtc_and_rtm; /* as a token type; in /token/generate those have members of their own */
    /* The object in a body of /token/generate, its member that asks for this kind, and its member
     * that names the user where that is not the uid of the body; NULL where there is none. */
    const char *member;
    const char *flag;
    const char *user_member;
    uint32_t expire; /* seconds that a token of this type lasts by default */
    /* What makes the service, by what it takes; none where those of RTC and RTM are all. */
    struct agora_service (*of_channel)(struct agora_text channel, struct agora_text uid,
                                       uint32_t expire);
    struct agora_service (*of_user)(struct agora_text user, uint32_t expire);
    struct agora_service (*of_app)(uint32_t expire);
    struct agora_service (*of_nobody)(void);
    enum agora_token_error (*add)(const struct token_request *, struct service_list *);
};

/* Ended by a token_type NULL. */
extern const struct service_kind service_kinds[];

/* The row of a token type for a request that gives these fields; NULL when there is no such type.
 */
const struct service_kind *service_kind_of(struct agora_text token_type, unsigned given);

/* The service of this kind. The request must hold what the kind takes. Fails only when OpenSSL
 * does.
 */
enum agora_token_error service_kind_add(const struct service_kind *kind,
                                        const struct token_request *request,
                                        struct service_list *services);

/* All that a token of this type carries, likewise. */
enum agora_token_error service_kind_add_all(const struct service_kind *kind,
                                            const struct token_request *request,
                                            struct service_list *services);

/* "rtc, rtm, … or stt": every token type. */
struct token_types {
    char text[128];
};
struct token_types token_types(void);

#endif
