#!/bin/sh
# A look-alike: no name exists, and the server says so at once (NXDOMAIN): nothing works, but nobody waits. For SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill slow_dns --variant unknown}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 names.py unknown "${1:?how many seconds}"
