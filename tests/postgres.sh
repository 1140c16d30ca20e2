#!/usr/bin/env bash
# A throw-away Postgres cluster for tests. It never touches a server that runs on the machine already.
#
#   tests/postgres.sh start DIR      makes a cluster in DIR, starts it and prints its URL
#   tests/postgres.sh stop DIR       stops it; DIR stays
#   tests/postgres.sh run -- CMD…    starts one in a temporary folder, runs CMD with PORTICO_TEST_POSTGRES set, cleans up
#
# Durability is switched off, as the data is worthless by design, unless PORTICO_POSTGRES_FSYNC=on asks for it (to measure).
# Only loopback and a socket in DIR are listened on.
set -eu

say() { echo "postgres.sh: $*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n '4,6s/^# *//p' "$0" >&2; exit 2; }

# The newest installed version.
bin() {
    found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -n 1)
    [ -n "$found" ] || found=$(dirname "$(command -v initdb 2>/dev/null || echo /none/initdb)")
    [ -x "$found/initdb" ] || die "no initdb under /usr/lib/postgresql/*/bin or in PATH; install the server package (Debian: postgresql)"
    echo "$found"
}

# Postgres refuses to run as root, so root hands over to somebody else.
user() {
    [ "$(id -u)" = 0 ] || { id -un; return; }
    for name in postgres nobody; do
        if id "$name" >/dev/null 2>&1; then echo "$name"; return; fi
    done
    die "run as root, and neither \`postgres\` nor \`nobody\` exists; make a user to run the server as"
}

as_user() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
    elif command -v setpriv >/dev/null 2>&1; then
        setpriv --reuid "$USER_NAME" --regid "$(id -g "$USER_NAME")" --clear-groups -- env HOME="$DIR" "$@"
    else
        # `su` takes one line for a shell; the arguments used here hold no quotes.
        su -s /bin/sh "$USER_NAME" -c "cd / && HOME='$DIR' $(printf "'%s' " "$@")"
    fi
}

free_port() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        port=$(( 20000 + (RANDOM * 32768 + RANDOM) % 30000 ))
        # Nobody answers there: it is free, as far as one can tell before the server tries it.
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
    die "found no free port"
}

start() {
    [ -n "${1:-}" ] || usage
    mkdir -p "$1"
    DIR=$(cd "$1" && pwd)
    BIN=$(bin)
    USER_NAME=$(user)
    [ ! -e "$DIR/data" ] || die "$DIR/data exists; stop that cluster and remove it, or name another folder"
    # Unix sockets have short names: 107 bytes at most.
    [ "${#DIR}" -le 80 ] || die "the path $DIR is too long for a socket; name a shorter folder"
    mkdir "$DIR/data"
    chmod 700 "$DIR/data"
    if [ "$(id -u)" = 0 ]; then chown "$USER_NAME" "$DIR" "$DIR/data"; fi
    say "making a cluster in $DIR with $BIN as $USER_NAME"
    (cd "$DIR" && as_user "$BIN/initdb" -D "$DIR/data" -U portico -A trust -E UTF8 --locale=C --no-sync >"$DIR/initdb.log" 2>&1) \
        || { cat "$DIR/initdb.log" >&2; die "initdb failed"; }
    fsync=${PORTICO_POSTGRES_FSYNC:-off}
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        cat >>"$DIR/data/postgresql.conf" <<CONF
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$DIR'
max_connections = 300
fsync = $fsync
synchronous_commit = $fsync
full_page_writes = $fsync
CONF
        say "starting it on 127.0.0.1:$port"
        if (cd "$DIR" && as_user "$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/data/server.log" -w -t 60 start >&2); then
            echo "postgres://portico@127.0.0.1:$port/postgres"
            return
        fi
        # The port may have been taken in between; the next lines win over the earlier ones.
        tail -n 5 "$DIR/data/server.log" >&2 || true
    done
    die "the server did not start; see $DIR/data/server.log"
}

stop() {
    [ -n "${1:-}" ] || usage
    [ -d "$1/data" ] || die "there is no cluster in $1"
    DIR=$(cd "$1" && pwd)
    BIN=$(bin)
    USER_NAME=$(user)
    say "stopping the cluster in $DIR"
    (cd "$DIR" && as_user "$BIN/pg_ctl" -D "$DIR/data" -m immediate -w stop >&2) || die "it did not stop, or did not run"
}

run() {
    [ "${1:-}" = "--" ] && shift
    [ $# -gt 0 ] || usage
    # Not TMPDIR: the path must be short and open to the other user.
    FOLDER=$(mktemp -d /tmp/portico-pg.XXXXXX)
    chmod 755 "$FOLDER"
    trap 'clean_up' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    PORTICO_TEST_POSTGRES=$(start "$FOLDER")
    export PORTICO_TEST_POSTGRES
    say "running $*"
    "$@"
}

clean_up() {
    status=$?
    trap - EXIT INT TERM HUP
    if [ -f "$FOLDER/data/postmaster.pid" ]; then (stop "$FOLDER") || true; fi
    rm -rf "$FOLDER"
    exit "$status"
}

case "${1:-}" in
    start | stop | run) command=$1; shift; "$command" "$@" ;;
    *) usage ;;
esac
