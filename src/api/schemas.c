/* The schemas of GET /openapi.json: what parameters, bodies and answers are. Limits are those of
 * the checks, and what a token can be asked for and holds comes from their tables. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/body.h"
#include "api/openapi.h"
#include "token_request.h"
#include "json/names.h"

#define REF(name) "{'$ref':'#/components/schemas/" name "'}"
#define OR_NULL(schema) "{'anyOf':[" schema ",{'type':'null'}]}"

#define INT16 "'minimum':-32768,'maximum':32767"
#define UINT32 "'type':'integer','minimum':0,'maximum':4294967295"
#define HEX(digits) "{'type':'string','pattern':'^[0-9A-Fa-f]{" digits "}$'}"
/* Objects whose members are numbers that have names elsewhere. */
#define BY_NUMBER "'type':'object','propertyNames':{'pattern':'^[0-9]{1,5}$'}"

/* Of a member that counts for other token types only. */
#define UNUSED_TEXT "{'type':['string','null']}"
/* An empty text is as good as an absent one. */
#define ABSENT "{'enum':['',null]}"
/* What no web server leaves in a path. */
#define NO_DOTS "'not':{'enum':['.','..']}"

/* A comma before all but the first of a list. */
static const char *comma(bool *is_first) {
    bool was_first = *is_first;
    *is_first = false;
    return was_first ? "" : ",";
}

/* ---- Texts and numbers ------------------------------------------------------- */

/* As the check has it, asked for each character. */
static void put_channel(struct buffer *out) {
    buffer_puts(out, "{'type':'string','pattern':'^(?:\\\\*|[");
    for (char c = ' '; c < 0x7f; c++) {
        char text[] = {'a', c, '\0'};
        if (agora_channel_is_valid(agora_text_of(text)))
            buffer_printf(out, "%s%c", strchr("[]^-", c) ? "\\\\" : "", c);
    }
    buffer_printf(
        out,
        "]{1,%d})$','minLength':1,'maxLength':%d,'description':'A channel, or * for every "
        "channel.','examples':['lecture']}",
        AGORA_CHANNEL_MAX, AGORA_CHANNEL_MAX);
}

static void put_user(struct buffer *out) {
    buffer_printf(out,
                  "{'type':'string','minLength':1,'maxLength':%d,"
                  "'pattern':'^[^\\\\u0000-\\\\u001f\\\\u007f]*$','description':'A user: 1 to %d "
                  "bytes of UTF-8, without control characters.','examples':['alice']}",
                  AGORA_USER_MAX, AGORA_USER_MAX);
}

/* Whole numbers up to 32 bits. */
static void put_digits(struct buffer *out) {
    char digits[11];
    int count = snprintf(digits, sizeof digits, "%" PRIu32, UINT32_MAX);
    buffer_printf(out, "{'type':'string','pattern':'^0*(?:[0-9]{1,%d}", count - 1);
    for (int i = 0; i < count; i++) {
        char least = i == 0 ? '1' : '0';
        if (digits[i] > least)
            buffer_printf(out, "|%.*s[%c-%c][0-9]{%d}", i, digits, least, digits[i] - 1,
                          count - 1 - i);
    }
    buffer_printf(out, "|%s)$'}", digits);
}

static void put_uid(struct buffer *out) {
    buffer_printf(
        out,
        "{'anyOf':[" REF(
            "User") ",{'type':'integer','minimum':0,'maximum':%" PRId64
                    "}],'description':'A number may be sent as such or as a string of digits.',"
                    "'examples':['42',42]}",
        BODY_INTEGER_MAX);
}

static void put_any_uid(struct buffer *out) {
    buffer_printf(out,
                  "{'type':['string','integer','null'],'minimum':0,'maximum':%" PRId64
                  ",'examples':['42',42]}",
                  BODY_INTEGER_MAX);
}

static void put_rtc_role(struct buffer *out) {
    buffer_printf(out,
                  "{'type':['integer','null'],'minimum':%d,'maximum':%d,'description':'%d may "
                  "publish audio, video and data; %d, as when left out, may only join.'}",
                  AGORA_ROLE_PUBLISHER, AGORA_ROLE_SUBSCRIBER, AGORA_ROLE_PUBLISHER,
                  AGORA_ROLE_SUBSCRIBER);
}

/* A key as bodies spell it: messageChannels. */
static void put_camel_case(const char *key, struct buffer *out) {
    for (; *key; key++) {
        char c = *key;
        if (c == '-' && key[1])
            c = (char)toupper((unsigned char)*++key);
        buffer_put(out, (struct agora_text){&c, 1});
    }
}

/* {'key':schema,…} for names of a list, and nothing but them, as null is absent. */
static void put_by_name(const struct name *names, const char *schema, struct buffer *out) {
    bool is_first = true;
    buffer_puts(out, "{'type':['object','null'],'properties':{");
    for (const struct name *name = names; name->key; name++) {
        buffer_printf(out, "%s'", comma(&is_first));
        put_camel_case(name->key, out);
        buffer_printf(out, "':%s", schema);
    }
    buffer_puts(out, "},'additionalProperties':{'type':'null'}}");
}

static void put_permissions(struct buffer *out) {
    put_by_name(resource_names, REF("PermissionsOfResource"), out);
}

static void put_permissions_of_resource(struct buffer *out) {
    put_by_name(permission_names, "{'type':['array','null'],'items':" REF("User") "}", out);
}

/* ---- Bodies ------------------------------------------------------------------ */

/* The members that bodies of /getToken have for what a row of the table takes. */
static const struct member {
    const char *name;
    unsigned field;
    bool is_required;
    const char *schema;
} members[] = {
    {"channel", TAKES_CHANNEL, true, REF("Channel")},
    {"uid", TAKES_UID | TAKES_USER, true, REF("Uid")},
    {"room", TAKES_ROOM, true, REF("User")},
    {"role", TAKES_ROLE, false, REF("RoleName")},
    {"role", TAKES_ROOM, false, REF("RoomRole")},
    {"permissions", TAKES_PERMISSIONS, false, REF("Permissions")},
    {NULL, 0, false, NULL},
};

static bool has_same_token_type(const struct service_kind *a, const struct service_kind *b) {
    return b->token_type && strcmp(a->token_type, b->token_type) == 0;
}

/* Whether the member, if it is given, chooses another row of the token type. */
static bool chooses_another(const struct member *member, const struct service_kind *kind) {
    for (const struct service_kind *other = service_kinds; other->token_type; other++)
        if (has_same_token_type(kind, other) && other->chosen_by > kind->chosen_by &&
            other->chosen_by & member->field)
            return true;
    return false;
}

/* In some token type role is a number, in all others it must be a text, even where it is unused. */
static bool has_room(const struct service_kind *kind) {
    for (const struct service_kind *other = service_kinds; other->token_type; other++)
        if (has_same_token_type(kind, other) && other->takes & TAKES_ROOM)
            return true;
    return false;
}

static void put_variant(const struct service_kind *kind, struct buffer *out) {
    const struct service_name *service = service_name_of_key(kind->token_type);
    buffer_printf(out, "{'title':'%s", kind->token_type);
    for (const struct member *m = members; m->name; m++)
        if (m->is_required && m->field & kind->chosen_by)
            buffer_printf(out, " with %s", m->name);
    buffer_printf(out, "','description':'%s','properties':{'tokenType':{'const':'%s'}",
                  service ? service->text : "RTC and RTM in one token", kind->token_type);
    if (!(kind->takes & TAKES_ROLE) && !has_room(kind))
        buffer_puts(out, ",'role':" UNUSED_TEXT);
    for (const struct member *m = members; m->name; m++) {
        bool is_user_of_rtm = kind->with_rtc_and_rtm && m->field & TAKES_USER;
        if (m->field & kind->takes)
            buffer_printf(out, ",'%s':%s", m->name, is_user_of_rtm ? REF("UidNotZero") : m->schema);
        else if (m->is_required && chooses_another(m, kind))
            buffer_printf(out, ",'%s':" ABSENT, m->name);
    }
    buffer_puts(out, "},'required':['tokenType'");
    for (const struct member *m = members; m->name; m++)
        if (m->is_required && m->field & kind->takes)
            buffer_printf(out, ",'%s'", m->name);
    buffer_puts(out, "]}");
}

static void put_get_token(struct buffer *out) {
    const char *last = "";
    bool is_first = true;
    buffer_puts(out, "{'type':'object','properties':{'tokenType':{'enum':[");
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++) {
        if (strcmp(kind->token_type, last) != 0)
            buffer_printf(out, "%s'%s'", comma(&is_first), kind->token_type);
        last = kind->token_type;
    }
    buffer_puts(out, "]},'channel':" UNUSED_TEXT
                     ",'uid':" REF("AnyUid") ",'room':" UNUSED_TEXT
                                             ",'expire':" REF("BodySeconds") "},'oneOf':[");
    is_first = true;
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++) {
        buffer_puts(out, comma(&is_first));
        put_variant(kind, out);
    }
    buffer_printf(out, "],'description':'The token lasts `expire` seconds, %d if that is left out",
                  EXPIRE_DEFAULT);
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++)
        if (kind->expire != EXPIRE_DEFAULT)
            buffer_printf(out, ", of %s %" PRIu32, kind->token_type, kind->expire);
    buffer_puts(out, ".'}");
}

/* That a body of /token/generate has a member which asks for the row. */
static void put_flag(const struct service_kind *kind, struct buffer *out) {
    buffer_printf(out, "{'required':['%s'],'properties':{'%s':{'const':true}}}", kind->flag,
                  kind->flag);
}

static void put_wanted(const struct service_kind *kind, struct buffer *out) {
    buffer_printf(out, "{'required':['%s'],'properties':{'%s':{'type':'object','allOf':[",
                  kind->member, kind->member);
    put_flag(kind, out);
    buffer_puts(out, "]}}}");
}

/* In a body of /token/generate RTC and RTM are asked for by themselves. */
static unsigned generate_takes(const struct service_kind *kind) {
    return kind->with_rtc_and_rtm ? 0 : kind->takes;
}

/* What of a row are members of its own object. */
static void put_needs_of_object(const struct service_kind *kind, struct buffer *out) {
    unsigned takes = generate_takes(kind);
    bool has_user = kind->user_member && takes & TAKES_USER;
    bool is_first = true;
    buffer_puts(out, "{'properties':{");
    if (has_user)
        buffer_printf(out, "%s'%s':" REF("User"), comma(&is_first), kind->user_member);
    if (takes & TAKES_ROOM)
        buffer_printf(out, "%s'roomUuid':" REF("User") ",'role':" REF("RoomRole"),
                      comma(&is_first));
    if (takes & TAKES_ROLE)
        buffer_printf(out, "%s'role':" REF("RoleNumber"), comma(&is_first));
    if (takes & TAKES_PERMISSIONS)
        buffer_printf(out, "%s'permissions':" REF("Permissions"), comma(&is_first));
    buffer_puts(out, "},'required':[");
    if (has_user)
        buffer_printf(out, "'%s'", kind->user_member);
    if (takes & TAKES_ROOM)
        buffer_puts(out, ",'roomUuid'");
    buffer_puts(out, "]}");
}

static bool have_same_member(const struct service_kind *a, const struct service_kind *b) {
    return a->member && b->member && strcmp(a->member, b->member) == 0;
}

/* The object of all rows with the same member, of which this is the first. */
static void put_object(const struct service_kind *first, struct buffer *out) {
    bool is_first = true;
    buffer_puts(out, "{'type':['object','null'],'properties':{");
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++)
        if (have_same_member(kind, first))
            buffer_printf(out, "%s'%s':{'type':['boolean','null']}", comma(&is_first), kind->flag);
    buffer_puts(out, "},'allOf':[");
    is_first = true;
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++) {
        if (!have_same_member(kind, first))
            continue;
        buffer_printf(out, "%s{'if':{'type':'object','allOf':[", comma(&is_first));
        put_flag(kind, out);
        buffer_puts(out, "]},'then':");
        put_needs_of_object(kind, out);
        buffer_puts(out, "}");
    }
    buffer_puts(out, "]}");
}

static void put_token_generate(struct buffer *out) {
    const char *last = "";
    bool is_first = true;
    buffer_puts(out, "{'type':'object','properties':{'channelName':" UNUSED_TEXT
                     ",'uid':" REF("AnyUid") ",'tokenExpireTs':" REF(
                         "BodySeconds") ",'privilegeExpireTs':" REF("BodySeconds"));
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++) {
        if (!kind->member || strcmp(kind->member, last) == 0)
            continue;
        last = kind->member;
        buffer_printf(out, ",'%s':", kind->member);
        put_object(kind, out);
    }
    buffer_puts(out, "},'anyOf':[");
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++) {
        if (!kind->member)
            continue;
        buffer_puts(out, comma(&is_first));
        put_wanted(kind, out);
    }
    buffer_puts(out, "],'allOf':[");
    is_first = true;
    for (const struct service_kind *kind = service_kinds; kind->token_type; kind++) {
        bool has_channel = generate_takes(kind) & TAKES_CHANNEL;
        bool has_uid = generate_takes(kind) & (TAKES_UID | TAKES_USER) && !kind->user_member;
        if (!kind->member || !has_uid)
            continue;
        buffer_printf(out, "%s{'if':", comma(&is_first));
        put_wanted(kind, out);
        buffer_printf(out, ",'then':{'properties':{%s'uid':" REF("Uid") "},'required':[%s'uid']}}",
                      has_channel ? "'channelName':" REF("Channel") "," : "",
                      has_channel ? "'channelName'," : "");
    }
    buffer_printf(out,
                  "],'description':'At least one service, each of which counts where its flag is "
                  "true. The token lasts `tokenExpireTs` seconds, %d if that is left out; "
                  "`privilegeExpireTs` left out lets the privileges of services with a channel end "
                  "with the token.'}",
                  EXPIRE_DEFAULT);
}

/* ---- Answers ----------------------------------------------------------------- */

static void put_numbers(const struct name *names, struct buffer *out) {
    for (const struct name *name = names; name->key; name++)
        buffer_printf(out, " %u: %s.", name->number, name->text);
}

static void put_privileges(const struct name *names, struct buffer *out) {
    buffer_puts(out, "'privileges':{" BY_NUMBER ",'additionalProperties':{" UINT32 "},"
                     "'description':'Seconds from the issue, 0 as long as the token.");
    put_numbers(names, out);
    buffer_puts(out, "'}");
}

static void put_service(const struct service_name *service, struct buffer *out) {
    const struct {
        const char *name; /* NULL: not in this service */
        const char *schema;
    } its[] = {
        {service->channel, REF("Bytes")},
        {service->user, REF("Bytes")},
        {service->has_role ? "role" : NULL, "{'type':'integer'," INT16 "}"},
        {service->has_permissions ? "permissions" : NULL, REF("PermissionsOfToken")},
    };
    buffer_printf(out,
                  "{'type':'object','title':'%s','additionalProperties':false,"
                  "'properties':{'type':{'const':'%s'},",
                  service->text, service->key);
    for (size_t i = 0; i < sizeof its / sizeof its[0]; i++)
        if (its[i].name)
            buffer_printf(out, "'%s':%s,", its[i].name, its[i].schema);
    put_privileges(service->privileges, out);
    buffer_puts(out, "},'required':['type','privileges'");
    for (size_t i = 0; i < sizeof its / sizeof its[0]; i++)
        if (its[i].name)
            buffer_printf(out, ",'%s'", its[i].name);
    buffer_puts(out, "]}");
}

static void put_services(struct buffer *out) {
    const struct service_name *service;
    buffer_puts(out, "{'oneOf':[");
    for (uint16_t type = 1; (service = service_name_of_type(type)); type++) {
        buffer_puts(out, type == 1 ? "" : ",");
        put_service(service, out);
    }
    buffer_puts(out, "]}");
}

static void put_permissions_of_token(struct buffer *out) {
    buffer_puts(out, "{" BY_NUMBER ",'additionalProperties':{" BY_NUMBER ",'additionalProperties':"
                     "{'type':'array','items':" REF("Bytes") "}},'description':'By resource, then "
                                                             "by permission.");
    put_numbers(resource_names, out);
    put_numbers(permission_names, out);
    buffer_puts(out, "'}");
}

static void put_token_006(struct buffer *out) {
    buffer_puts(out, "{'type':'object','title':'The old version 006','additionalProperties':false,"
                     "'required':['version','app_id','ts','salt','channel_crc32','user_crc32',"
                     "'privileges','signature'],'properties':{'version':{'const':'006'},"
                     "'app_id':" HEX("32") ",'ts':{" UINT32 "},'salt':{" UINT32 "},"
                                           "'channel_crc32':{" UINT32 "},'user_crc32':{" UINT32
                                           "},'signature':" HEX("64") ",");
    put_privileges(privilege_names_006, out);
    buffer_puts(out, "}}");
}

/* ---- All of them ------------------------------------------------------------- */

#define ANSWER(members, required)                                                                  \
    "{'type':'object','properties':{" members "},'required':[" required                            \
    "],'additionalProperties':false}"
#define FLAG "{'type':'boolean'}"

static const struct {
    const char *name;
    const char *schema;              /* constant, or */
    void (*put)(struct buffer *out); /* written */
} schemas[] = {
    {"Channel", .put = put_channel},
    {"PathChannel", .schema = "{'$ref':'#/components/schemas/Channel'," NO_DOTS "}"},
    {"User", .put = put_user},
    {"PathUser", .schema = "{'$ref':'#/components/schemas/User','pattern':'^[^/]*$'," NO_DOTS "}"},
    {"PathUserNotZero", .schema = "{'$ref':'#/components/schemas/PathUser','not':{'const':'0'}}"},
    {"PathUserOrEmpty", .schema = "{'anyOf':[" REF("PathUser") ",{'const':''}]}"},
    {"PathText", .schema = "{'type':'string','pattern':'^[^\\\\u0000/]*$'," NO_DOTS "}"},
    {"PathTokenType", .schema = "{'enum':['uid','userAccount']}"},
    {"Digits", .put = put_digits},
    {"PathUid", .schema = "{'anyOf':[" REF("Digits") "," REF("PathUser") ",{'const':''}],"
                                                                         "'examples':['42']}"},
    {"Seconds", .schema = "{" UINT32 ",'description':'Seconds, in digits alone.',"
                          "'examples':[3600]}"},
    {"Uid", .put = put_uid},
    {"UidNotZero", .schema = "{'$ref':'#/components/schemas/Uid','not':{'anyOf':[{'const':0},"
                             "{'type':'string','pattern':'^0+$'}]}}"},
    {"AnyUid", .put = put_any_uid},
    {"BodySeconds", .schema = "{'anyOf':[" REF("Seconds") "," REF(
                        "Digits") ",{'type':'null'}],'description':"
                                  "'Seconds: a number, written without fraction and exponent, or a "
                                  "string of digits. "
                                  "0 is as good as none.','examples':[600]}"},
    {"RoleName",
     .schema = "{'type':['string','null'],'description':'`publisher` may publish audio, video and "
               "data; any other may only join.','examples':['publisher']}"},
    {"RoleNumber", .put = put_rtc_role},
    {"RoomRole",
     .schema = "{'type':['integer','null']," INT16 ",'description':'The role in the room.'}"},
    {"Permissions", .put = put_permissions},
    {"PermissionsOfResource", .put = put_permissions_of_resource},
    {"GetToken", .put = put_get_token},
    {"TokenGenerate", .put = put_token_generate},
    {"Inspect",
     .schema = "{'type':'object','required':['token'],'properties':{'token':{'type':'string',"
               "'minLength':1,'description':'An Agora token as it was minted, which begins with "
               "007 or 006.'}}}"},
    {"Token", .schema = "{'type':'string','pattern':'^007[A-Za-z0-9+/]+={0,2}$'}"},
    {"RtcToken", .schema = ANSWER("'rtcToken':" REF("Token"), "'rtcToken'")},
    {"RtmToken", .schema = ANSWER("'rtmToken':" REF("Token"), "'rtmToken'")},
    {"RtcAndRtmToken", .schema = ANSWER("'rtcToken':" REF("Token") ",'rtmToken':" REF("Token"),
                                        "'rtcToken','rtmToken'")},
    {"ChatToken", .schema = ANSWER("'chatToken':" REF("Token"), "'chatToken'")},
    {"OneToken", .schema = ANSWER("'token':" REF("Token"), "'token'")},
    {"GeneratedToken",
     .schema = ANSWER("'code':{'const':0},'message':{'const':'Success'},'data':" REF("OneToken"),
                      "'code','message','data'")},
    {"Inspected",
     .schema = ANSWER("'valid':" FLAG ",'reason':{'type':['string','null'],'description':'Why "
                      "the token lets nobody in.'},'signed_here':" FLAG ",'ended':" FLAG
                      ",'token':{'oneOf':[" REF("TokenVersion007") "," REF("TokenVersion006") "]}",
                      "'valid','reason','signed_here','ended','token'")},
    {"TokenVersion007",
     .schema =
         "{'type':'object','title':'AccessToken2','additionalProperties':false,"
         "'required':['version','app_id','issue_ts','expire','salt','services','signature'],"
         "'properties':{'version':{'const':'007'},'app_id':" HEX(
             "32") ",'issue_ts':{" UINT32 "},'expire':{" UINT32 "},'salt':{" UINT32
                   "},'services':{'type':'array','items':" REF(
                       "ServiceOfToken") "},'unread':{'type':'integer','minimum':1,'description':"
                                         "'How many bytes were left: behind the last service, or "
                                         "where one is of a type that is not "
                                         "known.'},'unread_type':{'type':'integer','description':'"
                                         "That type; 0 behind the last.'},'signature':" HEX(
                                             "64") "}}"},
    {"TokenVersion006", .put = put_token_006},
    {"ServiceOfToken", .put = put_services},
    {"PermissionsOfToken", .put = put_permissions_of_token},
    {"Bytes", .schema = "{'anyOf':[{'type':'string'}," ANSWER(
                  "'hex':{'type':'string',"
                  "'pattern':'^(?:[0-9a-f]{2})*$'}",
                  "'hex'") "],'description':'A text, or what is not "
                           "UTF-8 in hexadecimal.'}"},
    {"Pong", .schema = ANSWER("'message':{'const':'pong'}", "'message'")},
    {"Live", .schema = ANSWER("'status':{'const':'live'}", "'status'")},
    {"Ready", .schema = ANSWER("'status':{'const':'ready'},'access':{'enum':['open','policy']},"
                               "'sample_credentials':" FLAG,
                               "'status','access','sample_credentials'")},
    {"Description", .schema = "{'type':'object','required':['openapi','info','paths']}"},
    {"Error",
     .schema = ANSWER("'status':{'type':'integer'},'error':{'type':'string'},"
                      "'message':{'type':'string','description':'The same text as `error`.'}",
                      "'status','error','message'")},
    {"CodedError",
     .schema = ANSWER("'code':{'enum':[-1,-2],'description':'-2 where the service failed.'},"
                      "'message':{'type':'string'},'data':{'const':''}",
                      "'code','message','data'")},
};

void put_schemas(struct buffer *out) {
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        buffer_printf(out, "%s'%s':", i == 0 ? "" : ",", schemas[i].name);
        if (schemas[i].put)
            schemas[i].put(out);
        else
            buffer_puts(out, schemas[i].schema);
    }
}
