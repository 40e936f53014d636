#!/bin/sh
# A look-alike: a link of 20 Mbit/s that loses nothing, with a long download in front of everybody else, for SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill tcp_loss --variant slow-link}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 link.py slow "${1:?how many seconds}"
