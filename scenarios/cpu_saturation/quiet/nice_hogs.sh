#!/bin/sh
# A look-alike: the same service beside eight hogs, which are at nice 19, for SECONDS: it gets the CPU whenever it wants it.
# cell: cpu_percent=1000
# also: cpu_usage
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill cpu_saturation --variant nice-hogs}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 service.py "${1:?how many seconds}" 1 20 8 19
