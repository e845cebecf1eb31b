# pprofinject. `make` builds the library and the symboliser; `make check` proves them; the other
# targets are listed in README.md. Quiet unless V=1; sanitizers by SAN=address,undefined. DEBUG=1 builds
# the library with checks of its own (the order of locks), everything in $(BUILD).

PREFIX ?= /usr/local
VERSION := 0.1.0
CC ?= gcc
CXX ?= g++
BUILD := $(if $(DEBUG),build-debug,build)
# Where the library and the symboliser go.
OUT := $(if $(DEBUG),$(BUILD)/)
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(WERROR)
BASE_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -I. -I$(BUILD)/encoder -I$(BUILD)/preload -MMD -MP $(if $(SAN),-fsanitize=$(SAN)) $(if $(DEBUG),-DDEBUG_LOCKS)
# No stack protector: handlers also run in threads without the block that holds its canary. Each
# function on lines of its own: 20 ns of a condition wait, whose thread finds none of them near.
LIB_CFLAGS := $(BASE_CFLAGS) -fPIC -fvisibility=hidden -fno-stack-protector -fno-plt -falign-functions=64 $(CFLAGS)
# initfirst: its constructor runs before those of all other libraries (preload/init.c).
LIB_LDFLAGS := -shared -Wl,-soname,libpprofinject.so -Wl,-z,now,-z,defs,-z,noseparate-code,-z,initfirst \
    -Wl,--exclude-libs,ALL -Wl,-Bsymbolic-functions -Wl,--version-script=preload/exports.map -Wl,--as-needed
LIB_LIBS := -l:libprotobuf-nanopb.a -l:libz.a
SYM_LIBS := -ldw -lelf -liberty -lz -ldl -l:libprotobuf-nanopb.a

Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$(2)")

# The processor that is built for: its files in collectors/base/arch/.
ARCH ?= $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
LIB_SRC := $(wildcard collectors/*/*.c collectors/base/libc/*.c collectors/base/arch/$(ARCH)_*.c collectors/*.c encoder/*.c preload/*.c preload/*/*.c)
SYM_SRC := $(wildcard encoder/symbolize/*.c)
PROTO := $(BUILD)/encoder/profile.pb
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/lib/%.o) $(BUILD)/lib/profile.pb.o
SYM_OBJ := $(SYM_SRC:%.c=$(BUILD)/sym/%.o)
# Unit tests link everything below the hooks, and how a request is served.
UNIT_OBJ := $(filter-out $(BUILD)/lib/preload/%,$(LIB_OBJ)) $(BUILD)/lib/preload/config.o $(BUILD)/lib/preload/marker.o \
    $(addprefix $(BUILD)/lib/preload/output/,request.o render.o syscall_trial.o)
UNIT_LIB := $(BUILD)/unit.a
UNIT_BIN := $(patsubst test/unit/%.c,$(BUILD)/test/unit/%,$(wildcard test/unit/*.c))
PROGRAM_BIN := $(patsubst test/programs/%.c,$(BUILD)/test/programs/%,$(wildcard test/programs/*.c)) \
    $(patsubst test/programs/%.cc,$(BUILD)/test/programs/%,$(wildcard test/programs/*.cc))

.PHONY: all check check-long arch-check arch-objects lint demo fuzz fuzz-unwind fuzz-symbolize install clean test-programs deps-demo deps-check deps-long \
    bench bench-malloc bench-locks bench-programs bench-unwind bench-symbolize bench-labels
all: $(OUT)libpprofinject.so $(OUT)pprof-symbolize

$(OUT)libpprofinject.so: $(LIB_OBJ) preload/exports.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(LIB_CFLAGS) $(LIB_LDFLAGS) -o $@ $(LIB_OBJ) $(LIB_LIBS)

$(OUT)pprof-symbolize: $(SYM_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_CFLAGS) -o $@ $(SYM_OBJ) $(SYM_LIBS)

$(BUILD)/lib/%.o: %.c | $(PROTO).h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(LIB_CFLAGS) $(WARN) -c -o $@ $<

# These define memcpy() and the like: nothing in them may become a call of it.
$(BUILD)/lib/preload/strings.o: LIB_CFLAGS += -fno-builtin -fno-tree-loop-distribute-patterns

$(BUILD)/sym/%.o: %.c | $(PROTO).h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE_CFLAGS) $(CFLAGS) $(WARN) -c -o $@ $<

$(PROTO).h $(PROTO).c &: encoder/profile.proto encoder/profile.options
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && nanopb_generator.py -q --error-on-unmatched -I encoder -D $(BUILD)/encoder profile.proto

# The system calls that the library makes, for the one file that tries them all; written only if it changes.
SYSCALLS := $(BUILD)/preload/syscalls_made.h
TRIAL := preload/output/syscall_trial.c

LIST_SYSCALLS = mkdir -p $(@D) && python3 scripts/list-syscalls $(ARCH) $(TRIAL) $(SYSCALLS)

$(SYSCALLS): $(BUILD)/preload/syscalls_made.stamp
	$(Q)test -f $@ || { $(LIST_SYSCALLS); }

$(BUILD)/preload/syscalls_made.stamp: scripts/list-syscalls $(LIB_SRC) $(wildcard collectors/*.h collectors/*/*.h collectors/*/*/*.h encoder/*.h preload/*.h preload/*/*.h)
	$(Q)$(LIST_SYSCALLS) && touch $@

$(TRIAL:%.c=$(BUILD)/lib/%.o): $(SYSCALLS)

# Generated: compiled, not judged.
$(BUILD)/lib/profile.pb.o: $(PROTO).c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(LIB_CFLAGS) -c -o $@ $<

# -- tests: programs with known truths, unit tests ---------------------------------------------------

test-programs: $(PROGRAM_BIN) $(UNIT_BIN)

# A program's first line may hold "flags: …" for the compiler.
flags_of = $(shell sed -n '1,3s/.*flags: *\([^*]*\).*/\1/p' $(1))

$(BUILD)/test/programs/%: test/programs/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -pthread -I. -MMD -MP -Wall -Wextra $(WERROR) -o $@ $< $(call flags_of,$<)

$(BUILD)/test/programs/%: test/programs/%.cc
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CXX) -std=gnu++17 -O2 -g -pthread -I. -MMD -MP -Wall -Wextra $(WERROR) -o $@ $< $(call flags_of,$<)

$(UNIT_LIB): $(UNIT_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/test/unit/%: test/unit/%.c $(UNIT_LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE_CFLAGS) $(WARN) -pthread -o $@ $< $(UNIT_LIB) -lcmocka -lm $(LIB_LIBS)

# The stack walk against the truth: its objects alone, to be preloaded.
WALK_HEADERS := $(wildcard collectors/*.h collectors/*/*.h collectors/base/*/*.h)
TRUTH_OBJ := $(filter $(BUILD)/lib/collectors/base/% $(BUILD)/lib/collectors/stacks/rules% $(BUILD)/lib/collectors/stacks/unwind%,$(LIB_OBJ))
TRUTH_BIN := $(BUILD)/test/unwind/truth.so $(BUILD)/test/unwind/truth_cxx \
    $(if $(shell command -v rustc),$(BUILD)/test/unwind/truth_rust)

test-programs: $(TRUTH_BIN)

$(BUILD)/test/unwind/truth.so: test/unwind/truth.c test/unwind/truth_books.c test/unwind/truth_books.h $(WALK_HEADERS) $(TRUTH_OBJ)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -MMD -MP,$(LIB_CFLAGS)) $(WARN) -shared -Wl,-Bsymbolic -Wl,-z,now,-z,defs,-z,noseparate-code -Wl,--as-needed -o $@ $(filter %.c %.o,$^)

$(BUILD)/test/unwind/truth_cxx: test/unwind/truth_cxx.cc
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CXX) -std=gnu++17 -O2 -g -fomit-frame-pointer -pthread -Wall -Wextra $(WERROR) -o $@ $<

$(BUILD)/test/unwind/truth_rust: test/unwind/truth_rust.rs
	$(call say,RUSTC,$<)
	$(Q)mkdir -p $(@D) && rustc -O -g -o $@ $<

# The walk at each instruction, and its fuzz target: the walker's objects, or its sources, alone.
FUZZ_SECONDS ?= 60
FUZZ_SRC := test/unwind/fuzz.c $(filter-out %/rules_module.c,$(TRUTH_OBJ:$(BUILD)/lib/%.o=%.c))
FUZZ_FLAGS = $(filter-out -MMD -MP,$(BASE_CFLAGS)) $(WARN) -Wl,--wrap=sys_readable
FUZZ_DEPS := test/unwind/fuzz.h $(WALK_HEADERS)

test-programs: $(BUILD)/test/unwind/stepped $(BUILD)/test/unwind/fuzz_driver $(BUILD)/test/unwind/fuzz_accept

$(BUILD)/test/unwind/step.o: test/unwind/step.c test/unwind/step.h $(WALK_HEADERS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE_CFLAGS) $(WARN) -fno-stack-protector -c -o $@ $<

# Bound lazily, so that ld.so's resolver is stepped through.
$(BUILD)/test/unwind/stepped: test/unwind/stepped.cc test/unwind/step_frames.S $(BUILD)/test/unwind/step.o $(TRUTH_OBJ)
	$(call say,CXX,$<)
	$(Q)$(CXX) -std=gnu++17 -O2 -g -pthread -I. -Wall -Wextra $(WERROR) -Wl,-z,lazy -o $@ $^

test-programs: $(BUILD)/test/unwind/storm $(BUILD)/test/unwind/storm_plugin.so

$(BUILD)/test/unwind/storm_walk.o: test/unwind/storm_walk.c test/unwind/storm.h $(WALK_HEADERS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(BASE_CFLAGS) $(WARN) -fno-stack-protector -c -o $@ $<

$(BUILD)/test/unwind/storm: test/unwind/storm.cc test/unwind/storm_switch.S $(BUILD)/test/unwind/storm_walk.o $(TRUTH_OBJ)
	$(call say,CXX,$<)
	$(Q)$(CXX) -std=gnu++17 -O2 -g -pthread -I. -Wall -Wextra $(WERROR) -o $@ $^

$(BUILD)/test/unwind/storm_plugin.so: test/unwind/storm_plugin.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -O2 -g -fPIC -shared -Wall -Wextra $(WERROR) -o $@ $<

test-programs: $(BUILD)/test/faults/filter.so

$(BUILD)/test/faults/filter.so: test/faults/filter.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -O2 -fPIC -shared -Wl,-z,initfirst -D_GNU_SOURCE -Wall -Wextra $(WERROR) -o $@ $<

$(BUILD)/test/unwind/fuzz_accept: test/unwind/fuzz_accept.c $(TRUTH_OBJ)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -MMD -MP,$(BASE_CFLAGS)) $(WARN) -o $@ $^

$(BUILD)/test/unwind/fuzz_driver: $(FUZZ_SRC) test/unwind/fuzz_seeds.c test/unwind/fuzz_driver.c $(FUZZ_DEPS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(FUZZ_FLAGS) -fsanitize=address -o $@ $(filter %.c,$^)

$(BUILD)/test/unwind/fuzz_walk: $(FUZZ_SRC) $(FUZZ_DEPS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && clang $(FUZZ_FLAGS) -fsanitize=address,fuzzer -o $@ $(filter %.c,$^)

# Symboliser: the whole program but its main, on hostile profiles and binaries.
$(BUILD)/test/symbolize/fuzz_symbolize: test/symbolize/fuzz_symbolize.c $(SYM_SRC) $(wildcard encoder/symbolize/*.h) | $(PROTO).h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && clang $(filter-out -MMD -MP,$(BASE_CFLAGS)) $(WARN) -fsanitize=address,fuzzer \
	    -o $@ $< $(filter-out %/main.c,$(SYM_SRC)) $(SYM_LIBS)

fuzz-symbolize: $(BUILD)/test/symbolize/fuzz_symbolize
	$(Q)mkdir -p $(BUILD)/fuzz/findings
	$(Q)PYTHONDONTWRITEBYTECODE=1 python3 test/symbolize/fuzz_seeds.py $(abspath $(BUILD))/fuzz/symbolize.d $(BUILD)/fuzz/symbolize
	$(Q)FUZZ_FOLDER=$(abspath $(BUILD))/fuzz/symbolize.d ASAN_OPTIONS=detect_leaks=0 \
	    $(BUILD)/test/symbolize/fuzz_symbolize -max_len=65536 -max_total_time=$(FUZZ_SECONDS) -close_fd_mask=2 \
	    -artifact_prefix=$(BUILD)/fuzz/findings/ $(BUILD)/fuzz/symbolize

fuzz: fuzz-unwind fuzz-symbolize

# libFuzzer, from inputs of the grammar. A walker that is killed leaves its input in last.
fuzz-unwind: $(BUILD)/test/unwind/fuzz_driver $(BUILD)/test/unwind/fuzz_walk
	$(Q)mkdir -p $(BUILD)/fuzz/unwind $(BUILD)/fuzz/findings
	$(Q)$(BUILD)/test/unwind/fuzz_driver seeds=$(BUILD)/fuzz/unwind inputs=2000 >/dev/null
	$(Q)FUZZ_LAST=$(BUILD)/fuzz/last $(BUILD)/test/unwind/fuzz_walk -max_len=8192 -max_total_time=$(FUZZ_SECONDS) \
	    -artifact_prefix=$(BUILD)/fuzz/findings/ -print_final_stats=1 $(BUILD)/fuzz/unwind

# Which build the tests and lint judge, where it is not the one in the repository's root.
JUDGED := $(if $(DEBUG),BUILD=$(CURDIR)/$(BUILD) LIBRARY=$(CURDIR)/$(OUT)libpprofinject.so)

check: deps-check
	$(Q)$(MAKE) --no-print-directory WERROR=-Werror all test-programs
	$(Q)$(JUDGED) test/run

check-long: deps-long
	$(Q)$(MAKE) --no-print-directory WERROR=-Werror all test-programs
	$(Q)test/run --long

# Another architecture's compiler on all of the library: make ARCH=aarch64 CC=aarch64-linux-gnu-gcc arch-check
arch-check:
	$(Q)scripts/arch-check $(ARCH) "$(CC)"
arch-objects:
	@echo $(LIB_OBJ)

demo: deps-demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo

lint: all
	$(Q)$(JUDGED) scripts/lint

bench: bench-malloc bench-locks bench-programs bench-unwind bench-symbolize bench-labels
bench-labels: all
	$(Q)scripts/bench-labels
bench-malloc: all
	$(Q)scripts/bench-malloc
bench-locks: all
	$(Q)scripts/bench-locks
bench-unwind: all
	$(Q)scripts/bench-unwind
bench-programs: all
	$(Q)scripts/bench-programs
bench-symbolize: pprof-symbolize
	$(Q)scripts/bench-symbolize

deps-demo:
	$(Q)scripts/install-deps demo
deps-check:
	$(Q)scripts/install-deps check
deps-long:
	$(Q)scripts/install-deps long

# The symboliser lies beside the library, which looks for it nowhere else.
install: all
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/bin \
	    $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/man/man3 $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 755 libpprofinject.so pprof-symbolize $(DESTDIR)$(PREFIX)/lib/
	ln -sf ../lib/pprof-symbolize $(DESTDIR)$(PREFIX)/bin/pprof-symbolize
	install -m 644 preload/pprofinject.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 man/pprofinject.3 $(DESTDIR)$(PREFIX)/share/man/man3/
	install -m 644 man/pprof-symbolize.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 man/libpprofinject.so.7 $(DESTDIR)$(PREFIX)/share/man/man7/
	printf '%s\n' 'prefix=$(PREFIX)' 'preload=$${prefix}/lib/libpprofinject.so' '' 'Name: pprofinject' \
	    'Description: pprof profiles of any dynamically linked program' 'Version: $(VERSION)' \
	    >$(DESTDIR)$(PREFIX)/lib/pkgconfig/pprofinject.pc

clean:
	$(Q)rm -rf $(BUILD) libpprofinject.so pprof-symbolize

-include $(LIB_OBJ:.o=.d) $(SYM_OBJ:.o=.d) $(PROGRAM_BIN:=.d) $(UNIT_BIN:=.d)
