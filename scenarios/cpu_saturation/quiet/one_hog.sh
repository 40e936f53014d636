#!/bin/sh
# A look-alike: the CPU is full, of one hog that has it to itself, for SECONDS: nobody waits.
# cell: cpu_percent=1000
# also: cpu_usage
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill cpu_saturation --variant one-hog}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 service.py "${1:?how many seconds}" 0 20 1 0
