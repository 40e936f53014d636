#!/bin/sh
# A look-alike: the same reads as in the fault, with memory enough.
# cell: memory_mib=256
# Exits 77 where python3, mkfs.ext4 or loop devices are not there.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill page_cache_thrash --variant fits}"
seconds=${1:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
cp reader.py archive-search
chmod +x archive-search
exec ./archive-search fits "$seconds"
