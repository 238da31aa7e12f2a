/*
 * libagoratoken: mint Agora access tokens, AccessToken2 ("007").
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
 * No global state. A minter serves one thread at a time; use one per thread.
 */
#ifndef AGORA_TOKEN_H
#define AGORA_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* App ID and App Certificate are 32 hexadecimal digits, and are used as text. */
#define AGORA_HEX_LENGTH 32
/* The most privileges that one service carries here; Agora defines up to four. */
#define AGORA_PRIVILEGES_MAX 8
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

/* Bytes that somebody else owns; need not end in a NUL. {NULL, 0} is the empty string. */
struct agora_text {
    const char *data;
    size_t length;
};

/* expire: seconds from the token's issue_ts. 0 never ends before the token itself does. */
struct agora_privilege {
    uint16_t privilege;
    uint32_t expire;
};

/* Who may do what in RTM2: one permission on one list of names of one kind of resource. Entries of
 * the same resource stand together, each resource and each permission of it once. */
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
};

/* A sentence without full stop, never NULL, not to be freed. */
const char *agora_token_strerror(enum agora_token_error error);

/* 1 if the text is 32 hexadecimal digits, as every App ID and App Certificate is; else 0. */
int agora_token_is_hex_id(struct agora_text text);

/*
 * What minting keeps between tokens: contexts of OpenSSL and zlib, a first key, random bytes.
 * About 300 KiB once used. NULL when there is no memory or OpenSSL lacks HMAC-SHA256. Make it after
 * fork: two processes that share one would hand out the same salts.
 */
struct agora_minter;
struct agora_minter *agora_minter_new(void);

/* Wipes every secret, then frees. NULL is allowed. */
void agora_minter_free(struct agora_minter *minter);

/* A random salt from the kernel's generator. AGORA_TOKEN_CRYPTO where the kernel has none. */
enum agora_token_error agora_token_salt(struct agora_minter *minter, uint32_t *salt);

/*
 * Writes the token and a NUL to out, and its length without the NUL to *length.
 *
 * Services are packed in ascending order of type and privileges in ascending order, as Agora's
 * builders do; services of one type keep the order in which they stand. Equal input gives equal
 * bytes, those of Agora's builders with stock zlib.
 *
 * Allocates only when the unpacked token exceeds 4 KiB, and frees that before it returns. On an
 * error out holds "" (where size > 0). AGORA_TOKEN_NO_ROOM sets *length to a size, without the NUL,
 * that is enough.
 */
enum agora_token_error agora_token_mint(struct agora_minter *minter,
                                        const struct agora_token *token,
                                        struct agora_text app_certificate, char *out, size_t size,
                                        size_t *length);

#ifdef __cplusplus
}
#endif

#endif
