/* The names of services, privileges, resources and permissions, as options, JSON and people use
 * them. */
#ifndef JSON_NAMES_H
#define JSON_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "agora_token.h"

struct name {
    uint16_t number;
    const char *key;  /* in options and JSON */
    const char *text; /* for people */
};

/* What the fields of a service are called in JSON; NULL where it has none. */
struct service_name {
    uint16_t type;
    const char *key;
    const char *text;
    const char *channel;
    const char *user;
    bool has_role;
    bool has_permissions;
    const struct name *privileges; /* ended by a key NULL */
};

const struct service_name *service_name_of_type(uint16_t type);
const struct service_name *service_name_of_key(const char *key);

/* NULL when there is none. The lists end with a key NULL. */
const struct name *name_of_number(const struct name *list, uint16_t number);
const struct name *name_of_key(const struct name *list, const char *key);

/* The same for a key as request bodies spell it, in any case and without hyphens: messageChannels.
 */
const struct name *name_of_json_key(const struct name *list, const char *key);

extern const struct name resource_names[];
extern const struct name permission_names[];
extern const struct name privilege_names_006[];

/* The number that stands for the key: a name of the list, or decimal digits. False when it is
 * neither or exceeds 16 bits. */
bool number_of_key(const struct name *list, const char *key, uint16_t *number);

/* "rtc, rtm, …": the keys of all services. */
const char *service_keys(void);

#endif
