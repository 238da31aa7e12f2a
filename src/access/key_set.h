/* The keys that verify a caller's JWTs: a JSON Web Key Set (RFC 7517, RFC 7518 section 6, RFC 8037)
 * or one secret for HMAC. */
#ifndef ACCESS_KEY_SET_H
#define ACCESS_KEY_SET_H

#include <stddef.h>

#include "access/credential.h"
#include "agora_token.h"

/* Constant once it is made, but for its holders, so any number of threads may verify with it. */
struct key_set;

enum { KEYS_MAX = 100, SECRET_LENGTH_MIN = 32, KEY_SET_ERROR_MAX = 128 };

/*
 * The keys of a JWK set that can verify: RSA of 2,048 to 8,192 bits, EC on P-256, P-384 and P-521,
 * OKP on Ed25519. All others are ignored: kty oct, for what is published is no secret; use other
 * than sig; key_ops without verify; malformed ones; an alg that the key cannot have; and whatever
 * comes behind the first KEYS_MAX. NULL if none is left, with a text that says why.
 */
struct key_set *key_set_read(struct agora_text jwks, char error[static KEY_SET_ERROR_MAX]);

/* The key for HS256, HS384 and HS512, of SECRET_LENGTH_MIN bytes at least. It is not kept itself.
 */
struct key_set *key_set_of_secret(struct agora_text secret, char error[static KEY_SET_ERROR_MAX]);

/* One holder more than the one that made it; returns its argument. */
struct key_set *key_set_hold(struct key_set *keys);

/* One holder less; the last one frees. NULL is allowed. */
void key_set_release(struct key_set *keys);

/* RFC 7518 section 3.1 and RFC 8037 section 3.1. NULL for any other name, none among them. */
struct algorithm;
const struct algorithm *algorithm_of_name(struct agora_text name);

/*
 * Whether one of the keys signed the message. It is the key that decides which algorithms may be
 * used with it: those of its type, or the one that its alg names. With a kid (data is not NULL)
 * only keys of that kid count; a secret has no name and counts whatever the kid. Gives one of
 * VALID, UNKNOWN_KEY (none of that kid), WRONG_KEY (none for the algorithm), WRONG_SIGNATURE.
 */
enum credential_verdict key_set_verify(const struct key_set *keys,
                                       const struct algorithm *algorithm, struct agora_text kid,
                                       struct agora_text message, struct agora_text signature);

#endif
