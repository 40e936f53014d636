#!/bin/sh
# A look-alike that is none: nothing happens for SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill short_lived_jobs --variant idle}"
seconds=${1:?how many seconds}
read -r word || true
exec sleep "$seconds"
