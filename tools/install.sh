#!/bin/sh
# Installs this tree into a virtual environment, as a wheel: never editable, so that tests run what a user gets.
#
#   tools/install.sh VENV auto|pure|compiled [EXTRA...]
#
# Does nothing if nothing changed since. `auto` means compiled and nothing else where a C compiler and Python's
# headers are there, so that an error of ours cannot hide behind the fall-back. VENV/hawser-build then holds
# what was asked of the build: compiled, interpreted, or nothing where either would do.
set -eu
cd "$(dirname "$0")/.."
venv=$1 mode=$2
shift 2
python=$venv/bin/python
stamp=$venv/hawser-stamp

fingerprint() { # of files and of what they say
    find "$@" -type f ! -name '*.pyc' -print | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1
}

requirements() { # of the build, of the package and of the extras given
    "$python" - "$@" <<'PY'
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    config = tomllib.load(file)
project = config["project"]
wanted = config["build-system"]["requires"] + project["dependencies"]
for extra in sys.argv[1:]:
    wanted += project["optional-dependencies"][extra]
print("\n".join(dict.fromkeys(wanted)))
PY
}

can_compile() {
    command -v "${CC:-cc}" >/dev/null 2>&1 &&
        "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

if ! [ -x "$python" ]; then
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        { echo "install: ${PYTHON:-python3} is older than 3.11; set PYTHON" >&2; exit 1; }
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv"
fi

dependencies="$(fingerprint pyproject.toml tools/install.sh) $*"
if [ "$(cat "$venv/hawser-dependencies" 2>/dev/null)" != "$dependencies" ]; then
    rm -f "$stamp"
    list=$venv/hawser-requirements.txt
    requirements "$@" >"$list"
    "$python" -m pip install -qq -r "$list"
    echo "$dependencies" >"$venv/hawser-dependencies"
fi

case $mode in
    auto) if can_compile; then mode=compiled; fi ;;
esac
state="$mode $(fingerprint src pyproject.toml hatch_build.py LICENSE)"
[ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || exit 0

log=$venv/hawser-build.log
rm -f "$stamp"
echo "install: building into $venv ($mode)" >&2
HAWSER_BUILD=$mode HAWSER_BUILD_CACHE=${HAWSER_BUILD_CACHE-build/cache} "$python" -m pip install -v \
    --no-build-isolation --no-deps --force-reinstall . >"$log" 2>&1 || {
    # What the hook said, with what the tool behind it said; whatever there is if the hook did not speak.
    sed -n '/^ *hawser: /,/error: subprocess/p' "$log" | grep . >&2 || tail -n 60 "$log" >&2
    exit 1
}
sed -n 's/^ *\(hawser: .*\)/\1/p' "$log" >&2
case $mode in
    pure) echo interpreted ;;
    compiled) echo compiled ;;
    *) : ;;
esac >"$venv/hawser-build"
echo "$state" >"$stamp"
