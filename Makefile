# make            builds the release into build/release
# make run        installs what is missing, builds, serves on PORT (8080)
# make check      installs what the tests need, builds, runs every test and lint
# make bench      installs what it needs, measures for four minutes, prints one table
# make cgi        one static file for shared hosting, build/release/agora-token.cgi
# make SANITIZE=address|thread ... builds into build/address or build/thread

CC = gcc
PKG_CONFIG ?= pkg-config
SANITIZE ?=
FLAVOUR := $(or $(SANITIZE),release)
B := build/$(FLAVOUR)

PACKAGES := libcrypto zlib json-c
PACKAGE_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PACKAGE_LIBS = $(shell $(PKG_CONFIG) --libs $(PACKAGES))

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Werror
HARDENING := -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2 -fPIE
ifeq ($(SANITIZE),)
CFLAGS ?= -O2 -g
MODE := $(HARDENING)
LINK_MODE := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
else ifeq ($(SANITIZE),address)
CFLAGS ?= -O1 -g
MODE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK_MODE := $(MODE)
else
CFLAGS ?= -O1 -g
MODE := -fsanitize=$(SANITIZE)
LINK_MODE := $(MODE)
endif
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -Iinclude -Isrc $(WARNINGS) $(MODE) $(PACKAGE_CFLAGS) $(CFLAGS)

TOKEN := $(wildcard src/token/*.c)
SERVICE := src/config.c src/dotenv.c src/log.c $(wildcard src/http/*.c src/api/*.c src/gateway/*.c)
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

objects = $(patsubst %.c,$(B)/%.o,$(1))

ifneq ($(V),1)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2);
endif

all: $(B)/agora-token-fcgi

$(B)/libagoratoken.a: $(call objects,$(TOKEN))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/libservice.a: $(call objects,$(SERVICE))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/agora-token-fcgi: $(B)/src/agora-token-fcgi.o $(B)/libservice.a $(B)/libagoratoken.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -pthread -o $@ $^ -lfcgi $(PACKAGE_LIBS)

# No library of the host is needed or, by the flags, asked for. The linker would warn that parts of
# OpenSSL which are never called (its sockets, its plug-ins) want the C library's own version.
$(B)/agora-token.cgi: $(B)/src/agora-token-cgi.o $(B)/libservice.a $(B)/libagoratoken.a
	$(call say,LD,$@)
	$(Q)$(CC) -static -s -Wl,--gc-sections,--no-warnings $(LDFLAGS) -o $@ $^ \
		-ljson-c -lcrypto -lz

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libservice.a $(B)/libagoratoken.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -pthread -o $@ $^ -lcmocka -lfcgi $(PACKAGE_LIBS)

$(B)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

unit-programs: $(addprefix $(B)/tests/unit/,$(UNIT))

cgi: $(B)/agora-token.cgi

run:
	@conf/local/packages run
	@$(MAKE) --no-print-directory all
	@exec conf/local/serve

check:
	@conf/local/packages check
	@tests/check

SOURCES := $(shell find src include tests -name '*.[ch]' -not -path '*/node_modules/*')

format:
	clang-format -i $(SOURCES)

clean:
	rm -rf build

.PHONY: all cgi run check format clean unit-programs
.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
