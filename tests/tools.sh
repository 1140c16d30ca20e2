#!/usr/bin/env bash
# What the tests need beside Rust: PostgreSQL's programs (never its service) and Chromium. Installs what is missing on Debian.
set -euo pipefail

missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || missing+=(chromium)
if [ ${#missing[@]} -eq 0 ]; then
    echo "PostgreSQL and Chromium are there"
    exit 0
fi
echo "The tests need: ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
    echo "Install them, then run this again:  sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing them with apt-get"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
