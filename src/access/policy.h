/*
 * The policy: who may get which token. Reads the text of the file that ACCESS_FILE names into
 * constant data that threads share. No I/O: the files that a policy names are the caller's to read.
 *
 * What a rule means is decision.h's business, what a caller must show that of the credentials.
 */
#ifndef ACCESS_POLICY_H
#define ACCESS_POLICY_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "access/api_key.h"
#include "access/rate.h"
#include "agora_token.h"

/* Texts end in a NUL as well, hold none, and live as long as the policy. Absent ones are {NULL, 0}.
 */

/* An array of what each member of this type says. */
struct list {
    void *items;
    size_t count;
};

enum caller_kind { CALLER_JWT = 1, CALLER_API_KEYS = 2, CALLER_SERVER = 4 };

/* One of jwks_file, jwks_url and secret_file is there; ca_file only with jwks_url. */
struct jwt_caller {
    struct agora_text issuer;
    struct list audience; /* struct agora_text */
    struct agora_text audience_claim;
    struct agora_text jwks_file;
    struct agora_text jwks_url;
    struct agora_text ca_file;
    struct agora_text secret_file;
    struct agora_text cookie;
};

/* A parameter of FastCGI or CGI, and what the policy calls it. */
struct server_parameter {
    struct agora_text name;
    struct agora_text parameter;
};

/* The first parameter is called `user` and says who it is. */
enum { POLICY_PARAMETERS_MAX = 16 };
struct server_caller {
    struct list parameters; /* struct server_parameter, at most POLICY_PARAMETERS_MAX */
    char separator;         /* of the values in a parameter other than user; '\0': no lists */
};

struct caller {
    struct agora_text name;
    uint64_t id;           /* equal for callers of equal name, over reloads too */
    enum caller_kind kind; /* the member below that counts */
    struct jwt_caller jwt;
    struct list api_keys; /* struct api_key */
    struct server_caller server;
};

/* Where a value is: the names of members of claims, each within the one before. `name` is how the
 * file has it, which is also the name of a server caller's parameter, or `id` of an API key. */
struct path {
    struct agora_text name;
    struct list steps; /* const char * */
};

/* before + the value of the path, taken literally + after. A '*' of before and after is any run of
 * bytes. Without a path, `before` is all. */
struct pattern {
    struct agora_text before;
    struct path path;
    struct agora_text after;
    size_t literals; /* bytes of before and after other than '*' */
};

/* A value that is neither a list nor an object: a string, true or false, or a whole number within
 * ±2^53 in decimal. Two are equal if type and text are. */
struct scalar {
    enum json_type type;
    struct agora_text text;
};
enum { SCALAR_DIGITS = 24 };

/* False for anything else, null and fractions among it. A number's text is written to digits. */
bool scalar_of(struct json_object *json, char digits[static SCALAR_DIGITS], struct scalar *scalar);

/* One member of `if`: the value there must be one of these. */
struct condition {
    struct path path;
    struct list values; /* struct scalar */
};

enum { ROLE_PUBLISHER = 1 << AGORA_ROLE_PUBLISHER, ROLE_SUBSCRIBER = 1 << AGORA_ROLE_SUBSCRIBER };

struct rule {
    size_t number;           /* rules[number] of the file */
    uint64_t id;             /* with a rate: equal for rules of equal text, over reloads too */
    struct list callers;     /* const struct caller * */
    struct list conditions;  /* struct condition */
    uint32_t services;       /* 1 << type, of those that are allowed */
    struct list channels;    /* struct pattern */
    struct list users;       /* struct pattern */
    uint32_t roles;          /* ROLE_ of those that are allowed */
    struct list apaas_roles; /* int16_t */
    bool wildcard_channel;
    bool any_user;
    bool app_tokens;
    uint32_t max_expire;    /* seconds */
    struct rate_limit rate; /* count 0: unlimited */
};

struct policy {
    struct list callers; /* struct caller */
    struct list rules;   /* struct rule */
    struct json_object *json;
    struct policy_block *memory;
};

enum { POLICY_ERROR_MAX = 512 };

/*
 * Reads a policy. `name` is how messages call the file. NULL on an error, with one line that tells
 * its place and what is allowed: "access.json: rules[2].channels[0]: …"; it holds no value that may
 * be a secret.
 */
struct policy *policy_read(const char *name, struct agora_text text,
                           char error[static POLICY_ERROR_MAX]);

/* Whether the rule names the caller. */
bool rule_is_for(const struct rule *rule, const struct caller *caller);

/* NULL is allowed. */
void policy_free(struct policy *policy);

#endif
