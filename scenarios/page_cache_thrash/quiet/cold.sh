#!/bin/sh
# A look-alike: a cold start. Nearly each page that is read has to come from the disk, but for the first time.
# cell: memory_mib=256
# Exits 77 where python3, mkfs.ext4 or loop devices are not there.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill page_cache_thrash --variant cold}"
seconds=${1:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
cp reader.py archive-search
chmod +x archive-search
exec ./archive-search cold "$seconds"
