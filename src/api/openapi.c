/* GET /openapi.json: the routes and settings in force, described as OpenAPI 3.1 has it. */
#include "api/openapi.h"

#include <assert.h>
#include <string.h>

#include "api/routes.h"
#include "text.h"
#include "token_request.h"
#include "version.h"
#include "json/reader.h"

/* ---- What a request can be refused with ---------------------------------------- */

#define HEADER(name) ",'" name "':{'$ref':'#/components/headers/" name "'}"

/* What of a route and the settings lets it be refused in some way. */
enum {
    EVERY_ROUTE = 1,
    HAS_CAPTURE = 2,
    HAS_INPUT = 4,
    ASKS_WHO = 8,
    NEEDS_KEYS = 16,
    MINTS = 32,
    NO_OPERATION = 64, /* what no operation answers, but the path does */
};

static unsigned traits(const struct route *route, const struct settings *settings) {
    const struct operation *its = route->operation;
    bool has_capture = strchr(route->pattern, ':');
    bool asks_who = route->access == CALLERS && settings->access;
    bool needs_keys = asks_who || (its->can_be_unready && settings->access);
    return EVERY_ROUTE | (has_capture ? HAS_CAPTURE : 0) |
           (has_capture || its->mints || its->body ? HAS_INPUT : 0) | (asks_who ? ASKS_WHO : 0) |
           (needs_keys ? NEEDS_KEYS : 0) | (its->mints ? MINTS : 0);
}

static const struct {
    const char *name;
    const char *description;
    const char *headers; /* of it alone */
    enum http_status status;
    unsigned of; /* the trait of a route that it takes */
} refusals[] = {
    {"BadRequest", "A value is not valid; the text names it and what is allowed.", "",
     HTTP_BAD_REQUEST, HAS_INPUT},
    {"Unauthorized", "The credential is missing or not valid.", HEADER("WWW-Authenticate"),
     HTTP_UNAUTHORIZED, ASKS_WHO},
    {"Forbidden",
     "The page that asks is of an origin that is not allowed or, with a policy, the caller may not "
     "have this.",
     HEADER("WWW-Authenticate"), HTTP_FORBIDDEN, EVERY_ROUTE},
    {"NotFound", "No such path: so with a parameter that holds a slash.", "", HTTP_NOT_FOUND,
     HAS_CAPTURE},
    {"MethodNotAllowed", "Not with this method.", HEADER("Allow"), HTTP_METHOD_NOT_ALLOWED,
     NO_OPERATION},
    {"ContentTooLarge", "The body is larger than the service takes.", "", HTTP_CONTENT_TOO_LARGE,
     EVERY_ROUTE},
    {"TooManyRequests", "Too many requests, by a rule of the policy or of the web server.",
     HEADER("Retry-After"), HTTP_TOO_MANY_REQUESTS, MINTS},
    {"InternalServerError", "The service failed.", "", HTTP_INTERNAL_SERVER_ERROR, EVERY_ROUTE},
    {"ServiceUnavailable", "The keys that verify credentials were not fetched yet.",
     HEADER("Retry-After"), HTTP_SERVICE_UNAVAILABLE, NEEDS_KEYS},
};

enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

static const struct {
    const char *prefix; /* of the names of responses */
    const char *schema;
} forms[] = {
    [ERROR_PLAIN] = {"", "{'$ref':'#/components/schemas/Error'}"},
    /* What is refused before the route is known is plain there too. */
    [ERROR_CODED] = {"Coded", "{'anyOf':[{'$ref':'#/components/schemas/CodedError'},"
                              "{'$ref':'#/components/schemas/Error'}]}"},
};

static void put_refusals(struct buffer *out) {
    for (size_t form = 0; form < sizeof forms / sizeof forms[0]; form++)
        for (size_t i = 0; i < REFUSALS; i++)
            buffer_printf(out,
                          "%s'%s%s':{'description':'%s','headers':{'X-Request-Id':{'$ref':"
                          "'#/components/headers/X-Request-Id'}%s},"
                          "'content':{'application/json':{'schema':%s}}}",
                          form + i == 0 ? "" : ",", forms[form].prefix, refusals[i].name,
                          refusals[i].description, refusals[i].headers, forms[form].schema);
}

/* ---- Operations ------------------------------------------------------------------ */

static const struct parameter *parameter_of(const struct operation *operation,
                                            struct agora_text name) {
    for (const struct parameter *p = path_parameters; p->name; p++)
        if (text_equals(name, p->name) && (!p->operation || p->operation == operation))
            return p;
    return NULL;
}

static void put_parameter(const struct parameter *p, bool is_in_path, struct buffer *out) {
    bool is_number = p == &expiry_parameter;
    buffer_printf(out,
                  "{'name':'%s','in':'%s','required':%s,'description':'%s',"
                  "'schema':{'$ref':'#/components/schemas/%s'",
                  p->name, is_in_path ? "path" : "query", is_in_path ? "true" : "false",
                  p->description, p->schema);
    if (is_number)
        buffer_printf(out, ",'default':%d},'example':%s}", EXPIRE_DEFAULT, p->example);
    else
        buffer_printf(out, "},'example':'%s'}", p->example);
}

static void put_parameters(const struct route *route, struct buffer *out) {
    const char *before = "";
    struct agora_text rest = agora_text_of(route->pattern);
    buffer_puts(out, "'parameters':[");
    while (rest.data) {
        struct agora_text segment = text_cut(&rest, '/');
        if (segment.length == 0 || segment.data[0] != ':')
            continue;
        segment = (struct agora_text){segment.data + 1, segment.length - 1};
        const struct parameter *parameter = parameter_of(route->operation, segment);
        assert(parameter); /* each capture of a route is described in path_parameters */
        buffer_puts(out, before);
        put_parameter(parameter, true, out);
        before = ",";
    }
    if (route->operation->mints && route->method == GET) {
        buffer_puts(out, before);
        put_parameter(&expiry_parameter, false, out);
    }
    buffer_puts(out, "],");
}

/* Who may ask. With a policy whoever it knows, else everybody. */
static void put_security(const struct route *route, const struct settings *settings,
                         struct buffer *out) {
    buffer_puts(out, "'security':[");
    if (route->access == CALLERS) {
        buffer_puts(out, settings->access ? "" : "{},");
        buffer_puts(out, "{'bearer':[]},{'apiKey':[]}");
        if (settings->access && access_has_ambient_callers(settings->access))
            buffer_puts(out, ",{'webServer':[]}");
    }
    buffer_puts(out, "],");
}

static void put_responses(const struct route *route, const struct settings *settings,
                          struct buffer *out) {
    const struct operation *its = route->operation;
    buffer_printf(
        out,
        "'responses':{'%d':{'description':'What was asked for.','headers':{'X-Request-Id':"
        "{'$ref':'#/components/headers/X-Request-Id'}},'content':{'%s':{'schema':",
        HTTP_OK, its->media_type ? its->media_type : "application/json");
    if (its->answer)
        buffer_printf(out, "{'$ref':'#/components/schemas/%s'}", its->answer);
    else
        buffer_puts(out, "{'type':'string'}");
    if (its->example)
        buffer_printf(out, ",'example':%s", its->example);
    buffer_puts(out, "}}}");
    for (size_t i = 0; i < REFUSALS; i++)
        if (refusals[i].of & traits(route, settings))
            buffer_printf(out, ",'%d':{'$ref':'#/components/responses/%s%s'}", refusals[i].status,
                          forms[route->error_form].prefix, refusals[i].name);
    buffer_puts(out, "}");
}

static void put_operation(const struct route *route, const struct settings *settings,
                          struct buffer *out) {
    static const char *const methods[] = {[GET] = "get", [POST] = "post"};
    const struct operation *its = route->operation;
    buffer_printf(out, "'%s':{'operationId':'%s','tags':['%s'],'summary':'%s',",
                  methods[route->method], its->id, its->tag, its->summary);
    if (its->description)
        buffer_printf(out, "'description':'%s',", its->description);
    put_security(route, settings, out);
    put_parameters(route, out);
    if (its->body)
        buffer_printf(out,
                      "'requestBody':{'required':true,'content':{'application/json':{'schema':"
                      "{'$ref':'#/components/schemas/%s'},'examples':%s}}},",
                      its->body, its->examples);
    put_responses(route, settings, out);
    buffer_puts(out, "}");
}

/* /rtm/:rtmuid is /rtm/{rtmuid} here. */
static void put_path(const char *pattern, struct buffer *out) {
    struct agora_text rest = agora_text_of(pattern + 1);
    while (rest.data) {
        struct agora_text segment = text_cut(&rest, '/');
        bool is_open = segment.length > 0 && segment.data[0] == ':';
        buffer_puts(out, is_open ? "/{" : "/");
        buffer_put(out, (struct agora_text){segment.data + is_open, segment.length - is_open});
        buffer_puts(out, is_open ? "}" : "");
    }
}

static void put_paths(const struct settings *settings, struct buffer *out) {
    const char *before = "";
    for (const struct route *route = routes; route->pattern; route++) {
        if (!route_is_available(route, settings))
            continue;
        buffer_printf(out, "%s'", before);
        put_path(route->pattern, out);
        buffer_puts(out, "':{");
        put_operation(route, settings, out);
        buffer_puts(out, "}");
        before = ",";
    }
}

/* ---- The document ---------------------------------------------------------------- */

/* How requests are read, which no schema can say. */
static void put_info(struct buffer *out) {
    buffer_printf(
        out,
        "'openapi':'3.1.0','info':{'title':'agora-token','version':'" VERSION "','summary':"
        "'Access tokens for the services of Agora','license':{'name':'MIT','identifier':'MIT'},"
        "'description':'"
        "**Requests.** A slash at the end of a path makes no difference. HEAD works where GET "
        "does, "
        "and OPTIONS on any path is answered by 204. Any other method is answered by 405 with "
        "`Allow`, and an unknown path by 404. Parts of a path are percent-encoded; they hold no "
        "slash, no zero byte and are neither `.` nor `..`; an empty one at the end needs a slash "
        "behind it.\\n\\n"
        "**Lengths** count bytes of UTF-8, where these schemas count characters.\\n\\n"
        "**Bodies** hold up to %d bytes of JSON, of any Content-Type. Names of members match in "
        "any "
        "case, the last of repeated members counts, null is as good as absent, members that are "
        "not "
        "known are ignored, and so is what follows the first JSON value. Whole numbers are written "
        "without fraction and exponent. There may be up to %d arrays and objects in one another, "
        "and %d values and names, of which an array or object counts as %d. Half of a surrogate "
        "pair is refused.\\n\\n"
        "**Refusals** carry the same text as `error` and as `message`. What the web server in "
        "front "
        "answers by itself, such as 502 and 504 where the service is down, may have another form."
        "'},'servers':[{'url':'.','description':'Beside this description'}],",
        REQUEST_BODY_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, JSON_CONTAINER_VALUES);
    buffer_puts(out, "'tags':[{'name':'tokens','description':'Tokens to join with'},"
                     "{'name':'inspection','description':'What a token says'},"
                     "{'name':'operation','description':'For whoever runs the service'}],");
}

static void put_security_schemes(const struct settings *settings, struct buffer *out) {
    buffer_puts(out, "'bearer':{'type':'http','scheme':'bearer','bearerFormat':'JWT','description':"
                     "'A JWT or an API key, where the service has a policy.'},"
                     "'apiKey':{'type':'apiKey','in':'header','name':'X-API-Key','description':"
                     "'An API key, where the service has a policy.'}");
    if (settings->access && access_has_ambient_callers(settings->access))
        buffer_puts(out,
                    ",'webServer':{'type':'http','scheme':'basic','description':'A login of the "
                    "web server, whichever it has, or a cookie of the site.'}");
}

static void put_headers(struct buffer *out) {
    buffer_printf(out,
                  "'X-Request-Id':{'description':'As the web server gave one to the request.',"
                  "'schema':{'type':'string','pattern':'^[!-~]{1,%d}$'}},"
                  "'WWW-Authenticate':{'description':'With a policy: what the credential lacks.',"
                  "'schema':{'type':'string'}},"
                  "'Retry-After':{'description':'Seconds to wait.','schema':{'type':'integer',"
                  "'minimum':1}},"
                  "'Allow':{'description':'The methods that work.','schema':{'type':'string'}}",
                  REQUEST_ID_MAX);
}

void endpoint_openapi(const struct call *call, struct response *response) {
    const struct settings *settings = call->api->settings;
    struct buffer *out = &response->body;
    buffer_puts(out, "{");
    put_info(out);
    buffer_puts(out, "'paths':{");
    put_paths(settings, out);
    buffer_puts(out, "},'components':{'securitySchemes':{");
    put_security_schemes(settings, out);
    buffer_puts(out, "},'headers':{");
    put_headers(out);
    buffer_puts(out, "},'responses':{");
    put_refusals(out);
    buffer_puts(out, "},'schemas':{");
    put_schemas(out);
    buffer_puts(out, "}}}");
    for (size_t i = 0; i < out->length; i++)
        if (out->data[i] == '\'')
            out->data[i] = '"';
}
