#include "agora_token.h"

static const char *const texts[] = {
    [AGORA_TOKEN_OK] = "no error",
    [AGORA_TOKEN_BAD_APP_ID] = "the App ID is not 32 hexadecimal digits",
    [AGORA_TOKEN_BAD_CERTIFICATE] = "the App Certificate is not 32 hexadecimal digits",
    [AGORA_TOKEN_BAD_SERVICE] = "a service is of no known type",
    [AGORA_TOKEN_BAD_PRIVILEGE] = "a service has too many privileges, or one of them twice",
    [AGORA_TOKEN_TOO_LONG] = "a string or a list is longer than the token format allows",
    [AGORA_TOKEN_NO_ROOM] = "the caller's buffer is too small for the token",
    [AGORA_TOKEN_NO_MEMORY] = "out of memory",
    [AGORA_TOKEN_CRYPTO] = "OpenSSL failed",
    [AGORA_TOKEN_NO_SERVICE] = "the token has no service",
    [AGORA_TOKEN_BAD_PERMISSION] =
        "a service has a permission on a resource twice, or very many permissions without order",
    [AGORA_TOKEN_BAD_VERSION] = "the text does not begin with 007 or 006, as Agora's tokens do",
    [AGORA_TOKEN_BAD_BASE64] = "the token is damaged: what follows the version is not base64",
    [AGORA_TOKEN_BAD_ZLIB] = "the token is damaged: what the base64 holds can't be unpacked",
    [AGORA_TOKEN_MALFORMED] = "the token is damaged: its parts don't fit together",
    [AGORA_TOKEN_BAD_SIGNATURE] = "the signature is not by this App Certificate",
    [AGORA_TOKEN_NEEDS_CHANNEL] =
        "a token of version 006 can be verified only together with its channel and user",
};

const char *agora_token_strerror(enum agora_token_error error) {
    size_t index = (size_t)error;
    return index < sizeof texts / sizeof texts[0] ? texts[index] : "unknown error";
}
