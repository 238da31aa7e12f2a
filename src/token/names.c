/* What Agora allows as a name; minting itself takes any bytes. */
#include <string.h>

#include "agora_token.h"

static int is_channel_byte(char c) {
    static const char marks[] = " !#$%&()+-:;<=.>?@[]^_{}|~,";
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return 1;
    return c != '\0' && strchr(marks, c) != NULL;
}

int agora_channel_is_valid(struct agora_text channel) {
    if (channel.length == 1 && channel.data[0] == '*')
        return 1;
    if (channel.length == 0 || channel.length > AGORA_CHANNEL_MAX)
        return 0;
    for (size_t i = 0; i < channel.length; i++)
        if (!is_channel_byte(channel.data[i]))
            return 0;
    return 1;
}

int agora_user_is_valid(struct agora_text user) {
    if (user.length == 0 || user.length > AGORA_USER_MAX)
        return 0;
    for (size_t i = 0; i < user.length; i++) {
        unsigned char c = (unsigned char)user.data[i];
        if (c < 0x20 || c == 0x7f)
            return 0;
    }
    return 1;
}
