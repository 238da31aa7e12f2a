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

/* Reads a quoted value from behind its opening quote. Returns what follows the closing quote, NULL
 * when there is none. */
static const char *read_quoted(const char *at, char quote, char **value) {
    char *out = *value;
    for (; *at && *at != quote; at++) {
        bool is_escape = *at == '\\' && quote == '"' && at[1];
        at += is_escape;
        *out++ = (char)(!is_escape ? *at : *at == 'n' ? '\n' : *at == 'r' ? '\r' : *at);
    }
    *value = out;
    return *at ? at + 1 : NULL;
}

/* Reads an unquoted value and returns the end of its line. */
static const char *read_plain(const char *at, char **value) {
    const char *line_end = skip_line(at);
    const char *end = at;
    while (end < line_end && !(*end == '#' && end > at && is_blank(end[-1])))
        end++;
    while (end > at && is_blank(end[-1]))
        end--;
    *value = (char *)mempcpy(*value, at, (size_t)(end - at));
    return line_end;
}

/* What may follow a closing quote: nothing, or a comment. */
static bool is_rest_empty(const char *at) {
    at = skip_blanks(at);
    return *at == '\0' || *at == '\n' || *at == '#';
}

/* Appends the name and the value of `[export] NAME = value`. Returns the end of the line, NULL when
 * it can't be read. */
static const char *read_entry(const char *at, struct dotenv *dotenv) {
    char *out = dotenv->data + dotenv->length;
    if (strncmp(at, "export", 6) == 0 && is_blank(at[6]))
        at = skip_blanks(at + 6);
    const char *name = at;
    while (is_name(*at))
        *out++ = *at++;
    *out++ = '\0';
    if (at == name)
        return NULL;

    at = skip_blanks(at);
    if (*at != '=' && *at != ':')
        return NULL;
    at = skip_blanks(at + 1);
    if (*at != '"' && *at != '\'') {
        at = read_plain(at, &out);
    } else {
        at = read_quoted(at + 1, *at, &out);
        at = at && is_rest_empty(at) ? skip_line(at) : NULL;
    }
    *out++ = '\0';
    dotenv->length = (size_t)(out - dotenv->data);
    return at;
}

static int line_number(const char *text, const char *at) {
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

int dotenv_parse(const char *text, struct dotenv *out) {
    /* An entry takes no more bytes than its line, the last of which may lack a line feed. */
    *out = (struct dotenv){.size = strlen(text) + 2};
    out->data = malloc(out->size);
    if (!out->data)
        return -1;
    const char *at = text;
    if (strncmp(at, "\xef\xbb\xbf", 3) == 0) /* a byte order mark, as some editors write */
        at += 3;

    for (at = skip_blanks(at); *at; at = skip_blanks(at)) {
        const char *start = at;
        if (*at == '\n')
            at++;
        else if (*at == '#')
            at = skip_line(at);
        else
            at = read_entry(at, out);
        if (!at) {
            dotenv_free(out);
            return line_number(text, start);
        }
    }
    return 0;
}

const char *dotenv_get(const struct dotenv *dotenv, const char *name) {
    const char *found = NULL;
    for (size_t i = 0; i < dotenv->length;) {
        const char *entry = dotenv->data + i;
        const char *value = entry + strlen(entry) + 1;
        if (strcmp(entry, name) == 0)
            found = value;
        i = (size_t)(value - dotenv->data) + strlen(value) + 1;
    }
    return found;
}

bool dotenv_is_exposed(const struct dotenv *dotenv, const char *path, char *error, size_t size) {
    const char *certificate = dotenv_get(dotenv, "APP_CERTIFICATE");
    return certificate && *certificate && file_is_exposed(path, error, size);
}

void dotenv_free(struct dotenv *dotenv) {
    if (dotenv->data)
        OPENSSL_cleanse(dotenv->data, dotenv->size);
    free(dotenv->data);
    *dotenv = (struct dotenv){0};
}
