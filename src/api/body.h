/* JSON bodies: members by name, with their types checked. */
#ifndef API_BODY_H
#define API_BODY_H

#include <json-c/json.h>

#include "http/response.h"

/*
 * As in parameters.h, each function returns true, or makes the response a 400 that names the member
 * and what is allowed, and returns false. Names match without regard to case, the last of repeated
 * members counts, and null is absent, as Go's decoder has it. Texts point into the JSON.
 */

/* Parses the first JSON value of the text, which must be an object; what follows it is ignored.
 * *json is to be given to json_object_put, also after a failure. */
bool body_parse(struct agora_text text, struct json_object **json, struct response *response);

/* NULL when it is absent. */
struct json_object *body_member(struct json_object *object, const char *name);

/* The text of a JSON string. */
struct agora_text body_string(struct json_object *string);

/* A value as JSON, for messages. */
struct agora_text body_shown(struct json_object *value);

/* A string; {NULL, 0} when it is absent. */
bool body_text(struct json_object *object, const char *name, struct agora_text *text,
               struct response *response);

/* A JSON number over this, 2^53 - 1, is not exact in every client. */
#define BODY_INTEGER_MAX 9007199254740991

/* A string, or a whole number from 0 to BODY_INTEGER_MAX that is written to digits. */
enum { BODY_DIGITS = 24 };
bool body_text_or_number(struct json_object *object, const char *name, char digits[BODY_DIGITS],
                         struct agora_text *text, struct response *response);

/* Seconds as a number or as a string of digits; 0 when absent. */
bool body_seconds(struct json_object *object, const char *name, uint32_t *seconds,
                  struct response *response);

/* true or false; false when absent. */
bool body_flag(struct json_object *object, const char *name, bool *flag, struct response *response);

/* A whole number in the range; `otherwise` when absent. */
bool body_integer(struct json_object *object, const char *name, int64_t least, int64_t most,
                  int64_t otherwise, int64_t *number, struct response *response);

/* An object, or NULL when absent. */
bool body_object(struct json_object *object, const char *name, struct json_object **member,
                 struct response *response);

#endif
