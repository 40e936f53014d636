#!/bin/sh
# Provokes page_cache_thrash, inside a cell: santabpf reproduce page_cache_thrash
# variants: squeezed
# cell: memory_mib=96
#
#   reproduce.sh squeezed SECONDS    a reader looks up pages of a file of 48 MiB, and its cgroup has room for three quarters of them
#
# Exits 77 where python3, mkfs.ext4 or loop devices are not there.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce page_cache_thrash}"
variant=${1:?squeezed} seconds=${2:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
cp quiet/reader.py archive-search
chmod +x archive-search
case $variant in
squeezed) exec ./archive-search squeezed "$seconds" ;;
*)
    echo "no variant $variant: squeezed" >&2
    exit 2
    ;;
esac
