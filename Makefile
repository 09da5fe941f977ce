# virtmeter: a thin layer over meson.  `make help` lists the targets.
SHELL = /bin/sh
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
ARGS ?=
SOAK_TIME ?= 3600
MESON ?= meson
# Folders of the builds: for running and quick checks, for installing and measuring, for the sanitizers.
BUILD ?= build
RELEASE ?= build-release

.DEFAULT_GOAL = build

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 \t/p' Makefile | expand -t 12

deps: ## installs what build and tests need (Debian; elsewhere it says what)
	@sh scripts/deps.sh test

deps-build:
	@sh scripts/deps.sh build

build: deps-build $(BUILD)/build.ninja ## builds into build/
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@mkdir -p out
	@$(MESON) setup $(BUILD) >out/setup.log 2>&1 || { cat out/setup.log; exit 1; }

release: deps-build
	@test -f $(RELEASE)/build.ninja || \
		$(MESON) setup $(RELEASE) --buildtype=release --prefix=$(PREFIX) --sysconfdir=$(SYSCONFDIR) >/dev/null
	@$(MESON) configure $(RELEASE) --prefix=$(PREFIX) --sysconfdir=$(SYSCONFDIR)
	@ninja -C $(RELEASE) --quiet

run: build ## meters the machines of this host every 10 s, in the foreground: make run ARGS="--cycles 2"
	@BUILD=$(BUILD) sh scripts/run.sh $(ARGS)

check: deps ## quick tests: unit, golden, scenario, rules of the sources
	@bash scripts/test.sh check

test: deps ## all tests; the last line sums them up
	@bash scripts/test.sh all

fuzz: deps ## libFuzzer on every target, FUZZ_TIME seconds each (30)
	@bash scripts/fuzz.sh

soak: deps release ## what takes longer than tests may: make soak ARGS=steady for one; SOAK_TIME seconds (3600) of watching
	@BUILD=$(RELEASE) SOAK_TIME=$(SOAK_TIME) bash scripts/soak.sh $(ARGS)

bench: deps release ## measures each hot path beside its limit and its peers
	@BUILD=$(RELEASE) bash bench/run.sh $(ARGS)

install: release ## DESTDIR, PREFIX (/usr/local), SYSCONFDIR (/etc)
	@DESTDIR="$(DESTDIR)" $(MESON) install -C $(RELEASE) --no-rebuild

format: deps ## lays out the sources
	@sh scripts/format.sh

clean: ## removes what was built
	rm -rf build build-release build-plain build-asan build-tsan build-fuzz out/test

.PHONY: help deps deps-build build release run check test fuzz soak bench install format clean
