#!/bin/sh
# Provokes fd_exhaustion, inside a cell: santabpf reproduce fd_exhaustion [--variant open|accept]
# variants: open accept
# also accept: accept_queue tcp_loss
#
#   reproduce.sh open SECONDS      a service that may have 128 descriptors never closes the files that it opens
#   reproduce.sh accept SECONDS    one that never closes its connections, while new clients come all the time
#
# Exits 77 where python3 is not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce fd_exhaustion}"
variant=${1:?open or accept} seconds=${2:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
case $variant in
open | accept) exec python3 quiet/service.py "$variant" "$seconds" ;;
*)
    echo "no variant $variant: open or accept" >&2
    exit 2
    ;;
esac
