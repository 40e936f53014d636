#!/bin/sh
# A look-alike: a backup reads a file once that is larger than its cache. The limit is hit, pages go, and nobody misses them.
# cell: memory_mib=96
# Exits 77 where python3, mkfs.ext4 or loop devices are not there.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill page_cache_thrash --variant scan}"
seconds=${1:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
cp reader.py archive-search
chmod +x archive-search
exec ./archive-search scan "$seconds"
