#!/bin/sh
# Provokes cpu_throttling, inside a cell: santabpf reproduce cpu_throttling [--variant workers|bursts]
# variants: workers bursts
# cell: cpu_percent=20
# also: cpu_usage
#
#   reproduce.sh workers SECONDS   four workers that hash without end share 20 ms of CPU time in each 100 ms
#   reproduce.sh bursts SECONDS    a service that needs 14 % of a CPU on average, all of it in bursts of 44 ms
#
# The limit is the cell's own: 20 ms in each 100 ms. Exits 77 where python3 is not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce cpu_throttling}"
variant=${1:?workers or bursts} seconds=${2:?how many seconds}

workers() {
    read -r word || true
    for worker in 1 2 3 4; do
        timeout "$seconds" sha256sum /dev/zero > /dev/null &
    done
    wait || true
}

case $variant in
workers) workers ;;
bursts)
    command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
    exec python3 quiet/service.py 44 320 "$seconds"
    ;;
*)
    echo "no variant $variant: workers or bursts" >&2
    exit 2
    ;;
esac
