/* A .env file. What is read of it can be written down and read again as the same, in no more memory
 * than the file takes; the settings made of it are good ones or refused, and no secret is told. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "dotenv.h"
#include "fuzz.h"

/* NAME="value" lines. */
static char *write_entries(const struct dotenv *dotenv) {
    char *text = malloc(2 * dotenv->length + 4 * dotenv->length + 1);
    char *out = text;
    for (const char *at = dotenv->data; at < dotenv->data + dotenv->length; at++) {
        expect(*at != '\0');
        while (*at)
            *out++ = *at++;
        out = stpcpy(out, "=\"");
        for (at++; *at; *out++ = *at++)
            if (*at == '"' || *at == '\\')
                *out++ = '\\';
        out = stpcpy(out, "\"\n");
    }
    *out = '\0';
    return text;
}

static void parse(const char *text) {
    struct dotenv dotenv, again;
    int lines = 1;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    int line = dotenv_parse(text, &dotenv);
    if (line != 0) {
        expect(line > 0 && line <= lines && !dotenv.data);
        return;
    }
    expect(dotenv.length <= dotenv.size && dotenv.size <= strlen(text) + 2);
    char *entries = write_entries(&dotenv);
    expect(dotenv_parse(entries, &again) == 0);
    expect(again.length == dotenv.length && memcmp(again.data, dotenv.data, again.length) == 0);
    free(entries);
    dotenv_free(&again);
    dotenv_free(&dotenv);
}

static void load(const char *text) {
    static int file = -1;
    static char path[64];
    char error[SETTINGS_ERROR_MAX] = "";
    if (file < 0) {
        file = memfd_create("dotenv", 0);
        expect(file >= 0 && fchmod(file, 0600) == 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    size_t length = strlen(text);
    expect(ftruncate(file, 0) == 0 && pwrite(file, text, length, 0) == (ssize_t)length);
    struct settings *settings = settings_load(path, ACCESS_SERVICE, NULL, error);
    if (!settings) {
        expect(strlen(error) > 0);
        expect_no_secret(error);
        return;
    }
    expect(agora_token_is_hex_id(agora_text_of(settings->app_id)));
    expect(agora_token_is_hex_id(agora_text_of(settings->app_certificate)));
    static char printed[4 * sizeof settings->cors_allow_origin];
    FILE *out = fmemopen(printed, sizeof printed, "w");
    settings_print(settings, out);
    fclose(out);
    expect_no_secret(printed);
    settings_release(settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = strndup((const char *)data, size);
    parse(text);
    load(text);
    free(text);
    return 0;
}
