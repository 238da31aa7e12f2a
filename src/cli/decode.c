#include <stdio.h>

#include "cli/cli.h"
#include "cli/input.h"
#include "text.h"
#include "json/names.h"
#include "json/token_json.h"

static void print_text(const char *label, struct agora_text text) {
    printf("  %-10s", label);
    text_print(text, stdout);
    putchar('\n');
}

static void print_privilege(const struct name *names, uint16_t privilege, uint64_t end,
                            uint64_t now) {
    const struct name *name = name_of_number(names, privilege);
    char number[32];
    snprintf(number, sizeof number, "privilege %u", privilege);
    printf("  may %-24s %s%s\n", name ? name->text : number, now < end ? "ends " : "ended ",
           show_time(end, now).text);
}

static void print_permission(const struct agora_rtm2_permission *p) {
    const struct name *resource = name_of_number(resource_names, p->resource);
    const struct name *permission = name_of_number(permission_names, p->permission);
    char resource_number[32];
    char permission_number[32];
    snprintf(resource_number, sizeof resource_number, "resource %u", p->resource);
    snprintf(permission_number, sizeof permission_number, "permission %u", p->permission);
    printf("  may %s %s:", permission ? permission->text : permission_number,
           resource ? resource->text : resource_number);
    for (size_t i = 0; i < p->name_count; i++) {
        fputs(i == 0 ? " " : ", ", stdout);
        text_print(p->names[i], stdout);
    }
    putchar('\n');
}

static void print_service(const struct agora_token *token, const struct agora_service *service,
                          uint64_t now) {
    const struct service_name *name = service_name_of_type(service->type);
    printf("\n%s\n", name->text);
    if (name->channel && service->channel.length == 1 && service->channel.data[0] == '*')
        puts("  channel   * (every channel)");
    else if (name->channel)
        print_text(name->channel, service->channel);
    if (name->user && service->user.length == 0)
        printf("  %-10s%s\n", name->user,
               name->channel && !name->has_role ? "(any user)" : "(none)");
    else if (name->user)
        print_text(name->user, service->user);
    if (name->has_role)
        printf("  role      %d\n", service->role);
    for (size_t i = 0; i < service->permission_count; i++)
        print_permission(&service->permissions[i]);
    for (size_t i = 0; i < service->privilege_count; i++)
        print_privilege(name->privileges, service->privileges[i].privilege,
                        agora_privilege_end(token, &service->privileges[i]), now);
}

static void print_end(uint64_t end, uint64_t now) {
    printf("  %-10s%s\n", now < end ? "ends" : "ended", show_time(end, now).text);
}

static void print_007(const struct agora_reading *reading, uint64_t now) {
    const struct agora_token *token = &reading->token;
    puts("Token 007");
    print_text("App ID", token->app_id);
    printf("  issued    %s\n", show_time(token->issue_ts, now).text);
    print_end(agora_token_end(token), now);
    printf("  salt      %u\n", token->salt);
    for (size_t i = 0; i < token->service_count; i++)
        print_service(token, &token->services[i], now);
    if (reading->unread > 0 && reading->unread_type == 0)
        printf("\nThere are %zu more bytes behind the last service.\n", reading->unread);
    else if (reading->unread > 0)
        printf(
            "\nThere are %zu more bytes, beginning with a service of type %u, which this program "
            "does not know.\n",
            reading->unread, reading->unread_type);
}

static void print_006(const struct agora_token_006 *old, uint64_t now) {
    puts("Token 006, a version that Agora has replaced by 007");
    print_text("App ID", old->app_id);
    print_end(agora_token_006_end(old), now);
    printf("  salt      %u\n", old->salt);
    printf("  channel   (only its CRC-32, %08x)\n", old->channel_crc);
    printf("  user      (only its CRC-32, %08x)\n", old->user_crc);
    for (size_t i = 0; i < old->privilege_count; i++)
        print_privilege(privilege_names_006, old->privileges[i].privilege,
                        agora_privilege_006_end(old, &old->privileges[i]), now);
}

static int print_as_json(const struct command *command, const struct agora_reading *reading) {
    struct buffer out = {0};
    token_write_json(reading, &out);
    buffer_puts(&out, "\n");
    int status = out.failed ? complain_failed(command, "out of memory") : 0;
    if (status == 0)
        fwrite(out.data, 1, out.length, stdout);
    buffer_free(&out);
    return status;
}

static int run(const struct command *command, struct values *values) {
    struct input input;
    int status = input_read_token(command, values, &input);
    if (status == 0 && values->json)
        status = print_as_json(command, &input.reading);
    else if (status == 0 && input.reading.version == 6)
        print_006(&input.reading.old, now_of(values));
    else if (status == 0)
        print_007(&input.reading, now_of(values));
    if (status == 0)
        status = flush_output(command);
    input_free(&input);
    return status;
}

static const struct option_spec options[] = {
    OPTION("at", "SECONDS", KIND_TIME, at, "as seen at this time, in Unix seconds; default: now"),
    OPTIONS_END,
};

const struct command command_decode = {
    .name = "decode",
    .summary = "Prints everything in a token. Does not judge its signature; see verify.",
    .synopsis = "[OPTION...] [TOKEN|-]",
    .takes_operand = true,
    .notes = "Without TOKEN, or with -, it is read from standard input.",
    .groups = {options, options_common},
    .run = run,
};
