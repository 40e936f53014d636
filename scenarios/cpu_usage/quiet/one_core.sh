#!/bin/sh
# A look-alike: one process computes all the time. One CPU is full, top shows 100 %, but the others are free.
# also: cpu_saturation
# cell: cpu_percent=1000
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill cpu_usage --variant one-core}"
seconds=${1:?how many seconds}
read -r word || true
timeout "$seconds" sha256sum /dev/zero || true
