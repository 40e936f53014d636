#!/bin/sh
# A look-alike: answers take a second, as in the fault, but there is a worker for each client, for SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill accept_queue --variant slow-answers}"
seconds=${1:?how many seconds}
. ./site.inc
read -r word || true
serve 16 511
clients 12 order "$seconds"
