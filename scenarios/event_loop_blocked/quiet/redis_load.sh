#!/bin/sh
# A look-alike: a redis with all the pipelined load that its CPU can carry, and nothing in it that blocks.
# also: cpu_usage cpu_saturation
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill event_loop_blocked --variant redis-load}"
seconds=${1:?how many seconds}
. ./redis.inc
read -r word || true
timeout "$seconds" redis-benchmark -p 16379 -c 8 -P 64 -n 1000000000 -t get,set -q > bench.log 2>&1 || true
