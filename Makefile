# The command contract: make, make run, make stop, make test, make bench. See README.md.
BUILD ?= build
MESON_FLAGS ?=
ifeq ($(SANITIZE),1)
BUILD := build-asan
MESON_FLAGS += -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debug -Doptimization=1
endif
ifeq ($(CLANG),1)
BUILD := build-clang
export CC = clang
endif

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@sh scripts/packages.sh build
	@meson setup $(MESON_FLAGS) $(BUILD) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }; mv $(BUILD).log $(BUILD)/setup.log

test:
	@sh scripts/packages.sh build test
	@$(MAKE) --no-print-directory all BUILD=$(BUILD)
	@BUILD=$(BUILD) sh scripts/test.sh

clean:
	rm -rf build build-asan build-clang

.PHONY: all test clean
