#!/bin/sh
# Provokes tcp_loss, inside a cell: santabpf reproduce tcp_loss [--variant lossy|gone]
# variants: lossy gone
#
#   reproduce.sh lossy SECONDS   a link that loses one packet of 20 in each direction, between a server and its clients
#   reproduce.sh gone SECONDS    a link that loses all
#
# Both ends are network namespaces within the cell. Exits 77 where python3, ip, tc or nsenter are not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce tcp_loss}"
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
exec python3 quiet/link.py "${1:?lossy or gone}" "${2:?how many seconds}"
