# Two commands do everything on a fresh Debian machine with rustup's stable Rust: `make run` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
DATA ?= .data
# More arguments for the benchmark, such as `BENCH="--runs 1"`, and how long the soak takes.
BENCH ?=
CONFORM ?= ../shared/contracts/conform.py
SYSTEMS ?=
MINUTES ?= 20
# waproto's build script counts a file of its own output among its inputs, so that the next build would make it, and all that
# stands on it, again. A file that looks old settles that.
settle = @find target -path '*/build/waproto-*/out/whatsapp.local.desc' -newermt 2001-01-01 -exec touch -d 2000-01-01 {} +
say = @printf '\033[1m==> %s\033[0m\n' "$(1)"

# What the tests' build of the dependencies has beside that of the binary alone. With it, most of them are built once for both.
as_in_tests := tokio/test-util

.PHONY: help run build release test bench soak gate plugins toolchain tools peers conform clean

help: ## What can be done here
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: build ## Build, then start Portico with the built-in sandbox network and SQLite in ./.data
	$(call say,Starting Portico with the sandbox network - data in $(DATA) - Ctrl-C stops it)
	@exec target/release/portico serve --sandbox --data $(DATA)

build: plugins ## target/release/portico, with the sandbox network; it talks to loopback only
	$(call say,Building target/release/portico (sandbox build))
	$(CARGO) build --release -p portico --features sandbox
	$(settle)

release: plugins ## target/dist/portico, for production: no sandbox, WhatsApp's certificate chain is enforced
	$(call say,Building target/dist/portico (production build))
	$(CARGO) build --profile dist -p portico
	$(settle)

plugins: toolchain ## The plugins as WebAssembly components, in target/plugins
	$(call say,Building the plugins into target/plugins)
	$(CARGO) run -q -p portico-pack -- all plugins

toolchain:
	$(call say,Checking the WebAssembly toolchain)
	@sdk/toolchain.sh

tools:
	$(call say,Checking the tools the tests need)
	@tests/tools.sh

test: tools plugins ## The whole suite, on SQLite and on a PostgreSQL that is started for it in a temporary folder
	$(call say,Building the tests and the sandbox binary)
	$(CARGO) build --workspace --exclude portico-bench --bins --tests
	$(settle)
	@mkdir -p target/test-bin && cp target/debug/portico target/test-bin/portico-sandbox
	$(call say,Building the production binary for the trust tests)
	$(CARGO) build -p portico --features $(as_in_tests)
	$(settle)
	@cp target/debug/portico target/test-bin/portico-production
	$(call say,Running the tests)
	tests/postgres.sh run -- $(CARGO) test --workspace --exclude portico-bench
	$(settle)

bench: plugins tools ## Texts a second, memory per session and the cost of a plugin call, beside loops of the bare library
	$(call say,Building the gateway and the benchmark)
	$(CARGO) build --release -p portico-bench -p portico --features portico/sandbox
	$(settle)
	$(call say,Running the benchmark)
	PORTICO_POSTGRES_FSYNC=on tests/postgres.sh run -- target/release/bench $(BENCH)

soak: plugins ## A steady rate of texts both ways over a full store for MINUTES minutes, and what it does to memory, CPU and latency
	$(call say,Building the gateway and the soak)
	$(CARGO) build --release -p portico-bench -p portico --features portico/sandbox
	$(settle)
	$(call say,Running the soak)
	target/release/soak --minutes $(MINUTES)

gate: ## Formatting, lints and documentation, as CI checks them
	$(call say,Checking the format)
	$(CARGO) fmt --all --check
	$(call say,Running the lints)
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(settle)
	$(call say,Building the documentation)
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps -q

peers: build ## Texts both ways with another WhatsApp Web client library (needs npm)
	tests/peers/run.sh

conform: build ## The dialects, judged by the conformance runner CONFORM (SYSTEMS="accounts …" for some of them)
	tests/conform.sh $(CONFORM) $(SYSTEMS)

clean: ## Remove what was built and the data of `make run`
	rm -rf target $(DATA)
