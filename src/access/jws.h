/* JSON Web Signatures in compact form (RFC 7515 section 7.1). */
#ifndef ACCESS_JWS_H
#define ACCESS_JWS_H

#include "access/credential.h"
#include "access/key_set.h"

enum { JWS_LENGTH_MAX = 8192, JWS_BUFFER_SIZE = JWS_LENGTH_MAX / 4 * 3 + 3, JWS_KNOWN_MAX = 512 };

/*
 * A JWS taken apart. Zero it before its first use and keep it for the next: the tokens of a caller
 * have the same header, which is then read but once. Nothing is to be freed: message is a part of
 * the token, which must live as long, and all else lies in buffer. What a payload says is nobody's
 * word before jws_verify.
 */
struct jws {
    const struct algorithm *algorithm;
    struct agora_text kid; /* {NULL, 0} if there is none */
    struct agora_text payload;
    struct agora_text signature;
    struct agora_text message; /* what is signed */
    char known[JWS_KNOWN_MAX]; /* the header that algorithm and kid are from, as it is encoded */
    size_t known_length;       /* 0 if they are from none, or a longer one */
    char buffer[JWS_BUFFER_SIZE];
};

/*
 * Base64url is strict: no padding, no white space, unused bits zero. The header is an object in
 * which no member is repeated; alg and kid count, crit is refused, whatever it lists, and all else
 * is ignored, keys and their addresses above all (jwk, jku, x5c, x5u). Gives VALID, for
 * well-formed; TOO_LONG, MALFORMED, WRONG_ALGORITHM, CRITICAL, NO_MEMORY.
 */
enum credential_verdict jws_parse(struct jws *jws, struct agora_text token);

/* What key_set_verify gives. */
enum credential_verdict jws_verify(const struct jws *jws, const struct key_set *keys);

#endif
