#!/bin/sh
# A look-alike: 4 workers that are never free, and 12 clients, but an answer takes a millisecond or two. For SECONDS, 4 at
# most, as it makes a thousand connections a second and more.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill accept_queue --variant saturated}"
seconds=${1:?how many seconds}
. ./site.inc
read -r word || true
serve 4 511
clients 12 index.html $((seconds < 4 ? seconds : 4))
