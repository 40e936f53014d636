#!/bin/sh
# A look-alike: tar and gzip of a big tree, as a backup does it, again and again for SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill short_lived_jobs --variant tar}"
seconds=${1:?how many seconds}
read -r word || true
sleep "$seconds" &
clock=$!
while kill -0 $clock 2> /dev/null; do
    timeout "$seconds" tar -czf /dev/null -C /usr/lib . || true
    timeout "$seconds" sh -c 'tar -cf - -C /usr/lib . | gzip -1 > /dev/null' || true
done
