#include <agora_token.h>
#include <stdio.h>
#include <time.h>

int main(void) {
    struct agora_text certificate = agora_text_of("5CFd2fd1755d40ecb72977518be15d3b");
    struct agora_service rtc = agora_service_rtc(agora_text_of("lecture"), agora_text_of("alice"),
                                                 AGORA_ROLE_PUBLISHER, 3600);
    struct agora_token token = {
        agora_text_of("970CA35de60c44645bbae8a215061b33"), (uint32_t)time(NULL), 3600, 0, 1, &rtc};
    char text[1024], buffer[AGORA_READ_ROOM];
    size_t length;
    struct agora_reading reading;
    struct agora_minter *minter = agora_minter_new();
    int failed = agora_token_salt(minter, &token.salt) ||
                 agora_token_mint(minter, &token, certificate, text, sizeof text, &length) ||
                 agora_token_read(agora_text_of(text), buffer, sizeof buffer, &reading) ||
                 agora_token_verify(&reading, certificate);
    agora_minter_free(minter);
    puts(failed ? "no token" : text);
    return failed;
}
