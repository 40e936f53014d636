#!/bin/sh
# A look-alike: a limit far above what there is (1 s in each 100 ms), and eight workers that fight for one CPU, for SECONDS.
# cell: cpu_percent=1000
# also: cpu_usage cpu_saturation
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill cpu_throttling --variant oversubscribed}"
seconds=${1:?how many seconds}
read -r word || true
for worker in 1 2 3 4 5 6 7 8; do
    timeout "$seconds" sha256sum /dev/zero > /dev/null &
done
wait || true
