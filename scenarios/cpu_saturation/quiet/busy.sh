#!/bin/sh
# A look-alike: three services that want nine tenths of the CPU together and come one after another, for SECONDS: busy, not saturated.
# cell: cpu_percent=1000
# also: cpu_usage
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill cpu_saturation --variant busy}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 service.py "${1:?how many seconds}" 3 17 0 0
