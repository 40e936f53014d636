#!/bin/sh
# A look-alike: the same service under the same limit of 20 ms in each 100 ms, with smaller requests, for SECONDS: it stays
# below its limit in each period. Exits 77 where python3 is not installed.
# cell: cpu_percent=20
# also: cpu_usage
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill cpu_throttling --variant within-limit}"
seconds=${1:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 service.py 5 100 "$seconds"
