# SPDX-License-Identifier: MIT
# Builds sandboxfs, its jailed helpers, its tests; "make help" lists what there is to make.

BUILD	?= build
PREFIX	?= /usr/local
DESTDIR	?=
VERSION	:= 0.1.0

ifeq ($(origin CC),default)
CC	:= gcc
endif

# Instrumented builds stand beside the plain one, each in a folder of its own.
O	:= $(BUILD)$(if $(SAN),-san)$(if $(TSAN),-tsan)$(if $(FUZZER),-fuzz)$(if $(FAULTS),-faults)

ifdef V
Q	:=
say	= @:
else
Q	:= @
say	= @printf '  %-7s %s\n' $(1) $(2)
endif

# ---- flags ---------------------------------------------------------------------------------------

, := ,
PKGS	:= fuse3 libseccomp inih libelf
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
CPPFLAGS_ALL := -D_GNU_SOURCE -DSANDBOXFS_VERSION='"$(VERSION)"' -I sandboxfs -I backends -I $(O) \
		$(if $(SAN)$(TSAN)$(FUZZER)$(FAULTS),-DSFS_FAULTS) $(PKG_CFLAGS) $(CPPFLAGS)
BASE	:= -std=gnu17 $(if $(SAN)$(TSAN)$(FUZZER),-g1,-g) $(WARN) -MMD -MP
HARDEN	:= $(if $(SAN)$(TSAN)$(FUZZER),-fno-omit-frame-pointer,-fstack-protector-strong -D_FORTIFY_SOURCE=2)
INSTRUMENT := $(if $(SAN),-fsanitize=address$(,)undefined -fno-sanitize-recover=undefined) \
	      $(if $(TSAN),-fsanitize=thread) \
	      $(if $(FUZZER),-fsanitize=fuzzer-no-link$(,)address$(,)undefined -fno-sanitize-recover=undefined)
CFLAGS_ALL := $(BASE) $(if $(SAN)$(TSAN),-O1,-O2) -fPIE -pthread $(HARDEN) $(INSTRUMENT) $(CFLAGS)
LDFLAGS_ALL := -pie -pthread -Wl,-z,relro,-z,now $(INSTRUMENT) $(LDFLAGS)
LIBS	:= $(PKG_LIBS) -lpfm -lz -lm

# What runs in a jail: small, static, and never instrumented, since a sanitizer's own system calls would look hostile.
JAIL_CFLAGS := $(BASE) -O2 -fPIE -fno-stack-protector
# The client library: for programs of others, with libc alone; only what its header names can be seen from outside.
CLIENT_CFLAGS := $(BASE) $(if $(SAN)$(TSAN),-O1,-O2) -fPIC -fvisibility=hidden $(HARDEN) $(INSTRUMENT) $(CFLAGS)
JAIL_LDFLAGS := -static-pie -Wl,-z,relro,-z,now,-z,noexecstack

# ---- sources: found by their names, listed nowhere -----------------------------------------------

CORE	:= $(wildcard sandboxfs/*.c)
BACK	:= $(wildcard backends/*.c)
ELF	:= $(wildcard backends/elf*.c)
SPECS	:= $(wildcard backends/specs/*.ini)
HELPER	:= $(wildcard backends/jailed/helper*.c backends/jailed/imports*.c)
RUNNER	:= $(wildcard backends/jailed/runner*.c backends/jailed/runner*.S) $(HELPER) \
	   $(wildcard backends/elf_link*.c backends/elf_imports*.c backends/elf_escape.c)
INSPECTOR := $(wildcard backends/jailed/inspector*.c backends/jailed/helper*.c) \
	     $(wildcard backends/elf_inspect*.c backends/elf_link*.c backends/elf_imports*.c backends/elf_escape.c)
GUARD	:= $(wildcard backends/jailed/guard*.c backends/jailed/guard*.S)
CLIENT	:= $(wildcard backends/client/*.c)
PROFILES := $(wildcard backends/profiles/*.ini)
UNIT	:= $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
FUZZ	:= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
BENCH	:= $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/*.c))
FSTOOLS	:= $(patsubst tests/fs/%.c,%,$(wildcard tests/fs/tools_*.c))
PRELOADED := $(patsubst tests/%.c,$(O)/%.so,$(wildcard tests/*.c))

objects	= $(patsubst %,$(O)/obj/%.o,$(1))
jailed	= $(patsubst %,$(O)/jailed/%.o,$(1))
CLIENT_OBJ := $(CLIENT:%=$(O)/client/%.o)
GENERATED := $(O)/obj/specs.o $(O)/obj/profiles.o $(O)/obj/embed.o

DAEMON_OBJ := $(call objects,$(CORE) $(filter-out $(ELF),$(BACK))) $(GENERATED)
LIB_OBJ	:= $(call objects,$(filter-out sandboxfs/main.c,$(CORE)) $(BACK)) $(GENERATED)
ifdef LENIENT # what compiles is linked: a test of one part can run while another part is being written
LIB_OBJ	:= $(wildcard $(LIB_OBJ))
endif

# The programs around what is tested: half the time to compile.
$(call objects,$(UNIT:%=tests/unit/%.c)): CFLAGS_ALL := $(filter-out -D_FORTIFY_SOURCE=2,$(patsubst -O1,-O0,$(patsubst -O2,-O0,$(CFLAGS_ALL))))

ifdef FUZZER
# What is of a fuzzer's name, and what that calls; the rest is compiled for clang's warnings, and to be linked.
FUZZED	:= sandboxfs/% $(FUZZ:%=backends/%%) $(patsubst %,backends/%%,elf kernelcheck kernelfill kernelref parse rockerplan seccomp_profile)
$(call objects,$(filter-out $(FUZZED),$(BACK))): CFLAGS_ALL := $(BASE) -O0 -fPIE -pthread $(CFLAGS)
endif

# ---- what there is to make -----------------------------------------------------------------------

.PHONY: all help deps demo check check-layers check-style check-units check-root check-nobody check-debian \
	guards soak fuzz bench tools install uninstall clean objects FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(O)/bin/sandboxfs $(O)/librocker_client.a $(O)/librocker_client.so

help:
	@echo 'all demo check check-root check-nobody check-units check-debian soak fuzz bench install uninstall clean deps'
	@echo 'guards: breaks each guard on purpose, in a copy, and sees that a test notices; long, as root (ROWS=part-of-a-name)'
	@echo 'unit/NAME fuzz/NAME: one program of tests/unit, tests/fuzz'
	@echo 'variables: BUILD CC SAN=1 TSAN=1 FAULTS=1 WERROR=1 PREFIX DESTDIR V=1 SECONDS (soak, fuzz) RUNS (fuzz) NAMES (bench)'

deps:
	scripts/bootstrap

demo: deps
	+@$(MAKE) --no-print-directory all
	scripts/demo $(O)

check: deps
	tests/run --build $(BUILD) --everything

check-units check-root check-nobody: all tools
	tests/run --build $(O) --$(@:check-%=%)

check-layers:
	scripts/check-layers

check-style:
	scripts/measure-style

check-debian: all tools
	scripts/check-debian $(O)

guards:
	tests/guards.py $(ROWS)

soak: all $(PRELOADED)
	SFS_SCALE=10000 tests/run --build $(O) $(if $(filter 0,$(shell id -u)),--root,--nobody) scale_objects
	@for role in root nobody; do \
		user=; counts=$$role; \
		[ $$role = root ] || { user=--user; counts=both; }; \
		if [ $$(id -u) = 0 ]; then as="tests/as-role"; else as=; user=; fi; \
		$${as:+$$as $$counts $(CURDIR) $(abspath $(O))} \
			tests/soak.py --build $(O) --seconds $(or $(SECONDS),300) $$user && \
		$${as:+$$as $$role $(CURDIR) $(abspath $(O))} \
			tests/soak_kill.py --build $(O) --seconds $(or $(SECONDS),300) || exit 1; \
		[ $$(id -u) = 0 ] || break; \
	done

bench: all $(BENCH:%=$(O)/bench/%)
	tests/bench/run $(O) $(NAMES)

objects: $(LIB_OBJ) $(CLIENT_OBJ)

# Those that say of themselves that they are not for this build are not made.
UNFIT	:= $(if $(SAN)$(TSAN),plain-only)$(if $(TSAN),|single-threaded)
FIT	:= $(if $(UNFIT),$(filter-out $(patsubst tests/unit/%.c,%,$(shell grep -lxE '(/\*| \*) ($(UNFIT))( \*/)?' \
	   tests/unit/*.c)),$(UNIT)),$(UNIT))

tools: $(FIT:%=$(O)/unit/%) $(FSTOOLS:%=$(O)/fs/%) $(PRELOADED)

# ---- compiling -----------------------------------------------------------------------------------

# Objects are made anew when the compiler or its flags change.
FLAGS_NOW := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(JAIL_CFLAGS) $(CLIENT_CFLAGS)
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' >$@

$(O)/obj/%.c.o: %.c $(O)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

$(O)/jailed/%.o: % $(O)/flags
	$(call say,JAILED,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(JAIL_CFLAGS) -c -o $@ $<

$(O)/bin/runner: $(call jailed,$(RUNNER))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JAIL_LDFLAGS) -o $@ $^ -lm

$(O)/bin/inspector: $(call jailed,$(INSPECTOR))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JAIL_LDFLAGS) -o $@ $^ -lelf -lz

$(call jailed,$(GUARD)): JAIL_CFLAGS += -fno-asynchronous-unwind-tables

# Without a libc, and with as few pages and mappings as can be: each rocker has one of these.
GUARD_LDFLAGS := -nostdlib -nostartfiles -s -Wl,-z,noseparate-code,--build-id=none,--no-eh-frame-hdr
$(O)/bin/guard: $(call jailed,$(GUARD))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(JAIL_LDFLAGS) $(GUARD_LDFLAGS) -o $@ $^

$(O)/obj/embed.o: backends/embed.S $(O)/bin/runner $(O)/bin/inspector $(O)/bin/guard
	$(call say,EMBED,'runner inspector guard')
	@mkdir -p $(@D)
	$(Q)$(CC) -DRUNNER='"$(O)/bin/runner"' -DINSPECTOR='"$(O)/bin/inspector"' -DGUARD='"$(O)/bin/guard"' -c -o $@ $<

$(O)/profiles.c: scripts/embed-profiles $(PROFILES) $(wildcard backends/profiles)
	$(call say,PROFILES,$@)
	@mkdir -p $(@D)
	$(Q)scripts/embed-profiles $(PROFILES) >$@

$(O)/obj/profiles.o: $(O)/profiles.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

$(O)/specs.c: scripts/embed-specs $(SPECS) $(wildcard backends/specs)
	$(call say,SPECS,$@)
	@mkdir -p $(@D)
	$(Q)scripts/embed-specs $(SPECS) >$@

$(O)/obj/specs.o: $(O)/specs.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

$(O)/bin/sandboxfs: $(DAEMON_OBJ)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(O)/libsandboxfs.a: $(LIB_OBJ)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $(LIB_OBJ)

$(O)/client/%.o: % $(O)/flags
	$(call say,CLIENT,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(CPPFLAGS) $(CLIENT_CFLAGS) -c -o $@ $<

$(O)/librocker_client.a: $(CLIENT_OBJ)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $(CLIENT_OBJ)

$(O)/librocker_client.so: $(CLIENT_OBJ)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -pthread -Wl,-soname,librocker_client.so.1 -Wl,-z,relro,-z,now $(INSTRUMENT) $(LDFLAGS) -o $@ $(CLIENT_OBJ)

# ---- tests ---------------------------------------------------------------------------------------

$(O)/unit/%: $(O)/obj/tests/unit/%.c.o $(O)/libsandboxfs.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(O)/libsandboxfs.a $(LIBS)

# Like a program of somebody else's: nothing of sandboxfs but the library.
$(O)/unit/client_%: $(O)/obj/tests/unit/client_%.c.o $(O)/librocker_client.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(O)/librocker_client.a

.PHONY: $(UNIT:%=unit/%) $(FUZZ:%=fuzz/%)
$(UNIT:%=unit/%):
	-@$(MAKE) --no-print-directory -k objects
	@$(MAKE) --no-print-directory LENIENT=1 $(O)/$@
	$(O)/$@

# Fuzzers need clang: an own folder, an own compiler. The linker takes what strangers wrote in most ways: it gets the most.
FUZZ_LIMIT_elf_link := -runs=10000000
fuzz_limit = $(if $(RUNS)$(SECONDS),$(RUNS:%=-runs=%) $(SECONDS:%=-max_total_time=%),$(or $(FUZZ_LIMIT_$(1)),-max_total_time=60))

.PHONY: fuzzers fuzz-programs
fuzzers:
	@$(MAKE) --no-print-directory CC=clang FUZZER=1 fuzz-programs
fuzz-programs: $(FUZZ:%=$(O)/fuzz/%)

fuzz: $(FUZZ:%=fuzz/%)
$(FUZZ:%=fuzz/%): fuzzers
	@mkdir -p $(BUILD)-fuzz/corpus/$(@F)
	@$(BUILD)-fuzz/$@ $(call fuzz_limit,$(@F)) -timeout=10 -rss_limit_mb=2048 -artifact_prefix=$(BUILD)-fuzz/ \
		$(BUILD)-fuzz/corpus/$(@F) $(wildcard tests/$@) >$(BUILD)-fuzz/$(@F).log 2>&1 || \
		{ tail -n 60 $(BUILD)-fuzz/$(@F).log; exit 1; }
	@sed -n 's|^Done |$@: |p' $(BUILD)-fuzz/$(@F).log

$(O)/fuzz/%: $(O)/obj/tests/fuzz/%.c.o $(O)/libsandboxfs.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(O)/libsandboxfs.a $(LIBS)

$(O)/bench/%: $(O)/obj/tests/bench/%.c.o
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(LIBS)

$(O)/fs/%: $(O)/obj/tests/fs/%.c.o
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -pthread

$(PRELOADED): $(O)/%.so: tests/%.c
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -O2 $(WARN) -fPIC -shared -o $@ $<

# ---- installing ----------------------------------------------------------------------------------

install: all
	install -D -m 0755 $(O)/bin/sandboxfs $(DESTDIR)$(PREFIX)/bin/sandboxfs
	install -D -m 0644 sandboxfs/sandboxfs.8 $(DESTDIR)$(PREFIX)/share/man/man8/sandboxfs.8
	install -D -m 0644 sandboxfs/sandboxfs.5 $(DESTDIR)$(PREFIX)/share/man/man5/sandboxfs.5
	install -D -m 0644 backends/client/rocker.3 $(DESTDIR)$(PREFIX)/share/man/man3/rocker.3
	install -D -m 0644 backends/client/rocker.h $(DESTDIR)$(PREFIX)/include/rocker.h
	install -D -m 0644 $(O)/librocker_client.a $(DESTDIR)$(PREFIX)/lib/librocker_client.a
	install -D -m 0755 $(O)/librocker_client.so $(DESTDIR)$(PREFIX)/lib/librocker_client.so.1
	ln -sf librocker_client.so.1 $(DESTDIR)$(PREFIX)/lib/librocker_client.so
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' backends/client/rocker_client.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/rocker_client.pc
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' scripts/sandboxfs.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/sandboxfs.service

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sandboxfs $(DESTDIR)$(PREFIX)/share/man/man8/sandboxfs.8 \
		$(DESTDIR)$(PREFIX)/share/man/man5/sandboxfs.5 $(DESTDIR)$(PREFIX)/lib/systemd/system/sandboxfs.service \
		$(DESTDIR)$(PREFIX)/share/man/man3/rocker.3 $(DESTDIR)$(PREFIX)/include/rocker.h \
		$(DESTDIR)$(PREFIX)/lib/librocker_client.a $(DESTDIR)$(PREFIX)/lib/librocker_client.so.1 \
		$(DESTDIR)$(PREFIX)/lib/librocker_client.so $(DESTDIR)$(PREFIX)/lib/pkgconfig/rocker_client.pc

clean:
	rm -rf $(BUILD) $(BUILD)-san $(BUILD)-tsan $(BUILD)-fuzz $(BUILD)-faults

-include $(shell find $(O)/obj $(O)/jailed $(O)/client -name '*.d' 2>/dev/null)
