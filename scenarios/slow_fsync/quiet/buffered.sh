#!/bin/sh
# A look-alike: 8 MiB are written at a time beside a journal that is synced, but nobody waits for them, and the disk is fast.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill slow_fsync --variant buffered}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 disk.py buffered "${1:?how many seconds}"
