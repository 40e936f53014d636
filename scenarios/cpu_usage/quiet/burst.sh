#!/bin/sh
# A look-alike: all CPUs are busy for a second and a half, and then free.
# also: cpu_throttling cpu_saturation
# cell: cpus=2 cpu_percent=186
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill cpu_usage --variant burst}"
seconds=${1:?how many seconds}
read -r word || true
for worker in 1 2 3 4; do
    timeout 1.5 sha256sum /dev/zero &
done
sleep "$seconds"
wait
