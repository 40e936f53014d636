#!/bin/sh
# A look-alike: files that are not there, or must not be opened, folders that exist, writes to nothing; and all of it has room.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill disk_full --variant other-errors}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
mkdir spool
mount -t tmpfs -o size=8m,mode=755 spool spool
exec python3 spool.py errors "$PWD/spool" "${1:?how many seconds}"
