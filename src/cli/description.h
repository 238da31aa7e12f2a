/* A token to be, described in the form of json/token_json.h. */
#ifndef CLI_DESCRIPTION_H
#define CLI_DESCRIPTION_H

#include <json-c/json.h>
#include <stdbool.h>

#include "agora_token.h"

/* What a description says, and what it leaves out. It lives as long as the JSON, which keeps
 * its memory. */
struct description {
    struct agora_token token;
    struct agora_text certificate; /* {NULL, 0}: not given, as the App ID */
    unsigned gives;                /* which numbers, of enum description_gives */
};

enum description_gives { GIVES_ISSUE_TS = 1, GIVES_EXPIRE = 2, GIVES_SALT = 4 };

enum { DESCRIPTION_ERROR_MAX = 512 };

/* False with a sentence in error that names the value and what is allowed. A JSON value can be read
 * once. */
bool token_from_json(struct json_object *json, struct description *description,
                     char error[static DESCRIPTION_ERROR_MAX]);

/* Parses exactly one JSON value, with nothing but white space around it; NULL with a sentence in
 * error. */
struct json_object *parse_json(const char *text, size_t length,
                               char error[static DESCRIPTION_ERROR_MAX]);

#endif
