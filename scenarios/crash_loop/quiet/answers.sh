#!/bin/sh
# A look-alike: a script that asks, again and again, with programs whose exit status is an answer: is it there yet? It is not.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill crash_loop --variant answers}"
seconds=${1:?how many seconds}
echo "starting" > service.log
read -r word || true
turn=0
while [ $turn -lt $((seconds * 4)) ]; do
    turn=$((turn + 1))
    grep -q ready service.log || cmp -s service.log /dev/null || sleep 0.2
    sleep 0.2
done
