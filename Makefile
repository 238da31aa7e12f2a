# make            builds the release into build/release
# make run        installs what is missing, builds, serves on PORT (8080)
# make test       installs what is missing, builds, runs the tests that take less than a minute; no root
# make check      installs what the tests need, builds, runs every test and lint
# make bench      installs what it needs, measures for four minutes, prints one table
# make fuzz       fuzzes each target of tests/fuzz for FUZZ_SECONDS (60), with clang
# make cgi        installs what is missing, builds one static file for shared hosting,
#                 build/release/agora-token.cgi
# make install    copies programs, library, man pages and completions below PREFIX (/usr/local);
#                 DESTDIR is put before it. make uninstall takes them away again
# make install-service   installs what is missing, then the above, as a systemd service; run it as root
# make deb        Debian packages, in build/deb
# make check-package     builds those, installs them in a bare system, uses and purges them
# make check-container   builds the images of the Dockerfile and tests them; needs root
# make SANITIZE=address|thread ... builds into build/address or build/thread

CC = gcc
PKG_CONFIG ?= pkg-config
SANITIZE ?=
FLAVOUR := $(or $(SANITIZE),release)
B := build/$(FLAVOUR)

PACKAGES := libcrypto zlib json-c
PACKAGE_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PACKAGE_LIBS = $(shell $(PKG_CONFIG) --libs $(PACKAGES))
LIBRARY_LIBS = $(shell $(PKG_CONFIG) --libs libcrypto zlib)

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
else ifeq ($(SANITIZE),fuzzer)
CC = clang
CFLAGS ?= -O1 -g
MODE := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LINK_MODE := -fsanitize=fuzzer,address,undefined
else
CFLAGS ?= -O1 -g
MODE := -fsanitize=$(SANITIZE)
LINK_MODE := $(MODE)
endif
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -Iinclude -Isrc $(WARNINGS) $(MODE) $(PACKAGE_CFLAGS) $(CFLAGS)

VERSION := $(shell sed -n 's/^\#define VERSION "\(.*\)"$$/\1/p' src/version.h)
SONAME := libagoratoken.so.$(firstword $(subst ., ,$(VERSION)))

TOKEN := $(wildcard src/token/*.c)
CLI := $(wildcard src/cli/*.c)
SERVICE := $(filter-out src/agora-token%.c,$(wildcard src/*.c)) \
	$(wildcard src/http/*.c src/json/*.c src/access/*.c src/metrics/*.c src/page/*.c src/api/*.c src/gateway/*.c)
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

objects = $(patsubst %.c,$(B)/%.o,$(1))

comma := ,
parenthesis := (

ifneq ($(V),1)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2);
endif

all: $(B)/agora-token-fcgi $(B)/agora-token-jwks $(B)/agora-token $(B)/libagoratoken.so

$(call objects,$(TOKEN)): MODE += -fPIC -fvisibility=hidden

# One object, in which only what the header declares is global: a program that links the archive
# shares no other name with it.
$(B)/agoratoken.o: $(call objects,$(TOKEN))
	$(call say,LD,$@)
	$(Q)ld -r -o $@ $^ && objcopy --localize-hidden $@

$(B)/libagoratoken.a: $(B)/agoratoken.o
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/libagoratoken.so: $(call objects,$(TOKEN))
	$(call say,LD,$@)
	$(Q)$(CC) $(filter-out -pie,$(LINK_MODE)) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -o $@ $^ \
		$(LIBRARY_LIBS)

$(B)/libservice.a: $(call objects,$(SERVICE))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/agora-token-fcgi: $(B)/src/agora-token-fcgi.o $(B)/libservice.a $(B)/libagoratoken.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -pthread -o $@ $^ -lfcgi $(PACKAGE_LIBS)

# The one program that opens connections, and so the one that libcurl is linked into.
$(B)/agora-token-jwks: $(B)/src/agora-token-jwks.o $(B)/libservice.a $(B)/libagoratoken.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs libcurl) $(PACKAGE_LIBS)

# No library of the host is needed or, by the flags, asked for. The linker would warn that parts of
# OpenSSL which are never called (its sockets, its plug-ins) want the C library's own version; and it
# would add notes, which nothing turns off, if it were to leave out the sections that are not called.
# That would save 0.5 % of the file.
$(B)/agora-token.cgi: $(B)/src/agora-token-cgi.o $(B)/libservice.a $(B)/libagoratoken.a
	$(call say,LD,$@)
	$(Q)$(CC) -static -s -Wl,--no-warnings $(LDFLAGS) -o $@ $^ \
		-ljson-c -lcrypto -lz

$(B)/agora-token: $(B)/src/agora-token.o $(call objects,$(CLI)) $(B)/libservice.a \
		$(B)/libagoratoken.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -o $@ $^ $(PACKAGE_LIBS)

$(B)/tests/unit/test_allocation: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,malloc calloc free \
	deflateInit_ inflateInit_)
$(B)/tests/unit/test_api: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc inflateInit_ \
	$(addprefix json_object_,object_add array_add to_json_string new_object new_array_ext new_string_len \
	new_int64 new_uint64 new_double_s new_boolean))
$(B)/tests/unit/test_key_fetcher: LDFLAGS += -Wl,--wrap=posix_spawn
$(B)/tests/unit/test_settings: LDFLAGS += -Wl,--wrap=free
$(B)/tests/unit/test_worker: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,epoll_ctl getaddrinfo freeaddrinfo)

# Unit tests look into the library, hence its objects.
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libservice.a $(call objects,$(TOKEN))
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -pthread -o $@ $^ -lcmocka -lfcgi $(PACKAGE_LIBS)

$(B)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The compiler does not tell which files the assembler reads.
$(B)/src/page/page.o: $(addprefix src/page/page.,html css js)

# The yardstick for plain CGI needs the C library alone.
$(B)/tests/bench/line $(B)/tests/bench/process: $(B)/tests/bench/%: $(B)/tests/bench/%.o
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -o $@ $^

$(B)/tests/bench/token: $(B)/tests/bench/token.o $(call objects,$(TOKEN))
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -o $@ $^ $(PACKAGE_LIBS)

$(B)/tests/bench/access: $(B)/tests/bench/access.o $(B)/libservice.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -o $@ $^ $(PACKAGE_LIBS)

bench-programs: $(addprefix $(B)/tests/bench/,access token process line)

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
DATADIR ?= $(PREFIX)/share/agora-token

# Every function of the library finds the one page about all of them.
FUNCTIONS := $(shell sed -n '/^ \*/d; /^\/\*/d; s/^.*\<\(agora_[a-z0-9_]*\)$(parenthesis).*/\1/p' \
	include/agora_token.h)
INSTALLED = $(addprefix $(BINDIR)/,agora-token agora-token-fcgi agora-token-jwks) $(INCLUDEDIR)/agora_token.h \
	$(addprefix $(LIBDIR)/,libagoratoken.a libagoratoken.so libagoratoken.so.$(VERSION) $(SONAME)) \
	$(LIBDIR)/pkgconfig/agoratoken.pc $(MANDIR)/man1/agora-token.1 $(MANDIR)/man3/agora_token.3 \
	$(addprefix $(MANDIR)/man8/,agora-token-fcgi.8 agora-token-jwks.8) $(FUNCTIONS:%=$(MANDIR)/man3/%.3) \
	$(BASHDIR)/agora-token $(ZSHDIR)/_agora-token $(DATADIR)/schema.json $(addprefix $(UNITDIR)/agora-token-fcgi,.socket .service) \
	$(SYSUSERSDIR)/agora-token-fcgi.conf

# Programs find a new library only when this has been run, for which one has to be root. Debian leaves
# the sbin folders out of an ordinary user's PATH, which su keeps.
LDCONFIG = $(if $(DESTDIR),,$(Q)[ "$$(id -u)" -ne 0 ] || PATH="$$PATH:/usr/sbin:/sbin" ldconfig || :)

install: all $(B)/libagoratoken.a
	$(Q)install -d $(addprefix $(DESTDIR),$(sort $(dir $(INSTALLED))))
	$(Q)install -m 755 $(addprefix $(B)/,agora-token agora-token-fcgi agora-token-jwks) $(DESTDIR)$(BINDIR)
	$(Q)install -m 644 include/agora_token.h $(DESTDIR)$(INCLUDEDIR)
	$(Q)install -m 644 $(B)/libagoratoken.a $(DESTDIR)$(LIBDIR)
	$(Q)install -m 755 $(B)/libagoratoken.so $(DESTDIR)$(LIBDIR)/libagoratoken.so.$(VERSION)
	$(Q)ln -sf libagoratoken.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libagoratoken.so
	$(Q)sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' \
		conf/pkgconfig/agoratoken.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/agoratoken.pc
	$(Q)install -m 644 conf/man/agora-token.1 $(DESTDIR)$(MANDIR)/man1
	$(Q)install -m 644 conf/man/agora_token.3 $(DESTDIR)$(MANDIR)/man3
	$(Q)install -m 644 conf/man/agora-token-fcgi.8 conf/man/agora-token-jwks.8 $(DESTDIR)$(MANDIR)/man8
	$(Q)for f in $(FUNCTIONS); do echo .so man3/agora_token.3 >$(DESTDIR)$(MANDIR)/man3/$$f.3; done
	$(Q)install -m 644 conf/completion/agora-token.bash $(DESTDIR)$(BASHDIR)/agora-token
	$(Q)install -m 644 conf/completion/_agora-token $(DESTDIR)$(ZSHDIR)/_agora-token
	$(Q)install -m 644 conf/access/schema.json $(DESTDIR)$(DATADIR)
	$(Q)install -m 644 conf/systemd/agora-token-fcgi.socket $(DESTDIR)$(UNITDIR)
	$(Q)sed 's|@BINDIR@|$(BINDIR)|' conf/systemd/agora-token-fcgi.service.in | \
		install -m 644 /dev/stdin $(DESTDIR)$(UNITDIR)/agora-token-fcgi.service
	$(Q)install -m 644 conf/systemd/agora-token-fcgi.sysusers $(DESTDIR)$(SYSUSERSDIR)/agora-token-fcgi.conf
	$(LDCONFIG)

install-service:
	@conf/local/packages build
	@$(MAKE) --no-print-directory install
	@conf/systemd/setup install $(UNITDIR) $(SYSUSERSDIR)

uninstall:
	$(if $(DESTDIR),,@conf/systemd/setup uninstall $(UNITDIR))
	$(Q)rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	$(LDCONFIG)

# In a copy of the tree, as the tools leave files of their own in it and write beside it. What every
# package is said to need includes a C++ compiler, which this one does not.
DEB := build/deb
deb:
	@conf/local/packages deb
	@rm -rf $(DEB) && mkdir -p $(DEB)/source
	@tar -c --exclude=./build --exclude=./.git --exclude=.env --exclude=node_modules . | \
		tar -x -C $(DEB)/source
	@cd $(DEB)/source && unset MAKEFLAGS MFLAGS MAKELEVEL && \
		dpkg-buildpackage -us -uc -b --ignore-builtin-builddeps >../build.log 2>&1 || \
		{ tail -n 40 ../build.log; exit 1; }
	@rm -rf $(DEB)/source
	@ls $(DEB)/*.deb

check-package:
	@conf/local/packages check
	@conf/local/packages deb
	@tests/check-package

check-container:
	@conf/local/packages container
	@tests/check-container

$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(call objects,$(CLI)) $(B)/libservice.a \
		$(call objects,$(TOKEN))
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_MODE) $(LDFLAGS) -pthread -o $@ $^ -lfcgi $(PACKAGE_LIBS)

fuzz-programs: $(FUZZ:%=$(B)/tests/fuzz/%)

# Each target from its seeds, for so many seconds of a processor. What was found new is kept for the next
# run.
FUZZ_SECONDS ?= 60
fuzz:
	@$(MAKE) --no-print-directory SANITIZE=fuzzer fuzz-programs
	@$(MAKE) --no-print-directory --jobs=$$(nproc) --output-sync $(FUZZ:%=fuzz-%)

fuzz-%:
	@mkdir -p build/fuzzer/corpus/$*
	@build/fuzzer/tests/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096 \
		-print_final_stats=1 -artifact_prefix=build/fuzzer/$*- \
		build/fuzzer/corpus/$* tests/fuzz/corpus/$*

# What the end-to-end tests take from npm, as the lock file has it.
NODE_PACKAGES := tests/e2e/node_modules/.installed
$(NODE_PACKAGES): tests/e2e/package-lock.json
	cd tests/e2e && npm ci --no-audit --no-fund
	@touch $@

node-packages: $(NODE_PACKAGES)

unit-programs: $(addprefix $(B)/tests/unit/,$(UNIT))

bench:
	@conf/local/packages bench
	@$(MAKE) --no-print-directory all $(B)/agora-token.cgi bench-programs node-packages
	@node tests/bench/bench.mjs

cgi:
	@conf/local/packages build
	@$(MAKE) --no-print-directory $(B)/agora-token.cgi

run:
	@conf/local/packages run
	@$(MAKE) --no-print-directory all
	@exec conf/local/serve

test:
	@conf/local/packages test
	@tests/test

check:
	@conf/local/packages check
	@tests/check

SOURCES := $(shell find src include tests -name '*.[ch]' -not -path '*/node_modules/*' 2>/dev/null)

format:
	clang-format -i $(SOURCES)

# Part of it is root's, where check-container or check-package has been run by sudo.
clean:
	rm -rf build 2>/dev/null || sudo rm -rf build

.PHONY: all install install-service uninstall deb check-package check-container cgi run test check bench bench-programs fuzz \
	fuzz-programs format clean unit-programs node-packages
.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
