#!/usr/bin/env bash
# Judges the dialects from outside: starts a gateway with the sandbox network in a temporary folder, on free ports and with rate
# limits lifted, and runs a conformance runner of the documented APIs against it.
#
#   tests/conform.sh RUNNER [SYSTEM…]     all systems, or those that are named
#   PORTICO_BIN=FILE tests/conform.sh …   with another binary than target/release/portico
#   CONFORM_KEEP=1                        keep the folder with the logs and results
#
# The runner is a program that takes --system, --base, --sandbox-url, --ws, --api-token and --admin-token. Ends with 1 when one of its
# runs does.
set -euo pipefail

START_S=60 RUN_S=600 STOP_S=10

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/..
binary=${PORTICO_BIN:-$root/target/release/portico}
# The gateway refuses variables of its prefix that are no setting of its own.
unset PORTICO_BIN
folder=
pid=

say() { echo "conform: $*"; }
die() { echo "conform: $*" >&2; exit 1; }

# Ends what this script started, by process id, and nothing else.
clean_up() {
    local status=$? waited
    trap - EXIT INT TERM HUP
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        for ((waited = 0; waited < STOP_S * 10; waited++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        if kill -9 "$pid" 2>/dev/null; then say "had to kill process $pid"; fi
    fi
    if [ "${CONFORM_KEEP:-}" = 1 ]; then say "kept $folder"; elif [ -n "$folder" ]; then rm -rf "$folder"; fi
    exit "$status"
}
trap clean_up EXIT INT TERM HUP

[ $# -ge 1 ] || die "name the runner: tests/conform.sh RUNNER [SYSTEM…]"
runner=$1
shift
[ -f "$runner" ] || die "$runner is missing"
[ -x "$binary" ] || die "$binary is missing: run \`make build\`"
systems=("$@")
[ ${#systems[@]} -gt 0 ] || systems=(accounts devices organizations instances)

folder=$(mktemp -d)
mkdir "$folder/plugins"
for plugin in "$root"/target/plugins/dialect-*.wasm; do
    # Those that are compiled in can't be loaded a second time.
    grep -q "\"$(basename "$plugin" .wasm)\"" "$root/host/gateway/build.rs" || cp "$plugin" "$folder/plugins/"
done
ports=$(python3 -c '
import socket
held = [socket.socket() for _ in range(3)]
for one in held: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))')
read -r api phones sockets <<<"$ports"

PORTICO_LIMITS=off "$binary" serve --sandbox --data "$folder/data" --plugins "$folder/plugins" \
    --bind "127.0.0.1:$api" --ws-bind "127.0.0.1:$sockets" --sandbox-bind "127.0.0.1:$phones" >"$folder/gateway.log" 2>&1 &
pid=$!
key=
for ((waited = 0; waited < START_S * 10; waited++)); do
    key=$(sed -nE 's/.*Admin key +(portico_[A-Za-z0-9_-]+).*/\1/p' "$folder/gateway.log")
    [ -n "$key" ] && break
    kill -0 "$pid" 2>/dev/null || { cat "$folder/gateway.log" >&2; die "the gateway ended"; }
    sleep 0.1
done
[ -n "$key" ] || { cat "$folder/gateway.log" >&2; die "the gateway was not ready within $START_S s"; }

worst=0
for system in "${systems[@]}"; do
    say "$system"
    status=0
    timeout "$RUN_S" python3 "$runner" --system "$system" --base "http://127.0.0.1:$api" --sandbox-url "http://127.0.0.1:$phones" \
        --ws "ws://127.0.0.1:$sockets/" "--api-token=$key" "--admin-token=$key" --json "$folder/$system.json" || status=$?
    # 3: nothing failed, something was skipped.
    if [ "$status" -ne 0 ] && [ "$status" -ne 3 ]; then worst=1; fi
done
exit "$worst"
