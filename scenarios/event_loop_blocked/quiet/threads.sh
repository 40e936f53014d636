#!/bin/sh
# A look-alike: the same asyncio server does the same sleeping and computing, as it should: in threads.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill event_loop_blocked --variant threads}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 server.py threads "${1:?how many seconds}"
