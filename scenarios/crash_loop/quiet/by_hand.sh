#!/bin/sh
# A look-alike: a service that is killed and restarted once, by hand, and stays up.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill crash_loop --variant by-hand}"
seconds=${1:?how many seconds}
printf '#!/bin/sh\nsleep "$1"\n' > billing-service
chmod +x billing-service
read -r word || true
./billing-service "$seconds" &
service=$!
sleep 2
kill -9 $service
wait $service || true
./billing-service $((seconds - 2)) &
wait
