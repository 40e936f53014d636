#!/bin/sh
# Renews requirements.lock: the newest versions that pyproject.toml allows, in an environment made for it.
set -eu
cd "$(dirname "$0")/.."
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
"${PYTHON:-python3}" -m venv "$new/venv"
"$new/venv/bin/python" -m pip install --quiet --disable-pip-version-check hatchling editables
"$new/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[lab,test]'
{
    grep '^#' requirements.lock
    "$new/venv/bin/python" -m pip --disable-pip-version-check freeze --exclude-editable
} > "$new/lock"
cp "$new/lock" requirements.lock
