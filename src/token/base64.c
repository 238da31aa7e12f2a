#include "token/base64.h"

static size_t padding_of(struct agora_text text) {
    if (text.length == 0 || text.data[text.length - 1] != '=')
        return 0;
    return text.data[text.length - 2] == '=' ? 2 : 1;
}

bool base64_decode(struct agora_text text, uint8_t *out, size_t *length) {
    if (text.length % 4 != 0)
        return false;
    struct agora_text digits = {text.data, text.length - padding_of(text)};
    return base64_decode_digits(digits, BASE64_STANDARD, out, length);
}
