/* What GET /openapi.json says about each route and each open part of a path, in words and examples.
 */
#include "api/openapi.h"

#define SAMPLE                                                                                     \
    "007eJxTYHj/98nGWY/lRUMfa82J8Ip8M701q+/"                                                       \
    "8BqH569j8b2i8+uCtwGBpbuDsaGyakmpmkGxiYmZimpSUmGqRaGRoamBmmGRsv"                               \
    "PgnS3YEEwNDyqP9AowMjAwsQAziM4FJZjDJAibZGXJSk0tKi1KZGEyMAM1YI1g="

#define TOKENS "tokens"
#define OPERATION "operation"

const struct operation operation_page = {
    .id = "page",
    .tag = OPERATION,
    .summary = "A page to create and read tokens",
    .media_type = "text/html; charset=utf-8",
};

const struct operation operation_openapi = {
    .id = "openapi",
    .tag = OPERATION,
    .summary = "This description",
    .answer = "Description",
};

const struct operation operation_metrics = {
    .id = "metrics",
    .tag = OPERATION,
    .summary = "Counters, in the text format of Prometheus",
    .media_type = "text/plain; version=0.0.4; charset=utf-8",
};

const struct operation operation_ping = {
    .id = "ping",
    .tag = OPERATION,
    .summary = "Whether the service answers, as in agora-token-service",
    .answer = "Pong",
    .example = "{'message':'pong'}",
};

const struct operation operation_livez = {
    .id = "livez",
    .tag = OPERATION,
    .summary = "Whether the process answers",
    .answer = "Live",
    .example = "{'status':'live'}",
};

const struct operation operation_readyz = {
    .id = "readyz",
    .tag = OPERATION,
    .summary = "Whether settings, policy and keys are there",
    .description = "`sample_credentials`: the tokens are well formed, but let nobody in.",
    .can_be_unready = true,
    .answer = "Ready",
    .example = "{'status':'ready','access':'open','sample_credentials':true}",
};

const struct operation operation_rtc = {
    .id = "rtc",
    .tag = TOKENS,
    .summary = "A token for a channel of a call",
    .mints = true,
    .answer = "RtcToken",
    .example = "{'rtcToken':'" SAMPLE "'}",
};

const struct operation operation_rtm = {
    .id = "rtm",
    .tag = TOKENS,
    .summary = "A token for signaling",
    .mints = true,
    .answer = "RtmToken",
    .example = "{'rtmToken':'" SAMPLE "'}",
};

const struct operation operation_rte = {
    .id = "rte",
    .tag = TOKENS,
    .summary = "Two tokens, for a call and for signaling as the same user",
    .description =
        "Signaling has no user 0, so with tokenType `uid` digits that make 0 are refused.",
    .mints = true,
    .answer = "RtcAndRtmToken",
    .example = "{'rtcToken':'" SAMPLE "','rtmToken':'" SAMPLE "'}",
};

const struct operation operation_rte_rtm = {
    .id = "rteWithUser",
    .tag = TOKENS,
    .summary = "Two tokens, for a call and for signaling",
    .description =
        "Signaling has no user 0: where rtmuid is empty, rtcuid stands for it and must not be "
        "0 or empty.",
    .mints = true,
    .answer = "RtcAndRtmToken",
    .example = "{'rtcToken':'" SAMPLE "','rtmToken':'" SAMPLE "'}",
};

const struct operation operation_chat_app = {
    .id = "chatApp",
    .tag = TOKENS,
    .summary = "A token for the REST API of Chat",
    .mints = true,
    .answer = "ChatToken",
    .example = "{'chatToken':'" SAMPLE "'}",
};

const struct operation operation_chat_account = {
    .id = "chatAccount",
    .tag = TOKENS,
    .summary = "A token for a user of Chat",
    .mints = true,
    .answer = "ChatToken",
    .example = "{'chatToken':'" SAMPLE "'}",
};

const struct operation operation_get_token = {
    .id = "getToken",
    .tag = TOKENS,
    .summary = "One token of any type",
    .mints = true,
    .body = "GetToken",
    .examples = "{'rtc':{'summary':'A call','value':{'tokenType':'rtc','channel':'lecture',"
                "'role':'publisher','uid':'42','expire':600}},"
                "'rtm':{'summary':'Signaling','value':{'tokenType':'rtm','uid':'alice'}},"
                "'chat':{'summary':'Chat, for the app','value':{'tokenType':'chat'}},"
                "'apaas':{'summary':'A user in a room of a flexible "
                "classroom','value':{'tokenType':'apaas',"
                "'uid':'alice','room':'room-1','role':2}},"
                "'rtm2':{'summary':'Signaling 2, with "
                "permissions','value':{'tokenType':'rtm2','uid':'alice',"
                "'permissions':{'messageChannels':{'read':['news'],'write':['chat']}}}},"
                "'convoai':{'summary':'Conversational AI','value':{'tokenType':'convoai',"
                "'channel':'lecture','role':'publisher','uid':42}}}",
    .answer = "OneToken",
    .example = "{'token':'" SAMPLE "'}",
};

const struct operation operation_token_generate = {
    .id = "generateToken",
    .tag = TOKENS,
    .summary = "One token of any services, as Agora has it in its token server for Docker",
    .description =
        "The uid stands in the token as it is given, leading zeros and all. Refusals have the form "
        "of that server.",
    .mints = true,
    .body = "TokenGenerate",
    .examples =
        "{'rtcAndRtm':{'summary':'A call and "
        "signaling','value':{'channelName':'lecture','uid':'42',"
        "'tokenExpireTs':3600,'privilegeExpireTs':3600,'serviceRtc':{'enable':true,'role':1},"
        "'serviceRtm':{'enable':true}}},"
        "'chat':{'summary':'Chat, for a user','value':{'serviceChat':{'enableUser':true,"
        "'userUuid':'alice'}}},"
        "'classroom':{'summary':'A user in a room of a flexible classroom','value':{'serviceApaas':"
        "{'enableRoomUser':true,'roomUuid':'room-1','userUuid':'alice','role':2}}}}",
    .answer = "GeneratedToken",
    .example = "{'code':0,'message':'Success','data':{'token':'" SAMPLE "'}}",
};

const struct operation operation_inspect = {
    .id = "inspect",
    .tag = "inspection",
    .summary = "What a token holds, and whether the certificate of this service signed it",
    .description =
        "A text that is no token is refused, and so is one whose answer would exceed 64 KiB.",
    .body = "Inspect",
    .examples = "{'rtc':{'summary':'A token for a call','value':{'token':'" SAMPLE "'}}}",
    .answer = "Inspected",
    .example =
        "{'valid':true,'reason':null,'signed_here':true,'ended':false,'token':{'version':'007',"
        "'app_id':'970CA35de60c44645bbae8a215061b33','issue_ts':1700000000,'expire':3600,'salt':1,"
        "'services':[{'type':'rtm','user':'alice','privileges':{'1':3600}}],'signature':"
        "'0000000000000000000000000000000000000000000000000000000000000000'}}",
};

const struct parameter path_parameters[] = {
    {NULL, "channel", "PathChannel", "lecture", "The channel, or * for every channel."},
    {NULL, "role", "PathText", "publisher",
     "`publisher` may publish audio, video and data; any other may only join."},
    {NULL, "tokenType", "PathTokenType", "uid", "What rtcuid is: a number, or an account."},
    {&operation_rte, "rtcuid", "PathUserNotZero", "42",
     "The user: with tokenType `uid` a number from 1 to 4294967295, in digits alone; with "
     "`userAccount` any text."},
    {NULL, "rtcuid", "PathUid", "42",
     "The user: with tokenType `uid` a number from 0 to 4294967295, in digits alone, where 0 "
     "admits "
     "any user; with `userAccount` any text. Empty is 0."},
    {&operation_rte_rtm, "rtmuid", "PathUserOrEmpty", "alice",
     "The user of signaling. Empty is that of rtcuid."},
    {NULL, "rtmuid", "PathUserNotZero", "alice", "The user of signaling."},
    {NULL, "chatid", "PathUser", "alice", "The user of Chat."},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct parameter expiry_parameter = {
    NULL, "expiry", "Seconds", "600",
    "Seconds that the token and its privileges last, in digits alone. The first counts."};
