#!/usr/bin/env bash
# Texts both ways between the gateway and Baileys, an independent WhatsApp Web library, through a sandbox network.
#
#   tests/peers/run.sh               with target/release/portico (`make build`)
#   PORTICO_BIN=FILE tests/peers/run.sh
#   PEERS_LOG=1                      also show the library's log
#   PEERS_KEEP=1                     keep the folder with the other logs
#   PEERS_OVERLAP=1                  without the turns described in README.md; fails now and then
#
# npm puts the library into a temporary folder. After that nothing leaves loopback, and everything ends by a deadline.
set -euo pipefail

INSTALL_S=300 START_S=60 RUN_S=270 STOP_S=10

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=${PORTICO_BIN:-$here/../../target/release/portico}
# The gateway refuses variables of its prefix that are no setting of its own.
unset PORTICO_BIN
folder=
pids=()

say() { echo "peers: $*"; }
die() { echo "peers: $*" >&2; exit 1; }

# Ends what this script started, by process id, and nothing else.
clean_up() {
    local status=$? pid waited
    trap - EXIT INT TERM HUP
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do
        for ((waited = 0; waited < STOP_S * 10; waited++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        if kill -9 "$pid" 2>/dev/null; then say "had to kill process $pid"; fi
    done
    if [ "${PEERS_KEEP:-}" = 1 ]; then say "kept $folder"; else rm -rf "$folder"; fi
    exit "$status"
}

# Waits until the line that begins with $2 is in log $1 of process $3, and prints the first address in it.
address() {
    local tries line
    for ((tries = 0; tries < START_S * 10; tries++)); do
        line=$(grep -m1 -E "^ *$2 " "$1" || true)
        if [ -n "$line" ]; then
            grep -oE '127\.0\.0\.1:[0-9]+' <<<"$line" | head -n 1
            return
        fi
        kill -0 "$3" 2>/dev/null || { cat "$1" >&2; die "it ended while starting"; }
        sleep 0.1
    done
    cat "$1" >&2
    die "it did not start within $START_S s"
}

command -v npm >/dev/null || die "npm is missing; install Node.js 20 or newer"
[ -x "$binary" ] || die "$binary is missing; run \`make build\`, or name a sandbox build in PORTICO_BIN"
folder=$(mktemp -d "${TMPDIR:-/tmp}/portico-peers.XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say "installing the library"
cp "$here"/package.json "$here"/package-lock.json "$here"/*.mjs "$folder"
# The library's optional companions (pictures, link previews) are left out, and no package runs a script.
(cd "$folder" && timeout "$INSTALL_S" npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error)

PORTICO_ADMIN_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export PORTICO_ADMIN_TOKEN PORTICO_LIMITS=off

# Port 0 lets the system choose; each program says what it got.
say "starting a sandbox network and a gateway"
touch "$folder/sandbox.log" "$folder/gateway.log"
"$binary" sandbox --network-bind 127.0.0.1:0 --bind 127.0.0.1:0 >"$folder/sandbox.log" 2>&1 &
sandbox=$!
pids+=("$sandbox")
network=$(address "$folder/sandbox.log" 'Other clients' "$sandbox")
admin=$(address "$folder/sandbox.log" 'Admin API' "$sandbox")
"$binary" serve --bind 127.0.0.1:0 --data "$folder/data" --sandbox-network "$network" >"$folder/gateway.log" 2>&1 &
gateway=$!
pids=("$gateway" "$sandbox")
rest=$(address "$folder/gateway.log" 'REST API' "$gateway")

say "gateway on $rest, network on $network"
export GATEWAY_URL=http://$rest ADMIN_URL=http://$admin NETWORK_URL=http://$network PEERS_FOLDER=$folder
status=0
timeout --kill-after=5 "$RUN_S" node "$folder/peer.mjs" &
peer=$!
pids=("$peer" "$gateway" "$sandbox")
wait "$peer" || status=$?
pids=("$gateway" "$sandbox")
if [ "$status" != 0 ]; then
    say "the end of the gateway's log:"
    tail -n 20 "$folder/gateway.log"
fi
exit "$status"
