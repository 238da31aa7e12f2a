#include "access/policy.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "access/key_source.h"
#include "redact.h"
#include "text.h"
#include "json/names.h"
#include "json/reader.h"

enum {
    MAX_EXPIRE_DEFAULT = 3600,
    DEPTH_MAX = 8, /* rules[0].if.NAME[0] and callers.NAME.api_keys[0].id are the deepest */
};

struct policy_block {
    struct policy_block *next;
    alignas(max_align_t) unsigned char data[];
};

struct reader {
    struct policy *policy;
    const char *name;
    char *error;
    /* The place that is being read, from the outside in. */
    size_t depth;
    struct step {
        const char *name; /* of a member; NULL for an element of a list, */
        size_t index;     /* which this is */
    } place[DEPTH_MAX];
};

/* Reads a value into what `out` points to, whose type follows from the function. */
typedef bool read_value(struct reader *reader, struct json_object *json, void *out);

/* What a member of an object holds, and where in the structure for the object it goes. */
struct member {
    const char *name;
    read_value *read;
    size_t offset;
    enum {
        OPTIONAL = 0,
        REQUIRED = 1,
        IS_LIST = 2,    /* of values that `read` reads, `size` bytes each; goes to a struct list */
        MAY_BE_ONE = 4, /* such a list of one value may stand there without brackets */
        MAY_BE_EMPTY = 8,
    } shape;
    size_t size;
};

/* Writes "rules[2].channels[0]: ", and returns its length. */
static size_t put_place(const struct reader *reader, char *out, size_t size) {
    size_t length = 0;
    for (size_t i = 0; i < reader->depth && length < size; i++) {
        const struct step *step = &reader->place[i];
        length +=
            (size_t)(step->name ? snprintf(out + length, size - length, "%s%s", i > 0 ? "." : "",
                                           show(agora_text_of(step->name)).text)
                                : snprintf(out + length, size - length, "[%zu]", step->index));
    }
    if (length > 0 && length < size)
        length += (size_t)snprintf(out + length, size - length, ": ");
    return length < size ? length : size - 1;
}

__attribute__((format(printf, 2, 3))) static bool refuse(struct reader *reader, const char *format,
                                                         ...) {
    enum { PLACE_MAX = POLICY_ERROR_MAX / 2 };
    va_list arguments;
    size_t length = (size_t)snprintf(reader->error, PLACE_MAX / 2, "%s: ", reader->name);
    length = length < PLACE_MAX / 2 ? length : PLACE_MAX / 2 - 1;
    length += put_place(reader, reader->error + length, PLACE_MAX - length);
    va_start(arguments, format);
    vsnprintf(reader->error + length, POLICY_ERROR_MAX - length, format, arguments);
    va_end(arguments);
    return false;
}

/* Zeroed memory that lives as long as the policy; NULL, with a complaint, when there is none. */
static void *allocate(struct reader *reader, size_t size) {
    struct policy_block *block = calloc(1, sizeof *block + size);
    if (!block) {
        refuse(reader, "out of memory");
        return NULL;
    }
    block->next = reader->policy->memory;
    reader->policy->memory = block;
    return block->data;
}

static void *allocate_list(struct reader *reader, size_t count, size_t size, struct list *list) {
    list->items = allocate(reader, count * size);
    list->count = list->items ? count : 0;
    return list->items;
}

static bool copy_text(struct reader *reader, struct agora_text text, struct agora_text *out) {
    char *copy = allocate(reader, text.length + 1);
    if (!copy)
        return false;
    memcpy(copy, text.data, text.length);
    *out = (struct agora_text){copy, text.length};
    return true;
}

/* Goes on at a deeper place, until leave() goes back. */
static void enter(struct reader *reader, const char *name, size_t index) {
    assert(reader->depth < DEPTH_MAX);
    reader->place[reader->depth++] = (struct step){name, index};
}

static void leave(struct reader *reader) {
    reader->depth--;
}

static bool read_items(struct reader *reader, struct json_object *json, const struct member *member,
                       void *out) {
    bool is_one = !json_object_is_type(json, json_type_array);
    size_t count = is_one ? 1 : json_object_array_length(json);
    if (is_one ? !(member->shape & MAY_BE_ONE) : count == 0 && !(member->shape & MAY_BE_EMPTY))
        return refuse(reader, "use a list%s",
                      member->shape & MAY_BE_EMPTY ? "" : " of one or more");
    /* What has no size is added up. */
    char *items = member->size == 0 ? out : allocate_list(reader, count, member->size, out);
    if (is_one)
        return items && member->read(reader, json, items);
    for (size_t i = 0; i < count && items; i++) {
        enter(reader, NULL, i);
        if (!member->read(reader, json_object_array_get_idx(json, i), items + i * member->size))
            return false;
        leave(reader);
    }
    return items;
}

static bool is_known(const struct member *members, const char *name) {
    while (members->name && strcmp(members->name, name) != 0)
        members++;
    return members->name;
}

/* "a, b, c": the names of a table. */
static struct quoted names_of(const struct member *members) {
    struct quoted names = {0};
    for (size_t length = 0; members->name; members++)
        length += (size_t)snprintf(names.text + length, sizeof names.text - length, "%s%s",
                                   members->name, members[1].name ? ", " : "");
    return names;
}

/* Reads the members of an object that a table has, ended by a name NULL, in the table's order. */
static bool read_members(struct reader *reader, struct json_object *json,
                         const struct member *members, void *out) {
    for (; members->name; members++) {
        struct json_object *value;
        void *to = (char *)out + members->offset;
        if (!json_object_object_get_ex(json, members->name, &value)) {
            if (members->shape & REQUIRED)
                return refuse(reader, "'%s' is missing", members->name);
            continue;
        }
        enter(reader, members->name, 0);
        if (!(members->shape & IS_LIST ? read_items(reader, value, members, to)
                                       : members->read(reader, value, to)))
            return false;
        leave(reader);
    }
    return true;
}

static bool read_object(struct reader *reader, struct json_object *json,
                        const struct member *members, void *out) {
    if (!json_object_is_type(json, json_type_object))
        return refuse(reader, "use an object with %s", names_of(members).text);
    json_object_object_foreach(json, name, value) {
        (void)value;
        if (!is_known(members, name))
            return refuse(reader, "'%s' is unknown: use %s", show(agora_text_of(name)).text,
                          names_of(members).text);
    }
    return read_members(reader, json, members, out);
}

static bool read_text(struct reader *reader, struct json_object *json, void *out) {
    struct agora_text text = {NULL, 0};
    if (json_object_is_type(json, json_type_string))
        text = (struct agora_text){json_object_get_string(json),
                                   (size_t)json_object_get_string_len(json)};
    for (size_t i = 0; i < text.length; i++)
        if (iscntrl((unsigned char)text.data[i]))
            return refuse(reader, "'%s' has a control character", show(text).text);
    *(struct agora_text *)out = text;
    return text.length > 0 || refuse(reader, "use a string that is not empty");
}

static bool read_flag(struct reader *reader, struct json_object *json, void *out) {
    *(bool *)out = json_object_get_boolean(json);
    return json_object_is_type(json, json_type_boolean) || refuse(reader, "use true or false");
}

static bool read_integer(struct reader *reader, struct json_object *json, int64_t least,
                         int64_t most, int64_t *number) {
    *number = json_object_get_int64(json);
    return (json_object_is_type(json, json_type_int) && *number >= least && *number <= most) ||
           refuse(reader, "use a whole number from %lld to %lld", (long long)least,
                  (long long)most);
}

static bool read_seconds(struct reader *reader, struct json_object *json, void *out) {
    int64_t number;
    if (!read_integer(reader, json, 1, UINT32_MAX, &number))
        return false;
    *(uint32_t *)out = (uint32_t)number;
    return true;
}

static bool read_apaas_role(struct reader *reader, struct json_object *json, void *out) {
    int64_t number;
    if (!read_integer(reader, json, INT16_MIN, INT16_MAX, &number))
        return false;
    *(int16_t *)out = (int16_t)number;
    return true;
}

static bool is_of(struct agora_text text, const char *marks) {
    for (size_t i = 0; i < text.length; i++)
        if (!isalnum((unsigned char)text.data[i]) && !strchr(marks, text.data[i]))
            return false;
    return true;
}

static bool read_cookie(struct reader *reader, struct json_object *json, void *out) {
    static const char marks[] = "!#$%&'*+-.^_`|~";
    struct agora_text *text = out;
    return read_text(reader, json, text) &&
           (is_of(*text, marks) ||
            refuse(reader, "'%s' can't be the name of a cookie: use letters, digits and %s",
                   show(*text).text, marks));
}

static bool read_url(struct reader *reader, struct json_object *json, void *out) {
    struct agora_text *text = out;
    return read_text(reader, json, text) &&
           (jwks_url_is_allowed(text->data) ||
            refuse(reader, "'%s' is not allowed: use " JWKS_URL_ALLOWED, show(*text).text));
}

static const struct member jwt_members[] = {
    {"issuer", read_text, offsetof(struct jwt_caller, issuer), REQUIRED, 0},
    {"audience", read_text, offsetof(struct jwt_caller, audience), REQUIRED | IS_LIST | MAY_BE_ONE,
     sizeof(struct agora_text)},
    {"audience_claim", read_text, offsetof(struct jwt_caller, audience_claim), OPTIONAL, 0},
    {"jwks_file", read_text, offsetof(struct jwt_caller, jwks_file), OPTIONAL, 0},
    {"jwks_url", read_url, offsetof(struct jwt_caller, jwks_url), OPTIONAL, 0},
    {"secret_file", read_text, offsetof(struct jwt_caller, secret_file), OPTIONAL, 0},
    {"ca_file", read_text, offsetof(struct jwt_caller, ca_file), OPTIONAL, 0},
    {"cookie", read_cookie, offsetof(struct jwt_caller, cookie), OPTIONAL, 0},
    {0},
};

static const char *audience_claim(const struct jwt_caller *jwt) {
    return jwt->audience_claim.data ? jwt->audience_claim.data : "aud";
}

static bool overlap(const struct jwt_caller *a, const struct jwt_caller *b) {
    if (strcmp(a->issuer.data, b->issuer.data) != 0 ||
        strcmp(audience_claim(a), audience_claim(b)) != 0)
        return false;
    const struct agora_text *of_a = a->audience.items;
    const struct agora_text *of_b = b->audience.items;
    for (size_t i = 0; i < a->audience.count; i++)
        for (size_t j = 0; j < b->audience.count; j++)
            if (strcmp(of_a[i].data, of_b[j].data) == 0)
                return true;
    return false;
}

static bool read_jwt(struct reader *reader, struct json_object *json, void *out) {
    struct jwt_caller *jwt = out;
    if (!read_object(reader, json, jwt_members, jwt))
        return false;
    if (!!jwt->jwks_file.data + !!jwt->jwks_url.data + !!jwt->secret_file.data != 1)
        return refuse(reader, "use one of jwks_file, jwks_url and secret_file");
    if (jwt->ca_file.data && !jwt->jwks_url.data)
        return refuse(reader, "ca_file is for jwks_url alone");
    const struct caller *callers = reader->policy->callers.items;
    for (size_t i = 0; &callers[i].jwt != jwt; i++)
        if (callers[i].kind == CALLER_JWT && overlap(&callers[i].jwt, jwt))
            return refuse(reader, "caller '%s' has the same issuer and audience: use others",
                          show(callers[i].name).text);
    return true;
}

/* The value may be the key itself, so no message shows it. */
static bool read_sha256(struct reader *reader, struct json_object *json, void *out) {
    unsigned char *bytes = out;
    const char *hex =
        json_object_is_type(json, json_type_string) ? json_object_get_string(json) : "";
    for (size_t i = 0; i < API_KEY_HASH_LENGTH; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
        if (low < 0)
            return refuse(reader, "use the SHA-256 of the key, 64 hexadecimal digits");
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return json_object_get_string_len(json) == 2 * API_KEY_HASH_LENGTH ||
           refuse(reader, "use the SHA-256 of the key, 64 hexadecimal digits");
}

static bool read_time(struct reader *reader, struct json_object *json, void *out) {
    static const char format[] = "%Y-%m-%dT%H:%M:%SZ";
    struct agora_text text;
    struct tm time = {0};
    char again[sizeof "2027-01-01T00:00:00Z"] = "";
    int64_t *seconds = out;
    if (!read_text(reader, json, &text))
        return false;
    if (strptime(text.data, format, &time)) {
        *seconds = timegm(&time);
        strftime(again, sizeof again, format, &time);
    }
    return (strcmp(again, text.data) == 0 && *seconds > 0) ||
           refuse(reader, "'%s' is no time: use the form 2027-01-01T00:00:00Z", show(text).text);
}

static const struct member api_key_members[] = {
    {"id", read_text, offsetof(struct api_key, id), REQUIRED, 0},
    {"sha256", read_sha256, offsetof(struct api_key, sha256), REQUIRED, 0},
    {"expires", read_time, offsetof(struct api_key, expires), OPTIONAL, 0},
    {0},
};

/* The same key can't be two callers', nor the same id two keys' of one caller. */
static bool read_api_key(struct reader *reader, struct json_object *json, void *out) {
    struct api_key *key = out;
    if (!read_object(reader, json, api_key_members, key))
        return false;
    const struct list *callers = &reader->policy->callers;
    for (size_t i = 0; i < callers->count; i++) {
        const struct caller *caller = (const struct caller *)callers->items + i;
        const struct api_key *other = caller->api_keys.items;
        for (size_t j = 0; j < caller->api_keys.count; j++, other++) {
            if (other == key)
                return true;
            if (memcmp(other->sha256, key->sha256, sizeof key->sha256) == 0)
                return refuse(reader, "key '%s' of caller '%s' has the same sha256: use another",
                              show(other->id).text, show(caller->name).text);
            if (strcmp(other->id.data, key->id.data) == 0 && caller->kind == 0)
                return refuse(reader, "the id '%s' stands there twice", show(key->id).text);
        }
    }
    return true;
}

struct server_options {
    struct agora_text separator;
    bool trusted_headers;
};

static bool read_separator(struct reader *reader, struct json_object *json, void *out) {
    struct agora_text *text = out;
    return read_text(reader, json, text) &&
           ((text->length == 1 && (unsigned char)*text->data < 0x80) ||
            refuse(reader, "'%s' is not allowed: use one ASCII character", show(*text).text));
}

static const struct member server_members[] = {
    {"separator", read_separator, offsetof(struct server_options, separator), OPTIONAL, 0},
    {"trusted_headers", read_flag, offsetof(struct server_options, trusted_headers), OPTIONAL, 0},
    {0},
};

/* Whether what a client sends decides, partly at least, what the parameter holds. Apache puts
 * REDIRECT_ before names when it has gone from one address to another. */
static bool is_of_client(const char *name, bool trusted_headers) {
    static const char *const prefixes[] = {"QUERY_",    "REQUEST_", "PATH_",  "SCRIPT_",
                                           "DOCUMENT_", "CONTENT_", "SERVER_"};
    while (strncasecmp(name, "REDIRECT_", 9) == 0)
        name += 9;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return !trusted_headers && strncasecmp(name, "HTTP_", 5) == 0;
}

static bool read_parameter(struct reader *reader, const char *name, struct json_object *json,
                           bool trusted_headers, struct server_parameter *out) {
    enter(reader, name, 0);
    out->name = agora_text_of(name);
    if (!read_text(reader, json, &out->parameter))
        return false;
    if (!is_of(out->parameter, "_"))
        return refuse(reader, "'%s' can't be the name of a parameter: use letters, digits and _",
                      show(out->parameter).text);
    if (is_of_client(out->parameter.data, trusted_headers))
        return refuse(reader,
                      "'%s' is what clients send: use what the web server sets after it "
                      "has checked who asks%s",
                      show(out->parameter).text,
                      is_of_client(out->parameter.data, true) ? ""
                                                              : ", or \"trusted_headers\": true");
    leave(reader);
    return true;
}

static bool read_server(struct reader *reader, struct json_object *json, void *out) {
    struct server_caller *server = out;
    struct server_options options = {0};
    struct json_object *user;
    if (!json_object_object_get_ex(json, "user", &user))
        return refuse(reader,
                      "'user' is missing: use an object such as {\"user\": \"REMOTE_USER\"}");
    if (!read_members(reader, json, server_members, &options))
        return false;
    if (options.separator.data)
        server->separator = *options.separator.data;
    struct server_parameter *list = allocate_list(reader, (size_t)json_object_object_length(json),
                                                  sizeof *list, &server->parameters);
    if (!list || !read_parameter(reader, "user", user, options.trusted_headers, list))
        return false;
    size_t count = 1;
    json_object_object_foreach(json, name, value) {
        if (value == user || is_known(server_members, name))
            continue;
        if (count == POLICY_PARAMETERS_MAX)
            return refuse(reader, "use at most %d parameters", POLICY_PARAMETERS_MAX);
        if (!read_parameter(reader, name, value, options.trusted_headers, &list[count++]))
            return false;
    }
    server->parameters.count = count;
    const struct caller *callers = reader->policy->callers.items;
    for (size_t i = 0; &callers[i].server != server; i++) {
        const struct server_parameter *other = callers[i].server.parameters.items;
        if (other && strcmp(other->parameter.data, list->parameter.data) == 0)
            return refuse(reader, "caller '%s' has the same user parameter: use another",
                          show(callers[i].name).text);
    }
    return true;
}

static const struct member caller_members[] = {
    {"jwt", read_jwt, offsetof(struct caller, jwt), OPTIONAL, 0},
    {"api_keys", read_api_key, offsetof(struct caller, api_keys), IS_LIST, sizeof(struct api_key)},
    {"server", read_server, offsetof(struct caller, server), OPTIONAL, 0},
    {0},
};

/* A number that is the same for the same text. */
static uint64_t id_of(struct agora_text text) {
    static const uint64_t secret[2] = {0};
    uint64_t hash[2];
    rate_hash(secret, &(struct rate_key){.subject = text}, hash);
    return hash[0];
}

static bool read_caller(struct reader *reader, struct json_object *json, struct caller *caller) {
    if (!read_object(reader, json, caller_members, caller))
        return false;
    if (json_object_object_length(json) != 1)
        return refuse(reader, "use one of jwt, api_keys and server");
    caller->kind = caller->jwt.issuer.data  ? CALLER_JWT
                   : caller->api_keys.count ? CALLER_API_KEYS
                                            : CALLER_SERVER;
    return true;
}

static bool read_callers(struct reader *reader, struct json_object *json, void *out) {
    if (!json_object_is_type(json, json_type_object))
        return refuse(reader, "use an object with a name for each caller");
    struct caller *caller =
        allocate_list(reader, (size_t)json_object_object_length(json), sizeof *caller, out);
    json_object_object_foreach(json, name, value) {
        if (!caller)
            return false;
        enter(reader, name, 0);
        caller->name = agora_text_of(name);
        caller->id = id_of(caller->name);
        if (!read_caller(reader, value, caller++))
            return false;
        leave(reader);
    }
    return caller;
}

static bool read_caller_name(struct reader *reader, struct json_object *json, void *out) {
    struct agora_text name;
    if (!read_text(reader, json, &name))
        return false;
    const struct list *callers = &reader->policy->callers;
    for (size_t i = 0; i < callers->count; i++) {
        const struct caller *caller = (const struct caller *)callers->items + i;
        if (strcmp(caller->name.data, name.data) == 0) {
            *(const struct caller **)out = caller;
            return true;
        }
    }
    return refuse(reader, "'%s' is none of the callers: use a name that stands there",
                  show(name).text);
}

static bool read_service(struct reader *reader, struct json_object *json, void *out) {
    struct agora_text name;
    if (!read_text(reader, json, &name))
        return false;
    const struct service_name *service = service_name_of_key(name.data);
    if (!service)
        return refuse(reader, "'%s' is no service: use %s", show(name).text, service_keys());
    *(uint32_t *)out |= 1U << service->type;
    return true;
}

static bool read_role(struct reader *reader, struct json_object *json, void *out) {
    struct agora_text name;
    if (!read_text(reader, json, &name))
        return false;
    bool is_publisher = text_equals(name, "publisher");
    *(uint32_t *)out |= is_publisher ? ROLE_PUBLISHER : ROLE_SUBSCRIBER;
    return is_publisher || text_equals(name, "subscriber") ||
           refuse(reader, "'%s' is no role: use publisher or subscriber", show(name).text);
}

/* Replaces the escapes of a JSON Pointer's step, RFC 6901, in its place. */
static bool unescape(char *step) {
    char *out = step;
    for (; *step; step++) {
        char c = *step;
        if (c == '~') {
            step++;
            if (*step != '0' && *step != '1')
                return false;
            c = *step == '0' ? '~' : '/';
        }
        *out++ = c;
    }
    *out = '\0';
    return true;
}

static bool read_path(struct reader *reader, struct agora_text name, struct path *path) {
    if (name.length == 0)
        return refuse(reader, "a name is empty: use that of a claim or of a parameter, or id");
    bool is_pointer = name.data[0] == '/';
    size_t count = is_pointer ? 0 : 1;
    for (size_t i = 0; i < name.length && is_pointer; i++)
        count += name.data[i] == '/';
    struct agora_text steps;
    char **step = allocate_list(reader, count, sizeof *step, &path->steps);
    if (!step || !copy_text(reader, name, &path->name) || !copy_text(reader, name, &steps))
        return false;
    *step = (char *)steps.data;
    for (char *at = *step; is_pointer && (at = strchr(at, '/')); *step++ = at)
        *at++ = '\0';
    step = path->steps.items;
    for (size_t i = 0; i < count && is_pointer; i++)
        if (!unescape(step[i]))
            return refuse(reader, "'%s' is no JSON Pointer: use ~0 for ~ and ~1 for /",
                          show(name).text);
    return true;
}

static bool read_pattern(struct reader *reader, struct json_object *json, void *out) {
    struct pattern *pattern = out;
    struct agora_text text;
    if (!read_text(reader, json, &text))
        return false;
    const char *end = text.data + text.length;
    const char *open = strstr(text.data, "${");
    const char *close = open ? strchr(open, '}') : NULL;
    pattern->before = (struct agora_text){text.data, (size_t)((open ? open : end) - text.data)};
    if (open) {
        if (!close || strstr(close, "${"))
            return refuse(reader,
                          "'%s' is no pattern: use at most one ${NAME}, * for any run of "
                          "characters",
                          show(text).text);
        struct agora_text name = {open + 2, (size_t)(close - open - 2)};
        pattern->after = (struct agora_text){close + 1, (size_t)(end - close - 1)};
        if (!read_path(reader, name, &pattern->path))
            return false;
    }
    const struct agora_text *parts[] = {&pattern->before, &pattern->after};
    for (size_t part = 0; part < 2; part++)
        for (size_t i = 0; i < parts[part]->length; i++)
            pattern->literals += parts[part]->data[i] != '*';
    return true;
}

bool scalar_of(struct json_object *json, char digits[static SCALAR_DIGITS], struct scalar *scalar) {
    static const int64_t most = INT64_C(1) << 53;
    enum json_type type = json_object_get_type(json);
    *scalar = (struct scalar){.type = type};
    if (type == json_type_string || type == json_type_boolean) {
        scalar->text = agora_text_of(json_object_get_boolean(json) ? "true" : "false");
        if (type == json_type_string)
            scalar->text = (struct agora_text){json_object_get_string(json),
                                               (size_t)json_object_get_string_len(json)};
        return true;
    }
    int64_t number = json_object_get_int64(json);
    if (type == json_type_double) {
        /* Of doubles, 2^53 may stand for the number behind it. */
        double value = json_object_get_double(json);
        if (!(fabs(value) < (double)most) || value != (double)number)
            return false;
        scalar->type = json_type_int;
    } else if (type != json_type_int || number < -most || number > most) {
        return false;
    }
    int length = snprintf(digits, SCALAR_DIGITS, "%lld", (long long)number);
    scalar->text = (struct agora_text){digits, (size_t)length};
    return true;
}

static bool read_scalar(struct reader *reader, struct json_object *json, void *out) {
    char digits[SCALAR_DIGITS];
    struct scalar *scalar = out;
    if (!scalar_of(json, digits, scalar))
        return refuse(reader, "use a string, true, false or a whole number within ±2^53, or a list "
                              "of those");
    return scalar->type != json_type_int || copy_text(reader, scalar->text, &scalar->text);
}

static const struct member condition_values = {"", read_scalar, 0, IS_LIST | MAY_BE_ONE,
                                               sizeof(struct scalar)};

static bool read_conditions(struct reader *reader, struct json_object *json, void *out) {
    if (!json_object_is_type(json, json_type_object))
        return refuse(reader, "use an object such as {\"role\": \"teacher\"}");
    struct condition *condition =
        allocate_list(reader, (size_t)json_object_object_length(json), sizeof *condition, out);
    json_object_object_foreach(json, name, value) {
        if (!condition)
            return false;
        enter(reader, name, 0);
        if (!read_path(reader, agora_text_of(name), &condition->path) ||
            !read_items(reader, value, &condition_values, &condition->values))
            return false;
        leave(reader);
        condition++;
    }
    return condition;
}

static bool read_rate(struct reader *reader, struct json_object *json, void *out) {
    static const struct {
        const char *unit;
        uint32_t seconds;
    } units[] = {{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}};
    struct rate_limit *rate = out;
    struct agora_text text;
    if (!read_text(reader, json, &text))
        return false;
    size_t digits = strspn(text.data, "0123456789");
    unsigned long count = strtoul(text.data, NULL, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        bool is_unit =
            text.data[digits] == '/' && strcmp(text.data + digits + 1, units[i].unit) == 0;
        if (is_unit && digits > 0 && text.data[0] != '0' && count <= RATE_COUNT_MAX) {
            *rate = (struct rate_limit){(uint32_t)count, units[i].seconds};
            return true;
        }
    }
    return refuse(reader,
                  "'%s' is no rate: use N/second, N/minute, N/hour or N/day, with N from 1 "
                  "to %d",
                  show(text).text, RATE_COUNT_MAX);
}

static const struct member rule_members[] = {
    {"caller", read_caller_name, offsetof(struct rule, callers), REQUIRED | IS_LIST | MAY_BE_ONE,
     sizeof(struct caller *)},
    {"if", read_conditions, offsetof(struct rule, conditions), OPTIONAL, 0},
    {"services", read_service, offsetof(struct rule, services), REQUIRED | IS_LIST, 0},
    {"channels", read_pattern, offsetof(struct rule, channels), IS_LIST, sizeof(struct pattern)},
    {"users", read_pattern, offsetof(struct rule, users), IS_LIST, sizeof(struct pattern)},
    {"roles", read_role, offsetof(struct rule, roles), IS_LIST, 0},
    {"apaas_roles", read_apaas_role, offsetof(struct rule, apaas_roles), IS_LIST, sizeof(int16_t)},
    {"wildcard_channel", read_flag, offsetof(struct rule, wildcard_channel), OPTIONAL, 0},
    {"any_user", read_flag, offsetof(struct rule, any_user), OPTIONAL, 0},
    {"app_tokens", read_flag, offsetof(struct rule, app_tokens), OPTIONAL, 0},
    {"max_expire", read_seconds, offsetof(struct rule, max_expire), OPTIONAL, 0},
    {"rate", read_rate, offsetof(struct rule, rate), OPTIONAL, 0},
    {0},
};

static bool read_rule(struct reader *reader, struct json_object *json, void *out) {
    struct rule *rule = out;
    rule->max_expire = MAX_EXPIRE_DEFAULT;
    if (!read_object(reader, json, rule_members, rule))
        return false;
    if (rule->roles == 0)
        rule->roles = ROLE_SUBSCRIBER;
    rule->number = (size_t)(rule - (struct rule *)reader->policy->rules.items);
    if (rule->rate.count == 0)
        return true;
    const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
    rule->id = text ? id_of(agora_text_of(text)) : 0;
    return text || refuse(reader, "out of memory");
}

/* With it an editor finds the schema of the file. */
static bool read_schema(struct reader *reader, struct json_object *json, void *out) {
    (void)out;
    return read_text(reader, json, &(struct agora_text){NULL, 0});
}

/* Rules name callers, so these come first. */
static const struct member policy_members[] = {
    {"$schema", read_schema, 0, OPTIONAL, 0},
    {"callers", read_callers, offsetof(struct policy, callers), REQUIRED, 0},
    {"rules", read_rule, offsetof(struct policy, rules), REQUIRED | IS_LIST | MAY_BE_EMPTY,
     sizeof(struct rule)},
    {0},
};

static bool read_json(struct reader *reader, struct agora_text text) {
    struct json_error error = {0};
    size_t line = 1;
    size_t column = 1;
    if (json_read(text, JSON_REFUSE_REPEATED | JSON_ALLOW_MANY, &reader->policy->json, &error))
        return true;
    if (error.no_memory)
        return refuse(reader, "out of memory");
    for (size_t i = 0; i < error.at; i++, column++)
        if (text.data[i] == '\n') {
            line++;
            column = 0;
        }
    return refuse(reader, "line %zu, column %zu: expected %s", line, column, error.expected);
}

struct policy *policy_read(const char *name, struct agora_text text,
                           char error[static POLICY_ERROR_MAX]) {
    struct reader reader = {
        .name = name, .error = error, .policy = calloc(1, sizeof(struct policy))};
    if (!reader.policy) {
        refuse(&reader, "out of memory");
        return NULL;
    }
    if (read_json(&reader, text) &&
        read_object(&reader, reader.policy->json, policy_members, reader.policy))
        return reader.policy;
    policy_free(reader.policy);
    return NULL;
}

bool rule_is_for(const struct rule *rule, const struct caller *caller) {
    struct caller *const *callers = rule->callers.items;
    for (size_t i = 0; i < rule->callers.count; i++)
        if (callers[i] == caller)
            return true;
    return false;
}

void policy_free(struct policy *policy) {
    if (!policy)
        return;
    json_object_put(policy->json);
    while (policy->memory) {
        struct policy_block *block = policy->memory;
        policy->memory = block->next;
        free(block);
    }
    free(policy);
}
