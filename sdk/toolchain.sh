#!/bin/sh
# Makes sure that plugins can be compiled here, and says what it does.
#
# Plugins are built for wasm32-unknown-unknown. The easy way is rustup's ready-made target; where it can't be fetched,
# Debian's rustc-web compiles the standard library from rust-web-src. portico-pack finds either by itself.
set -eu

target=wasm32-unknown-unknown
# Seconds to wait for a download that may be blocked without an error.
fetch_seconds=120
say() { printf 'toolchain: %s\n' "$*"; }

has_target() {
    dir=$("${RUSTC:-rustc}" --print target-libdir --target "$target" 2>/dev/null) && [ -d "$dir" ]
}

has_sources() {
    root=$(/usr/bin/rustc --print sysroot 2>/dev/null) && [ -f "$root/lib/rustlib/src/rust/library/std/Cargo.toml" ]
}

if has_target; then
    say "the active Rust toolchain has $target; nothing to do"
    exit 0
fi

if command -v rustup >/dev/null 2>&1; then
    say "adding $target with rustup"
    if timeout "$fetch_seconds" rustup target add "$target" && has_target; then
        say "done"
        exit 0
    fi
    say "rustup could not fetch it"
fi

if has_sources; then
    say "/usr/bin/rustc has the sources of the standard library; portico-pack builds it along (about a minute, once)"
    exit 0
fi

if command -v apt-get >/dev/null 2>&1; then
    say "installing rustc-web and rust-web-src with apt-get"
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi
    if $as_root apt-get update -qq && $as_root apt-get install -y -qq rustc-web rust-web-src && has_sources; then
        say "done; portico-pack builds the standard library along (about a minute, once)"
        exit 0
    fi
    say "apt-get could not install them"
fi

say "plugins can't be built here. Install one of:"
say "  - rustup's target:  rustup target add $target"
say "  - Debian packages:  rustc-web rust-web-src (Debian 12 or newer)"
exit 1
