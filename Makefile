# mtbridge. Needs Rust (rustup or a distribution's, 1.95 or newer), GNU make and a C compiler; the tests also g++. The dashboard needs
# Node.js 20 or newer to be built, and Chromium to be tested; without Node the hub is built without it.

CARGO ?= cargo
# Flags for the demo: make run DEMO='--listen 127.0.0.1:9000 --speed 60'
DEMO ?=
# Cases of each property in `make prove`, and its long run: terminals, and for how long they break.
CASES ?= 100000
TERMINALS ?= 2000
SECONDS_LONG ?= 600
# What the build needs beside Rust, as command:package-of-Debian. ring and zstd bring C sources.
NEEDS := cc:gcc

TARGET := $(or $(CARGO_TARGET_DIR),target)
# nextest gives each test a process of its own and shows the slow ones; plain cargo test runs the same tests.
TEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo 'nextest run' || echo test)

.PHONY: help run dashboard dashboard-if-node webhooks-venv test test-hub test-ea test-api examples test-dash test-dash-now lint bench prove ea needs
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: needs dashboard-if-node ## a hub with two simulated terminals, in a fresh folder under target/ each time
	$(CARGO) build --release --locked
	@exec $(TARGET)/release/mtbridge demo $(DEMO)

# npm writes this file when node_modules is what the lock says.
dashboard/node_modules/.package-lock.json: dashboard/package-lock.json
	cd dashboard && npm ci
	@touch $@

dashboard/dist/index.html: dashboard/node_modules/.package-lock.json dashboard/index.html dashboard/vite.config.ts dashboard/tsconfig.json \
  dashboard/package.json docs/openapi.json $(shell find dashboard/src dashboard/public -type f -not -name schema.d.ts)
	cd dashboard && npm run build

dashboard: dashboard/dist/index.html ## the page; the next cargo build puts it into the hub

dashboard-if-node:
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory dashboard; \
	  else echo 'no npm: the hub is built without its dashboard, and its page says so'; fi

# What needs g++: the translator's tests, and those of the Expert Advisors alone, which `test-ea` runs.
EA_ALONE := $(patsubst tests/it/%.rs,--skip %::,$(wildcard tests/it/ea_*.rs))
HAS_CXX = $(shell command -v g++ >/dev/null 2>&1 || echo --exclude mqlc)

# The library that verifies the signatures of webhooks in a test; without it that test says so, and fails in CI.
webhooks-venv:
	@test -x target/webhooks-venv/bin/python \
	  || { python3 -m venv target/webhooks-venv && target/webhooks-venv/bin/pip install -q standardwebhooks==1.1.0; } \
	  || { rm -rf target/webhooks-venv; echo 'SKIPPED: standardwebhooks needs python3 with venv and a package index'; test -z "$$CI"; }

test: dashboard-if-node ## all tests: test-hub, test-ea, test-api, then test-dash
	@$(MAKE) --no-print-directory test-hub
	@$(MAKE) --no-print-directory test-ea
	@$(MAKE) --no-print-directory test-api
	@$(MAKE) --no-print-directory test-dash

test-hub: needs webhooks-venv ## the tests over the simulator, and those of the translator and of documentation examples
	@$(MAKE) --no-print-directory needs NEEDS=g++:g++ || test -z "$$CI"
	$(CARGO) $(TEST) --locked --workspace $(HAS_CXX) --features failpoints -- $(EA_ALONE)
	$(CARGO) test --locked --workspace --features failpoints --doc

test-ea: needs ## the same tests over the Expert Advisors of both platforms, their own, and how much of them was run
	@if $(MAKE) --no-print-directory needs NEEDS=g++:g++; \
	  then CARGO='$(CARGO)' TEST='$(TEST)' bash tests/ea.sh; \
	  else test -z "$$CI"; fi

test-api: needs ## a running hub against its own OpenAPI document, clients generated from it, and the first bots of the guide
	bash tests/conformance/run.sh

examples: test-api ## the examples of the OpenAPI document, recorded anew from a demo hub
	MTBRIDGE=$(TARGET)/debug/mtbridge NODE_DIR=$(TARGET)/node WORK_DIR=$(TARGET)/conformance \
	  $(TARGET)/venv/bin/python tests/conformance/record.py

# The hub that the browser is shown; another one: make test-dash HUB=target/release/mtbridge
HUB ?=
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

test-dash: needs ## the dashboard: types, units, its size, and in a browser against the hub with simulated terminals
	@if ! command -v npm >/dev/null 2>&1; \
	  then echo 'SKIPPED: the dashboard needs Node.js 20 or newer: sudo apt-get install -y nodejs npm'; test -z "$$CI"; \
	  elif test -z '$(CHROMIUM)' && ! $(MAKE) --no-print-directory needs NEEDS=chromium:chromium APT_FLAGS=--no-install-recommends; \
	  then test -z "$$CI"; \
	  else $(MAKE) --no-print-directory test-dash-now; fi

test-dash-now: dashboard
	cd dashboard && npm run lint && npm run check && npm run size
	cd dashboard && if ls test/*.test.ts* >/dev/null 2>&1; then npm test; fi
	$(if $(HUB),,$(CARGO) build --locked)
	cd dashboard && CHROMIUM='$(CHROMIUM)' HUB_BINARY='$(abspath $(or $(HUB),$(TARGET)/debug/mtbridge))' npm run e2e

lint: needs ## format, clippy, documentation, and licences if cargo-deny is installed
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items
	@if $(CARGO) deny --version >/dev/null 2>&1; \
	  then $(CARGO) fetch --locked --quiet && $(CARGO) deny --offline check licenses bans sources; \
	  else echo 'SKIPPED: cargo deny is not installed; cargo install --locked cargo-deny'; test -z "$$CI"; fi

bench: needs ## the benchmarks
	$(CARGO) bench --locked

prove: needs ## many more cases, then ten minutes of 2,000 terminals with faults; CASES= TERMINALS= SECONDS_LONG=
	PROPTEST_CASES=$(CASES) $(CARGO) test --release --locked --features failpoints
	SOAK_TERMINALS=$(TERMINALS) SOAK_SECONDS=$(SECONDS_LONG) \
	  $(CARGO) test --release --locked --features failpoints --test it soak:: -- --nocapture

ea: ## the Expert Advisors, one folder for each platform to copy into a terminal's data folder, in target/ea
	@for platform in MQL5 MQL4; do \
	  rm -rf $(TARGET)/ea/$$platform && mkdir -p $(TARGET)/ea/$$platform/Include && \
	  cp -R mql/$$platform/. $(TARGET)/ea/$$platform/ && cp -R mql/Include/. $(TARGET)/ea/$$platform/Include/ || exit 1; done
	@echo 'in $(TARGET)/ea: copy what is in MQL5 or MQL4 into the same folder of the terminal (File > Open Data Folder)'

needs:
	@missing=; for need in $(NEEDS); do \
	  command -v "$${need%%:*}" >/dev/null 2>&1 || missing="$$missing $${need##*:}"; done; \
	test -z "$$missing" && exit 0; \
	command -v apt-get >/dev/null 2>&1 && { \
	  if test "$$(id -u)" = 0; then apt-get update -qq && apt-get install -y -qq $(APT_FLAGS) $$missing && exit 0; \
	  elif sudo -n true 2>/dev/null; then sudo apt-get update -qq && sudo apt-get install -y -qq $(APT_FLAGS) $$missing && exit 0; fi; }; \
	echo "SKIPPED: this cannot be built without$$missing. Install it: sudo apt-get install -y$$missing"; exit 1
