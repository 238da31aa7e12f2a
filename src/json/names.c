#include "json/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct name rtc[] = {
    {AGORA_RTC_JOIN_CHANNEL, "join", "join the channel"},
    {AGORA_RTC_PUBLISH_AUDIO, "audio", "publish audio"},
    {AGORA_RTC_PUBLISH_VIDEO, "video", "publish video"},
    {AGORA_RTC_PUBLISH_DATA, "data", "publish data streams"},
    {0, NULL, NULL},
};
static const struct name rtm[] = {{AGORA_RTM_LOGIN, "login", "log in"}, {0, NULL, NULL}};
static const struct name streaming[] = {
    {AGORA_STREAMING_PUBLISH_MIXED, "mixed", "publish a mixed stream"},
    {AGORA_STREAMING_PUBLISH_RAW, "raw", "publish a raw stream"},
    {0, NULL, NULL},
};
static const struct name fpa[] = {{AGORA_FPA_LOGIN, "login", "log in"}, {0, NULL, NULL}};
static const struct name chat[] = {
    {AGORA_CHAT_USER, "user", "act as the user"},
    {AGORA_CHAT_APP, "app", "act as the app"},
    {0, NULL, NULL},
};
static const struct name fcdn[] = {
    {AGORA_FCDN_PUBLISH, "publish", "publish"},
    {AGORA_FCDN_PLAY, "play", "play"},
    {0, NULL, NULL},
};
static const struct name apaas[] = {
    {AGORA_APAAS_ROOM_USER, "room-user", "act as a user of the room"},
    {AGORA_APAAS_USER, "user", "act as the user"},
    {AGORA_APAAS_APP, "app", "act as the app"},
    {0, NULL, NULL},
};
static const struct name rtm2[] = {{AGORA_RTM2_LOGIN, "login", "log in"}, {0, NULL, NULL}};
static const struct name nothing[] = {{0, NULL, NULL}};

static const struct service_name services[] = {
    {AGORA_SERVICE_RTC, "rtc", "RTC", "channel", "uid", false, false, rtc},
    {AGORA_SERVICE_RTM, "rtm", "RTM (signaling)", NULL, "user", false, false, rtm},
    {AGORA_SERVICE_STREAMING, "streaming", "Streaming", "channel", "uid", false, false, streaming},
    {AGORA_SERVICE_FPA, "fpa", "FPA", NULL, NULL, false, false, fpa},
    {AGORA_SERVICE_CHAT, "chat", "Chat", NULL, "user", false, false, chat},
    {AGORA_SERVICE_FCDN, "fcdn", "FCDN", "channel", "uid", false, false, fcdn},
    {AGORA_SERVICE_APAAS, "apaas", "APaaS (Education)", "room", "user", true, false, apaas},
    {AGORA_SERVICE_RTM2, "rtm2", "RTM2 (signaling)", NULL, "user", false, true, rtm2},
    {AGORA_SERVICE_CONVOAI, "convoai", "ConvoAI", NULL, NULL, false, false, nothing},
    {AGORA_SERVICE_STT, "stt", "STT (speech to text)", NULL, NULL, false, false, nothing},
};

enum { SERVICES = sizeof services / sizeof services[0] };

const struct name resource_names[] = {
    {AGORA_RTM2_MESSAGE_CHANNELS, "message-channels", "message channels"},
    {AGORA_RTM2_STREAM_CHANNELS, "stream-channels", "stream channels"},
    {AGORA_RTM2_GROUP_CHANNELS, "group-channels", "group channels"},
    {AGORA_RTM2_SERVER_GROUPS, "server-groups", "server groups"},
    {AGORA_RTM2_USERS, "users", "users"},
    {0, NULL, NULL},
};

const struct name permission_names[] = {
    {AGORA_RTM2_READ, "read", "read"},
    {AGORA_RTM2_WRITE, "write", "write"},
    {0, NULL, NULL},
};

const struct name privilege_names_006[] = {
    {1, "join", "join the channel"},
    {2, "audio", "publish audio"},
    {3, "video", "publish video"},
    {4, "data", "publish data streams"},
    {101, "administrate", "administrate the channel"},
    {1000, "rtm-login", "log in to RTM"},
    {0, NULL, NULL},
};

const struct service_name *service_name_of_type(uint16_t type) {
    for (size_t i = 0; i < SERVICES; i++)
        if (services[i].type == type)
            return &services[i];
    return NULL;
}

const struct service_name *service_name_of_key(const char *key) {
    for (size_t i = 0; i < SERVICES; i++)
        if (strcmp(services[i].key, key) == 0)
            return &services[i];
    return NULL;
}

const struct name *name_of_number(const struct name *list, uint16_t number) {
    for (; list->key; list++)
        if (list->number == number)
            return list;
    return NULL;
}

const struct name *name_of_key(const struct name *list, const char *key) {
    for (; list->key; list++)
        if (strcmp(list->key, key) == 0)
            return list;
    return NULL;
}

static bool equals_without_hyphens(const char *name, const char *key) {
    for (; *name; name++)
        if (*name != '-' && tolower((unsigned char)*name) != tolower((unsigned char)*key++))
            return false;
    return *key == '\0';
}

const struct name *name_of_json_key(const struct name *list, const char *key) {
    for (; list->key; list++)
        if (equals_without_hyphens(list->key, key))
            return list;
    return NULL;
}

bool number_of_key(const struct name *list, const char *key, uint16_t *number) {
    const struct name *name = name_of_key(list, key);
    size_t digits = strspn(key, "0123456789");
    if (name) {
        *number = name->number;
        return true;
    }
    /* No leading zeros, so that no number has two keys. */
    if (digits == 0 || digits > 5 || key[digits] != '\0' || (key[0] == '0' && digits > 1))
        return false;
    unsigned long value = strtoul(key, NULL, 10);
    *number = (uint16_t)value;
    return value <= UINT16_MAX;
}

const char *service_keys(void) {
    return "rtc, rtm, streaming, fpa, chat, fcdn, apaas, rtm2, convoai or stt";
}
