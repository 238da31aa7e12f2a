/* The .env file and the settings made of it and of the environment. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "dotenv.h"
#include "file.h"
#include "unit.h"

static const char app_id[] = "970CA35de60c44645bbae8a215061b33";
static const char certificate[] = "5CFd2fd1755d40ecb72977518be15d3b";

static void test_dotenv_values(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *value; /* of NAME */
    } cases[] = {
        {"NAME=value", "value"},
        {"NAME=value\n", "value"},
        {"NAME=value\r\n", "value"},
        {"\xef\xbb\xbfNAME=value\n", "value"},
        {"  NAME  =  value  \n", "value"},
        {"NAME: value\n", "value"},
        {"export NAME=value\n", "value"},
        {"export\tNAME=value\n", "value"},
        {"exportNAME=other\nNAME=value\n", "value"},
        {"# NAME=no\n\n \t\nNAME=value # why\n", "value"},
        {"NAME=a#b", "a#b"},
        {"NAME=a #b", "a"},
        {"NAME=#b", "#b"},
        {"NAME=a=b==c", "a=b==c"},
        {"NAME=", ""},
        {"NAME=\nOTHER=x\n", ""},
        {"NAME=''", ""},
        {"NAME=\"\"", ""},
        {"NAME='a b # c = d'", "a b # c = d"},
        {"NAME='a\\nb'", "a\\nb"},
        {"NAME=\"a b # c = d\" # why", "a b # c = d"},
        {"NAME=\"a\\nb\\rc\\\"d\\\\e\\$f\"", "a\nb\rc\"d\\e$f"},
        {"NAME=\"two\nlines\"\nOTHER=x", "two\nlines"},
        {"NAME='it''s'", NULL},
        {"NAME=it's", "it's"},
        {"NAME=first\nNAME=last\n", "last"},
        {"OTHER=x\n", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dotenv dotenv;
        int line = dotenv_parse(cases[i].text, &dotenv);
        const char *value = dotenv_get(&dotenv, "NAME");
        if (!cases[i].value)
            assert_null(value);
        else if (!value || strcmp(value, cases[i].value) != 0)
            fail_msg("%s (line %d): %s", cases[i].text, line, value ? value : "(none)");
        dotenv_free(&dotenv);
    }
}

static void test_dotenv_errors(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int line;
    } cases[] = {
        {"NAME", 1},       {"=value", 1},
        {"A=1\nB 2\n", 2}, {"A=1\n\n# c\nNAME='open\n\n", 4},
        {"A=\"open", 1},   {"A=\"closed\" and more", 1},
        {"A='x'y", 1},     {"A=1\n-B=2", 2},
        {"export", 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dotenv dotenv;
        assert_int_equal(dotenv_parse(cases[i].text, &dotenv), cases[i].line);
        assert_null(dotenv.data);
        assert_null(dotenv_get(&dotenv, "A"));
    }
}

/* However short its lines are, a file takes no more memory than a small multiple of its size. */
static void test_dotenv_memory(void **state) {
    (void)state;
    static char file[FILE_SIZE_MAX];
    for (size_t i = 0; i + 3 < sizeof file; i += 3)
        memcpy(file + i, "A=\n", 3);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct dotenv dotenv;
    assert_int_equal(dotenv_parse(file, &dotenv), 0);
    size_t taken = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    assert_string_equal(dotenv_get(&dotenv, "A"), "");
    dotenv_free(&dotenv);
    if (taken > 2 * sizeof file)
        fail_msg("%zu bytes of settings take %zu", sizeof file, taken);
}

/* Settings: each case writes a .env and sets variables, in a directory of its own. */

static char directory[] = "/tmp/test_settings.XXXXXX";
static char dotenv_path[64];
static char secret_path[64];

static int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(dotenv_path, sizeof dotenv_path, "%s/.env", directory);
    snprintf(secret_path, sizeof secret_path, "%s/secret", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    unlink(dotenv_path);
    unlink(secret_path);
    return rmdir(directory);
}

static void write_file(const char *path, const char *text_) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text_, file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
}

static const char *const variables[] = {
    "APP_ID",
    "APP_ID_FILE",
    "APP_CERTIFICATE",
    "APP_CERTIFICATE_FILE",
    "CORS_ALLOW_ORIGIN",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "PAGE",
    "METRICS",
    "PORT",
    "SERVER_PORT",
    "WORKERS",
    "MAX_CONNECTIONS",
    "REQUEST_TIMEOUT",
    "GATEWAY_INTERFACE",
};

static int clear(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
    unlink(dotenv_path);
    unlink(secret_path);
    return 0;
}

static void set_credentials(void) {
    setenv("APP_ID", app_id, 1);
    setenv("APP_CERTIFICATE", certificate, 1);
}

static void expect_refused(const char *part, const char *other_part) {
    char error[SETTINGS_ERROR_MAX] = "";
    assert_null(settings_load(dotenv_path, ACCESS_SERVICE, NULL, error));
    if (!strstr(error, part) || !strstr(error, other_part))
        fail_msg("'%s' lacks '%s' or '%s'", error, part, other_part);
    if (strstr(error, certificate) || strstr(error, "5CFd2fd1"))
        fail_msg("the certificate stands in '%s'", error);
}

/* A copy of the settings, which must be good ones. */
static struct settings expect_loaded(void) {
    char error[SETTINGS_ERROR_MAX] = "";
    struct settings *loaded = settings_load(dotenv_path, ACCESS_SERVICE, NULL, error);
    if (!loaded)
        fail_msg("%s", error);
    struct settings copy = *loaded;
    settings_release(loaded);
    return copy;
}

static void test_defaults(void **state) {
    (void)state;
    set_credentials();
    struct settings settings = expect_loaded();
    assert_string_equal(settings.app_id, app_id);
    assert_string_equal(settings.app_certificate, certificate);
    assert_string_equal(settings.cors_allow_origin, "");
    assert_int_equal(settings.log_level, LOG_INFO);
    assert_int_equal(settings.port, 8080);
    assert_int_equal(settings.workers, 0);
    assert_int_equal(settings.max_connections, 4096);
    assert_int_equal(settings.request_timeout, 10);
}

static void test_environment_wins(void **state) {
    (void)state;
    write_file(dotenv_path, "APP_ID=00000000000000000000000000000000\n"
                            "APP_CERTIFICATE='5CFd2fd1755d40ecb72977518be15d3b'\n"
                            "export CORS_ALLOW_ORIGIN=\"https://a.example\" # ours\n"
                            "LOG_LEVEL=debug\nPORT=9000\nWORKERS=3\n");
    setenv("APP_ID", app_id, 1);
    setenv("LOG_LEVEL", "error", 1);
    struct settings settings = expect_loaded();
    assert_string_equal(settings.app_id, app_id);
    assert_string_equal(settings.app_certificate, certificate);
    assert_string_equal(settings.cors_allow_origin, "https://a.example");
    assert_int_equal(settings.log_level, LOG_ERROR);
    assert_int_equal(settings.port, 9000);
    assert_int_equal(settings.workers, 3);

    /* Empty in the environment: closes CORS, but an empty secret can't be meant. */
    setenv("CORS_ALLOW_ORIGIN", "", 1);
    setenv("APP_CERTIFICATE", "", 1);
    settings = expect_loaded();
    assert_string_equal(settings.cors_allow_origin, "");
    assert_string_equal(settings.app_certificate, certificate);
}

static void test_ports(void **state) {
    (void)state;
    set_credentials();
    setenv("SERVER_PORT", "8081", 1);
    assert_int_equal(expect_loaded().port, 8081);
    setenv("PORT", "8082", 1);
    assert_int_equal(expect_loaded().port, 8082);
    setenv("PORT", "", 1);
    assert_int_equal(expect_loaded().port, 8081);
    static const char *const bad[] = {"0", "65536", "-1", "80 ", "8o", "99999999999999999999"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        setenv("PORT", bad[i], 1);
        expect_refused("PORT", "from 1 to 65535");
    }

    /* A CGI program is told the port of the request by that name, which may be any. */
    setenv("SERVER_PORT", "0", 1);
    unsetenv("PORT");
    expect_refused("SERVER_PORT", "'0'");
    setenv("GATEWAY_INTERFACE", "CGI/1.1", 1);
    expect_loaded();
}

static void test_secret_files(void **state) {
    (void)state;
    setenv("APP_ID", app_id, 1);
    setenv("APP_CERTIFICATE_FILE", secret_path, 1);
    expect_refused("APP_CERTIFICATE_FILE", "No such file");

    write_file(secret_path, "5CFd2fd1755d40ecb72977518be15d3b\r\n");
    assert_string_equal(expect_loaded().app_certificate, certificate);

    setenv("APP_CERTIFICATE", certificate, 1);
    expect_refused("APP_CERTIFICATE and APP_CERTIFICATE_FILE", "one of them");
    unsetenv("APP_CERTIFICATE");

    write_file(secret_path, "5CFd2fd1755d40ecb72977518be15d3b and more\n");
    expect_refused("APP_CERTIFICATE_FILE does not hold 32", "32 hexadecimal digits");
    setenv("APP_CERTIFICATE_FILE", directory, 1);
    expect_refused("APP_CERTIFICATE_FILE", "directory");
}

/* What ends up behind a credential in an editor or a shell is no part of it. */
static void test_blanks_around_credentials(void **state) {
    (void)state;
    setenv("APP_ID", " 970CA35de60c44645bbae8a215061b33\t", 1);
    write_file(dotenv_path, "APP_CERTIFICATE=\"5CFd2fd1755d40ecb72977518be15d3b \"\n");
    struct settings settings = expect_loaded();
    assert_string_equal(settings.app_id, app_id);
    assert_string_equal(settings.app_certificate, certificate);
}

/* A text is bounded by its own field. */
static void test_long_text(void **state) {
    (void)state;
    enum { LONGEST = sizeof(((struct settings *)NULL)->cors_allow_origin) - 1 };
    char origins[LONGEST + 2] = "";
    memset(origins, 'a', LONGEST);
    set_credentials();
    setenv("CORS_ALLOW_ORIGIN", origins, 1);
    struct settings settings = expect_loaded();
    assert_string_equal(settings.cors_allow_origin, origins);
    assert_int_equal(settings.log_level, LOG_INFO);
    origins[LONGEST] = 'a';
    setenv("CORS_ALLOW_ORIGIN", origins, 1);
    expect_refused("CORS_ALLOW_ORIGIN is longer than 4095", "");
}

/* The tool asks for less, and its options win. */
static void test_options(void **state) {
    (void)state;
    char error[SETTINGS_ERROR_MAX] = "";
    setenv("WORKERS", "many", 1);
    setenv("APP_CERTIFICATE", "of no use", 1);
    struct settings_options options = {
        .credentials[SETTING_CERTIFICATE] = {.is_needed = true, .value = certificate}};
    struct settings *settings = settings_load_credentials(&options, error);
    assert_non_null(settings);
    assert_string_equal(settings->app_certificate, certificate);
    assert_string_equal(settings->app_id, "");
    settings_release(settings);

    /* An empty option is a mistake, and no reason to look elsewhere. */
    setenv("APP_CERTIFICATE", certificate, 1);
    options.credentials[SETTING_CERTIFICATE].value = "";
    assert_null(settings_load_credentials(&options, error));
    assert_non_null(strstr(error, "--certificate does not hold 32"));
    options.credentials[SETTING_CERTIFICATE].path = secret_path;
    assert_null(settings_load_credentials(&options, error));
    assert_non_null(strstr(error, "--certificate and --certificate-file are both set"));
}

static const char *printed(const struct settings *settings) {
    static char text_[2048];
    FILE *out = fmemopen(text_, sizeof text_, "w");
    settings_print(settings, out);
    fclose(out);
    return text_;
}

static void test_print(void **state) {
    (void)state;
    setenv("APP_ID", "00112233445566778899aabbccddeeff", 1);
    setenv("APP_CERTIFICATE", certificate, 1);
    setenv("CORS_ALLOW_ORIGIN", "https://a.example,\nhttps://\u00e9.example", 1);
    setenv("LOG_LEVEL", "debug", 1);
    setenv("PORT", "9000", 1);
    struct settings settings = expect_loaded();
    assert_string_equal(printed(&settings),
                        "CORS_ALLOW_ORIGIN=https://a.example,%0Ahttps://\u00e9.example\n"
                        "ACCESS_FILE=\nLOG_LEVEL=debug\nLOG_FORMAT=text\nPAGE=on\nMETRICS=off\n"
                        "SERVER_PORT=9000\nPORT=9000\nWORKERS=0\n"
                        "MAX_CONNECTIONS=4096\nREQUEST_TIMEOUT=10\n"
                        "# " SETTINGS_OPEN_WARNING "\n");

    /* The certificate, where it is another setting by mistake; and the sample project. */
    setenv("CORS_ALLOW_ORIGIN", certificate, 1);
    setenv("APP_ID", app_id, 1);
    settings = expect_loaded();
    assert_non_null(strstr(printed(&settings), "CORS_ALLOW_ORIGIN=(not shown"));
    assert_non_null(strstr(printed(&settings), "\n# the sample project's credentials are in use"));
    assert_null(strstr(printed(&settings), "5CFd2fd1"));
    assert_null(strstr(printed(&settings), "970CA35d"));
}

/* The linker has the code under test call this for free. */
void __real_free(void *memory);
void __wrap_free(void *memory);

static size_t freed;
static size_t freed_with_certificate;

void __wrap_free(void *memory) {
    freed += memory != NULL;
    if (memory && memmem(memory, malloc_usable_size(memory), certificate, sizeof certificate - 1))
        freed_with_certificate++;
    __real_free(memory);
}

/* Neither the settings nor the files they were read from stay behind in memory, whether they were
 * right or not. */
static void test_wiped(void **state) {
    (void)state;
    char error[SETTINGS_ERROR_MAX];
    static const char *const endings[] = {"", "WORKERS=many\n", "no setting\n"};
    for (size_t i = 0; i < 2 * COUNT(endings); i++) {
        clear(NULL);
        freed = 0;
        char content[128];
        bool is_in_file = i >= COUNT(endings);
        snprintf(content, sizeof content, "APP_ID=%s\n%s=%s\n%s", app_id,
                 is_in_file ? "APP_CERTIFICATE_FILE" : "APP_CERTIFICATE",
                 is_in_file ? secret_path : certificate, endings[i % COUNT(endings)]);
        write_file(dotenv_path, content);
        write_file(secret_path, certificate);
        struct settings *settings = settings_load(dotenv_path, ACCESS_SERVICE, NULL, error);
        assert_int_equal(settings != NULL, i % COUNT(endings) == 0);
        settings_release(settings);
        assert_int_equal(freed, 3);
        assert_int_equal(freed_with_certificate, 0);
    }
}

static void test_refused(void **state) {
    (void)state;
    expect_refused("APP_ID is missing", "32 hexadecimal digits");
    setenv("APP_ID", app_id, 1);
    expect_refused("APP_CERTIFICATE is missing", "32 hexadecimal digits");
    setenv("APP_CERTIFICATE", "5CFd2fd1755d40ecb72977518be15d3", 1);
    expect_refused("APP_CERTIFICATE does not hold 32", "31");
    setenv("APP_CERTIFICATE", "5CFd2fd1755d40ecb72977518be15d3g", 1);
    expect_refused("APP_CERTIFICATE does not hold 32", "32");
    setenv("APP_CERTIFICATE", certificate, 1);
    setenv("LOG_LEVEL", "loud", 1);
    expect_refused("LOG_LEVEL", "error, warning, info or debug");
    setenv("LOG_LEVEL", certificate, 1);
    expect_refused("LOG_LEVEL is '(not shown", "");
    unsetenv("LOG_LEVEL");
    setenv("METRICS", "yes", 1);
    expect_refused("METRICS is 'yes'", "expected off or on");
    unsetenv("METRICS");
    setenv("WORKERS", "257", 1);
    expect_refused("WORKERS", "from 0 to 256");
    unsetenv("WORKERS");
    write_file(dotenv_path, "PORT=8080\n5CFd2fd1755d40ecb72977518be15d3b\n");
    expect_refused("line 2", "NAME=value");
}

static void test_modes(void **state) {
    (void)state;
    static const struct {
        mode_t mode;
        bool safe;
    } cases[] = {
        {0600, true},  {0400, true},  {0640, true},  {0440, true},  {0700, true},
        {0644, false}, {0604, false}, {0602, false}, {0620, false}, {0664, false},
    };
    char mode[16], advice[256];
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(mode, sizeof mode, "mode %04o ", (unsigned)cases[i].mode);
        for (int is_secret_file = 0; is_secret_file < 2; is_secret_file++) {
            const char *path = is_secret_file ? secret_path : dotenv_path;
            clear(NULL);
            setenv("APP_ID", app_id, 1);
            write_file(path, is_secret_file ? certificate
                                            : "APP_CERTIFICATE=5CFd2fd1755d40ecb72977518be15d3b\n");
            assert_int_equal(chmod(path, cases[i].mode), 0);
            if (is_secret_file) {
                setenv("APP_CERTIFICATE_FILE", path, 1);
                expect_loaded();
                setenv("GATEWAY_INTERFACE", "CGI/1.1", 1);
            }
            snprintf(advice, sizeof advice,
                     "%s lets other users read or change it; type: chmod 600 '%s'", path, path);
            if (cases[i].safe)
                assert_string_equal(expect_loaded().app_certificate, certificate);
            else
                expect_refused(mode, advice);
        }
    }

    /* What has no secret in it may be seen by everybody. */
    clear(NULL);
    setenv("APP_CERTIFICATE", certificate, 1);
    write_file(dotenv_path, "APP_ID=970CA35de60c44645bbae8a215061b33\nAPP_CERTIFICATE=\n");
    assert_int_equal(chmod(dotenv_path, 0644), 0);
    assert_string_equal(expect_loaded().app_id, app_id);
}

static void test_mode_of_another_user(void **state) {
    (void)state;
    const char *path = "/etc/passwd";
    setenv("APP_ID", app_id, 1);
    setenv("GATEWAY_INTERFACE", "CGI/1.1", 1);
    if (geteuid() == 0) {
        path = secret_path;
        write_file(path, certificate);
        assert_int_equal(chown(path, 1, 1), 0);
        assert_int_equal(chmod(path, 0644), 0);
    }
    setenv("APP_CERTIFICATE_FILE", path, 1);
    char advice[256];
    snprintf(advice, sizeof advice, "type: chgrp %u '%s'; chmod 640 '%s'", (unsigned)getegid(),
             path, path);
    expect_refused("mode 0644 ", advice);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dotenv_values),
        cmocka_unit_test(test_dotenv_errors),
        cmocka_unit_test(test_dotenv_memory),
        cmocka_unit_test_setup(test_defaults, clear),
        cmocka_unit_test_setup(test_environment_wins, clear),
        cmocka_unit_test_setup(test_ports, clear),
        cmocka_unit_test_setup(test_secret_files, clear),
        cmocka_unit_test_setup(test_blanks_around_credentials, clear),
        cmocka_unit_test_setup(test_long_text, clear),
        cmocka_unit_test_setup(test_options, clear),
        cmocka_unit_test_setup(test_print, clear),
        cmocka_unit_test_setup(test_wiped, clear),
        cmocka_unit_test_setup(test_refused, clear),
        cmocka_unit_test_setup(test_modes, clear),
        cmocka_unit_test_setup(test_mode_of_another_user, clear),
    };
    return cmocka_run_group_tests_name("settings", tests, make_directory, remove_directory);
}
