/* The services of a token as JSON asks for them. */
#ifndef API_SERVICES_H
#define API_SERVICES_H

#include "api/body.h"

enum {
    SERVICES_MAX = 16,
    PERMISSIONS_MAX = 10, /* five kinds of RTM2 resources, to read and to write */
};

/* A list of services and the memory of what they point to, besides the JSON. All zero is empty; to
 * be given to services_free. */
struct services {
    size_t count;
    struct agora_service list[SERVICES_MAX];
    char uid_digits[BODY_DIGITS];
    char chat_user[AGORA_MD5_SIZE];
    size_t permission_count;
    struct agora_rtm2_permission permissions[PERMISSIONS_MAX];
    struct agora_text *names;
};

void services_free(struct services *services);

/* There is always room: no request names as many kinds as SERVICES_MAX. */
void services_add(struct services *services, struct agora_service service);

/*
 * The checks of parameters.h hold for these too: false with a 400 in the response.
 */

/* An APaaS token's services: of a user in a room, of a user, or of the app, whichever of room and
 * user is given. role counts in a room only. */
bool services_add_apaas(struct services *services, struct agora_text room, struct agora_text user,
                        int16_t role, uint32_t expire, struct response *response);

/* RTM2 for the user, with permissions as
 * {"messageChannels":{"read":["a"],"write":["b"]},"users":{"read":["c"]}} or NULL for none. */
bool services_add_rtm2(struct services *services, struct agora_text user,
                       struct json_object *permissions, uint32_t expire, struct response *response);

#endif
