# The command contract: make, make run, make stop, make test, make bench. See README.md.
BUILD ?= build
MESON_FLAGS ?=
ifeq ($(SANITIZE),1)
BUILD := build-asan
MESON_FLAGS += -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debug -Doptimization=1
endif
ifeq ($(SANITIZE),thread)
BUILD := build-tsan
MESON_FLAGS += -Db_sanitize=thread -Db_lundef=false -Dbuildtype=debug -Doptimization=1
endif
ifeq ($(CLANG),1)
BUILD := build-clang
export CC = clang
endif

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet $(TARGETS)

$(BUILD)/build.ninja:
	@sh scripts/packages.sh build
	@meson setup $(MESON_FLAGS) $(BUILD) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }; mv $(BUILD).log $(BUILD)/setup.log

test:
	@sh scripts/packages.sh build test
	@$(MAKE) --no-print-directory all BUILD=$(BUILD)
	@BUILD=$(BUILD) sh scripts/test.sh

# A single-node cluster in the background with the demo application; see scripts/run.sh.
run:
	@sh scripts/packages.sh build run
	@$(MAKE) --no-print-directory all BUILD=$(BUILD) TARGETS="k1s examples/mkimage examples/demo-app"
	@BUILD=$(BUILD) sh scripts/run.sh

# Ends it and leaves nothing behind but its data (/var/lib/k1s); clean-data removes that, too.
stop:
	@BUILD=$(BUILD) sh scripts/stop.sh

clean-data:
	@BUILD=$(BUILD) sh scripts/stop.sh --clean-data

clean:
	rm -rf build build-asan build-tsan build-clang build-fuzz

.PHONY: all test run stop clean-data clean

bench: all
	@sh scripts/packages.sh bench
	@python3 bench/bench.py --binary $(BUILD)/k1s

.PHONY: bench

# Each target of test/fuzz for FUZZ_SECONDS under libFuzzer; `make test` runs them for a moment without it.
fuzz:
	@sh scripts/packages.sh build test
	@sh scripts/fuzz.sh $(TARGETS)

# Writes, lists and watches for MINUTES, with clients that stall and vanish: nothing may leak.
soak: all
	@sh scripts/packages.sh bench
	@python3 bench/soak.py --binary $(BUILD)/k1s --minutes $(or $(MINUTES),30)

.PHONY: fuzz soak
