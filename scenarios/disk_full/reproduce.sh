#!/bin/sh
# Provokes disk_full, inside a cell: santabpf reproduce disk_full [--variant write|inodes]
# variants: write inodes
#
#   reproduce.sh write SECONDS    a service that goes on writing to a log on a tmpfs of 8 MiB
#   reproduce.sh inodes SECONDS   one that makes small files on a tmpfs with 64 inodes
#
# Exits 77 where python3 is not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce disk_full}"
variant=${1:?write or inodes} seconds=${2:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
mkdir spool
case $variant in
write)
    mount -t tmpfs -o size=8m,mode=755 spool spool
    exec python3 quiet/spool.py write "$PWD/spool" "$seconds"
    ;;
inodes)
    mount -t tmpfs -o size=8m,nr_inodes=64,mode=755 spool spool
    exec python3 quiet/spool.py make "$PWD/spool" "$seconds"
    ;;
*)
    echo "no variant $variant: write or inodes" >&2
    exit 2
    ;;
esac
