#!/bin/sh
# Renews requirements.lock and requirements-scheduler.lock: the newest versions that pyproject.toml allows, in an
# environment made for it; the second has what the extra `scheduler` needs beside the first.
set -eu
cd "$(dirname "$0")/.."
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
"${PYTHON:-python3}" -m venv "$new/venv"
"$new/venv/bin/python" -m pip install --quiet --disable-pip-version-check hatchling editables
"$new/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[lab,test]'
freeze() { # sorted by us, since pips differ in that
    "$new/venv/bin/python" -m pip --disable-pip-version-check freeze --exclude-editable |
        "$new/venv/bin/python" -c 'import sys; print(*sorted(sys.stdin.read().split(), key=str.lower), sep="\n")'
}
freeze > "$new/all"
"$new/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation -c "$new/all" -e '.[scheduler]'
freeze | grep -vxFf "$new/all" > "$new/scheduler"
for pair in all:requirements.lock scheduler:requirements-scheduler.lock; do
    { grep '^#' "${pair#*:}"; cat "$new/${pair%:*}"; } > "$new/lock"
    cp "$new/lock" "${pair#*:}"
done
