#!/bin/sh
# A look-alike: a journal is synced without a pause, so that most of the time goes into fsync; but each one is fast.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill slow_fsync --variant many}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 disk.py many "${1:?how many seconds}"
