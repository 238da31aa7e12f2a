#include "dotenv.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static const char *skip_blanks(const char *at) {
    while (is_blank(*at))
        at++;
    return at;
}

static const char *skip_line(const char *at) {
    return at + strcspn(at, "\n");
}

static char unescape(char c) {
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    default:
        return c;
    }
}

/* Reads a quoted value from behind its opening quote; value has room for all of it. Returns what
 * follows the closing quote, NULL when there is none. */
static const char *read_quoted(const char *at, char quote, char *value) {
    while (*at && *at != quote) {
        if (*at == '\\' && quote == '"' && at[1]) {
            *value++ = unescape(at[1]);
            at += 2;
        } else {
            *value++ = *at++;
        }
    }
    *value = '\0';
    return *at ? at + 1 : NULL;
}

static const char *read_plain(const char *at, char *value) {
    const char *end = skip_line(at);
    for (const char *c = at; c < end; c++)
        if (*c == '#' && c > at && is_blank(c[-1]))
            end = c;
    size_t length = (size_t)(end - at);
    while (length > 0 && is_blank(at[length - 1]))
        length--;
    memcpy(value, at, length);
    value[length] = '\0';
    return skip_line(at);
}

/* What may follow a closing quote: nothing, or a comment. */
static bool is_rest_empty(const char *at) {
    at = skip_blanks(at);
    return *at == '\0' || *at == '\n' || *at == '#';
}

/* Reads `[export] NAME = value` into the entry, whose value has room for all of the text. Returns
 * the end of the line, NULL when it can't be read. */
static const char *read_entry(const char *at, struct dotenv_entry *entry) {
    if (strncmp(at, "export", 6) == 0 && is_blank(at[6]))
        at = skip_blanks(at + 6);

    size_t length = 0;
    while (is_name(at[length]))
        length++;
    if (length == 0 || !(entry->name = strndup(at, length)))
        return NULL;

    at = skip_blanks(at + length);
    if (*at != '=' && *at != ':')
        return NULL;
    at = skip_blanks(at + 1);
    if (*at != '"' && *at != '\'')
        return read_plain(at, entry->value);
    at = read_quoted(at + 1, *at, entry->value);
    return at && is_rest_empty(at) ? skip_line(at) : NULL;
}

static int line_number(const char *text, const char *at) {
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

int dotenv_parse(const char *text, struct dotenv *out) {
    *out = (struct dotenv){0};
    int result = 0;
    const char *at = text;
    if (strncmp(at, "\xef\xbb\xbf", 3) == 0) /* a byte order mark, as some editors write */
        at += 3;

    while (result == 0) {
        at = skip_blanks(at);
        if (*at == '\n') {
            at++;
            continue;
        }
        if (*at == '\0')
            break;
        if (*at == '#') {
            at = skip_line(at);
            continue;
        }

        struct dotenv_entry *entries =
            realloc(out->entries, (out->count + 1) * sizeof *out->entries);
        char *value = entries ? malloc(strlen(at) + 1) : NULL;
        if (entries)
            out->entries = entries;
        if (!value) {
            result = -1;
            break;
        }
        struct dotenv_entry *entry = &out->entries[out->count++];
        *entry = (struct dotenv_entry){.value = value};
        *value = '\0';
        const char *end = read_entry(at, entry);
        if (!end)
            result = line_number(text, at);
        at = end;
    }
    if (result != 0)
        dotenv_free(out);
    return result;
}

const char *dotenv_get(const struct dotenv *dotenv, const char *name) {
    for (size_t i = dotenv->count; i-- > 0;)
        if (strcmp(dotenv->entries[i].name, name) == 0)
            return dotenv->entries[i].value;
    return NULL;
}

bool dotenv_is_exposed(const struct dotenv *dotenv, const char *path, char *error, size_t size) {
    const char *certificate = dotenv_get(dotenv, "APP_CERTIFICATE");
    return certificate && *certificate && file_is_exposed(path, error, size);
}

static void wipe(char *text) {
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void dotenv_free(struct dotenv *dotenv) {
    for (size_t i = 0; i < dotenv->count; i++) {
        /* A line that is a secret and nothing else begins like a name. */
        wipe(dotenv->entries[i].name);
        wipe(dotenv->entries[i].value);
    }
    free(dotenv->entries);
    *dotenv = (struct dotenv){0};
}
