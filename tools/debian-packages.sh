#!/bin/sh
# Installs the Debian packages that building (`build`) or testing (`test`) wants, if root and if any is missing.
# apt is asked only then. Where packages stay missing the tests that want them skip with the reason; only in CI
# (the environment variable CI is set) is that a failure of this script.
set -eu

build="gcc libc6-dev make python3-dev python3-venv"
test="dmsetup e2fsprogs fio fuse3 iproute2 libnbd-bin mount nbd-client nbd-server nbdkit nftables procps
      python3-libnbd qemu-utils util-linux xfsprogs"

sets=${*:-build test}
wanted=
for name in $sets; do
    case $name in
        build) wanted="$wanted $build" ;;
        test) wanted="$wanted $test" ;;
        *) echo "usage: $0 [build] [test]" >&2; exit 2 ;;
    esac
done

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

lacking() {
    for package in $wanted; do
        installed "$package" || printf '%s ' "$package"
    done
}

give_up() {
    echo "debian-packages: $1" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
}

command -v dpkg-query >/dev/null 2>&1 || { echo "debian-packages: not a Debian, nothing done" >&2; exit 0; }
missing=$(lacking)
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || give_up "not root, cannot install: $missing"

echo "debian-packages: installing $missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt="timeout --kill-after=30 900 apt-get -q -y -o DPkg::Lock::Timeout=120"
$apt update </dev/null >&2 || echo "debian-packages: apt-get update failed, going on" >&2
# shellcheck disable=SC2086  # a list of names
$apt install --no-install-recommends $missing </dev/null >&2 ||
    for package in $missing; do
        # One name that this release does not have must not cost the others.
        $apt install --no-install-recommends "$package" </dev/null >&2 || true
    done
missing=$(lacking)
[ -z "$missing" ] || give_up "still missing: $missing"
