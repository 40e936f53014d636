#!/bin/sh
# A look-alike: ticks of 50 ms of CPU take half a second, since eight processes want the only CPU, too. The loop is not blocked.
# also: cpu_saturation cpu_usage
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill event_loop_blocked --variant starved}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 server.py starved "${1:?how many seconds}"
