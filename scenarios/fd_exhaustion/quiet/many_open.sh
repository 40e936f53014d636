#!/bin/sh
# A look-alike: a service opens 118 of the 128 descriptors that it may have, and closes them again, all the time.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill fd_exhaustion --variant many-open}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 service.py many "${1:?how many seconds}"
