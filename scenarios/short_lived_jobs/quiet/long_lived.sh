#!/bin/sh
# A look-alike: as much CPU as the fault, in two processes that live through all SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill short_lived_jobs --variant long-lived}"
seconds=${1:?how many seconds}
read -r word || true
timeout "$seconds" sha256sum /dev/zero &
timeout "$seconds" md5sum /dev/zero &
wait
