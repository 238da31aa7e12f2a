#include "http/request.h"

#include <strings.h>

#include "text.h"

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
    {"HTTP_TRANSFER_ENCODING=", offsetof(struct request, transfer_encoding)},
    {"SCRIPT_NAME=", offsetof(struct request, script)},
    {"REQUEST_URI=", offsetof(struct request, uri)},
    {"HTTP_X_REQUEST_ID=", offsetof(struct request, id)},
};

/* Decodes a path in its place, up to the query. Some web servers end the path at "#": like a
 * malformed escape it becomes a zero byte, which no path may contain. */
static struct agora_text decode(char *path) {
    struct agora_text encoded = {path, strcspn(path, "?")};
    return (struct agora_text){path, percent_decode(encoded, '#', '\0', path)};
}

/* Whether the script's name is the path, in which the web server may have merged slashes. */
static bool is_script(struct agora_text path, struct agora_text script) {
    size_t same = 0;
    for (size_t i = 0; i < path.length; i++) {
        bool is_extra_slash = i > 0 && path.data[i] == '/' && path.data[i - 1] == '/';
        if (same < script.length && path.data[i] == script.data[same])
            same++;
        else if (!is_extra_slash)
            return false;
    }
    return same == script.length;
}

/* Behind "http://" or "https://"; NULL where the URI begins otherwise. In what follows any other
 * beginning, as in "*://host/path", HAProxy sees no path, and no rule about paths is asked. */
static const char *behind_scheme(const char *uri) {
    size_t length = strcspn(uri, ":/?#");
    bool is_http = (length == 4 && strncasecmp(uri, "http", length) == 0) ||
                   (length == 5 && strncasecmp(uri, "https", length) == 0);
    return is_http && strncmp(uri + length, "://", 3) == 0 ? uri + length + 3 : NULL;
}

/*
 * Some web servers merge the slashes of PATH_INFO, though an empty segment has a meaning here, and
 * some do not know where PATH_INFO begins. They can leave it out: REQUEST_URI has what the client
 * sent. If the program is in a folder, the path begins behind it, unless the URI is not below that
 * folder, or the server takes the whole path for the program's name.
 */
static struct agora_text path_from_uri(const struct request *request) {
    const char *start = request->uri.data;
    if (*start != '/') {
        /* A request to a proxy names the host as well. */
        start = behind_scheme(start);
        if (!start)
            return (struct agora_text){"", 1}; /* a zero byte, as for a malformed escape */
        start += strcspn(start, "/?#");
        if (*start != '/')
            return (struct agora_text){NULL, 0};
    }
    struct agora_text path = decode((char *)start);
    struct agora_text script = request->script;
    size_t folder = script.length;
    while (folder > 0 && script.data[folder - 1] != '/')
        folder--;
    if (folder > 1 && folder <= path.length && !is_script(path, script) &&
        memcmp(path.data, script.data, folder) == 0) {
        path.data += folder - 1;
        path.length -= folder - 1;
    }
    return path;
}

void request_read_environment(struct request *request, char *const *environment) {
    *request = (struct request){.environment = environment};
    for (; *environment; environment++) {
        for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
            size_t length = strlen(variables[i].name);
            if (strncmp(*environment, variables[i].name, length) != 0)
                continue;
            struct agora_text *text =
                (struct agora_text *)(void *)((char *)request + variables[i].offset);
            *text = agora_text_of(*environment + length);
            break;
        }
    }
    if (request->path.length == 0 && request->uri.length > 0)
        request->path = path_from_uri(request);
}

struct agora_text request_variable(const struct request *request, const char *name,
                                   unsigned *count) {
    size_t length = strlen(name);
    struct agora_text value = {NULL, 0};
    unsigned found = 0;
    for (char *const *variable = request->environment; variable && *variable; variable++) {
        if (strncmp(*variable, name, length) != 0 || (*variable)[length] != '=')
            continue;
        value = agora_text_of(*variable + length + 1);
        found++;
    }
    if (count)
        *count = found;
    return value;
}

size_t request_content_length(const struct request *request) {
    if (request->content_length.length == 0 && request->transfer_encoding.length > 0)
        return REQUEST_BODY_MAX + 1;
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

bool request_id_is_valid(struct agora_text id) {
    for (size_t i = 0; i < id.length; i++)
        if (id.data[i] < '!' || id.data[i] > '~')
            return false;
    return id.length > 0 && id.length <= REQUEST_ID_MAX;
}

bool request_path_is_ambiguous(const struct request *request) {
    struct agora_text rest = request->path;
    if (rest.length > 0 && memchr(rest.data, '\0', rest.length))
        return true;
    while (rest.data) {
        struct agora_text segment = text_cut(&rest, '/');
        if (text_equals(segment, ".") || text_equals(segment, ".."))
            return true;
    }
    return false;
}
