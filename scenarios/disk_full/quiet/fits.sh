#!/bin/sh
# A look-alike: a file of 6 MiB is written to a tmpfs of 8 MiB again and again, and fits.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill disk_full --variant fits}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
mkdir spool
mount -t tmpfs -o size=8m,mode=755 spool spool
exec python3 spool.py fits "$PWD/spool" "${1:?how many seconds}"
