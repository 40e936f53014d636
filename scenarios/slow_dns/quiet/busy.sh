#!/bin/sh
# A look-alike: a server with hundreds of questions a second that answers each at once, for SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill slow_dns --variant busy}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 names.py busy "${1:?how many seconds}"
