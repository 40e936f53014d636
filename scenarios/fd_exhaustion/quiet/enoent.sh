#!/bin/sh
# A look-alike: files that are not there are asked for, a thousand times a second; nothing is wrong with descriptors.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill fd_exhaustion --variant enoent}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 service.py enoent "${1:?how many seconds}"
