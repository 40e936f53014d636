#!/bin/sh
# Provokes slow_dns, inside a cell: santabpf reproduce slow_dns [--variant slow|lossy]
# variants: slow lossy
#
#   reproduce.sh slow SECONDS    a name server that answers after 0.3 s
#   reproduce.sh lossy SECONDS   a name server that does not answer one question of three
#
# The server is on the cell's loopback; resolv.conf is covered in the cell's mount namespace only. Exits 77 where python3 is not
# installed or the file can't be covered.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce slow_dns}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 quiet/names.py "${1:?slow or lossy}" "${2:?how many seconds}"
