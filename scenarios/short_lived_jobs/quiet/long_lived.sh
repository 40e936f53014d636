#!/bin/sh
# A look-alike: as much CPU as the fault, in two processes that live through all SECONDS.
set -eu
seconds=${1:?how many seconds}
read -r word || true
timeout "$seconds" sha256sum /dev/zero &
timeout "$seconds" md5sum /dev/zero &
wait
