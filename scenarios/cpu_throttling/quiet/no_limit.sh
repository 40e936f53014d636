#!/bin/sh
# A look-alike: the same four workers on one CPU, in a cgroup without a limit. They wait for each other, for SECONDS.
# also: cpu_usage cpu_saturation
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill cpu_throttling --variant no-limit}"
seconds=${1:?how many seconds}
read -r word || true
for worker in 1 2 3 4; do
    timeout "$seconds" sha256sum /dev/zero > /dev/null &
done
wait || true
