#include "http/request.h"

#include "http/text.h"

static const struct {
    const char *name;
    size_t offset;
} variables[] = {
    {"REQUEST_METHOD=", offsetof(struct request, method)},
    {"PATH_INFO=", offsetof(struct request, path)},
    {"QUERY_STRING=", offsetof(struct request, query)},
    {"HTTP_ORIGIN=", offsetof(struct request, origin)},
    {"HTTP_HOST=", offsetof(struct request, host)},
    {"CONTENT_LENGTH=", offsetof(struct request, content_length)},
};

void request_read_environment(struct request *request, char *const *environment) {
    *request = (struct request){0};
    for (; *environment; environment++) {
        for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
            size_t length = strlen(variables[i].name);
            if (strncmp(*environment, variables[i].name, length) != 0)
                continue;
            struct agora_text *text =
                (struct agora_text *)(void *)((char *)request + variables[i].offset);
            *text = text_from(*environment + length);
            break;
        }
    }
}

size_t request_content_length(const struct request *request) {
    size_t total = 0;
    for (size_t i = 0; i < request->content_length.length; i++) {
        char digit = request->content_length.data[i];
        if (digit < '0' || digit > '9')
            return 0;
        total = total * 10 + (size_t)(digit - '0');
        if (total > REQUEST_BODY_MAX)
            return REQUEST_BODY_MAX + 1;
    }
    return total;
}
