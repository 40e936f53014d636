#!/bin/sh
# Provokes oom_kill, inside a cell: santabpf reproduce oom_kill [--variant leak|again]
# variants: leak again
# also: memory_usage short_lived_jobs
# also again: crash_loop
# cell: memory_mib=160
#
#   reproduce.sh leak SECONDS    a service takes 100 MiB a second until the kernel kills it; nobody starts it again
#   reproduce.sh again SECONDS   its supervisor does, so it is killed again and again
#
# Needs python3; exits 77 without it.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce oom_kill}"
variant=${1:?leak or again} seconds=${2:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }

cat > report-builder << 'END'
#!/usr/bin/python3
"""Keeps every page of every report that it ever built, for SECONDS."""
import sys
import time

kept = []
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    kept.append(bytearray(b"x" * (4 << 20)))
    time.sleep(float(sys.argv[1]))
END
cat > supervise << 'END'
#!/bin/sh
read -r word || true
turns=0
sleep "$2" &
clock=$!
while [ $turns -lt 200 ] && kill -0 $clock 2> /dev/null; do
    turns=$((turns + 1))
    ./report-builder 0.02 "$2" || true
    sleep 0.2
done
END
chmod +x report-builder supervise
case $variant in
leak)
    read -r word || true
    ./report-builder 0.04 "$seconds" || echo "the service ended with $?"
    sleep 2
    ;;
again) exec ./supervise again "$seconds" ;;
*)
    echo "no variant $variant: leak or again" >&2
    exit 2
    ;;
esac
