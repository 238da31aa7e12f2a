/* JSON as RFC 8259 has it and nothing else, read into objects of json-c. */
#ifndef JSON_READER_H
#define JSON_READER_H

#include <json-c/json.h>
#include <stdbool.h>

#include "agora_token.h"

enum json_flags {
    /* An object that has a name twice is an error. Without this flag an object is read as Go's
     * encoding/json reads one into a struct: of repeated members the last counts, a repeated object
     * adds to the earlier one, and null leaves what an earlier member said. */
    JSON_REFUSE_REPEATED = 1,
    /* Whatever follows the first value is ignored. */
    JSON_ALLOW_TRAILING = 2,
    /* The text may have any number of values: it is not a stranger's, who could have it take three
     * hundred times its length in memory. */
    JSON_ALLOW_MANY = 4,
};

enum {
    JSON_DEPTH_MAX = 32,        /* arrays and objects in one another */
    JSON_VALUES_MAX = 16000,    /* values and names, without JSON_ALLOW_MANY */
    JSON_CONTAINER_VALUES = 10, /* an empty object takes ten times the memory of a number */
};

struct json_error {
    size_t at; /* in the text; its length where the text ends too early */
    const char *expected;
    bool no_memory; /* the text may well be JSON */
};

/*
 * The text must be UTF-8 as far as it is read. An escape that is half a surrogate pair is refused,
 * as it stands for no character, and so are a zero byte in a name, more than JSON_DEPTH_MAX arrays
 * and objects in one another and, without JSON_ALLOW_MANY, more than JSON_VALUES_MAX values and
 * names, of which an array or object counts as JSON_CONTAINER_VALUES. Integers that fit 64 bits are
 * integers, all other numbers are doubles.
 *
 * *json is to be given to json_object_put; it is NULL for null and after a failure.
 */
bool json_read(struct agora_text text, unsigned flags, struct json_object **json,
               struct json_error *error);

/* What a string holds, for as long as it lives; {NULL, 0} for anything else. */
static inline struct agora_text json_text(struct json_object *value) {
    if (!json_object_is_type(value, json_type_string))
        return (struct agora_text){NULL, 0};
    return (struct agora_text){json_object_get_string(value),
                               (size_t)json_object_get_string_len(value)};
}

#endif
