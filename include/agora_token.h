/*
 * libagoratoken: mint, read and verify Agora access tokens, AccessToken2 ("007").
 *
 * The format is the one that Agora's own builders write
 * (https://github.com/AgoraIO/Tools, DynamicKey/AgoraDynamicKey):
 *
 *     token     = "007" + base64(zlib(string(signature) + message))
 *     message   = string(app_id) u32(issue_ts) u32(expire) u32(salt) u16(n) service...
 *     service   = u16(type) u16(n) { u16(privilege) u32(expire) }... fields
 *     string(s) = u16(length in bytes) bytes
 *     signature = HMAC-SHA256(key = k2, message)
 *     k1        = HMAC-SHA256(key = u32(issue_ts), App Certificate as text)
 *     k2        = HMAC-SHA256(key = u32(salt), k1)
 *
 * All integers are little-endian.
 *
 * No global state. A minter serves one thread at a time; use one per thread. Every other function
 * may be called from any thread.
 */
#ifndef AGORA_TOKEN_H
#define AGORA_TOKEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __GNUC__
#define AGORA_API __attribute__((visibility("default")))
#else
#define AGORA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* App ID and App Certificate are 32 hexadecimal digits, and are used as text. */
#define AGORA_HEX_LENGTH 32
/* The most privileges that one service carries here; Agora defines up to four. */
#define AGORA_PRIVILEGES_MAX 8
/* The same for a token of the old version 006, which had no services; Agora defined up to twelve.
 */
#define AGORA_PRIVILEGES_006_MAX 16
/* The most entries of RTM2 permissions that need not stand in order; see agora_rtm2_permission. */
#define AGORA_PERMISSIONS_UNORDERED_MAX 256
/* Bytes of the signature. */
#define AGORA_SIGNATURE_LENGTH 32
/* Room for a uid of 32 bits, or for an MD5 in hexadecimal, with the NUL. */
#define AGORA_UID_SIZE 11
#define AGORA_MD5_SIZE 33
/* The longest names that Agora allows. */
#define AGORA_CHANNEL_MAX 64
#define AGORA_USER_MAX 255
/* Room in which agora_token_read reads any but a huge token. */
#define AGORA_READ_ROOM 16384
/* Every string of the format carries its length in 16 bits. */
#define AGORA_STRING_MAX 65535

enum agora_service_type {
    AGORA_SERVICE_RTC = 1,
    AGORA_SERVICE_RTM = 2,
    AGORA_SERVICE_STREAMING = 3,
    AGORA_SERVICE_FPA = 4,
    AGORA_SERVICE_CHAT = 5,
    AGORA_SERVICE_FCDN = 6,
    AGORA_SERVICE_APAAS = 7,
    AGORA_SERVICE_RTM2 = 8,
    AGORA_SERVICE_CONVOAI = 9,
    AGORA_SERVICE_STT = 10,
};

/* Privileges are numbered within their service. */
enum {
    AGORA_RTC_JOIN_CHANNEL = 1,
    AGORA_RTC_PUBLISH_AUDIO = 2,
    AGORA_RTC_PUBLISH_VIDEO = 3,
    AGORA_RTC_PUBLISH_DATA = 4,
    AGORA_RTM_LOGIN = 1,
    AGORA_STREAMING_PUBLISH_MIXED = 1,
    AGORA_STREAMING_PUBLISH_RAW = 2,
    AGORA_FPA_LOGIN = 1,
    AGORA_CHAT_USER = 1,
    AGORA_CHAT_APP = 2,
    AGORA_FCDN_PUBLISH = 1,
    AGORA_FCDN_PLAY = 2,
    AGORA_APAAS_ROOM_USER = 1,
    AGORA_APAAS_USER = 2,
    AGORA_APAAS_APP = 3,
    AGORA_RTM2_LOGIN = 1,
};

enum agora_rtm2_resource_type {
    AGORA_RTM2_MESSAGE_CHANNELS = 0,
    AGORA_RTM2_STREAM_CHANNELS = 1,
    AGORA_RTM2_GROUP_CHANNELS = 2,
    AGORA_RTM2_SERVER_GROUPS = 3,
    AGORA_RTM2_USERS = 4,
};

enum agora_rtm2_permission_type {
    AGORA_RTM2_READ = 0,
    AGORA_RTM2_WRITE = 1,
};

/* What Agora's builders call a role: a publisher has every RTC privilege, a subscriber only joins.
 */
enum agora_role {
    AGORA_ROLE_PUBLISHER = 1,
    AGORA_ROLE_SUBSCRIBER = 2,
};

/* Bytes that somebody else owns; need not end in a NUL. {NULL, 0} is the empty string. */
struct agora_text {
    const char *data;
    size_t length;
};

/* The text of a NUL-terminated string, which must outlive it. */
static inline struct agora_text agora_text_of(const char *string) {
    struct agora_text text = {string, strlen(string)};
    return text;
}

/* expire: seconds from the token's issue_ts. 0 never ends before the token itself does. */
struct agora_privilege {
    uint16_t privilege;
    uint32_t expire;
};

/* Who may do what in RTM2: one permission on one list of names of one kind of resource. Each pair
 * of resource and permission stands once. The order does not matter, except that a service with
 * more than AGORA_PERMISSIONS_UNORDERED_MAX entries has them in ascending order. */
struct agora_rtm2_permission {
    uint16_t resource;
    uint16_t permission;
    size_t name_count;
    const struct agora_text *names;
};

/*
 * One service of a token. Which fields count follows from the type:
 *
 *     RTC, STREAMING, FCDN    channel ("*" is every channel), user (the uid in decimal, or the
 *                             account; "" admits any user)
 *     RTM, CHAT               user
 *     APAAS                   channel (the room), user, role
 *     RTM2                    user, permissions
 *     FPA, CONVOAI, STT       none
 */
struct agora_service {
    uint16_t type;
    uint16_t privilege_count;
    struct agora_privilege privileges[AGORA_PRIVILEGES_MAX];
    struct agora_text channel;
    struct agora_text user;
    int16_t role;
    size_t permission_count;
    const struct agora_rtm2_permission *permissions;
};

/* issue_ts: Unix seconds. expire: seconds from issue_ts. salt: any number that others can't guess;
 * agora_token_salt gives one. Services may stand in any order and one type may occur repeatedly. */
struct agora_token {
    struct agora_text app_id;
    uint32_t issue_ts;
    uint32_t expire;
    uint32_t salt;
    size_t service_count;
    const struct agora_service *services;
};

enum agora_token_error {
    AGORA_TOKEN_OK = 0,
    AGORA_TOKEN_BAD_APP_ID,
    AGORA_TOKEN_BAD_CERTIFICATE,
    AGORA_TOKEN_BAD_SERVICE,
    AGORA_TOKEN_BAD_PRIVILEGE,
    AGORA_TOKEN_TOO_LONG,
    AGORA_TOKEN_NO_ROOM,
    AGORA_TOKEN_NO_MEMORY,
    AGORA_TOKEN_CRYPTO,
    AGORA_TOKEN_NO_SERVICE,
    AGORA_TOKEN_BAD_PERMISSION,
    AGORA_TOKEN_BAD_VERSION,
    AGORA_TOKEN_BAD_BASE64,
    AGORA_TOKEN_BAD_ZLIB,
    AGORA_TOKEN_MALFORMED,
    AGORA_TOKEN_BAD_SIGNATURE,
    AGORA_TOKEN_NEEDS_CHANNEL,
};

/* A sentence without full stop, never NULL, not to be freed. */
AGORA_API const char *agora_token_strerror(enum agora_token_error error);

/* 1 if the text is 32 hexadecimal digits, as every App ID and App Certificate is; else 0. */
AGORA_API int agora_token_is_hex_id(struct agora_text text);

/* 1 if Agora allows this as the name of a channel: 1 to 64 bytes, each an ASCII letter or digit, a
 * space or one of !#$%&()+-:;<=.>?@[]^_{}|~, or "*" alone, which is every channel; else 0. */
AGORA_API int agora_channel_is_valid(struct agora_text channel);

/* 1 if the text can be a user or an account: 1 to 255 bytes, no control characters; else 0. */
AGORA_API int agora_user_is_valid(struct agora_text user);

/*
 * Minting.
 */

/*
 * What minting keeps between tokens: contexts of OpenSSL, a first key, random bytes, and once a
 * token of more than some 350 characters was minted, zlib's stream. 10 KiB, and 270 more for that
 * stream. NULL when there is no memory or OpenSSL lacks SHA-256. Make it after fork: two processes
 * that share one would hand out the same salts. The functions that take a minter give
 * AGORA_TOKEN_NO_MEMORY for NULL, so that one check at the end will do.
 */
struct agora_minter;
AGORA_API struct agora_minter *agora_minter_new(void);

/* Wipes every secret, then frees. NULL is allowed. */
AGORA_API void agora_minter_free(struct agora_minter *minter);

/* A random salt from the kernel's generator. AGORA_TOKEN_CRYPTO where the kernel has none. */
AGORA_API enum agora_token_error agora_token_salt(struct agora_minter *minter, uint32_t *salt);

/*
 * Writes the token and a NUL to out, and its length without the NUL to *length.
 *
 * Services are written in ascending order of type and privileges and permissions in ascending
 * order, as Agora's builders do; services of one type keep the order in which they stand. Equal
 * input gives equal bytes. Inflated, they are those of Agora's builders; compressors differ.
 *
 * What it allocates, OpenSSL's short-lived copies and for tokens of more than 4 KiB a buffer, is
 * freed before it returns, but for the minter's stream. On an error out holds "" (where size > 0).
 * AGORA_TOKEN_NO_ROOM sets *length to a size, without the NUL, that is enough.
 */
AGORA_API enum agora_token_error agora_token_mint(struct agora_minter *minter,
                                                  const struct agora_token *token,
                                                  struct agora_text app_certificate, char *out,
                                                  size_t size, size_t *length);

/*
 * Services, as Agora's builders fill them. They take no copies: the texts must live until the token
 * is minted. expire is the lifetime of every privilege; that of the token is the token's own.
 */

/* Each privilege's lifetime in seconds. A subscriber has only the first. */
struct agora_rtc_lifetimes {
    uint32_t join;
    uint32_t audio;
    uint32_t video;
    uint32_t data;
};

/* Writes the uid in decimal, which is how a token carries it, and "" for 0, which admits any user.
 */
AGORA_API struct agora_text agora_uid_text(uint32_t uid, char out[AGORA_UID_SIZE]);

/* RtcTokenBuilder: by role, or with four lifetimes. The user is an account or agora_uid_text. */
AGORA_API struct agora_service agora_service_rtc(struct agora_text channel, struct agora_text user,
                                                 enum agora_role role, uint32_t expire);
AGORA_API struct agora_service
agora_service_rtc_with_lifetimes(struct agora_text channel, struct agora_text user,
                                 enum agora_role role, const struct agora_rtc_lifetimes *lifetimes);

/* What an RTM user needs of RTC to join a stream channel: to join, and to publish data. */
AGORA_API struct agora_service
agora_service_stream_channel(struct agora_text channel, struct agora_text user, uint32_t expire);

/* RtmTokenBuilder: signaling; and RTM2, with a list of what the user may read and write. */
AGORA_API struct agora_service agora_service_rtm(struct agora_text user, uint32_t expire);
AGORA_API struct agora_service agora_service_rtm2(struct agora_text user,
                                                  const struct agora_rtm2_permission *permissions,
                                                  size_t permission_count, uint32_t expire);

/* Publish mixed and raw streams. */
AGORA_API struct agora_service agora_service_streaming(struct agora_text channel,
                                                       struct agora_text user, uint32_t expire);

/* FpaTokenBuilder: the login ends with the token, whose own lifetime is AGORA_FPA_EXPIRE. */
#define AGORA_FPA_EXPIRE 86400
AGORA_API struct agora_service agora_service_fpa(void);

/* ChatTokenBuilder: for a user, or for the app. */
AGORA_API struct agora_service agora_service_chat_user(struct agora_text user, uint32_t expire);
AGORA_API struct agora_service agora_service_chat_app(uint32_t expire);

/* Publish and play. */
AGORA_API struct agora_service agora_service_fcdn(struct agora_text channel, struct agora_text user,
                                                  uint32_t expire);

/* ApaasTokenBuilder and EducationTokenBuilder: for a user of one room, for a user, for the app.
 * The role of the latter two is -1, as a user has a role only in a room. */
AGORA_API struct agora_service agora_service_apaas_room_user(struct agora_text room,
                                                             struct agora_text user, int16_t role,
                                                             uint32_t expire);
AGORA_API struct agora_service agora_service_apaas_user(struct agora_text user, uint32_t expire);
AGORA_API struct agora_service agora_service_apaas_app(uint32_t expire);

/* Neither has a privilege of its own. */
AGORA_API struct agora_service agora_service_convoai(void);
AGORA_API struct agora_service agora_service_stt(void);

/* Gives the privilege this lifetime, and adds it where it is missing. AGORA_TOKEN_BAD_PRIVILEGE,
 * with nothing changed, when the service has AGORA_PRIVILEGES_MAX others. */
AGORA_API enum agora_token_error agora_service_allow(struct agora_service *service,
                                                     uint16_t privilege, uint32_t expire);

/* Takes the privilege away; no matter if the service does not have it. */
AGORA_API void agora_service_forbid(struct agora_service *service, uint16_t privilege);

/*
 * Tokens of several services, as Agora's builders fill them: each function writes as many as stand
 * in brackets. The RTC part comes from one of the functions above, with its own user and lifetimes.
 */

/* RTM with a stream channel. */
AGORA_API void agora_services_rtm_with_stream(struct agora_service out[2], struct agora_text user,
                                              struct agora_text channel, uint32_t expire);

/* RtcTokenBuilder's RTC with RTM. */
AGORA_API void agora_services_rtc_with_rtm(struct agora_service out[2], struct agora_service rtc,
                                           struct agora_text rtm_user, uint32_t rtm_expire);

/* ConvoAITokenBuilder. */
AGORA_API void agora_services_convoai(struct agora_service out[3], struct agora_service rtc,
                                      struct agora_text rtm_user, uint32_t rtm_expire);

/* SttTokenBuilder. */
AGORA_API void agora_services_stt(struct agora_service out[3], struct agora_service rtc,
                                  struct agora_text rtm_user, uint32_t rtm_expire);

/* ApaasTokenBuilder's room user: APaaS, RTM, and Chat under the MD5 of the user, which is written
 * to chat_user and must live as long. AGORA_TOKEN_CRYPTO when OpenSSL has no MD5. */
AGORA_API enum agora_token_error agora_services_apaas_room_user(struct agora_service out[3],
                                                                struct agora_text room,
                                                                struct agora_text user,
                                                                int16_t role, uint32_t expire,
                                                                char chat_user[AGORA_MD5_SIZE]);

/*
 * Reading.
 */

/*
 * A token of version 006, which Agora's builders gave out before 2022. It holds no channel and no
 * user, only their CRC-32. ts: Unix seconds when it ends, in Agora's builders a day after it was
 * minted. The privileges' expire is in Unix seconds too.
 */
struct agora_token_006 {
    struct agora_text app_id;
    uint32_t salt;
    uint32_t ts;
    uint32_t channel_crc;
    uint32_t user_crc;
    uint16_t privilege_count;
    struct agora_privilege privileges[AGORA_PRIVILEGES_006_MAX];
};

/*
 * What agora_token_read found. Texts and lists point into the buffer that it was given, and for
 * 006 the App ID into the token's text.
 *
 * Of a service type, or of more than AGORA_PRIVILEGES_MAX privileges, that this library does not
 * know, nobody can tell the length. So reading stops there: `token` has what came before, `unread`
 * counts the bytes that were left, and unread_type is that service's type. Bytes behind the last
 * service count as unread with type 0. The signature can be verified all the same.
 */
struct agora_reading {
    int version;                /* 7 or 6 */
    struct agora_token token;   /* version 7 */
    struct agora_token_006 old; /* version 6 */
    size_t unread;
    uint16_t unread_type;
    struct agora_text message; /* what is signed */
    unsigned char signature[AGORA_SIGNATURE_LENGTH];
};

/*
 * Takes a token apart, without judging its signature or its age. All that it inflates goes into
 * buffer, so a small token that inflates without end gives AGORA_TOKEN_NO_ROOM. AGORA_READ_ROOM
 * bytes are enough for every token but those with hundreds of services, privileges or RTM2 names.
 *
 * Strict: a text with white space, with something behind the end, or with a bit set that no
 * compressor sets is refused. So is a privilege, or a pair of RTM2 resource and permission, that
 * stands twice. Names of RTM2 resources without any permission are left out. Compressors differ, so
 * the same content can have several texts, a few of which differ in one bit; all are the same
 * token.
 *
 * zlib allocates about 40 KiB, which are freed before the function returns. On an error *out is all
 * zero.
 */
AGORA_API enum agora_token_error agora_token_read(struct agora_text text, void *buffer, size_t size,
                                                  struct agora_reading *out);

/*
 * AGORA_TOKEN_OK if this certificate signed the token, AGORA_TOKEN_BAD_SIGNATURE if not; compares
 * in constant time. Says nothing of whether the token has ended. The buffer of the reading must
 * still be there. OpenSSL allocates, and frees before the function returns.
 *
 * A token of version 006 gives AGORA_TOKEN_NEEDS_CHANNEL, as its signature covers a channel and a
 * user that it does not hold; agora_token_verify_006 takes them.
 */
AGORA_API enum agora_token_error agora_token_verify(const struct agora_reading *reading,
                                                    struct agora_text app_certificate);
AGORA_API enum agora_token_error agora_token_verify_006(const struct agora_reading *reading,
                                                        struct agora_text channel,
                                                        struct agora_text user,
                                                        struct agora_text app_certificate);

/* When the token ends, and when one of its privileges does, in Unix seconds: the first second at
 * which it no longer holds. A privilege ends no later than its token; with expire 0, just then. */
AGORA_API uint64_t agora_token_end(const struct agora_token *token);
AGORA_API uint64_t agora_privilege_end(const struct agora_token *token,
                                       const struct agora_privilege *privilege);

/* The same for a token of version 006. */
AGORA_API uint64_t agora_token_006_end(const struct agora_token_006 *token);
AGORA_API uint64_t agora_privilege_006_end(const struct agora_token_006 *token,
                                           const struct agora_privilege *privilege);

/* 1 if the token, of either version, or the privilege has ended at `now`, in Unix seconds; else 0.
 */
AGORA_API int agora_reading_has_ended(const struct agora_reading *reading, uint64_t now);
AGORA_API int agora_privilege_has_ended(const struct agora_token *token,
                                        const struct agora_privilege *privilege, uint64_t now);

#ifdef __cplusplus
}
#endif

#endif
