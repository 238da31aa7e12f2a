/* The subcommands that mint a token of one type: their options. All run mint_token_type. */
#include "cli/cli.h"

static const char lifetime_notes[] =
    "A LIFETIME is a duration, 0 for as long as the token lasts, or none for not to have the\n"
    "privilege. Without, it is that of the token.";

static const char channel_synopsis[] = "--channel NAME --uid NUMBER|--user ACCOUNT [OPTION...]";

static const struct option_spec options_channel[] = {
    OPTION("channel", "NAME", KIND_CHANNEL, channel, "the channel; * is every channel"),
    OPTION("uid", "NUMBER", KIND_UID, uid, "the user, as a number; 0 admits any user"),
    OPTION("user", "ACCOUNT", KIND_USER, user, "the user, as an account (instead of --uid)"),
    OPTIONS_END,
};

static const struct option_spec options_rtc[] = {
    OPTION("role", "ROLE", KIND_ROLE, role,
           "publisher or subscriber, who may only join; default: publisher"),
    OPTION("join", "LIFETIME", KIND_LIFETIME, join, "of the privilege to join the channel"),
    OPTION("audio", "LIFETIME", KIND_LIFETIME, audio, "of the privilege to publish audio"),
    OPTION("video", "LIFETIME", KIND_LIFETIME, video, "of the privilege to publish video"),
    OPTION("data", "LIFETIME", KIND_LIFETIME, data, "of the privilege to publish data streams"),
    OPTIONS_END,
};

static const struct option_spec options_rtm_part[] = {
    OPTION("rtm-user", "NAME", KIND_USER, rtm_user, "the user of RTM; default: that of RTC"),
    OPTION("rtm-expire", "DURATION", KIND_DURATION, rtm_expire,
           "of the privilege to log in to RTM; default: that of the token"),
    OPTIONS_END,
};

static const struct option_spec options_user[] = {
    OPTION("user", "NAME", KIND_USER, user, "who logs in"),
    OPTION("uid", "NAME", KIND_USER, user, "the same, as the service's endpoints call it"),
    OPTIONS_END,
};

static const struct option_spec options_rtm[] = {
    OPTION("channel", "NAME", KIND_CHANNEL, channel,
           "a stream channel that the user may join too; * is every one"),
    OPTIONS_END,
};

static const struct option_spec options_app[] = {
    OPTION("app", NULL, KIND_FLAG, app, "a token for the app instead"),
    OPTIONS_END,
};

static const struct option_spec options_apaas[] = {
    OPTION("room", "NAME", KIND_USER, room, "and in this room, with RTM and Chat"),
    OPTION("role", "NUMBER", KIND_SHORT, room_role, "the user's role in the room"),
    OPTIONS_END,
};

static const struct option_spec options_permissions[] = {
    OPTION("read", "RESOURCE=NAMES", KIND_PERMISSION, permissions, "what the user may read"),
    OPTION("write", "RESOURCE=NAMES", KIND_PERMISSION, permissions, "what the user may write"),
    OPTIONS_END,
};

static const struct option_spec options_streaming[] = {
    OPTION("mixed", "LIFETIME", KIND_LIFETIME, mixed, "of the privilege to publish a mixed stream"),
    OPTION("raw", "LIFETIME", KIND_LIFETIME, raw, "of the privilege to publish a raw stream"),
    OPTIONS_END,
};

static const struct option_spec options_fcdn[] = {
    OPTION("publish", "LIFETIME", KIND_LIFETIME, publish, "of the privilege to publish"),
    OPTION("play", "LIFETIME", KIND_LIFETIME, play, "of the privilege to play"),
    OPTIONS_END,
};

/* clang-format versions lay out such macros differently. */
/* clang-format off */
#define TOKEN_TYPE(id, word, about, usage, remarks, ...)                                           \
    const struct command command_##id = {                                                          \
        .name = (word),                                                                            \
        .summary = (about),                                                                        \
        .synopsis = (usage),                                                                       \
        .notes = (remarks),                                                                        \
        .groups = {__VA_ARGS__, options_mint, options_certificate, options_common},                \
        .run = mint_token_type,                                                                    \
    }
/* clang-format on */

TOKEN_TYPE(rtc, "rtc", "Mints a token for video and voice calls.", channel_synopsis, lifetime_notes,
           options_channel, options_rtc);
TOKEN_TYPE(rtm, "rtm", "Mints a token for signaling (RTM), or for signaling with a stream channel.",
           "--user NAME [--channel NAME] [OPTION...]", NULL, options_user, options_rtm);
TOKEN_TYPE(rtc_rtm, "rtc-rtm", "Mints one token for calls (RTC) and signaling (RTM).",
           channel_synopsis, lifetime_notes, options_channel, options_rtc, options_rtm_part);
TOKEN_TYPE(chat, "chat", "Mints a token for Chat.", "--user NAME|--app [OPTION...]", NULL,
           options_user, options_app);
const struct command command_fpa = {
    .name = "fpa",
    .summary = "Mints a token for the Full-Path Accelerator (FPA).",
    .synopsis = "[OPTION...]",
    .notes = "As Agora's own, it lasts 24h unless --expire says otherwise.",
    .groups = {options_mint, options_certificate, options_common},
    .run = mint_token_type,
};
TOKEN_TYPE(apaas, "apaas", "Mints a token for APaaS, also called Flexible Classroom and Education.",
           "--user NAME [--room NAME --role NUMBER]|--app [OPTION...]", NULL, options_user,
           options_apaas, options_app);
TOKEN_TYPE(
    rtm2, "rtm2", "Mints a token for signaling with permissions (RTM2).",
    "--user NAME [--read RESOURCE=NAME,NAME...]... [--write ...]... [OPTION...]",
    "RESOURCE is message-channels, stream-channels, group-channels, server-groups or users;\n"
    "each stands once with --read and once with --write.",
    options_user, options_permissions);
TOKEN_TYPE(convoai, "convoai", "Mints a token for conversational AI (ConvoAI), with RTC and RTM.",
           channel_synopsis, lifetime_notes, options_channel, options_rtc, options_rtm_part);
TOKEN_TYPE(stt, "stt", "Mints a token for speech to text (STT), with RTC and RTM.",
           channel_synopsis, lifetime_notes, options_channel, options_rtc, options_rtm_part);
TOKEN_TYPE(streaming, "streaming", "Mints a token for Streaming.", channel_synopsis, lifetime_notes,
           options_channel, options_streaming);
TOKEN_TYPE(fcdn, "fcdn", "Mints a token for FCDN, the fusion CDN.", channel_synopsis,
           lifetime_notes, options_channel, options_fcdn);
