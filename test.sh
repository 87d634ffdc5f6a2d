#!/usr/bin/env bash
# Runs all tests. What they talk to (rsyslog, curl, logrotate, sshd, busybox …) is installed where it is missing and we
# may; otherwise each test says loudly what it skips.
set -euo pipefail
cd "$(dirname "$0")"

packages=()
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/lib/systemd/$1" ] || packages+=("$2"); }
need rsyslogd rsyslog
need logger bsdutils
need curl curl
need openssl openssl
need logrotate logrotate
need sshd openssh-server
need ssh openssh-client
need busybox busybox
need systemd-journal-remote systemd-journal-remote
python3 -c 'import ensurepip' >/dev/null 2>&1 || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
            echo "SKIPPED: could not install ${packages[*]}; tests against them will be skipped"
    else
        echo "SKIPPED: ${packages[*]} missing and not root; tests against them will be skipped"
    fi
fi

# Many tests make actors panic on purpose; writing each one's backtrace would hold up its thread for seconds.
export RUST_BACKTRACE=0
cargo test --workspace --locked "$@"
