/* What the subcommands of agora-token share. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agora_token.h"
#include "config.h"
#include "token_request.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_ENDED = 3 };

enum option_kind {
    KIND_FLAG,       /* bool */
    KIND_STRING,     /* const char *, as it stands */
    KIND_CHANNEL,    /* struct agora_text */
    KIND_USER,       /* struct agora_text */
    KIND_UID,        /* struct uid */
    KIND_ROLE,       /* enum agora_role */
    KIND_SHORT,      /* struct number, 16 bits with sign */
    KIND_NUMBER,     /* struct number, 32 bits */
    KIND_TIME,       /* struct number, Unix seconds */
    KIND_DURATION,   /* struct number, seconds */
    KIND_LIFETIME,   /* struct lifetime */
    KIND_PERMISSION, /* struct permissions; the option's name is the permission's */
    KIND_VARIABLE,   /* struct variables, NAME=VALUE */
};

struct number {
    bool given;
    int64_t value;
};

/* Of one privilege: a duration, or "none" for not to have it. */
struct lifetime {
    struct number duration;
    bool none;
};

struct uid {
    bool given;
    struct agora_text text;
    char buffer[AGORA_UID_SIZE];
};

/* Lists of RTM2, in the order given. */
enum { PERMISSION_OPTIONS_MAX = 64 };
struct permissions {
    size_t count;
    struct agora_rtm2_permission list[PERMISSION_OPTIONS_MAX];
};

/* In the order given, as an environment has them. */
enum { VARIABLES_MAX = 32 };
struct variables {
    size_t count;
    char *list[VARIABLES_MAX + 1]; /* ended by NULL */
};

struct command;
struct description;
struct json_object;
struct values;
struct service_list;

/* What is done with a token that options describe. */
typedef int take_token(const struct command *command, const struct values *values, uint32_t expire,
                       struct service_list *services);

/* The values of all options of all subcommands; what was not given is all zero. */
struct values {
    bool help;
    bool json;
    bool app;
    const char *app_id;
    const char *app_id_file;
    const char *certificate;
    const char *certificate_file;
    const char *env_file;
    struct number issue_ts;
    struct number salt;
    struct number at;
    struct number expire;
    struct agora_text channel;
    struct agora_text user;
    struct agora_text room;
    struct agora_text id; /* of an API key */
    struct uid uid;
    enum agora_role role;
    struct agora_text rtm_user;
    struct number rtm_expire;
    struct number room_role;
    struct lifetime join, audio, video, data; /* RTC */
    struct lifetime mixed, raw;               /* Streaming */
    struct lifetime publish, play;            /* FCDN */
    struct permissions permissions;
    struct variables variables;
    const char *bearer;
    const char *api_key;
    const char *operand;        /* what stands beside the options */
    char **rest;                /* another command with its options, */
    int rest_count;             /* if this one takes one, */
    const struct values *outer; /* and in that one's values this one's */
    take_token *take;           /* in place of minting */
};

struct option_spec {
    const char *name;  /* without dashes */
    const char *value; /* how help names it; NULL for a flag */
    enum option_kind kind;
    size_t offset; /* into struct values */
    const char *help;
};

struct command {
    const char *name;
    const char *summary;
    const char *synopsis;                /* what stands behind the name in the usage line */
    bool takes_operand;                  /* a token beside the options */
    const char *notes;                   /* what help ends with; may be NULL */
    const struct option_spec *groups[7]; /* each ended by a name NULL; ended by NULL */
    int (*run)(const struct command *command, struct values *values);
    take_token *take;                         /* in place of run, for a token that the command
                                                 behind FILE and the options describes */
    const struct command *const *subcommands; /* in place of run, ended by NULL; the name of each
                                                 is this command's and a word more */
};

/* clang-format versions lay out such macros differently. */
/* clang-format off */
#define OPTION(name, value, kind, field, help)                                                     \
    { name, value, kind, offsetof(struct values, field), help }
#define OPTIONS_END                                                                                \
    { NULL, NULL, KIND_FLAG, 0, NULL }
/* clang-format on */

/* Groups of options that several subcommands have. */
extern const struct option_spec options_common[];      /* --json, --help */
extern const struct option_spec options_certificate[]; /* where the certificate comes from */
extern const struct option_spec options_mint[];        /* the App ID and what a token has besides */

/* Fills the values. Returns 0, or says what is wrong on standard error and returns EXIT_USAGE. */
int parse_options(const struct command *command, int argc, char **argv, struct values *values);

void print_help(const struct command *command);

/* Prints "agora-token NAME: …" on standard error and returns EXIT_USAGE; complain_failed the same
 * for what is no mistake of usage, and returns EXIT_FAILED. */
__attribute__((format(printf, 2, 3))) int complain(const struct command *command,
                                                   const char *format, ...);
__attribute__((format(printf, 2, 3))) int complain_failed(const struct command *command,
                                                          const char *format, ...);

static inline bool is_given(struct agora_text text) {
    return text.data != NULL;
}

/* The user of an RTC-like service: --uid, else --user. */
static inline struct agora_text rtc_user(const struct values *values) {
    return values->uid.given ? values->uid.text : values->user;
}

/* Runs a subcommand that is named after a token type: prints the token that the options ask for. */
int mint_token_type(const struct command *command, struct values *values);

/* Mints and prints a token. What its description leaves out comes from the options and settings,
 * the clock and the generator. Returns what main is to return. */
int print_token(const struct command *command, const struct values *values,
                const struct description *description);

/* On a line, and gives it to json_object_put. */
void print_json(struct json_object *json);

/* Returns 0, or complains where standard output could not take everything. */
int flush_output(const struct command *command);

/* Finds the App ID and the App Certificate, as far as they are needed, in the options, the
 * environment or an .env file, to be given to settings_release. Returns 0, or complains and returns
 * EXIT_USAGE, with *credentials NULL. */
enum { NEED_APP_ID = 1, NEED_CERTIFICATE = 2 };
int credentials_find(const struct command *command, const struct values *values, unsigned needs,
                     struct settings **credentials);

/* Unix seconds now, or what --at says. */
uint64_t now_of(const struct values *values);

/* "2024-05-01 12:00:00 CEST, in 5m 10s" or "…, 2d 3h ago", in local time. Use as
 * show_time(end, now).text. */
struct shown {
    char text[128];
};
struct shown show_time(uint64_t unix_seconds, uint64_t now);

/* The subcommands. */
extern const struct command command_rtc;
extern const struct command command_rtm;
extern const struct command command_rtc_rtm;
extern const struct command command_chat;
extern const struct command command_fpa;
extern const struct command command_apaas;
extern const struct command command_streaming;
extern const struct command command_fcdn;
extern const struct command command_rtm2;
extern const struct command command_convoai;
extern const struct command command_stt;
extern const struct command command_decode;
extern const struct command command_encode;
extern const struct command command_verify;
extern const struct command command_access;

#endif
