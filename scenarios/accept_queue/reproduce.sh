#!/bin/sh
# Provokes accept_queue, inside a cell: santabpf reproduce accept_queue [--variant workers|overflow]
# variants: workers overflow
# also overflow: tcp_loss
#
#   reproduce.sh workers SECONDS    an apache with 4 workers, whose answers take a second, and 12 clients
#   reproduce.sh overflow SECONDS   the same with 40 clients, and room for 16 in the queue
#
# The server is started after the word. Exits 77 where apache2, its prefork and CGI modules or python3 are not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce accept_queue}"
variant=${1:?workers or overflow} seconds=${2:?how many seconds}
case $variant in
workers) backlog=511 count=12 ;;
overflow) backlog=16 count=40 ;;
*)
    echo "no variant $variant: workers or overflow" >&2
    exit 2
    ;;
esac
. ./quiet/site.inc
read -r word || true
serve 4 $backlog
clients $count order "$seconds"
