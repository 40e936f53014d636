#!/bin/sh
# Provokes cpu_saturation, inside a cell: santabpf reproduce cpu_saturation [--variant neighbours|crowd]
# variants: neighbours crowd
# cell: cpu_percent=1000
# also: cpu_usage
#
#   reproduce.sh neighbours SECONDS   a service that needs 5 ms of CPU for each request, beside eight hogs on the same CPU
#   reproduce.sh crowd SECONDS        twelve such services, which together want three times as much as one CPU has
#
# All of it runs on one CPU. cpu_percent is far above what there is: it only lets the drill have its CPU before others of this
# machine. Exits 77 where python3 is not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce cpu_saturation}"
variant=${1:?neighbours or crowd} seconds=${2:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }

case $variant in
neighbours) exec python3 quiet/service.py "$seconds" 1 20 8 0 ;;
crowd) exec python3 quiet/service.py "$seconds" 12 15 0 0 ;;
*)
    echo "no variant $variant: neighbours or crowd" >&2
    exit 2
    ;;
esac
