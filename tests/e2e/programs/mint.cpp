#include <agora_token.h>
#include <ctime>
#include <iostream>
#include <vector>

int main() {
    const agora_text certificate = agora_text_of("5CFd2fd1755d40ecb72977518be15d3b");
    agora_service services[2];
    agora_services_rtm_with_stream(services, agora_text_of("alice"), agora_text_of("lecture"),
                                   3600);

    agora_token token{};
    token.app_id = agora_text_of("970CA35de60c44645bbae8a215061b33");
    token.issue_ts = static_cast<uint32_t>(std::time(nullptr));
    token.expire = 3600;
    token.services = services;
    token.service_count = 2;

    std::vector<char> text(1024), buffer(AGORA_READ_ROOM);
    std::size_t length = 0;
    agora_reading reading;
    agora_minter *minter = agora_minter_new();
    auto error = agora_token_salt(minter, &token.salt);
    if (!error)
        error = agora_token_mint(minter, &token, certificate, text.data(), text.size(), &length);
    if (!error)
        error = agora_token_read({text.data(), length}, buffer.data(), buffer.size(), &reading);
    if (!error)
        error = agora_token_verify(&reading, certificate);
    agora_minter_free(minter);
    std::cout << (error ? agora_token_strerror(error) : text.data()) << '\n';
    return error;
}
