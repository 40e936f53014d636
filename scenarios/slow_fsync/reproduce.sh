#!/bin/sh
# Provokes slow_fsync, inside a cell: santabpf reproduce slow_fsync [--variant device|neighbour]
# variants: device neighbour
#
#   reproduce.sh device SECONDS       a service syncs its journal on a disk whose writes take 50 ms each
#   reproduce.sh neighbour SECONDS    the same on a disk of 64 MiB/s, which a backup keeps busy
#
# Exits 77 where python3, mkfs.ext4, FUSE or loop devices are not there.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce slow_fsync}"
variant=${1:?device or neighbour} seconds=${2:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
case $variant in
device | neighbour) exec python3 quiet/disk.py "$variant" "$seconds" ;;
*)
    echo "no variant $variant: device or neighbour" >&2
    exit 2
    ;;
esac
