#!/bin/sh
# A look-alike: /bin/true every 100 ms. As many starts and ends, by the same parent, but nothing fails.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill crash_loop --variant true-loop}"
seconds=${1:?how many seconds}
read -r word || true
turn=0
while [ $turn -lt $((seconds * 9)) ]; do
    turn=$((turn + 1))
    /bin/true
    sleep 0.1
done
